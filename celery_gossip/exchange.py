"""The only user of Kombu: the gossip exchange, a Publisher for the sender and a Subscription for the listener.

A Publisher lives on the sender's thread, a Subscription on the listener's; neither is shared. Every call is bounded in
time (see TIMEOUT). Names follow Kombu.
"""

import base64
import binascii
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.message import Message
from kombu.utils.url import maybe_sanitize_url

from celery_gossip.errors import InvalidOption, RejectedGossip, UnsupportedTransport
from celery_gossip.messages import CONTENT_TYPE, MAX_BYTES
from celery_gossip.options import GossipOptions

__all__ = ["Broker", "Publisher", "Subscription", "is_refusal", "open_broker"]

TIMEOUT = 1.0  #: seconds for each connect and each answer of the broker; measured in the facts of each transport
PUBLISH_TIMEOUT = 0.4  #: seconds for writing one message to an AMQP socket that does not drain
EXPIRES_AFTER = 3.0  #: intervals after which an undelivered gossip is worthless
_MOST_EXPIRY = 86_400.0  #: seconds
_QUEUE_LENGTH = 200  #: messages that a listener who does not read leaves on the broker, at most
_QUEUE_TTL = 3.0  #: seconds that they stay there
_PREFETCH = 100
_MOST_DATA_ERRORS = 10  #: broken messages in a row after which the connection itself is taken for broken
_REFUSALS = (403, 404, 405, 406, 530)  #: reply codes of AMQP
_POLLING_INTERVAL = 0.1  #: seconds between looks of transports that cannot wait (memory, filesystem)

#: Only keys that the transport knows: pyamqp hands unknown ones to the protocol client.
_TUNED = {
    "redis": {
        "max_retries": 0,
        "retry_on_timeout": False,
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
    },
    "amqp": {"max_retries": 0, "confirm_publish": False},
}


@dataclass(frozen=True)
class Broker:
    """Where gossip goes: builds connections that are never pooled and never retry by themselves."""

    app: Any
    options: GossipOptions

    @property
    def uri(self) -> str:
        """The broker's address without its password."""
        with self._connection({}) as connection:
            return str(connection.as_uri())

    def connection(self, **transport_options: Any) -> Any:
        """A new kombu.Connection, not connected yet. Blocks for nothing but imports."""
        with self._connection({}) as plain:
            driver = plain.transport.driver_type
        return self._connection({**_TUNED.get(driver, {}), **transport_options})

    def require_fanout(self) -> None:
        """Raise UnsupportedTransport where messages to a fanout exchange would silently go nowhere."""
        with self._connection({}) as connection:
            if not connection.supports_exchange_type("fanout"):
                raise UnsupportedTransport(
                    f"the broker transport {connection.transport.driver_name!r} cannot fan out: queue gossip is off; "
                    "set gossip_broker_url to a Redis or RabbitMQ that can"
                )

    def exchange(self) -> Exchange:
        """The fanout exchange: transient, as all gossip is, and kept while nobody listens."""
        return Exchange(self.options.exchange, type="fanout", durable=False, delivery_mode="transient")

    def _connection(self, transport_options: dict[str, Any]) -> Any:
        parameters = {"heartbeat": 0, "connect_timeout": TIMEOUT, "transport_options": transport_options}
        if self.options.broker_url is None:
            return self.app.connection_for_write(**parameters)
        # A broker of its own: the app's credentials, TLS and transport options belong to another one.
        return Connection(self.options.broker_url, **parameters)


def open_broker(app: Any, options: GossipOptions) -> Broker:
    """The broker of these options, checked as far as it can be without connecting.

    Raises InvalidOption for a `gossip_broker_url` that no transport takes, UnsupportedTransport for one that cannot
    fan out.
    """
    broker = Broker(app, options)
    try:
        broker.require_fanout()
    except (KeyError, ValueError, ImportError) as exc:
        if options.broker_url is None:
            raise
        url = maybe_sanitize_url(options.broker_url)
        raise InvalidOption(f"gossip_broker_url: expected a URL that Kombu can use, got {url!r} ({exc})") from exc
    return broker


class _Link:
    """A connection with one channel, rebuilt from scratch after any error; failover URLs are tried in turn.

    `raw`, the transport's own connection, is kept here: kombu's property of that name would reconnect in silence.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.driver_type = str(connection.transport.driver_type)
        self.raw: Any = None

    @property
    def data_errors(self) -> tuple[type[Exception], ...]:
        """What a broken message raises on transports that stay in step all the same. Never a connection's error."""
        if self.driver_type == "amqp":
            return ()
        return (AttributeError, LookupError, RecursionError, TypeError, ValueError)

    def open(self) -> Any:
        """Connect and open a channel; each step takes TIMEOUT at most."""
        self._connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
        self.raw = self._connection.connection
        with self.bounded():
            return self._connection.channel()

    def drain(self, timeout: float) -> None:
        """Let one event through; returns when none came in `timeout` seconds."""
        try:
            self._connection.transport.drain_events(self.raw, timeout=timeout)
        except (socket.timeout, TimeoutError):
            pass

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """AMQP answers are awaited without a limit otherwise; Redis has its socket_timeout."""
        transport = self.raw.transport if self.driver_type == "amqp" else None
        with transport.having_timeout(TIMEOUT) if transport else nullcontext():
            yield

    def close(self) -> None:
        """Say goodbye, bounded in time. Never raises."""
        try:
            if self.raw is not None:
                with self.bounded():
                    self._connection.close()
        except Exception:  # the peer is gone or hangs: nothing to say goodbye to
            self.drop()
        self.raw = None

    def drop(self) -> None:
        """Forget the connection without a word, and turn to the next failover URL. Never raises."""
        self.raw = None
        # On AMQP close() would wait for an answer; elsewhere collect() would set a timeout for the whole process.
        leave = self._connection.collect if self.driver_type == "amqp" else self._connection.close
        for step in (leave, self._connection.maybe_switch_next):
            try:
                step()
            except Exception:
                continue


def is_refusal(exc: Exception) -> bool:
    """Whether a broker that is alive has said no (rights, a mismatching exchange): to be asked again, but rarely."""
    return getattr(exc, "reply_code", None) in _REFUSALS


class Publisher:
    """Publishes gossip on a connection of its own; the first publish after a failure connects anew."""

    def __init__(self, broker: Broker) -> None:
        self._link = _Link(broker.connection())
        self._exchange = broker.exchange()
        self._expiration = min(EXPIRES_AFTER * broker.options.interval, _MOST_EXPIRY)
        self._producer: Any = None
        self._is_blocked = False

    def publish(self, body: bytes) -> bool:
        """Send these bytes; False where RabbitMQ has blocked the connection (an alarm) and nothing was sent.

        Raises whatever the transport raises; then call drop().
        """
        if self._producer is None:
            self._producer = self._open()
        if self._is_blocked:
            self._link.drain(timeout=0)
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
        return True

    def close(self) -> None:
        """Say goodbye to the broker, bounded in time. Never raises."""
        self._producer = None
        self._link.close()

    def drop(self) -> None:
        """Throw the connection away; the next publish builds a new one. Never raises."""
        self._producer = None
        self._is_blocked = False
        self._link.drop()

    def _open(self) -> Any:
        channel = self._link.open()
        if self._link.driver_type == "amqp":
            self._link.raw.on_blocked = self._on_blocked
            self._link.raw.on_unblocked = self._on_unblocked
        with self._link.bounded():
            channel = self._declare(channel)
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
        """See the function of this name."""
        return is_refusal(exc)

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
        self._link = _Link(broker.connection(**_polling_options(broker)))
        self._queue: Any = None
        self._inbox: list[bytes | RejectedGossip] = []
        self._data_errors = 0

    def open(self) -> None:
        """Connect, declare the queue, and consume. Raises whatever the transport raises; then call drop()."""
        channel = self._link.open()
        channel.Message = _bounded_message(channel.Message)
        is_amqp = self._link.driver_type == "amqp"
        if self._link.driver_type == "redis":
            self._guard_redis(channel)
        with self._link.bounded():
            if is_amqp:
                channel.basic_qos(0, _PREFETCH, False)
            self._queue = self._declare_queue(channel)
            Consumer(channel, [self._queue], on_message=self._on_message, no_ack=not is_amqp).consume()

    def receive(self, timeout: float) -> list[bytes | RejectedGossip]:
        """Bodies and rejections that came within `timeout` seconds; at least one wait, at most one event.

        Raises whatever the transport raises when the connection is gone or out of step; then call drop().
        """
        try:
            self._link.drain(timeout)
            self._data_errors = 0
        except self._link.data_errors as exc:
            self._data_errors += 1
            if self._data_errors > _MOST_DATA_ERRORS:
                raise
            self._inbox.append(RejectedGossip("transport", repr(exc)[:200]))
        received, self._inbox = self._inbox, []
        return received

    def close(self) -> None:
        """Delete the queue and say goodbye, bounded in time. Never raises."""
        try:
            if self._queue is not None:
                with self._link.bounded():
                    self._queue.delete()
        except Exception:  # the peer is gone, and an exclusive queue with it
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
        self._inbox.append(_body_of(message))
        if self._link.driver_type == "amqp":
            message.ack()

    def _guard_redis(self, channel: Any) -> None:
        """Check each pub/sub payload before Kombu unpacks it: anybody may PUBLISH anything there."""
        handle_message = channel._handle_message

        def guarded(client: Any, response: Any) -> Any:
            payload = handle_message(client, response)
            if payload and payload["type"] in (b"message", b"pmessage"):
                try:
                    _check_envelope(payload["data"])
                except RejectedGossip as exc:
                    self._inbox.append(exc)
                    payload["data"] = None
            return payload

        channel._handle_message = guarded


class _Properties(msgspec.Struct):
    delivery_tag: str
    body_encoding: str | None = None


class _Envelope(msgspec.Struct, rename={"content_type": "content-type"}):
    """A message as Kombu's virtual transports write it."""

    body: str
    properties: _Properties
    headers: dict[str, Any]
    content_type: str | None = None


_envelope_decoder = msgspec.json.Decoder(_Envelope)


def _check_envelope(data: Any) -> None:
    """Raise RejectedGossip unless Kombu can unpack these bytes without a surprise."""
    if not isinstance(data, bytes) or len(data) > 2 * MAX_BYTES:  # base64 adds a third
        raise RejectedGossip("oversized", f"an envelope of {2 * MAX_BYTES} bytes is allowed")
    try:
        envelope = _envelope_decoder.decode(data)
        if envelope.properties.body_encoding == "base64":
            base64.b64decode(envelope.body)
    except (ValueError, RecursionError, binascii.Error) as exc:
        raise RejectedGossip("transport", str(exc)[:200]) from exc


def _bounded_message(message_class: Any) -> Any:
    """A subclass of the channel's Message that unpacks nothing and raises nothing: what is wrong waits in `rejected`."""

    class BoundedMessage(message_class):  # type: ignore[misc]
        rejected: RejectedGossip | None = None

        def __init__(self, raw: Any, channel: Any = None, **kwargs: Any) -> None:
            try:
                _refuse_compression(raw)
                super().__init__(raw, channel=channel, **kwargs)
            except Exception as exc:
                self.errors: list[Any] = []
                tag = getattr(raw, "delivery_tag", None)
                Message.__init__(self, channel=channel, delivery_tag=tag)
                self.rejected = exc if isinstance(exc, RejectedGossip) else RejectedGossip("transport", repr(exc)[:200])

    return BoundedMessage


def _refuse_compression(raw: Any) -> None:
    if isinstance(raw, dict):
        headers = raw.get("headers")
    else:
        headers = raw.properties.get("application_headers")
    if headers and "compression" in headers:
        raise RejectedGossip("compressed")


def _body_of(message: Any) -> bytes | RejectedGossip:
    if message.rejected is not None:
        return message.rejected  # type: ignore[no-any-return]
    if message.content_type != CONTENT_TYPE:
        return RejectedGossip("content_type", repr(message.content_type)[:200])
    if isinstance(message.body, str):
        return message.body.encode("utf-8", "surrogatepass")
    if not isinstance(message.body, (bytes, bytearray, memoryview)):
        return RejectedGossip("transport", f"a body of type {type(message.body).__name__}")
    return bytes(message.body)


def _queue_name(exchange: str, driver_type: str) -> str:
    """A new name per connection where queues are real; on Redis, where the exchange alone routes, one for all.

    Kombu keeps every name of a Redis fanout queue for the life of the process, and a killed listener leaves its name
    in a set: a constant one bounds both.
    """
    return f"{exchange}.listener" if driver_type == "redis" else f"{exchange}.{uuid4().hex}"


def _polling_options(broker: Broker) -> dict[str, Any]:
    with broker.connection() as connection:
        polls = connection.transport.driver_type in ("memory", "filesystem")
    return {"polling_interval": _POLLING_INTERVAL} if polls else {}
