"""World: virtual time, the network and the broker. Replaces a listener's Broker.

Time only passes when the listener waits.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from celery_gossip.wire.messages import Gossip
from tests.simulation.schedule import Act, Schedule

STARTS_AT = 100.0
OF_THE_WORLD = frozenset({"pause", "deaf", "hold", "mute", "down"})  #: events that do not concern a worker
_RECOVERY = 3.0  #: seconds within which a worker reconnects (the maximum backoff, and an attempt in progress)
_MUTE_COST = 0.3  #: seconds of a publish that fails


class Parcel(bytes):
    """A message in the network, and its origin."""

    sent_at: float
    gossip: Gossip | None  #: None for an echo
    is_verified: bool | None = None

    @property
    def body(self) -> bytes:
        """The same attribute as of a Delivery."""
        return self


class World:
    """Time, and everything between the workers and the listener."""

    uri = "simulated://"

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.random = Random(schedule.seed)
        self.now = STARTS_AT
        self.inbox: list[Parcel] = []
        self.is_connected = self.is_down = self.is_calm = False
        self.is_cut_off = False  #: the listener lost its connection, and has not received an echo since
        self.echoes: list[float] = []  #: sending times of the outstanding echoes
        self.deaf_since: float | None = None  #: since when no message reaches the listener
        self.clear_since = STARTS_AT  #: since when echoes are not disturbed
        self.paused: list[tuple[int, float]] = []  #: pauses of the listener: `(reads of its clock until then, seconds)`
        self._until = {"deaf": 0.0, "hold": 0.0, "mute": 0.0, "down": 0.0}
        self._held: list[Parcel] = []
        self._is_open = False
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    # Time.

    def at(self, when: float, act: Callable[..., None], *args: Any) -> None:
        heappush(self._events, (when, next(self._order), act, args))

    def pass_until(self, when: float) -> None:
        """Execute all events up to this time."""
        events = self._events
        while events and events[0][0] <= when:
            self._step()
        self.now = max(self.now, when)

    def wait_for_message(self, until: float) -> None:
        """Execute events until a message arrives, the connection breaks, or this time is reached."""
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
        """Return the listener's time. The process may be stopped between any two reads."""
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

    # Events of a schedule.

    def plan(self, act: Act) -> None:
        """Schedule this event of the network, the broker or the listener."""
        self.at(STARTS_AT + act.at, getattr(self, act.what), act.value)

    def calm(self) -> None:
        self.is_calm = True

    def pause(self, seconds: float) -> None:
        self.paused.append((self.random.randrange(6), seconds))

    def deaf(self, seconds: float) -> None:
        """Half-open connection: messages to the listener are lost without an error."""
        self._disturb("deaf", seconds)

    def hold(self, seconds: float) -> None:
        """Messages to the listener are delayed, and then arrive together."""
        self._disturb("hold", seconds)

    def mute(self, seconds: float) -> None:
        """The listener receives messages, but cannot publish."""
        self._disturb("mute", seconds)

    def down(self, seconds: float) -> None:
        """The broker is down; all clients get an error."""
        self.is_connected = False
        self._disturb("down", seconds)

    def _disturb(self, what: str, seconds: float) -> None:
        self._until[what] = max(self._until[what], self.now + seconds)
        self._look_up()
        self.at(self._until[what], self._look_up)

    def _look_up(self) -> None:
        """Update the disturbances that are active now."""
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
        """Time at which a worker that lost the broker reports again."""
        return self._until["down"] + self.random.random() * _RECOVERY

    # The network.

    def send(self, body: bytes, gossip: Gossip | None = None) -> None:
        """Publish on the exchange; the listener may receive the message late, twice or not at all."""
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

    # Interface of the listener's broker.

    def connect(self) -> None:
        if self.is_down:
            raise ConnectionError("refused")
        self.is_connected = self._is_open = True

    def disconnect(self) -> None:
        self.is_cut_off = self.is_cut_off or self._is_open
        self.is_connected = self._is_open = False
        self.inbox, self._held, self.echoes = [], [], []

    def publish(self, body: bytes) -> None:
        if not self.schedule.can_publish:
            raise PermissionError("no rights")
        if self.is_down or self._is("mute"):
            self.pass_until(self.now + _MUTE_COST)
            raise ConnectionError("cannot publish")
        self.echoes.append(self.now)
        self.send(body)
