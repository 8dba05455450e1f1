"""Member: the state machine of one hostname, and the Patience with which its silence is judged. Pure; no clock inside.

Used by the Cluster under its lock. A boot is one start of a worker; the holder is the boot that the hostname stands
for, the one that was heard of last. A boot that goes on speaking beside the holder is its rival.
"""

from dataclasses import dataclass
from itertools import combinations
from math import inf

from celery_gossip.errors import InvalidOption
from celery_gossip.messages import Gossip
from celery_gossip.view import WorkerView

__all__ = ["LOST_AFTER", "SUSPECT_AFTER", "Member", "Patience"]

SUSPECT_AFTER = 3.5  #: silence that makes a worker suspect, in units of its own interval
LOST_AFTER = 10.0  #: likewise lost
_MOST = 1e6
_LEAST = 0.5  #: seconds; no silence is judged faster than this
_GRACE = 3.0  #: intervals of a healed listener in which no silence counts
_LEAST_GRACE = 3.0  #: seconds likewise: so long a sender may wait before it tries the broker again
_MOST_BOOTS = 8  #: remembered per hostname
_REMEMBERED = 600.0  #: seconds for which the tasks that a restart left behind are told


@dataclass(frozen=True)
class Patience:
    """How silence is judged at this moment, in units of each worker's own interval.

    `lag` is the listener's own, in seconds: what it may have missed widens every limit (Lifeguard: Local Health
    Aware Suspicion, Dadgar, Phillips, Currey 2017).
    """

    suspect: float = SUSPECT_AFTER
    lost: float = LOST_AFTER
    lag: float = 0.0
    healed_at: float | None = None  #: monotonic seconds at which the listener last ceased to be isolated
    is_frozen: bool = False  #: the listener is isolated: silence proves nothing

    def __post_init__(self) -> None:
        _require_intervals("suspect_after", self.suspect, above=0.0)
        _require_intervals("lost_after", self.lost, above=self.suspect)

    def is_suspect(self, interval: float, heard_at: float, now: float) -> bool:
        return self._silence(interval, heard_at, now) > self.limit(interval)

    def is_lost(self, interval: float, heard_at: float, now: float) -> bool:
        return self._silence(interval, heard_at, now) > max(_LEAST, self.lost * interval) + self.lag

    def limit(self, interval: float) -> float:
        """Seconds of silence after which a worker of this interval is suspect."""
        return max(_LEAST, self.suspect * interval) + self.lag

    def _silence(self, interval: float, heard_at: float, now: float) -> float:
        if self.healed_at is None:
            return now - heard_at
        return now - max(heard_at, self.healed_at + max(_LEAST_GRACE, _GRACE * interval))


@dataclass
class _Boot:
    """One start of the worker, as last heard."""

    gossip: Gossip
    since: float  #: when it began to speak, or began again after it had been silent
    heard_at: float
    is_silent: bool = False  #: for longer than its limit; ended by a fresh message alone, not by a limit that grows

    @property
    def is_leaving(self) -> bool:
        return self.gossip.state != "online"

    @property
    def is_over(self) -> bool:
        """Whether it is gone, as far as one can tell."""
        return self.is_silent or self.gossip.state == "offline"

    def hear(self, gossip: Gossip, now: float, *, is_late: bool) -> None:
        has_returned, self.gossip = self.gossip.state == "offline", gossip
        if is_late:
            self.is_silent = self.is_silent and not has_returned  # after a goodbye nothing was expected of it
            return
        self.heard_at = now
        if self.is_silent:
            self.since, self.is_silent = now, False

    def judge(self, now: float, patience: Patience) -> None:
        self.is_silent = self.is_silent or patience.is_suspect(self.gossip.interval, self.heard_at, now)

    def spoke_beside(self, other: "_Boot") -> float:
        """Seconds for which both were heard."""
        return min(self.heard_at, other.heard_at) - max(self.since, other.since)


class Member:
    """What is known under one hostname. hear() takes a gossip, judge() then gives the states that were entered."""

    def __init__(self, gossip: Gossip, now: float, *, is_verified: bool | None = None) -> None:
        self.is_verified = is_verified  #: True where all that is known of it was signed; None where nobody can tell
        self._holder = _Boot(gossip, since=now, heard_at=now)
        self._held_since = now
        self._predecessor: _Boot | None = None
        self._boots = {gossip.boot: self._holder}
        self._rivals: tuple[_Boot, ...] = ()
        self._replaced: Gossip | None = None
        self._is_settled = False
        self.state = ""
        self.since = now

    @property
    def gossips(self) -> tuple[Gossip, ...]:
        """The latest of the holder, then those of its rivals."""
        return (self._holder.gossip, *(boot.gossip for boot in self._rivals))

    @property
    def heard_at(self) -> float:
        """When the holder was heard, monotonic seconds."""
        return self._holder.heard_at

    def hear(self, gossip: Gossip, now: float, *, is_late: bool) -> bool:
        """Take this gossip; False for one that is older than what is known of its boot, or of one boot too many.

        A late one tells what was, not that the worker lives.
        """
        boot = self._boots.get(gossip.boot)
        if boot is None:
            if not self._make_room():
                return False
            self._begin(_Boot(gossip, since=now, heard_at=now), now)
        elif gossip.seq <= boot.gossip.seq:
            return False
        else:
            boot.hear(gossip, now, is_late=is_late)
        self._is_settled = False
        return True

    def judge(self, now: float, patience: Patience) -> list[str]:
        """The states that are entered by `now`, in order: nobody is lost who was not suspect before."""
        if patience.is_frozen:
            return self._enter(self._frozen_state(), now)
        holder = self._holder
        if self._is_settled and (
            holder.is_silent or not patience.is_suspect(holder.gossip.interval, holder.heard_at, now)
        ):
            return []
        self._weigh(now, patience)
        state = self._state(now, patience)
        # Nothing but silence can change what is told now, unless several boots have to be weighed.
        self._is_settled = len(self._boots) == 1 and state != "suspect"
        return self._enter(state, now)

    def view(self, state: str, now: float) -> WorkerView:
        """The snapshot, in this state."""
        return WorkerView(
            gossip=self._holder.gossip,
            state=state,
            heard_at=self._holder.heard_at,
            state_since=self.since,
            age=max(0.0, now - self._holder.heard_at),
            rivals=self.gossips[1:],
            replaced=self._replaced,
            is_verified=self.is_verified,
        )

    def _enter(self, state: str, now: float) -> list[str]:
        if state == self.state:
            return []
        entered = ["suspect", state] if state == "lost" and self.state != "suspect" else [state]
        self.state, self.since = state, now
        return entered

    def _make_room(self) -> bool:
        """Only by a boot that is silent: else many of one name would flap, and what a dropped one said come back."""
        if len(self._boots) < _MOST_BOOTS:
            return True
        silent = [boot for boot in self._boots.values() if boot is not self._holder and boot.is_silent]
        if not silent:
            return False
        del self._boots[min(silent, key=lambda boot: boot.heard_at).gossip.boot]
        return True

    def _begin(self, boot: _Boot, now: float) -> None:
        """A new boot stands for the hostname at once; one that is leaving when it is first heard of is not new."""
        self._boots[boot.gossip.boot] = boot
        if not boot.is_leaving or self._holder.is_leaving or self._holder.is_silent:
            self._hand_over(boot, now)

    def _hand_over(self, boot: _Boot, now: float) -> None:
        self._predecessor, self._holder, self._held_since = self._holder, boot, now
        if self.state != "conflict":
            self.state = ""  # told anew, for it is another boot

    def _weigh(self, now: float, patience: Patience) -> None:
        """Who is silent, who holds the hostname, who rivals it, and what was replaced."""
        for boot in self._boots.values():
            boot.judge(now, patience)
        if len(self._boots) == 1:
            return
        heir = self._heir(patience)
        if heir is not None:
            self._hand_over(heir, now)
        self._rivals = self._speaking_rivals()
        self._replaced = self._tasks_left_behind(now)
        self._forget(now)

    def _heir(self, patience: Patience) -> _Boot | None:
        """The rival to stand for the hostname, where the holder is over, or leaves while another will stay."""
        if not self._holder.is_leaving and not self._holder.is_silent:
            return None
        heirs = [boot for boot in self._speaking_rivals() if self._may_inherit(boot, patience)]
        return max(heirs, key=lambda boot: (not boot.is_leaving, boot.since), default=None)

    def _may_inherit(self, boot: _Boot, patience: Patience) -> bool:
        """Whether it lives for certain: a message that is late does not make it."""
        holder = self._holder
        if boot.is_leaving and not holder.is_over:
            return False
        if self.state == "conflict" or (holder.is_over and boot.heard_at > holder.heard_at):
            return True
        return boot.heard_at - max(boot.since, holder.since) > patience.limit(boot.gossip.interval)

    def _speaking_rivals(self) -> tuple[_Boot, ...]:
        """Who was heard since the holder began; in a conflict, which another restart does not end, whoever speaks."""
        since = self._holder.since if self.state != "conflict" else -inf
        others = (boot for boot in self._boots.values() if boot is not self._holder)
        return tuple(boot for boot in others if not boot.is_over and boot.heard_at > since)

    def _tasks_left_behind(self, now: float) -> Gossip | None:
        left = self._predecessor
        if left is None or not left.is_silent or left.gossip.state == "offline" or not left.gossip.active:
            return None
        return left.gossip if self._is_remembered(left, now) else None

    def _forget(self, now: float) -> None:
        for name, boot in list(self._boots.items()):
            if boot is not self._holder and boot.is_over and not self._is_remembered(boot, now):
                del self._boots[name]

    def _is_remembered(self, boot: _Boot, now: float) -> bool:
        return now - max(boot.heard_at, self._held_since) <= _REMEMBERED

    def _state(self, now: float, patience: Patience) -> str:
        holder = self._holder
        told = _state_told_by(holder.gossip)
        if told == "offline":
            return told
        if holder.is_silent:
            is_lost = self.state == "lost" or patience.is_lost(holder.gossip.interval, holder.heard_at, now)
            return "lost" if is_lost else "suspect"
        return "conflict" if self._is_contested(patience) else told

    def _frozen_state(self) -> str:
        """Of a listener that is isolated: a new boot and a goodbye are told, but nobody falls silent or comes back."""
        told = _state_told_by(self._holder.gossip)
        if self.state == "conflict":
            return self.state
        return self.state if self._holder.is_silent and told != "offline" else told

    def _is_contested(self, patience: Patience) -> bool:
        """Whether two boots live under one hostname; once told, that lasts until but one of them speaks."""
        if self._holder.is_leaving:
            return False
        rivals = [boot for boot in self._rivals if not boot.is_leaving]
        if self.state == "conflict":
            return bool(rivals)
        return any(_live_together(one, other, patience) for one, other in combinations((self._holder, *rivals), 2))


def _live_together(one: _Boot, other: _Boot, patience: Patience) -> bool:
    """Whether both were heard for longer than a message may be late: the limit of the one that was replaced."""
    replaced = min(one, other, key=lambda boot: boot.since)
    return one.spoke_beside(other) > patience.limit(replaced.gossip.interval)


def _require_intervals(option: str, value: object, above: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not above < value <= _MOST:  # type: ignore[operator]
        raise InvalidOption(
            f"{option}: expected a number of intervals above {above:g} and at most {_MOST:g}, got {value!r}"
        )


def _state_told_by(gossip: Gossip) -> str:
    if gossip.state == "online" and gossip.stalled_for > 0:
        return "stalled"
    return gossip.state
