"""The status report of a dashboard, from the JSON of its API. Pure; called by the command.

The types are those columns of `celery_gossip.web.schema` that a report needs. That package needs the extra `web`, which
a host that only asks a dashboard need not have.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from celery_gossip.console.found import found_from
from celery_gossip.console.report import (
    BalanceRow,
    BeatRow,
    EntryRow,
    FailureRow,
    FindingRow,
    QueueRow,
    Report,
    SourceRow,
    TaskRow,
    WorkerRow,
    age_order,
)
from celery_gossip.console.worker_detail import DETAIL, detail_paths, details_from
from celery_gossip.wire.messages import DECODE_ERRORS

__all__ = ["BALANCE", "BEATS", "FAILURES", "PATHS", "report_from", "running_paths", "worker_paths"]

PATHS = ("api/overview", "api/queues", "api/workers")  #: of the answers that a report is made from

BEATS = "api/beats"  #: path of the schedules, which older dashboards do not have
BALANCE = "api/balance"  #: path of what was sent to each queue
FAILURES = "api/failures"  #: path of the groups of failures
_RUNNING = "api/running"

_Answer = TypeVar("_Answer")


class Timing(msgspec.Struct, frozen=True):
    p95: float | None


class Source(msgspec.Struct, frozen=True):
    source: str
    label: str
    broker: str
    listening_since: float | None
    is_connected: bool
    isolated_since: float | None
    error: str


class Finding(msgspec.Struct, frozen=True):
    source: str
    kind: str
    severity: str
    subject: str
    since: float
    text: str


class Queue(msgspec.Struct, frozen=True):
    source: str
    name: str
    paused: str
    workers: int
    active: int
    reserved: int
    scheduled: int
    free_slots: int
    backlog: int | None
    per_second: float
    failure_rate: float | None
    runtime: Timing
    wait: Timing
    oldest_age_min: float | None = None  #: absent from older dashboards
    oldest_age_max: float | None = None


class Worker(msgspec.Struct, frozen=True):
    source: str
    hostname: str
    state: str
    silent_since: float | None
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
    paused: tuple[str, ...]
    is_verified: bool | None
    release: str = ""  # a dashboard of an older version has no such field


class RunningTask(msgspec.Struct, frozen=True):
    source: str
    id: str
    name: str
    hostname: str
    queue: str
    since: float
    is_older: bool
    retries: int | None
    is_redelivered: bool | None
    soft_time_limit: float | None
    time_limit: float | None


class Balance(msgspec.Struct, frozen=True):
    source: str
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


class Beat(msgspec.Struct, frozen=True):
    source: str
    hostname: str
    app: str
    state: str
    silent_since: float | None
    scheduler: str
    is_standby: bool
    entries: int
    due_at: float | None
    sent_at: float | None
    sends: int
    errors: int
    stalled_for: float
    is_verified: bool | None


class Entry(msgspec.Struct, frozen=True):
    source: str
    hostname: str
    name: str
    task: str
    schedule: str
    state: str
    due_at: float | None
    sent_at: float | None
    late: float | None
    sends: int
    errors: int
    error: str


class FailureGroup(msgspec.Struct, frozen=True):
    source: str
    task: str
    exception: str
    line: str
    message: str | None
    count: int
    first_at: float
    last_at: float
    queues: tuple[str, ...]
    hostnames: tuple[str, ...]


class _Overview(msgspec.Struct, frozen=True):
    now: float
    sources: tuple[Source, ...]
    findings: tuple[Finding, ...]


class _Queues(msgspec.Struct, frozen=True):
    queues: tuple[Queue, ...]


class _Workers(msgspec.Struct, frozen=True):
    now: float
    workers: tuple[Worker, ...]


class _RunningTasks(msgspec.Struct, frozen=True):
    now: float
    total: int
    runs: tuple[RunningTask, ...]


class _Beats(msgspec.Struct, frozen=True):
    now: float
    beats: tuple[Beat, ...]
    schedule: tuple[Entry, ...]


class _Balance(msgspec.Struct, frozen=True):
    balance: tuple[Balance, ...]


class _Failures(msgspec.Struct, frozen=True):
    now: float
    failures: tuple[FailureGroup, ...]


def running_paths(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the paths of running tasks: of those with one of these ids or names, or of all."""
    return tuple(f"{_RUNNING}?{urlencode({'task': text})}" for text in texts) or (_RUNNING,)


def worker_paths(overview: bytes, hostnames: Sequence[str]) -> tuple[str, ...]:
    """Return the paths of these workers on all sources of this overview. Raises ValueError if it is not one."""
    found = _decoded({"api/overview": overview}, "api/overview", _Overview)
    return detail_paths([one.source for one in found.sources], hostnames)


def report_from(answers: Mapping[str, bytes], least_listened: float) -> tuple[Report, dict[str, Any]]:
    """Return the report, and the same rows as the API gave them; `answers` are the bodies by path.

    Nothing is known of a source that the dashboard has listened to for less than `least_listened` seconds. Raises
    ValueError where an answer is not that of a dashboard.
    """
    overview = _decoded(answers, "api/overview", _Overview)
    queues = _decoded(answers, "api/queues", _Queues)
    workers = _decoded(answers, "api/workers", _Workers)
    labels = {one.source: one.label for one in overview.sources} if len(overview.sources) > 1 else {}
    label = _labeller(labels)
    report = Report(
        sources=tuple(_source_row(one, overview.now, label, least_listened) for one in overview.sources),
        queues=tuple(_queue_row(one, label) for one in queues.queues),
        workers=tuple(_worker_row(one, workers.now, label) for one in workers.workers),
        findings=tuple(_finding_row(one, overview.now, label) for one in overview.findings),
    )
    running = [_decoded(answers, path, _RunningTasks) for path in answers if path.startswith(_RUNNING)]
    if running:
        tasks = [_task_row(row, one.now, label) for one in running for row in one.runs]
        omitted = sum(one.total - len(one.runs) for one in running)
        report = replace(report, tasks=tuple(sorted(tasks, key=age_order)), omitted_tasks=omitted)
    found = found_from(answers, labels)
    if found is not None:
        report = replace(report, found=found)
    if BALANCE in answers:
        rows = _decoded(answers, BALANCE, _Balance).balance
        balance = (BalanceRow(**{**msgspec.structs.asdict(row), "source": label(row.source)}) for row in rows)
        report = replace(report, balance=tuple(balance))
    if BEATS in answers:
        known = _decoded(answers, BEATS, _Beats)
        report = replace(
            report,
            beats=tuple(_beat_row(one, known.now, label) for one in known.beats),
            entries=tuple(_entry_row(one, known.now, label) for one in known.schedule),
        )
    if FAILURES in answers:
        groups = _decoded(answers, FAILURES, _Failures)
        failures = sorted(
            (_failure_row(row, groups.now, label) for row in groups.failures), key=lambda row: row.last_age
        )
        report = replace(report, failures=tuple(failures))
    if any(path.startswith(DETAIL) for path in answers):
        report = replace(report, details=details_from(answers, label))
    raw = {path: msgspec.json.decode(answers[path]) for path in PATHS}
    return report, {
        "sources": raw["api/overview"]["sources"],
        "workers": raw["api/workers"]["workers"],
        "queues": raw["api/queues"]["queues"],
        "findings": raw["api/overview"]["findings"],
        **_beat_objects(answers),
    }


def _beat_objects(answers: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the rows of the schedules as the API gave them."""
    raw = msgspec.json.decode(answers[BEATS]) if BEATS in answers else {}
    return {"beats": raw.get("beats", []), "schedule": raw.get("schedule", [])}


def _decoded(answers: Mapping[str, bytes], path: str, kind: type[_Answer]) -> _Answer:
    try:
        return msgspec.json.decode(answers[path], type=kind)
    except DECODE_ERRORS as exc:
        raise ValueError(f"{path} is not the JSON of a dashboard: {exc}") from exc


def _labeller(labels: Mapping[str, str]) -> Callable[[str], str]:
    """Return a function from a source to its label; empty where there is one source."""
    return lambda source: labels.get(source, source) if labels else ""


def _source_row(one: Source, now: float, label: Callable[[str], str], least_listened: float) -> SourceRow:
    listened = 0.0 if one.listening_since is None else max(0.0, now - one.listening_since)
    return SourceRow(
        source=label(one.source),
        listened=listened,
        trouble=_trouble(one, listened, least_listened),
        no_report=f"no worker reports to the dashboard on {one.broker}",
    )


def _trouble(one: Source, listened: float, least_listened: float) -> str:
    if one.error:
        return f"the dashboard cannot reach the broker {one.broker}: {one.error}"
    if one.isolated_since is not None:
        return f"the dashboard's listener on {one.broker} is isolated, and its view is frozen"
    if not one.is_connected or one.listening_since is None:
        return f"the dashboard is not connected to the broker {one.broker}"
    if listened < least_listened:
        return f"the dashboard has listened on {one.broker} for {listened:.1f} s only"
    return ""


def _queue_row(one: Queue, label: Callable[[str], str]) -> QueueRow:
    return QueueRow(
        name=one.name,
        workers=one.workers,
        active=one.active,
        free_slots=one.free_slots,
        reserved=one.reserved,
        scheduled=one.scheduled,
        backlog=one.backlog,
        paused=one.paused,
        per_second=one.per_second,
        failure_rate=one.failure_rate,
        runtime_p95=one.runtime.p95,
        wait_p95=one.wait.p95,
        oldest_age_min=one.oldest_age_min,
        oldest_age_max=one.oldest_age_max,
        source=label(one.source),
    )


def _age(at: float | None, now: float) -> float | None:
    return None if at is None else max(0.0, now - at)


def _worker_row(one: Worker, now: float, label: Callable[[str], str]) -> WorkerRow:
    return WorkerRow(
        hostname=one.hostname,
        state=one.state,
        age=_age(one.silent_since, now),
        interval=one.interval,
        pool=one.pool,
        concurrency=one.concurrency,
        active=one.active,
        reserved=one.reserved,
        scheduled=one.scheduled,
        processed=one.processed,
        loop_lag=one.loop_lag,
        stalled_for=one.stalled_for,
        queues=one.queues,
        paused=frozenset(one.paused),
        is_verified=one.is_verified,
        release=one.release,
        source=label(one.source),
    )


def _beat_row(one: Beat, now: float, label: Callable[[str], str]) -> BeatRow:
    return BeatRow(
        hostname=one.hostname,
        app=one.app,
        state=one.state,
        age=_age(one.silent_since, now),
        scheduler=one.scheduler,
        entries=one.entries,
        sends=one.sends,
        errors=one.errors,
        due_in=None if one.due_at is None else one.due_at - now,
        sent_age=_age(one.sent_at, now),
        stalled_for=one.stalled_for,
        is_standby=one.is_standby,
        is_verified=one.is_verified,
        source=label(one.source),
    )


def _entry_row(one: Entry, now: float, label: Callable[[str], str]) -> EntryRow:
    return EntryRow(
        name=one.name,
        task=one.task,
        schedule=one.schedule,
        state=one.state,
        hostname=one.hostname,
        due_in=None if one.due_at is None else one.due_at - now,
        sent_age=_age(one.sent_at, now),
        late=one.late,
        sends=one.sends,
        errors=one.errors,
        error=one.error,
        source=label(one.source),
    )


def _task_row(one: RunningTask, now: float, label: Callable[[str], str]) -> TaskRow:
    return TaskRow(
        id=one.id,
        name=one.name,
        queue=one.queue,
        hostname=one.hostname,
        age=None if one.is_older else max(0.0, round(now - one.since, 1)),
        retries=one.retries,
        is_redelivered=one.is_redelivered,
        soft_time_limit=one.soft_time_limit,
        time_limit=one.time_limit,
        source=label(one.source),
    )


def _failure_row(one: FailureGroup, now: float, label: Callable[[str], str]) -> FailureRow:
    return FailureRow(
        task=one.task,
        exception=one.exception,
        line=one.line,
        message=one.message,
        count=one.count,
        first_age=max(0.0, round(now - one.first_at, 1)),
        last_age=max(0.0, round(now - one.last_at, 1)),
        queues=one.queues,
        hostnames=one.hostnames,
        source=label(one.source),
    )


def _finding_row(one: Finding, now: float, label: Callable[[str], str]) -> FindingRow:
    return FindingRow(
        kind=one.kind,
        severity=one.severity,
        subject=one.subject,
        age=max(0.0, now - one.since),
        text=one.text,
        source=label(one.source),
    )
