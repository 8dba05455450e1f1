"""The three tables of `top`: the columns of findings, queues and workers. Pure.

What a colour says is also said by a symbol or a word.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from celery_gossip.diagnosis import CRITICAL, Finding
from celery_gossip.report import duration, percent
from celery_gossip.throughput import Distribution, Throughput
from celery_gossip.tui.column import Column
from celery_gossip.tui.frame import Frame, Sample
from celery_gossip.tui.spark import sparkline
from celery_gossip.tui.text import Cell, age, count, shown, width_of
from celery_gossip.view import STATES, QueueView, WorkerView

__all__ = ["FINDINGS", "LEAST_FULL", "QUEUES", "WORKERS", "queue_names", "severity_cell", "state_cell"]

R = TypeVar("R")

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
UNVERIFIED = "!"  #: beside the state of a worker whose gossip is not signed, though it could be told
LEAST_FULL = 8  #: tasks or messages that fill a bar, at least: a few are not told as if they were many
_FAILURES_TO_MENTION = 0.1  #: of a queue's tasks, in the last minute
_NOTHING = Throughput(seconds=0.0)
_LAG_TO_MENTION = 0.5  #: seconds of loop lag that are worth a colour
_STALLED_WIDTH = 16  #: cells of a state that says for how long
_MOST_NAMES = 12  #: queues named in a worker's row


def state_cell(state: str, text: str = "") -> Cell:
    """The state's symbol and word, or another text for the word."""
    symbol, style = _SYMBOLS.get(state, ("?", "warn"))
    return Cell(f"{symbol} {text or shown(state)}", style)


def severity_cell(finding: Finding) -> Cell:
    return Cell("✖ critical", "bad") if finding.severity == CRITICAL else Cell(f"! {shown(finding.severity)}", "warn")


def queue_names(worker: WorkerView, most: int = _MOST_NAMES) -> str:
    """The queues of a worker, as many as `most`."""
    checks = worker.gossip.checks
    names = [f"{shown(check.queue)} (paused)" if check.paused else shown(check.queue) for check in checks[:most]]
    left = len(checks) - len(names) + worker.gossip.omitted
    return ", ".join([*names, f"+{left}"] if left else names)


def _trouble(worker: WorkerView) -> tuple[int, float]:
    """The least welcome state first."""
    known = STATES.index(worker.state) if worker.state in STATES else len(STATES)
    return -known, -worker.gossip.stalled_for


def _worker_state(worker: WorkerView, frame: Frame, width: int) -> Cell:
    stalled_for = worker.gossip.stalled_for
    if worker.state == "stalled" and stalled_for >= 1 and width >= _STALLED_WIDTH:
        return state_cell("stalled", f"stalled {age(stalled_for)}")
    if worker.is_verified is False:
        return state_cell(worker.state, f"{worker.state} {UNVERIFIED}")
    return state_cell(worker.state)


def _state_width(worker: WorkerView) -> int:
    """The same whatever the seconds are: a column that changes with them would be restless."""
    return _STALLED_WIDTH if worker.state == "stalled" else 10 if worker.is_verified is not False else 12


def _slots(worker: WorkerView, frame: Frame, width: int) -> Cell:
    active = sum(gossip.active for gossip in worker.gossips)
    concurrency = sum(gossip.concurrency for gossip in worker.gossips)
    style = "dim" if worker.is_gone else "strong" if active else ""
    return Cell(f"{count(active, 5)}/{count(concurrency, 5)}", style)


def _lag(worker: WorkerView, frame: Frame, width: int) -> Cell:
    lag = worker.gossip.loop_lag
    text = f"{lag * 1000:.0f}ms" if lag < 1 else age(lag)
    return Cell(text, "warn" if lag >= _LAG_TO_MENTION else "")


def _queue_workers(queue: QueueView, frame: Frame, width: int) -> Cell:
    return Cell(count(queue.workers, width), "" if queue.workers else "bad")


def _paused(queue: QueueView, frame: Frame, width: int) -> Cell:
    return Cell(queue.paused, {"no": "dim", "partly": "warn"}.get(queue.paused, "bad"))


def _backlog(queue: QueueView, frame: Frame, width: int) -> Cell:
    return Cell(count(queue.backlog, width), "strong" if queue.backlog else "dim" if queue.backlog is None else "")


def _past(queue: QueueView, frame: Frame) -> Sequence[Sample]:
    return frame.past.get(queue.queue, ())


def _active_bars(queue: QueueView, frame: Frame, width: int) -> Cell:
    samples = [sample.active for sample in _past(queue, frame)]
    return Cell(sparkline(samples, width - 1, frame.taken, min(queue.slots, LEAST_FULL)), "info")


def _backlog_bars(queue: QueueView, frame: Frame, width: int) -> Cell:
    samples = [sample.backlog for sample in _past(queue, frame)]
    return Cell(sparkline(samples, width - 1, frame.taken, LEAST_FULL), "trace")


def _pace(queue: QueueView, frame: Frame) -> Throughput:
    return frame.throughput.get(queue.queue, _NOTHING)


def _done(queue: QueueView, frame: Frame) -> float:
    pace = _pace(queue, frame)
    return pace.per_second(pace.ended)


def _done_cell(queue: QueueView, frame: Frame, width: int) -> Cell:
    done = _done(queue, frame)
    return Cell(f"{done:.1f}" if done < 1000 else count(int(done), width), "" if done else "dim")


def _failed_cell(queue: QueueView, frame: Frame, width: int) -> Cell:
    rate = _pace(queue, frame).failure_rate
    return Cell(percent(rate), "dim" if not rate else "bad" if rate >= _FAILURES_TO_MENTION else "")


def _time(title: str, rank: int, of: Callable[[Throughput], Distribution]) -> Column[QueueView]:
    """The 95th percentile of a time that the tasks of a queue took."""

    def p95(row: QueueView, frame: Frame) -> float | None:
        return of(_pace(row, frame)).p95

    def tell(row: QueueView, frame: Frame, width: int) -> Cell:
        seconds = p95(row, frame)
        return Cell(duration(seconds), "dim" if seconds is None else "")

    return Column(title, tell, lambda row, frame: p95(row, frame) or 0.0, len(title) + 1, rank, is_number=True)


def _name(title: str, name: Callable[[R], str], width: int, rank: int, most: int) -> Column[R]:
    """A name, in as many cells as the longest one needs."""

    def needed(row: R) -> int:
        return width_of(shown(name(row)))

    def tell(row: R, frame: Frame, width: int) -> Cell:
        return Cell(shown(name(row)), "strong")

    return Column(title, tell, lambda row, _: name(row), width, rank, most=most, measure=needed)


def _figure(title: str, value: Callable[[R], int], rank: int) -> Column[R]:
    """A number of things; none of them is dim."""

    def tell(row: R, frame: Frame, width: int) -> Cell:
        number = value(row)
        return Cell(count(number, width), "" if number else "dim")

    return Column(title, tell, lambda row, _: value(row), len(title) + 1, rank, is_number=True)


def _span(title: str, since: Callable[[R], float], width: int, rank: int) -> Column[R]:
    """Seconds since then."""

    def passed(row: R, frame: Frame) -> float:
        return frame.now - since(row)

    return Column(title, lambda row, frame, _: Cell(age(passed(row, frame))), passed, width, rank, is_number=True)


FINDINGS: Sequence[Column[Finding]] = (
    Column("FINDINGS", lambda row, *_: severity_cell(row), lambda row, _: row.severity, 13, 0),
    _span("SINCE", lambda row: row.since, 7, 3),
    _name("SUBJECT", lambda row: row.subject, 12, 2, most=28),
    Column(TEXT, lambda row, *_: Cell(shown(row.text)), lambda row, _: row.text, 30, 1, most=999),
)

QUEUES: Sequence[Column[QueueView]] = (
    _name("QUEUES", lambda row: row.queue, 12, 0, most=40),
    Column("WORKERS", _queue_workers, lambda row, _: row.workers, 8, 5, is_number=True),
    Column("PAUSED", _paused, lambda row, _: ("no", "partly", "yes").index(row.paused), 7, 8),
    _figure("ACTIVE", lambda row: row.active, 1),
    _figure("FREE", lambda row: row.free_slots, 4),
    _figure("RESERVED", lambda row: row.reserved, 9),
    _figure("SCHEDULED", lambda row: row.scheduled, 13),
    Column("BACKLOG", _backlog, lambda row, _: -1 if row.backlog is None else row.backlog, 8, 2, is_number=True),
    Column("DONE/s", _done_cell, _done, 7, 3, is_number=True),
    Column("FAILED", _failed_cell, lambda row, frame: _pace(row, frame).failure_rate or 0.0, 7, 7, is_number=True),
    _time("RUN p95", 10, lambda pace: pace.runtime),
    _time("WAIT p95", 6, lambda pace: pace.wait),
    Column("ACTIVE 2m", _active_bars, lambda row, _: row.active, 10, 12, most=31, is_number=True),
    Column("BACKLOG 2m", _backlog_bars, lambda row, _: row.backlog or 0, 11, 11, most=31, is_number=True),
)

WORKERS: Sequence[Column[WorkerView]] = (
    _name("WORKERS", lambda row: row.gossip.hostname, 14, 0, most=40),
    Column("STATE", _worker_state, lambda row, _: _trouble(row), 11, 1, most=_STALLED_WIDTH, measure=_state_width),
    _span("AGE", lambda row: row.heard_at, 6, 3),
    Column("POOL", lambda row, *_: Cell(shown(row.gossip.pool)), lambda row, _: row.gossip.pool, 8, 8),
    Column("ACTIVE", _slots, lambda row, _: row.gossip.active, 8, 2, is_number=True),
    _figure("RESERVED", lambda row: row.gossip.reserved, 5),
    _figure("SCHEDULED", lambda row: row.gossip.scheduled, 9),
    _figure("PROCESSED", lambda row: row.gossip.processed, 6),
    Column("LAG", _lag, lambda row, _: row.gossip.loop_lag, 6, 7, is_number=True),
    Column("QUEUES", lambda row, *_: Cell(queue_names(row)), lambda row, _: queue_names(row), 14, 4, most=999),
)
