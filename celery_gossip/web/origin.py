"""Origin: recognizes requests from the dashboard's own page by the headers of browsers. Pure; called by Security."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from celery_gossip.hosts import is_loopback

__all__ = ["is_own_origin", "is_own_site"]

_PORTS = {"http": 80, "https": 443}


def is_own_origin(headers: Mapping[str, str], scheme: str, host: str, port: int | None) -> bool:
    """Return whether Origin is absent or has the scheme, host and port that the request was sent to.

    `scheme` is the server's; `host` and `port` are those of the Host header. A reverse proxy may have terminated TLS:
    for names other than loopback's, X-Forwarded-Proto decides the scheme, and without it https is accepted as well. A
    page cannot set that header in a request to another origin, because the browser's CORS preflight is refused.
    """
    origin = headers.get("origin")
    if origin is None:
        return True
    schemes = {scheme}
    if not is_loopback(host):
        forwarded = headers.get("x-forwarded-proto", "").strip().lower()
        schemes = {forwarded} if forwarded in _PORTS else {scheme, "https"}
    return _parsed(origin) in {(one, host, port or _PORTS.get(one)) for one in schemes}


def is_own_site(headers: Mapping[str, str], method: str) -> bool:
    """Return whether Sec-Fetch-Site is absent, is the same origin, or shows that the user opened the address.

    A link on another site may open the dashboard as a top-level page, but not in a frame.
    """
    site = headers.get("sec-fetch-site")
    if site is None or site in ("same-origin", "none"):
        return True
    is_opened = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return is_opened and method in ("GET", "HEAD") and site in ("same-site", "cross-site")


def _parsed(origin: str) -> tuple[str, str, int | None] | None:
    """Return scheme, host and port; None for an invalid origin."""
    try:
        parts = urlsplit(origin)
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    if origin.lower() not in (f"{parts.scheme}://{parts.netloc}".lower(),) or "@" in parts.netloc or not name:
        return None
    return parts.scheme, name, port or _PORTS.get(parts.scheme)
