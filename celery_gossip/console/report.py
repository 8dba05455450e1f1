"""A status report: the rows that `celery gossip status` prints and checks, of one listener or of a dashboard. Pure.

Values are frozen. `source` is empty where one broker is listened to, and else the label of the row's broker.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from celery_gossip.cluster.beat_view import BeatView
from celery_gossip.cluster.failures import FailureView
from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.cluster.schedule import ScheduledEntry, schedule_of
from celery_gossip.cluster.task_view import TaskView
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import GONE, QueueView, View, WorkerView
from celery_gossip.console.found import Found
from celery_gossip.console.worker_detail import DetailRow
from celery_gossip.diagnosis.diagnosis import Finding

__all__ = [
    "Answer",
    "BalanceRow",
    "BeatRow",
    "EntryRow",
    "FailureRow",
    "FindingRow",
    "QueueRow",
    "Report",
    "SourceRow",
    "TaskRow",
    "WorkerRow",
    "age_order",
    "balance_rows",
    "failure_rows",
    "report_of",
    "task_rows",
    "with_queues",
]

ISOLATED = "the listener is isolated, and the view is frozen"
NO_REPORT = "no worker reports"
_TASK_FIELDS = tuple(field.name for field in fields(TaskView))
_NO_THROUGHPUT = Throughput(seconds=0.0)


@dataclass(frozen=True, kw_only=True)
class SourceRow:
    """One app on one broker."""

    source: str = ""
    listened: float = 0.0  #: seconds of listening, which the throughput is measured in
    trouble: str = ""  #: reason why its rows are not current; empty while they are
    no_report: str = NO_REPORT  #: sentence for a source without a live worker


@dataclass(frozen=True, kw_only=True)
class QueueRow:
    """One queue over all its workers. Rates and percentiles are None where no task was measured."""

    name: str
    workers: int
    active: int
    free_slots: int
    reserved: int
    scheduled: int
    backlog: int | None
    paused: str
    per_second: float = 0.0  #: tasks that ended
    failure_rate: float | None = None
    runtime_p95: float | None = None
    wait_p95: float | None = None
    oldest_age_min: float | None = None  #: seconds for which the oldest message has waited at least
    oldest_age_max: float | None = None  #: and at most; None if not known
    exact_age: float | None = None  #: seconds since the next message was sent, as its header says; None unless read
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """One worker, as it last reported."""

    hostname: str
    state: str
    age: float | None  #: seconds since its last report; None where a dashboard does not know it so exactly
    interval: float
    pool: str
    concurrency: int
    active: int
    reserved: int
    scheduled: int
    processed: int
    loop_lag: float
    stalled_for: float
    queues: tuple[str, ...]
    paused: frozenset[str] = frozenset()  #: those of its queues that it does not consume
    omitted: int = 0  #: idle queues that its report leaves out
    is_verified: bool | None = None
    release: str = ""  #: of the project; empty if unknown
    source: str = ""

    @property
    def is_gone(self) -> bool:
        return self.state in GONE


@dataclass(frozen=True, kw_only=True)
class FindingRow:
    """Something that is wrong, and what to do about it."""

    kind: str
    severity: str
    subject: str
    age: float
    text: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """One running task. Empty or None where its worker does not report it."""

    id: str
    name: str
    queue: str
    hostname: str
    age: float | None  #: seconds since it started
    retries: int | None = None
    is_redelivered: bool | None = None
    soft_time_limit: float | None = None
    time_limit: float | None = None
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class BalanceRow:
    """Tasks that were sent to one queue, and what became of them."""

    queue: str
    is_route: bool
    sent: int
    received: int
    ended: int
    waiting: int | None
    reserved: int
    scheduled: int
    active: int
    missing: int | None
    window: float
    reason: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class BeatRow:
    """One beat process, as it last reported."""

    hostname: str
    app: str
    state: str
    age: float | None  #: seconds since its last report; None where a dashboard does not know it so exactly
    scheduler: str  #: `module:Class`
    entries: int
    sends: int
    errors: int
    due_in: float | None  #: seconds until its next entry is due; None if unknown
    sent_age: float | None  #: seconds since it last sent an entry; None if unknown
    stalled_for: float = 0.0
    is_standby: bool = False
    is_verified: bool | None = None
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class EntryRow:
    """One entry of a schedule."""

    name: str
    task: str
    schedule: str
    state: str  #: one of ENTRY_STATES
    hostname: str  #: of its beat process
    due_in: float | None  #: seconds; negative if it is overdue; None if unknown
    sent_age: float | None
    late: float | None  #: seconds by which it was sent late; None if unknown
    sends: int
    errors: int
    error: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class FailureRow:
    """Failures with the same task, exception and code line, of those that are kept."""

    task: str
    exception: str
    line: str  #: empty if the workers report no tracebacks
    message: str | None  #: of the latest failure that has one; None if the workers report none
    count: int
    first_age: float  #: seconds since the first of them
    last_age: float
    queues: tuple[str, ...]
    hostnames: tuple[str, ...]
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that is known at one moment."""

    sources: tuple[SourceRow, ...]
    queues: tuple[QueueRow, ...] = ()
    workers: tuple[WorkerRow, ...] = ()
    findings: tuple[FindingRow, ...] = ()
    beats: tuple[BeatRow, ...] = ()
    entries: tuple[EntryRow, ...] = ()  #: of all schedules, those with problems first
    tasks: tuple[TaskRow, ...] | None = None  #: running tasks, the longest running first; None unless asked for
    balance: tuple[BalanceRow, ...] | None = None  #: None unless asked for
    failures: tuple[FailureRow, ...] | None = None  #: the group that failed last is first; None unless asked for
    found: Found | None = None  #: tasks that were searched by their id; None unless asked for
    details: tuple[DetailRow, ...] | None = None  #: of single workers; None unless asked for
    omitted_tasks: int = 0  #: running tasks that a dashboard has left out

    def live_workers(self, source: str) -> list[WorkerRow]:
        """Return the workers of a source that are neither offline nor lost."""
        return [worker for worker in self.workers if worker.source == source and not worker.is_gone]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A report, and what is printed beside it."""

    report: Report
    objects: dict[str, Any] = field(default_factory=dict)  #: the same as JSON, in the form of where it comes from
    errors: tuple[str, ...] = ()  #: lines for stderr


def report_of(
    view: View,
    findings: Sequence[Finding] = (),
    throughput: Mapping[str, Throughput] | None = None,
    source: SourceRow | None = None,
) -> Report:
    """Return the rows of one listener; `throughput` is by queue."""
    source = source or SourceRow()
    if view.isolated_since is not None and not source.trouble:
        source = replace(source, trouble=ISOLATED)
    return Report(
        sources=(source,),
        queues=tuple(_queue_row(queue, (throughput or {}).get(queue.queue, _NO_THROUGHPUT)) for queue in view.queues),
        workers=tuple(_worker_row(worker) for worker in view.workers),
        findings=tuple(_finding_row(finding, view.taken_at) for finding in findings),
        beats=tuple(_beat_row(beat, view.taken_at) for beat in view.beats),
        entries=tuple(_entry_row(one, view.taken_at) for one in schedule_of(view)),
    )


def task_rows(view: View, texts: Sequence[str] = ()) -> tuple[TaskRow, ...]:
    """Return the running tasks, the longest running first; with `texts` those with one of these ids or names."""
    rows = [
        TaskRow(**{name: getattr(task, name) for name in _TASK_FIELDS})
        for task in view.tasks()
        if not texts or task.id in texts or task.name in texts
    ]
    return tuple(sorted(rows, key=age_order))


def balance_rows(balance: Iterable[QueueBalance]) -> tuple[BalanceRow, ...]:
    """Return the rows of one listener."""
    names = [field.name for field in fields(BalanceRow) if field.name != "source"]
    return tuple(BalanceRow(**{name: getattr(one, name) for name in names}) for one in balance)


def failure_rows(view: FailureView) -> tuple[FailureRow, ...]:
    """Return the groups of failures of one listener."""
    return tuple(
        FailureRow(
            task=group.task,
            exception=group.exception,
            line=group.line,
            message=group.latest.message,
            count=group.count,
            first_age=round(max(0.0, view.taken_at - group.first_at), 1),
            last_age=round(max(0.0, view.taken_at - group.last_at), 1),
            queues=group.queues,
            hostnames=group.hostnames,
        )
        for group in view.groups()
    )


def age_order(row: TaskRow) -> tuple[bool, float, str]:
    """Return the sort key of a running task: the longest running first, then those of unknown age."""
    return row.age is None, -(row.age or 0.0), row.id


def with_queues(view: View, names: Iterable[str], backlogs: Mapping[str, int | None]) -> View:
    """Return the view with these queues added, which it leaves out where no worker serves them and no message waits."""
    known = {queue.queue for queue in view.queues}
    added = [
        QueueView(queue=name, workers=0, active=0, reserved=0, scheduled=0, paused="no", backlog=backlogs.get(name))
        for name in dict.fromkeys(names)
        if name not in known
    ]
    return replace(view, queues=tuple(sorted((*view.queues, *added), key=lambda queue: queue.queue)))


def _queue_row(queue: QueueView, throughput: Throughput) -> QueueRow:
    return QueueRow(
        name=queue.queue,
        workers=queue.workers,
        active=queue.active,
        free_slots=queue.free_slots,
        reserved=queue.reserved,
        scheduled=queue.scheduled,
        backlog=queue.backlog,
        paused=queue.paused,
        per_second=throughput.per_second(throughput.ended),
        failure_rate=throughput.failure_rate,
        runtime_p95=throughput.runtime.p95,
        wait_p95=throughput.wait.p95,
        oldest_age_min=queue.oldest_age_min,
        oldest_age_max=queue.oldest_age_max,
    )


def _worker_row(worker: WorkerView) -> WorkerRow:
    gossip = worker.gossip
    return WorkerRow(
        hostname=gossip.hostname,
        state=worker.state,
        age=worker.age,
        interval=gossip.interval,
        pool=gossip.pool,
        concurrency=gossip.concurrency,
        active=gossip.active,
        reserved=gossip.reserved,
        scheduled=gossip.scheduled,
        processed=gossip.processed,
        loop_lag=gossip.loop_lag,
        stalled_for=gossip.stalled_for,
        queues=tuple(check.queue for check in gossip.checks),
        paused=frozenset(check.queue for check in gossip.checks if check.paused),
        omitted=gossip.omitted,
        is_verified=worker.is_verified,
        release=worker.release,
    )


def _beat_row(beat: BeatView, now: float) -> BeatRow:
    report = beat.report
    sent = [entry.sent_at for entry in beat.entries if entry.sent_at is not None]
    return BeatRow(
        hostname=report.hostname,
        app=report.app,
        state=beat.state,
        age=beat.age,
        scheduler=report.scheduler,
        entries=report.entry_count,
        sends=report.sends,
        errors=report.errors,
        due_in=None if beat.is_gone or beat.is_standby else beat.next_due_in(now),
        sent_age=max(0.0, now - max(sent)) if sent and not beat.is_standby else None,
        stalled_for=report.stalled_for,
        is_standby=beat.is_standby,
        is_verified=beat.is_verified,
    )


def _entry_row(one: ScheduledEntry, now: float) -> EntryRow:
    view, entry = one.entry, one.entry.entry
    return EntryRow(
        name=entry.name,
        task=entry.task,
        schedule=entry.schedule,
        state=one.state,
        hostname=one.beat.hostname,
        due_in=one.due_in,
        sent_age=None if view.sent_at is None else max(0.0, now - view.sent_at),
        late=entry.late,
        sends=entry.sends,
        errors=entry.errors,
        error=entry.error,
    )


def _finding_row(finding: Finding, now: float) -> FindingRow:
    age = max(0.0, now - finding.since)
    return FindingRow(kind=finding.kind, severity=finding.severity, subject=finding.subject, age=age, text=finding.text)
