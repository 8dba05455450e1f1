"""The table of tasks, and the details of one task. Pure."""

from collections.abc import Iterator, Sequence
from math import inf
from typing import NamedTuple

from celery_gossip.cluster.failures import Failure
from celery_gossip.cluster.task_view import TaskView
from celery_gossip.tui.column import Column
from celery_gossip.tui.column_type import name_column, text_column
from celery_gossip.tui.fact import fact, facts
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import Cell, Line, escape_text, format_age, format_count
from celery_gossip.units import format_duration

__all__ = ["TASKS", "TaskAge", "age_of", "task_key", "task_lines"]


class TaskAge(NamedTuple):
    """Seconds for which a task has run."""

    seconds: float | None  #: None if unknown
    is_least: bool = False  #: it may have run for longer

    def __str__(self) -> str:
        if self.seconds is None:
            return "?"
        return f"{'>' if self.is_least else ''}{format_age(self.seconds)}"


def age_of(task: TaskView, snapshot: Snapshot) -> TaskAge:
    """Return the age that its worker reports, or else the time since this dashboard first saw it."""
    if task.age is not None:
        return TaskAge(task.age)
    since = snapshot.first_seen.get(task.id)
    return TaskAge(None if since is None else snapshot.now - since, is_least=True)


def task_key(task: TaskView) -> str:
    return f"{task.hostname}\n{task.id}"


def task_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    """Yield what is known of a running task; of one that runs no more, its failure if it is among the last ones."""
    task = next((task for task in snapshot.tasks if task_key(task) == key), None)
    failure = next((one for one in snapshot.failures.failures if one.id == key.partition("\n")[2]), None)
    if task is not None:
        yield from _running_lines(task, snapshot, width)
    elif failure is not None:
        yield from facts("id", failure.id, width)
        yield from facts("name", failure.task or "unknown", width)
        yield fact("worker", failure.hostname)
    if failure is not None:
        yield from _failure_lines(failure, snapshot, width)


def _running_lines(task: TaskView, snapshot: Snapshot, width: int) -> Iterator[Line]:
    age = age_of(task, snapshot)
    yield from facts("id", task.id, width)
    yield from facts("name", task.name or "unknown: the worker does not report it", width)
    yield fact("running for", f"{age}, at least" if age.is_least else str(age))
    yield from facts("queue", task.queue, width)
    yield fact("retries", "unknown" if task.retries is None else f"{task.retries:,}")
    if task.is_redelivered:
        yield from facts("delivered", "before, too: another worker may have begun to run it", width)
    soft, hard = (format_duration(limit) if limit else "none" for limit in (task.soft_time_limit, task.time_limit))
    yield fact("time limit", f"{hard}, soft {soft}")
    yield from _worker_lines(task, snapshot)


def _worker_lines(task: TaskView, snapshot: Snapshot) -> Iterator[Line]:
    worker = snapshot.view.worker(task.hostname)
    if worker is None:
        return
    yield *fact("worker", task.hostname), Cell(" "), state_cell(worker.state)
    yield fact("pool", f"{worker.pool}, {worker.active:,} of {worker.concurrency:,} slots busy")
    if worker.stack:
        yield ()
        yield Cell("The worker is blocked in", "title"), Cell("  module:function:line, innermost first", "dim")
        yield from ((Cell("  "), Cell(escape_text(frame))) for frame in worker.stack)


def _failure_lines(failure: Failure, snapshot: Snapshot, width: int) -> Iterator[Line]:
    ago = format_age(snapshot.now - failure.at)
    yield fact("failed", Cell(f"{ago} ago with {escape_text(failure.exception)}", "bad"))
    if failure.message:
        yield from facts("message", failure.message, width)
    yield from ((Cell("  "), Cell(escape_text(frame))) for frame in failure.traceback)


def _age_cell(task: TaskView, snapshot: Snapshot, width: int) -> Cell:
    age, limit = age_of(task, snapshot), _limit(task)
    is_over = limit is not None and age.seconds is not None and age.seconds > limit
    return Cell(str(age), "warn" if is_over else "dim" if age.seconds is None else "")


def _age_key(task: TaskView, snapshot: Snapshot) -> float:
    seconds = age_of(task, snapshot).seconds
    return -1.0 if seconds is None else seconds


def _retries_cell(task: TaskView, snapshot: Snapshot, width: int) -> Cell:
    return Cell(format_count(task.retries, width), "" if task.retries else "dim")


def _limit(task: TaskView) -> float | None:
    return task.soft_time_limit or task.time_limit


def _limit_cell(task: TaskView, snapshot: Snapshot, width: int) -> Cell:
    limit = _limit(task)
    return Cell(format_duration(limit), "dim" if limit is None else "")


TASKS: Sequence[Column[TaskView]] = (
    name_column("TASKS", lambda task: task.name or "?", 14, 0, max_width=48),
    Column("AGE", _age_cell, _age_key, 8, 1, is_number=True),
    text_column("WORKER", lambda task: task.hostname, 12, 3),
    text_column("QUEUE", lambda task: task.queue, 8, 4),
    Column("RETRIES", _retries_cell, lambda task, _: task.retries or 0, 8, 6, is_number=True),
    Column("LIMIT", _limit_cell, lambda task, _: _limit(task) or inf, 7, 5, is_number=True),
    text_column("ID", lambda task: task.id, 12, 2, max_width=80),
)
