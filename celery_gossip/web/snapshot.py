"""Snapshot: everything that the rows of one watched app are built from; Sampler takes snapshots repeatedly.

A Snapshot is immutable, except that `throughput` always returns the latest figures; it may be read on any thread. A
Sampler is used on one thread at a time, the Broadcaster's. A Source is a Listener, or a test's replacement for one.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import NamedTuple, Protocol

from celery_gossip.cluster.failures import FailureView
from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.cluster.scaling import QueueDemand
from celery_gossip.cluster.statistics import GroupBy, TaskStatistics
from celery_gossip.cluster.task_history import TaskHistory
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.control.activity import Activity
from celery_gossip.diagnosis import diagnosis
from celery_gossip.web.finding_memory import FindingMemory, SeenFinding
from celery_gossip.web.level_history import LevelStep
from celery_gossip.web.level_tracker import LevelKind, LevelTracker
from celery_gossip.web.task_tracking import (
    MAX_FIRST_SEQ,
    TrackedTask,
    TrackedWaiting,
    track_running,
    track_waiting,
)
from celery_gossip.web.timeline import Event, Marked, Timeline

__all__ = [
    "RATE_WINDOW",
    "CostLimitedCache",
    "Sampler",
    "Snapshot",
    "Source",
    "ThroughputByName",
    "WorkerStart",
]

RATE_WINDOW = 60.0  #: seconds over which rates and percentiles are measured
_SPARKLINE_STEP = 10.0  #: seconds
_SPARKLINE_STEPS = 30
_MAX_SPARKLINES = 2_000  #: queues that have one
_MAX_SHARE = 0.05  #: of one thread's time, spent on one kind of throughput


ThroughputByName = Mapping[str, Throughput]


class ThroughputReader(Protocol):
    """The methods of Cluster that the dashboard uses."""

    @property
    def statistics(self) -> TaskStatistics: ...
    def throughput(self, by: GroupBy, window: float) -> dict[str, Throughput]: ...
    def balance(self) -> tuple[QueueBalance, ...]: ...
    def failures(self) -> FailureView: ...
    def counts(self, by: GroupBy, window: float) -> dict[str, Throughput]: ...
    def series(self, by: GroupBy, name: str, window: float, least: float) -> tuple[Throughput, ...]: ...
    def task_names(self, hostname: str) -> tuple[str, ...]: ...


class ExactAge(Protocol):
    """Age of the next message of a queue, or the reason why it is not known."""

    @property
    def age(self) -> float | None: ...
    @property
    def reason(self) -> str: ...


class Source(Protocol):
    """The attributes of Listener that the dashboard uses. Only exact_ages() blocks on a broker."""

    @property
    def cluster(self) -> ThroughputReader: ...
    @property
    def connected_at(self) -> float | None: ...
    @property
    def error(self) -> Exception | None: ...
    @property
    def findings(self) -> tuple[diagnosis.Finding, ...]: ...
    @property
    def rejected(self) -> Counter[str]: ...
    @property
    def uri(self) -> str: ...
    def view(self) -> View: ...
    def demand(self, queue: str, *, slots_per_worker: float | None = None) -> QueueDemand: ...
    def knows_queue(self, queue: str) -> bool: ...
    def exact_ages(self, queues: Iterable[str]) -> Mapping[str, ExactAge]: ...


class LatestThroughput(NamedTuple):
    """Throughput by name, computed on request: tables that no viewer shows cost nothing."""

    queues: Callable[[], ThroughputByName]
    tasks: Callable[[], ThroughputByName]
    workers: Callable[[], ThroughputByName]  #: counts only


@dataclass(frozen=True)
class WorkerStart:
    """The latest start of a worker, and the number of starts seen before it."""

    boot: str  #: instance id
    started_at: float | None  #: monotonic seconds; None if the worker started before the listener
    restarts: int = 0


@dataclass(frozen=True)
class Snapshot:
    """One app at one moment; only `throughput` returns the latest figures.

    Times are monotonic seconds; `unix` converts them to Unix seconds.
    """

    source: str
    app: str
    uri: str
    view: View
    began_at: float | None = None  #: when the listener began to receive
    is_connected: bool = True
    error: str = ""
    rejected: int = 0
    findings: tuple[diagnosis.Finding, ...] = ()
    fleet: Throughput = field(default_factory=lambda: Throughput(seconds=0.0))  #: of all tasks together
    throughput: LatestThroughput = field(default_factory=lambda: LatestThroughput(dict, dict, dict))
    sparklines: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  #: by queue
    starts: Mapping[str, WorkerStart] = field(default_factory=dict)  #: by hostname
    balance: Callable[[], tuple[QueueBalance, ...]] = tuple  #: of tasks sent, computed on request
    failures: Callable[[], FailureView] = FailureView  #: the last ones, read on request
    activity: Callable[[], Iterable[Activity]] = tuple  #: commands that were sent to its workers, the newest first
    levels: Callable[[LevelKind, str], list[LevelStep]] = lambda kind, name: []  #: of a subject, read on request
    events: tuple[Event, ...] = ()  #: starts of workers, oldest first
    outages: tuple[Marked, ...] = ()  #: times without reports
    running: Mapping[tuple[str, str], TrackedTask] = field(default_factory=dict)  #: by hostname and task id
    waiting: Mapping[tuple[str, str], TrackedWaiting] = field(default_factory=dict)  #: by hostname and task id
    history: TaskHistory | None = None  #: tasks that are not listed any more
    #: Findings of each worker, also those of its last minute, by hostname.
    worker_findings: Mapping[str, tuple[SeenFinding, ...]] = field(default_factory=dict)
    task_names: Callable[[str], tuple[str, ...]] = lambda hostname: ()  #: of the registered tasks, read on request
    offset: float = 0.0  #: from monotonic to Unix seconds

    @cached_property
    def running_by_name(self) -> Counter[str]:
        """`{task name: running tasks}`, as far as the workers list them."""
        return Counter(gossip.names[task.name] for _, gossip, check in self.view.checks() for task in check.tasks)

    @cached_property
    def waiting_names(self) -> frozenset[str]:
        """Names of the tasks that wait in workers, as far as these list them."""
        workers = (worker for worker in self.view.workers if not worker.is_gone)
        reports = (gossip for worker in workers for gossip in worker.gossips)
        return frozenset(gossip.names[one.task] for gossip in reports for one in gossip.waiting)

    def unix(self, at: float) -> float:
        """Return Unix seconds, rounded to 0.1 s so that an unchanged time stays equal."""
        return round(at + self.offset, 1)


class Sampler:
    """Takes snapshots of one source and tracks what a single snapshot cannot show. Bounded."""

    def __init__(
        self,
        source: str,
        app: str,
        listener: Source,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
    ) -> None:
        self.source = source
        self.app = app
        self.listener = listener
        self.activity: Callable[[], Iterable[Activity]] = tuple  #: commands to its workers, the newest first
        self._clock = clock
        self._unix_clock = unix_clock
        self._offset = unix_clock() - clock()
        self._starts: dict[str, WorkerStart] = {}
        self._running: dict[tuple[str, str], TrackedTask] = {}
        self._waiting: dict[tuple[str, str], TrackedWaiting] = {}
        self._history = TaskHistory()
        self._sparklines: dict[str, deque[float]] = {}
        self._findings = FindingMemory()
        self._sparkline_due_at = clock() + _SPARKLINE_STEP
        self._levels = LevelTracker()
        self._timeline = Timeline()
        cluster = listener.cluster
        self._throughput = LatestThroughput(
            queues=CostLimitedCache(lambda: cluster.throughput("queue", RATE_WINDOW), clock),
            tasks=CostLimitedCache(lambda: cluster.throughput("task", RATE_WINDOW), clock),
            workers=CostLimitedCache(lambda: cluster.counts("worker", RATE_WINDOW), clock),
        )

    def sample(self) -> Snapshot:
        """Return a new snapshot."""
        view = self.listener.view()
        now = self._clock()
        if view.isolated_since is None:
            self._track_workers(view, now)
        self._history.observe(view)
        self._update_sparklines(now)
        self._levels.update(view, now)
        self._timeline.update(view, now)
        error, findings = self.listener.error, self.listener.findings
        return Snapshot(
            source=self.source,
            app=self.app,
            uri=self.listener.uri,
            view=view,
            began_at=self.listener.cluster.statistics.listening_since,
            is_connected=self.listener.connected_at is not None,
            error="" if error is None else f"{type(error).__name__}: {error}"[:300],
            rejected=sum(self.listener.rejected.copy().values()),
            findings=findings,
            fleet=self.listener.cluster.throughput("fleet", RATE_WINDOW).get("", Throughput(seconds=RATE_WINDOW)),
            throughput=self._throughput,
            sparklines={name: tuple(steps) for name, steps in self._sparklines.items()},
            balance=self.listener.cluster.balance,
            failures=self.listener.cluster.failures,
            activity=self.activity,
            levels=lambda kind, name: self._levels.series(kind, name, self._clock()),
            events=self._timeline.events,
            outages=self._timeline.outages,
            starts=dict(self._starts),
            running=dict(self._running),
            waiting=dict(self._waiting),
            history=self._history,
            worker_findings=self._findings.update(view, findings, now),
            task_names=self.listener.cluster.task_names,
            offset=self._stable_offset(),
        )

    def _stable_offset(self) -> float:
        """Return the same offset until the system clock is set, so that times in the past do not change."""
        offset = self._unix_clock() - self._clock()
        if abs(offset - self._offset) > 1.0:
            self._offset = offset
        return self._offset

    def _track_workers(self, view: View, now: float) -> None:
        before = self._starts
        self._starts = {
            worker.gossip.hostname: _next_start(before.get(worker.gossip.hostname), worker, now)
            for worker in view.workers
        }
        self._running = track_running(view, self._running, before, now)
        self._waiting = track_waiting(view, self._waiting)

    def _update_sparklines(self, now: float) -> None:
        if now < self._sparkline_due_at:
            return
        self._sparkline_due_at = now + _SPARKLINE_STEP
        latest = self.listener.cluster.counts("queue", _SPARKLINE_STEP)
        names = dict.fromkeys((*self._sparklines, *latest))
        for name in list(names)[:_MAX_SPARKLINES]:
            steps = self._sparklines.setdefault(name, deque(maxlen=_SPARKLINE_STEPS))
            steps.append(round(latest[name].ended / _SPARKLINE_STEP, 2) if name in latest else 0.0)
            if not any(steps):
                del self._sparklines[name]


class CostLimitedCache:
    """Computes throughput on request; repeats the previous result while computing takes more than its share of time.

    Thread-safe.
    """

    def __init__(self, compute: Callable[[], ThroughputByName], clock: Callable[[], float]) -> None:
        self._compute = compute
        self._clock = clock
        self._lock = Lock()
        self._due_at = float("-inf")
        self._result: ThroughputByName = {}

    def __call__(self) -> ThroughputByName:
        """Return throughput by name, possibly of an earlier call."""
        with self._lock:
            began = self._clock()
            if began >= self._due_at:
                self._result = self._compute()
                took = self._clock() - began
                self._due_at = began + took / _MAX_SHARE
            return self._result


def _next_start(before: WorkerStart | None, worker: WorkerView, now: float) -> WorkerStart:
    gossip = worker.gossip
    if before is not None and before.boot == gossip.boot:
        return before
    started_at = now if gossip.seq <= MAX_FIRST_SEQ or before is not None else None
    return WorkerStart(gossip.boot, started_at, before.restarts + 1 if before else 0)
