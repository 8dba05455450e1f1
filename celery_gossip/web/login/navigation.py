"""Navigation: recognizes that a browser opens a page, and sends it to the login. Pure; called by Security."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from celery_gossip.web.login.attempt import safe_target

__all__ = ["login_url"]

_NO_PAGES = ("/api/", "/static/", "/metrics", "/healthz", "/login/")


def login_url(url: str, scope: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """Return the address of the login for an unauthenticated request; empty for one that must get status 401.

    `url` is that of the dashboard, empty without logins. The address is absolute: the provider returns to this host,
    and only there the browser sends the cookie of the login.
    """
    root = scope.get("root_path", "")
    is_page = not scope["path"].removeprefix(root).startswith(_NO_PAGES)
    is_opened = headers.get("sec-fetch-mode", "navigate") == "navigate" and "text/html" in headers.get("accept", "")
    if not url or scope["method"] != "GET" or not is_page or not is_opened or "authorization" in headers:
        return ""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    path = raw.decode("latin-1").partition("?")[0].removeprefix(quote(root)).lstrip("/")
    query = scope.get("query_string", b"").decode("latin-1")
    target = safe_target(f"{path}?{query}" if query else path)
    return f"{url}login?next={quote(target, safe='')}" if target else f"{url}login"
