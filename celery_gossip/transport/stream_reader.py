"""Reads everything that has arrived on a subscriber's socket at once, for a few microseconds per message.

The client libraries either read one message at a time, at about 100 µs each, or everything that arrives before they
return, in unbounded memory: in both cases a client that floods the exchange would stop a listener from receiving.
Owned by a Subscription, used on the listener's thread. Broken messages, and messages longer than any gossip, are
skipped without being kept.
"""

import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from struct import unpack_from
from typing import Any

from celery_gossip.errors import RejectedGossip
from celery_gossip.transport._compat import AmqpStream, redis_stream
from celery_gossip.wire.messages import MAX_BYTES

__all__ = ["FrameReader", "PubSubReader", "RawDelivery", "ReplyParser"]

_MAX_READ = 256 * 1024  #: bytes of one read
_MAX_MESSAGE = 2 * MAX_BYTES  #: bytes of one message; Kombu's envelope on Redis adds a third
_MAX_UNFINISHED = 2 * _MAX_MESSAGE  #: bytes of an incomplete reply of Redis, whose payload is not yet too long
_NO_DATA_YET = (TimeoutError, BlockingIOError, ssl.SSLWantReadError)
_LINE_END = b"\r\n"
_AGGREGATES = b"*>"  #: first byte of an array, and of a push of RESP 3
_DELIVER = (60, 60)  #: Basic.Deliver: class and method of AMQP
_CHANNEL_CLOSE = (20, 40)
#: Connection.Close, Blocked and Unblocked, Channel.Flow, Basic.Cancel: methods that a broker sends without a request,
#: and that py-amqp processes without waiting for an answer. Any other method would be an answer to no request.
_UNREQUESTED = {(10, 50), (10, 60), (10, 61), (20, 20), (60, 30)}
_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8  #: types of frames
_FRAME_END = 0xCE
_FRAME_OVERHEAD = 8  #: bytes of a frame besides its payload
_MAX_FRAME = 16 * 1024 * 1024  #: bytes of a frame; RabbitMQ sends at most 128 KiB unless it is configured otherwise


class PubSubReader:
    """Reads a pub/sub connection of redis-py that has sent its subscription and has read nothing since."""

    def __init__(self, connection: Any) -> None:
        """Raise MissingName if redis-py has changed; nothing has been read then."""
        self._socket, parse_error = redis_stream(connection)
        self._parser = ReplyParser(parse_error)

    def await_subscription(self, timeout: float) -> list[bytes | RejectedGossip]:
        """Read until Redis confirms the subscription; return the payloads that arrived before that.

        Raises TimeoutError, or redis-py's error if Redis refuses the subscription.
        """
        give_up_at = time.monotonic() + timeout
        payloads: list[bytes | RejectedGossip] = []
        while not self._parser.is_subscribed:
            left = give_up_at - time.monotonic()
            if left <= 0:
                raise TimeoutError("Redis does not confirm the subscription")
            payloads += self.parse(self.read(left))
        return payloads

    def read(self, timeout: float) -> bytes:
        """Return the bytes that have arrived, as soon as there are any; none after `timeout` seconds."""
        return _read(self._socket, timeout)

    def parse(self, data: bytes) -> list[bytes | RejectedGossip]:
        """Return the payloads that are complete now, as they were published."""
        return self._parser.feed(data)


class ReplyParser:
    """Extracts the payloads from the stream that Redis sends to a subscriber (RESP 2 or 3), and skips the rest."""

    def __init__(self, parse_error: Callable[[str], Exception]) -> None:
        """`parse_error` converts the text of an error reply to an exception."""
        self.is_subscribed = False
        self._parse_error = parse_error
        self._rest = b""
        self._to_skip = 0  #: bytes left of a payload that is too long
        #: The bytes of the latest message before the size of its payload. The next message begins with the same ones.
        self._prefix = b"\0"

    def feed(self, data: bytes) -> list[bytes | RejectedGossip]:
        """Return the payloads that end in this part of the stream. Raises ConnectionError for an invalid reply."""
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        buffer, at = self._rest + data[skipped:], 0
        payloads: list[bytes | RejectedGossip] = []
        try:
            while at < len(buffer):
                if buffer.startswith(self._prefix, at):
                    payload, at = self._parse_string(buffer, at + len(self._prefix) - 1)
                    payloads.append(payload)
                else:
                    at = self._parse_reply(buffer, at, payloads)
        except _Incomplete:
            pass
        except (ValueError, IndexError) as exc:
            raise ConnectionError(f"invalid reply of Redis: {exc}") from exc
        self._rest = buffer[at:] if at < len(buffer) else b""
        if len(self._rest) > _MAX_UNFINISHED:
            raise ConnectionError(f"a reply of Redis has more than {_MAX_UNFINISHED} bytes")
        return payloads

    def _parse_reply(self, buffer: bytes, at: int, payloads: list[bytes | RejectedGossip]) -> int:
        """Parse one reply; return the position of the next one."""
        line, after = _line(buffer, at)
        if line[:1] == b"-":
            raise self._parse_error(line[1:].decode("utf-8", "replace"))
        if line[0] not in _AGGREGATES:
            return after
        items: list[Any] = []
        for _ in range(int(line[1:])):
            prefix = buffer[at : after + 1]
            item, after = self._parse_string(buffer, after)
            items.append(item)
        if items and items[0] in (b"pmessage", b"message"):
            self._prefix = prefix
            payloads.append(items[-1])
        elif items and items[0] in (b"psubscribe", b"subscribe"):
            self.is_subscribed = True
        return after

    def _parse_string(self, buffer: bytes, at: int) -> tuple[Any, int]:
        """Return a bulk string, or None for an item of another type, and the position after it."""
        line, start = _line(buffer, at)
        if line[:1] != b"$":
            return None, start
        end = start + int(line[1:])
        if end - start > _MAX_MESSAGE:
            self._to_skip = max(0, end + len(_LINE_END) - len(buffer))
            return RejectedGossip("oversized", f"{end - start} bytes"), min(end + len(_LINE_END), len(buffer))
        if end + len(_LINE_END) > len(buffer):
            raise _Incomplete
        return buffer[start:end], end + len(_LINE_END)


class _Incomplete(Exception):
    """The rest of a reply has not arrived yet."""


@dataclass(frozen=True)
class RawDelivery:
    """A delivery of AMQP that is not decoded: its content header, and its body or None if it was too long to keep."""

    tag: int
    header: bytes
    body: bytes | None


class FrameReader:
    """Reads a py-amqp connection in place of py-amqp, which processes the frames that are no deliveries.

    The connection must have a single consumer.
    """

    def __init__(self, connection: Any) -> None:
        """Raise MissingName if py-amqp has changed; nothing has been read then."""
        self._stream = AmqpStream(connection)
        self._tag = 0
        self._header = b""
        self._parts: list[bytes] = []
        self._size = self._missing = 0

    def read(self, timeout: float) -> bytes:
        """Return the bytes that have arrived, as soon as there are any; none after `timeout` seconds."""
        stream = self._stream
        stream.require_connected()
        buffered, previous_timeout = stream.buffer, stream.sock.gettimeout()
        try:
            data = _read(stream.sock, timeout)
            stream.buffer = b""
            return buffered + data if buffered else data
        finally:
            stream.sock.settimeout(previous_timeout)  # py-amqp writes to the same socket

    def parse(self, data: bytes) -> list[RawDelivery]:
        """Return the deliveries that are complete now.

        Raises ConnectionError if the stream is broken or the broker has ended the connection; also what py-amqp raises
        when the broker closes the connection or the channel, or cancels the consumer.
        """
        deliveries: list[RawDelivery] = []
        at, last = 0, len(data) - _FRAME_OVERHEAD
        try:
            while at <= last:
                kind, channel, size = unpack_from(">BHI", data, at)
                end = at + _FRAME_OVERHEAD + size
                if end > len(data):
                    _require_size(size)
                    break
                if data[end - 1] != _FRAME_END:
                    raise ConnectionError("a frame of AMQP does not end where it should")
                self._parse_frame(kind, channel, data[at + 7 : end - 1], deliveries)
                at = end
        except (struct.error, LookupError) as exc:
            raise ConnectionError(f"a frame of AMQP is too short, or on a channel that is not open: {exc!r}") from exc
        self._stream.buffer = data[at:] + self._stream.buffer
        return deliveries

    def _parse_frame(self, kind: int, channel: int, payload: bytes, deliveries: list[RawDelivery]) -> None:
        if kind == _BODY:
            self._add_body(payload, deliveries)
        elif kind == _HEADER:
            self._header, self._parts = payload, []
            (self._size,) = unpack_from(">Q", payload, 4)
            self._missing = self._size
            if not self._size:
                self._add_body(b"", deliveries)
        elif kind == _METHOD:
            self._parse_method(channel, payload)
        elif kind != _HEARTBEAT:
            raise ConnectionError(f"a frame of AMQP has an unknown type: {kind}")

    def _parse_method(self, channel: int, payload: bytes) -> None:
        method = unpack_from(">HH", payload)
        if method == _DELIVER:
            (self._tag,) = unpack_from(">Q", payload, 5 + payload[4])  # after the consumer's tag
        elif method == _CHANNEL_CLOSE:
            raise self._close_error(payload)  # py-amqp would wait for a new channel, without a limit
        elif method in _UNREQUESTED:
            self._stream.process((_METHOD, channel, payload))
        else:
            raise ConnectionError(f"the broker sent a method of AMQP that was not requested: {method}")

    def _add_body(self, payload: bytes, deliveries: list[RawDelivery]) -> None:
        self._missing -= len(payload)
        if self._size <= _MAX_MESSAGE:
            self._parts.append(payload)
        if self._missing <= 0:
            body = b"".join(self._parts) if self._size <= _MAX_MESSAGE else None
            deliveries.append(RawDelivery(self._tag, self._header, body))
            self._parts = []

    def _close_error(self, payload: bytes) -> Exception:
        """Return what py-amqp would raise for this Channel.Close."""
        (code,), text_end = unpack_from(">H", payload, 4), 7 + payload[6]
        text = payload[7:text_end].decode("utf-8", "replace")
        class_id, method_id = unpack_from(">HH", payload, text_end)
        return self._stream.close_error(code, text, (class_id, method_id))


def _require_size(size: int) -> None:
    """Raise ConnectionError for a frame that is too long to wait for."""
    if size > _MAX_FRAME:
        raise ConnectionError(f"a frame of AMQP has {size} bytes")


def _read(sock: Any, timeout: float) -> bytes:
    if sock.gettimeout() != timeout:
        sock.settimeout(timeout)
    try:
        data: bytes = sock.recv(_MAX_READ)
    except _NO_DATA_YET:
        return b""
    if not data:
        raise ConnectionError("the broker has closed the connection")
    return data


def _line(buffer: bytes, at: int) -> tuple[bytes, int]:
    """Return a line without its end, and the position of the next one."""
    end = buffer.find(_LINE_END, at)
    if end < 0:
        raise _Incomplete
    return buffer[at:end], end + len(_LINE_END)
