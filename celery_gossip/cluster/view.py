"""The view: immutable snapshots of workers and queues. Pure; created by the Cluster.

Read on any thread, by the diagnosis, the commands and the dashboards.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Literal, get_args

import msgspec

from celery_gossip.cluster.beat_view import BeatView
from celery_gossip.cluster.queue_ages import UNKNOWN, AgeLimits
from celery_gossip.cluster.recording import Recording
from celery_gossip.cluster.task_view import TaskView, WaitingView, tasks_of, waiting_of
from celery_gossip.wire.messages import Gossip, QueueCheck, Resources, Setting, Software

__all__ = [
    "GONE",
    "STARTS_TASKS",
    "STATES",
    "Paused",
    "QueueAccumulator",
    "QueueView",
    "View",
    "WorkerState",
    "WorkerView",
    "add_checks",
    "build_queue_views",
    "oldest_ages",
]

#: State of a worker; see docs/reference/states.md.
WorkerState = Literal["online", "stalled", "draining", "suspect", "conflict", "offline", "lost"]
#: On how many of its workers a queue is paused: on none, some or all of them.
Paused = Literal["no", "partly", "yes"]

STATES: tuple[WorkerState, ...] = get_args(WorkerState)  #: from the healthiest to the worst
GONE = frozenset[WorkerState]({"offline", "lost"})
STARTS_TASKS = frozenset[str]({"online", "conflict"})  #: states in which a worker starts tasks


class WorkerView(msgspec.Struct, frozen=True):
    """State of one worker according to its latest report."""

    gossip: Gossip  #: its latest report
    state: WorkerState
    heard_at: float  #: time of its latest report on the listener's monotonic clock
    state_since: float = 0.0  #: time at which it entered its state, on the same clock
    age: float = 0.0  #: seconds since its latest report, when the snapshot was taken
    #: Latest reports of other instances with its hostname: a conflict, or an instance that is still shutting down.
    rivals: tuple[Gossip, ...] = ()
    #: Last report of the previous instance, if that ended (was lost, or shut down cold) while tasks ran.
    replaced: Gossip | None = None
    #: True if its reports are signed, False if not; None if the listener has no secret to check signatures with.
    is_verified: bool | None = None
    software: Software | None = None  #: release, versions, registered tasks and settings; None if not reported
    #: Its memory, CPU time and processes, of its latest report that contained them; None if none did.
    resources: Resources | None = None
    resources_age: float | None = None  #: seconds since that report, when the snapshot was taken
    recording: Recording = msgspec.field(default_factory=Recording)  #: its last reports, and its memory over time
    replaced_recording: Recording = msgspec.field(default_factory=Recording)  #: the same of the instance of `replaced`
    #: Last reports of earlier instances, also of `replaced`, that were lost within the last ten minutes; eight at most.
    earlier_losses: tuple[Gossip, ...] = ()
    pid: int | None = None  #: id of its main process, in its own namespace; None if not reported
    #: Time at which its program started, on the listener's monotonic clock; None if not reported.
    started_at: float | None = None
    configuration: tuple[Setting, ...] = ()  #: settings that it reports beside those of `software`
    replaced_heard_at: float | None = None  #: time of the report `replaced`, on the listener's monotonic clock

    @property
    def release(self) -> str:
        """Release of the project that it runs; empty if it is not known."""
        return "" if self.software is None else self.software.release

    @property
    def hostname(self) -> str:
        """Node name, as in `celery@web1`."""
        return self.gossip.hostname

    @property
    def queues(self) -> tuple[str, ...]:
        """Names of the queues that it consumes or has paused, in the order reported; without those of rivals."""
        return tuple(dict.fromkeys([check.queue for check in self.gossip.checks]))

    @property
    def pool(self) -> str:
        """Pool type: prefork, threads, solo, gevent, eventlet, or the path of a custom class."""
        return self.gossip.pool

    @property
    def stack(self) -> tuple[str, ...]:
        """Frames of the thread of its event loop while that is blocked, innermost first; empty if not known."""
        return self.gossip.stack

    @property
    def active(self) -> int:
        """Number of tasks that it runs."""
        return self.gossip.active

    @property
    def concurrency(self) -> int:
        """Number of slots of its pool."""
        return self.gossip.concurrency

    @property
    def is_gone(self) -> bool:
        """True if it is offline or lost."""
        return self.state in GONE

    @property
    def gossips(self) -> tuple[Gossip, ...]:
        """Reports that count for the queues: its own and those of its rivals."""
        return (self.gossip, *self.rivals)

    def tasks(self, text: str = "", *, queue: str = "") -> Iterator[TaskView]:
        """Yield the tasks that its reports list, rivals included; see View.tasks(). If it is gone, those it ran."""
        for gossip in self.gossips:
            silent_for = self.age if gossip is self.gossip and not self.is_gone else 0.0
            yield from tasks_of(gossip, silent_for, text=text, queue=queue)

    def waiting(self, text: str = "", *, queue: str = "", state: str = "") -> Iterator[WaitingView]:
        """Yield the waiting tasks that its reports list, rivals included; see View.waiting()."""
        for gossip in self.gossips:
            silent_for = self.age if gossip is self.gossip and not self.is_gone else 0.0
            yield from waiting_of(gossip, silent_for, text=text, queue=queue, state=state)

    @property
    def free_slots(self) -> int:
        """Number of slots without a task, rivals included. All queues of a worker share its slots."""
        return sum(max(0, gossip.concurrency - gossip.active) for gossip in self.gossips)


class QueueView(msgspec.Struct, frozen=True):
    """State of one queue, summed over its workers that are neither offline nor lost."""

    queue: str
    workers: int  #: workers that consume it, paused ones included
    active: int  #: running tasks
    reserved: int
    scheduled: int
    paused: Paused
    #: `{state: workers}`, offline and lost ones included
    states: Mapping[str, int] = msgspec.field(default_factory=dict)
    active_ids: tuple[str, ...] = ()  #: ids of running tasks, as far as the workers list them
    #: Slots of the workers that start tasks from it. The workers' other queues share them, so never sum over queues.
    slots: int = 0
    free_slots: int = 0  #: slots without a task, shared in the same way; 0 if all its workers have paused it
    backlog: int | None = None  #: messages waiting on the broker; None if unknown
    #: Seconds for which the oldest waiting message has waited at least, as of the latest reports; 0.0 if nothing is
    #: known, and if no message waits; None if the backlog is unknown.
    oldest_age_min: float | None = None
    #: Seconds for which it has waited at most; 0.0 if no message waits; None if not known.
    oldest_age_max: float | None = None
    #: Time of the latest report of that worker whose latest report is the oldest, on the listener's monotonic clock;
    #: infinity without workers.
    reported_at: float = inf

    @property
    def name(self) -> str:
        """Name of the queue, the same as `queue`."""
        return self.queue

    @property
    def load(self) -> float:
        """Running and waiting tasks per slot; above 1.0 there are more tasks than slots. No slots count as one."""
        return (self.active + self.reserved + (self.backlog or 0)) / max(self.slots, 1)


@dataclass(frozen=True)
class View:
    """All workers, queues and beat processes at one moment."""

    workers: tuple[WorkerView, ...]  #: sorted by hostname
    queues: tuple[QueueView, ...]  #: sorted by name
    taken_at: float  #: listener's monotonic time
    isolated_since: float | None = None  #: time since when the listener is isolated and the view frozen; None if not
    beats: tuple[BeatView, ...] = ()  #: beat processes, sorted by hostname and app

    def worker(self, hostname: str) -> WorkerView | None:
        """Return the worker with this hostname, None if it is not in the view."""
        return self._workers_by_hostname.get(hostname)

    def queue(self, name: str) -> QueueView | None:
        """Return the queue with this name.

        None if it is not in the view: every worker that served it is offline or lost, and no message is known to wait.
        """
        return self._queues_by_name.get(name)

    def beat(self, hostname: str) -> BeatView | None:
        """Return the first beat process with this hostname, None if there is none in the view."""
        return next((beat for beat in self.beats if beat.report.hostname == hostname), None)

    def tasks(self, text: str = "", *, queue: str = "", hostname: str = "") -> Iterator[TaskView]:
        """Yield the running tasks, as far as the workers list them; by worker and queue, the longest running first.

        An argument that is not empty selects the tasks with this id or this name, of this queue, or of this worker.
        Tasks of workers that are offline or lost are not included: it is not known what became of them.
        """
        for worker in self.workers:
            if not worker.is_gone and hostname in ("", worker.gossip.hostname):
                yield from worker.tasks(text, queue=queue)

    def waiting(self, text: str = "", *, queue: str = "", hostname: str = "", state: str = "") -> Iterator[WaitingView]:
        """Yield the tasks that wait in workers, as far as these list them: those that waited in the report before.

        An argument that is not empty selects the tasks with this id or this name, of this queue, of this worker, or in
        this state ("reserved", "scheduled" or "limited").
        """
        for worker in self.workers:
            if not worker.is_gone and hostname in ("", worker.gossip.hostname):
                yield from worker.waiting(text, queue=queue, state=state)

    def checks(self) -> Iterator[tuple[WorkerView, Gossip, QueueCheck]]:
        """Yield each check with its report and its worker, of workers that are neither offline nor lost."""
        for worker in self.workers:
            if not worker.is_gone:
                for gossip in worker.gossips:
                    for check in gossip.checks:
                        yield worker, gossip, check

    def running(self) -> Iterator[tuple[WorkerView, str]]:
        """Yield `(worker, task id)` of each running task, as far as the workers list them."""
        for worker, _, check in self.checks():
            yield from ((worker, task_id) for task_id in check.active)

    @cached_property
    def _workers_by_hostname(self) -> dict[str, WorkerView]:
        return {worker.gossip.hostname: worker for worker in self.workers}

    @cached_property
    def _queues_by_name(self) -> dict[str, QueueView]:
        return {queue.queue: queue for queue in self.queues}


def build_queue_views(
    workers: Iterable[WorkerView], backlogs: Mapping[str, int | None] | None = None
) -> tuple[QueueView, ...]:
    """Return the queues of these workers, and queues of `backlogs` in which messages wait, sorted by name."""
    known = backlogs or {}
    accumulators = defaultdict(QueueAccumulator, {name: QueueAccumulator() for name in known})
    for worker in workers:
        for gossip in worker.gossips:
            add_checks(accumulators, worker, gossip, gossip.checks)
    views = (accumulators[queue].view(queue, known.get(queue)) for queue in sorted(accumulators))
    return tuple(view for view in views if view.workers or view.backlog)


def add_checks(
    accumulators: Mapping[str, "QueueAccumulator"], worker: WorkerView, gossip: Gossip, checks: Iterable[QueueCheck]
) -> None:
    """Add checks of one report to the accumulators of their queues. `accumulators` has or creates each of them."""
    state = worker.state if gossip.state == "online" or gossip is worker.gossip else gossip.state
    is_gone, starts_tasks = worker.is_gone, state in STARTS_TASKS
    slots, free_slots = gossip.concurrency, max(0, gossip.concurrency - gossip.active)
    heard_at = worker.heard_at
    for queue, check in {check.queue: check for check in checks}.items():  # a worker may report a queue twice
        accumulator = accumulators[queue]
        accumulator.states[state] += 1
        if is_gone:
            continue
        accumulator.checks.append(check)
        if heard_at < accumulator.reported_at:  # noqa: PLR1730 - min() takes three times as long
            accumulator.reported_at = heard_at
        if starts_tasks and not check.paused:
            accumulator.slots += slots
            accumulator.free_slots += free_slots


class QueueAccumulator:
    """Sums of one queue while the reports are visited."""

    def __init__(self) -> None:
        self.checks: list[QueueCheck] = []
        self.states: Counter[str] = Counter()
        self.slots = self.free_slots = 0
        self.reported_at = inf

    def view(self, queue: str, backlog: int | None, limits: AgeLimits = UNKNOWN, now: float = 0.0) -> QueueView:
        """Return the result as a snapshot at monotonic `now`."""
        checks, (least, greatest) = self.checks, oldest_ages(backlog, limits, now, self.reported_at)
        return QueueView(
            queue=queue,
            workers=len(checks),
            active=sum([check.active_count for check in checks]),
            reserved=sum([check.reserved for check in checks]),
            scheduled=sum([check.scheduled for check in checks]),
            paused=_paused([check.paused for check in checks]),
            states=dict(self.states),
            active_ids=tuple([task_id for check in checks for task_id in check.active]),
            slots=self.slots,
            free_slots=self.free_slots,
            backlog=backlog,
            oldest_age_min=least,
            oldest_age_max=greatest,
            reported_at=self.reported_at,
        )


def oldest_ages(
    backlog: int | None, limits: AgeLimits, now: float, reported_at: float
) -> tuple[float | None, float | None]:
    """Return the least and the greatest age of the oldest message of a queue with this backlog."""
    if not backlog:
        return (None, None) if backlog is None else (0.0, 0.0)
    return limits.ages(now, reported_at)


def _paused(paused: list[bool]) -> Paused:
    if paused and all(paused):
        return "yes"
    return "partly" if any(paused) else "no"
