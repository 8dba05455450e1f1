"""Guard: an ASGI application around the dashboard's that lets nobody in who should not be, and says so in plain words.

Every route goes through it: exact Host (DNS rebinding), own Origin, known user; answers bear a strict policy.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from celery_gossip.web.auth import Auth

__all__ = ["USER", "Guard"]

USER = "celery_gossip.user"  #: of the scope: who asks; empty where nobody need say
_OPEN = "/healthz"  #: tells nothing but whether it hears
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Guard:
    """`hosts` are names in lower case; without `auth` everybody is let in who asks one of them."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], auth: Auth | None) -> None:
        self._app = app
        self._hosts = hosts
        self._auth = auth

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a websocket: there is none here
            raise RuntimeError(f"the dashboard takes no {scope['type']}")

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", []), *_HEADERS]}
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_with_policy)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = _headers_of(scope)
        if headers is None or _name_of(headers.get("host", "")) not in self._hosts:
            return _text(421, "this host's name is not one of those that the dashboard answers to; see --allow-host\n")
        origin = headers.get("origin")
        if origin is not None and _name_of(origin.partition("://")[2]) not in self._hosts:
            return _text(403, "a page of another origin may not ask\n")
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return _text(403, "a page of another site may not ask\n")
        return self._authenticate(scope, headers)

    def _authenticate(self, scope: Scope, headers: Mapping[str, str]) -> PlainTextResponse | None:
        scope[USER] = ""
        if self._auth is None or _path_of(scope) == _OPEN:
            return None
        peer = scope.get("client")
        user = self._auth.identify(headers, peer[0] if peer else "")
        if user is None:
            challenge = {"WWW-Authenticate": self._auth.challenge} if self._auth.challenge else {}
            return _text(401, "who are you?\n", **challenge)
        scope[USER] = user
        return None


def _path_of(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _headers_of(scope: Scope) -> dict[str, str] | None:
    """By lower-case name; None where one that matters is there twice."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        if key in headers and key in ("host", "origin", "authorization"):
            return None
        headers[key] = value.decode("latin-1")
    return headers


def _name_of(host: str) -> str:
    """Without its port and brackets, in lower case; empty for what is no host."""
    try:
        return urlsplit(f"//{host}").hostname or "" if "@" not in host and "/" not in host else ""
    except ValueError:
        return ""


def _text(status: int, text: str, **headers: Any) -> PlainTextResponse:
    return PlainTextResponse(text, status, headers=headers)
