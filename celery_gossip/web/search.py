"""Search: what the dashboard knows about a text: tasks by id, and tasks, queues and workers by name. Any thread."""

import time
from collections.abc import Collection, Iterable

from celery_gossip.cluster.task_search import MAX_FOUND, find_names, find_tasks
from celery_gossip.web.response import RunDetail, SearchResult
from celery_gossip.web.schema import FoundName, Sighting
from celery_gossip.web.snapshot import Snapshot
from celery_gossip.web.task_rows import coverages, sighting_row

__all__ = ["run_detail", "search", "sightings"]


def search(snapshots: Collection[Snapshot], text: str) -> SearchResult:
    """Return the tasks with this id, or whose id begins with this text, and the subjects whose names contain it."""
    return SearchResult(
        now=round(time.time(), 1),
        sightings=_found_tasks(snapshots, text),
        names=_found_names(snapshots, text) if text else [],
        coverage=list(coverages(snapshots).values()),
    )


def run_detail(snapshot: Snapshot, task_id: str) -> RunDetail:
    """Return what is known about the task with exactly this id."""
    coverage = coverages([snapshot])[snapshot.source]
    return RunDetail(now=round(time.time(), 1), sightings=sightings(snapshot, task_id), coverage=coverage)


def sightings(snapshot: Snapshot, task_id: str) -> list[Sighting]:
    """Return what is known about the task with exactly this id, with tracebacks and stacks."""
    found = find_tasks(snapshot.view, task_id, snapshot.failures(), snapshot.history, is_exact=True)
    return [sighting_row(snapshot, one) for one in found]


def _found_tasks(snapshots: Iterable[Snapshot], text: str) -> list[Sighting]:
    rows = [
        sighting_row(snapshot, one, is_short=True)
        for snapshot in snapshots
        for one in find_tasks(snapshot.view, text, snapshot.failures(), snapshot.history)
    ]
    return rows[:MAX_FOUND]


def _found_names(snapshots: Iterable[Snapshot], text: str) -> list[FoundName]:
    return [
        FoundName(source=snapshot.source, kind=one.kind, name=one.name)
        for snapshot in snapshots
        for one in find_names(snapshot.view, text, _task_names(snapshot))
    ]


def _task_names(snapshot: Snapshot) -> Iterable[str]:
    """Return the names of the tasks that have a page."""
    return {*snapshot.throughput.tasks(), *snapshot.running_by_name, *snapshot.waiting_names}
