"""Login: the handlers of logins through an OpenID Connect provider, and of sessions. Called on the server's event loop.

A dashboard without `--auth oidc:FILE` has a Login without options, whose handlers refuse every request.
"""

import hmac
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeVar

from starlette.responses import Response

from celery_gossip.log import LimitedLogger, logger
from celery_gossip.web.login.attempt import ATTEMPT_LIFETIME, Attempt, LoginAttempts
from celery_gossip.web.login.cookie import Cookies
from celery_gossip.web.login.option import NotAdmitted, OidcOptions
from celery_gossip.web.login.page import message_page
from celery_gossip.web.login.session import Session, Sessions, User
from celery_gossip.web.login_throttle import LoginThrottle
from celery_gossip.web.operation import Call, Refused
from celery_gossip.web.parameter import (
    LOGIN_CODE,
    LOGIN_ERROR,
    LOGIN_ISSUER,
    LOGIN_STATE,
    LOGIN_TARGET,
    SESSION_TOKEN,
)
from celery_gossip.web.response import SessionCommand, SessionList, SessionRow

if TYPE_CHECKING:
    from celery_gossip.web.login.provider import Provider

__all__ = ["Login"]

_MAX_AT_PROVIDER = 16  #: logins that wait for a response of the provider at the same time
_OFF = "logins are off: see --auth oidc:FILE"
_RETRY = "Log in again."

_T = TypeVar("_T")


class Login:
    """Logs users in and out. Without options, no user can log in."""

    def __init__(
        self,
        options: OidcOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
        provider: "Provider | None" = None,
    ) -> None:
        self._options = options
        self._clock = clock
        self._attempts = LoginAttempts(clock)
        self._throttle = LoginThrottle(clock)
        self._at_provider = 0
        self._log = LimitedLogger(clock=clock)
        if options is None:
            return
        self._cookies = Cookies(options.url)
        self._sessions = Sessions(options.session_idle, options.session_lifetime, clock)
        self._provider = provider or _provider(options)

    @property
    def is_enabled(self) -> bool:
        return self._options is not None

    @property
    def url(self) -> str:
        """URL of the dashboard; empty without options."""
        return self._options.url if self._options is not None else ""

    def find_session(self, headers: Mapping[str, str]) -> Session | None:
        """Return the session of the cookie in these headers."""
        if self._options is None:
            return None
        token = self._cookies.read("session", headers.get("cookie", ""))
        return self._sessions.find(token) if token else None

    async def start(self, call: Call) -> Response:
        """Send the browser to the provider."""
        self._require_enabled()
        headers = call.request.headers
        attempt = self._attempts.start(self._read_cookie("login", headers), call[LOGIN_TARGET])
        url = await self._ask_provider(lambda: self._provider.authorization_url(attempt))
        cookie = self._cookies.set("login", attempt.browser, ATTEMPT_LIFETIME)
        return _redirect(url, cookie)

    async def finish(self, call: Call) -> Response:
        """Exchange the provider's code for the user's claims, and start a session."""
        options = self._require_enabled()
        attempt = self._find_attempt(call)
        if call[LOGIN_ERROR]:
            reason = "".join(char for char in call[LOGIN_ERROR] if char.isprintable())[:100]
            raise Refused(403, f"The provider did not log you in: {reason}. {_RETRY}")
        if call[LOGIN_ISSUER] not in ("", options.issuer) or not call[LOGIN_CODE]:
            raise Refused(400, f"The provider's response is not valid. {_RETRY}")
        user = await self._identify(call, attempt)
        if old := self.find_session(call.request.headers):
            self._sessions.end(old)
        token, session = self._sessions.start(user, call.client, call.request.headers.get("user-agent", ""))
        logger.info("celery-gossip: %s logs in from %.45r, session %s", user.name, call.client, session.id)
        session_cookie = self._cookies.set("session", token, options.session_lifetime)
        return _redirect(options.url + attempt.target, self._cookies.delete("login"), session_cookie)

    async def log_out(self, call: Call) -> SessionList:
        """End the session of this request."""
        session = self._require_token(call)
        self._sessions.end(session)
        logger.info("celery-gossip: %s logs out, session %s", session.user.name, session.id)
        return SessionList(now=_now(), sessions=[])

    async def logged_out(self, call: Call) -> Response:
        """Say that the user has logged out. Does not log in again, which the provider might do without a question."""
        self._require_enabled()
        text = "Your session with this dashboard has ended. You may still be logged in at your provider."
        return message_page(200, text, self.url)

    async def sessions(self, call: Call) -> SessionList:
        """List the sessions of the user; for an admin all."""
        return self._list(self._require_session(call))

    async def end_session(self, call: Call) -> SessionList:
        """End a session that the user may see."""
        viewer = self._require_token(call)
        command: SessionCommand = call.body
        session = next((one for one in self._sessions.visible_to(viewer) if one.id == command.id), None)
        if session is None:
            raise Refused(404, "id: no session of yours has this id")
        self._sessions.end(session)
        logger.info("celery-gossip: %s ends the session %s of %s", viewer.user.name, session.id, session.user.name)
        return self._list(viewer)

    def _list(self, viewer: Session) -> SessionList:
        now, clock_now = _now(), self._clock()
        return SessionList(
            now=now,
            sessions=[
                SessionRow(
                    id=one.id,
                    user=one.user.name,
                    is_own=one is viewer,
                    is_admin=one.user.is_admin,
                    client=one.client,
                    browser=one.browser,
                    started_at=round(now + one.created_at - clock_now, 1),
                    used_at=round(now + one.used_at - clock_now, 1),
                    ends_at=round(now + one.remaining, 1),
                )
                for one in self._sessions.visible_to(viewer)
            ],
        )

    def _find_attempt(self, call: Call) -> Attempt:
        browser = self._read_cookie("login", call.request.headers)
        attempt = self._attempts.find(browser, call[LOGIN_STATE])
        if attempt is not None:
            return attempt
        cause = "it took too long, or began in another browser" if browser else "the browser sent no cookie"
        raise Refused(400, f"This login is not valid: {cause}. {_RETRY}")

    async def _identify(self, call: Call, attempt: Attempt) -> User:
        """Return the user. Raises Refused if the provider or the options refuse them."""
        from celery_gossip.web.login.provider import TokenRefused

        if seconds := self._throttle.retry_after(call.client, ""):
            raise Refused(429, "Too many logins from your address failed.", **{"Retry-After": str(seconds)})
        try:
            claims = await self._ask_provider(lambda: self._provider.claims(call[LOGIN_CODE], attempt))
            return self._require_enabled().admit(claims)
        except TokenRefused as exc:
            self._throttle.record_failure(call.client, "")
            self._log.warning("token", "celery-gossip: a login from %.45r fails: %s", call.client, exc)
            raise Refused(400, f"The provider's response is not valid; see the log of the server. {_RETRY}") from exc
        except NotAdmitted as exc:
            self._log.warning("not admitted", "celery-gossip: a login from %.45r is refused: %s", call.client, exc)
            raise Refused(403, "Your account may not use this dashboard. Ask the person who runs it.") from exc

    async def _ask_provider(self, step: Callable[[], Awaitable[_T]]) -> _T:
        """Return the result of a step. Raises Refused if the provider cannot be used, or too many steps are running."""
        from celery_gossip.web.login.provider import ProviderDown

        with self._place():
            try:
                return await step()
            except ProviderDown as exc:
                self._log.warning("provider", "celery-gossip: the provider of logins cannot be used: %s", exc)
                text = "The login provider does not respond as expected; see the log of the server. Try again later."
                raise Refused(502, text) from exc

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._at_provider >= _MAX_AT_PROVIDER:
            raise Refused(503, "Too many logins at the same time. Try again in a moment.")
        self._at_provider += 1
        try:
            yield
        finally:
            self._at_provider -= 1

    def _read_cookie(self, kind: Literal["session", "login"], headers: Mapping[str, str]) -> str:
        return self._cookies.read(kind, headers.get("cookie", ""))

    def _require_enabled(self) -> OidcOptions:
        if self._options is None:
            raise Refused(404, _OFF)
        return self._options

    def _require_session(self, call: Call) -> Session:
        self._require_enabled()
        if call.session is None:
            raise Refused(403, "only users who logged in with a browser have sessions")
        return call.session

    def _require_token(self, call: Call) -> Session:
        """Return the session. Raises Refused unless the request has its CSRF token."""
        session = self._require_session(call)
        if not hmac.compare_digest(call[SESSION_TOKEN].encode(), session.csrf.encode()):
            raise Refused(403, f"{SESSION_TOKEN.name}: expected {SESSION_TOKEN.expected}")
        return session


def _provider(options: OidcOptions) -> "Provider":
    from celery_gossip.web.login.provider import Provider  # needs the extra oidc

    return Provider(options)


def _redirect(url: str, *cookies: str) -> Response:
    response = message_page(303, "Your browser should continue by itself.", cookies=cookies)
    response.headers["Location"] = url
    return response


def _now() -> float:
    return round(time.time(), 1)
