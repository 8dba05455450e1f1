"""Details of running and waiting tasks, as a report contains them: names, ages, retries and time limits.

Used by the probe for one report, on the event loop or on the sender thread. Requests may be of a user's own class, and
their headers of any client that can send tasks, so each value is checked, and an unreadable one is left out.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from celery_gossip.wire.messages import (
    MAX_WAITING,
    RunningTask,
    TaskCount,
    WaitingState,
    WaitingTask,
    clamp_count,
    clamp_seconds,
    sanitize_name,
)
from celery_gossip.worker import _compat as compat
from celery_gossip.worker.bindings import WaitingRequest
from celery_gossip.worker.task_outcome import received_at, started_at

__all__ = ["TaskDetails"]

_UNKNOWN = ""  #: name of a task or queue that is not known
_MAX_LIMIT = 1e11  #: seconds; a longer time limit is none


class TaskDetails:
    """Builds the details of tasks, and the table of the names that they refer to. Create one for each report.

    `wall` returns Unix seconds, `clock` monotonic ones.
    """

    def __init__(self, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic) -> None:
        self._wall_now = wall()
        self._now = clock()
        self._indexes: dict[str, int] = {}
        self.name_bytes = 0  #: approximate length of all names on the wire

    @property
    def now(self) -> float:
        """Monotonic time of the report."""
        return self._now

    @property
    def names(self) -> tuple[str, ...]:
        """Names by their index."""
        return tuple([sanitize_name(name) for name in self._indexes])

    def running(self, request: Any) -> RunningTask:
        """Return the details of an active request. Never raises."""
        try:
            return self._running(request)
        except Exception:  # a user's own class
            return RunningTask(name=self._index_of(_UNKNOWN), age=None)

    def most_waiting(self, counts: Counter[tuple[str | None, str]]) -> tuple[TaskCount, ...]:
        """Return the MAX_WAITING largest of `{(queue, task name): tasks}`, the largest first."""
        if not counts:
            return ()
        return tuple(
            [
                TaskCount(self._index_of(queue or _UNKNOWN), self._index_of(task), clamp_count(count))
                for (queue, task), count in counts.most_common(MAX_WAITING)
            ]
        )

    def waiting(self, state: WaitingState, waiting: WaitingRequest) -> WaitingTask | None:
        """Return the details of a request that waits; None if it cannot be read. Never raises."""
        try:
            return self._waiting(state, waiting)
        except Exception:  # a user's own class
            return None

    def _waiting(self, state: WaitingState, waiting: WaitingRequest) -> WaitingTask:
        request, due_in = waiting.request, None
        received = received_at(request)
        if state == "scheduled":
            due_in = round(clamp_seconds(compat.eta(request, self._wall_now) - self._wall_now), 1)
        return WaitingTask(
            sanitize_name(request.id),
            self._index_of(waiting.task),
            self._index_of(waiting.queue or _UNKNOWN),
            state,
            round(clamp_seconds(self._now - (waiting.since if received is None else received)), 1),
            _as_count(compat.retries(request)),
            due_in,
        )

    def _running(self, request: Any) -> RunningTask:
        soft_time_limit, time_limit = compat.time_limits(request)
        return RunningTask(
            self._index_of(compat.task_name(request)),
            self._age_of(request),
            _as_count(compat.retries(request)),
            compat.is_redelivered(request),
            None if soft_time_limit is None else _as_limit(soft_time_limit),
            None if time_limit is None else _as_limit(time_limit),
        )

    def _index_of(self, name: str) -> int:
        index = self._indexes.get(name)
        if index is None:
            index = self._indexes[name] = len(self._indexes)
            self.name_bytes += len(name) + 3
        return index

    def _age_of(self, request: Any) -> float | None:
        """Return the seconds since the task started, by the monotonic clock if the start was counted."""
        began = started_at(request)
        age = self._wall_now - compat.time_started(request) if began is None else self._now - began
        return round(clamp_seconds(age), 1) if age >= 0 else None


def _as_count(value: Any) -> int:
    return clamp_count(value) if value and isinstance(value, int) else 0


def _as_limit(value: Any) -> float | None:
    """Return a time limit in seconds. None and 0 mean that there is none, as to Celery."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return None
    return clamp_seconds(float(value)) if value < _MAX_LIMIT else None
