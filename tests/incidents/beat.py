"""A beat process in virtual time: it sends the entries of its schedule that are due, and reports like a real one."""

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from celery_gossip.wire.encoding import encode_beat
from celery_gossip.wire.messages import Beat as BeatReport
from celery_gossip.wire.messages import BeatEntry

if TYPE_CHECKING:
    from tests.incidents.fleet import Fleet

__all__ = ["Beat", "Entry"]

NEAREST = 50  #: entries of a report that are nearest to due


@dataclass
class Entry:
    """An entry of a schedule that is due at regular times, as both kinds of Celery's schedules are."""

    name: str
    period: float = 60.0  #: seconds
    task: str = "shop.pack"
    queue: str = "mail"  #: where its messages go
    names_queue: bool = False  #: the entry has an option `queue`
    schedule: str = ""
    sent_at: float | None = None  #: wall clock
    is_enabled: bool = True
    is_stuck: bool = False  #: its scheduler never finds it due
    error: str = ""  #: class of the error at each attempt
    sends: int = 0
    errors: int = 0
    error_at: float | None = None
    late: float | None = None


@dataclass
class Beat:
    """One beat process. A scene changes its attributes."""

    fleet: "Fleet"
    hostname: str
    entries: dict[str, Entry]
    app: str = "shop"
    interval: float = 1.0
    max_interval: float = 300.0
    holds_lock: bool | None = None
    worker: str = ""  #: hostname of the worker that it is embedded in
    skew: float = 0.0  #: seconds by which the wall clock was set forward
    is_ticking: bool = True
    is_reporting: bool = True
    state: str = "online"
    boot: str = ""
    seq: int = 0
    ticked_at: float = 0.0
    wake_at: float = 0.0  #: monotonic time of the next tick
    due_at: float = 0.0  #: of the next report
    created: dict[str, float] = field(default_factory=dict)  #: wall clock at which each entry was first known
    turn: int = 0

    def __post_init__(self) -> None:
        now = self.fleet.clock.now
        self.boot = f"{self.fleet.random.getrandbits(64):016x}"
        self.started_at = self.ticked_at = self.due_at = now

    @property
    def wall(self) -> float:
        return self.fleet.clock.now + self.skew

    def due_in(self, entry: Entry) -> float:
        """Return the seconds until an entry is due."""
        since = self.created.setdefault(entry.name, self.wall) if entry.sent_at is None else entry.sent_at
        return since + entry.period - self.wall

    def work(self) -> None:
        """Tick and report, if that is due."""
        now = self.fleet.clock.now
        if self.is_ticking and now >= self.wake_at:
            self._tick()
        if self.is_reporting and now >= self.due_at:
            self.due_at = now + self.interval
            self.report()

    def kill(self) -> None:
        """End without a word."""
        self.fleet.beats.remove(self)

    def shut_down(self) -> None:
        """End with a last report."""
        self.state = "offline"
        self.report()
        self.fleet.beats.remove(self)

    def restart(self, hostname: str = "") -> "Beat":
        """Return another process with this schedule and what is known of its last sends."""
        entries = [Entry(**{**vars(entry), "sends": 0, "errors": 0, "error_at": None}) for entry in self._enabled()]
        options = {"app": self.app, "interval": self.interval, "holds_lock": self.holds_lock, "worker": self.worker}
        return self.fleet.add_beat(hostname or self.hostname, *entries, **options)

    def report(self) -> None:
        """Send a report."""
        now = self.fleet.clock.now
        self.seq += 1
        enabled = sorted(self._enabled(), key=self.due_in)
        shown, others = enabled[:NEAREST], enabled[NEAREST:]
        if others:
            self.turn += 1
            shown = [*shown, others[self.turn % len(others)]]
        names = "".join(sorted(f"{entry.name}={entry.task};" for entry in enabled))
        overdue = now - max(self.wake_at, self.ticked_at)
        report = BeatReport(
            boot=self.boot,
            seq=self.seq,
            app=self.app,
            hostname=self.hostname,
            interval=self.interval,
            state=self.state,  # type: ignore[arg-type]
            uptime=now - self.started_at,
            stalled_for=overdue if overdue > 1.5 * self.interval and self.holds_lock is not False else 0.0,
            tick_age=now - self.ticked_at,
            scheduler="celery.beat:PersistentScheduler",
            digest=hashlib.sha256(names.encode()).hexdigest()[:16],
            holds_lock=self.holds_lock,
            worker=self.worker,
            entry_count=len(enabled),
            sends=sum(entry.sends for entry in self.entries.values()),
            errors=sum(entry.errors for entry in self.entries.values()),
            entries=tuple(self._compose(entry) for entry in shown),
        )
        self.fleet.deliver_body(encode_beat(report), 0.0)

    def _enabled(self) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.is_enabled]

    def _tick(self) -> None:
        now = self.fleet.clock.now
        if self.holds_lock is False:
            return
        self.ticked_at = now
        ready = [entry for entry in self._enabled() if not entry.is_stuck]
        for entry in ready:
            while self.due_in(entry) <= 0:
                self._send(entry)
        nearest = min([self.due_in(entry) for entry in ready], default=self.max_interval)
        self.wake_at = now + min(self.max_interval, max(0.0, nearest))

    def _send(self, entry: Entry) -> None:
        late = max(0.0, -self.due_in(entry))
        # As Celery does: the next time counts from now if more than one was missed.
        entry.sent_at = self.wall - late if late < entry.period else self.wall
        if entry.error:
            entry.errors, entry.error_at = entry.errors + 1, self.wall
            return
        entry.sends, entry.late = entry.sends + 1, late
        self.fleet.send(entry.queue, name=entry.task)

    def _compose(self, entry: Entry) -> BeatEntry:
        failed = entry.error_at is not None and entry.error_at == entry.sent_at
        return BeatEntry(
            name=entry.name,
            task=entry.task,
            schedule=entry.schedule or f"every {entry.period:g} s",
            queue=entry.queue if entry.names_queue else "",
            due=self.due_in(entry),
            sent_age=None if entry.sent_at is None or failed else max(0.0, self.wall - entry.sent_at),
            sends=entry.sends,
            runs=entry.sends + entry.errors,
            errors=entry.errors,
            error=entry.error if entry.errors else "",
            error_age=None if entry.error_at is None else max(0.0, self.wall - entry.error_at),
            late=entry.late,
            period=None if entry.schedule else entry.period,
        )
