"""Meter: how many tasks were received, started and ended how, and how long they waited and ran. Worker side.

The tap counts on whatever thread Celery calls it; the sender's thread takes what is to be told. One lock, held for
microseconds, or milliseconds while many series are told, never while anything else is called; a fork waits for the
sender's thread, so no child inherits it taken.

Counts are cumulative since the worker's start, and a series is told again in the gossips after its change: whoever
misses one message misses nothing.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from celery_gossip.histogram import MOST_SECONDS, bucket_of
from celery_gossip.messages import MOST_KINDS, OTHER, Histogram, TaskSeries, plain

__all__ = ["MAX_SERIES", "Meter", "Series", "Telling"]

MAX_SERIES = 500  #: pairs of queue and task that a worker counts apart; the others share a series per queue
_MAX_OVERFLOWS = 100  #: queues with such a shared series; beyond, all share one
_REPEATS = 3  #: gossips in which a change is told
_LOCK_PATIENCE = 0.1  #: seconds; it is held for a few milliseconds at most, while 500 series are told
_BUDGET = 24 * 1024  #: bytes of a gossip that series may take, about
_SIZE_OF_SERIES, _SIZE_OF_BUCKET, _SIZE_OF_KIND = 400, 24, 15  #: bytes on the wire at most, beside the names


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
        """Negative seconds, and NaN, count as none, and no more than the histogram can tell."""
        if not 0.0 <= seconds <= MOST_SECONDS:
            seconds = min(max(0.0, seconds), MOST_SECONDS)  # the sum must stay finite: JSON has no infinity
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


class _Changing:
    """Holds the lock while a series counts, and raises TimeoutError where that takes too long.

    A cold shutdown stops the pool inside a signal handler of the main thread, which may hold the lock just then, and
    waits there for threads that want it. A count is lost then, and not the worker.
    """

    __slots__ = ("_acquire", "_release")

    def __init__(self, lock: Any) -> None:
        self._acquire, self._release = lock.acquire, lock.release

    def __enter__(self) -> None:
        if not self._acquire(timeout=_LOCK_PATIENCE):
            raise TimeoutError("a task could not be counted: the lock was not free in time")

    def __exit__(self, *_: object) -> None:
        self._release()


class Series:
    """The tasks of one name from one queue. Its methods may be called on any thread."""

    def __init__(self, meter: "Meter", queue: str, task: str, born_at: float) -> None:
        self.queue, self.task = queue, task
        self._meter = meter
        self._changing, self._changed = meter.changing, meter.changed
        self._born_at = born_at
        self._received = self._started = 0
        self._fates: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()
        self._runtime, self._wait = _Timing(), _Timing()
        self._name_size = _size_of(queue) + _size_of(task)

    def receive(self) -> None:
        """A task has come in."""
        with self._changing:
            self._changed[self] = _REPEATS
            self._received += 1

    def start(self, wait: float | None) -> None:
        """It runs now, after so many seconds; None where it is not known when it was sent."""
        with self._changing:
            self._changed[self] = _REPEATS
            self._started += 1
            if wait is not None:
                self._wait.record(self._meter.unskewed(wait))

    def end(self, fate: str, runtime: float | None = None, kind: str = "") -> None:
        """It has `succeeded`, `failed`, been `retried`, `revoked` or `rejected`, after so many seconds if it ran.

        `kind` is the class of a failure's exception.
        """
        with self._changing:
            self._changed[self] = _REPEATS
            if fate == "failed":
                self._failed[self._kind_of(kind)] += 1
            else:
                self._fates[fate] += 1
            if runtime is not None:
                self._runtime.record(runtime)

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
        return _SIZE_OF_SERIES + self._name_size + _SIZE_OF_BUCKET * buckets

    def _kind_of(self, kind: str) -> str:
        if kind not in self._failed:
            kind = plain(kind)
        if kind not in self._failed:
            if not kind or len(self._failed) >= MOST_KINDS - 1:
                kind = OTHER
            if kind not in self._failed:
                self._name_size += _size_of(kind) + _SIZE_OF_KIND
        return kind


class Meter:
    """All series of one worker. Count on what series_of() gives; tell() and commit() belong to the sender's thread.

    Bounded: MAX_SERIES pairs of queue and task; what comes later is counted by queue under the task OTHER, and
    told of in `overflowed`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.lock = threading.RLock()  #: while it is told; by a thread that holds it when a signal handler counts, too
        self.changing = _Changing(self.lock)  #: while a series counts
        self.changed: dict[Series, int] = {}  #: in how many gossips it is still to be told; the longest waiting first
        self._series: dict[tuple[str, str], Series] = {}
        self._refresh: Iterator[Series] = iter(())
        self._in_turn: Series | None = None
        self._told: dict[Series, int] = {}  #: what tell() gave, until commit(); taken out of `changed`
        self._overflows = 0  #: series that are shared
        self._overflowed = 0
        self._skewed = 0

    def series_of(self, queue: str, task: str) -> Series:
        """The series of this queue (empty where it could not be told) and task; any thread."""
        return self._series.get((queue, task)) or self._begin(plain(queue), plain(task))

    def unskewed(self, wait: float) -> float:
        """A wait that is negative counts as none, and is counted; the lock is held."""
        if wait >= 0.0:
            return wait
        self._skewed += 1
        return 0.0

    @property
    def is_behind(self) -> bool:
        """Whether anything has changed that was not told twice, as the last words are."""
        with self.lock:
            return any(left > _REPEATS - 2 for left in self.changed.values())

    def tell(self) -> Telling:
        """What the next gossip is to say. Nothing counts as told before commit()."""
        with self.lock:
            self._take_back()
            now = self._clock()
            chosen = self._chosen()
            self._told = {series: self.changed.pop(series, 0) for series in chosen}
            series = tuple(one.tell(now, is_whole=is_whole) for one, is_whole in chosen.items())
            return Telling(series, self._overflowed, self._skewed)

    def commit(self, sent: int) -> None:
        """The gossip was sent with so many of the series that tell() gave, the first ones."""
        with self.lock:
            for at, (series, left) in enumerate(self._told.items()):
                is_sent = at < sent
                if is_sent:
                    series.commit()
                self._tell_again(series, left - is_sent)
            self._told = {}
            self._in_turn = None

    def _take_back(self) -> None:
        """What was told in vain, for it was not sent, is still to be told as often."""
        for series, left in self._told.items():
            self._tell_again(series, left)
        self._told = {}

    def _tell_again(self, series: Series, left: int) -> None:
        # To the end of the line. What has changed since it was told is there already, to be told more often.
        if left > 0:
            self.changed.setdefault(series, left)

    def _chosen(self) -> dict[Series, bool]:
        """`{series: whether all its buckets are told}`: one in its turn, and what changed, as far as there is room.

        The one in its turn is for listeners that came late or were away for long. However large it is, one of those
        that changed is told beside it.
        """
        in_turn = self._in_turn = self._in_turn or self._next_in_turn()
        if in_turn is None:
            return {}
        chosen = {in_turn: in_turn.size(is_whole=True) <= _BUDGET}
        room = _BUDGET - in_turn.size(is_whole=chosen[in_turn])
        for series in self.changed:
            if series is in_turn:
                continue
            room -= series.size(is_whole=False)
            if room < 0 and len(chosen) > 1:
                break
            chosen[series] = False
        return chosen

    def _next_in_turn(self) -> Series | None:
        found = next(self._refresh, None)
        if found is None:
            self._refresh = iter(tuple(self._series.values()))
            found = next(self._refresh, None)
        return found

    def _begin(self, queue: str, task: str) -> Series:
        """Names are plain here: two that are told alike are one series, or a listener would mix them up."""
        with self.changing:
            if (queue, task) in self._series or len(self._series) - self._overflows < MAX_SERIES:
                return self._at(queue, task)
            self._overflowed += 1
            if (queue, OTHER) not in self._series and self._overflows >= _MAX_OVERFLOWS:
                queue = OTHER
            self._overflows += (queue, OTHER) not in self._series
            return self._at(queue, OTHER)

    def _at(self, queue: str, task: str) -> Series:
        key = (queue, task)
        if key not in self._series:
            self._series[key] = Series(self, queue, task, self._clock())
        return self._series[key]


def _size_of(name: str) -> int:
    """Bytes of a name on the wire at most: a quote or a backslash takes two."""
    return 2 * len(name.encode())


def _sum_of(*parts: dict[int, int]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for part in parts:
        total.update(part)
    return total
