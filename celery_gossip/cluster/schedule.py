"""The schedule of a view: the entries of all beat processes with their states, problems first. Pure.

Used by the front ends, on any thread.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from celery_gossip.cluster.beat_view import BeatView, EntryView
from celery_gossip.cluster.view import View

__all__ = ["ENTRY_STATES", "EntryState", "ScheduledEntry", "schedule_of"]

#: State of an entry: due in the future, or at a time that is not known; late; not sent at its latest time; or not sent
#: at all, because its beat process does not run.
EntryState = Literal["scheduled", "unknown", "overdue", "failing", "stopped"]

ENTRY_STATES: tuple[EntryState, ...] = get_args(EntryState)  #: from the healthiest to the worst
_OVERDUE_AFTER = 10.0  #: seconds


@dataclass(frozen=True)
class ScheduledEntry:
    """One entry and the process that sends it."""

    beat: BeatView
    entry: EntryView
    state: EntryState
    due_in: float | None  #: seconds until it is due, negative if it is overdue; None if unknown


def schedule_of(view: View) -> list[ScheduledEntry]:
    """Return the entries of all schedules: those with problems first, then those due next.

    Without those of standby processes, and of processes that ended and were replaced.
    """
    entries = [
        ScheduledEntry(beat, entry, _state(beat, entry, view.taken_at), entry.due_in(view.taken_at))
        for beat in view.beats
        if not beat.is_standby
        for entry in _unreplaced(beat, view.beats)
    ]
    entries.sort(key=_urgency)
    return entries


def _unreplaced(beat: BeatView, beats: Iterable[BeatView]) -> tuple[EntryView, ...]:
    if not beat.is_gone:
        return beat.entries
    others = [other for other in beats if other.app == beat.app and not other.is_standby and other is not beat]
    newer = [other for other in others if not other.is_gone or other.heard_at > beat.heard_at]
    if any(not other.is_gone and other.report.digest == beat.report.digest != "" for other in newer):
        return ()
    return tuple([entry for entry in beat.entries if all(other.entry(entry.name) is None for other in newer)])


def _state(beat: BeatView, one: EntryView, now: float) -> EntryState:
    if beat.is_gone or beat.state == "stalled":
        return "stopped"
    if one.is_failing:
        return "failing"
    due_in = one.due_in(now)
    if due_in is None or beat.state == "suspect":
        return "unknown"
    # An entry of an earlier report may have been sent since; those that are overdue are in the latest one.
    return "overdue" if due_in < -_OVERDUE_AFTER and one.reported_at >= beat.heard_at else "scheduled"


def _urgency(one: ScheduledEntry) -> tuple[bool, int, float, str]:
    is_problem = one.state in ("overdue", "failing", "stopped")
    rank = -ENTRY_STATES.index(one.state) if is_problem else 0
    return not is_problem, rank, inf if one.due_in is None else one.due_in, one.entry.name
