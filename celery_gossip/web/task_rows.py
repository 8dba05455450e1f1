"""Rows about single tasks: those that run or wait, and where a task is or was seen last. Built from snapshots."""

from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from itertools import chain

from celery_gossip.cluster.task_search import coverage_of
from celery_gossip.cluster.task_sighting import Sighting
from celery_gossip.cluster.task_view import TaskView, WaitingView
from celery_gossip.web import schema
from celery_gossip.web.failure_rows import group_key
from celery_gossip.web.selection import Selection
from celery_gossip.web.snapshot import Snapshot
from celery_gossip.web.task_tracking import TrackedTask, TrackedWaiting

__all__ = ["MAX_LISTED", "coverages", "listed_tasks", "sighting_row"]

MAX_LISTED = 500  #: tasks in one table

_Found = tuple[float, str, Snapshot, TaskView | WaitingView]  # Unix seconds of its start, id


def listed_tasks(
    snapshots: Iterable[Snapshot], selection: Selection
) -> tuple[dict[str, schema.ListedTask], schema.ListTotals]:
    """Return `{source/hostname/id: row}` of the selected tasks that run or wait, the longest first, and their counts.

    At most MAX_LISTED rows; the counts are of all.
    """
    snapshots = [one for one in snapshots if selection.source in ("", one.source)]
    states: Counter[str] = Counter()

    def counted() -> Iterator[_Found]:
        for one in _selected(snapshots, selection):
            state = _state(one[3])
            states[state] += 1
            if selection.state in ("", state):
                yield one

    rows = [_row(*one[2:]) for one in nsmallest(MAX_LISTED, counted(), key=lambda one: one[:2])]
    running, waiting = _unlisted(snapshots)
    totals = schema.ListTotals(
        total=states[selection.state] if selection.state else states.total(),
        states=dict(states),
        unlisted_running=running,
        unlisted_waiting=waiting,
    )
    return {f"{row.source}/{row.hostname}/{row.id}": row for row in rows}, totals


def sighting_row(snapshot: Snapshot, one: Sighting, *, is_short: bool = False) -> schema.Sighting:
    """Return the row of a sighting; a short one has neither traceback nor stack."""
    failure = one.failure
    return schema.Sighting(
        source=snapshot.source,
        id=one.id,
        name=one.name,
        hostname=one.hostname,
        queue=one.queue,
        state=one.state,
        was=one.was,
        worker_state=one.worker_state,
        since=_start(snapshot, one),
        due_at=None if one.due_at is None else _due_at(snapshot, one),
        seen_at=snapshot.unix(one.seen_at),
        has_ended=one.has_ended,
        retries=one.retries,
        is_redelivered=one.is_redelivered,
        soft_time_limit=one.soft_time_limit,
        time_limit=one.time_limit,
        exception="" if failure is None else failure.exception,
        message=None if failure is None else failure.message,
        runtime=None if failure is None else failure.runtime,
        line="" if failure is None else failure.line,
        group="" if failure is None else group_key(failure.task, failure.exception, failure.line),
        traceback=() if failure is None or is_short else failure.traceback,
        stack=() if is_short else one.stack,
    )


def coverages(snapshots: Iterable[Snapshot]) -> dict[str, schema.Coverage]:
    """Return `{source: row}`."""
    rows = {}
    for snapshot in snapshots:
        known = coverage_of(snapshot.view, snapshot.history, snapshot.began_at)
        since = None if known.seconds is None else snapshot.unix(snapshot.view.taken_at - known.seconds)
        rows[snapshot.source] = schema.Coverage(
            source=snapshot.source,
            since=since,
            unlisted_running=known.unlisted_running,
            unlisted_waiting=known.unlisted_waiting,
            is_frozen=known.is_frozen,
        )
    return rows


def _selected(snapshots: Iterable[Snapshot], selection: Selection) -> Iterator[_Found]:
    """Yield the tasks that a selection contains, whatever its state."""
    for snapshot in snapshots:
        view, latest = snapshot.view, snapshot.unix(snapshot.view.taken_at) - selection.min_age
        for worker in view.workers:
            if worker.is_gone or not selection.matches_worker(worker.gossip.hostname):
                continue
            tasks: Iterator[TaskView | WaitingView] = chain(worker.tasks(), worker.waiting())
            for one in tasks:
                if selection.matches_task(one.id, one.name) and selection.matches_queue(one.queue):
                    since = _since(snapshot, one)
                    if since <= latest:
                        yield since, one.id, snapshot, one


def _unlisted(snapshots: Iterable[Snapshot]) -> tuple[int, int]:
    known = [coverage_of(snapshot.view) for snapshot in snapshots]
    return sum(one.unlisted_running for one in known), sum(one.unlisted_waiting for one in known)


def _state(one: TaskView | WaitingView) -> str:
    return "running" if isinstance(one, TaskView) else one.state


def _tracked(snapshot: Snapshot, one: TaskView) -> TrackedTask:
    return snapshot.running.get((one.hostname, one.id)) or TrackedTask(snapshot.view.taken_at, is_older=True)


def _tracked_waiting(snapshot: Snapshot, one: WaitingView) -> TrackedWaiting:
    found = snapshot.waiting.get((one.hostname, one.id))
    if found is not None and found.state == one.state:
        return found
    now = snapshot.view.taken_at
    return TrackedWaiting(one.state, now - one.age, None if one.due_in is None else now + one.due_in)


def _since(snapshot: Snapshot, one: TaskView | WaitingView) -> float:
    """Return the Unix seconds since which a task runs or waits."""
    tracked = _tracked(snapshot, one) if isinstance(one, TaskView) else _tracked_waiting(snapshot, one)
    return snapshot.unix(tracked.since)


def _row(snapshot: Snapshot, one: TaskView | WaitingView) -> schema.ListedTask:
    if isinstance(one, TaskView):
        tracked = _tracked(snapshot, one)
        since, due_at, is_older = tracked.since, None, tracked.is_older
        limits = (one.is_redelivered, one.soft_time_limit, one.time_limit)
    else:
        waiting = _tracked_waiting(snapshot, one)
        since, due_at, is_older = waiting.since, waiting.due_at, False
        limits = (None, None, None)
    return schema.ListedTask(
        source=snapshot.source,
        id=one.id,
        name=one.name,
        hostname=one.hostname,
        queue=one.queue,
        since=snapshot.unix(since),
        is_older=is_older,
        retries=one.retries,
        is_redelivered=limits[0],
        soft_time_limit=limits[1],
        time_limit=limits[2],
        state=_state(one),
        due_at=None if due_at is None else snapshot.unix(due_at),
    )


def _start(snapshot: Snapshot, one: Sighting) -> float | None:
    """Return the Unix seconds since which a task runs or waits, as the lists show it, if it still does."""
    if one.state == "running":
        tracked = snapshot.running.get((one.hostname, one.id))
        if tracked is not None and not tracked.is_older:
            return snapshot.unix(tracked.since)
    waiting = snapshot.waiting.get((one.hostname, one.id))
    if waiting is not None and waiting.state == one.state:
        return snapshot.unix(waiting.since)
    return None if one.since is None else snapshot.unix(one.since)


def _due_at(snapshot: Snapshot, one: Sighting) -> float | None:
    waiting = snapshot.waiting.get((one.hostname, one.id))
    due_at = waiting.due_at if waiting is not None and waiting.state == one.state else one.due_at
    return None if due_at is None else snapshot.unix(due_at)
