"""Reporter: composes the report of a beat process from what the Observer noted and the ScheduleReader has read.

Called on the sender's thread; at the end of beat, after that thread has ended or hangs, on beat's own thread.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery_gossip.beat import _compat as compat
from celery_gossip.beat.embedding import Worker
from celery_gossip.beat.observer import Observer
from celery_gossip.beat.schedule_reader import KnownEntry, ScheduleReader
from celery_gossip.wire.beat import NEAREST_ENTRIES
from celery_gossip.wire.messages import (
    MAX_BEAT_ENTRIES,
    Beat,
    BeatEntry,
    BeatReportState,
    clamp_count,
    clamp_seconds,
    sanitize_name,
)

__all__ = ["STALLED_AFTER", "BeatIdentity", "Reporter"]

STALLED_AFTER = 2.0  #: seconds by which a tick may be late, or for which it may take
_REPEATS = 3  #: reports that contain an entry after it was sent, or could not be sent


@dataclass(frozen=True)
class BeatIdentity:
    """Fields that are the same in every report of one start of a beat."""

    app: str
    hostname: str
    interval: float
    scheduler: str
    worker: Worker
    instance_id: str  #: `boot`

    @classmethod
    def create(cls, app: Any, hostname: str, interval: float, scheduler: Any, worker: Worker) -> "BeatIdentity":
        """Return a new identity, whose instance id is 16 random hex digits."""
        kind = type(scheduler)
        return cls(
            app=sanitize_name(app.main or ""),
            hostname=sanitize_name(worker.hostname or hostname),
            interval=interval,
            scheduler=sanitize_name(f"{kind.__module__}:{kind.__qualname__}"),
            worker=worker,
            instance_id=os.urandom(8).hex(),
        )


class Reporter:
    """Composes reports."""

    def __init__(
        self,
        identity: BeatIdentity,
        scheduler: Any,
        observer: Observer,
        reader: ScheduleReader,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._identity = identity
        self._scheduler = scheduler
        self._observer = observer
        self._reader = reader
        self._clock = clock
        self._sends = _RecentSends(observer)
        self._turn = 0  #: number of entries that were reported in rotation
        self._order: list[str] = []  #: names of all entries, for the rotation
        self._order_of = -1

    def compose(self) -> Beat:
        """Read the schedule, and return a report."""
        reader, former, reloads = self._reader, self._reader.entries, self._reader.reload_count
        reader.read()
        self._sends.update(former if reader.reload_count == reloads else {})
        return self._report("online", tuple([self._describe(name) for name in self._choose()]))

    def compose_final(self) -> Beat:
        """Return the last report, without entries."""
        return self._report("offline", ())

    def _report(self, state: BeatReportState, entries: tuple[BeatEntry, ...]) -> Beat:
        identity, observer, now = self._identity, self._observer, self._clock()
        ended_at, holds_lock = observer.tick_ended_at, compat.holds_lock(self._scheduler)
        # Beat does not tick while it waits for the lock.
        is_waiting = state == "offline" or (holds_lock is False and not observer.ticks)
        standing = 0.0 if is_waiting else observer.standing_still(now)
        return Beat(
            boot=identity.instance_id,
            seq=1,  # set by the delivery
            app=identity.app,
            hostname=identity.hostname,
            interval=identity.interval,
            state=state,
            uptime=clamp_seconds(now - observer.started_at),
            stalled_for=clamp_seconds(standing) if standing > STALLED_AFTER else 0.0,
            tick_age=None if ended_at is None else clamp_seconds(now - ended_at),
            scheduler=identity.scheduler,
            digest=self._reader.digest,
            holds_lock=holds_lock,
            worker=sanitize_name(identity.worker.hostname),
            worker_boot=identity.worker.instance_id,
            entry_count=clamp_count(len(self._reader.entries)),
            is_partial=self._reader.is_partial,
            sends=clamp_count(observer.sends),
            errors=clamp_count(observer.errors),
            entries=entries,
        )

    def _describe(self, name: str) -> BeatEntry:
        return self._reader.describe(name, self._sends.late.get(name))

    def _choose(self) -> list[str]:
        """Return the names of the entries of this report."""
        entries = self._reader.entries
        names = dict.fromkeys(self._reader.nearest(NEAREST_ENTRIES))
        for name in self._sends.recent():
            if name in entries and len(names) < MAX_BEAT_ENTRIES - 1:
                names[name] = None
        if len(names) < len(entries):
            names[self._next_in_turn(names)] = None
        return list(names)

    def _next_in_turn(self, chosen: dict[str, None]) -> str:
        if self._order_of != self._reader.reload_count or len(self._order) != len(self._reader.entries):
            self._order_of, self._order = self._reader.reload_count, sorted(self._reader.entries)
        for _ in self._order:
            self._turn += 1
            name = self._order[self._turn % len(self._order)]
            if name not in chosen:
                return name
        return self._order[0]


class _RecentSends:
    """Entries that were sent, or could not be sent, within the latest reports; and how late they were sent."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._seen: dict[str, tuple[int, int]] = {}  #: sends and errors as of the previous report
        self._repeats: dict[str, int] = {}  #: reports that are to contain the entry
        self.late: dict[str, float] = {}  #: seconds, of the latest send of each entry, if known

    def update(self, former: dict[str, KnownEntry]) -> None:
        """Compare the counts with those of the previous report, when the entries were `former`."""
        counted = list(self._observer.counts.items())
        seen = {name: (counts.sends, counts.errors) for name, counts in counted}
        for name, counts in counted:
            sends, errors = self._seen.get(name, (0, 0))
            if seen[name] == (sends, errors):
                continue
            self._repeats[name] = _REPEATS
            due_at = former[name].due_at if name in former else None
            if seen[name][0] == sends + 1 and due_at is not None and counts.sent_at is not None:
                self.late[name] = max(0.0, counts.sent_at - due_at)
            elif seen[name][0] != sends:
                self.late.pop(name, None)
        self._seen = seen
        self.late = {name: late for name, late in self.late.items() if name in seen}

    def recent(self) -> list[str]:
        """Return the names that a report is to contain; each counts as contained by this call."""
        names = list(self._repeats)
        self._repeats = {name: left - 1 for name, left in self._repeats.items() if left > 1}
        return names
