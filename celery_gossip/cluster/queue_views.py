"""Incremental queue views: only queues of workers that reported since the previous view are summed up again.

Pure and immutable, so several threads may derive a view from the same previous one without a lock.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from celery_gossip.cluster.queue_ages import UNKNOWN, AgeLimits
from celery_gossip.cluster.view import QueueAccumulator, QueueView, WorkerView, add_checks, oldest_ages

__all__ = ["OldestAges", "QueueViews", "update_queue_views"]


@dataclass(frozen=True)
class OldestAges:
    """Limits of the age of the oldest message of each queue with a backlog, at one moment."""

    limits: Mapping[str, AgeLimits] = field(default_factory=dict)  #: by queue
    now: float = 0.0  #: listener's monotonic time


@dataclass(frozen=True)
class QueueViews:
    """The queues of one view, and the workers that they were summed up from."""

    workers: Mapping[str, WorkerView] = field(default_factory=dict)  #: by hostname
    by_name: Mapping[str, QueueView] = field(default_factory=dict)  #: sorted; includes queues that are not shown
    shown: tuple[QueueView, ...] = ()  #: queues with a worker or waiting messages


def update_queue_views(
    previous: QueueViews,
    workers: Iterable[WorkerView],
    backlogs: Mapping[str, int | None],
    ages: OldestAges | None = None,
) -> QueueViews:
    """Return the queues of these workers and backlogs; unchanged ones are taken from `previous`.

    A queue with a backlog is never unchanged, because its oldest message grows older.
    """
    ages = ages or OldestAges()
    current = {worker.gossip.hostname: worker for worker in workers}
    changed = _changed_hostnames(previous.workers, current)
    if len(changed) * 2 > len(current):
        return _rebuild(current, backlogs, ages)
    accumulators = _accumulate_changed(previous.workers, current, changed)
    names: Iterable[str] = previous.by_name
    if not previous.by_name.keys() >= accumulators.keys() | backlogs.keys():
        names = sorted({*previous.by_name, *accumulators, *backlogs})
    views = {}
    for name in names:
        view = _view(name, accumulators.get(name), previous.by_name.get(name), backlogs.get(name), ages)
        if view.states or name in backlogs:
            views[name] = view
    return QueueViews(current, views, _shown(views))


def _shown(views: Mapping[str, QueueView]) -> tuple[QueueView, ...]:
    return tuple([view for view in views.values() if view.workers or view.backlog])


def _changed_hostnames(previous: Mapping[str, WorkerView], current: Mapping[str, WorkerView]) -> set[str]:
    """Return the hostnames of workers whose report, state or rivals changed."""
    changed = {hostname for hostname in previous if hostname not in current}
    for hostname, worker in current.items():
        before = previous.get(hostname)
        if (
            before is None
            or before.gossip is not worker.gossip
            or before.state != worker.state
            or ((before.rivals or worker.rivals) and [*map(id, before.rivals)] != [*map(id, worker.rivals)])
        ):
            changed.add(hostname)
    return changed


def _accumulate_changed(
    previous: Mapping[str, WorkerView], current: Mapping[str, WorkerView], changed: set[str]
) -> dict[str, QueueAccumulator]:
    """Return the sums of all queues that the changed workers report or reported."""
    names: set[str] = set()
    for workers in (previous, current):
        for hostname in changed & workers.keys():
            for gossip in workers[hostname].gossips:
                names.update([check.queue for check in gossip.checks])
    accumulators = {name: QueueAccumulator() for name in names}
    if not accumulators:
        return accumulators
    for hostname, worker in current.items():
        is_changed = hostname in changed
        for gossip in worker.gossips:
            # `accumulators` has all queues of a changed worker, and perhaps some of an unchanged one.
            checks = gossip.checks if is_changed else [check for check in gossip.checks if check.queue in accumulators]
            if checks:
                add_checks(accumulators, worker, gossip, checks)
    return accumulators


def _rebuild(current: Mapping[str, WorkerView], backlogs: Mapping[str, int | None], ages: OldestAges) -> QueueViews:
    """Sum up all queues; cheaper than an update if most workers have changed."""
    accumulators = defaultdict(QueueAccumulator, {name: QueueAccumulator() for name in backlogs})
    for worker in current.values():
        for gossip in worker.gossips:
            add_checks(accumulators, worker, gossip, gossip.checks)
    views = {
        queue: _view(queue, accumulators[queue], None, backlogs.get(queue), ages) for queue in sorted(accumulators)
    }
    return QueueViews(current, views, _shown(views))


def _view(
    name: str, accumulator: QueueAccumulator | None, previous: QueueView | None, backlog: int | None, ages: OldestAges
) -> QueueView:
    limits = ages.limits.get(name, UNKNOWN)
    if accumulator is not None or previous is None:
        return (accumulator or QueueAccumulator()).view(name, backlog, limits, ages.now)
    if previous.backlog == backlog and not backlog:
        return previous
    least, greatest = oldest_ages(backlog, limits, ages.now, previous.reported_at)
    return replace(previous, backlog=backlog, oldest_age_min=least, oldest_age_max=greatest)
