"""StateMachine: the states of one hostname, by the reports of its instances. Pure; no clock inside.

Base class of Member (a worker) and BeatMember (a beat process), used under the Cluster's lock. An instance is one run
of the process. The current instance, the newest one as a rule, represents the hostname; an instance that continues to
report beside it is its rival.
"""

from itertools import combinations
from math import inf
from typing import Any, Generic, TypeVar, cast

from celery_gossip.cluster.instance import Instance, InstanceTable, are_concurrent, reported_state
from celery_gossip.cluster.silence_timeouts import SilenceTimeouts
from celery_gossip.cluster.view import WorkerState

__all__ = ["RETENTION", "StateMachine"]

RETENTION = 600.0  #: seconds for which an instance that ended beside another one is kept
_NO_STATE = cast(WorkerState, "")  #: before the first update_state(), and after another instance became current

_Instance = TypeVar("_Instance", bound=Instance[Any])


class StateMachine(Generic[_Instance]):
    """Instances of one hostname and their state. After each update(), update_state() returns the states entered."""

    def __init__(self, first: _Instance, *, is_verified: bool | None = None) -> None:
        self.is_verified = is_verified  #: True if all its reports were signed; None if the listener has no secret
        self.state = _NO_STATE
        self.since = first.since  #: when it entered its state
        self._current = first
        self._current_since = first.since
        self._previous: _Instance | None = None  #: the current instance before this one
        self.instances = InstanceTable(first)
        self._by_boot = self.instances.by_boot
        self._rivals: tuple[_Instance, ...] = ()
        self._is_stable = False  #: only a timeout can change its state before the next report

    @property
    def last_seen(self) -> float:
        """Monotonic time of the current instance's latest report."""
        return self._current.last_seen

    def highest_seq(self, boot: str) -> tuple[int, bool]:
        """Return the number of the latest report of this instance, and True if the instance is tracked."""
        return self.instances.highest_seq(boot), boot in self._by_boot

    def update(self, report: Any, now: float, *, is_late: bool) -> bool:
        """Store this report. Return False if it is not newer than the latest one of its instance.

        A late report (received while the listener was isolated) is data, but no sign of life.
        """
        instance = self._by_boot.get(report.boot)
        if report.seq <= (self.instances.highest_seq(report.boot) if instance is None else instance.report.seq):
            return False
        if instance is not None:
            instance.update(report if instance is self._current else self._strip(report), now, is_late=is_late)
        elif not self._add_instance(report, now, is_late=is_late):
            return False
        self._is_stable = False
        return True

    def update_state(self, now: float, timeouts: SilenceTimeouts) -> list[WorkerState]:
        """Update the state, and return the states that were entered, in order: "suspect" always precedes "lost"."""
        if timeouts.is_frozen:
            return self._set_state(self._frozen_state(), now)
        current = self._current
        if self._is_stable and (
            current.is_overdue or not timeouts.is_suspect(current.report.interval, current.last_seen, now)
        ):
            return []
        self._review_instances(now, timeouts)
        state = self._compute_state(now, timeouts)
        # Several instances have to be compared each time, and a suspect worker may become lost.
        self._is_stable = len(self._by_boot) == 1 and state != "suspect"
        return self._set_state(state, now)

    def _set_state(self, state: WorkerState, now: float) -> list[WorkerState]:
        if state == self.state:
            return []
        entered: list[WorkerState] = ["suspect", state] if state == "lost" and self.state != "suspect" else [state]
        self.state, self.since = state, now
        return entered

    def _new_instance(self, report: Any, now: float) -> _Instance:
        """Return an instance with this first report."""
        raise NotImplementedError

    def _strip(self, report: Any) -> Any:
        """Return what is kept of a report of an instance that is not the current one."""
        return report

    def _may_lead(self, instance: _Instance) -> bool:
        """Return True if a new instance may become the current one although that one reports."""
        return not instance.is_shutting_down

    def _on_current(self, instance: _Instance, now: float) -> None:
        """Do what is due when an instance becomes the current one, before it does."""

    def _add_instance(self, report: Any, now: float, *, is_late: bool) -> bool:
        """Add the instance of this report, and make it the current one where that is allowed."""
        instance, was_full = self._new_instance(report, now), self.instances.is_full
        if not self.instances.add(instance, self._current, now, is_late=is_late):
            return False
        may_take_over = self._may_lead(instance) and (not was_full or self.instances.allow_takeover(now))
        if may_take_over or self._current.is_shutting_down or self._current.is_overdue:
            self._make_current(instance, now)
        else:
            instance.report = self._strip(report)
        return True

    def _make_current(self, instance: _Instance, now: float) -> None:
        self._on_current(instance, now)
        self._previous, self._current, self._current_since = self._current, instance, now
        self._previous.report = self._strip(self._previous.report)
        if self.state != "conflict":
            self.state = _NO_STATE  # another instance enters its state, even if that is the same one

    def _review_instances(self, now: float, timeouts: SilenceTimeouts) -> None:
        """Check timeouts, and determine the current instance and its rivals."""
        for instance in self._by_boot.values():
            instance.check_timeout(now, timeouts)
        if len(self._by_boot) == 1:
            return
        successor = self._successor(timeouts)
        if successor is not None:
            self._make_current(successor, now)
        self._rivals = self._reporting_rivals()
        self._remove_ended(now)

    def _successor(self, timeouts: SilenceTimeouts) -> _Instance | None:
        """Return the rival that becomes current, if the current instance has ended or is shutting down."""
        if not self._current.is_shutting_down and not self._current.is_overdue:
            return None
        candidates = [rival for rival in self._reporting_rivals() if self._can_succeed(rival, timeouts)]
        return max(candidates, key=lambda rival: (not rival.is_shutting_down, rival.since), default=None)

    def _can_succeed(self, rival: _Instance, timeouts: SilenceTimeouts) -> bool:
        """Return True if it certainly runs: a delayed message alone does not prove that."""
        current = self._current
        if rival.is_shutting_down and not current.has_ended:
            return False
        if self.state == "conflict" or (current.has_ended and rival.last_seen > current.last_seen):
            return True
        return rival.last_seen - max(rival.since, current.since) > timeouts.suspect_timeout(rival.report.interval)

    def _reporting_rivals(self) -> tuple[_Instance, ...]:
        """Return the other instances that reported since the current one started.

        In a conflict, which another restart does not end, all others that report.
        """
        since = self._current.since if self.state != "conflict" else -inf
        others = (instance for instance in self._by_boot.values() if instance is not self._current)
        return tuple(instance for instance in others if not instance.has_ended and instance.last_seen > since)

    def _remove_ended(self, now: float) -> None:
        for boot, instance in list(self._by_boot.items()):
            if instance is not self._current and instance.has_ended and not self._is_retained(instance, now):
                del self._by_boot[boot]

    def _is_retained(self, instance: _Instance, now: float) -> bool:
        return now - max(instance.last_seen, self._current_since) <= RETENTION

    def _compute_state(self, now: float, timeouts: SilenceTimeouts) -> WorkerState:
        current = self._current
        state = reported_state(current.report)
        if state == "offline":
            return state
        if current.is_overdue:
            is_lost = self.state == "lost" or timeouts.is_lost(current.report.interval, current.last_seen, now)
            return "lost" if is_lost else "suspect"
        return "conflict" if self._has_conflict(timeouts) else state

    def _frozen_state(self) -> WorkerState:
        """Return the state while the listener is isolated.

        A new instance and a clean shutdown are reported, but no worker becomes overdue, and none recovers.
        """
        state = reported_state(self._current.report)
        if self.state == "conflict":
            return self.state
        return self.state if self._current.is_overdue and state != "offline" else state

    def _has_conflict(self, timeouts: SilenceTimeouts) -> bool:
        """Return True if two instances run at the same time. A conflict lasts until only one of them reports."""
        if not self._rivals or not self._current.is_active:
            return False
        rivals = [rival for rival in self._rivals if rival.is_active]
        if self.state == "conflict":
            return bool(rivals)
        return any(are_concurrent(one, other, timeouts) for one, other in combinations((self._current, *rivals), 2))
