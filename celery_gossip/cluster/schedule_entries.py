"""ScheduleEntries: the entries of one beat process's schedule, collected from its reports. Pure; time is passed in.

Owned by a BeatMember, used under the Cluster's lock. A report contains only some of the entries of a long schedule.
"""

from collections import deque
from math import inf

from celery_gossip.cluster.beat_view import EntryView, Send
from celery_gossip.wire.messages import Beat, BeatEntry

__all__ = ["MAX_HISTORY", "ScheduleEntries"]

MAX_HISTORY = 20  #: sends of an entry that are remembered
_MARGIN = 20  #: reports by which a turn of all entries may be longer than expected
_UNKNOWN_RETENTION = 600.0  #: seconds for which entries are kept that a new instance may not know yet
_SAME_SEND = 1.0  #: seconds by which the time of one send may differ between reports of two instances


class _Known:
    __slots__ = ("boot", "entry", "history", "reported_at", "seq")

    def __init__(self, boot: str, seq: int, entry: BeatEntry, now: float) -> None:
        self.boot, self.seq, self.entry, self.reported_at = boot, seq, entry, now
        self.history: deque[Send] = deque(maxlen=MAX_HISTORY)


class ScheduleEntries:
    """Latest report of each entry, and the history of its sends."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._views: tuple[EntryView, ...] | None = None  #: None if they have to be built again

    def __len__(self) -> int:
        return len(self._known)

    def update(self, beat: Beat, now: float) -> None:
        """Store the entries of this report, and remove those that the schedule no longer has."""
        self._views = None
        for entry in beat.entries:
            known = self._known.get(entry.name)
            previous = known.entry if known is not None and known.boot == beat.boot else None
            if known is None:
                known = self._known[entry.name] = _Known(beat.boot, beat.seq, entry, now)
            _add_to_history(known.history, previous, entry, now)
            known.boot, known.seq, known.entry, known.reported_at = beat.boot, beat.seq, entry, now
        if beat.state == "online":
            self._remove_former(beat, now)

    def limit(self, count: int) -> None:
        """Remove all but `count` entries: those due last, and with an unknown time."""
        if len(self._known) > count:
            self._views = None
            for one in self.views()[count:]:
                del self._known[one.entry.name]
            self._views = None

    def views(self) -> tuple[EntryView, ...]:
        """Return the entries, those due next first."""
        if self._views is None:
            views = [EntryView(one.entry, one.reported_at, tuple(one.history)) for one in self._known.values()]
            views.sort(key=_due_at)
            self._views = tuple(views)
        return self._views

    def _remove_former(self, beat: Beat, now: float) -> None:
        """Remove entries that would have been reported by now if the schedule had them."""
        is_whole = not beat.is_partial and len(beat.entries) >= beat.entry_count
        max_reports = 0 if is_whole else beat.entry_count + _MARGIN
        for name, known in list(self._known.items()):
            if known.boot == beat.boot:
                is_former = beat.seq - known.seq > max_reports
            elif beat.is_partial:  # a new instance does not know them yet
                is_former = now - known.reported_at > _UNKNOWN_RETENTION
            else:
                is_former, known.boot, known.seq = is_whole, beat.boot, beat.seq
            if is_former:
                del self._known[name]


def _add_to_history(history: "deque[Send]", previous: BeatEntry | None, entry: BeatEntry, now: float) -> None:
    """Add what this report says of sends and errors since the previous one of the same instance."""
    if previous is None:  # only the latest of the sends before this listener is known
        at = None if entry.sent_age is None else now - entry.sent_age
        if at is not None and not (history and at <= history[-1].at + _SAME_SEND):
            history.append(Send(at, 1, late=entry.late))
        return
    sends, errors = entry.sends - previous.sends, entry.errors - previous.errors
    if sends > 0 or errors > 0:
        ages = [age for age, count in ((entry.sent_age, sends), (entry.error_age, errors)) if count > 0]
        latest = min([age for age in ages if age is not None], default=0.0)
        history.append(Send(now - latest, max(sends, 0), max(errors, 0), entry.error * (errors > 0), entry.late))


def _due_at(view: EntryView) -> tuple[float, str]:
    due_at = view.due_at
    return (inf if due_at is None else due_at, view.entry.name)
