"""State of an oracle: each instance and hostname as the listener received them, and the listener itself.

Implements the rules of docs/explanation/design.md independently of the code that it checks.
"""

from collections import deque
from dataclasses import dataclass, field

from celery_gossip.wire.messages import Gossip
from tests.simulation.schedule import Schedule

TURN = 0.2  #: seconds of an iteration of the listener's loop without messages
MOST_LAG = 2.5  #: seconds; with more lag it is isolated
_ROUNDING = 1e-6  #: seconds
CHECK = 0.25  #: seconds between two checks of the timeouts
REMEMBERS_LAG = 10.0  #: seconds
GONE = ("offline", "lost")
TOLD = ("online", "stalled", "draining", "offline")

#: `{state: states that may follow}`, of one instance.
LEGAL = {
    "online": {"stalled", "draining", "offline", "suspect", "conflict"},
    "stalled": {"online", "draining", "offline", "suspect", "conflict"},
    "draining": {"offline", "suspect"},
    "suspect": {"online", "stalled", "draining", "offline", "lost"},
    "lost": {"online", "stalled", "draining", "offline"},
    "conflict": {"online", "stalled", "draining", "offline", "suspect"},
    "offline": set(),
}


def reported_state(gossip: Gossip) -> str:
    return "stalled" if gossip.state == "online" and gossip.stalled_for else gossip.state


@dataclass
class InstanceTruth:
    """Reports of one instance that were received."""

    gossip: Gossip
    fresh_at: float  #: time of its last message that was not late
    since: float  #: start of the period in which it reported without exceeding the suspect timeout


@dataclass
class Host:
    """Reports and transitions of one hostname."""

    instances: dict[str, InstanceTruth] = field(default_factory=dict)
    state: str = ""
    boot: str = ""  #: instance of the latest transition
    told_at: float = 0.0


class Timeouts:
    """Earliest and latest times at which a timeout applies."""

    def __init__(self, schedule: Schedule, now: float) -> None:
        self._schedule = schedule
        self.isolation_ended_at = float("-inf")
        self.turned_at = now
        self.turn = 0.0
        self._lags: deque[tuple[float, float]] = deque()
        self._pauses: deque[tuple[float, float]] = deque()
        self._believed: deque[tuple[float, float]] = deque()

    def suspect_limit(self, interval: float) -> float:
        return max(0.5, self._schedule.suspect_after * interval)

    def lost_limit(self, interval: float) -> float:
        return max(0.5, self._schedule.lost_after * interval)

    def silent_since(self, boot: InstanceTruth) -> float:
        """Return the time from which its timeout counts."""
        return max(boot.fresh_at, self.isolation_ended_at + max(3.0, 3 * boot.gossip.interval))

    def turned(self, now: float) -> None:
        """Record an iteration of the loop."""
        self.turn, self.turned_at = now - self.turned_at, now
        if self.turn > TURN + _ROUNDING:
            self._pauses.append((now, self.turn - TURN))
            self.was_late(self.turn - TURN, now)

    def was_late(self, lag: float, now: float) -> None:
        self._lags.append((now, lag))

    def waits(self, now: float, since: float) -> None:
        """Record the maximum lag that the listener may assume, with an echo outstanding since then."""
        lag = min(MOST_LAG, max(_worst(self._lags, now, REMEMBERS_LAG), now - since))
        self._believed.append((now, lag))

    def slack(self, now: float) -> float:
        """Return by how many seconds a timeout may be late: until the next check, plus the lag assumed at the last."""
        until_checked = CHECK + 2 * max(self.turn, TURN)
        return until_checked + _worst(self._believed, now, until_checked)

    def least_lag(self, now: float) -> float:
        """Return the minimum lag that it has to assume, because it was stopped for that long."""
        return min(MOST_LAG, max(_worst(self._pauses, now, REMEMBERS_LAG), now - self.turned_at - TURN - _ROUNDING))


def _worst(lags: deque[tuple[float, float]], now: float, memory: float) -> float:
    while lags and lags[0][0] < now - memory:
        lags.popleft()
    return max((lag for _, lag in lags), default=0.0)
