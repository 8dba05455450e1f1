"""Meter: counts the tasks of one worker by queue and task name, and collects the counts for each gossip.

The instrumentation counts on the thread on which Celery reports a task; the sender thread collects. One lock protects
both. It is held for microseconds, or for milliseconds while many series are collected, and never while foreign code is
called. A fork waits for the sender thread (see fork_lock), so no child inherits the lock while it is held.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from celery_gossip.wire.messages import OTHER, TaskSeries, sanitize_name
from celery_gossip.worker.deferred_counts import DeferredCounts
from celery_gossip.worker.series import Intake, Series
from celery_gossip.worker.series_schedule import SeriesSchedule

__all__ = ["MAX_SERIES", "Meter", "MetricsDelta"]

MAX_SERIES = 500  #: pairs of queue and task that a worker counts separately; the others share a series per queue
_MAX_OVERFLOWS = 100  #: queues with such a shared series; beyond, all share one


@dataclass(frozen=True)
class MetricsDelta:
    """The counts that one gossip reports; cumulative since the worker's start."""

    series: tuple[TaskSeries, ...] = ()
    overflowed: int = 0  #: tasks received that share a series, because there are more than MAX_SERIES
    skewed: int = 0  #: negative waits, which count as 0.0: the clocks of sender and worker disagree
    undecodable: int = 0  #: messages received that are not a task
    deferred: int = 0  #: series that changed but did not fit


class Meter:
    """All series of one worker. Count on the series that get_series() returns.

    collect() and commit() are called on the sender thread. Bounded to MAX_SERIES pairs of queue and task: further pairs
    are counted per queue under the task name OTHER, and in `overflowed`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Reentrant: a signal handler may count on a thread that holds the lock.
        self.lock = threading.RLock()
        self.deferred = DeferredCounts(self.lock)
        self._schedule = SeriesSchedule()
        self.changed = self._schedule.changed  #: series with changes to report
        self._series: dict[tuple[str, str], Series] = {}
        self._intakes: dict[str, Intake] = {}  #: by queue; no more than there are series
        self._overflows = 0  #: series that several pairs share
        self._overflowed = 0
        self._skewed = 0
        self._undecodable = 0

    def get_series(self, queue: str, task: str) -> Series:
        """Return the series of this queue (empty if it is not known) and task. Any thread."""
        return self._series.get((queue, task)) or self._add_series(sanitize_name(queue), sanitize_name(task))

    def clamp_wait(self, wait: float) -> float:
        """Return the wait, or 0.0 for a negative one, which is counted. The lock must be held."""
        if wait >= 0.0:
            return wait
        self._skewed += 1
        return 0.0

    def count_undecodable(self) -> None:
        """Count a message that is not a task. Any thread."""
        try:
            with self.deferred:
                self._undecodable += 1
        except TimeoutError:
            self.deferred.defer(self.count_undecodable)

    @property
    def has_unreported(self) -> bool:
        """True while a change was reported less than twice. The final gossip is repeated until it is False."""
        with self.lock:
            self.deferred.apply()
            return self._schedule.has_unreported

    def collect(self) -> MetricsDelta:
        """Return the counts for the next gossip. They count as reported only after commit()."""
        with self.lock:
            self.deferred.apply()
            selected = self._schedule.select(self._series.values())
            now = self._clock()
            series = tuple(one.collect(now, is_full=is_full) for one, is_full in selected.items())
            return MetricsDelta(series, self._overflowed, self._skewed, self._undecodable, len(self.changed))

    def newest_ages(self, queues: Iterable[str], now: float) -> tuple[float | None, ...]:
        """Return for each queue how long ago the newest message was sent that was received from it, in seconds.

        None if that is not known; these are left out at the end. `now`: Unix seconds. Called on the sender thread.
        """
        known = self._intakes.get
        ages = [None if (intake := known(queue)) is None else intake.newest_age(now) for queue in queues]
        while ages and ages[-1] is None:
            ages.pop()
        return tuple(ages)

    def commit(self, sent: int) -> None:
        """Note that the gossip was sent with the first `sent` of the series that collect() returned."""
        with self.lock:
            self._schedule.commit(sent)

    def _add_series(self, queue: str, task: str) -> Series:
        """Return the series of these sanitized names. Pairs that look the same on the wire share a series."""
        with self.deferred:
            if (queue, task) in self._series or len(self._series) - self._overflows < MAX_SERIES:
                return self._get_or_create(queue, task)
            self._overflowed += 1
            if (queue, OTHER) not in self._series and self._overflows >= _MAX_OVERFLOWS:
                queue = OTHER
            self._overflows += (queue, OTHER) not in self._series
            return self._get_or_create(queue, OTHER)

    def _get_or_create(self, queue: str, task: str) -> Series:
        key = (queue, task)
        if key not in self._series:
            intake = self._intakes.setdefault(queue, Intake())
            self._series[key] = Series(self, queue, task, self._clock(), intake)
        return self._series[key]
