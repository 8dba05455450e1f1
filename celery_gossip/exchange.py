"""The gossip exchange: a Publisher for the sender and a Subscription for the listener. Names follow Kombu.

A Publisher lives on the sender's thread, a Subscription on the listener's; neither is shared. Every call is bounded in
time (see broker.TIMEOUT).
"""

from typing import Any
from uuid import uuid4

from kombu import Consumer, Producer, Queue

from celery_gossip.broker import Broker, Link, is_forbidden, is_refusal, open_broker
from celery_gossip.envelope import body_of, bounded_message, unpack
from celery_gossip.errors import RejectedGossip
from celery_gossip.messages import CONTENT_TYPE

__all__ = ["Broker", "Publisher", "Subscription", "is_forbidden", "is_refusal", "open_broker"]

PUBLISH_TIMEOUT = 0.4  #: seconds for writing one message to an AMQP socket that does not drain
EXPIRES_AFTER = 3.0  #: intervals after which an undelivered gossip is worthless
_MOST_EXPIRY = 86_400.0  #: seconds
_QUEUE_LENGTH = 200  #: messages that a listener who does not read leaves on the broker, at most
_QUEUE_TTL = 3.0  #: seconds that they stay there
_PREFETCH = 100
_POLLING_INTERVAL = 0.1  #: seconds between looks of transports that cannot wait (memory, filesystem)


class Publisher:
    """Publishes gossip on a connection of its own; the first publish after a failure connects anew."""

    def __init__(self, broker: Broker, expires: float | None = None, *, wants_answer: bool = False) -> None:
        """`expires`: seconds after which a message that nobody took is worthless; by default three intervals.

        `wants_answer`: no publish succeeds that the broker has not answered. Redis always answers; on RabbitMQ, where
        the socket would take the messages of many minutes for a broker that hangs, it costs a round trip.
        """
        self._link = Link(broker.connection())
        self._exchange = broker.exchange()
        self._expiration = expires or min(EXPIRES_AFTER * broker.options.interval, _MOST_EXPIRY)
        self._wants_answer = wants_answer and self._link.driver_type == "amqp"
        self._producer: Any = None
        self._is_blocked = False

    def publish(self, body: bytes) -> bool:
        """Send these bytes; False where RabbitMQ has blocked the connection (an alarm) and nothing was sent.

        Raises whatever the transport raises; then call drop().
        """
        if self._producer is None:
            self._producer = self._open()
        if self._link.driver_type == "amqp":
            self._link.drain(timeout=0)  # whether it has blocked the connection by now, or does so no longer
        if self._is_blocked:
            return False
        self._producer.publish(
            body,
            exchange=self._exchange,
            routing_key="",
            content_type=CONTENT_TYPE,
            content_encoding="utf-8",
            delivery_mode="transient",
            expiration=self._expiration,
            timeout=PUBLISH_TIMEOUT,
            retry=False,
        )
        return self._is_answered() if self._wants_answer else True

    def _is_answered(self) -> bool:
        """False where RabbitMQ says instead that it has blocked the connection; TimeoutError where it is mute."""
        try:
            with self._link.bounded():
                self._producer.channel.basic_qos(0, 0, False)  # of no effect where nothing is consumed; needs no rights
        except TimeoutError:
            if not self._is_blocked:
                raise
        return not self._is_blocked

    def close(self) -> None:
        """Say goodbye to the broker, bounded in time. Never raises."""
        self._producer = None
        self._link.close()

    def drop(self) -> None:
        """Throw the connection away; the next publish builds a new one. Never raises."""
        self._forget()
        self._link.drop()

    def reset(self) -> None:
        """Likewise, but stay with this broker where the URL names several. Never raises."""
        self._forget()
        self._link.reset()

    def _forget(self) -> None:
        self._producer = None
        self._is_blocked = False

    def _open(self) -> Any:
        channel = self._link.open()
        if self._link.driver_type == "amqp":
            self._link.raw.on_blocked = self._on_blocked
            self._link.raw.on_unblocked = self._on_unblocked
        with self._link.bounded():
            channel = self._declare(channel)
        if self._link.driver_type == "redis":
            # Kombu greets Redis on one connection and publishes on another: a thousand workers need not hold both.
            channel.client.connection_pool.disconnect()
        return Producer(channel, auto_declare=False)

    def _declare(self, channel: Any) -> Any:
        try:
            self._exchange(channel).declare()
        except Exception as exc:
            if getattr(exc, "reply_code", None) != 403:
                raise
            # No right to configure: publish to the exchange that somebody else has declared.
            channel = self._link.raw.channel()  # AMQP has closed the other
            self._exchange(channel).declare(passive=True)
        return channel

    def is_refusal(self, exc: Exception) -> bool:
        """See broker.is_refusal."""
        return is_refusal(exc)

    def is_outage(self, exc: Exception) -> bool:
        """See Link.is_outage."""
        return self._link.is_outage(exc)

    def _on_blocked(self, reason: str) -> None:
        self._is_blocked = True

    def _on_unblocked(self) -> None:
        self._is_blocked = False


class Subscription:
    """Listens on the gossip exchange: receive() gives bodies and rejections. One thread; close() on the same one.

    Bounded on the broker (AMQP: an exclusive queue of at most 200 messages and 3 s), and nothing stays there after
    close() or, but for one constant member of Kombu's binding set on Redis, after kill -9.
    """

    def __init__(self, broker: Broker) -> None:
        self._exchange = broker.exchange()
        self._link = Link(broker.connection(**_polling_options(broker)))
        self._queue: Any = None
        self._inbox: list[bytes | RejectedGossip] = []
        self._data_errors = 0
        self._out_of_step: Exception | None = None

    def open(self) -> None:
        """Connect, declare the queue, and consume. Raises whatever the transport raises; then call drop()."""
        self._data_errors, self._out_of_step = 0, None
        channel = self._link.open()
        channel.Message = bounded_message(channel.Message)
        is_amqp = self._link.driver_type == "amqp"
        if self._link.driver_type == "redis":
            self._guard_redis(channel)
        with self._link.bounded():
            if is_amqp:
                channel.basic_qos(0, _PREFETCH, False)
            self._queue = self._declare_queue(channel)
            Consumer(channel, [self._queue], on_message=self._on_message, no_ack=not is_amqp).consume()
        if not is_amqp:  # Redis subscribes at the first look
            self._inbox = self.receive(timeout=0)

    def receive(self, timeout: float) -> list[bytes | RejectedGossip]:
        """Bodies and rejections that came within `timeout` seconds; at least one wait, at most one event.

        Raises whatever the transport raises when the connection is gone or out of step; then call drop().
        """
        if self._out_of_step is not None:
            raise self._out_of_step
        try:
            self._link.drain(timeout)
            self._data_errors = 0
        except self._link.data_errors as exc:
            self._data_errors += 1
            if self._data_errors > self._link.most_data_errors:
                self._out_of_step = exc  # told first, raised at the next look
            self._inbox.append(RejectedGossip("transport", repr(exc)[:200]))
        received, self._inbox = self._inbox, []
        return received

    def close(self) -> None:
        """Delete the queue and say goodbye, bounded in time. Never raises."""
        try:
            # On AMQP the queue is exclusive and goes with the connection; deleting it first would make RabbitMQ send a
            # Basic.Cancel, which py-amqp raises while it waits for the broker's goodbye, and the socket stays open.
            if self._queue is not None and self._link.driver_type != "amqp":
                self._queue.delete()
        except Exception:  # the peer is gone
            self._link.drop()
        self._queue = None
        self._link.close()

    def drop(self) -> None:
        """Throw the connection away without a word. Never raises."""
        self._queue = None
        self._link.drop()

    def _declare_queue(self, channel: Any) -> Any:
        queue = Queue(
            _queue_name(self._exchange.name, self._link.driver_type),
            exchange=self._exchange,
            durable=False,
            exclusive=True,
            auto_delete=True,
            max_length=_QUEUE_LENGTH,
            message_ttl=_QUEUE_TTL,
        )(channel)
        queue.declare()
        return queue

    def _on_message(self, message: Any) -> None:
        self._inbox.append(body_of(message))
        if self._link.driver_type == "amqp":
            message.ack()

    def _guard_redis(self, channel: Any) -> None:
        """Take each pub/sub payload before Kombu unpacks it: anybody may PUBLISH anything there."""
        handle_message = channel._handle_message

        def guarded(client: Any, response: Any) -> Any:
            payload = handle_message(client, response)
            if payload and payload["type"] in (b"message", b"pmessage"):
                self._inbox.append(unpack(payload["data"]))
                payload["data"] = None
            return payload

        channel._handle_message = guarded


def _queue_name(exchange: str, driver_type: str) -> str:
    """A new name per connection where queues are real; on Redis, where the exchange alone routes, one for all.

    Kombu keeps every name of a Redis fanout queue for the life of the process, and a killed listener leaves its name
    in a set: a constant one bounds both.
    """
    return f"{exchange}.listener" if driver_type == "redis" else f"{exchange}.{uuid4().hex}"


def _polling_options(broker: Broker) -> dict[str, Any]:
    return {"polling_interval": _POLLING_INTERVAL} if broker.driver_type in ("memory", "filesystem") else {}
