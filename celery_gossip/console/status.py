"""The text of `celery gossip status`: tables of queues, workers and the schedule, and a line per finding. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import View
from celery_gossip.console.found import found_text
from celery_gossip.console.line import problem_line, state_text
from celery_gossip.console.report import (
    BalanceRow,
    BeatRow,
    EntryRow,
    FailureRow,
    QueueRow,
    Report,
    TaskRow,
    WorkerRow,
    report_of,
)
from celery_gossip.console.table import table
from celery_gossip.console.worker_detail import details_text
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.printable import printable
from celery_gossip.units import format_age_range, format_duration, format_percent, format_wait, join_names

__all__ = ["releases_text", "report_text", "status_text", "verdict"]

_QUEUE_COLUMNS = ("QUEUE", "WORKERS", "ACTIVE", "FREE SLOTS", "RESERVED", "SCHEDULED", "BACKLOG", "OLDEST", "PAUSED")
_RATE_COLUMNS = ("DONE/S", "FAILED", "RUN P95", "WAIT P95")
_WORKER_COLUMNS = ("WORKER", "STATE", "AGE", "POOL", "ACTIVE", "RESERVED", "SCHEDULED", "PROCESSED", "LOOP LAG")

_TASK_COLUMNS = ("TASK ID", "NAME", "QUEUE", "WORKER", "RUNS FOR", "RETRIES", "REDELIVERED", "LIMITS")
_MAX_RELEASES = 8  #: in the line of the releases
_MAX_TASKS = 500  #: rows of running tasks
_BEAT_COLUMNS = ("BEAT", "STATE", "AGE", "APP", "SCHEDULER", "ENTRIES", "NEXT DUE", "LAST SENT", "SENT", "ERRORS")
_ENTRY_COLUMNS = ("ENTRY", "STATE", "DUE", "LAST SENT", "LATE", "SENT", "ERRORS", "TASK", "SCHEDULE", "BEAT")
_MAX_ENTRIES = 20  #: rows of entries
_BALANCE_COLUMNS = ("QUEUE", "SENT", "WAITING", "RESERVED", "SCHEDULED", "ACTIVE", "RECEIVED", "ENDED", "MISSING")
_FAILURE_COLUMNS = ("TASK", "EXCEPTION", "FAILURES", "FIRST", "LAST", "WORKERS", "CODE LINE", "MESSAGE")
_MAX_FAILURES = 100  #: rows of failures
NO_FAILURES = "No failure was reported while this command, or the dashboard that it asked, listened."
NOTHING_SENT = "No process has reported what it sends: see the setting gossip_count_sent."
NO_TASKS = "No such task is running, as far as the workers list their tasks."


def status_text(view: View, findings: Sequence[Finding], throughput: Mapping[str, Throughput] | None = None) -> str:
    """Return both tables and the findings of one listener; `throughput` is by queue."""
    return report_text(report_of(view, findings, throughput))


def report_text(report: Report) -> str:
    """Return both tables, with a column BROKER where there are several, and a line per finding."""
    is_labelled = len(report.sources) > 1
    broker = ("BROKER",) if is_labelled else ()
    queues = [(*_label(row.source, is_labelled), *_queue_cells(row)) for row in report.queues]
    workers = [(*_label(row.source, is_labelled), *_worker_cells(row)) for row in report.workers]
    findings = [
        f"{''.join(f'[{label}] ' for label in _label(row.source, is_labelled))}"
        f"{problem_line(row.severity, row.age, row.text)}"
        for row in report.findings
    ]
    parts = [
        table((*broker, *_QUEUE_COLUMNS, *_RATE_COLUMNS), queues),
        table((*broker, *_WORKER_COLUMNS, "QUEUES"), workers),
        *filter(None, [releases_text(report.workers)]),
        *_schedule_texts(report, broker, is_labelled=is_labelled),
    ]
    if report.tasks is not None:
        tasks = [(*_label(row.source, is_labelled), *_task_cells(row)) for row in report.tasks[:_MAX_TASKS]]
        omitted = report.omitted_tasks + len(report.tasks) - len(tasks)
        more = f"\nand {omitted} more" if omitted else ""
        parts.append(table((*broker, *_TASK_COLUMNS), tasks) + more if tasks else NO_TASKS)
    if report.found is not None:
        parts.append(found_text(report.found, is_labelled=is_labelled))
    if report.balance is not None:
        parts.append(_balance_text(report.balance, is_labelled=is_labelled))
    if report.failures is not None:
        parts.append(_failures_text(report.failures, is_labelled=is_labelled))
    if report.details:
        parts.append(details_text(report.details, is_labelled=is_labelled))
    return "\n\n".join([*parts, "\n".join(findings) or verdict(report)])


def releases_text(workers: Iterable[WorkerRow]) -> str:
    """Return the releases and their numbers of workers that are not gone, most workers first; empty if none is known.

    As in `Releases: v42 (12 workers), v41 (3), unknown (1)`.
    """
    counts = Counter(worker.release for worker in workers if not worker.is_gone)
    unknown = counts.pop("", 0)
    if not counts:
        return ""
    (first, most), *others = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    names = [f"{printable(first)} ({most} worker{'' if most == 1 else 's'})"]
    names += [f"{printable(name)} ({count})" for name, count in others]
    return f"Releases: {join_names(names, _MAX_RELEASES)}{f', unknown ({unknown})' if unknown else ''}"


def _balance_text(rows: Sequence[BalanceRow], *, is_labelled: bool) -> str:
    broker = ("BROKER",) if is_labelled else ()
    cells = [(*_label(row.source, is_labelled), *_balance_cells(row)) for row in rows]
    return table((*broker, *_BALANCE_COLUMNS), cells) if cells else NOTHING_SENT


def _schedule_texts(report: Report, broker: tuple[str, ...], *, is_labelled: bool) -> Iterator[str]:
    """Yield a table of beat processes, and one of the entries that have a problem or are due next."""
    if report.beats:
        beats = [(*_label(row.source, is_labelled), *_beat_cells(row)) for row in report.beats]
        yield table((*broker, *_BEAT_COLUMNS), beats)
    if report.entries:
        entries = [(*_label(row.source, is_labelled), *_entry_cells(row)) for row in report.entries[:_MAX_ENTRIES]]
        omitted = len(report.entries) - len(entries)
        yield table((*broker, *_ENTRY_COLUMNS), entries) + (f"\nand {omitted} more" if omitted else "")


def _failures_text(rows: Sequence[FailureRow], *, is_labelled: bool) -> str:
    broker = ("BROKER",) if is_labelled else ()
    cells = [(*_label(row.source, is_labelled), *_failure_cells(row)) for row in rows[:_MAX_FAILURES]]
    more = f"\nand {len(rows) - len(cells)} more" if len(rows) > len(cells) else ""
    return table((*broker, *_FAILURE_COLUMNS), cells) + more if cells else NO_FAILURES


def verdict(report: Report) -> str:
    """Return the sentence for a report without findings, which is good news only where something is known."""
    for source in report.sources:
        reason = source.trouble or _why_unknown(report, source.source)
        if reason:
            label = f"{printable(source.source)}: " if len(report.sources) > 1 else ""
            return f"Problems cannot be detected: {label}{reason}."
    return "No problems detected."


def _why_unknown(report: Report, source: str) -> str:
    if report.live_workers(source):
        return ""
    has_workers = any(worker.source == source for worker in report.workers)
    return "no worker reports any more" if has_workers else "no worker has reported"


def _label(source: str, is_labelled: bool) -> tuple[str, ...]:
    return (printable(source),) if is_labelled else ()


def _queue_cells(row: QueueRow) -> tuple[object, ...]:
    return (
        printable(row.name),
        row.workers,
        row.active,
        row.free_slots,
        row.reserved,
        row.scheduled,
        "unknown" if row.backlog is None else row.backlog,
        _oldest(row),
        row.paused,
        f"{row.per_second:.1f}",
        format_percent(row.failure_rate),
        format_duration(row.runtime_p95),
        format_duration(row.wait_p95),
    )


def _oldest(row: QueueRow) -> str:
    if row.exact_age is not None:
        return format_duration(row.exact_age) if row.backlog else "-"
    return format_age_range(row.oldest_age_min, row.oldest_age_max)


def _worker_cells(row: WorkerRow) -> tuple[object, ...]:
    return (
        printable(row.hostname),
        state_text(row.state, row.stalled_for, row.is_verified),
        "-" if row.age is None else f"{row.age:.1f}s",
        printable(row.pool),
        f"{row.active}/{row.concurrency}",
        row.reserved,
        row.scheduled,
        row.processed,
        f"{row.loop_lag * 1000:.0f}ms",
        _queue_names(row),
    )


def _beat_cells(row: BeatRow) -> tuple[object, ...]:
    state = state_text(row.state, row.stalled_for, row.is_verified)
    return (
        printable(row.hostname),
        f"{state} (standby)" if row.is_standby else state,
        "-" if row.age is None else f"{row.age:.1f}s",
        printable(row.app) or "-",
        printable(row.scheduler.rpartition(":")[2]) or "-",
        row.entries,
        _due_text(row.due_in),
        _ago(row.sent_age),
        row.sends,
        row.errors,
    )


def _entry_cells(row: EntryRow) -> tuple[object, ...]:
    return (
        printable(row.name),
        f"failing: {printable(row.error)}" if row.state == "failing" and row.error else row.state,
        _due_text(row.due_in),
        _ago(row.sent_age),
        format_duration(row.late),
        row.sends,
        row.errors,
        printable(row.task),
        printable(row.schedule) or "-",
        printable(row.hostname),
    )


def _due_text(due_in: float | None) -> str:
    if due_in is None:
        return "-"
    return f"in {format_wait(due_in)}" if due_in >= 0 else f"{format_wait(-due_in)} ago"


def _ago(age: float | None) -> str:
    return "-" if age is None else f"{format_wait(age)} ago"


def _balance_cells(row: BalanceRow) -> tuple[object, ...]:
    missing = f"unknown: {row.reason}" if row.missing is None else f"{row.missing} in {format_duration(row.window)}"
    return (
        f"{printable(row.queue) or '-'}{' (no queue)' if row.is_route else ''}",
        row.sent,
        "unknown" if row.waiting is None else row.waiting,
        row.reserved,
        row.scheduled,
        row.active,
        row.received,
        row.ended,
        printable(missing),
    )


def _failure_cells(row: FailureRow) -> tuple[object, ...]:
    return (
        printable(row.task) or "-",
        printable(row.exception),
        row.count,
        f"{format_duration(row.first_age)} ago",
        f"{format_duration(row.last_age)} ago",
        len(row.hostnames),
        printable(row.line) or "-",
        "-" if row.message is None else printable(row.message),
    )


def _task_cells(row: TaskRow) -> tuple[object, ...]:
    return (
        printable(row.id),
        printable(row.name) or "-",
        printable(row.queue),
        printable(row.hostname),
        "-" if row.age is None else f"{row.age:.1f}s",
        "-" if row.retries is None else row.retries,
        "-" if row.is_redelivered is None else "yes" if row.is_redelivered else "no",
        _limits_text(row),
    )


def _limits_text(row: TaskRow) -> str:
    """Return the soft and the hard time limit, as in `60s/90s`; a dash for one that is not set."""
    if row.soft_time_limit is None and row.time_limit is None:
        return "-"
    limits = (row.soft_time_limit, row.time_limit)
    return "/".join("-" if limit is None else f"{limit:g}s" for limit in limits)


def _queue_names(row: WorkerRow) -> str:
    names = [f"{printable(name)} (paused)" if name in row.paused else printable(name) for name in row.queues]
    if row.omitted:
        names.append(f"and {row.omitted} idle ones")
    return ", ".join(names)
