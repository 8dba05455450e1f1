"""Access to undocumented names of Kombu, redis-py and py-amqp: connections, sockets and streams.

Each access has a fallback for a release that drops or changes the name, see `_internals.INTERNALS`. Called on the
thread that owns the connection. Queue lengths are in `_compat_queues`.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import amqp

from celery_gossip.transport._internals import MissingName, lookup

__all__ = [
    "AmqpStream",
    "bounded_reads",
    "close_poller",
    "close_sockets",
    "collect",
    "failover_urls",
    "frame_errors",
    "is_sentinel",
    "message_class",
    "redis_stream",
    "release_idle_connections",
    "require_connected",
    "send_subscription",
    "supports_fanout",
    "watch_blocked",
]


def _optional(owner: Any, name: str) -> Any:
    try:
        return lookup(owner, name)
    except MissingName:
        return None


def failover_urls(connection: Any) -> list[str]:
    """Return the failover URLs of this kombu.Connection after the first."""
    urls = _optional(connection, "alt") or []
    return [url for url in urls[1:] if isinstance(url, str)]


def is_sentinel(connection: Any) -> bool:
    """Return True if the URL of this kombu.Connection names a Sentinel."""
    return str(_optional(connection, "transport_cls")) == "sentinel"


def supports_fanout(connection: Any) -> bool:
    """Return True unless the transport of this kombu.Connection is known to have no fanout exchanges."""
    try:
        return bool(lookup(connection, "supports_exchange_type")("fanout"))
    except MissingName:
        return True


def collect(connection: Any, raw: Any) -> None:
    """Close the sockets of this kombu.Connection without waiting for the broker; `raw` is its transport's connection.

    Raises MissingName if only the sockets were closed, and the kombu.Connection must be replaced.
    """
    try:
        method = lookup(connection, "collect")
    except MissingName:
        close_sockets(raw)
        raise
    method()


def message_class(channel: Any) -> Any:
    """Return the class with which this channel of Kombu decodes messages; None if it is unknown."""
    return _optional(channel, "Message")


def send_subscription(transport: Any, channel: Any) -> Any:
    """Send the pending subscription of Kombu's Redis channel; return the redis-py connection that it is made on.

    Kombu itself would subscribe at the first read, and then read everything that clients publish. Raises MissingName.
    """
    start = lookup(lookup(transport, "cycle"), "on_poll_start")
    client = lookup(channel, "subclient")
    try:
        start()
    except (AttributeError, TypeError) as exc:
        raise MissingName(f"on_poll_start: {exc}") from exc
    return lookup(client, "connection")


def redis_stream(connection: Any) -> tuple[Any, Callable[[str], Exception]]:
    """Return the socket of a redis-py connection, and the function that converts an error reply to an exception.

    Raises MissingName.
    """
    sock, parse_error = lookup(connection, "_sock"), lookup(lookup(connection, "_parser"), "parse_error")
    lookup(sock, "recv")
    if not callable(parse_error):
        raise MissingName("parse_error cannot be called")
    return sock, parse_error


class AmqpStream:
    """The socket and the read buffer of a py-amqp connection, for reading in place of py-amqp.

    The transport is kept: py-amqp's property of that name reconnects silently once the broker has ended the connection,
    and the new connection would have no consumer.
    """

    def __init__(self, connection: Any) -> None:
        """Raise MissingName if the socket cannot be read in place of py-amqp."""
        self._connection = connection
        self._transport = transport = lookup(connection, "transport")
        self.sock = lookup(transport, "sock")
        lookup(self.sock, "gettimeout")
        lookup(amqp.Message, "inbound_header")
        buffer, on_frame = lookup(transport, "_read_buffer"), lookup(connection, "on_inbound_frame")
        try:
            transport._read_buffer = b"" + buffer  # every read replaces it
            _require_one_argument(on_frame)
        except (AttributeError, TypeError) as exc:
            raise MissingName(f"{type(transport).__name__} reads differently: {exc}") from exc

    @property
    def buffer(self) -> bytes:
        """Bytes that py-amqp has read and not processed."""
        data: bytes = self._transport._read_buffer
        return data

    @buffer.setter
    def buffer(self, data: bytes) -> None:
        self._transport._read_buffer = data

    def process(self, frame: tuple[int, int, bytes]) -> None:
        """Let py-amqp process a frame. Raises what py-amqp raises, and ConnectionError if the connection has ended."""
        self._connection.on_inbound_frame(frame)
        require_connected(self._connection)

    def require_connected(self) -> None:
        """Raise ConnectionError if the broker has ended the connection."""
        require_connected(self._connection)

    def close_error(self, code: int, text: str, method: tuple[int, int]) -> Exception:
        """Return what py-amqp would raise for a Channel.Close with this reason."""
        try:
            error_for_code = lookup(amqp.exceptions, "error_for_code")
            error: Exception = error_for_code(code, text, method, amqp.exceptions.ChannelError)
        except (MissingName, TypeError):
            error = ConnectionError(f"the broker has closed the channel: ({code}) {text}")
        return error


def _require_one_argument(function: Any) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # compiled without a signature
        return
    signature.bind(())


def require_connected(connection: Any) -> None:
    """Raise ConnectionError if the broker has ended this py-amqp connection, which would reconnect silently."""
    with suppress(MissingName):
        if not lookup(connection, "connected"):
            raise ConnectionError("the broker has ended the connection")


def bounded_reads(connection: Any, seconds: float) -> AbstractContextManager[Any]:
    """Limit the wait for an answer on a py-amqp connection; no limit if its socket is unknown."""
    # A lost py-amqp connection reconnects when its transport is read.
    try:
        transport = lookup(connection, "transport") if lookup(connection, "connected") else None
    except MissingName:
        transport = None
    if transport is None:
        return nullcontext()
    try:
        manager: AbstractContextManager[Any] = lookup(transport, "having_timeout")(seconds)
    except (MissingName, TypeError):
        return _socket_timeout(transport, seconds)
    return manager


@contextmanager
def _socket_timeout(transport: Any, seconds: float) -> Iterator[None]:
    sock: Any = getattr(transport, "sock", None)
    if not hasattr(sock, "settimeout"):
        yield
        return
    before = sock.gettimeout()
    sock.settimeout(seconds)
    try:
        yield
    finally:
        with suppress(OSError):  # closed in between
            sock.settimeout(before)


def watch_blocked(connection: Any, on_blocked: Callable[[str], None], on_unblocked: Callable[[], None]) -> None:
    """Call these functions when RabbitMQ blocks publishers on this py-amqp connection, and when it unblocks them."""
    with suppress(AttributeError, TypeError):
        connection.on_blocked, connection.on_unblocked = on_blocked, on_unblocked


def release_idle_connections(channel: Any) -> None:
    """Close the open connections in the pool of Kombu's Redis channel; the next command opens one."""
    with suppress(MissingName, AttributeError, TypeError):
        lookup(lookup(lookup(channel, "client"), "connection_pool"), "disconnect")()


def close_poller(transport: Any) -> None:
    """Close the descriptor of Kombu's Redis poller. Never raises."""
    with suppress(Exception):
        lookup(lookup(transport, "cycle"), "poller").close()


def frame_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that py-amqp raises for a frame that it cannot decode."""
    try:
        return (lookup(amqp.exceptions, "FrameSyntaxError"),)
    except MissingName:
        return ()


def close_sockets(raw: Any) -> None:
    """Close this process's sockets of a py-amqp connection or of Kombu's Redis transport. Never raises.

    Nothing is sent and no socket is shut down: after a fork another process uses the same connections.
    """
    with suppress(Exception):
        _close([(_optional(raw, "transport"), "sock")])  # py-amqp
    with suppress(Exception):
        _close([(one, "_sock") for one in _redis_connections(raw)])
    close_poller(raw)


def _close(owners: list[tuple[Any, str]]) -> None:
    for owner, name in owners:
        sock = getattr(owner, name, None)
        if sock is not None:
            setattr(owner, name, None)  # before the socket is closed, so that nothing can shut it down any more
            sock.close()


def _redis_connections(raw: Any) -> list[Any]:
    channels = list(_optional(raw, "channels") or ())
    clients = [vars(channel).get(name) for channel in channels for name in ("client", "subclient")]
    pools = [getattr(client, "connection_pool", None) for client in clients]
    # The attributes of the pool are read, because its methods would notice the fork and close the connections.
    names = ("_available_connections", "_in_use_connections")
    pooled = [one for pool in pools for name in names for one in _optional(pool, name) or ()]
    return [*pooled, *(client.connection for client in clients if getattr(client, "connection", None) is not None)]
