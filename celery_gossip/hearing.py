"""Hearing: whether a listener can trust its own ear, told by its echo on the exchange. Pure; time is passed in.

Owned by a Listener, used on its thread. Once a second the listener publishes an echo and waits to hear it. What it does
not hear itself, it cannot hear of others: then it is isolated, and silence proves nothing.
"""

from collections import deque

__all__ = ["ECHO_EVERY", "Hearing"]

ECHO_EVERY = 1.0  #: seconds between two echoes
_PATIENCE = 2.5  #: seconds since the sending of the newest echo heard; beyond, the listener is isolated
_DEAF_AFTER = 3.0  #: seconds without an echo after which a connection is taken for half open
_SILENT_AFTER = 10.0  #: seconds without any message, at least, where there is no echo
_SILENT_INTERVALS = 3.5  #: of the slowest worker heard
_LAG_WINDOW = 10.0  #: seconds for which a lag is remembered
_MOST_OUTSTANDING = 16


class Hearing:
    """Connected or not, its echoes, and its own lag. Every time is the listener's monotonic clock."""

    def __init__(self, now: float) -> None:
        self.connected_at: float | None = None
        self.has_echo = True  #: False where it may not publish, as far as this connection goes
        self._sure_at = now  #: when what was heard last was sent, as far as an echo can tell
        self._was_cut_off = False
        self._answered_at = now
        self._message_at = now
        self._due_at = now
        self._number = 0
        self._outstanding: dict[int, float] = {}
        self._lags: deque[tuple[float, float]] = deque()
        self._looked_at = now

    def connect(self, now: float) -> None:
        """The subscription is open. It is heard of again by the next echo, or at once where that is refused."""
        self.connected_at = self._answered_at = self._message_at = self._due_at = now
        self.has_echo = True  # what was refused on the connection before may be granted by now

    @property
    def is_of_use(self) -> bool:
        """Whether this connection has brought anything at all."""
        return self.connected_at is not None and self._message_at > self.connected_at

    def cut_off(self) -> None:
        """The connection is gone: it hears nothing, for certain."""
        self._was_cut_off = self._was_cut_off or self.connected_at is not None
        self.connected_at = None
        self._outstanding.clear()

    def is_due(self, now: float) -> bool:
        """Whether it is time for an echo."""
        return self.has_echo and self.connected_at is not None and now >= self._due_at

    def say(self, now: float) -> int:
        """An echo is sent now; its number."""
        self._number += 1
        self._due_at = now + ECHO_EVERY
        self._outstanding[self._number] = now
        if len(self._outstanding) > _MOST_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]
        return self._number

    def postpone(self, now: float) -> None:
        """That echo could not be sent: the next try is a whole period away, for it may block."""
        self._outstanding.pop(self._number, None)
        self._due_at = now + ECHO_EVERY

    def hold(self, now: float) -> None:
        """The broker takes no messages from anybody for now: a new connection would not help."""
        self.postpone(now)
        self._answered_at = now

    def refuse(self, now: float) -> None:
        """It may not publish here: on this connection it goes without an echo."""
        self.has_echo = False
        self._outstanding.clear()
        self._sure_at, self._message_at, self._was_cut_off = now, now, False

    def hear_message(self, now: float) -> None:
        """Anything at all was heard."""
        self._message_at = now

    def hear_echo(self, number: int, now: float) -> None:
        """Its own echo of this number was heard; one that it never sent, or heard before, means nothing."""
        sent_at = self._outstanding.get(number)
        if sent_at is None:
            return
        for older in [known for known in self._outstanding if known <= number]:  # an exchange keeps the order
            del self._outstanding[older]
        self._answered_at = now
        self._note_lag(now - sent_at, now)
        self._sure_at, self._was_cut_off = sent_at, False  # a late one, part of a backlog, is too old to make it sure

    def doubt(self, now: float) -> None:
        """More is said than can be heard: the broker may drop what others say meanwhile."""
        self._note_lag(_PATIENCE, now)

    def look(self, now: float, expected: float) -> None:
        """Called at every turn of the loop, which should take `expected` seconds: the rest is the listener's lag."""
        late = now - self._looked_at - expected
        if late > 0:
            self._note_lag(late, now)
        if not self.has_echo and late > _PATIENCE:  # what it finds now may be old
            self._sure_at = now - _PATIENCE
        elif not self.has_echo and self.connected_at is not None:
            self._sure_at = now
        self._looked_at = now

    def has_overslept(self, now: float) -> bool:
        """Whether this turn of the loop has taken so long that what it took from the broker is stale."""
        return now - self._looked_at > _DEAF_AFTER

    def is_isolated(self, now: float) -> bool:
        """Whether silence proves nothing: no connection, or no echo of the last 2.5 s."""
        return self._was_cut_off or now - self._sure_at >= _PATIENCE

    def is_deaf(self, now: float, slowest: float) -> bool:
        """Whether the connection may be half open: a subscriber of Redis is never told. A new one costs little.

        `slowest` is the longest interval of the workers heard, in seconds.
        """
        if self.has_echo:
            return now - self._answered_at > _DEAF_AFTER
        return now - self._message_at > max(_SILENT_AFTER, _SILENT_INTERVALS * slowest)

    def lag(self, now: float) -> float:
        """By how many seconds it may be behind: the worst of the last 10 s, or the echo that is still awaited."""
        while self._lags and now - self._lags[0][0] > _LAG_WINDOW:
            self._lags.popleft()
        awaited = now - min(self._outstanding.values(), default=now)
        return min(_PATIENCE, max(awaited, max((lag for _, lag in self._lags), default=0.0)))

    def _note_lag(self, lag: float, now: float) -> None:
        while self._lags and self._lags[-1][1] <= lag:  # the newer and worse one stands for it
            self._lags.pop()
        self._lags.append((now, lag))
