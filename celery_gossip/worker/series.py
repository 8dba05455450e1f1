"""Series: the counts of the tasks with one name from one queue, on the worker side.

The instrumentation counts on any thread on which Celery reports a task; the Meter collects on the sender thread. Both
hold the lock of the Meter.
"""

import math
from collections import Counter
from typing import Protocol

from celery_gossip.wire.messages import MAX_EXCEPTION_CLASSES, OTHER, TaskSeries, clamp_seconds, sanitize_name
from celery_gossip.worker.deferred_counts import DeferredCounts
from celery_gossip.worker.timing import REPEATS, Timing

__all__ = ["Intake", "Series", "SeriesOwner"]

_FINE_BELOW = 100.0  #: seconds; longer ages are rounded to whole seconds, which takes fewer bytes on the wire
_SERIES_BYTES, _BUCKET_BYTES, _KIND_BYTES = 400, 24, 15  #: upper bounds on the wire, without names


class Intake:
    """Messages that the worker has received from one queue, of all tasks. Written without a lock: a store is atomic."""

    __slots__ = ("newest_sent_at",)

    def __init__(self) -> None:
        #: Time at which the newest message was sent, by its own header, Unix seconds; 0.0 if no message had the header.
        #: Without messages that were delivered before.
        self.newest_sent_at = 0.0

    def newest_age(self, now: float) -> float | None:
        """Return the seconds since the newest message was sent, rounded up; None if not known. `now`: Unix seconds.

        A time in the future is taken for now: the clock of the publisher is ahead.
        """
        if self.newest_sent_at <= 0.0:
            return None
        self.newest_sent_at = min(self.newest_sent_at, now)
        age = now - self.newest_sent_at
        return clamp_seconds(math.ceil(age * 10) / 10 if age < _FINE_BELOW else math.ceil(age))


class SeriesOwner(Protocol):
    """The part of a Meter that its series use."""

    deferred: DeferredCounts
    changed: "dict[Series, int]"

    def clamp_wait(self, wait: float) -> float:
        """Return the wait, or 0.0 for a negative one, which is counted. The lock must be held."""


class Series:
    """The tasks of one name from one queue. The count methods may be called on any thread and raise nothing."""

    def __init__(self, owner: SeriesOwner, queue: str, task: str, created_at: float, intake: Intake) -> None:
        self.queue, self.task = queue, task
        self.intake = intake  #: shared by the series of one queue
        self._owner = owner
        self._deferred, self._changed = owner.deferred, owner.changed
        self._created_at = created_at
        self._received = self._started = 0
        self._outcomes: Counter[str] = Counter()  # without failures
        self._failed: Counter[str] = Counter()  # by exception class
        self._runtime, self._wait = Timing(), Timing()
        self._name_bytes = _bytes_of(queue) + _bytes_of(task)

    def count_received(self) -> None:
        """Count a task that the worker received."""
        try:
            with self._deferred:
                self._changed[self] = REPEATS
                self._received += 1
        except TimeoutError:
            self._deferred.defer(self.count_received)

    def count_started(self, wait: float | None) -> None:
        """Count a task that starts to run after it waited `wait` seconds; None if it is not known when it was sent."""
        try:
            with self._deferred:
                self._changed[self] = REPEATS
                self._started += 1
                if wait is not None:
                    self._wait.record(self._owner.clamp_wait(wait))
        except TimeoutError:
            self._deferred.defer(self.count_started, wait)

    def count_ended(self, outcome: str, runtime: float | None = None, kind: str = "") -> None:
        """Count a task that succeeded, failed, or was retried, revoked or rejected.

        `runtime`: seconds, None for a task that did not run. `kind`: class name of the exception of a failed task.
        """
        try:
            with self._deferred:
                self._changed[self] = REPEATS
                if outcome == "failed":
                    self._failed[self._kind_of(kind)] += 1
                else:
                    self._outcomes[outcome] += 1
                if runtime is not None:
                    self._runtime.record(runtime)
        except TimeoutError:
            self._deferred.defer(self.count_ended, outcome, runtime, kind)

    def collect(self, now: float, *, is_full: bool) -> TaskSeries:
        """Return all counts since the worker's start, with all buckets (`is_full`) or those that changed."""
        return TaskSeries(
            queue=self.queue,
            task=self.task,
            age=clamp_seconds(now - self._created_at),
            received=self._received,
            started=self._started,
            succeeded=self._outcomes["succeeded"],
            failed=dict(self._failed),
            retried=self._outcomes["retried"],
            revoked=self._outcomes["revoked"],
            rejected=self._outcomes["rejected"],
            runtime=self._runtime.collect(is_full=is_full),
            wait=self._wait.collect(is_full=is_full),
        )

    def commit(self) -> None:
        """Note that the collected counts were sent."""
        self._runtime.commit()
        self._wait.commit()

    def byte_limit(self, *, is_full: bool) -> int:
        """Return an upper bound of the bytes that collect() takes on the wire."""
        buckets = self._runtime.bucket_limit(is_full=is_full) + self._wait.bucket_limit(is_full=is_full)
        return _SERIES_BYTES + self._name_bytes + _BUCKET_BYTES * buckets

    def _kind_of(self, kind: str) -> str:
        """Return the key of this exception class: OTHER beyond MAX_EXCEPTION_CLASSES - 1 classes."""
        if kind not in self._failed:
            kind = sanitize_name(kind)
        if kind not in self._failed:
            if not kind or len(self._failed) >= MAX_EXCEPTION_CLASSES - 1:
                kind = OTHER
            if kind not in self._failed:
                self._name_bytes += _bytes_of(kind) + _KIND_BYTES
        return kind


def _bytes_of(name: str) -> int:
    """Return an upper bound of the bytes of a name on the wire: a quote or a backslash takes two."""
    return 2 * len(name.encode())
