"""World: virtual time, the network and the broker. It stands in for a listener's Broker, and drives nothing by itself:

time passes when the listener waits, and only then.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from celery_gossip.messages import Gossip
from tests.simulation.schedule import Act, Schedule

STARTS_AT = 100.0
OF_THE_WORLD = frozenset({"pause", "deaf", "hold", "mute", "down"})  #: acts that befall no worker
_RECOVERY = 3.0  #: seconds within which a worker finds its broker again (backoff.BACKOFF_MOST, and a try under way)
_MUTE_COST = 0.3  #: seconds that a publish takes which fails


class Parcel(bytes):
    """A message under way, and the truth about it."""

    sent_at: float
    gossip: Gossip | None  #: None: an echo
    is_verified: bool | None = None

    @property
    def body(self) -> bytes:
        """As a Delivery has it."""
        return self


class World:
    """Time, and what lies between the workers and the listener."""

    uri = "simulated://"

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.random = Random(schedule.seed)
        self.now = STARTS_AT
        self.inbox: list[Parcel] = []
        self.is_connected = self.is_down = self.is_calm = False
        self.is_cut_off = False  #: the listener had a connection, and lost it; until the oracle hears its echo again
        self.echoes: list[float] = []  #: when those that the listener still waits for were sent
        self.deaf_since: float | None = None  #: nothing reaches the listener
        self.clear_since = STARTS_AT  #: nothing keeps an echo from coming back, from then on
        self.paused: list[
            tuple[int, float]
        ] = []  #: the listener's own pauses: `(looks at its clock from now, seconds)`
        self._until = {"deaf": 0.0, "hold": 0.0, "mute": 0.0, "down": 0.0}
        self._held: list[Parcel] = []
        self._is_open = False
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    # Time.

    def at(self, when: float, act: Callable[..., None], *args: Any) -> None:
        heappush(self._events, (when, next(self._order), act, args))

    def pass_until(self, when: float) -> None:
        """Let everything happen up to then."""
        events = self._events
        while events and events[0][0] <= when:
            self._step()
        self.now = max(self.now, when)

    def wait_for_message(self, until: float) -> None:
        """Let things happen until something is in the inbox, the connection breaks, or it is that late."""
        events = self._events
        while not self.inbox and self.is_connected:
            if not events or events[0][0] > until:
                self.now = max(self.now, until)
                return
            self._step()

    def _step(self) -> None:
        when, _, act, args = heappop(self._events)
        self.now = max(self.now, when)
        act(*args)

    def clock(self) -> float:
        """The listener's. A process may be stopped between any two looks at it."""
        if self.paused:
            looks, seconds = self.paused[0]
            if looks:
                self.paused[0] = (looks - 1, seconds)
            else:
                del self.paused[0]
                self.pass_until(self.now + seconds)
        return self.now

    @property
    def is_over(self) -> bool:
        return self.now >= STARTS_AT + self.schedule.ends_at

    # What a schedule does to it.

    def plan(self, act: Act) -> None:
        """Have this act of the network, the broker or the listener happen in time."""
        self.at(STARTS_AT + act.at, getattr(self, act.what), act.value)

    def calm(self) -> None:
        self.is_calm = True

    def pause(self, seconds: float) -> None:
        self.paused.append((self.random.randrange(6), seconds))

    def deaf(self, seconds: float) -> None:
        """Half open: what is sent to the listener is lost, and it is not told."""
        self._disturb("deaf", seconds)

    def hold(self, seconds: float) -> None:
        """What is sent to the listener comes late, all at once."""
        self._disturb("hold", seconds)

    def mute(self, seconds: float) -> None:
        """The listener hears, but cannot send."""
        self._disturb("mute", seconds)

    def down(self, seconds: float) -> None:
        """The broker is gone; everybody is told."""
        self.is_connected = False
        self._disturb("down", seconds)

    def _disturb(self, what: str, seconds: float) -> None:
        self._until[what] = max(self._until[what], self.now + seconds)
        self._look_up()
        self.at(self._until[what], self._look_up)

    def _look_up(self) -> None:
        """What is disturbed now?"""
        self.is_down = self._is("down")
        if not self._is("hold") and self._held:
            held, self._held = self._held, []
            self.inbox += held if self.is_connected else []
        if self.is_down or self._is("deaf"):
            self.deaf_since = self.now if self.deaf_since is None else self.deaf_since
        else:
            self.deaf_since = None
        if any(until > self.now for until in self._until.values()):
            self.clear_since = float("inf")
        elif self.clear_since > self.now:
            self.clear_since = self.now

    def _is(self, what: str) -> bool:
        return self._until[what] > self.now

    @property
    def recovers_at(self) -> float:
        """When a worker that finds the broker gone speaks again."""
        return self._until["down"] + self.random.random() * _RECOVERY

    # The network.

    def send(self, body: bytes, gossip: Gossip | None = None) -> None:
        """Publish on the exchange; the listener hears it, or not, once or twice, sooner or later."""
        schedule, rng = self.schedule, self.random
        parcel = Parcel(body)
        parcel.sent_at, parcel.gossip = self.now, gossip
        loss, repeated = (0.0, 0.0) if self.is_calm else (schedule.loss, schedule.repeated)
        if loss and rng.random() < loss:
            return
        for _ in range(2 if repeated and rng.random() < repeated else 1):
            self.at(self.now + schedule.delay * rng.random(), self._deliver, parcel)

    def _deliver(self, parcel: Parcel) -> None:
        if not self.is_connected or self._is("deaf"):
            return
        (self._held if self._is("hold") else self.inbox).append(parcel)

    # As the listener's broker.

    def connect(self) -> None:
        if self.is_down:
            raise ConnectionError("refused")
        self.is_connected = self._is_open = True

    def disconnect(self) -> None:
        self.is_cut_off = self.is_cut_off or self._is_open
        self.is_connected = self._is_open = False
        self.inbox, self._held, self.echoes = [], [], []

    def publish(self, body: bytes) -> None:
        if not self.schedule.has_echo:
            raise PermissionError("no rights")
        if self.is_down or self._is("mute"):
            self.pass_until(self.now + _MUTE_COST)
            raise ConnectionError("cannot publish")
        self.echoes.append(self.now)
        self.send(body)
