"""Ear: the real Listener with its real loop, echo, isolation detector and cluster, in a simulated world.

Only what would block is replaced: the subscription, the publisher, the wait between two attempts.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from celery_gossip.cluster.cluster import Transition
from celery_gossip.errors import RejectedGossip
from celery_gossip.listener.events import EventDispatcher
from celery_gossip.listener.listener import Listener
from celery_gossip.listener.message_handler import MessageHandler
from celery_gossip.listener.periodic_checks import PeriodicChecks
from celery_gossip.listener.receive_loop import PeriodicTask, ReceiveLoop
from celery_gossip.options import GossipOptions
from celery_gossip.wire.signing import Delivery
from tests.simulation.world import Parcel, World

_OPTIONS = GossipOptions()


class SimulatedSubscription:
    """Replaces transport.subscription.Subscription."""

    uri = "simulated://"

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

    def fail_over(self) -> None:
        self._world.disconnect()

    discard = fail_over


class SimulatedPublisher:
    """Replaces transport.publisher.Publisher; publishes echoes."""

    def __init__(self, world: World, expires: float | None = None) -> None:
        self._world = world

    def publish(self, body: bytes) -> bool:
        self._world.publish(body)
        return True

    def is_amqp_refusal(self, exc: Exception) -> bool:
        return isinstance(exc, PermissionError)

    def fail_over(self) -> None: ...

    def discard(self) -> None: ...

    def close(self) -> None: ...


class Closing:
    """Replaces the Event that stops a Listener; set at the end of the schedule."""

    def __init__(self, world: World) -> None:
        self._world = world

    def is_set(self) -> bool:
        return self._world.is_over

    def wait(self, timeout: float) -> None:
        self._world.pass_until(self._world.now + timeout)


class Silence:
    """Replaces the other tasks of a Listener: queue lengths, log lines."""

    has_read = False

    def __init__(self, *_: object, **__: object) -> None: ...

    def warning(self, *_: object, **__: object) -> None: ...

    error = info = warning


class Watcher:
    """Interface of an observer. See oracle.Oracle."""

    def attended(self, now: float) -> None: ...

    def about_to_take(self, parcel: Parcel) -> None: ...

    def took(self, parcel: Parcel) -> None: ...

    def told(self, transition: Transition) -> None: ...

    def failed(self, exc: Exception) -> None: ...


class WatchedLoop(ReceiveLoop):
    """The ReceiveLoop; tells the watcher what fails."""

    watcher: Watcher

    def _wait_for_retry(self, exc: Exception, checks: PeriodicTask) -> None:
        self.watcher.failed(exc)
        super()._wait_for_retry(exc, checks)


class WatchedHandler(MessageHandler):
    """The MessageHandler; tells the watcher what it handles."""

    watcher: Watcher

    def handle(self, received: Parcel | Delivery | RejectedGossip, now: float) -> None:
        assert isinstance(received, Parcel)
        self.watcher.about_to_take(received)
        super().handle(Delivery(received), now)
        self.watcher.took(received)


class WatchedEvents(EventDispatcher):
    """In place of signals: the watcher is told of every state that a worker enters."""

    watcher: Watcher

    def emit(self, name: str, subject: Any) -> None: ...

    def emit_transitions(self, transitions: Sequence[Transition]) -> None:
        for transition in transitions:
            self.watcher.told(transition)


class Ear(Listener):
    """The Listener with an observer of every step."""

    def __init__(self, world: World) -> None:
        schedule = world.schedule
        super().__init__(
            world, _OPTIONS, world.clock, suspect_after=schedule.suspect_after, lost_after=schedule.lost_after
        )
        self._control.closing = Closing(world)  # type: ignore[assignment]
        self._checks._review_at = float("inf")  # the diagnosis has tests of its own
        self._checks.run = self._run_checks  # type: ignore[method-assign]
        self.watcher = Watcher()

    @property
    def watcher(self) -> Watcher:
        return self._watcher

    @watcher.setter
    def watcher(self, watcher: Watcher) -> None:
        assert isinstance(self._loop, WatchedLoop) and isinstance(self._handler, WatchedHandler)
        assert isinstance(self._events, WatchedEvents)
        self._watcher = self._loop.watcher = self._handler.watcher = self._events.watcher = watcher

    @property
    def hearing(self) -> Any:
        return self._loop.isolation

    def listen(self) -> None:
        """Do the work of the thread until the schedule ends. Raises the exception that ended it."""
        self._run()
        if self.ended_by is not None:
            raise self.ended_by

    def _handle_crash(self, exc: BaseException) -> None:
        raise exc

    def _run_checks(self, now: float, *, is_isolation_changed: bool) -> None:
        PeriodicChecks.run(self._checks, now, is_isolation_changed=False)
        self.watcher.attended(now)


def _is_permission_denied(exc: Exception) -> bool:
    return isinstance(exc, PermissionError)


@contextmanager
def simulated() -> Iterator[None]:
    """Replace the parts of a Listener, so that one created with a World as its app runs in that world."""
    places = {
        "celery_gossip.listener.receiving_thread.open_broker": lambda app, options: app,
        "celery_gossip.listener.receiving_thread.QueueLengthThread": Silence,
        "celery_gossip.listener.receiving_thread.ReceiveLoop": WatchedLoop,
        "celery_gossip.listener.receiving_thread.MessageHandler": WatchedHandler,
        "celery_gossip.listener.receiving_thread.EventDispatcher": WatchedEvents,
        "celery_gossip.listener.receive_loop.Subscription": SimulatedSubscription,
        "celery_gossip.listener.receive_loop.LimitedLogger": Silence,
        "celery_gossip.listener.receive_loop.Publisher": SimulatedPublisher,
        "celery_gossip.listener.echo.is_permission_denied": _is_permission_denied,
    }
    with ExitStack() as stack:
        for name, stand_in in places.items():
            stack.enter_context(patch(name, stand_in))
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        yield
