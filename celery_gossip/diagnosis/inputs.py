"""RuleInput: everything that the rules evaluate, and PendingFinding: what a rule returns. Pure."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import Any

import msgspec

from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.cluster.release_outcomes import ReleaseOutcome
from celery_gossip.cluster.silence_timeouts import SUSPECT_AFTER
from celery_gossip.cluster.task_view import TaskView, tasks_of
from celery_gossip.cluster.throughput import Distribution, ThroughputWindows
from celery_gossip.cluster.unknown_tasks import UnknownTask
from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.diagnosis.kinds import CRITICAL, WARNING, FindingKind, Severity
from celery_gossip.diagnosis.rule_settings import RuleSettings
from celery_gossip.diagnosis.verdict import Losses
from celery_gossip.wire.messages import Gossip, QueueCheck

__all__ = [
    "CRITICAL",
    "MIN_LONG_RUN",
    "WARNING",
    "FindingKind",
    "PendingFinding",
    "QueueConsumer",
    "Receipts",
    "RuleInput",
    "Severity",
    "TaskRun",
]

MIN_LONG_RUN = 10.0  #: seconds from which a task is judged by the rules about single tasks


@dataclass(frozen=True)
class PendingFinding:
    """A condition that holds now; it becomes a finding after it has held for `for_seconds`."""

    kind: FindingKind
    severity: Severity
    subject: str
    text: str
    for_seconds: float = 0.0
    reset_key: Any = None  #: `for_seconds` starts again when this changes
    suppressed_by: tuple[FindingKind, ...] = ()  #: kinds of raised findings on the same subject that replace this one


class QueueConsumer(msgspec.Struct, frozen=True, gc=False):
    """One queue consumer of one instance of a worker."""

    worker: WorkerView
    gossip: Gossip
    check: QueueCheck

    @property
    def can_receive(self) -> bool:
        """True if it consumes messages, as far as is known; also for a suspect worker."""
        return not self.check.paused and self.gossip.state == "online"

    @property
    def is_reporting(self) -> bool:
        """True if it can receive messages and its worker reports in time."""
        return self.can_receive and self.worker.state == "online"

    @property
    def is_idle(self) -> bool:
        """True if it is reporting, its worker has no task of any queue, and its prefetch window is not full."""
        tasks = self.gossip.active + self.gossip.reserved + self.gossip.limited + self.gossip.batched
        return self.is_reporting and not tasks and not self.has_full_prefetch_window

    @property
    def has_full_prefetch_window(self) -> bool:
        """True if tasks that wait for their ETA fill the prefetch window, so the broker sends no more messages.

        Celery widens the window by one for each of them, but only up to `worker_eta_task_limit`.
        """
        return _has_full_prefetch_window(self.gossip)


class TaskRun(msgspec.Struct, frozen=True, gc=False):
    """A running task of one instance of a worker, on the listener's monotonic clock."""

    task: TaskView
    gossip: Gossip
    seen_at: float  #: time of the report that lists it

    @property
    def age(self) -> float:
        """Seconds for which it has run."""
        return self.task.age or 0.0

    @property
    def started_at(self) -> float:
        return self.seen_at - self.age


@dataclass(frozen=True)
class Receipts:
    """Which tasks workers have received, as far as they count."""

    received_at: Mapping[str, float]  #: `{task name: time of the latest report of a receipt}`, of tasks of schedules
    counted: Collection[str] = ()  #: hostnames of workers that count tasks
    is_complete: bool = True  #: False if the listener has left out counts because of a limit


@dataclass(frozen=True)
class RuleInput:
    """State of a fleet at one moment, as a listener knows it."""

    view: View
    listening_for: float  #: seconds since the listener connected; 0.0 while it is not connected
    source: str = ""  #: description of the exchange and the broker that the listener is connected to
    broker_error: str = ""  #: latest error if the broker cannot be reached
    recent_rejections: Mapping[str, str] = field(default_factory=dict)  #: `{reason: latest text}` of the last minute
    rejected_total: Mapping[str, int] = field(default_factory=dict)  #: `{reason: number of rejected messages}`
    throughput: Mapping[str, ThroughputWindows] = field(default_factory=dict)  #: by queue
    #: Runtimes of the tasks of one name, `{task name: distribution}`, of names with a task that has run for some time.
    usual_runtimes: Mapping[str, Distribution] = field(default_factory=dict)
    unknown_tasks: tuple[UnknownTask, ...] = ()  #: tasks that the workers which received them have not registered
    #: Releases of each queue that has several, `{queue: releases}`, the one that fails most clearly first.
    release_outcomes: Mapping[str, tuple[ReleaseOutcome, ...]] = field(default_factory=dict)
    settings: RuleSettings = field(default_factory=RuleSettings)
    #: `{queue: error}` of queues whose length cannot be read; the key "" stands for all queues (no connection).
    unreadable_queues: Mapping[str, str] = field(default_factory=dict)

    #: Tasks that were sent to each queue and what became of them, as far as processes count what they send.
    balance: tuple[QueueBalance, ...] = ()
    app_entries: int = 0  #: entries of `beat_schedule` in the settings of the listener's app
    receipts: Receipts | None = None  #: None without beat processes

    def adjusted(self, pending: PendingFinding) -> PendingFinding | None:
        """Return the result of a rule with the settings of its subject; None if that kind is muted."""
        settings = self.settings.of(pending.subject)
        if pending.kind in settings.mute:
            return None
        after = settings.after.get(pending.kind, pending.for_seconds)
        severity = settings.severity.get(pending.kind, pending.severity)
        if (after, severity) == (pending.for_seconds, pending.severity):
            return pending
        return replace(pending, for_seconds=after, severity=severity)

    @cached_property
    def consumers(self) -> dict[str, list[QueueConsumer]]:
        """`{queue: consumers}` of workers that are neither offline nor lost."""
        consumers: dict[str, list[QueueConsumer]] = {}
        for worker in self.view.workers:
            if not worker.is_gone:
                for gossip in worker.gossips:
                    for check in gossip.checks:
                        consumers.setdefault(check.queue, []).append(QueueConsumer(worker, gossip, check))
        return consumers

    @cached_property
    def free_slots(self) -> dict[int, int]:
        """`{id() of a report: number of further tasks that its instance could start}`, if that is certain and not 0."""
        slots = {}
        for worker in self.view.workers:
            for gossip in worker.gossips if worker.state == "online" else ():
                free = gossip.concurrency - gossip.active - gossip.reserved
                is_uncertain = gossip.limited or gossip.batched or _has_full_prefetch_window(gossip)
                if free > 0 and gossip.state == "online" and not is_uncertain:
                    slots[id(gossip)] = free
        return slots

    @cached_property
    def losses(self) -> Losses:
        """Instances of workers that were lost, and why."""
        return Losses(self.view)

    @cached_property
    def long_runs(self) -> dict[tuple[str, str], list[TaskRun]]:
        """`{(hostname, instance id): tasks that have run for MIN_LONG_RUN}`, the longest running first.

        Tasks of suspect workers are left out: it is not known whether they still run.
        """
        runs: dict[tuple[str, str], list[TaskRun]] = {}
        for worker, gossip, check in self._running:
            # The age at the report: within one interval, a task is judged one report later.
            for task in check.tasks:  # takes a third of the time of any()
                if task.age is not None and task.age >= MIN_LONG_RUN and worker.state != "suspect":
                    found = (run for run in _runs_of(worker, gossip, check) if run.age >= MIN_LONG_RUN)
                    runs.setdefault((gossip.hostname, gossip.boot), []).extend(found)
                    break
        return {instance: sorted(of_one, key=lambda run: -run.age) for instance, of_one in runs.items()}

    @cached_property
    def repeated_runs(self) -> list[list[TaskRun]]:
        """Runs of each task that several instances list; not of queues of which each worker has a copy."""
        listed = [check.active for *_, check in self._running if not check.broadcast]
        if len(set().union(*listed)) == sum(map(len, listed)):
            return []
        counts = Counter(chain.from_iterable(listed))
        runs: dict[str, list[TaskRun]] = {}
        for worker, gossip, check in self._running:
            if not check.broadcast and any(counts[task_id] > 1 for task_id in check.active):
                for run in _runs_of(worker, gossip, check):
                    if counts[run.task.id] > 1:
                        runs.setdefault(run.task.id, []).append(run)
        return [of_one for of_one in runs.values() if len({id(run.gossip) for run in of_one}) > 1]

    @cached_property
    def _running(self) -> list[tuple[WorkerView, Gossip, QueueCheck]]:
        """Checks of queues of which tasks with details run."""
        return [entry for entry in self.view.checks() if entry[2].tasks]


def _has_full_prefetch_window(gossip: Gossip) -> bool:
    prefetched = gossip.scheduled + gossip.reserved + gossip.limited + gossip.batched
    return bool(gossip.scheduled) and 0 < (gossip.prefetch_count or 0) <= prefetched


def _runs_of(worker: WorkerView, gossip: Gossip, check: QueueCheck) -> Iterator[TaskRun]:
    """Yield the running tasks of one queue whose start is known."""
    # The time of a rival's report is not known; it is not older than the time until a rival has ended.
    seen_at = worker.heard_at if gossip is worker.gossip else worker.heard_at - SUSPECT_AFTER * gossip.interval
    for task in tasks_of(gossip, queue=check.queue):
        if task.age is not None:
            yield TaskRun(task, gossip, seen_at)
