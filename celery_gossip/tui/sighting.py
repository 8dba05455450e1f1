"""Result of a search for a task by its id: where it is, how it ended, or how far the search reaches. Pure."""

from collections.abc import Iterator

from celery_gossip.cluster.task_search import Coverage, coverage_of, find_tasks
from celery_gossip.cluster.task_sighting import CURRENT, Sighting
from celery_gossip.tui.fact import fact, facts
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.task import failure_lines, task_state_cell
from celery_gossip.tui.text import Cell, Line, escape_text, format_age
from celery_gossip.units import format_wait

__all__ = ["is_sighted", "search_lines"]

_ENDS = {
    "lost": "was {was} when its worker was lost",
    "stopped": "was {was} when its worker shut down",
    "seen": "was {was}; its worker does not list it any more",
}
_UNKNOWN_END = "; it is not known what became of it"
_HAS_ENDED = "was {was}, and has ended: its worker runs others only; how it ended is not known"


def is_sighted(text: str, snapshot: Snapshot) -> bool:
    """Return True if anything is known about a task with this id."""
    return bool(find_tasks(snapshot.view, text, snapshot.failures, snapshot.task_history))


def search_lines(text: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    """Yield what is known about the tasks with this id, or what it means that there is none."""
    found = find_tasks(snapshot.view, text, snapshot.failures, snapshot.task_history)
    for one in found:
        yield from _sighting_lines(one, snapshot, width)
    if not found:
        yield (Cell("No task with this id is in a report.", "strong"),)
        for reason in _reach(coverage_of(snapshot.view, snapshot.task_history)):
            yield from facts("", reason, width)


def _sighting_lines(one: Sighting, snapshot: Snapshot, width: int) -> Iterator[Line]:
    yield from facts("id", one.id, width)
    yield from facts("name", one.name or "unknown", width)
    yield fact("state", task_state_cell(one.state))
    if one.state in _ENDS:
        text = _HAS_ENDED if one.has_ended else _ENDS[one.state] + _UNKNOWN_END
        yield from facts("", text.format(was=one.was or "listed"), width)
    yield fact("queue", one.queue or "unknown")
    yield *fact("worker", one.hostname), Cell(" "), _worker_state(one)
    if one.state not in CURRENT:
        yield fact("last seen", f"{format_age(snapshot.now - one.seen_at)} ago")
    if one.since is not None:
        started = "started" if "running" in (one.state, one.was) or one.failure else "received"
        yield fact(started, f"{format_age(snapshot.now - one.since)} ago")
    if one.failure is not None:
        yield from failure_lines(one.failure, snapshot, width)
    yield from ((Cell("  "), Cell(escape_text(frame))) for frame in one.stack)
    yield ()


def _worker_state(one: Sighting) -> Cell:
    return state_cell(one.worker_state) if one.worker_state else Cell("not in the view any more", "dim")


def _reach(coverage: Coverage) -> Iterator[str]:
    """Yield what a search without a result can vouch for."""
    if coverage.is_frozen:
        yield "This listener is cut off from the broker: the view is not current."
    if coverage.seconds is not None:
        yield f"No worker has listed it in the last {format_wait(coverage.seconds)}; earlier tasks are not remembered."
    if coverage.unlisted_running or coverage.unlisted_waiting:
        yield (
            f"{coverage.unlisted_running:,} running and {coverage.unlisted_waiting:,} waiting tasks are counted by "
            "their workers and not listed: it may be one of them."
        )
    yield "A task that waits in a queue on the broker is in no report."
