"""Login attempts: binds the provider's response to the browser that asked for it. Pure, except for random numbers.

An attempt is not stored: its state, nonce and PKCE verifier are derived from a random number in the state, a random
cookie of the browser, and a key of this process. So a flood of requests for logins displaces no attempt of another
user, and a response that was issued for another browser (login CSRF) has a state that does not match the cookie.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote

__all__ = ["ATTEMPT_LIFETIME", "Attempt", "LoginAttempts", "safe_target"]

ATTEMPT_LIFETIME = 600  #: seconds for which a user may stay at the provider
_MAX_TARGETS = 1_000  #: addresses to return to; without its address a login leads to the overview
_MAX_TARGET = 2_000  #: characters
_NONCE_BYTES = 16
_BROWSER = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_TARGET = re.compile(r"[A-Za-z0-9/_.~%!$&'()*+,;=:@-]*(\?[A-Za-z0-9/_.~%!$&'()*+,;=:@?-]*)?\Z")


@dataclass(frozen=True)
class Attempt:
    """One attempt to log in."""

    browser: str = field(repr=False)  #: the value of the browser's cookie
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)  #: of PKCE (RFC 7636)
    target: str  #: address to return to, relative to the dashboard


class LoginAttempts:
    """Starts attempts, and recognizes their responses."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._targets: OrderedDict[bytes, str] = OrderedDict()

    def start(self, browser: str, target: str) -> Attempt:
        """Return a new attempt. `browser` is the value of its cookie; two tabs of one browser share it."""
        if not _BROWSER.match(browser):
            browser = secrets.token_urlsafe(32)
        public = secrets.token_bytes(_NONCE_BYTES) + int(self._clock() + ATTEMPT_LIFETIME).to_bytes(8, "big")
        target = safe_target(target)
        if target:
            self._targets[public] = target
            if len(self._targets) > _MAX_TARGETS:
                self._targets.popitem(last=False)
        return self._attempt(browser, public, target)

    def find(self, browser: str, state: str) -> Attempt | None:
        """Return the attempt with this state; None if it is of another browser or server, or has expired."""
        if not _BROWSER.match(browser):
            return None
        try:
            public = base64.b64decode(state.partition(".")[0].encode(), b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            return None
        attempt = self._attempt(browser, public, self._targets.get(public, ""))
        if not hmac.compare_digest(attempt.state.encode(), state.encode()):
            return None
        has_expired = int.from_bytes(public[_NONCE_BYTES:], "big") <= self._clock()
        return None if has_expired else attempt

    def _attempt(self, browser: str, public: bytes, target: str) -> Attempt:
        def derived(use: str) -> str:
            message = b"\0".join((use.encode(), browser.encode(), public))
            return _text(hmac.digest(self._key, message, hashlib.sha256))

        state = f"{_text(public)}.{derived('state')}"
        return Attempt(browser, state, derived("nonce"), derived("verifier"), target)


def safe_target(text: str) -> str:
    """Return an address relative to the dashboard, as a browser sends it; empty for one that leads elsewhere."""
    path = text.partition("?")[0]
    is_inside = not any(unquote(segment) in (".", "..") for segment in path.split("/"))
    is_relative = not text.startswith("/") and ":" not in path.partition("/")[0]
    return text if len(text) <= _MAX_TARGET and _TARGET.match(text) and is_inside and is_relative else ""


def _text(data: bytes) -> str:
    """Return URL-safe base64; all lengths here are such that no padding would be ambiguous."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
