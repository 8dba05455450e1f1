"""Endpoints: Starlette routes built from operations. Called on the server's event loop.

One endpoint serves all methods of a path: it checks access, validates parameters and body, and encodes the response.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from celery_gossip.web.login.page import HTML, message_page
from celery_gossip.web.operation import JSON, Access, Call, Operation, Refused
from celery_gossip.web.response import Error
from celery_gossip.web.security import LOGIN_URL, SESSION, USER
from celery_gossip.wire.messages import DECODE_ERRORS

__all__ = ["BODY_ERRORS", "METHOD_ERROR", "PARAMETER_ERROR", "starlette_routes", "unknown_path"]

_MAX_BODY = 512 * 1024  #: bytes; a command may name 1,000 workers
_BODY_TIMEOUT = 10.0  #: seconds
_NO_STORE = {"Cache-Control": "no-store"}
METHOD_ERROR = (405, "The path does not support this method; see the header Allow.")
PARAMETER_ERROR = (400, "A parameter is invalid.")
#: `{status: cause}` of operations with a request body
BODY_ERRORS = {
    400: "The body is invalid.",
    408: f"The body did not arrive within {_BODY_TIMEOUT:.0f} s.",
    413: f"The body is longer than {_MAX_BODY:,} bytes.",
    415: f"The body is not {JSON}.",
    422: "Each field of the body is valid, but not all of them together.",
}


def starlette_routes(operations: Iterable[Operation], require_control: Callable[[Call], None]) -> list[Route]:
    """Return one route per path, in the order of the operations.

    `require_control` raises Refused unless a call may control workers. Raises ValueError for two operations with the
    same path and method.
    """
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        same_path = by_path.setdefault(operation.path, [])
        if any(other.method == operation.method for other in same_path):
            raise ValueError(f"{operation.method} {operation.path}: expected one operation")
        same_path.append(operation)
    return [Route(path, _Endpoint(same_path, require_control)) for path, same_path in by_path.items()]


async def unknown_path(request: Request, exc: Exception) -> Response:
    """Return the response to a path that no route matches: one with a line break, which Starlette does not match."""
    return _json(404, Error("no such path; see api/openapi.json"))


class _Endpoint:
    """ASGI application of one path. Starlette passes every method to an endpoint that is not a function."""

    def __init__(self, operations: Sequence[Operation], require_control: Callable[[Call], None]) -> None:
        self._error_media_type = operations[0].error_media_type
        self._require_control = require_control
        self._by_method = {operation.method: operation for operation in operations}
        self._allow = ", ".join(
            method for one in operations for method in ((one.method, "HEAD") if one.method == "GET" else (one.method,))
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        operation = self._by_method.get("GET" if request.method == "HEAD" else request.method)  # type: ignore[call-overload]
        if operation is None:
            return _error(
                request, self._error_media_type, Refused(METHOD_ERROR[0], f"expected {self._allow}", Allow=self._allow)
            )
        try:
            result = await operation.handler(await self._call(operation, request))
        except Refused as refused:
            return _error(request, operation.error_media_type, refused)
        return result if isinstance(result, Response) else _json(operation.status, result)

    async def _call(self, operation: Operation, request: Request) -> Call:
        user, session = request.scope[USER], request.scope[SESSION]
        if operation.access is Access.CONTROL:
            self._require_control(Call(request, user, session=session))
        arguments = {parameter: parameter.read(request) for parameter in operation.parameters}
        body = None if operation.body is None else await _read_body(request, operation.body)
        return Call(request, user, arguments, body, session)


async def _read_body(request: Request, body_type: Any) -> Any:
    """Return the decoded body. Raises Refused with a status of BODY_ERRORS."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refused(415, f"Content-Type: expected {JSON}")
    try:
        body = await asyncio.wait_for(_receive_body(request), _BODY_TIMEOUT)
    except asyncio.TimeoutError as exc:  # not the built-in TimeoutError on Python 3.10
        raise Refused(408, f"body: expected within {_BODY_TIMEOUT:.0f} s") from exc
    if len(body) > _MAX_BODY:
        raise Refused(413, f"body: expected at most {_MAX_BODY:,} bytes")
    try:
        return msgspec.json.decode(body, type=body_type)
    except DECODE_ERRORS as exc:
        # The cause is an error of the type's own check of its fields.
        raise Refused(422 if isinstance(exc.__cause__, ValueError) else 400, f"body: {exc}"[:300]) from exc


async def _receive_body(request: Request) -> bytes:
    """Return the body; only the beginning of one that is too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            break
    return body


def _json(status: int, value: Any) -> Response:
    return Response(msgspec.json.encode(value), status, headers=_NO_STORE, media_type=JSON)


def _error(request: Request, media_type: str, refused: Refused) -> Response:
    if media_type == JSON:
        response = _json(refused.status, Error(refused.text))
    elif media_type == HTML:
        response = message_page(refused.status, refused.text, request.scope[LOGIN_URL])
    else:
        response = PlainTextResponse(f"{refused.text}\n", refused.status, headers=_NO_STORE)
    response.headers.update(refused.headers)
    return response
