"""Meter: how many tasks were received, started and ended how, and how long they waited and ran. Worker side.

The tap counts on whatever thread Celery calls it; the sender's thread takes what is to be told. One lock, held for
microseconds, never while anything else is called; a fork waits for the sender's thread, so no child inherits it taken.

Counts are cumulative since the worker's start, and a series is told again in the gossips after its change: whoever
misses one message misses nothing.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from celery_gossip.histogram import bucket_of
from celery_gossip.messages import MOST_KINDS, OTHER, Histogram, TaskSeries, plain

__all__ = ["MAX_SERIES", "Meter", "Series", "Telling"]

MAX_SERIES = 500  #: pairs of queue and task that a worker counts apart; the others share a series per queue
_MAX_OVERFLOWS = 100  #: queues with such a shared series; beyond, all share one
_REPEATS = 3  #: gossips in which a change is told
_BUDGET = 24 * 1024  #: bytes of a gossip that series may take, about
_SIZE_OF_SERIES, _SIZE_OF_BUCKET, _SIZE_OF_KIND = 260, 20, 40  #: bytes on the wire at most, beside the names


@dataclass(frozen=True)
class Telling:
    """What one gossip tells of a Meter."""

    series: tuple[TaskSeries, ...] = ()
    overflowed: int = 0  #: tasks received that share a series, because there are more than MAX_SERIES
    skewed: int = 0  #: waits that were negative, for the clocks of sender and worker disagree; they count as 0.0


class _Timing:
    """One histogram of seconds, and what of it was told in the latest gossips."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self._told: Counter[int] = Counter()  # since the worker's start, what is new excepted
        self._latest: deque[dict[int, int]] = deque(maxlen=_REPEATS - 1)
        self._new: dict[int, int] = {}
        self._pending: dict[int, int] = {}  # told, but it is not known yet whether that was sent

    def record(self, seconds: float) -> None:
        self.count += 1
        self.total += seconds
        bucket = bucket_of(seconds)
        self._new[bucket] = self._new.get(bucket, 0) + 1

    def tell(self, *, is_whole: bool) -> Histogram | None:
        """The buckets that changed in the latest gossips, or all of them."""
        if not self.count:
            return None
        self._told.update(self._new)
        self._pending = _sum_of(self._pending, self._new)
        self._new = {}
        recent = _sum_of(*self._latest, self._pending)
        buckets = sorted(self._told if is_whole else recent)
        return Histogram(
            count=self.count,
            total=self.total,
            buckets=tuple((bucket, self._told[bucket], recent.get(bucket, 0)) for bucket in buckets),
        )

    def commit(self) -> None:
        self._latest.append(self._pending)
        self._pending = {}

    def size(self, *, is_whole: bool) -> int:
        """Buckets that tell() would list, at most."""
        parts = (self._told, self._new) if is_whole else (*self._latest, self._pending, self._new)
        return sum(map(len, parts))


class Series:
    """The tasks of one name from one queue. Its methods may be called on any thread."""

    def __init__(self, meter: "Meter", queue: str, task: str, born_at: float) -> None:
        self.queue, self.task = queue, task
        self._meter = meter
        self._lock, self._changed = meter.lock, meter.changed
        self._born_at = born_at
        self._received = self._started = 0
        self._fates: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._runtime, self._wait = _Timing(), _Timing()
        self._name_size = 2 * (len(queue.encode()) + len(task.encode()))  # a quote or a backslash takes two

    def receive(self) -> None:
        """A task has come in."""
        with self._lock:
            self._changed[self] = _REPEATS
            self._received += 1

    def start(self, wait: float | None) -> None:
        """It runs now, after so many seconds; None where it is not known when it was sent."""
        with self._lock:
            self._changed[self] = _REPEATS
            self._started += 1
            if wait is not None:
                self._wait.record(self._meter.unskewed(wait))

    def end(self, fate: str, runtime: float | None = None, kind: str = "") -> None:
        """It has `succeeded`, `failed`, been `retried`, `revoked` or `rejected`, after so many seconds if it ran.

        `kind` is the class of a failure's exception.
        """
        with self._lock:
            self._changed[self] = _REPEATS
            if fate == "failed":
                is_known = kind in self._failed or len(self._failed) < MOST_KINDS - 1
                self._failed[kind if is_known else OTHER] += 1
            else:
                self._fates[fate] += 1
            if runtime is not None:
                self._runtime.record(max(0.0, runtime))

    def tell(self, now: float, *, is_whole: bool) -> TaskSeries:
        """Everything since the worker's start."""
        return TaskSeries(
            queue=self.queue,
            task=self.task,
            age=max(0.0, now - self._born_at),
            received=self._received,
            started=self._started,
            succeeded=self._fates["succeeded"],
            failed=dict(self._failed),
            retried=self._fates["retried"],
            revoked=self._fates["revoked"],
            rejected=self._fates["rejected"],
            runtime=self._runtime.tell(is_whole=is_whole),
            wait=self._wait.tell(is_whole=is_whole),
        )

    def commit(self) -> None:
        """What was told has been sent."""
        self._runtime.commit()
        self._wait.commit()

    def size(self, *, is_whole: bool) -> int:
        """Bytes of it on the wire, at most."""
        buckets = self._runtime.size(is_whole=is_whole) + self._wait.size(is_whole=is_whole)
        return _SIZE_OF_SERIES + self._name_size + _SIZE_OF_BUCKET * buckets + _SIZE_OF_KIND * len(self._failed)


class Meter:
    """All series of one worker. Count on what series_of() gives; tell() and commit() belong to the sender's thread.

    Bounded: MAX_SERIES pairs of queue and task; what comes later is counted by queue under the task OTHER, and
    told of in `overflowed`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.lock = threading.Lock()  #: held by a series while it counts, and here while it is told
        self.changed: dict[Series, int] = {}  #: in how many gossips it is still to be told; the longest waiting first
        self._series: dict[tuple[str, str], Series] = {}
        self._refresh: Iterator[Series] = iter(())
        self._told: tuple[Series, ...] = ()
        self._overflows: dict[str, Series] = {}
        self._overflowed = 0
        self._skewed = 0

    def series_of(self, queue: str, task: str) -> Series:
        """The series of this queue (empty where it could not be told) and task; any thread."""
        return self._series.get((queue, task)) or self._begin(queue, task)

    def unskewed(self, wait: float) -> float:
        """A wait that is negative counts as none, and is counted; the lock is held."""
        if wait >= 0.0:
            return wait
        self._skewed += 1
        return 0.0

    def tell(self) -> Telling:
        """What the next gossip is to say. Nothing counts as told before commit()."""
        with self.lock:
            now = self._clock()
            told = self._chosen()
            self._told = tuple(told)
            series = tuple(one.tell(now, is_whole=is_whole) for one, is_whole in told.items())
            return Telling(series, self._overflowed, self._skewed)

    def commit(self) -> None:
        """The gossip with what tell() gave was sent."""
        with self.lock:
            for series in self._told:
                series.commit()
                left = self.changed.pop(series, 0) - 1
                if left > 0:
                    self.changed[series] = left  # to the end of the line
            self._told = ()

    def _chosen(self) -> dict[Series, bool]:
        """`{series: whether all its buckets are told}`: what changed, as far as there is room, and one in its turn.

        The one in its turn is for listeners that came late or were away for long.
        """
        chosen: dict[Series, bool] = {}
        room = _BUDGET
        in_turn = self._next_in_turn()
        if in_turn is not None:
            chosen[in_turn] = True
            room -= in_turn.size(is_whole=True)
        for series in self.changed:
            room -= series.size(is_whole=False)
            if room < 0 and chosen:
                break
            chosen.setdefault(series, False)
        return chosen

    def _next_in_turn(self) -> Series | None:
        found = next(self._refresh, None)
        if found is None:
            self._refresh = iter(tuple(self._series.values()) + tuple(self._overflows.values()))
            found = next(self._refresh, None)
        return found

    def _begin(self, queue: str, task: str) -> Series:
        key = (queue, task)
        with self.lock:
            if key in self._series:
                return self._series[key]
            if len(self._series) >= MAX_SERIES:
                self._overflowed += 1
                return self._overflow(queue)
            self._series[key] = Series(self, plain(queue), plain(task), self._clock())
            return self._series[key]

    def _overflow(self, queue: str) -> Series:
        if queue not in self._overflows and len(self._overflows) >= _MAX_OVERFLOWS:
            queue = OTHER
        if queue not in self._overflows:
            self._overflows[queue] = Series(self, plain(queue), OTHER, self._clock())
        return self._overflows[queue]


def _sum_of(*parts: dict[int, int]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for part in parts:
        total.update(part)
    return total
