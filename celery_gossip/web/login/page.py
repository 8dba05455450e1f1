"""Pages without a script that a browser shows before and after a login. Pure."""

from collections.abc import Sequence
from html import escape

from starlette.responses import Response

__all__ = ["HTML", "message_page"]

HTML = "text/html"
_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title} · Celery Gossip</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
{style}
</head>
<body>
<main>
<h1>{title}</h1>
<p>{text}</p>
{link}
</main>
</body>
</html>
"""
_TITLES = {200: "Logged out", 303: "Log in", 403: "Not permitted", 404: "Not found", 429: "Too many attempts"}


def message_page(status: int, text: str, url: str = "", cookies: Sequence[str] = ()) -> Response:
    """Return a page with a message, and with a link to log in if `url`, that of the dashboard, is known."""
    base = escape(url)
    body = _TEMPLATE.format(
        title=_TITLES.get(status, "Login failed"),
        text=escape(text),
        style=f'<link rel="stylesheet" href="{base}login/style.css">' if url else "",
        link=f'<p><a href="{base}login">Log in</a></p>' if url else "",
    )
    response = Response(body, status, headers={"Cache-Control": "no-store"}, media_type=HTML)
    for cookie in cookies:
        response.headers.append("Set-Cookie", cookie)
    return response
