"""Receives the messages of the gossip exchange, on a connection of its own. Names follow Kombu.

Owned by a listener's ReceiveLoop and used on its thread only. Every call is bounded in time (see connection.TIMEOUT).
"""

import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import amqp
from kombu import Consumer, Queue

from celery_gossip.errors import RejectedGossip
from celery_gossip.log import LimitedLogger
from celery_gossip.transport._compat import message_class, send_subscription
from celery_gossip.transport._internals import MissingName
from celery_gossip.transport.broker import Broker
from celery_gossip.transport.connection import TIMEOUT, BrokerClient
from celery_gossip.transport.envelope import UndecodedMessage, parse_envelope, parse_message, safe_message_class
from celery_gossip.transport.stream_reader import FrameReader, PubSubReader, RawDelivery
from celery_gossip.wire.signing import Delivery

__all__ = ["StaleSubscription", "Subscription"]

# Limits of the queue on RabbitMQ, for a listener that does not read.
_QUEUE_LENGTH = 1000  #: messages
_QUEUE_BYTES = 16 * 1024 * 1024
_QUEUE_TTL = 3.0  #: seconds for which a message stays
_PREFETCH = 100
_STALE_AFTER = 3.0  #: seconds without a call of receive() after which waiting messages are too old to be of use
_POLLING_INTERVAL = 0.1  #: seconds between polls of transports that cannot block on a read (memory, filesystem)

_log = LimitedLogger(period=3600.0)


class StaleSubscription(ConnectionError):
    """The waiting messages are too old, because receive() was not called for too long; a new subscription is needed."""


class Subscription(BrokerClient):
    """Receives deliveries and rejections from the gossip exchange. Call all methods on one thread.

    Bounded on the broker (RabbitMQ: an exclusive queue of at most 1,000 messages, 16 MB and 3 s). Leaves nothing there
    after close(). After `kill -9` one member stays in Kombu's binding set on Redis, which is the same for every
    listener.
    """

    def __init__(self, broker: Broker, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(broker.managed_connection(**_polling_options(broker)))
        self._exchange = broker.exchange()
        self._keyring = broker.keyring
        self._clock = clock
        self._received_at = 0.0  #: monotonic seconds of the latest call of receive()
        self._channel: Any = None
        self._message_class: Any = None
        self._queue: Any = None
        self._pubsub_reader: PubSubReader | None = None
        self._frame_reader: FrameReader | None = None
        self._inbox: list[Delivery | RejectedGossip] = []
        self._data_errors = 0
        self._sync_error: Exception | None = None  #: raised by the next read, because the stream is out of sync
        self._reads_in_bulk = True

    def open(self) -> None:
        """Connect, declare the queue, and consume. Raises whatever the transport raises; then call fail_over()."""
        self._clear()
        self._channel = channel = self._connection.open()
        self._message_class = kind = message_class(channel)
        if kind is not None:
            self._message_class = channel.Message = safe_message_class(kind)
        is_amqp = self._connection.driver_type == "amqp"
        with self._connection.bounded():
            if is_amqp:
                channel.basic_qos(0, _PREFETCH, False)
            self._queue = self._declare_queue(channel)
            Consumer(channel, [self._queue], on_message=self._on_message, no_ack=not is_amqp).consume()
        if self._reads_in_bulk:
            try:
                self._open_bulk_reader(channel)
            except MissingName as exc:
                self._fall_back_to_kombu(exc)
        if self._connection.driver_type == "redis" and not self._reads_in_bulk:
            self._read_by_kombu(0)  # Kombu subscribes at the first read
        self._received_at = self._clock()

    def receive(self, timeout: float) -> list[Delivery | RejectedGossip]:
        """Return deliveries and rejections as soon as there are any; an empty list after `timeout` seconds.

        The size of one batch is bounded, however many messages wait. Raises StaleSubscription if it was not called for
        3 s, and whatever the transport raises if the connection is lost or out of sync; then call fail_over().
        """
        if self._pubsub_reader is not None:
            data = self._call_reader(self._pubsub_reader.read, timeout)
            self._require_fresh(timeout)
            self._add_envelopes(self._call_reader(self._pubsub_reader.parse, data))
        elif self._frame_reader is not None:
            data = self._call_reader(self._frame_reader.read, timeout)
            self._require_fresh(timeout)
            self._add_deliveries(self._call_reader(self._frame_reader.parse, data))
        else:
            self._read_by_kombu(timeout)
        received, self._inbox = self._inbox, []
        return received

    def close(self) -> None:
        """Delete the queue and close the connection, bounded in time. Never raises."""
        try:
            # On AMQP the queue is exclusive and is deleted with the connection. If it were deleted first, RabbitMQ
            # would send a Basic.Cancel, which py-amqp raises while it waits for Close-Ok, and the socket would leak.
            if self._queue is not None and self._connection.driver_type != "amqp":
                self._queue.delete()
        except Exception:  # the broker is down
            self._connection.fail_over()
        super().close()

    def _clear(self) -> None:
        self._channel = self._queue = self._pubsub_reader = self._frame_reader = None
        self._inbox = []
        self._data_errors, self._sync_error = 0, None

    def _broker_objects(self) -> tuple[Any, ...]:
        return self._queue, self._channel

    def _require_fresh(self, timeout: float) -> None:
        """Raise StaleSubscription if the process was stopped or starved before or during this read."""
        previous, self._received_at = self._received_at, self._clock()
        if self._received_at - previous > _STALE_AFTER + timeout:
            raise StaleSubscription(f"nothing was read for {self._received_at - previous:.1f} s")

    def _add_envelopes(self, payloads: list[bytes | RejectedGossip]) -> None:
        self._inbox += [
            one if isinstance(one, RejectedGossip) else parse_envelope(one, self._keyring) for one in payloads
        ]

    def _add_deliveries(self, deliveries: list[RawDelivery]) -> None:
        for delivery in deliveries:
            message = self._message_class(UndecodedMessage(delivery), channel=self._channel)
            self._on_message(message)
        if deliveries:
            self._channel.basic_ack(deliveries[-1].tag, multiple=True)

    def _call_reader(self, method: Callable[[Any], Any], argument: Any) -> Any:
        """Call this method of a bulk reader; stop using it after an error that a changed client library would cause."""
        try:
            return method(argument)
        except (AttributeError, TypeError) as exc:
            self._fall_back_to_kombu(exc)
            # The connection must be rebuilt, because a part of the stream may have been read.
            raise ConnectionError(f"the socket cannot be read in bulk: {exc}") from exc

    def _fall_back_to_kombu(self, exc: Exception) -> None:
        """Let Kombu read one message at a time, on this connection and all further ones."""
        self._reads_in_bulk, self._pubsub_reader, self._frame_reader = False, None, None
        text = "celery-gossip: reading one message at a time, because a client library has changed: %s"
        _log.warning("bulk read", text, exc)

    def _open_bulk_reader(self, channel: Any) -> None:
        if self._connection.driver_type == "redis":
            reader = PubSubReader(send_subscription(self._connection.raw, channel))
            self._pubsub_reader = reader
            self._add_envelopes(self._call_reader(reader.await_subscription, TIMEOUT))
        elif isinstance(self._connection.raw, amqp.Connection):
            if self._message_class is None:
                raise MissingName("the channel has no Message")
            self._frame_reader = FrameReader(self._connection.raw)

    def _read_by_kombu(self, timeout: float) -> None:
        """Let Kombu process one event."""
        if self._sync_error is not None:
            raise self._sync_error
        try:
            self._connection.drain(timeout)
            self._data_errors = 0
        except self._connection.data_errors as exc:
            self._data_errors += 1
            if self._data_errors > self._connection.max_data_errors:
                self._sync_error = exc  # the rejection is returned first
            self._inbox.append(RejectedGossip("transport", repr(exc)[:200]))

    def _declare_queue(self, channel: Any) -> Any:
        queue = Queue(
            _queue_name(self._exchange.name, self._connection.driver_type),
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
        self._inbox.append(parse_message(message, self._keyring))


def _queue_name(exchange: str, driver_type: str) -> str:
    """Return a new name for each connection; on Redis, where only the exchange routes, the same name for all.

    Kombu keeps every name of a Redis fanout queue until the process ends, and a listener that was killed leaves its
    name in a set: a constant name bounds both.
    """
    return f"{exchange}.listener" if driver_type == "redis" else f"{exchange}.{uuid4().hex}"


def _polling_options(broker: Broker) -> dict[str, Any]:
    return {"polling_interval": _POLLING_INTERVAL} if broker.driver_type in ("memory", "filesystem") else {}
