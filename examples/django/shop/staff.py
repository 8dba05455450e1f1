"""StaffOnly: admits members of staff who are logged in to Django's admin site, and refuses everyone else."""

from http.cookies import CookieError, SimpleCookie
from importlib import import_module

from django.conf import settings
from django.contrib.auth import aget_user
from django.http import HttpRequest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class StaffOnly:
    """Wraps an ASGI application. Django's middleware does not run for a mounted one, so the session is read here."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.session_store = import_module(settings.SESSION_ENGINE).SessionStore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if await self.is_staff(scope):
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse("log in at /admin/ as a member of staff\n", 403)(scope, receive, send)

    async def is_staff(self, scope: Scope) -> bool:
        """Return whether the session cookie is that of an active member of staff."""
        request = HttpRequest()
        request.session = self.session_store(_cookie(scope, settings.SESSION_COOKIE_NAME))
        user = await aget_user(request)
        return user.is_active and user.is_staff


def _cookie(scope: Scope, name: str) -> str | None:
    try:
        cookies = SimpleCookie(Request(scope).headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None
