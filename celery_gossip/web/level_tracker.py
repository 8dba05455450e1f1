"""LevelTracker: backlogs, ages of messages, memory and CPU time over time, taken from the views of one source.

Used by a Sampler on its thread; series() may be called on any thread. A value that no view contains is unknown, and so
is a sum as long as a part of it is certain to follow: after the start, and after the listener was isolated.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from celery_gossip.cluster.view import QueueView, View, WorkerView
from celery_gossip.web.level_history import LevelHistory, LevelStep
from celery_gossip.wire.messages import Resources
from celery_gossip.wire.resources import RESOURCE_PERIOD

__all__ = ["FLEET_FIGURES", "MAX_SUBJECTS", "QUEUE_FIGURES", "WORKER_FIGURES", "LevelKind", "LevelTracker"]

LevelKind = Literal["fleet", "queue", "worker"]
QUEUE_FIGURES = ("backlog", "oldest_min", "oldest_max")
WORKER_FIGURES = ("rss", "memory_used", "cpu")
FLEET_FIGURES = (*QUEUE_FIGURES, "rss", "cpu")
MAX_SUBJECTS = 2_000  #: queues, and workers, of one source; each takes about 3 KB
_PERIOD = 2.0  #: seconds between two samples, as between two readings of a backlog
_BACKLOG_GRACE = 15.0  #: seconds after the start in which a backlog that is not read yet makes the sum unknown
_MAX_GRACE = 60.0  #: seconds after the start in which resources that are not reported yet make their sum unknown
_MIN_CPU_PERIOD = 2.5  #: intervals between two reports from which a CPU rate is computed, because messages are delayed
_LATE = 1.5  #: periods after which the resources of a report are outdated
_LATE_GRACE = 2.0  #: seconds added to that

Backlog = tuple[float | None, float | None, float | None]  #: QUEUE_FIGURES


class _Usage(NamedTuple):
    """Resources of a worker according to its latest report with them."""

    resources: Resources
    boot: str
    at: float  #: monotonic seconds of that report
    values: tuple[int | None, int | None, float | None]  #: WORKER_FIGURES


class LevelTracker:
    """Histories of the queues, the workers and the whole of one source."""

    def __init__(self) -> None:
        self._histories: dict[LevelKind, LevelHistory] = {
            "queue": LevelHistory(len(QUEUE_FIGURES), MAX_SUBJECTS),
            "worker": LevelHistory(len(WORKER_FIGURES), MAX_SUBJECTS),
            "fleet": LevelHistory(len(FLEET_FIGURES), 1),
        }
        self._usages: dict[str, _Usage] = {}
        self._due_at = float("-inf")
        self._began_at: float | None = None  #: None while the listener is isolated
        self._awaited: set[str] = set()  #: figures of the fleet of which a part is not known yet

    def update(self, view: View, now: float) -> None:
        """Record the levels of this view, at most once per two seconds. Takes some 2 ms for 1,000 workers."""
        if view.isolated_since is not None:
            self._began_at = None
            return
        if now < self._due_at:
            return
        self._due_at = now + _PERIOD
        if self._began_at is None:
            self._began_at, self._awaited = now, {"backlog", "rss", "cpu"}
        self._usages = dict(self._current_usages(view))
        self._histories["worker"].add(now, ((name, usage.values) for name, usage in self._usages.items()))
        self._histories["queue"].add(now, ((queue.queue, _backlog(queue)) for queue in view.queues))
        self._histories["fleet"].add(now, [("", (*self._fleet_backlog(view, now), *self._fleet_usage(view, now)))])

    def series(self, kind: LevelKind, name: str, now: float) -> list[LevelStep]:
        """Return the steps of a subject with a known value; see LevelHistory. The fleet's name is empty."""
        return self._histories[kind].series(name, now)

    def _current_usages(self, view: View) -> Iterator[tuple[str, _Usage]]:
        """Yield `(hostname, usage)` of the workers whose resources are known and not outdated."""
        for worker in view.workers:
            resources, age = worker.resources, worker.resources_age
            if resources is None or age is None or worker.is_gone or age > _max_age(worker):
                continue
            hostname = worker.gossip.hostname
            known = self._usages.get(hostname)
            if known is None or known.resources is not resources:
                known = _next_usage(known, worker, resources, view.taken_at - age)
            yield hostname, known

    def _fleet_backlog(self, view: View, now: float) -> Backlog:
        every = [_backlog(queue) for queue in view.queues]
        known = [one for one in every if one[0] is not None]
        is_complete = len(known) == len(every)
        if not known or self._is_awaited("backlog", is_complete=is_complete, since=now, grace=_BACKLOG_GRACE):
            return None, None, None
        least = [one[1] for one in known if one[1] is not None]
        most = [one[2] for one in known if one[2] is not None]
        longest = max(least, default=0.0)
        return (
            sum([one[0] or 0 for one in known]),
            longest if longest or len(least) == len(known) else None,
            max(most) if len(most) == len(known) else None,
        )

    def _fleet_usage(self, view: View, now: float) -> tuple[float | None, float | None]:
        """Return the resident memory and the CPU rate of all workers together."""
        live = [worker for worker in view.workers if not worker.is_gone]
        longest = max([worker.gossip.interval for worker in live], default=0.0) * RESOURCE_PERIOD
        sums: list[float | None] = []
        for figure, at, periods in (("rss", 0, 1), ("cpu", 2, 2)):
            values = [usage.values[at] for usage in self._usages.values()]
            known = [value for value in values if value is not None]
            grace = min(longest * periods * 1.2 + _LATE_GRACE, _MAX_GRACE)
            is_awaited = self._is_awaited(figure, is_complete=len(known) == len(live), since=now, grace=grace)
            sums.append(None if is_awaited or not known else sum(known))
        return sums[0], sums[1]

    def _is_awaited(self, figure: str, *, is_complete: bool, since: float, grace: float) -> bool:
        """Return True until this sum was complete once, or the grace period has passed."""
        if figure in self._awaited and (is_complete or since - (self._began_at or since) > grace):
            self._awaited.discard(figure)
        return figure in self._awaited


def _backlog(queue: QueueView) -> Backlog:
    """Return the figures of a queue; if nothing is known of the age of its messages, that is not zero seconds."""
    least, most = queue.oldest_age_min, queue.oldest_age_max
    is_known = not queue.backlog or bool(least) or most is not None
    return queue.backlog, least if is_known else None, most


def _max_age(worker: WorkerView) -> float:
    """Return the age of resources above which a newer report with them is missing."""
    return worker.gossip.interval * RESOURCE_PERIOD * _LATE + _LATE_GRACE


def _next_usage(before: _Usage | None, worker: WorkerView, resources: Resources, at: float) -> _Usage:
    boot = worker.gossip.boot
    same = before if before is not None and before.boot == boot else None
    rate = None if same is None else _cpu_rate(same, resources, at, worker.gossip.interval)
    return _Usage(resources, boot, at, (resources.total_rss, resources.memory_used, rate))


def _cpu_rate(before: _Usage, resources: Resources, at: float, interval: float) -> float | None:
    """Return the CPU seconds per second since the report before; None if unknown."""
    seconds = at - before.at
    if seconds < interval * _MIN_CPU_PERIOD:  # delayed: too short to compute a rate
        return before.values[2]
    used, used_before = resources.cpu_seconds, before.resources.cpu_seconds
    if used is None or used_before is None or used < used_before:
        return None
    return (used - used_before) / seconds
