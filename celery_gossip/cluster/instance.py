"""Instance: one run of a process that reports, from its start to its end, by its `boot`. Pure; time is passed in.

Used by StateMachine and its subclasses alone. An InstanceTable holds the instances of one hostname, within limits.
"""

from dataclasses import dataclass
from math import inf
from typing import Any, Generic, Protocol, TypeVar, cast

from celery_gossip.cluster.silence_timeouts import SilenceTimeouts
from celery_gossip.cluster.view import WorkerState

__all__ = ["Instance", "InstanceTable", "Report", "are_concurrent", "reported_state"]

_MAX_INSTANCES = 8  #: tracked per hostname
_MAX_EVICTED = 200  #: evicted instances that are remembered per hostname
_MAX_TAKEOVERS = 32  #: per second and hostname, of instances for which another one had to be evicted
_NO_TAKEOVERS = (-inf, 0)


class Report(Protocol):
    """Fields of a report that decide about the state of its sender (Gossip, Beat)."""

    @property
    def boot(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def interval(self) -> float: ...
    @property
    def state(self) -> str:
        """`online`, `draining` or `offline`."""

    @property
    def stalled_for(self) -> float: ...


_Report = TypeVar("_Report", bound=Report)
_Any = TypeVar("_Any", bound="Instance[Any]")


@dataclass
class Instance(Generic[_Report]):
    """Latest report of one instance, and when it reported."""

    report: _Report
    since: float  #: time of its first report, or of its first report after a timeout
    last_seen: float
    is_overdue: bool = False  #: no report within the timeout; only a new report clears this, not a longer timeout
    has_advanced: bool = False  #: a second report with a higher `seq` arrived

    @property
    def is_shutting_down(self) -> bool:
        """True from the start of its shutdown on, and after it."""
        return self.report.state != "online"

    @property
    def has_ended(self) -> bool:
        """True if it shut down, or stopped reporting."""
        return self.is_overdue or self.report.state == "offline"

    @property
    def is_active(self) -> bool:
        """True while it does its work: two active instances with one hostname are a conflict."""
        return not self.is_shutting_down

    def update(self, report: _Report, now: float, *, is_late: bool) -> None:
        """Store a newer report. A late one is data, but no sign of life."""
        had_shut_down, self.report = self.report.state == "offline", report
        self.has_advanced = True
        if is_late:
            self.is_overdue = self.is_overdue and not had_shut_down  # no report was expected after a clean shutdown
            return
        self.last_seen = now
        if self.is_overdue:
            self.since, self.is_overdue = now, False

    def check_timeout(self, now: float, timeouts: SilenceTimeouts) -> None:
        self.is_overdue = self.is_overdue or timeouts.is_suspect(self.report.interval, self.last_seen, now)

    @property
    def eviction_order(self) -> tuple[bool, bool, float]:
        """Sort key, the first to be evicted first: overdue, then reported only once, then the oldest."""
        return (not self.is_overdue, not self.is_overdue and self.has_advanced, self._age_mark)

    @property
    def _age_mark(self) -> float:
        return self.last_seen if self.is_overdue else self.since

    def overlap_with(self, other: "Instance[Any]") -> float:
        """Return the seconds during which both reported."""
        return min(self.last_seen, other.last_seen) - max(self.since, other.since)


class InstanceTable(Generic[_Any]):
    """Instances of one hostname by `boot`, _MAX_INSTANCES at most. The current instance is never evicted."""

    def __init__(self, first: _Any) -> None:
        self.by_boot = {first.report.boot: first}
        self._evicted: dict[str, tuple[int, float]] = {}  #: `{boot: (highest seq, time of eviction)}`, oldest first
        self._takeovers = _NO_TAKEOVERS  #: start of a second, and number of takeovers in it

    def highest_seq(self, boot: str) -> int:
        """Return the number of the latest report of this instance, 0 if it is unknown."""
        known = self.by_boot.get(boot)
        if known is not None:
            return int(known.report.seq)
        evicted = self._evicted.get(boot)
        return 0 if evicted is None else evicted[0]

    def add(self, instance: _Any, current: _Any, now: float, *, is_late: bool) -> bool:
        """Add an instance that is not tracked. Return False if there is no place for it.

        An instance that was never seen always gets a place. One that was evicted gets it back only if that evicts no
        instance that reports: else two of them would evict each other with each report.
        """
        boot, seq = instance.report.boot, instance.report.seq
        evicted = self._evicted.get(boot)
        if evicted is None:
            self._evict(current, now)
        elif self.is_full and (is_late or not self._evict_for_return(current, evicted[1], now)):
            self._evicted[boot] = (seq, evicted[1])
            return False
        else:
            self._evicted.pop(boot, None)  # an eviction in its favour may have removed the oldest entry, this one
        self.by_boot[boot] = instance
        return True

    @property
    def is_full(self) -> bool:
        """True if the next instance evicts another one."""
        return len(self.by_boot) >= _MAX_INSTANCES

    def allow_takeover(self, now: float) -> bool:
        """Return True if another instance may become the current one of a full table; each time is a transition."""
        start, count = self._takeovers
        self._takeovers = (start, count + 1) if now - start < 1.0 else (now, 1)
        return self._takeovers[1] <= _MAX_TAKEOVERS

    def _evict_for_return(self, current: _Any, evicted_at: float, now: float) -> bool:
        """Evict an instance in favour of one that was evicted before. Return False if all of them report."""
        weakest = self._weakest(current)
        if weakest.is_overdue or (not weakest.has_advanced and weakest.since > evicted_at):
            self._evict(current, now)
            return True
        return False

    def _evict(self, current: _Any, now: float) -> None:
        """Evict instances until there is a place, and remember their `seq`, so that replayed reports are refused."""
        while self.is_full:
            weakest = self._weakest(current).report
            del self.by_boot[weakest.boot]
            self._evicted[weakest.boot] = (weakest.seq, now)
            if len(self._evicted) > _MAX_EVICTED:
                del self._evicted[next(iter(self._evicted))]

    def _weakest(self, current: _Any) -> _Any:
        candidates = (instance for instance in self.by_boot.values() if instance is not current)
        return min(candidates, key=lambda instance: instance.eviction_order)


def are_concurrent(one: Instance[Any], other: Instance[Any], timeouts: SilenceTimeouts) -> bool:
    """Return True if both run at the same time: they overlap for longer than a message of the older may be delayed."""
    older = min(one, other, key=lambda instance: instance.since)
    return one.overlap_with(other) > timeouts.suspect_timeout(older.report.interval)


def reported_state(report: Report) -> WorkerState:
    """Return the state of a process according to its own report."""
    if report.state == "online" and report.stalled_for > 0:
        return "stalled"
    return cast(WorkerState, report.state)
