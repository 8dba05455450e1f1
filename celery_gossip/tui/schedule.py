"""The table of the schedule, and the details of one entry. Pure."""

from collections.abc import Iterator, Sequence
from math import inf

from celery_gossip.cluster.schedule import ENTRY_STATES, ScheduledEntry
from celery_gossip.tui.column import Column
from celery_gossip.tui.column_type import name_column, text_column
from celery_gossip.tui.fact import fact, facts
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import Cell, Line, escape_text, format_age, format_count
from celery_gossip.units import format_duration

__all__ = ["SCHEDULE", "entry_key", "entry_lines"]

_SYMBOLS = {
    "scheduled": ("●", ""),
    "unknown": ("?", "dim"),
    "overdue": ("◐", "warn"),
    "failing": ("✖", "bad"),
    "stopped": ("✗", "bad"),
}


def entry_key(one: ScheduledEntry) -> str:
    return f"{one.entry.name}\n{one.beat.hostname}\n{one.beat.app}"


def entry_lines(one: ScheduledEntry, snapshot: Snapshot, width: int) -> Iterator[Line]:
    """Yield what is known of an entry and of its beat process."""
    view, entry, beat = one.entry, one.entry.entry, one.beat
    yield fact("state", _state(one, snapshot, width))
    yield from facts("task", entry.task, width)
    yield from facts("schedule", entry.schedule or "unknown", width)
    yield from facts("queue", entry.queue or "the one that its route names", width)
    yield fact("due", _due_text(one))
    yield fact("last sent", "unknown" if view.sent_at is None else f"{format_age(snapshot.now - view.sent_at)} ago")
    yield fact("late", "unknown" if entry.late is None else f"{format_duration(entry.late)}, the latest send")
    yield fact("sent", f"{entry.sends:,} since the start of its beat, {entry.runs:,} in all, {entry.errors:,} errors")
    if entry.errors and view.error_at is not None:
        yield fact(
            "latest error", Cell(f"{escape_text(entry.error)} {format_age(snapshot.now - view.error_at)} ago", "bad")
        )
    state = Cell(f" for {format_age(snapshot.now - beat.state_since)}")
    yield *fact("beat", escape_text(beat.hostname)), Cell(" "), state_cell(beat.state), state
    yield from facts("scheduler", beat.report.scheduler or "unknown", width)
    if view.history:
        yield ()
        yield Cell("Latest sends", "title"), Cell("  the latest first", "dim")
        for send in reversed(view.history):
            late = "" if send.late is None else f", {format_duration(send.late)} late"
            errors = f", {send.errors:,} failed {escape_text(send.error)}" if send.errors else ""
            yield (Cell(f"  {format_age(snapshot.now - send.at):>8} ago  {send.sends:,} sent{late}{errors}"),)


def _state(one: ScheduledEntry, snapshot: Snapshot, width: int) -> Cell:
    symbol, style = _SYMBOLS[one.state]
    return Cell(f"{symbol} {one.state}", style)


def _due_text(one: ScheduledEntry) -> str:
    if one.due_in is None:
        return "?"
    return f"in {format_age(one.due_in)}" if one.due_in > -1.0 else f"{format_age(-one.due_in)} ago"


def _due(one: ScheduledEntry, snapshot: Snapshot, width: int) -> Cell:
    return Cell(_due_text(one), {"overdue": "warn", "unknown": "dim"}.get(one.state, ""))


def _sent(one: ScheduledEntry, snapshot: Snapshot, width: int) -> Cell:
    sent_at = one.entry.sent_at
    return Cell("-", "dim") if sent_at is None else Cell(f"{format_age(snapshot.now - sent_at)} ago")


def _late(one: ScheduledEntry, snapshot: Snapshot, width: int) -> Cell:
    late = one.entry.entry.late
    return Cell(format_duration(late), "dim" if late is None else "")


def _errors(one: ScheduledEntry, snapshot: Snapshot, width: int) -> Cell:
    errors = one.entry.entry.errors
    return Cell(format_count(errors, width), "bad" if errors else "dim")


SCHEDULE: Sequence[Column[ScheduledEntry]] = (
    name_column("SCHEDULE", lambda one: one.entry.name, 14, 0, max_width=40),
    Column("STATE", _state, lambda one, _: -ENTRY_STATES.index(one.state), 11, 1),
    Column("DUE", _due, lambda one, _: inf if one.due_in is None else one.due_in, 10, 2, is_number=True),
    Column("LAST SENT", _sent, lambda one, _: one.entry.sent_at or -inf, 11, 3, is_number=True),
    Column("LATE", _late, lambda one, _: one.entry.entry.late or 0.0, 7, 4, is_number=True),
    Column(
        "SENT",
        lambda one, _, width: Cell(format_count(one.entry.entry.sends, width)),
        lambda one, _: one.entry.entry.sends,
        7,
        6,
        is_number=True,
    ),
    Column("ERRORS", _errors, lambda one, _: one.entry.entry.errors, 7, 5, is_number=True),
    text_column("SCHEDULED", lambda one: one.entry.entry.schedule or "-", 12, 8),
    text_column("TASK", lambda one: one.entry.task, 12, 7),
    text_column("BEAT", lambda one: one.beat.hostname, 12, 9),
)
