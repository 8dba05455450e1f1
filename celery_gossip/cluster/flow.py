"""QueueFlow: tasks that were sent to one queue, and how many of them neither wait nor were received. Pure.

Used by the BalanceTracker under the Cluster's lock; times are passed in.

missing = sent + waiting at the start - waiting at the end - received, over a window of some minutes. The inputs arrive
with different delays, so each of them is bounded to the side on which `missing` is too low:

- sent: only tasks that were certainly sent after the window was opened, and before the waiting ones were counted;
- received: everything that was reported until some seconds after the waiting ones were counted, and from some seconds
  before the window on;
- messages that a worker may hold in its socket without having received them: `allowance`.

Therefore processes that do not count what they send, lost reports, redelivered tasks and listeners that start late can
only hide missing tasks.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from celery_gossip.cluster.senders import SentIncrease

__all__ = ["MARGIN", "Conditions", "QueueFlow"]

MARGIN = 5.0  #: seconds that a report, or the number of waiting messages, may be late
_CHECKPOINT_INTERVAL = 5.0  #: seconds between two moments at which a window is evaluated
_MAX_CHECKPOINTS = 60
_SECOND_AFTER = 300.0  #: seconds after which a second window begins
_LONGEST = 600.0  #: seconds of a window; then the second one replaces it
_READING_TTL = 10.0  #: seconds for which a number of waiting messages is up to date
_MISSING_TTL = 75.0  #: the same for a queue that does not exist, which is read once a minute
_HISTORY = 16  #: steps for which the received tasks are remembered


class _Reading(NamedTuple):
    waiting: int  #: messages; 0 if the queue does not exist
    at: float
    is_missing: bool  #: the broker has no queue of this name


class Conditions(NamedTuple):
    """State of the consumers of a queue at one moment."""

    delay: float  #: seconds after which everything is reported that was received
    allowance: int = 0  #: messages that the consumers may have been delivered without having received them
    problem: str = ""  #: why nothing can be said at present; empty if something can


class QueueFlow:
    """Sums since the listener started, and two overlapping windows."""

    def __init__(self, *, is_route: bool = False) -> None:
        """With `is_route` the queue is unknown: `received` are tasks of these names, and any queue may hold them."""
        self._is_route = is_route
        self.sent = self.received = self.ended = 0
        self.reason = "too little is known yet"  #: why `missing` is None
        self.growing_at: float | None = None  #: when more tasks were found missing
        self.reading: _Reading | None = None
        self._history: deque[tuple[float, int]] = deque(maxlen=_HISTORY)
        self._unsettled_at = self._reset_at = float("-inf")
        self._windows: list[_Window] = []

    @property
    def missing(self) -> int | None:
        """Number of tasks that are missing, at least; None if that is unknown, for the `reason`."""
        return self._windows[0].missing if self._windows and not self.reason else None

    @property
    def is_missing_queue(self) -> bool:
        """True if the broker had no queue of this name at the latest reading."""
        return self.reading is not None and self.reading.is_missing

    @property
    def window_sent(self) -> int:
        return self._windows[0].sent if self._windows else 0

    @property
    def window_since(self) -> float | None:
        """When the window was opened to which `missing` belongs."""
        return self._windows[0].opened_at if self._windows else None

    def add_sent(self, increase: SentIncrease, now: float) -> None:
        """Add tasks whose report arrived now."""
        self.sent += increase.sent
        for window in self._windows:
            if now - increase.period - MARGIN >= window.opened_at:
                window.sent += increase.recent

    def add_reading(self, waiting: int, now: float, *, is_missing: bool) -> None:
        """Note how many messages wait."""
        self.reading = _Reading(waiting, now, is_missing)
        for window in self._windows:
            window.add_reading(self.reading)

    def reset(self, reason: str, now: float) -> None:
        """Begin with new windows, because what was received in the present ones is not known completely."""
        self.reason, self._reset_at, self.growing_at = reason, now, None
        self._windows.clear()

    def step(self, now: float, conditions: Conditions, elsewhere: int) -> None:
        """Evaluate the windows; to be called about once a second.

        `elsewhere` is the number of received tasks whose queue is unknown, and that may be from this queue.
        """
        received = self.received + elsewhere
        self._history.append((now, received))
        if conditions.problem:
            self._unsettled_at, self.reason = now, conditions.problem
            return
        reading = self.reading
        if reading is None or now - reading.at > (_MISSING_TTL if reading.is_missing else _READING_TTL):
            self.reason = "the number of waiting messages is unknown"
            return
        if now - self._unsettled_at < conditions.delay:
            return  # `reason` is still that of the problem
        self._open_windows(reading, now)
        for window in self._windows:
            if window.evaluate(now, received, conditions):
                self.growing_at = now
        if self._windows and self._windows[0].missing is not None:
            self.reason = ""

    def _open_windows(self, reading: _Reading, now: float) -> None:
        windows = self._windows
        if len(windows) == 2 and now - windows[0].opened_at > _LONGEST and windows[1].missing is not None:
            del windows[0]
        if len(windows) == 2 or (windows and now - windows[0].opened_at < _SECOND_AFTER):
            return
        if reading.at < max(self._reset_at, self._unsettled_at) + MARGIN:
            return
        base = next(self._received_before(reading.at - MARGIN), None)
        if base is not None:
            windows.append(_Window(reading, base, was_waiting=0 if self._is_route else reading.waiting))

    def _received_before(self, time: float) -> Iterator[int]:
        """Yield what was known to be received at this time, and earlier."""
        return (received for at, received in reversed(self._history) if at <= time)


@dataclass(slots=True)
class _Checkpoint:
    at: float
    sent: int
    reading: _Reading | None = None  #: the first one that includes everything sent until then


class _Window:
    """A period that begins when the waiting messages were counted."""

    def __init__(self, reading: _Reading, received: int, was_waiting: int) -> None:
        self.opened_at = reading.at
        self.sent = 0
        self.missing: int | None = None
        self._was_waiting = was_waiting
        self._received = received
        self._allowance = 0
        self._next_at = reading.at + _CHECKPOINT_INTERVAL
        self._checkpoints: deque[_Checkpoint] = deque(maxlen=_MAX_CHECKPOINTS)

    def add_reading(self, reading: _Reading) -> None:
        for checkpoint in self._checkpoints:
            if checkpoint.reading is None and reading.at >= checkpoint.at + MARGIN:
                checkpoint.reading = reading

    def evaluate(self, now: float, received: int, conditions: Conditions) -> bool:
        """Update `missing`; return True if it has grown."""
        self._allowance = max(self._allowance, conditions.allowance)
        if now >= self._next_at:
            self._next_at = now + _CHECKPOINT_INTERVAL
            self._checkpoints.append(_Checkpoint(now, self.sent))
        before = self.missing
        while self._checkpoints:
            first = self._checkpoints[0]
            if first.reading is None or now < first.reading.at + conditions.delay:
                break
            self._checkpoints.popleft()
            gone = first.sent + self._was_waiting - first.reading.waiting - (received - self._received)
            self.missing = max(0, gone - self._allowance)
        return (self.missing or 0) > (before or 0)
