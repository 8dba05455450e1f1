"""What an oracle keeps in mind: of each boot and hostname as the listener took them, and of the listener itself.

Written anew from the rules in docs/design.md, not from the code that it judges.
"""

from collections import deque
from dataclasses import dataclass, field

from celery_gossip.messages import Gossip
from tests.simulation.schedule import Schedule

TURN = 0.2  #: seconds that a listener's turn takes where nothing comes in
MOST_LAG = 2.5  #: seconds; beyond, it is isolated
_ROUNDING = 1e-6  #: seconds
CHECK = 0.25  #: seconds between two looks for who is silent
REMEMBERS_LAG = 10.0  #: seconds
GONE = ("offline", "lost")
TOLD = ("online", "stalled", "draining", "offline")

#: `{state: those that may follow it}`, of one boot.
LEGAL = {
    "online": {"stalled", "draining", "offline", "suspect", "conflict"},
    "stalled": {"online", "draining", "offline", "suspect", "conflict"},
    "draining": {"offline", "suspect"},
    "suspect": {"online", "stalled", "draining", "offline", "lost"},
    "lost": {"online", "stalled", "draining", "offline"},
    "conflict": {"online", "stalled", "draining", "offline", "suspect"},
    "offline": set(),
}


def told_by(gossip: Gossip) -> str:
    return "stalled" if gossip.state == "online" and gossip.stalled_for else gossip.state


@dataclass
class Boot:
    """What was taken of it."""

    gossip: Gossip
    fresh_at: float  #: of its last message that was no part of a backlog
    since: float  #: it spoke from then on without ever being silent for as long as it takes to be suspect


@dataclass
class Host:
    """What was taken, and told, of a hostname."""

    boots: dict[str, Boot] = field(default_factory=dict)
    state: str = ""
    boot: str = ""  #: the one of the latest event
    told_at: float = 0.0


class Patience:
    """When silence may, and when it must, be called so."""

    def __init__(self, schedule: Schedule, now: float) -> None:
        self._schedule = schedule
        self.healed_at = float("-inf")
        self.turned_at = now
        self.turn = 0.0
        self._lags: deque[tuple[float, float]] = deque()
        self._pauses: deque[tuple[float, float]] = deque()
        self._believed: deque[tuple[float, float]] = deque()

    def suspect_limit(self, interval: float) -> float:
        return max(0.5, self._schedule.suspect_after * interval)

    def lost_limit(self, interval: float) -> float:
        return max(0.5, self._schedule.lost_after * interval)

    def silent_since(self, boot: Boot) -> float:
        """From when on its silence counts."""
        return max(boot.fresh_at, self.healed_at + max(3.0, 3 * boot.gossip.interval))

    def turned(self, now: float) -> None:
        """The listener looked at its clock."""
        self.turn, self.turned_at = now - self.turned_at, now
        if self.turn > TURN + _ROUNDING:
            self._pauses.append((now, self.turn - TURN))
            self.was_late(self.turn - TURN, now)

    def was_late(self, lag: float, now: float) -> None:
        self._lags.append((now, lag))

    def waits(self, now: float, since: float) -> None:
        """What the listener may believe its own lag to be, with an echo on its way since then."""
        lag = min(MOST_LAG, max(_worst(self._lags, now, REMEMBERS_LAG), now - since))
        self._believed.append((now, lag))

    def slack(self, now: float) -> float:
        """Seconds by which a silence may be told late: until the next check, and what it believed at the last one."""
        until_checked = CHECK + 2 * max(self.turn, TURN)
        return until_checked + _worst(self._believed, now, until_checked)

    def least_lag(self, now: float) -> float:
        """What it must believe, for it was stopped for that long."""
        return min(MOST_LAG, max(_worst(self._pauses, now, REMEMBERS_LAG), now - self.turned_at - TURN - _ROUNDING))


def _worst(lags: deque[tuple[float, float]], now: float, memory: float) -> float:
    while lags and lags[0][0] < now - memory:
        lags.popleft()
    return max((lag for _, lag in lags), default=0.0)
