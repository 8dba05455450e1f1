"""Member: the state machine of one hostname. Pure; no clock inside.

Used by the Membership under the Cluster's lock. An instance is one run of a worker. The current instance, the newest
one as a rule, represents the hostname; an instance that continues to report beside it is its rival.
"""

from collections.abc import Callable
from itertools import combinations
from math import inf
from typing import Any, cast

from celery_gossip.cluster.instance import Instance, InstanceTable, are_concurrent, reported_state
from celery_gossip.cluster.recording import Recording
from celery_gossip.cluster.report_size import strip_details
from celery_gossip.cluster.silence_timeouts import LOST_AFTER, SUSPECT_AFTER, SilenceTimeouts
from celery_gossip.cluster.view import WorkerState, WorkerView
from celery_gossip.wire.messages import Gossip

__all__ = ["LOST_AFTER", "SUSPECT_AFTER", "Member", "SilenceTimeouts"]

_RETENTION = 600.0  #: seconds for which the tasks that a restart interrupted are reported
_NOT_RECORDED = Recording()
_NO_STATE = cast(WorkerState, "")  #: before the first update_state(), and after another instance became current

#: Fields of a WorkerView, in order.
WorkerViewFields = tuple[Any, ...]


class Member:
    """Everything that is known of one hostname. After each update(), update_state() returns the states entered."""

    def __init__(self, gossip: Gossip, now: float, *, is_verified: bool | None = None) -> None:
        self.is_verified = is_verified  #: True if all its reports were signed; None if the listener has no secret
        self.state = _NO_STATE
        self.since = now  #: when it entered its state
        self._current = Instance(gossip, since=now, last_seen=now)
        self._current.start_recording()
        self._current_since = now
        self._previous: Instance | None = None  #: the current instance before this one
        self.instances = InstanceTable(self._current)
        self._by_boot = self.instances.by_boot
        self._rivals: tuple[Instance, ...] = ()
        self._replaced: Gossip | None = None
        self._is_stable = False  #: only a timeout can change its state before the next report

    @property
    def gossips(self) -> tuple[Gossip, ...]:
        """Latest report of the current instance, then those of its rivals."""
        if not self._rivals:
            return (self._current.gossip,)
        return (self._current.gossip, *(rival.gossip for rival in self._rivals))

    @property
    def reports(self) -> tuple[Gossip, ...]:
        """All reports in memory: the latest of each tracked instance, and of the previous one."""
        if len(self._by_boot) == 1 and self._previous is None:
            return (self._current.gossip,)
        return tuple(instance.gossip for instance in self._stored_instances())

    @property
    def queue_names(self) -> tuple[str, ...]:
        """Queues of all reports, in the order reported."""
        return tuple([check.queue for gossip in self.reports for check in gossip.checks])

    @property
    def last_seen(self) -> float:
        """Monotonic time of the current instance's latest report."""
        return self._current.last_seen

    def release_of(self, boot: str) -> str:
        """Return the release that this instance runs; empty if it is not known."""
        instance = self._by_boot.get(boot)
        return "" if instance is None or instance.software is None else instance.software.release

    def previous_report(self, boot: str) -> Gossip:
        """Return the latest report of this instance; of the current one if the instance is new."""
        return self._by_boot.get(boot, self._current).gossip

    def reduce_reports(self, reduce: Callable[[Gossip], Gossip]) -> None:
        """Replace each report by a smaller one; `reduce` must keep `boot`, `seq`, state and counts."""
        for instance in self._stored_instances():
            instance.gossip = reduce(instance.gossip)
        if self._replaced is not None:
            self._replaced = reduce(self._replaced)

    def update(self, gossip: Gossip, now: float, *, is_late: bool) -> bool:
        """Store this report. Return False if it is not newer than the latest one of its instance.

        A late report (received while the listener was isolated) is data, but no sign of life.
        """
        instance = self._by_boot.get(gossip.boot)
        if gossip.seq <= (self.instances.highest_seq(gossip.boot) if instance is None else instance.gossip.seq):
            return False
        if instance is not None:
            instance.update(gossip if instance is self._current else strip_details(gossip), now, is_late=is_late)
        elif not self._add_instance(gossip, now, is_late=is_late):
            return False
        self._is_stable = False
        return True

    def update_state(self, now: float, timeouts: SilenceTimeouts) -> list[WorkerState]:
        """Update the state, and return the states that were entered, in order: "suspect" always precedes "lost"."""
        if timeouts.is_frozen:
            return self._set_state(self._frozen_state(), now)
        current = self._current
        if self._is_stable and (
            current.is_overdue or not timeouts.is_suspect(current.gossip.interval, current.last_seen, now)
        ):
            return []
        self._review_instances(now, timeouts)
        state = self._compute_state(now, timeouts)
        # Several instances have to be compared each time, and a suspect worker may become lost.
        self._is_stable = len(self._by_boot) == 1 and state != "suspect"
        return self._set_state(state, now)

    def view(self, state: WorkerState, now: float) -> WorkerView:
        """Return a snapshot in this state."""
        return WorkerView(*self.view_fields(state, now))

    def view_fields(self, state: WorkerState, now: float) -> WorkerViewFields:
        """Return the fields of a WorkerView; takes a tenth of the time of view(), for use under the Cluster's lock."""
        current, rivals = self._current, self._rivals
        return (
            current.gossip,
            state,
            current.last_seen,
            self.since,
            max(0.0, now - current.last_seen),
            tuple(rival.gossip for rival in rivals) if rivals else (),
            self._replaced,
            self.is_verified,
            current.software,
            current.resources,
            None if current.resources is None else max(0.0, now - current.resources_at),
            _recording_of(current),
            _NOT_RECORDED if self._replaced is None else _recording_of(self._previous),
        )

    def _set_state(self, state: WorkerState, now: float) -> list[WorkerState]:
        if state == self.state:
            return []
        entered: list[WorkerState] = ["suspect", state] if state == "lost" and self.state != "suspect" else [state]
        self.state, self.since = state, now
        return entered

    def _add_instance(self, gossip: Gossip, now: float, *, is_late: bool) -> bool:
        """Add the instance of this report, and make it the current one where that is allowed."""
        instance, was_full = Instance(gossip, since=now, last_seen=now), self.instances.is_full
        if not self.instances.add(instance, self._current, now, is_late=is_late):
            return False
        may_take_over = not instance.is_shutting_down and (not was_full or self.instances.allow_takeover(now))
        if may_take_over or self._current.is_shutting_down or self._current.is_overdue:
            self._make_current(instance, now)
        else:
            instance.gossip = strip_details(gossip)
        return True

    def _stored_instances(self) -> list[Instance]:
        tracked, previous = list(self._by_boot.values()), self._previous
        if previous is None or self._by_boot.get(previous.gossip.boot) is previous:
            return tracked
        return [*tracked, previous]

    def _make_current(self, instance: Instance, now: float) -> None:
        if self._previous is not None and self._previous is not instance:
            self._previous.recorder = None
        self._previous, self._current, self._current_since = self._current, instance, now
        instance.start_recording()
        self._previous.gossip = strip_details(self._previous.gossip)
        if self.state != "conflict":
            self.state = _NO_STATE  # another instance enters its state, even if that is the same one

    def _review_instances(self, now: float, timeouts: SilenceTimeouts) -> None:
        """Check timeouts, and determine the current instance, its rivals and the interrupted one."""
        for instance in self._by_boot.values():
            instance.check_timeout(now, timeouts)
        if len(self._by_boot) == 1:
            return
        successor = self._successor(timeouts)
        if successor is not None:
            self._make_current(successor, now)
        self._rivals = self._reporting_rivals()
        self._replaced = self._interrupted_report(now)
        self._remove_ended(now)

    def _successor(self, timeouts: SilenceTimeouts) -> Instance | None:
        """Return the rival that becomes current, if the current instance has ended or is shutting down."""
        if not self._current.is_shutting_down and not self._current.is_overdue:
            return None
        candidates = [rival for rival in self._reporting_rivals() if self._can_succeed(rival, timeouts)]
        return max(candidates, key=lambda rival: (not rival.is_shutting_down, rival.since), default=None)

    def _can_succeed(self, rival: Instance, timeouts: SilenceTimeouts) -> bool:
        """Return True if it certainly runs: a delayed message alone does not prove that."""
        current = self._current
        if rival.is_shutting_down and not current.has_ended:
            return False
        if self.state == "conflict" or (current.has_ended and rival.last_seen > current.last_seen):
            return True
        return rival.last_seen - max(rival.since, current.since) > timeouts.suspect_timeout(rival.gossip.interval)

    def _reporting_rivals(self) -> tuple[Instance, ...]:
        """Return the other instances that reported since the current one started.

        In a conflict, which another restart does not end, all others that report.
        """
        since = self._current.since if self.state != "conflict" else -inf
        others = (instance for instance in self._by_boot.values() if instance is not self._current)
        return tuple(instance for instance in others if not instance.has_ended and instance.last_seen > since)

    def _interrupted_report(self, now: float) -> Gossip | None:
        """Return the last report of the previous instance if it ended while tasks ran."""
        previous = self._previous
        if previous is None or not previous.has_ended or not previous.gossip.active:
            return None
        return previous.gossip if self._is_retained(previous, now) else None

    def _remove_ended(self, now: float) -> None:
        for boot, instance in list(self._by_boot.items()):
            if instance is not self._current and instance.has_ended and not self._is_retained(instance, now):
                del self._by_boot[boot]

    def _is_retained(self, instance: Instance, now: float) -> bool:
        return now - max(instance.last_seen, self._current_since) <= _RETENTION

    def _compute_state(self, now: float, timeouts: SilenceTimeouts) -> WorkerState:
        current = self._current
        state = reported_state(current.gossip)
        if state == "offline":
            return state
        if current.is_overdue:
            is_lost = self.state == "lost" or timeouts.is_lost(current.gossip.interval, current.last_seen, now)
            return "lost" if is_lost else "suspect"
        return "conflict" if self._has_conflict(timeouts) else state

    def _frozen_state(self) -> WorkerState:
        """Return the state while the listener is isolated.

        A new instance and a clean shutdown are reported, but no worker becomes overdue, and none recovers.
        """
        state = reported_state(self._current.gossip)
        if self.state == "conflict":
            return self.state
        return self.state if self._current.is_overdue and state != "offline" else state

    def _has_conflict(self, timeouts: SilenceTimeouts) -> bool:
        """Return True if two instances run at the same time. A conflict lasts until only one of them reports."""
        if not self._rivals or self._current.is_shutting_down:
            return False
        rivals = [rival for rival in self._rivals if not rival.is_shutting_down]
        if self.state == "conflict":
            return bool(rivals)
        return any(are_concurrent(one, other, timeouts) for one, other in combinations((self._current, *rivals), 2))


def _recording_of(instance: Instance | None) -> Recording:
    return _NOT_RECORDED if instance is None or instance.recorder is None else instance.recorder.recording()
