"""The view of beat processes: immutable snapshots of a process and of the entries of its schedule. Pure.

Created by BeatMember under the Cluster's lock; read on any thread, by the diagnosis, the commands and the dashboards.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import msgspec

from celery_gossip.wire.messages import Beat, BeatEntry

__all__ = ["BEAT_STATES", "GONE_BEATS", "BeatState", "BeatView", "EntryView", "Send"]

#: State of a beat process; see docs/reference/states.md.
BeatState = Literal["online", "stalled", "suspect", "conflict", "offline", "lost"]

BEAT_STATES: tuple[BeatState, ...] = get_args(BeatState)  #: from the healthiest to the worst
GONE_BEATS = frozenset[BeatState]({"offline", "lost"})


class Send(msgspec.Struct, frozen=True, gc=False):
    """Times that an entry was sent, or could not be sent, between two reports. Most often one."""

    at: float  #: time of the latest of them on the listener's monotonic clock
    sends: int
    errors: int = 0  #: times that it could not be sent
    error: str = ""  #: class of the latest error, if there is one
    late: float | None = None  #: seconds by which the latest send was late; None if unknown


@dataclass(frozen=True)
class EntryView:
    """One entry of a schedule according to the latest report that contains it."""

    entry: BeatEntry  #: as reported; its ages are those of `reported_at`
    reported_at: float  #: time of that report on the listener's monotonic clock
    history: tuple[Send, ...] = ()  #: what the listener knows of its latest sends, the oldest first; at most 20

    @property
    def name(self) -> str:
        """Name of the entry."""
        return self.entry.name

    @property
    def task(self) -> str:
        """Name of the task that it sends."""
        return self.entry.task

    @property
    def due_at(self) -> float | None:
        """Time at which it is due on the listener's monotonic clock; None if unknown."""
        return None if self.entry.due is None else self.reported_at + self.entry.due

    @property
    def sent_at(self) -> float | None:
        """Time at which it was sent last on the same clock; None if it was never sent, or that is unknown."""
        return None if self.entry.sent_age is None else self.reported_at - self.entry.sent_age

    @property
    def error_at(self) -> float | None:
        """Time of the latest error on the same clock; None without one."""
        return None if self.entry.error_age is None else self.reported_at - self.entry.error_age

    @property
    def is_failing(self) -> bool:
        """True if the latest attempt to send it failed."""
        error_at, sent_at = self.error_at, self.sent_at
        return error_at is not None and (sent_at is None or sent_at < error_at)

    def due_in(self, now: float) -> float | None:
        """Return the seconds until it is due at this monotonic time, negative if it is overdue; None if unknown."""
        due_at = self.due_at
        return None if due_at is None else due_at - now


@dataclass(frozen=True)
class BeatView:
    """State of one beat process according to its latest report."""

    report: Beat  #: its latest report
    state: BeatState
    heard_at: float  #: time of its latest report on the listener's monotonic clock
    state_since: float = 0.0  #: time at which it entered its state, on the same clock
    age: float = 0.0  #: seconds since its latest report, when the snapshot was taken
    #: Latest reports of other instances with its hostname and app: a conflict, or an instance that ends.
    rivals: tuple[Beat, ...] = ()
    #: True if its reports are signed, False if not; None if the listener has no secret to check signatures with.
    is_verified: bool | None = None
    #: Entries of its schedule, as far as they were reported: those due next first, those with an unknown time last.
    entries: tuple[EntryView, ...] = ()

    @property
    def hostname(self) -> str:
        """Node name, as in `celerybeat@web1`; of an embedded one that of its worker. Unique together with `app`."""
        return self.report.hostname

    @property
    def app(self) -> str:
        """Name of the Celery app."""
        return self.report.app

    @property
    def is_gone(self) -> bool:
        """True if it is offline or lost."""
        return self.state in GONE_BEATS

    @property
    def is_embedded(self) -> bool:
        """True if it is part of a worker (`worker -B`), which `report.worker` names."""
        return bool(self.report.worker)

    @property
    def is_standby(self) -> bool:
        """True if it waits for the lock of its scheduler, which another process holds."""
        return self.report.holds_lock is False

    @property
    def instances(self) -> tuple[Beat, ...]:
        """Its latest report and those of its rivals."""
        return (self.report, *self.rivals)

    @property
    def unreported(self) -> int:
        """Number of entries that it knows, but that no report received so far contains."""
        return max(0, self.report.entry_count - len(self.entries))

    def next_due_in(self, now: float) -> float | None:
        """Return the seconds until its next entry is due at this monotonic time; None if unknown."""
        return self.entries[0].due_in(now) if self.entries else None

    def entry(self, name: str) -> EntryView | None:
        """Return the entry with this name; None if it was not reported."""
        return self._entries_by_name.get(name)

    @cached_property
    def _entries_by_name(self) -> dict[str, EntryView]:
        return {one.entry.name: one for one in self.entries}
