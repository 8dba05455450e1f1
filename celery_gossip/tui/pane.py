"""Panes: what each table of `top` shows, and which of it the filter selects. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from celery_gossip.cluster.view import QueueView, WorkerView
from celery_gossip.tui.column import Column, SortOrder
from celery_gossip.tui.failure import FAILURES, group_key
from celery_gossip.tui.row import FINDINGS, QUEUES, WORKERS, finding_key
from celery_gossip.tui.schedule import SCHEDULE, entry_key
from celery_gossip.tui.search import Search
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.summary import no_findings_text
from celery_gossip.tui.task import TASKS, task_key

__all__ = ["PANES", "Pane"]


@dataclass(frozen=True)
class Pane:
    """A table: its rows and columns, and how it is sorted at first."""

    id: str
    columns: Sequence[Column[Any]]
    row_key: Callable[[Any], str]
    rows: Callable[[Snapshot], Sequence[Any]]
    select: Callable[[Search, Snapshot], Sequence[Any]]  #: rows that match the filter
    empty_text: Callable[[Snapshot], str]  #: shown if there are no rows
    order: SortOrder | None = None
    total: Callable[[Snapshot], int] = lambda _: 0  #: rows that would be there if every one was reported

    @property
    def title(self) -> str:
        """Its name in the header of the table."""
        return self.columns[0].title

    def is_shown(self, snapshot: Snapshot) -> bool:
        """Return False for the schedule while no beat reports."""
        return self.id != "schedule" or bool(snapshot.view.beats)


def _queue_key(queue: QueueView) -> str:
    return queue.queue


def _worker_key(worker: WorkerView) -> str:
    return worker.gossip.hostname


def _tasks(snapshot: Snapshot) -> int:
    """Return how many tasks run, and wait in workers, whether or not these list them."""
    live = (gossip for worker in snapshot.view.workers if not worker.is_gone for gossip in worker.gossips)
    return sum(gossip.active + gossip.reserved + gossip.scheduled + gossip.limited for gossip in live)


#: In the order of the keys 1, 2, …
PANES = (
    Pane(
        "findings",
        FINDINGS,
        finding_key,
        rows=lambda snapshot: snapshot.findings,
        select=lambda search, snapshot: search.findings(snapshot.findings),
        empty_text=no_findings_text,
    ),
    Pane(
        "queues",
        QUEUES,
        _queue_key,
        rows=lambda snapshot: snapshot.view.queues,
        select=lambda search, snapshot: search.queues(snapshot.view),
        empty_text=lambda _: "none",
        order=SortOrder("QUEUES", is_descending=False),
    ),
    Pane(
        "workers",
        WORKERS,
        _worker_key,
        rows=lambda snapshot: snapshot.view.workers,
        select=lambda search, snapshot: search.workers(snapshot.view),
        empty_text=lambda _: "none",
        order=SortOrder("WORKERS", is_descending=False),
    ),
    Pane(
        "schedule",
        SCHEDULE,
        entry_key,
        rows=lambda snapshot: snapshot.schedule,
        select=lambda search, snapshot: search.schedule(snapshot.schedule),
        empty_text=lambda _: "no entries",
    ),
    Pane(
        "tasks",
        TASKS,
        task_key,
        rows=lambda snapshot: snapshot.tasks,
        select=lambda search, snapshot: search.tasks(snapshot.tasks, snapshot.view),
        empty_text=lambda _: "no task runs or waits in a worker",
        order=SortOrder("STATE", is_descending=False),
        total=_tasks,
    ),
    Pane(
        "failures",
        FAILURES,
        group_key,
        rows=lambda snapshot: snapshot.failure_groups,
        select=lambda search, snapshot: search.failures(snapshot.failures, snapshot.failure_groups),
        empty_text=lambda _: "none since this command began to listen",
        order=SortOrder("LAST", is_descending=False),
    ),
)
