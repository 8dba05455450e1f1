"""Cookies of logins. Pure.

With https their names begin with `__Host-`: browsers then accept them from this host only, with Secure, and send them
to no other host. A cookie is not bound to a port or path, so the names contain a digest of the dashboard's address.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

__all__ = ["Cookies"]


@dataclass(frozen=True)
class Cookies:
    """The cookies of the dashboard at this URL."""

    url: str

    def read(self, kind: Literal["session", "login"], header: str) -> str:
        """Return the value in a Cookie header; empty if there is none, or more than one of this name."""
        pairs = (pair.strip().partition("=") for pair in header.split(";"))
        values = [value for name, _, value in pairs if name == self.name(kind)]
        return values[0] if len(values) == 1 else ""

    def set(self, kind: Literal["session", "login"], value: str, max_age: float) -> str:
        """Return a Set-Cookie header. Lax: the provider's response is a navigation from another site."""
        path = "/" if self._is_secure else urlsplit(self.url).path
        secure = "; Secure" if self._is_secure else ""
        return f"{self.name(kind)}={value}; Max-Age={max_age:.0f}; Path={path}; HttpOnly; SameSite=Lax{secure}"

    def delete(self, kind: Literal["session", "login"]) -> str:
        """Return a Set-Cookie header that deletes the cookie."""
        return self.set(kind, "", 0)

    def name(self, kind: Literal["session", "login"]) -> str:
        digest = hashlib.sha256(self.url.encode()).hexdigest()[:8]
        return f"{'__Host-' if self._is_secure else ''}gossip-{kind}-{digest}"

    @property
    def _is_secure(self) -> bool:
        return self.url.startswith("https:")
