"""EchoSounder: says a listener's echo and knows it again; owned by the Listener, used on its thread."""

import os
from collections.abc import Callable

from celery_gossip.exchange import Publisher, is_forbidden
from celery_gossip.hearing import Hearing
from celery_gossip.log import described, logger
from celery_gossip.messages import Echo, encode_echo

__all__ = ["ECHO_EXPIRES", "EchoSounder"]

ECHO_EXPIRES = 3.0  #: seconds; a listener that takes it later would count it as late anyhow


class EchoSounder:
    """A Publisher of echoes on a connection of its own; what comes back is told to Hearing."""

    def __init__(self, publisher: Publisher, hearing: Hearing, clock: Callable[[], float]) -> None:
        self._publisher = publisher
        self._hearing = hearing
        self._clock = clock
        self.error: Exception | None = None  #: why the latest echo could not be sent
        self._has_told = False  #: that it goes without
        self.name = os.urandom(8).hex()  #: what tells its echoes from those of others

    def say_if_due(self) -> None:
        """Publish an echo when it is time; takes about a second at most. Never raises."""
        now = self._clock()
        if not self._hearing.is_due(now):
            return
        number = self._hearing.say(now)
        try:
            if not self._publisher.publish(encode_echo(Echo(echo=self.name, number=number))):
                self._hearing.hold(self._clock())
            self.error = None
        except Exception as exc:
            self._publisher.reset()  # it stays with the subscription's broker: elsewhere nobody would hear the echo
            if is_forbidden(exc):
                self._go_without(exc)
            else:
                self.error = exc
                self._hearing.postpone(self._clock())  # from now: a turn that blocks must not follow another

    def take(self, echo: Echo, now: float) -> None:
        """An echo was heard: its own, or that of another listener, which means nothing here."""
        if echo.echo == self.name:
            self._has_told = False
            self._hearing.hear_echo(echo.number, now)

    def drop(self) -> None:
        """Throw the connection away; like the subscription, turn to the next failover URL. Never raises."""
        self._publisher.drop()

    def close(self) -> None:
        """Say goodbye to the broker, bounded in time. Never raises."""
        self._publisher.close()

    def _go_without(self, exc: Exception) -> None:
        if not self._has_told:  # each new connection asks again
            logger.warning(
                "celery-gossip: this listener may not publish, so it cannot hear its own echo, and cannot tell a "
                "silent fleet from a broken connection; it goes on without: %s",
                described(exc),
            )
        self._has_told = True
        self._hearing.refuse(self._clock())
