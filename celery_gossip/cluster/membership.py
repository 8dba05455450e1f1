"""Membership: the workers of a view by hostname, within a limit. Pure; time is passed in.

Owned by the Cluster, used under its lock. It adds and removes members together with their statistics and limits.
"""

from dataclasses import dataclass

from celery_gossip.cluster.limits import ViewLimits
from celery_gossip.cluster.member import Member
from celery_gossip.cluster.silence_timeouts import SilenceTimeouts
from celery_gossip.cluster.statistics import TaskStatistics
from celery_gossip.cluster.view import GONE, WorkerState, WorkerView
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.messages import Gossip

__all__ = ["GONE_RETENTION", "MAX_WORKERS", "Membership", "Transition"]

GONE_RETENTION = 600.0  #: seconds after which a worker that is offline or lost is removed from the view
MAX_WORKERS = 2000  #: hostnames in the view; a live worker is never evicted for an unknown one


@dataclass(frozen=True)
class Transition:
    """A worker entered a state; the signal `worker_<state>` reports it."""

    state: WorkerState
    worker: WorkerView


class Membership:
    """Members by hostname, MAX_WORKERS at most."""

    def __init__(self, statistics: TaskStatistics, max_report_bytes: int) -> None:
        """Raise InvalidOption if `max_report_bytes` is out of range."""
        self.members: dict[str, Member] = {}
        self.limits = ViewLimits(self.members, max_report_bytes)
        self._statistics = statistics
        self._gone: dict[str, None] = {}  #: hostnames of offline and lost workers, in the order in which they went

    @property
    def live_count(self) -> int:
        """Number of workers that are neither offline nor lost."""
        return len(self.members) - len(self._gone)

    def find(self, hostname: str, *, is_verified: bool | None) -> Member | None:
        """Return the member that this report belongs to; None if it is a new one.

        A verified report replaces everything that was reported under its hostname without a signature. Raises
        RejectedGossip for an unverified report of a verified member.
        """
        member = self.members.get(hostname)
        if member is None or bool(member.is_verified) == bool(is_verified):
            return member
        if member.is_verified:
            raise RejectedGossip("unsigned", f"{hostname!r} has sent signed messages before")
        self._statistics.discard_worker(hostname)
        self._remove(hostname)
        return None

    def add(self, gossip: Gossip, now: float, *, is_verified: bool | None) -> Member | None:
        """Add a member for this report. Return None if the view is full and no member may be evicted."""
        if len(self.members) >= MAX_WORKERS and not self._evict(is_verified=is_verified):
            return None
        member = self.members[gossip.hostname] = Member(gossip, now, is_verified=is_verified)
        return member

    def update_state(self, hostname: str, member: Member, now: float, timeouts: SilenceTimeouts) -> list[Transition]:
        """Update the state of this member. Return the transitions in order."""
        states = member.update_state(now, timeouts)
        if not states:
            return []
        self._gone.pop(hostname, None)
        if member.state in GONE:
            self._gone[hostname] = None
        return [Transition(state, member.view(state, now)) for state in states]

    def remove_expired(self, now: float) -> None:
        """Remove members that have been offline or lost for GONE_RETENTION."""
        for hostname in list(self._gone):
            if now - self.members[hostname].since <= GONE_RETENTION:
                return
            self._remove(hostname)

    def _evict(self, *, is_verified: bool | None) -> bool:
        """Remove one member to make place for another. Return False if none may be removed.

        That is the unverified one that has been gone for longest. For a verified worker also the unverified one that
        reported longest ago, then a verified one that is gone.
        """
        victim = next((name for name in self._gone if not self.members[name].is_verified), None)
        if victim is None and is_verified:
            unverified = [name for name, member in self.members.items() if not member.is_verified]
            oldest_gone = next(iter(self._gone), None)
            victim = min(unverified, key=lambda name: self.members[name].last_seen, default=oldest_gone)
        if victim is not None:
            self._remove(victim)
        return victim is not None

    def _remove(self, hostname: str) -> None:
        self._gone.pop(hostname, None)
        del self.members[hostname]
        self.limits.release(hostname)
        self._statistics.remove_worker(hostname)
