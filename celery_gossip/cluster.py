"""Cluster: what a listener knows of the workers. A state machine without thread or broker; its clock is passed in.

One thread changes it (apply, expire); any thread reads its snapshots, which are immutable.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from threading import Lock

from celery_gossip.messages import Gossip, QueueCheck

__all__ = ["FORGET_AFTER", "LOST_AFTER", "MAX_WORKERS", "Cluster", "QueueView", "Transition", "WorkerView"]

LOST_AFTER = 10.0  #: silence that ends as lost, in units of the worker's own interval
FORGET_AFTER = 600.0  #: seconds after which a worker that is offline or lost leaves the view
MAX_WORKERS = 2000  #: workers kept, whatever is published; a live one is never dropped for an unknown one
_MIN_INTERVAL = 0.5  #: seconds; no worker is judged faster than this

GONE = frozenset({"offline", "lost"})


@dataclass(frozen=True)
class WorkerView:
    """One start (`boot`) of one worker, as last heard."""

    gossip: Gossip  #: its latest
    state: str  #: online, stalled, draining, offline or lost
    heard_at: float  #: the listener's monotonic seconds
    age: float = 0.0  #: seconds since, when the snapshot was taken

    @property
    def is_gone(self) -> bool:
        return self.state in GONE


@dataclass(frozen=True)
class QueueView:
    """One queue, gathered from the workers that are neither offline nor lost."""

    queue: str
    workers: int  #: that consume it, paused ones included
    active: int
    reserved: int
    scheduled: int
    paused: str  #: "no", "partly" or "yes": on none, some or all of its workers


@dataclass(frozen=True)
class Transition:
    """A worker entered a state: `state` names the signal to send (`worker_<state>`)."""

    state: str
    worker: WorkerView


class Cluster:
    """The view: the latest gossip of every `hostname` and `boot`, ordered by `seq`.

    apply() and expire() return the transitions that they caused, in order. Bounded: MAX_WORKERS entries, and gone
    ones are forgotten after FORGET_AFTER seconds, the longest gone first when room is needed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._workers: dict[tuple[str, str], WorkerView] = {}

    def apply(self, gossip: Gossip, now: float) -> list[Transition]:
        """Take a gossip heard at monotonic `now`. An older `seq` of the same boot changes nothing."""
        key = (gossip.hostname, gossip.boot)
        with self._lock:
            known = self._workers.get(key)
            if known is not None and gossip.seq <= known.gossip.seq:
                return []
            if known is None and not self._make_room():
                return []
            worker = WorkerView(gossip=gossip, state=_state_told_by(gossip), heard_at=now)
            self._workers[key] = worker
        return _transitions(known, worker)

    def expire(self, now: float) -> list[Transition]:
        """Declare lost who has been silent for LOST_AFTER of its own intervals, and forget who is long gone."""
        transitions = []
        with self._lock:
            for key, worker in list(self._workers.items()):
                silence = now - worker.heard_at
                if worker.is_gone and silence > FORGET_AFTER + _patience(worker):
                    del self._workers[key]
                elif not worker.is_gone and silence > _patience(worker):
                    lost = self._workers[key] = replace(worker, state="lost")
                    transitions += _transitions(worker, lost)
        return transitions

    def workers(self) -> tuple[WorkerView, ...]:
        """A snapshot of every worker known, by hostname, with its age now."""
        now = self._clock()
        with self._lock:
            workers = list(self._workers.values())
        aged = (replace(worker, age=max(0.0, now - worker.heard_at)) for worker in workers)
        return tuple(sorted(aged, key=lambda worker: (worker.gossip.hostname, worker.gossip.boot)))

    def queues(self) -> tuple[QueueView, ...]:
        """The same facts gathered by queue, by name; workers that are offline or lost are left out."""
        return gather_queues(self.workers())

    def _make_room(self) -> bool:
        if len(self._workers) < MAX_WORKERS:
            return True
        gone = [item for item in self._workers.items() if item[1].is_gone]
        if gone:
            del self._workers[min(gone, key=lambda item: item[1].heard_at)[0]]
        return bool(gone)


def gather_queues(workers: Iterable[WorkerView]) -> tuple[QueueView, ...]:
    """Queue views of these workers' checks, by queue name. Pure."""
    checks: dict[str, list[QueueCheck]] = {}
    for worker in workers:
        if not worker.is_gone:
            for check in worker.gossip.checks:
                checks.setdefault(check.queue, []).append(check)
    return tuple(_gather(queue, checks[queue]) for queue in sorted(checks))


def _gather(queue: str, checks: list[QueueCheck]) -> QueueView:
    return QueueView(
        queue=queue,
        workers=len(checks),
        active=sum(check.active_count for check in checks),
        reserved=sum(check.reserved for check in checks),
        scheduled=sum(check.scheduled for check in checks),
        paused=_how_paused([check.paused for check in checks]),
    )


def _how_paused(paused: list[bool]) -> str:
    if all(paused):
        return "yes"
    return "partly" if any(paused) else "no"


def _state_told_by(gossip: Gossip) -> str:
    if gossip.state == "online" and gossip.stalled_for > 0:
        return "stalled"
    return gossip.state


def _patience(worker: WorkerView) -> float:
    return LOST_AFTER * max(worker.gossip.interval, _MIN_INTERVAL)


def _transitions(before: WorkerView | None, after: WorkerView) -> list[Transition]:
    if before is not None and before.state == after.state:
        return []
    return [Transition(after.state, after)]
