"""Operations: declarations of HTTP routes, from which both the Starlette routes and the OpenAPI document are built.

An Operation cannot be created without a summary, a response type that its handler is annotated with, and a declaration
of every parameter in its path. Pure, except that Parameter.read() reads a request.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar, get_type_hints

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from celery_gossip.web.login.session import Session
from celery_gossip.wire.messages import DECODE_ERRORS

__all__ = ["EVENT_STREAM", "JSON", "TEXT", "Access", "Call", "Handler", "Operation", "Parameter", "Refused"]

JSON = "application/json"
TEXT = "text/plain"
EVENT_STREAM = "text/event-stream"
_IN_PATH = re.compile(r"\{(\w+)(?::\w+)?\}")

T = TypeVar("T")


class Access(Enum):
    """Who may call an operation. The value describes it in the OpenAPI document."""

    PUBLIC = "Needs no credentials."
    USER = "Needs the credentials of a user, if authentication is configured."
    CONTROL = "Needs --allow-control, the credentials of a user, and the token of /api/config."


class Refused(Exception):
    """A request that gets an error response; `text` says what was expected."""

    def __init__(self, status: int, text: str, **headers: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


@dataclass(frozen=True, kw_only=True, eq=False)
class Parameter(Generic[T]):
    """A parameter of a request. The same declaration validates it and describes it."""

    name: str
    location: Literal["path", "query", "header"]
    type: Any  #: with bounds, as msgspec reads them; a list type for a parameter that may be repeated
    expected: str  #: the valid values in words, for the document and for error messages
    default: Any = None  #: of `type`; None: the parameter is required
    convert: Callable[[Any], T] | None = None  #: applied to a value of `type`; may raise ValueError

    def __post_init__(self) -> None:
        if not self.expected.strip():
            raise ValueError(f"{self.name}: expected a description of its values")

    @property
    def is_required(self) -> bool:
        return self.default is None

    def read(self, request: Request) -> T:
        """Return the validated value. Raises Refused with status 400."""
        values = self._values(request)
        if len(values) > 1 and not self._is_list:
            raise Refused(400, f"{self.name}: expected once")
        if not values and self.is_required:
            raise Refused(400, f"{self.name}: expected {self.expected}")
        raw = self.default if not values else values if self._is_list else values[0]
        try:
            value = msgspec.convert(raw, self.type, strict=False)
            return value if self.convert is None else self.convert(value)
        except DECODE_ERRORS as exc:
            raise Refused(400, f"{self.name}: expected {self.expected}, got {', '.join(values)[:80]!r}") from exc

    @cached_property
    def _is_list(self) -> bool:
        return msgspec.json.schema(self.type).get("type") == "array"

    def _values(self, request: Request) -> list[str]:
        if self.location == "path":
            return [str(request.path_params[self.name])]
        return (request.query_params if self.location == "query" else request.headers).getlist(self.name)


@dataclass(frozen=True)
class Call:
    """A request to an operation: `call[PARAMETER]` is the value of a parameter that the operation declares."""

    request: Request
    user: str  #: empty if authentication is off, or the operation is public
    arguments: Mapping[Parameter[Any], Any] = field(default_factory=dict)
    body: Any = None  #: of the type that the operation declares
    session: Session | None = None  #: in which the user has logged in; None for other ways to authenticate

    def __getitem__(self, parameter: Parameter[T]) -> T:
        value: T = self.arguments[parameter]
        return value

    @property
    def client(self) -> str:
        """Return the address of the client; empty if the server does not know it."""
        return self.request.client.host if self.request.client else ""

    def is_admitted(self) -> bool:
        """Return whether the user still has access, and count this as a use of the session."""
        return self.session is None or self.session.use()


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one path. GET also answers HEAD."""

    method: Literal["GET", "POST"]
    path: str  #: with parameters as Starlette writes them, "{name:path}"
    handler: Handler
    summary: str
    result: Any  #: type of the JSON body; Response for other media types
    details: str = ""  #: for the document
    tag: str = "api"
    media_types: tuple[str, ...] = (JSON,)  #: of the response
    status: int = 200
    parameters: tuple[Parameter[Any], ...] = ()
    body: Any = None  #: type of the request's JSON body; None if it has none
    errors: Mapping[int, str] = field(default_factory=dict)  #: `{status: cause}`, beside those of parameters and access
    error_media_type: str = JSON
    access: Access = Access.USER

    def __post_init__(self) -> None:
        if not self.summary.strip():
            raise ValueError(f"{self.method} {self.path}: expected a summary")
        declared = {parameter.name for parameter in self.parameters if parameter.location == "path"}
        if declared != set(_IN_PATH.findall(self.path)):
            raise ValueError(f"{self.method} {self.path}: expected a declaration of each parameter in the path")
        annotated = get_type_hints(self.handler).get("return")
        if annotated != self.result:
            raise TypeError(
                f"{self.method} {self.path}: expected a handler that returns {self.result}, got {annotated}"
            )
        if (self.result is Response) == (self.media_types == (JSON,)):
            raise TypeError(f"{self.method} {self.path}: expected a type for JSON, or Response with other media types")

    @property
    def document_path(self) -> str:
        """Return the path as OpenAPI writes it, "{name}"."""
        return _IN_PATH.sub(r"{\1}", self.path)
