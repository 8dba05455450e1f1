"""Ear: the real Listener, its real loop, echo, hearing and cluster, put into a simulated world.

Only what would block is replaced: the subscription, the publisher, the wait between two tries.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from celery_gossip.cluster import Transition
from celery_gossip.errors import RejectedGossip
from celery_gossip.exchange import Delivery
from celery_gossip.listener import Listener
from celery_gossip.options import GossipOptions
from tests.simulation.world import Parcel, World

_OPTIONS = GossipOptions()


class SimulatedSubscription:
    """In place of exchange.Subscription."""

    def __init__(self, world: World) -> None:
        self._world = world

    def open(self) -> None:
        self._world.connect()

    def receive(self, timeout: float) -> list[Parcel]:
        world = self._world
        if not world.inbox:
            world.wait_for_message(world.now + timeout)
        if not world.is_connected:
            raise ConnectionError("connection reset")
        received, world.inbox = world.inbox, []
        return received

    def close(self) -> None:
        self._world.disconnect()

    def drop(self) -> None:
        self._world.disconnect()

    reset = drop


class SimulatedPublisher:
    """In place of exchange.Publisher; says echoes."""

    def __init__(self, world: World, expires: float | None = None) -> None:
        self._world = world

    def publish(self, body: bytes) -> bool:
        self._world.publish(body)
        return True

    def is_refusal(self, exc: Exception) -> bool:
        return isinstance(exc, PermissionError)

    def drop(self) -> None: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


class Closing:
    """In place of the Event that ends a Listener: the world's end."""

    def __init__(self, world: World) -> None:
        self._world = world

    def is_set(self) -> bool:
        return self._world.is_over

    def wait(self, timeout: float) -> None:
        self._world.pass_until(self._world.now + timeout)


class Silence:
    """In place of what a Listener does besides: backlogs, log lines."""

    has_looked = False

    def __init__(self, *_: object, **__: object) -> None: ...

    def warning(self, *_: object, **__: object) -> None: ...

    error = info = warning


class Watcher:
    """What an oracle is told. See oracle.Oracle."""

    def attended(self, now: float) -> None: ...

    def about_to_take(self, parcel: Parcel) -> None: ...

    def took(self, parcel: Parcel) -> None: ...

    def told(self, transition: Transition) -> None: ...

    def failed(self, exc: Exception) -> None: ...


class Ear(Listener):
    """The Listener, with somebody who watches its every step."""

    def __init__(self, world: World) -> None:
        schedule = world.schedule
        super().__init__(
            world, _OPTIONS, world.clock, suspect_after=schedule.suspect_after, lost_after=schedule.lost_after
        )
        self._closing = Closing(world)  # type: ignore[assignment]
        self._review_at = float("inf")  # the diagnosis has tests of its own
        self.watcher = Watcher()

    @property
    def hearing(self) -> Any:
        return self._hearing

    def listen(self) -> None:
        """The thread's work, until the world ends."""
        self._run()

    def _attend(self, now: float) -> None:
        self._review_at = float("inf")
        super()._attend(now)
        self.watcher.attended(now)

    def _take(self, received: Parcel | Delivery | RejectedGossip) -> None:
        assert isinstance(received, Parcel)
        self.watcher.about_to_take(received)
        super()._take(Delivery(received))
        self.watcher.took(received)

    def _announce(self, transitions: list[Transition]) -> None:
        for transition in transitions:
            self.watcher.told(transition)

    def _fail(self, exc: Exception) -> None:
        self.watcher.failed(exc)
        super()._fail(exc)


def _is_forbidden(exc: Exception) -> bool:
    return isinstance(exc, PermissionError)


@contextmanager
def simulated() -> Iterator[None]:
    """While it lasts, a Listener that is built with a World for an app lives in it."""
    places = {
        "celery_gossip.listener.open_broker": lambda app, options: app,
        "celery_gossip.listener.Subscription": SimulatedSubscription,
        "celery_gossip.listener.BacklogWatch": Silence,
        "celery_gossip.listener.LimitedLogger": Silence,
        "celery_gossip.listener.Publisher": SimulatedPublisher,
        "celery_gossip.sounder.is_forbidden": _is_forbidden,
    }
    with ExitStack() as stack:
        for name, stand_in in places.items():
            stack.enter_context(patch(name, stand_in))
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        yield
