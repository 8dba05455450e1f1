"""The gossip exchange: a Publisher for the sender and a Subscription for the listener. Names follow Kombu.

A Publisher lives on the sender's thread, a Subscription on the listener's; neither is shared. Every call is bounded in
time (see broker.TIMEOUT).
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import amqp
from kombu import Consumer, Producer, Queue

from celery_gossip.broker import TIMEOUT, Broker, Link, is_forbidden, is_refusal, open_broker
from celery_gossip.envelope import Unread, bounded_message, delivery_of, unpack
from celery_gossip.errors import RejectedGossip
from celery_gossip.intake import AmqpIntake, RedisIntake
from celery_gossip.messages import CONTENT_TYPE
from celery_gossip.signature import Delivery

__all__ = ["Broker", "Delivery", "Overslept", "Publisher", "Subscription", "is_forbidden", "is_refusal", "open_broker"]

PUBLISH_TIMEOUT = 0.4  #: seconds for writing one message to an AMQP socket that does not drain
EXPIRES_AFTER = 3.0  #: intervals after which an undelivered gossip is worthless
_MOST_EXPIRY = 86_400.0  #: seconds
_QUEUE_LENGTH = 1000  #: messages that a listener who does not read leaves on the broker, at most
_QUEUE_BYTES = 16 * 1024 * 1024  #: likewise
_QUEUE_TTL = 3.0  #: seconds that they stay there
_PREFETCH = 100
_STALE_AFTER = 3.0  #: seconds without a look after which what waits is not worth reading
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
        self._keyring = broker.keyring
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
            headers=self._keyring.headers(body),
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


class Overslept(ConnectionError):
    """Nobody has looked for so long that what waits is stale: it is not read, and a new subscription has to be made."""


class Subscription:
    """Listens on the gossip exchange: receive() gives deliveries and rejections. One thread; close() on the same one.

    Bounded on the broker (AMQP: an exclusive queue of at most 1,000 messages, 16 MB and 3 s), and nothing stays there
    after close() or, but for one constant member of Kombu's binding set on Redis, after kill -9.
    """

    def __init__(self, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        self._exchange = broker.exchange()
        self._keyring = broker.keyring
        self._link = Link(broker.connection(**_polling_options(broker)))
        self._clock = clock
        self._looked_at = 0.0
        self._channel: Any = None
        self._queue: Any = None
        self._redis: RedisIntake | None = None
        self._amqp: AmqpIntake | None = None
        self._inbox: list[Delivery | RejectedGossip] = []
        self._data_errors = 0
        self._out_of_step: Exception | None = None

    def open(self) -> None:
        """Connect, declare the queue, and consume. Raises whatever the transport raises; then call drop()."""
        self._forget()
        self._channel = channel = self._link.open()
        channel.Message = bounded_message(channel.Message)
        is_amqp = self._link.driver_type == "amqp"
        with self._link.bounded():
            if is_amqp:
                channel.basic_qos(0, _PREFETCH, False)
            self._queue = self._declare_queue(channel)
            Consumer(channel, [self._queue], on_message=self._on_message, no_ack=not is_amqp).consume()
        with suppress(NotImplementedError):  # a client library of another make: Kombu reads, one message at a time
            self._open_intake(channel)
        self._looked_at = self._clock()

    def receive(self, timeout: float) -> list[Delivery | RejectedGossip]:
        """Deliveries and rejections, as soon as there are any; none after `timeout` seconds. Bounded, whatever waits.

        Raises Overslept where nobody has called it for 3 s, and whatever the transport raises when the connection is
        gone or out of step; then call drop().
        """
        if self._redis is not None:
            data = self._redis.read(timeout)
            self._require_fresh(timeout)
            self._take_redis(self._redis.take(data))
        elif self._amqp is not None:
            data = self._amqp.read(timeout)
            self._require_fresh(timeout)
            self._take_amqp(self._amqp, data)
        else:
            self._drain(timeout)
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
        self._forget()
        self._link.close()

    def drop(self) -> None:
        """Throw the connection away without a word. Never raises."""
        self._forget()
        self._link.drop()

    def reset(self) -> None:
        """Likewise, but stay with this broker where the URL names several. Never raises."""
        self._forget()
        self._link.reset()

    def _forget(self) -> None:
        self._channel = self._queue = self._redis = self._amqp = None
        self._inbox = []
        self._data_errors, self._out_of_step = 0, None

    def _require_fresh(self, timeout: float) -> None:
        """Before anything is taken that has been read: the process may have been stopped meanwhile, or before."""
        looked_at, self._looked_at = self._looked_at, self._clock()
        if self._looked_at - looked_at > _STALE_AFTER + timeout:
            raise Overslept(f"not looked for {self._looked_at - looked_at:.1f} s")

    def _take_redis(self, payloads: list[bytes | RejectedGossip]) -> None:
        self._inbox += [one if isinstance(one, RejectedGossip) else unpack(one, self._keyring) for one in payloads]

    def _take_amqp(self, intake: AmqpIntake, data: bytes) -> None:
        parcels = intake.take(data)
        for parcel in parcels:
            self._on_message(self._channel.Message(Unread(parcel), channel=self._channel))
        if parcels:
            self._channel.basic_ack(parcels[-1].tag, multiple=True)

    def _open_intake(self, channel: Any) -> None:
        if self._link.driver_type == "redis":
            # Kombu would subscribe at the first look, and unpack what anybody may have published.
            self._link.raw.cycle.on_poll_start()
            self._redis = RedisIntake(channel.subclient.connection)
            self._take_redis(self._redis.await_subscription(TIMEOUT))
        elif isinstance(self._link.raw, amqp.Connection):
            self._amqp = AmqpIntake(self._link.raw)

    def _drain(self, timeout: float) -> None:
        """By Kombu, one event at most."""
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

    def _declare_queue(self, channel: Any) -> Any:
        queue = Queue(
            _queue_name(self._exchange.name, self._link.driver_type),
            exchange=self._exchange,
            durable=False,
            exclusive=True,
            auto_delete=True,
            max_length=_QUEUE_LENGTH,
            max_length_bytes=_QUEUE_BYTES,
            message_ttl=_QUEUE_TTL,
        )(channel)
        queue.declare()
        return queue

    def _on_message(self, message: Any) -> None:
        self._inbox.append(delivery_of(message, self._keyring))


def _queue_name(exchange: str, driver_type: str) -> str:
    """A new name per connection where queues are real; on Redis, where the exchange alone routes, one for all.

    Kombu keeps every name of a Redis fanout queue for the life of the process, and a killed listener leaves its name
    in a set: a constant one bounds both.
    """
    return f"{exchange}.listener" if driver_type == "redis" else f"{exchange}.{uuid4().hex}"


def _polling_options(broker: Broker) -> dict[str, Any]:
    return {"polling_interval": _POLLING_INTERVAL} if broker.driver_type in ("memory", "filesystem") else {}
