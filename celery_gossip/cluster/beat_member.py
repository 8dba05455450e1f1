"""BeatMember and BeatMembership: the beat processes of a view, within limits. Pure; time is passed in.

Owned by the Cluster, used under its lock. What reports decide about the state is in StateMachine.
"""

from dataclasses import dataclass
from typing import cast

import msgspec

from celery_gossip.cluster.beat_view import BeatState, BeatView
from celery_gossip.cluster.fair_share import FairShare
from celery_gossip.cluster.instance import Instance
from celery_gossip.cluster.roster import Roster
from celery_gossip.cluster.schedule_entries import ScheduleEntries
from celery_gossip.cluster.silence_timeouts import SilenceTimeouts
from celery_gossip.cluster.state_machine import StateMachine
from celery_gossip.wire.messages import Beat

__all__ = ["MAX_BEATS", "MAX_ENTRIES", "BeatMember", "BeatMembership", "BeatTransition", "beat_key"]

MAX_BEATS = 100  #: beat processes in the view; a live one is never evicted for an unknown one
MAX_ENTRIES = 5000  #: entries of all of them
UNREPLACED_RETENTION = 86_400.0  #: seconds for which a process is retained that was the last one of its app
_MAX_RIVAL_ENTRIES = 20  #: entries kept of an instance that is not the current one


@dataclass(frozen=True)
class BeatTransition:
    """A beat process entered a state; the signal `beat_<state>` reports it."""

    state: BeatState
    beat: BeatView


def beat_key(hostname: str, app: str) -> str:
    """Return the name of a member: several apps may have a beat with the same hostname. Names contain no NUL."""
    return f"{hostname}\0{app}"


class _BeatInstance(Instance[Beat]):
    """One run of a beat process."""

    @property
    def is_active(self) -> bool:
        """True if it sends: not if it waits for the lock of its scheduler."""
        return self.report.holds_lock is not False and super().is_active


def _app_of(name: str) -> str:
    return name.partition("\0")[2]


class BeatMember(StateMachine[_BeatInstance]):
    """Everything that is known of one hostname and app."""

    def __init__(self, beat: Beat, now: float, *, is_verified: bool | None = None) -> None:
        super().__init__(_BeatInstance(beat, since=now, last_seen=now), is_verified=is_verified)
        self.entries = ScheduleEntries()
        self.entries.update(beat, now)

    def update(self, report: Beat, now: float, *, is_late: bool) -> bool:
        """Store this report. Return False if it is not newer than the latest one of its instance."""
        if not super().update(report, now, is_late=is_late):
            return False
        if self._current.report is report:
            self.entries.update(report, now)
        return True

    def view(self, state: BeatState, now: float) -> BeatView:
        """Return a snapshot in this state."""
        current = self._current
        return BeatView(
            current.report,
            state,
            heard_at=current.last_seen,
            state_since=self.since,
            age=max(0.0, now - current.last_seen),
            rivals=tuple([rival.report for rival in self._rivals]),
            is_verified=self.is_verified,
            entries=self.entries.views(),
        )

    def current_view(self, now: float) -> BeatView:
        """Return a snapshot in its present state."""
        return self.view(cast(BeatState, self.state), now)

    def _new_instance(self, report: Beat, now: float) -> _BeatInstance:
        return _BeatInstance(report, since=now, last_seen=now)

    def _may_lead(self, instance: _BeatInstance) -> bool:
        return super()._may_lead(instance) and (instance.is_active or not self._current.is_active)

    def _strip(self, report: Beat) -> Beat:
        if len(report.entries) <= _MAX_RIVAL_ENTRIES:
            return report
        return msgspec.structs.replace(report, entries=report.entries[:_MAX_RIVAL_ENTRIES])


class BeatMembership(Roster[BeatMember]):
    """Beat processes by beat_key(), MAX_BEATS at most, with MAX_ENTRIES entries in all."""

    def __init__(self) -> None:
        super().__init__()
        self._shares = FairShare(MAX_ENTRIES, self._is_verified)

    def apply(
        self, beat: Beat, now: float, timeouts: SilenceTimeouts, *, is_verified: bool | None
    ) -> list[BeatTransition]:
        """Apply a report. Raises RejectedGossip for an unverified report of a verified member."""
        name = beat_key(beat.hostname, beat.app)
        member = self.find(name, is_verified=is_verified)
        if member is None:
            if not self._has_place(is_verified=is_verified):
                return []
            member = self.members[name] = BeatMember(beat, now, is_verified=is_verified)
        elif not member.update(beat, now, is_late=timeouts.is_frozen):
            return []
        self._limit_entries(name, member)
        return self.update_state(name, member, now, timeouts)

    def update_state(
        self, name: str, member: BeatMember, now: float, timeouts: SilenceTimeouts
    ) -> list[BeatTransition]:
        """Update the state of this member. Return the transitions in order."""
        states = [cast(BeatState, state) for state in self._enter_states(name, member, now, timeouts)]
        return [BeatTransition(state, member.view(state, now)) for state in states]

    def expire(self, now: float, timeouts: SilenceTimeouts) -> list[BeatTransition]:
        """Apply the timeouts to members that do not report, and remove expired ones."""
        transitions: list[BeatTransition] = []
        for name, member in self.members.items():
            transitions += self.update_state(name, member, now, timeouts)
        self.remove_expired(now)
        return transitions

    def views(self, now: float) -> tuple[BeatView, ...]:
        """Return a snapshot of all members, sorted by hostname and app."""
        return tuple([self.members[name].current_view(now) for name in sorted(self.members)])

    def has(self, hostname: str, app: str) -> bool:
        """Return True if this beat process is in the view."""
        return beat_key(hostname, app) in self.members

    def highest_seq(self, hostname: str, app: str, boot: str, is_verified: bool | None) -> tuple[int, bool]:
        """Return the number of the latest report of this instance, and True if it is tracked; see Cluster."""
        member = self.members.get(beat_key(hostname, app))
        if member is None or bool(member.is_verified) != bool(is_verified):
            return 0, False
        return member.highest_seq(boot)

    def _is_verified(self, name: str) -> bool:
        member = self.members.get(name)
        return member is not None and bool(member.is_verified)

    def _limit_entries(self, name: str, member: BeatMember) -> None:
        wanted = len(member.entries)
        if not self._shares.try_set_usage(name, wanted):
            granted = self._shares.allocate(name, wanted, self._reduce)
            member.entries.limit(granted)
            self._shares.set_usage(name, len(member.entries))

    def _reduce(self, name: str, units: int) -> None:
        entries = self.members[name].entries
        entries.limit(units)
        self._shares.set_usage(name, len(entries))

    def _max_members(self) -> int:
        return MAX_BEATS

    def _is_retained(self, name: str, now: float) -> bool:
        """Return True if no other beat process of its app runs: its schedule is perhaps not sent any more."""
        if now - self.members[name].since > UNREPLACED_RETENTION:
            return False
        app = _app_of(name)
        return not any(_app_of(other) == app for other in self.members if other not in self._gone)

    def _on_removed(self, name: str) -> None:
        self._shares.release(name)
