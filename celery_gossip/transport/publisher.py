"""Publishes gossip and pings to the gossip exchange, on a connection of its own. Names follow Kombu.

Owned by a worker's sender or a listener's EchoSender, and used on that thread only. Every call is bounded in time (see
connection.TIMEOUT).
"""

from typing import Any

from kombu import Producer

from celery_gossip.transport._compat import release_idle_connections, watch_blocked
from celery_gossip.transport.broker import Broker
from celery_gossip.transport.broker_errors import is_amqp_refusal
from celery_gossip.transport.connection import BrokerClient
from celery_gossip.wire.messages import CONTENT_TYPE

__all__ = ["EXPIRES_AFTER", "PUBLISH_TIMEOUT", "Publisher"]

PUBLISH_TIMEOUT = 0.4  #: seconds for writing one message to an AMQP socket whose buffer is full
EXPIRES_AFTER = 3.0  #: intervals after which a gossip that was not delivered is of no use
_MAX_EXPIRATION = 86_400.0  #: seconds


class Publisher(BrokerClient):
    """Publishes messages; the first publish after a failure connects again."""

    def __init__(self, broker: Broker, expires: float | None = None, *, wants_answer: bool = False) -> None:
        """`expires`: seconds after which the broker drops an undelivered message; three intervals by default.

        `wants_answer`: a publish succeeds only if the broker has answered. Redis always answers. RabbitMQ does not, and
        the socket of a broker that hangs accepts the messages of many minutes, so there it costs a round trip.
        """
        super().__init__(broker.managed_connection())
        self._exchange = broker.exchange()
        self._keyring = broker.keyring
        self._expiration = expires or min(EXPIRES_AFTER * broker.options.interval, _MAX_EXPIRATION)
        self._wants_answer = wants_answer and self._connection.driver_type == "amqp"
        self._producer: Any = None
        self._is_blocked = False

    def publish(self, body: bytes) -> bool:
        """Send these bytes; return False if RabbitMQ has blocked publishers (an alarm) and nothing was sent.

        Raises whatever the transport raises; then call fail_over().
        """
        if self._producer is None:
            self._producer = self._open()
        if self._connection.driver_type == "amqp":
            self._connection.drain(timeout=0)  # reads whether RabbitMQ has blocked or unblocked the connection
        if self._is_blocked:
            return False
        self._producer.publish(
            body,
            exchange=self._exchange,
            routing_key="",
            content_type=CONTENT_TYPE,
            content_encoding="utf-8",
            headers=self._keyring.signature_headers(body),
            delivery_mode="transient",
            expiration=self._expiration,
            timeout=PUBLISH_TIMEOUT,
            retry=False,
        )
        return self._await_answer() if self._wants_answer else True

    def is_amqp_refusal(self, exc: Exception) -> bool:
        """Return True if RabbitMQ refused, so that retries must be rare."""
        return is_amqp_refusal(exc)

    def _await_answer(self) -> bool:
        """Return False if RabbitMQ answers that it has blocked publishers; raise TimeoutError if it does not answer."""
        try:
            with self._connection.bounded():
                # Has no effect on a channel without a consumer, needs no permission, and RabbitMQ must answer it.
                self._producer.channel.basic_qos(0, 0, False)
        except TimeoutError:
            if not self._is_blocked:
                raise
        return not self._is_blocked

    def _open(self) -> Any:
        channel = self._connection.open()
        if self._connection.driver_type == "amqp":
            watch_blocked(self._connection.raw, self._on_blocked, self._on_unblocked)
        with self._connection.bounded():
            channel = self._declare(channel)
        if self._connection.driver_type == "redis":
            # Kombu pings Redis on one connection and publishes on another: a thousand workers need not hold both.
            release_idle_connections(channel)
        return Producer(channel, auto_declare=False)

    def _declare(self, channel: Any) -> Any:
        """Declare the exchange; return the channel to publish on."""
        try:
            self._exchange(channel).declare()
        except Exception as exc:
            if getattr(exc, "reply_code", None) != 403:
                raise
            # Without the permission to configure, publish to the exchange that another client has declared.
            channel = self._connection.raw.channel()  # the refusal has closed the first one
            self._exchange(channel).declare(passive=True)
        return channel

    def _clear(self) -> None:
        self._producer = None
        self._is_blocked = False

    def _broker_objects(self) -> tuple[Any, ...]:
        return (self._producer,)

    def _on_blocked(self, reason: str) -> None:
        self._is_blocked = True

    def _on_unblocked(self) -> None:
        self._is_blocked = False
