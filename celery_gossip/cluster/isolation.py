"""IsolationDetector: detects that a listener is cut off from the broker. Pure; time is passed in.

Owned by a Listener, used on its thread. Once a second the listener publishes an echo on the gossip exchange and waits
for it. If its own echo does not arrive, other messages may not arrive either: the listener is isolated, and missing
reports of workers prove nothing.
"""

from collections import deque

__all__ = ["ECHO_INTERVAL", "IsolationDetector"]

ECHO_INTERVAL = 1.0  #: seconds between two echoes
_ISOLATED_AFTER = 2.5  #: seconds since the newest received echo was sent, until the listener is isolated
_HALF_OPEN_AFTER = 3.0  #: seconds without an echo, until a connection is considered half open
_QUIET_AFTER = 10.0  #: seconds without any message, at least, for a listener that cannot publish echoes
_QUIET_INTERVALS = 3.5  #: the same in intervals of the slowest worker
_LAG_WINDOW = 10.0  #: seconds for which a lag is remembered
_MAX_OUTSTANDING = 16


class IsolationDetector:
    """State of the connection, of the echoes, and the listener's own lag. All times are monotonic."""

    def __init__(self, now: float) -> None:
        self.connected_at: float | None = None
        self.can_publish = True  #: False if this connection is not allowed to publish, so there is no echo
        self._newest_sent_at = now  #: sending time of the newest received message, as far as echoes show
        self._was_disconnected = False  #: since the last echo
        self._echo_at = now  #: when an echo was last received
        self._message_at = now  #: when any message was last received
        self._next_echo_at = now
        self._number = 0
        self._outstanding: dict[int, float] = {}  #: `{number: sent at}` of echoes that have not arrived
        self._lags: deque[tuple[float, float]] = deque()  #: (time, lag), the lags decreasing
        self._iteration_at = now

    def connection_opened(self, now: float) -> None:
        """Record that the subscription is open. The view recovers with the next echo, or at once without echoes."""
        self.connected_at = self._echo_at = self._message_at = self._next_echo_at = now
        self.can_publish = True  # may have been granted since the previous connection

    @property
    def has_received_messages(self) -> bool:
        """True if any message arrived on this connection."""
        return self.connected_at is not None and self._message_at > self.connected_at

    def connection_lost(self) -> None:
        """Record that there is no connection, so the listener is isolated."""
        self._was_disconnected = self._was_disconnected or self.connected_at is not None
        self.connected_at = None
        self._outstanding.clear()

    def is_ping_due(self, now: float) -> bool:
        """Return True if it is time to publish an echo."""
        return self.can_publish and self.connected_at is not None and now >= self._next_echo_at

    def ping_sent(self, now: float) -> int:
        """Record that an echo is being published. Return its number."""
        self._number += 1
        self._next_echo_at = now + ECHO_INTERVAL
        self._outstanding[self._number] = now
        if len(self._outstanding) > _MAX_OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]
        return self._number

    def ping_failed(self, now: float) -> None:
        """Record that the echo was not sent. The retry waits a whole interval, because it may block."""
        self._outstanding.pop(self._number, None)
        self._next_echo_at = now + ECHO_INTERVAL

    def ping_blocked(self, now: float) -> None:
        """Record that the broker accepts no messages from any client for now, so a new connection would not help."""
        self.ping_failed(now)
        self._echo_at = now

    def publishing_denied(self, now: float) -> None:
        """Record that this user may not publish. The listener continues without echoes on this connection."""
        self.can_publish = False
        self._outstanding.clear()
        self._newest_sent_at, self._message_at, self._was_disconnected = now, now, False

    def message_received(self, now: float) -> None:
        """Record that any message arrived."""
        self._message_at = now

    def ping_received(self, number: int, now: float) -> None:
        """Record that the echo with this number arrived. A number that is not outstanding is ignored."""
        sent_at = self._outstanding.get(number)
        if sent_at is None:
            return
        for older in [known for known in self._outstanding if known <= number]:  # an exchange preserves the order
            del self._outstanding[older]
        self._echo_at = now
        self._add_lag(now - sent_at, now)
        self._newest_sent_at, self._was_disconnected = sent_at, False  # an old echo does not end the isolation

    def messages_dropped(self, now: float) -> None:
        """Record that there are more messages than this listener reads, so the broker may be dropping some."""
        self._add_lag(_ISOLATED_AFTER, now)

    def loop_iteration(self, now: float, expected: float) -> None:
        """Record an iteration of the listener's loop, which should take `expected` seconds; the rest is its lag."""
        late = now - self._iteration_at - expected
        if late > 0:
            self._add_lag(late, now)
        if not self.can_publish and late > _ISOLATED_AFTER:  # the messages that are read next may be old
            self._newest_sent_at = now - _ISOLATED_AFTER
        elif not self.can_publish and self.connected_at is not None:
            self._newest_sent_at = now
        self._iteration_at = now

    def is_stale(self, now: float) -> bool:
        """Return True if this iteration took so long that the messages read in it are out of date."""
        return now - self._iteration_at > _HALF_OPEN_AFTER

    def is_isolated(self, now: float) -> bool:
        """Return True without a connection, or if the newest echo was sent more than 2.5 s ago."""
        return self._was_disconnected or now - self._newest_sent_at >= _ISOLATED_AFTER

    def is_half_open(self, now: float, slowest: float) -> bool:
        """Return True if the connection may be half open, which a Redis subscriber cannot detect otherwise.

        `slowest` is the longest interval of all workers, in seconds. A new connection is cheap.
        """
        if self.can_publish:
            return now - self._echo_at > _HALF_OPEN_AFTER
        return now - self._message_at > max(_QUIET_AFTER, _QUIET_INTERVALS * slowest)

    def lag(self, now: float) -> float:
        """Return the seconds that the listener may be behind: the worst of the last 10 s, or the outstanding echo."""
        while self._lags and now - self._lags[0][0] > _LAG_WINDOW:
            self._lags.popleft()
        waiting = now - min(self._outstanding.values(), default=now)
        return min(_ISOLATED_AFTER, max(waiting, max((lag for _, lag in self._lags), default=0.0)))

    def _add_lag(self, lag: float, now: float) -> None:
        while self._lags and self._lags[-1][1] <= lag:  # shorter than the new one, and forgotten before it
            self._lags.pop()
        self._lags.append((now, lag))
