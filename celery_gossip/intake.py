"""Intakes: take all at once that has come on a subscriber's socket, at a few microseconds a message.

The client libraries take one message at a time, and a hundred microseconds for each, or all that comes before they
return, in memory without a bound: either way who floods the exchange deafens a listener. Owned by a Subscription, used
on the listener's thread. What is broken, or longer than any gossip, is passed over without being kept.
"""

import ssl
import time
from dataclasses import dataclass
from struct import unpack_from
from typing import Any

from celery_gossip.errors import RejectedGossip
from celery_gossip.messages import MAX_BYTES

__all__ = ["AmqpIntake", "Parcel", "RedisIntake", "Replies"]

_CHUNK = 256 * 1024  #: bytes taken at once, at most
_MOST = 2 * MAX_BYTES  #: bytes of one message; an envelope of Redis adds a third
_NOTHING_YET = (TimeoutError, BlockingIOError, ssl.SSLWantReadError)
_LINE_END = b"\r\n"
_AGGREGATES = b"*>"  #: how an array begins, and a push of RESP 3
_DELIVER = (60, 60)  #: class and method of AMQP
_METHOD, _HEADER, _BODY = 1, 2, 3  #: kinds of frames
_FRAME_END = 0xCE
_FRAME_EXTRA = 8  #: bytes of a frame beside its payload


class RedisIntake:
    """Reads a pub/sub connection of redis-py, which has sent its subscription and read nothing since."""

    def __init__(self, connection: Any) -> None:
        """Raises NotImplementedError where the library is not as we know it."""
        try:
            self._socket = connection._sock
            self._replies = Replies(connection._parser.parse_error)
        except AttributeError as exc:
            raise NotImplementedError(str(exc)) from exc

    def await_subscription(self, timeout: float) -> list[bytes | RejectedGossip]:
        """Read until Redis has confirmed it; what else came. Raises TimeoutError, or redis-py's error for a refusal."""
        give_up_at = time.monotonic() + timeout
        payloads: list[bytes | RejectedGossip] = []
        while not self._replies.is_subscribed:
            left = give_up_at - time.monotonic()
            if left <= 0:
                raise TimeoutError("Redis does not confirm the subscription")
            payloads += self.take(self.read(left))
        return payloads

    def read(self, timeout: float) -> bytes:
        """What has come, as soon as there is anything; nothing after `timeout` seconds."""
        return _read(self._socket, timeout)

    def take(self, data: bytes) -> list[bytes | RejectedGossip]:
        """The payloads that are whole now, as they were published."""
        return self._replies.feed(data)


class Replies:
    """Payloads out of the stream that a subscriber of Redis reads (RESP 2 or 3); everything else in it is dropped."""

    def __init__(self, error_of: Any) -> None:
        """`error_of` makes an exception of a refusal in words."""
        self.is_subscribed = False
        self._error_of = error_of
        self._rest = b""
        self._to_skip = 0  #: bytes of a payload that is too long
        self._head = b"\0"  #: how the latest message began, up to the size of its payload: the next will, too

    def feed(self, data: bytes) -> list[bytes | RejectedGossip]:
        """The payloads that end in this piece of the stream. Raises ConnectionError for what is no reply."""
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        buffer, at = self._rest + data[skipped:], 0
        payloads: list[bytes | RejectedGossip] = []
        try:
            while at < len(buffer):
                if buffer.startswith(self._head, at):
                    payload, at = self._bulk(buffer, at + len(self._head) - 1)
                    payloads.append(payload)
                else:
                    at = self._take_reply(buffer, at, payloads)
        except _Unfinished:
            pass
        except (ValueError, IndexError) as exc:
            raise ConnectionError(f"no reply of Redis: {exc}") from exc
        self._rest = buffer[at:] if at < len(buffer) else b""
        return payloads

    def _take_reply(self, buffer: bytes, at: int, payloads: list[bytes | RejectedGossip]) -> int:
        """Where the next reply begins."""
        line, after = _line(buffer, at)
        if line[:1] == b"-":
            raise self._error_of(line[1:].decode("utf-8", "replace"))
        if line[0] not in _AGGREGATES:
            return after
        items: list[Any] = []
        for _ in range(int(line[1:])):
            head = buffer[at : after + 1]
            item, after = self._bulk(buffer, after)
            items.append(item)
        if items and items[0] in (b"pmessage", b"message"):
            self._head = head
            payloads.append(items[-1])
        elif items and items[0] in (b"psubscribe", b"subscribe"):
            self.is_subscribed = True
        return after

    def _bulk(self, buffer: bytes, at: int) -> tuple[Any, int]:
        """A string, or None for an item of another kind, and where the next begins."""
        line, start = _line(buffer, at)
        if line[:1] != b"$":
            return None, start
        end = start + int(line[1:])
        if end - start > _MOST:
            self._to_skip = max(0, end + len(_LINE_END) - len(buffer))
            return RejectedGossip("oversized", f"{end - start} bytes"), min(end + len(_LINE_END), len(buffer))
        if end + len(_LINE_END) > len(buffer):
            raise _Unfinished
        return buffer[start:end], end + len(_LINE_END)


class _Unfinished(Exception):
    """The rest of a reply has yet to come."""


@dataclass(frozen=True)
class Parcel:
    """A delivery of AMQP, not unpacked: its content header and its body, which is None if it was too long to keep."""

    tag: int
    header: bytes
    body: bytes | None


class AmqpIntake:
    """Reads a connection of py-amqp in its place while its only consumer is served; hands it what is no delivery."""

    def __init__(self, connection: Any) -> None:
        """Raises NotImplementedError where the library is not as we know it."""
        transport = connection.transport
        if not (hasattr(transport, "_read_buffer") and hasattr(transport, "sock")):
            raise NotImplementedError(f"{type(transport).__name__} reads otherwise")
        self._connection = connection
        self._tag = 0
        self._header = b""
        self._parts: list[bytes] = []
        self._size = self._missing = 0

    def read(self, timeout: float) -> bytes:
        """What has come, as soon as there is anything; nothing after `timeout` seconds."""
        transport = self._connection.transport
        known, before = transport._read_buffer, transport.sock.gettimeout()
        try:
            data = _read(transport.sock, timeout)
            transport._read_buffer = b""
            return known + data if known else data
        finally:
            transport.sock.settimeout(before)  # py-amqp writes on it

    def take(self, data: bytes) -> list[Parcel]:
        """The deliveries that are whole now. Raises whatever py-amqp makes of anything else."""
        parcels: list[Parcel] = []
        at, most = 0, len(data) - _FRAME_EXTRA
        while at <= most:
            kind, channel, size = unpack_from(">BHI", data, at)
            end = at + _FRAME_EXTRA + size
            if end > len(data):
                break
            if data[end - 1] != _FRAME_END:
                raise ConnectionError("a frame of AMQP does not end where it should")
            self._take_frame(kind, channel, data[at + 7 : end - 1], parcels)
            at = end
        transport = self._connection.transport
        transport._read_buffer = data[at:] + transport._read_buffer
        return parcels

    def _take_frame(self, kind: int, channel: int, payload: bytes, parcels: list[Parcel]) -> None:
        if kind == _BODY:
            self._take_body(payload, parcels)
        elif kind == _HEADER:
            self._header, self._parts = payload, []
            (self._size,) = unpack_from(">Q", payload, 4)
            self._missing = self._size
            if not self._size:
                self._take_body(b"", parcels)
        elif kind == _METHOD and unpack_from(">HH", payload) == _DELIVER:
            (self._tag,) = unpack_from(">Q", payload, 5 + payload[4])  # behind the consumer's tag
        else:
            self._connection.on_inbound_frame((kind, channel, payload))

    def _take_body(self, payload: bytes, parcels: list[Parcel]) -> None:
        self._missing -= len(payload)
        if self._size <= _MOST:
            self._parts.append(payload)
        if self._missing <= 0:
            body = b"".join(self._parts) if self._size <= _MOST else None
            parcels.append(Parcel(self._tag, self._header, body))
            self._parts = []


def _read(sock: Any, timeout: float) -> bytes:
    if sock.gettimeout() != timeout:
        sock.settimeout(timeout)
    try:
        data: bytes = sock.recv(_CHUNK)
    except _NOTHING_YET:
        return b""
    if not data:
        raise ConnectionError("the broker has closed the connection")
    return data


def _line(buffer: bytes, at: int) -> tuple[bytes, int]:
    """A line without its end, and where the next begins."""
    end = buffer.find(_LINE_END, at)
    if end < 0:
        raise _Unfinished
    return buffer[at:end], end + len(_LINE_END)
