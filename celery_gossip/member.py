"""Member: the state machine of one hostname, and the Patience with which its silence is judged. Pure; no clock inside.

Used by the Cluster under its lock. A boot is one start of a worker; the holder is the boot that the hostname stands
for, the one that was heard of last. A boot that goes on speaking beside the holder is its rival.
"""

from dataclasses import dataclass

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

_SILENT = frozenset({"suspect", "lost"})


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
    first_at: float
    heard_at: float

    @property
    def is_leaving(self) -> bool:
        return self.gossip.state != "online"

    def is_silent(self, now: float, patience: Patience) -> bool:
        return patience.is_suspect(self.gossip.interval, self.heard_at, now)


class Member:
    """What is known under one hostname. hear() takes a gossip, judge() then gives the states that were entered."""

    def __init__(self, gossip: Gossip, now: float) -> None:
        self._holder = _Boot(gossip, first_at=now, heard_at=now)
        self._predecessor: _Boot | None = None
        self._boots = {gossip.boot: self._holder}
        self._rivals: tuple[Gossip, ...] = ()
        self._replaced: Gossip | None = None
        self._is_settled = False
        self.state = ""
        self.since = now

    @property
    def gossip(self) -> Gossip:
        """The holder's latest."""
        return self._holder.gossip

    def hear(self, gossip: Gossip, now: float, *, is_late: bool) -> bool:
        """Take this gossip; False for one that is older than what is known of its boot.

        A late one tells what was, not that the worker lives.
        """
        boot = self._boots.get(gossip.boot)
        if boot is None:
            self._begin(_Boot(gossip, first_at=now, heard_at=now))
        elif gossip.seq <= boot.gossip.seq:
            return False
        else:
            boot.gossip = gossip
            if not is_late:
                boot.heard_at = now
        self._is_settled = False
        return True

    def judge(self, now: float, patience: Patience) -> list[str]:
        """The states that are entered by `now`, in order: nobody is lost who was not suspect before."""
        if self._is_settled and not self._holder.is_silent(now, patience):
            return []
        if not patience.is_frozen:
            self._settle(now, patience)
        state = self._state(now, patience)
        # Nothing but silence can change what is told now, unless several boots have to be weighed.
        self._is_settled = len(self._boots) == 1 and state not in _SILENT
        if state == self.state:
            return []
        entered = ["suspect", state] if state == "lost" and self.state != "suspect" else [state]
        self.state, self.since = state, now
        return entered

    def view(self, state: str, now: float) -> WorkerView:
        """The snapshot, in this state."""
        return WorkerView(
            gossip=self._holder.gossip,
            state=state,
            heard_at=self._holder.heard_at,
            state_since=self.since,
            age=max(0.0, now - self._holder.heard_at),
            rivals=self._rivals,
            replaced=self._replaced,
        )

    def _begin(self, boot: _Boot) -> None:
        """A new boot stands for the hostname at once."""
        if len(self._boots) >= _MOST_BOOTS:
            others = (known for known in self._boots.values() if known is not self._holder)
            del self._boots[min(others, key=lambda known: known.heard_at).gossip.boot]
        self._boots[boot.gossip.boot] = boot
        self._hand_over(boot)

    def _hand_over(self, boot: _Boot) -> None:
        self._predecessor, self._holder = self._holder, boot
        if self.state != "conflict":
            self.state = ""  # told anew, for it is another boot

    def _settle(self, now: float, patience: Patience) -> None:
        """Who holds the hostname, who rivals it, and what was replaced."""
        if len(self._boots) == 1:
            return
        rivals = self._speaking_rivals(now, patience)
        if rivals and (self._holder.is_leaving or self._holder.is_silent(now, patience)):
            heir = max(rivals, key=lambda boot: (not boot.is_leaving, boot.first_at))
            if self._holder.is_silent(now, patience) or self._holder.gossip.state == "offline" or not heir.is_leaving:
                self._hand_over(heir)
                rivals = self._speaking_rivals(now, patience)
        self._rivals = tuple(boot.gossip for boot in rivals)
        self._replaced = self._tasks_left_behind(now, patience)

    def _speaking_rivals(self, now: float, patience: Patience) -> list[_Boot]:
        return [
            boot
            for boot in self._boots.values()
            if boot is not self._holder
            and boot.heard_at > self._holder.first_at
            and boot.gossip.state != "offline"
            and not boot.is_silent(now, patience)
        ]

    def _tasks_left_behind(self, now: float, patience: Patience) -> Gossip | None:
        left = self._predecessor
        if left is None or left.gossip.state == "offline" or not left.gossip.active:
            return None
        if now - self._holder.first_at > _REMEMBERED:
            return None
        return left.gossip if left.is_silent(now, patience) else None

    def _state(self, now: float, patience: Patience) -> str:
        told = _state_told_by(self._holder.gossip)
        if told == "offline":
            return told
        if self.state in _SILENT and self._holder.heard_at <= self.since:
            return self._state_of_the_silent(now, patience)
        if patience.is_frozen:
            return "conflict" if self.state == "conflict" else told
        if self._holder.is_silent(now, patience):
            return self._state_of_the_silent(now, patience)
        return "conflict" if self._is_contested(patience) else told

    def _state_of_the_silent(self, now: float, patience: Patience) -> str:
        if self.state == "lost" or patience.is_frozen:
            return self.state
        holder = self._holder
        return "lost" if patience.is_lost(holder.gossip.interval, holder.heard_at, now) else "suspect"

    def _is_contested(self, patience: Patience) -> bool:
        """Whether two boots live: one that was replaced speaks on for longer than a message may be late."""
        if self._holder.is_leaving:
            return False
        rivals = [self._boots[gossip.boot] for gossip in self._rivals if gossip.state == "online"]
        if self.state == "conflict":
            return bool(rivals)
        began = self._holder.first_at
        return any(boot.heard_at - began > patience.limit(boot.gossip.interval) for boot in rivals)


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
