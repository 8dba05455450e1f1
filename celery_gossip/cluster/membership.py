"""Membership: the workers of a view by hostname, within a limit. Pure; time is passed in.

Owned by the Cluster, used under its lock. It adds and removes members together with their statistics and limits.
"""

from dataclasses import dataclass

from celery_gossip.cluster.limits import ViewLimits
from celery_gossip.cluster.member import Member
from celery_gossip.cluster.roster import GONE_RETENTION, Roster
from celery_gossip.cluster.silence_timeouts import SilenceTimeouts
from celery_gossip.cluster.statistics import TaskStatistics
from celery_gossip.cluster.view import WorkerState, WorkerView
from celery_gossip.wire.messages import Gossip

__all__ = ["GONE_RETENTION", "MAX_WORKERS", "Membership", "Transition"]

MAX_WORKERS = 2000  #: hostnames in the view; a live worker is never evicted for an unknown one


@dataclass(frozen=True)
class Transition:
    """A worker entered a state; the signal `worker_<state>` reports it."""

    state: WorkerState
    worker: WorkerView


class Membership(Roster[Member]):
    """Members by hostname, MAX_WORKERS at most."""

    def __init__(self, statistics: TaskStatistics, max_report_bytes: int) -> None:
        """Raise InvalidOption if `max_report_bytes` is out of range."""
        super().__init__()
        self.limits = ViewLimits(self.members, max_report_bytes)
        self._statistics = statistics

    def add(self, gossip: Gossip, now: float, *, is_verified: bool | None) -> Member | None:
        """Add a member for this report. Return None if the view is full and no member may be evicted."""
        if not self._has_place(is_verified=is_verified):
            return None
        member = self.members[gossip.hostname] = Member(gossip, now, is_verified=is_verified)
        return member

    def update_state(self, hostname: str, member: Member, now: float, timeouts: SilenceTimeouts) -> list[Transition]:
        """Update the state of this member. Return the transitions in order."""
        states = self._enter_states(hostname, member, now, timeouts)
        return [Transition(state, member.view(state, now)) for state in states]

    def _max_members(self) -> int:
        return MAX_WORKERS

    def _on_discard(self, name: str) -> None:
        self._statistics.discard_worker(name)

    def _on_removed(self, name: str) -> None:
        self.limits.release(name)
        self._statistics.remove_worker(name)
