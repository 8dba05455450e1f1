"""Roster: members of a view by name, within a limit. Pure; time is passed in.

Base class of Membership (workers) and BeatMembership (beat processes), used under the Cluster's lock.
"""

from typing import Any, Generic, TypeVar

from celery_gossip.cluster.silence_timeouts import SilenceTimeouts
from celery_gossip.cluster.state_machine import StateMachine
from celery_gossip.cluster.view import GONE, WorkerState
from celery_gossip.errors import RejectedGossip

__all__ = ["GONE_RETENTION", "Roster"]

GONE_RETENTION = 600.0  #: seconds after which a member that is offline or lost is removed from the view

_Member = TypeVar("_Member", bound=StateMachine[Any])


class Roster(Generic[_Member]):
    """Members by name."""

    def __init__(self) -> None:
        self.members: dict[str, _Member] = {}
        self._gone: dict[str, None] = {}  #: names of members that are offline or lost, in the order in which they went

    @property
    def live_count(self) -> int:
        """Number of members that are neither offline nor lost."""
        return len(self.members) - len(self._gone)

    def find(self, name: str, *, is_verified: bool | None) -> _Member | None:
        """Return the member that a report under this name belongs to; None if it is a new one.

        A verified report replaces everything that was reported under its name without a signature. Raises
        RejectedGossip for an unverified report of a verified member.
        """
        member = self.members.get(name)
        if member is None or bool(member.is_verified) == bool(is_verified):
            return member
        if member.is_verified:
            raise RejectedGossip("unsigned", f"{name!r} has sent signed messages before")
        self._on_discard(name)
        self._remove(name)
        return None

    def remove_expired(self, now: float) -> None:
        """Remove members that have been offline or lost for longer than they are retained."""
        for name in list(self._gone):
            if now - self.members[name].since <= GONE_RETENTION:
                return
            if not self._is_retained(name, now):
                self._remove(name)

    def _has_place(self, *, is_verified: bool | None) -> bool:
        """Return True if a member may be added, after the removal of another one if necessary."""
        return len(self.members) < self._max_members() or self._evict(is_verified=is_verified)

    def _max_members(self) -> int:
        raise NotImplementedError

    def _enter_states(self, name: str, member: _Member, now: float, timeouts: SilenceTimeouts) -> list[WorkerState]:
        """Update the state of this member. Return the states that it entered, in order."""
        states = member.update_state(now, timeouts)
        if states:
            self._gone.pop(name, None)
            if member.state in GONE:
                self._gone[name] = None
        return states

    def _evict(self, *, is_verified: bool | None) -> bool:
        """Remove one member to make place for another. Return False if none may be removed.

        That is the unverified one that has been gone for longest. For a verified member also the unverified one that
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

    def _remove(self, name: str) -> None:
        self._gone.pop(name, None)
        del self.members[name]
        self._on_removed(name)

    def _is_retained(self, name: str, now: float) -> bool:
        """Return True if this member stays in the view although it has been gone for GONE_RETENTION."""
        return False

    def _on_discard(self, name: str) -> None:
        """Do what is due before a verified member replaces an unverified one."""

    def _on_removed(self, name: str) -> None:
        """Do what is due after a member was removed."""
