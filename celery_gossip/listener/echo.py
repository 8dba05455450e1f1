"""Publishes a listener's pings to the gossip exchange and recognizes them when they come back.

A ping that comes back proves that the listener receives what is published (see `cluster.isolation`). Owned by a
ReceiveLoop, used on the listener's thread.
"""

import os
from collections.abc import Callable

from celery_gossip.cluster.isolation import IsolationDetector
from celery_gossip.log import describe_error, logger
from celery_gossip.transport.broker_errors import is_permission_denied
from celery_gossip.transport.publisher import Publisher
from celery_gossip.wire.encoding import encode_echo
from celery_gossip.wire.messages import Echo

__all__ = ["ECHO_EXPIRES", "EchoSender"]

ECHO_EXPIRES = 3.0  #: seconds after which the broker drops a ping; a listener counts a later one as late anyway


class EchoSender:
    """Publishes pings on a connection of its own, and reports to the IsolationDetector what becomes of them."""

    def __init__(self, publisher: Publisher, isolation: IsolationDetector, clock: Callable[[], float]) -> None:
        self._publisher = publisher
        self._isolation = isolation
        self._clock = clock
        self.error: Exception | None = None  #: reason why the latest ping could not be sent
        self._has_logged_denial = False
        self.name = os.urandom(8).hex()  #: distinguishes the pings of this listener from those of others

    def send_if_due(self) -> None:
        """Publish a ping if one is due; takes about a second at most. Never raises."""
        now = self._clock()
        if not self._isolation.is_ping_due(now):
            return
        number = self._isolation.ping_sent(now)
        try:
            if not self._publisher.publish(encode_echo(Echo(echo=self.name, number=number))):
                self._isolation.ping_blocked(self._clock())
            self.error = None
        except Exception as exc:
            self._publisher.discard()  # no failover: the ping must go to the broker of the subscription
            if is_permission_denied(exc):
                self._continue_without_pings(exc)
            else:
                self.error = exc
                # The time is read again, because publish() may have blocked: the next ping is a whole period away.
                self._isolation.ping_failed(self._clock())

    def handle_echo(self, echo: Echo, now: float) -> None:
        """Report a ping of this listener that came back; ignore those of other listeners."""
        if echo.echo == self.name:
            self._has_logged_denial = False
            self._isolation.ping_received(echo.number, now)

    def fail_over(self) -> None:
        """Close the connection and use the next failover URL, as the subscription does. Never raises."""
        self._publisher.fail_over()

    def close_in_child(self) -> None:
        """Close a forked child's copy of the connection. Never raises."""
        self._publisher.close_in_child()

    def close(self) -> None:
        """Close the connection, bounded in time. Never raises."""
        self._publisher.close()

    def _continue_without_pings(self, exc: Exception) -> None:
        if not self._has_logged_denial:  # each new connection tries to publish again
            logger.warning(
                "celery-gossip: this listener may not publish, so it cannot receive its own pings, and cannot "
                "distinguish workers that stopped reporting from a broken connection; it continues without pings: %s",
                describe_error(exc),
            )
        self._has_logged_denial = True
        self._isolation.publishing_denied(self._clock())
