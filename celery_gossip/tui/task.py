"""The table of tasks that run or wait in workers, and the details of one. Pure."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

from celery_gossip.cluster.failures import Failure
from celery_gossip.cluster.task_view import TaskView, WaitingView
from celery_gossip.tui.column import Column
from celery_gossip.tui.column_type import name_column, text_column
from celery_gossip.tui.fact import fact, facts
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.task_row import TASK_STATES, TaskRow, state_of
from celery_gossip.tui.text import Cell, Line, escape_text, format_age, format_count
from celery_gossip.units import format_duration

__all__ = ["TASKS", "TaskAge", "age_of", "failure_lines", "task_key", "task_lines", "task_state_cell"]

_SYMBOLS = {
    "running": ("●", "info"),
    "reserved": ("◌", ""),
    "limited": ("◑", ""),
    "scheduled": ("◔", ""),
    "failed": ("✖", "bad"),
    "lost": ("✗", "bad"),
    "stopped": ("○", "warn"),
}
_WAITS_FOR = {
    "reserved": "a slot of its worker",
    "limited": "its rate limit",
    "scheduled": "its ETA",
}


class TaskAge(NamedTuple):
    """Seconds for which a task has run, or waited in its worker."""

    seconds: float | None  #: None if unknown
    is_least: bool = False  #: it may be longer

    def __str__(self) -> str:
        if self.seconds is None:
            return "?"
        return f"{'>' if self.is_least else ''}{format_age(self.seconds)}"


def age_of(task: TaskRow, snapshot: Snapshot) -> TaskAge:
    """Return for how long it has run or waited, as its worker reports; else since when this dashboard has seen it."""
    if task.age is not None:
        return TaskAge(task.age)
    since = snapshot.first_seen.get(task.id)
    return TaskAge(None if since is None else snapshot.now - since, is_least=True)


def task_state_cell(state: str) -> Cell:
    symbol, style = _SYMBOLS.get(state, ("?", ""))
    return Cell(f"{symbol} {state}", style)


def task_key(task: TaskRow) -> str:
    return f"{task.hostname}\n{task.id}"


def task_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    """Yield what is known of a task that runs or waits; nothing if its worker does not list it any more."""
    task = next((task for task in snapshot.tasks if task_key(task) == key), None)
    if task is not None:
        yield from _common_lines(task, snapshot, width)
        yield from _running_lines(task, width) if isinstance(task, TaskView) else _waiting_lines(task)
        yield from _worker_lines(task, snapshot)


def _common_lines(task: TaskRow, snapshot: Snapshot, width: int) -> Iterator[Line]:
    age = age_of(task, snapshot)
    yield from facts("id", task.id, width)
    yield from facts("name", task.name or "unknown: the worker does not report it", width)
    yield (*fact("state", task_state_cell(state_of(task))), Cell(f" for {age}{', at least' if age.is_least else ''}"))
    yield from facts("queue", task.queue or "unknown", width)
    yield fact("retries", "unknown" if task.retries is None else f"{task.retries:,}")


def _waiting_lines(task: WaitingView) -> Iterator[Line]:
    yield fact("waits for", _WAITS_FOR[task.state])
    if task.due_in is not None:
        yield fact("ETA", _due_text(task.due_in))


def _running_lines(task: TaskView, width: int) -> Iterator[Line]:
    if task.is_redelivered:
        yield from facts("delivered", "before, too: another worker may have begun to run it", width)
    soft, hard = (format_duration(limit) if limit else "none" for limit in (task.soft_time_limit, task.time_limit))
    yield fact("time limit", f"{hard}, soft {soft}")


def _worker_lines(task: TaskRow, snapshot: Snapshot) -> Iterator[Line]:
    worker = snapshot.view.worker(task.hostname)
    if worker is None:
        return
    yield *fact("worker", task.hostname), Cell(" "), state_cell(worker.state)
    yield fact("pool", f"{worker.pool}, {worker.active:,} of {worker.concurrency:,} slots busy")
    if worker.stack:
        yield ()
        yield Cell("The worker is blocked in", "title"), Cell("  module:function:line, innermost first", "dim")
        yield from ((Cell("  "), Cell(escape_text(frame))) for frame in worker.stack)


def failure_lines(failure: Failure, snapshot: Snapshot, width: int) -> Iterator[Line]:
    """Yield when and why a task failed."""
    ago = format_age(snapshot.now - failure.at)
    yield fact("failed", Cell(f"{ago} ago with {escape_text(failure.exception)}", "bad"))
    if failure.message:
        yield from facts("message", failure.message, width)
    yield from ((Cell("  "), Cell(escape_text(frame))) for frame in failure.traceback)


def _age_cell(task: TaskRow, snapshot: Snapshot, width: int) -> Cell:
    age, limit = age_of(task, snapshot), _limit(task)
    is_over = limit is not None and age.seconds is not None and age.seconds > limit
    return Cell(str(age), "warn" if is_over else "dim" if age.seconds is None else "")


def _age_key(task: TaskRow, snapshot: Snapshot) -> float:
    seconds = age_of(task, snapshot).seconds
    return -1.0 if seconds is None else seconds


def _retries_cell(task: TaskRow, snapshot: Snapshot, width: int) -> Cell:
    return Cell(format_count(task.retries, width), "" if task.retries else "dim")


def _limit(task: TaskRow) -> float | None:
    return task.soft_time_limit or task.time_limit if isinstance(task, TaskView) else None


def _state_key(task: TaskRow, snapshot: Snapshot) -> tuple[int, float]:
    """Return the sort key by which running tasks come first, then those that wait; the longest first in each state."""
    return TASK_STATES.index(state_of(task)), -_age_key(task, snapshot)


def _due(task: TaskRow) -> float | None:
    return task.due_in if isinstance(task, WaitingView) else None


def _due_text(seconds: float) -> str:
    return f"in {format_age(seconds)}" if seconds > 0 else f"{format_age(-seconds)} ago"


def _due_cell(task: TaskRow, snapshot: Snapshot, width: int) -> Cell:
    due = _due(task)
    return Cell("-", "dim") if due is None else Cell(_due_text(due))


def _due_key(task: TaskRow, snapshot: Snapshot) -> float:
    due = _due(task)
    return inf if due is None else due


def _limit_cell(task: TaskRow, snapshot: Snapshot, width: int) -> Cell:
    limit = _limit(task)
    return Cell(format_duration(limit), "dim" if limit is None else "")


TASKS: Sequence[Column[TaskRow]] = (
    name_column("TASKS", lambda task: task.name or "?", 14, 0, max_width=48),
    Column("STATE", lambda task, *_: task_state_cell(state_of(task)), _state_key, 11, 2),
    Column("AGE", _age_cell, _age_key, 8, 1, is_number=True),
    text_column("WORKER", lambda task: task.hostname, 12, 4),
    text_column("QUEUE", lambda task: task.queue or "-", 8, 6),
    Column("DUE", _due_cell, _due_key, 8, 5, is_number=True),
    Column("RETRIES", _retries_cell, lambda task, _: task.retries or 0, 8, 8, is_number=True),
    Column("LIMIT", _limit_cell, lambda task, _: _limit(task) or inf, 7, 7, is_number=True),
    text_column("ID", lambda task: task.id, 12, 3, max_width=80),
)
