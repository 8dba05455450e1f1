"""The view: what a listener knows, as immutable snapshots of workers and of queues. Pure; made by the Cluster.

Read on any thread: by the diagnosis, the commands, the dashboards.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from celery_gossip.messages import Gossip, QueueCheck

__all__ = ["GONE", "STATES", "QueueView", "View", "WorkerView", "gather_queues"]

#: Every state that a worker can be in, the most welcome first.
STATES = ("online", "stalled", "draining", "suspect", "conflict", "offline", "lost")
GONE = frozenset({"offline", "lost"})
_TAKES_TASKS = frozenset({"online", "conflict"})


@dataclass(frozen=True)
class WorkerView:
    """One worker, by its hostname, as last heard."""

    gossip: Gossip  #: its latest
    state: str  #: one of STATES
    heard_at: float  #: the listener's monotonic seconds
    state_since: float = 0.0  #: likewise, when it entered this state
    age: float = 0.0  #: seconds since it was heard, when the snapshot was taken
    rivals: tuple[Gossip, ...] = ()  #: other boots heard under its hostname: a conflict, or one that still drains
    replaced: Gossip | None = None  #: the last of the boot before, if that left without a goodbye, with running tasks
    is_verified: bool | None = None  #: whether its gossip is signed; None where the listener has no secret to tell by

    @property
    def is_gone(self) -> bool:
        return self.state in GONE

    @property
    def gossips(self) -> tuple[Gossip, ...]:
        """What counts for the queues: its own and its rivals'."""
        return (self.gossip, *self.rivals)

    @property
    def free_slots(self) -> int:
        """Slots of the pool without a task. A worker's slots are shared by its queues."""
        return sum(max(0, gossip.concurrency - gossip.active) for gossip in self.gossips)


@dataclass(frozen=True)
class QueueView:
    """One queue, gathered from the workers that are neither offline nor lost."""

    queue: str
    workers: int  #: that consume it, paused ones included
    active: int  #: tasks that run
    reserved: int
    scheduled: int
    paused: str  #: "no", "partly" or "yes": on none, some or all of its workers
    states: Mapping[str, int] = field(default_factory=dict)  #: `{state: workers}`, those that are gone included
    active_ids: tuple[str, ...] = ()  #: of the tasks that run, as far as the workers list them
    slots: int = 0  #: of the workers that take its tasks; they serve their other queues too: never sum over queues
    free_slots: int = 0  #: of them without a task, likewise; 0 where every consumer is paused
    backlog: int | None = None  #: messages that wait on the broker; None where that is not known

    @property
    def load(self) -> float:
        """Tasks that run or wait, per slot: above 1 there is more to do than slots; where none is there, as if one."""
        return (self.active + self.reserved + (self.backlog or 0)) / max(self.slots, 1)


@dataclass(frozen=True)
class View:
    """Everything at one moment."""

    workers: tuple[WorkerView, ...]  #: by hostname
    queues: tuple[QueueView, ...]  #: by name
    taken_at: float  #: the listener's monotonic seconds
    isolated_since: float | None = None  #: likewise, since when the listener is cut off and the view is frozen

    def running(self) -> Iterator[tuple[WorkerView, str]]:
        """`(worker, task id)` of each task that runs, as far as the workers list them."""
        for worker in self.workers:
            if not worker.is_gone:
                for gossip in worker.gossips:
                    for check in gossip.checks:
                        yield from ((worker, task_id) for task_id in check.active)


def gather_queues(
    workers: Iterable[WorkerView], backlogs: Mapping[str, int | None] | None = None
) -> tuple[QueueView, ...]:
    """Queue views of these workers' checks, by queue name; queues of `backlogs` that nobody serves are among them."""
    gathered = defaultdict(_Gathering, {name: _Gathering() for name in backlogs or {}})
    for worker in workers:
        for gossip in worker.gossips:
            for check in {check.queue: check for check in gossip.checks}.values():  # whoever says a queue twice
                gathered[check.queue].add(worker, gossip, check)
    known = backlogs or {}
    views = (gathered[queue].view(queue, known.get(queue)) for queue in sorted(gathered))
    return tuple(view for view in views if view.workers or view.backlog)


class _Gathering:
    """The sums of one queue while its checks are visited."""

    def __init__(self) -> None:
        self.checks: list[QueueCheck] = []
        self.states: Counter[str] = Counter()
        self.slots = self.free_slots = 0

    def add(self, worker: WorkerView, gossip: Gossip, check: QueueCheck) -> None:
        state = worker.state if gossip.state == "online" or gossip is worker.gossip else gossip.state
        self.states[state] += 1
        if worker.is_gone:
            return
        self.checks.append(check)
        if not check.paused and state in _TAKES_TASKS:
            self.slots += gossip.concurrency
            self.free_slots += max(0, gossip.concurrency - gossip.active)

    def view(self, queue: str, backlog: int | None) -> QueueView:
        checks = self.checks
        return QueueView(
            queue=queue,
            workers=len(checks),
            active=sum(check.active_count for check in checks),
            reserved=sum(check.reserved for check in checks),
            scheduled=sum(check.scheduled for check in checks),
            paused=_how_paused([check.paused for check in checks]),
            states=dict(self.states),
            active_ids=tuple(task_id for check in checks for task_id in check.active),
            slots=self.slots,
            free_slots=self.free_slots,
            backlog=backlog,
        )


def _how_paused(paused: list[bool]) -> str:
    if paused and all(paused):
        return "yes"
    return "partly" if any(paused) else "no"
