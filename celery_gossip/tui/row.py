"""Columns of the three tables of `top`: findings, queues and workers. Pure.

Every meaning that has a colour has a symbol or a word too.
"""

from collections.abc import Callable, Sequence

from celery_gossip.cluster.throughput import Distribution, Throughput
from celery_gossip.cluster.view import STATES, QueueView, WorkerView
from celery_gossip.diagnosis.diagnosis import CRITICAL, Finding
from celery_gossip.tui.column import Column
from celery_gossip.tui.column_type import age_column, count_column, name_column
from celery_gossip.tui.snapshot import Sample, Snapshot
from celery_gossip.tui.sparkline import sparkline
from celery_gossip.tui.text import Cell, escape_text, format_age, format_count
from celery_gossip.units import format_age_range, format_duration, format_percent

__all__ = [
    "FINDINGS",
    "MIN_BAR_SCALE",
    "QUEUES",
    "WORKERS",
    "finding_key",
    "queue_names",
    "severity_cell",
    "state_cell",
]

TEXT = "WHAT IS WRONG, AND WHAT TO DO"
_SYMBOLS = {
    "online": ("●", ""),
    "stalled": ("◐", "warn"),
    "draining": ("◌", "info"),
    "suspect": ("?", "warn"),
    "conflict": ("≠", "bad"),
    "offline": ("○", "dim"),
    "lost": ("✗", "bad"),
}
UNVERIFIED = "!"  #: marks a worker whose reports are not signed, if this listener has a secret
MIN_BAR_SCALE = 8  #: smallest number of tasks or messages that fills a bar, so that a few do not look like many
_HIGH_FAILURE_RATE = 0.1  #: of a queue's tasks in the last minute; coloured from here on
_NO_TASKS = Throughput(seconds=0.0)
_HIGH_LAG = 0.5  #: seconds of loop lag; coloured from here on
_STALLED_WIDTH = 16  #: cells of the state with its duration
_MAX_NAMES = 12  #: queues listed in a worker's row


def state_cell(state: str, text: str = "") -> Cell:
    """Return the symbol of the state, and `text` or the name of the state."""
    symbol, style = _SYMBOLS.get(state, ("?", "warn"))
    return Cell(f"{symbol} {text or escape_text(state)}", style)


def severity_cell(finding: Finding) -> Cell:
    if finding.severity == CRITICAL:
        return Cell("✖ critical", "bad")
    return Cell(f"! {escape_text(finding.severity)}", "warn")


def finding_key(finding: Finding) -> str:
    return f"{finding.kind}\n{finding.subject}\n{finding.severity}"


def queue_names(worker: WorkerView, limit: int = _MAX_NAMES) -> str:
    """Return the names of up to `limit` queues of a worker, and the number of the others."""
    checks = worker.gossip.checks
    names = [
        f"{escape_text(check.queue)} (paused)" if check.paused else escape_text(check.queue) for check in checks[:limit]
    ]
    others = len(checks) - len(names) + worker.gossip.omitted
    return ", ".join([*names, f"+{others}"] if others else names)


def _state_urgency(worker: WorkerView) -> tuple[int, float]:
    """Return the sort key by which the worst states come first."""
    position = STATES.index(worker.state) if worker.state in STATES else len(STATES)
    return -position, -worker.gossip.stalled_for


def _worker_state(worker: WorkerView, snapshot: Snapshot, width: int) -> Cell:
    stalled_for = worker.gossip.stalled_for
    if worker.state == "stalled" and stalled_for >= 1 and width >= _STALLED_WIDTH:
        return state_cell("stalled", f"stalled {format_age(stalled_for)}")
    if worker.is_verified is False:
        return state_cell(worker.state, f"{worker.state} {UNVERIFIED}")
    return state_cell(worker.state)


def _state_width(worker: WorkerView) -> int:
    """Return a width that does not depend on the seconds, so that the column does not change at each refresh."""
    return _STALLED_WIDTH if worker.state == "stalled" else 10 if worker.is_verified is not False else 12


def _active_and_slots(worker: WorkerView, snapshot: Snapshot, width: int) -> Cell:
    active = sum(gossip.active for gossip in worker.gossips)
    concurrency = sum(gossip.concurrency for gossip in worker.gossips)
    style = "dim" if worker.is_gone else "strong" if active else ""
    return Cell(f"{format_count(active, 5)}/{format_count(concurrency, 5)}", style)


def _lag(worker: WorkerView, snapshot: Snapshot, width: int) -> Cell:
    lag = worker.gossip.loop_lag
    text = f"{lag * 1000:.0f}ms" if lag < 1 else format_age(lag)
    return Cell(text, "warn" if lag >= _HIGH_LAG else "")


def _queue_workers(queue: QueueView, snapshot: Snapshot, width: int) -> Cell:
    return Cell(format_count(queue.workers, width), "" if queue.workers else "bad")


def _paused(queue: QueueView, snapshot: Snapshot, width: int) -> Cell:
    return Cell(queue.paused, {"no": "dim", "partly": "warn"}.get(queue.paused, "bad"))


def _backlog(queue: QueueView, snapshot: Snapshot, width: int) -> Cell:
    return Cell(
        format_count(queue.backlog, width), "strong" if queue.backlog else "dim" if queue.backlog is None else ""
    )


def _oldest(queue: QueueView, snapshot: Snapshot, width: int) -> Cell:
    text = format_age_range(queue.oldest_age_min, queue.oldest_age_max)
    return Cell(text, "dim" if text in ("-", "unknown") else "")


def _history(queue: QueueView, snapshot: Snapshot) -> Sequence[Sample]:
    return snapshot.history.get(queue.queue, ())


def _active_sparkline(queue: QueueView, snapshot: Snapshot, width: int) -> Cell:
    samples = [sample.active for sample in _history(queue, snapshot)]
    return Cell(sparkline(samples, width - 1, snapshot.sample_count, min(queue.slots, MIN_BAR_SCALE)), "info")


def _backlog_sparkline(queue: QueueView, snapshot: Snapshot, width: int) -> Cell:
    samples = [sample.backlog for sample in _history(queue, snapshot)]
    return Cell(sparkline(samples, width - 1, snapshot.sample_count, MIN_BAR_SCALE), "trace")


def _throughput(queue: QueueView, snapshot: Snapshot) -> Throughput:
    return snapshot.throughput.get(queue.queue, _NO_TASKS)


def _done_per_second(queue: QueueView, snapshot: Snapshot) -> float:
    throughput = _throughput(queue, snapshot)
    return throughput.per_second(throughput.ended)


def _done_cell(queue: QueueView, snapshot: Snapshot, width: int) -> Cell:
    rate = _done_per_second(queue, snapshot)
    return Cell(f"{rate:.1f}" if rate < 1000 else format_count(int(rate), width), "" if rate else "dim")


def _failed_cell(queue: QueueView, snapshot: Snapshot, width: int) -> Cell:
    rate = _throughput(queue, snapshot).failure_rate
    return Cell(format_percent(rate), "dim" if not rate else "bad" if rate >= _HIGH_FAILURE_RATE else "")


def _p95(title: str, hide_order: int, of: Callable[[Throughput], Distribution]) -> Column[QueueView]:
    """Return a column of the 95th percentile of a duration."""

    def p95(row: QueueView, snapshot: Snapshot) -> float | None:
        return of(_throughput(row, snapshot)).p95

    def render_cell(row: QueueView, snapshot: Snapshot, width: int) -> Cell:
        seconds = p95(row, snapshot)
        return Cell(format_duration(seconds), "dim" if seconds is None else "")

    return Column(
        title, render_cell, lambda row, snapshot: p95(row, snapshot) or 0.0, len(title) + 1, hide_order, is_number=True
    )


FINDINGS: Sequence[Column[Finding]] = (
    Column("FINDINGS", lambda row, *_: severity_cell(row), lambda row, _: row.severity, 13, 0),
    age_column("SINCE", lambda row: row.since, 7, 3),
    name_column("SUBJECT", lambda row: row.subject, 12, 2, max_width=28),
    Column(TEXT, lambda row, *_: Cell(escape_text(row.text)), lambda row, _: row.text, 30, 1, max_width=999),
)

QUEUES: Sequence[Column[QueueView]] = (
    name_column("QUEUES", lambda row: row.queue, 12, 0, max_width=40),
    Column("WORKERS", _queue_workers, lambda row, _: row.workers, 8, 5, is_number=True),
    Column("PAUSED", _paused, lambda row, _: ("no", "partly", "yes").index(row.paused), 7, 8),
    count_column("ACTIVE", lambda row: row.active, 1),
    count_column("FREE", lambda row: row.free_slots, 4),
    count_column("RESERVED", lambda row: row.reserved, 9),
    count_column("SCHEDULED", lambda row: row.scheduled, 13),
    Column("BACKLOG", _backlog, lambda row, _: -1 if row.backlog is None else row.backlog, 8, 2, is_number=True),
    Column("OLDEST", _oldest, lambda row, _: row.oldest_age_min or 0.0, 9, 14, is_number=True),
    Column("DONE/s", _done_cell, _done_per_second, 7, 3, is_number=True),
    Column(
        "FAILED",
        _failed_cell,
        lambda row, snapshot: _throughput(row, snapshot).failure_rate or 0.0,
        7,
        7,
        is_number=True,
    ),
    _p95("RUN p95", 10, lambda throughput: throughput.runtime),
    _p95("WAIT p95", 6, lambda throughput: throughput.wait),
    Column("ACTIVE 2m", _active_sparkline, lambda row, _: row.active, 10, 12, max_width=31, is_number=True),
    Column("BACKLOG 2m", _backlog_sparkline, lambda row, _: row.backlog or 0, 11, 11, max_width=31, is_number=True),
)

WORKERS: Sequence[Column[WorkerView]] = (
    name_column("WORKERS", lambda row: row.gossip.hostname, 14, 0, max_width=40),
    Column(
        "STATE",
        _worker_state,
        lambda row, _: _state_urgency(row),
        11,
        1,
        max_width=_STALLED_WIDTH,
        content_width=_state_width,
    ),
    age_column("AGE", lambda row: row.heard_at, 6, 3),
    Column("POOL", lambda row, *_: Cell(escape_text(row.gossip.pool)), lambda row, _: row.gossip.pool, 8, 8),
    Column("ACTIVE", _active_and_slots, lambda row, _: row.gossip.active, 8, 2, is_number=True),
    count_column("RESERVED", lambda row: row.gossip.reserved, 5),
    count_column("SCHEDULED", lambda row: row.gossip.scheduled, 9),
    count_column("PROCESSED", lambda row: row.gossip.processed, 6),
    Column("LAG", _lag, lambda row, _: row.gossip.loop_lag, 6, 7, is_number=True),
    Column("QUEUES", lambda row, *_: Cell(queue_names(row)), lambda row, _: queue_names(row), 14, 4, max_width=999),
)
