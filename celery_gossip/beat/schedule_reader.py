"""ScheduleReader: reads the entries of a scheduler on the sender's thread, while beat's thread changes them.

Nothing of the scheduler is called: its property `schedule` may query a database or read a file. Schedulers of Celery
and django-celery-beat keep their entries in a heap, of which a copy is read. Of other schedulers (redbeat) only those
entries are known that the scheduler has considered so far, and those of the setting `beat_schedule`.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from heapq import nsmallest
from typing import Any, NamedTuple

from celery_gossip.beat import _compat as compat
from celery_gossip.beat.observer import MAX_COUNTED, Observer
from celery_gossip.wire.beat import DEFAULT_ENTRY
from celery_gossip.wire.messages import BeatEntry, clamp_count, clamp_seconds, clamp_signed, sanitize_name

__all__ = ["KnownEntry", "ScheduleReader"]

_MAX_DIGEST_AGE = 60.0  #: seconds after which the digest is computed again, even if no change was noticed
_REMOVED_AFTER = 0.5  #: seconds after which an entry that is due, and was not considered, is gone


class KnownEntry(NamedTuple):
    """One entry: its own object, which is only read, and when it is due."""

    entry: Any
    due_at: float | None  #: monotonic seconds; None if unknown
    tick: int = 0  #: number of the tick that has considered it


class ScheduleReader:
    """Entries of one scheduler by name. To be used on one thread."""

    def __init__(
        self,
        scheduler: Any,
        observer: Observer,
        configured: Iterable[tuple[str, Any]] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`configured`: name and entry of the setting `beat_schedule`, for schedulers without a heap."""
        self._scheduler = scheduler
        self._observer = observer
        self._configured = {name: KnownEntry(entry, None) for name, entry in configured}
        self._removed: set[str] = set()  #: names of the setting that the scheduler does not have
        self._clock = clock
        self._wall_clock = wall_clock
        self._has_heap = False
        self._reloads = -1
        self._digest_at, self._digest_of = float("-inf"), -1
        self.entries: dict[str, KnownEntry] = {}
        self.digest = ""
        self.reload_count = 0  #: times that the set of entries may have changed

    @property
    def is_partial(self) -> bool:
        """True if the schedule may have entries that are not known."""
        return not self._has_heap

    def read(self) -> None:
        """Read the entries."""
        if not self._has_heap:  # django-celery-beat has an empty one before the first tick
            self._has_heap = self._observer.ticks > 0 and compat.has_heap(self._scheduler)
        self._observer.notes_sightings = not self._has_heap
        if self._has_heap:
            self._read_heap()
        else:
            self._read_sightings()
        self._update_digest()

    def nearest(self, count: int) -> list[str]:
        """Return the names of the entries that are due next, the first one first; unknown times are last."""
        never = float("inf")
        items = ((never if known.due_at is None else known.due_at, name) for name, known in self.entries.items())
        return [name for _, name in nsmallest(count, items)]

    def describe(self, name: str, late: float | None) -> BeatEntry:
        """Return the part of a report about this entry."""
        known, counts, now = self.entries[name], self._observer.counts.get(name), self._clock()
        entry = known.entry
        runs = compat.entry_field(entry, "total_run_count", 0)
        runs = clamp_count(runs) if type(runs) is int else 0
        sends, errors = (counts.sends, counts.errors) if counts is not None else (0, 0)
        error_at = None if counts is None else counts.error_at
        schedule = compat.entry_field(entry, "schedule")
        period = compat.period_of(schedule)
        return BeatEntry(
            name=sanitize_name(name),
            task=sanitize_name(compat.entry_field(entry, "task", "")),
            schedule=sanitize_name(compat.schedule_in_words(schedule)),
            queue=_queue_of(compat.entry_field(entry, "options")),
            due=None if known.due_at is None else clamp_signed(known.due_at - now),
            sent_age=self._sent_age(name, entry, runs, now),
            sends=clamp_count(sends),
            runs=runs,
            errors=clamp_count(errors),
            error="" if counts is None else sanitize_name(counts.error),
            error_age=None if error_at is None else clamp_seconds(now - error_at),
            late=None if late is None else clamp_seconds(late),
            period=None if period is None else clamp_seconds(period),
        )

    def _read_heap(self) -> None:
        observer = self._observer
        reloads, offset = observer.reloads, self._clock() - self._wall_clock()
        events = compat.heap_events(self._scheduler)
        if observer.is_reloading or observer.reloads != reloads:
            return  # the copy may contain a part of the entries
        if not events and observer.is_in_tick:
            return  # django-celery-beat empties the heap before it fills it
        found = {}
        for due_at, entry in events:
            name = compat.entry_field(entry, "name")
            if isinstance(name, str):
                found[name] = KnownEntry(entry, due_at + offset)
        if observer.reloads == self._reloads:
            if len(found) < len(self.entries):  # the set is the same; the one that is being sent is not in the heap
                found = {**self.entries, **found}
        else:
            self._reloads = observer.reloads
            self.reload_count += 1
        self.entries = found

    def _read_sightings(self) -> None:
        observer = self._observer
        ticks, began_at = observer.ticks, observer.completed_tick_began_at
        sightings, observer.sightings = observer.sightings, {}
        entries = {name: known for name, known in self._configured.items() if name not in self._removed}
        entries.update(self.entries)
        for name, seen in list(sightings.items()):
            if compat.entry_field(seen.entry, "enabled", default=True):
                entries[name] = KnownEntry(seen.entry, seen.due_at, seen.tick)
                self._removed.discard(name)
            else:
                self._remove(entries, name)
        if began_at is not None:
            for name, known in list(entries.items()):
                is_past = known.due_at is not None and known.due_at + _REMOVED_AFTER < began_at
                if is_past and known.tick < ticks - 1:  # the latest tick would have considered it
                    self._remove(entries, name)
        for name in list(entries)[:-MAX_COUNTED]:
            del entries[name]
        self.reload_count += entries.keys() != self.entries.keys()
        self.entries = entries

    def _remove(self, entries: dict[str, KnownEntry], name: str) -> None:
        entries.pop(name, None)
        if name in self._configured:
            self._removed.add(name)

    def _update_digest(self) -> None:
        now = self._clock()
        if self.reload_count == self._digest_of and now - self._digest_at < _MAX_DIGEST_AGE:
            return
        self._digest_of, self._digest_at = self.reload_count, now
        # Of a scheduler without a heap, the entries that are known depend on the time; those of the setting do not.
        entries = self.entries if self._has_heap else self._configured
        pairs = sorted(
            f"{name}\0{compat.entry_field(known.entry, 'task', '')}"
            for name, known in entries.items()
            if name != DEFAULT_ENTRY
        )
        text = "\1".join(pairs).encode("utf-8", "surrogatepass")
        self.digest = hashlib.sha256(text).hexdigest()[:16] if pairs else ""

    def _sent_age(self, name: str, entry: Any, runs: int, now: float) -> float | None:
        """Return the seconds since the entry was sent; before this process sent it, as the scheduler has stored it."""
        counts = self._observer.counts.get(name)
        if counts is not None:
            return None if counts.sent_at is None else clamp_seconds(now - counts.sent_at)
        at = compat.timestamp_of(compat.entry_field(entry, "last_run_at")) if runs else None
        return None if at is None else clamp_seconds(self._wall_clock() - at)


def _queue_of(options: Any) -> str:
    """Return the name of the queue in the options of an entry; empty without one."""
    queue = options.get("queue") if isinstance(options, dict) else None
    name = queue if isinstance(queue, str) else getattr(queue, "name", None)
    return sanitize_name(name) if isinstance(name, str) else ""
