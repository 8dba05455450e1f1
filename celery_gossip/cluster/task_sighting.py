"""Sighting: where one task is, or was when it was seen last. Pure; created by searches and by the TaskHistory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from celery_gossip.cluster.failures import Failure
from celery_gossip.cluster.view import WorkerView
from celery_gossip.wire.messages import Gossip, RunningTask, WaitingTask

__all__ = ["CURRENT", "Sighting", "SightingState", "sightings_in"]

#: "running" … "scheduled": now. "failed": as its worker reported. "lost": its worker does not report any more.
#: "stopped": its worker shut down. "seen": a report listed it, and a later one does not.
SightingState = Literal["running", "reserved", "limited", "scheduled", "failed", "lost", "stopped", "seen"]
CURRENT = frozenset[str]({"running", "reserved", "limited", "scheduled"})

_RANKS = {state: rank for rank, state in enumerate(get_args(SightingState))}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """State of one task on one worker, now or when it was seen last.

    Times are those of the listener's monotonic clock.
    """

    id: str
    name: str  #: empty if its worker does not report it
    queue: str  #: empty if it is not known
    hostname: str
    state: SightingState
    seen_at: float  #: time of the report that listed it last; of a failure that of the failure
    was: str = ""  #: what it did then ("running" … "scheduled"), if `state` is lost, stopped or seen
    worker_state: str = ""  #: state of the worker now; empty if it is not in the view any more
    #: When it started to run; of a waiting task, since when its worker has it, at the latest. None if not known.
    since: float | None = None
    due_at: float | None = None  #: its ETA, if it was scheduled
    retries: int | None = None
    is_redelivered: bool | None = None
    soft_time_limit: float | None = None
    time_limit: float | None = None
    failure: Failure | None = None
    stack: tuple[str, ...] = ()  #: of its worker's event loop while that is blocked, innermost frame first
    has_ended: bool = False  #: True if it ran and its worker has since reported that it runs others only

    @property
    def rank(self) -> int:
        """Position of its state: what is so now comes first; of everything else the latest does."""
        return min(_RANKS[self.state], _RANKS["failed"])


def sightings_in(worker: WorkerView, matches: Callable[[str], bool]) -> Iterator[Sighting]:
    """Yield the tasks that the reports of a worker list and whose id matches."""
    for gossip in worker.gossips:
        for check in gossip.checks:
            for at, task_id in enumerate(check.active):
                if matches(task_id):
                    details = check.tasks[at] if at < len(check.tasks) else None
                    yield _running(worker, gossip, task_id, check.queue, details)
        for one in gossip.waiting:
            if matches(one.id):
                yield _waiting(worker, gossip, one)


def _running(worker: WorkerView, gossip: Gossip, task_id: str, queue: str, details: RunningTask | None) -> Sighting:
    state, was = _state(worker, "running")
    known = details or RunningTask(name=0, age=None)
    is_reported = details is not None
    return Sighting(
        id=task_id,
        name="" if details is None else gossip.names[details.name],
        queue=queue,
        hostname=gossip.hostname,
        state=state,
        was=was,
        worker_state=worker.state,
        seen_at=worker.heard_at,
        since=None if known.age is None else worker.heard_at - known.age,
        retries=known.retries if is_reported else None,
        is_redelivered=known.is_redelivered if is_reported else None,
        soft_time_limit=known.soft_time_limit,
        time_limit=known.time_limit,
        stack=gossip.stack if gossip is worker.gossip else (),
    )


def _waiting(worker: WorkerView, gossip: Gossip, one: WaitingTask) -> Sighting:
    state, was = _state(worker, one.state)
    return Sighting(
        id=one.id,
        name=gossip.names[one.task],
        queue=gossip.names[one.queue],
        hostname=gossip.hostname,
        state=state,
        was=was,
        worker_state=worker.state,
        seen_at=worker.heard_at,
        since=worker.heard_at - one.age,
        due_at=None if one.due_in is None else worker.heard_at + one.due_in,
        retries=one.retries,
    )


def _state(worker: WorkerView, listed: SightingState) -> tuple[SightingState, str]:
    """Return the state of a task that the worker lists under `listed`, and what it was if that is over."""
    if not worker.is_gone:
        return listed, ""
    return ("lost" if worker.state == "lost" else "stopped"), listed
