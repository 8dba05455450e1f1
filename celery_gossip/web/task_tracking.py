"""Since when tasks run or wait, kept from one snapshot to the next, so that rows do not change without a reason. Pure.

Times are monotonic seconds. Used by the Sampler.
"""

from collections.abc import Iterator, Mapping
from itertools import islice, zip_longest
from typing import NamedTuple

from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.wire.messages import Gossip, RunningTask, WaitingTask

__all__ = ["MAX_FIRST_SEQ", "MAX_TASKS", "TrackedTask", "TrackedWaiting", "track_running", "track_waiting"]

MAX_TASKS = 50_000  #: running tasks whose start is remembered, and as many waiting ones
MAX_FIRST_SEQ = 3  #: a worker whose first report received has a higher number started earlier
_MAX_JITTER = 2.0  #: seconds by which a time may seem to move, because messages are delayed

_Key = tuple[str, str]  #: hostname and id: one id may run on two workers


class TrackedTask(NamedTuple):
    """Since when a task runs."""

    since: float  #: monotonic seconds of its start; of the first sample with it if its worker does not report that
    is_older: bool = False  #: the start is not known, and the task was already running before the first sample


class TrackedWaiting(NamedTuple):
    """Since when a task waits in a worker."""

    state: str
    since: float
    due_at: float | None  #: its ETA


def track_running(
    view: View, before: Mapping[_Key, TrackedTask], known_hosts: Mapping[str, object], now: float
) -> dict[_Key, TrackedTask]:
    """Return since when each listed task runs; `before` is the result of the sample before that, with its hosts."""
    running: dict[_Key, TrackedTask] = {}
    for worker, task_id, details in islice(_running_tasks(view), MAX_TASKS):
        key = (worker.gossip.hostname, task_id)
        known = before.get(key)
        if details is not None and details.age is not None:
            since = worker.heard_at - details.age
            if known is None or abs(since - known.since) > _MAX_JITTER:
                known = TrackedTask(since)
        elif known is None:
            is_older = worker.gossip.hostname not in known_hosts and worker.gossip.seq > MAX_FIRST_SEQ
            known = TrackedTask(now, is_older)
        running[key] = known
    return running


def track_waiting(view: View, before: Mapping[_Key, TrackedWaiting]) -> dict[_Key, TrackedWaiting]:
    """Return since when each listed task waits, and its ETA."""
    waiting: dict[_Key, TrackedWaiting] = {}
    for worker, gossip, one in islice(_waiting_tasks(view), MAX_TASKS):
        key, heard_at = (gossip.hostname, one.id), worker.heard_at
        since, due_at = heard_at - one.age, None if one.due_in is None else heard_at + one.due_in
        known = before.get(key)
        if known is None or known.state != one.state or abs(since - known.since) > _MAX_JITTER:
            known = TrackedWaiting(one.state, since, due_at)
        elif one.due_in and due_at is not None and abs(due_at - (known.due_at or 0.0)) > _MAX_JITTER:
            known = known._replace(due_at=due_at)
        waiting[key] = known
    return waiting


def _running_tasks(view: View) -> Iterator[tuple[WorkerView, str, RunningTask | None]]:
    """Yield `(worker, task id, details)` of the running tasks."""
    for worker, _, check in view.checks():
        for task_id, details in zip_longest(check.active, check.tasks):
            yield worker, task_id, details


def _waiting_tasks(view: View) -> Iterator[tuple[WorkerView, Gossip, WaitingTask]]:
    for worker in view.workers:
        for gossip in worker.gossips if not worker.is_gone else ():
            for one in gossip.waiting:
                yield worker, gossip, one
