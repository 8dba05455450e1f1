"""Sessions: users who logged in, by the random token in their browser's cookie. Kept in memory only.

Owned by Login, on the server's event loop. A restart of the server ends all sessions.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["MAX_SESSIONS", "MAX_SESSIONS_OF_USER", "Session", "Sessions", "User"]

MAX_SESSIONS = 1_000  #: another one ends the session that was not used for longest
MAX_SESSIONS_OF_USER = 20  #: the same, among the sessions of the user
_TOKEN_BYTES = 32
_MAX_TEXT = 200  #: characters of a description of a browser


@dataclass(frozen=True)
class User:
    """A user whom the provider has authenticated and the options admit."""

    name: str
    groups: tuple[str, ...] = ()
    is_admin: bool = False  #: may see and end the sessions of others


@dataclass(eq=False)
class Session:
    """One browser in which a user has logged in."""

    user: User
    client: str  #: address
    browser: str  #: its User-Agent, for the list of sessions
    idle: float  #: seconds without use after which it ends
    lifetime: float  #: seconds after which it ends
    clock: Callable[[], float] = field(repr=False)
    is_ended: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(8))  #: public: cannot be used in place of the token
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES), repr=False)

    def __post_init__(self) -> None:
        self.created_at = self.used_at = self.clock()

    def use(self) -> bool:
        """Return whether the session is valid, and count this as a use."""
        if self.is_valid():
            self.used_at = self.clock()
        return self.is_valid()

    def is_valid(self) -> bool:
        """Return whether it was neither ended, nor idle or open for too long."""
        now = self.clock()
        return not self.is_ended and now - self.used_at < self.idle and now - self.created_at < self.lifetime

    @property
    def remaining(self) -> float:
        """Return the seconds until it ends, if it is used until then."""
        return max(0.0, self.created_at + self.lifetime - self.clock())


class Sessions:
    """All sessions. The store keeps hashes of the tokens, so that a copy of its memory opens no session."""

    def __init__(self, idle: float, lifetime: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle = idle
        self._lifetime = lifetime
        self._clock = clock
        self._by_hash: dict[bytes, Session] = {}

    def start(self, user: User, client: str, browser: str) -> tuple[str, Session]:
        """Return a new session and its token, which is not kept."""
        self._remove_invalid()
        own = [session for session in self._by_hash.values() if session.user.name == user.name]
        if len(own) >= MAX_SESSIONS_OF_USER:
            self.end(min(own, key=_used_at))
        elif len(self._by_hash) >= MAX_SESSIONS:
            self.end(min(self._by_hash.values(), key=_used_at))
        shown = "".join(char for char in browser if char.isprintable())[:_MAX_TEXT]
        session = Session(user, client, shown, self._idle, self._lifetime, self._clock)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._by_hash[_hash(token)] = session
        return token, session

    def find(self, token: str) -> Session | None:
        """Return the valid session of this token, and count this as a use."""
        session = self._by_hash.get(_hash(token))
        return session if session is not None and session.use() else None

    def end(self, session: Session) -> None:
        """End a session; its event streams end with the next event."""
        session.is_ended = True
        self._remove_invalid()

    def visible_to(self, viewer: Session) -> list[Session]:
        """Return the valid sessions that this one may list and end: of its user, for an admin all. Newest first."""
        self._remove_invalid()
        is_visible = viewer.user.is_admin
        shown = [one for one in self._by_hash.values() if is_visible or one.user.name == viewer.user.name]
        return sorted(shown, key=lambda session: session.created_at, reverse=True)

    def _remove_invalid(self) -> None:
        for key, session in list(self._by_hash.items()):
            if not session.is_valid():
                session.is_ended = True
                del self._by_hash[key]


def _used_at(session: Session) -> float:
    return session.used_at


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
