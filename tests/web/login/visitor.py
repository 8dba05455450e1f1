"""A browser without a window: keeps the dashboard's cookies and follows its redirects to the provider and back."""

import json
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from celery_gossip.web.login.option import OidcOptions
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.web.served import Served

__all__ = ["URL", "Visitor", "oidc_config", "oidc_file"]

URL = "http://127.0.0.1:5556/"
NAVIGATION = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}


def oidc_config(provider: OidcProvider, **options: Any) -> OidcOptions:
    required = {
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "url": URL,
        "domains": ["example.com"],
        "admins": ["ann@example.com"],
    }
    return msgspec.convert({**required, **options}, OidcOptions)


def oidc_file(folder: Path, provider: OidcProvider, **options: Any) -> Path:
    """Write a file for `--auth oidc:FILE`."""
    config = msgspec.to_builtins(oidc_config(provider, **options))
    path = folder / "oidc.toml"
    path.write_text(
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in config.items() if value not in ({}, ""))
    )
    path.chmod(0o600)
    return path


class Visitor:
    """A browser with cookies of its own."""

    def __init__(self, served: Served, provider: OidcProvider) -> None:
        self.served = served
        self.provider = provider
        self.cookies: dict[str, str] = {}

    def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        cookie = (
            {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        )
        response = self.served.request(method, path, headers={**cookie, **(headers or {})}, **options)
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return response

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.request("GET", path, headers=headers)

    def open(self, path: str) -> httpx.Response:
        """Request a page as a browser does that opens an address."""
        return self.request("GET", path, headers=NAVIGATION)

    def post(self, path: str, *, token: str | None = None, **options: Any) -> httpx.Response:
        """Send a request of the page, with the token of the session unless another one is given."""
        csrf = self.config()["session"]["csrf"] if token is None else token
        return self.request("POST", path, headers={"X-Gossip-CSRF": csrf, "Origin": URL[:-1]}, **options)

    def config(self) -> Any:
        return self.get("/api/config").json()

    def authorize(self, path: str = "/login") -> str:
        """Begin a login, and return the path with which the provider sends the browser back."""
        response = self.open(path)
        assert response.status_code == 303, response.text
        back = httpx.get(response.headers["location"])
        assert back.status_code == 302, back.text
        parts = urlsplit(back.headers["location"])
        assert back.headers["location"].startswith(f"{URL}login/callback?")
        return f"{parts.path}?{parts.query}"

    def return_to(self, callback: str) -> httpx.Response:
        """Come back from the provider; the browser marks this request as one from another site."""
        return self.request(
            "GET", callback, headers={**NAVIGATION, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
        )

    def log_in(self, path: str = "/login") -> httpx.Response:
        """Log in, and return the response to the provider's code."""
        return self.return_to(self.authorize(path))
