"""Security: an ASGI application around the dashboard that refuses requests before any route sees them.

Every request is checked: exact Host (DNS rebinding), own Origin, authenticated user. Every response gets a strict
Content-Security-Policy.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from celery_gossip.hosts import parse_host_header
from celery_gossip.web.auth import Auth, user_headers
from celery_gossip.web.connection import ABORT
from celery_gossip.web.login.handler import Login
from celery_gossip.web.login.navigation import login_url
from celery_gossip.web.login_throttle import LoginThrottle
from celery_gossip.web.origin import is_own_origin, is_own_site

__all__ = ["LOGIN_URL", "REFUSALS", "SESSION", "UNAUTHENTICATED", "USER", "Security"]

USER = "celery_gossip.user"  #: key of the scope: the authenticated user; empty if none is required
SESSION = "celery_gossip.session"  #: key of the scope: the user's session; None for other ways to authenticate
LOGIN_URL = "celery_gossip.login_url"  #: key of the scope: URL of a dashboard with logins; empty without them
#: `{status: cause}` of refused requests, for the OpenAPI document. Their bodies are plain text.
REFUSALS: Mapping[int, str] = {
    303: "A browser opened a page of a dashboard with logins, and has no session: a redirect to the login.",
    400: "A header that may occur once is repeated.",
    401: "No user has these credentials.",
    403: "A page of another origin or site sent the request.",
    421: "The Host header is not an allowed one.",
    429: "Too many wrong credentials from this address; see the header Retry-After.",
}
UNAUTHENTICATED = (303, 401, 429)  #: statuses of REFUSALS that public paths do not return
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
)
_NO_STORE = (b"cache-control", b"no-store")
_POLICY_VIOLATION = 1008  #: of RFC 6455
WRITE_TIMEOUT = 30.0  #: seconds for which a client may read nothing of a response
#: Headers that decide who sent a request and from where. A request that repeats one of them is refused.
_ONCE = frozenset(
    (
        "authorization",
        "content-type",
        "host",
        "last-event-id",
        "origin",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "x-gossip-csrf",
    )
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Security:
    """Wraps `app`. `hosts` are lower-case names; without `auth`, any client that uses one of them is admitted."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: frozenset[str],
        auth: Auth | None,
        public_paths: frozenset[str] = frozenset(),
        login: Login | None = None,
    ) -> None:
        self._app = app
        self._hosts = hosts
        self._auth = auth
        self._public_paths = public_paths
        self._login = login or Login()
        self._once = _ONCE | user_headers(auth)
        self._throttle = LoginThrottle()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _refuse_websocket(receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"the dashboard does not serve {scope['type']}")
        sender = _TimedSender(send, WRITE_TIMEOUT)
        app = self._refusal(scope) or self._app
        try:
            await app(scope, receive, sender.send)
        except Exception:
            if not sender.has_timed_out:
                raise
        if sender.has_timed_out and (abort := scope.get(ABORT)) is not None:
            abort()
            await asyncio.sleep(0)  # let the server notice the lost connection, or it logs an error

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the response to a request that is refused, None for one that is not. Sets the user in the scope."""
        headers = _headers_of(scope)
        name, port = parse_host_header(headers.get("host", [""])[0])
        if len(headers.get("host", ())) != 1 or name not in self._hosts:
            return _text(421, "Host: expected one of the dashboard's names; see --allow-host\n")
        if repeated := [name for name in self._once if len(headers.get(name, ())) > 1]:
            return _text(400, f"{repeated[0]}: expected once\n")
        fields = {name: values[-1] for name, values in headers.items()}
        fields["cookie"] = "; ".join(headers.get("cookie", ()))  # HTTP/2 splits it
        if not is_own_origin(fields, scope["scheme"], name, port):
            return _text(403, "refused: the request comes from a page of another origin\n")
        if not is_own_site(fields, scope["method"]):
            return _text(403, "refused: the request comes from a page of another site\n")
        return self._authenticate(scope, fields)

    def _authenticate(self, scope: Scope, headers: Mapping[str, str]) -> Response | None:
        scope.update({USER: "", SESSION: None, LOGIN_URL: self._login.url})
        if self._auth is None or _path_of(scope) in self._public_paths:
            return None
        if (session := self._login.find_session(headers)) is not None:
            scope.update({USER: session.user.name, SESSION: session})
            return None
        peer, credentials = (scope.get("client") or [""])[0], headers.get("authorization", "")
        is_attempt = bool(credentials and self._auth.challenge)
        if is_attempt and (seconds := self._throttle.retry_after(peer, credentials)):
            return _text(429, "too many wrong credentials from this address\n", **{"Retry-After": str(seconds)})
        user = self._auth.identify(headers, peer)
        if user is None:
            if is_attempt:
                self._throttle.record_failure(peer, credentials)
            return self._unauthenticated(scope, headers)
        scope[USER] = user
        return None

    def _unauthenticated(self, scope: Scope, headers: Mapping[str, str]) -> Response:
        """Return the redirect to the login for a page that a browser opens, else status 401."""
        if url := login_url(self._login.url, scope, headers):
            return _text(303, "log in\n", Location=url)
        # A browser would ask for a password in place of a login.
        is_browser = self._login.is_enabled and "sec-fetch-site" in headers
        challenge = "" if self._auth is None or is_browser else self._auth.challenge
        return _text(401, "authentication required\n", **({"WWW-Authenticate": challenge} if challenge else {}))


@dataclass
class _TimedSender:
    """Sends the messages of one response with the security headers, and gives up on a client that does not read."""

    _send: Send
    _timeout: float  #: seconds for each message
    has_timed_out: bool = False

    async def send(self, message: Message) -> None:
        """Raise ConnectionError if the client has not read for the timeout."""
        if self.has_timed_out:
            raise ConnectionError("the client does not read")
        if message["type"] == "http.response.start":
            message = {**message, "headers": _with_policy(message.get("headers", []))}
        try:
            await asyncio.wait_for(self._send(message), self._timeout)
        except asyncio.TimeoutError as exc:  # not the built-in TimeoutError on Python 3.10
            self.has_timed_out = True
            raise ConnectionError("the client does not read") from exc


def _with_policy(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    given = [(bytes(name), bytes(value)) for name, value in headers]
    default = [] if any(name.lower() == b"cache-control" for name, _ in given) else [_NO_STORE]
    return [*given, *default, *_HEADERS]


async def _refuse_websocket(receive: Receive, send: Send) -> None:
    """Close before the handshake, which servers answer with 403. The dashboard has no websockets."""
    await receive()
    await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": ""})


def _path_of(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _headers_of(scope: Scope) -> dict[str, list[str]]:
    """Return all values by lower-case name."""
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def _text(status: int, text: str, **headers: Any) -> PlainTextResponse:
    return PlainTextResponse(text, status, headers=headers)
