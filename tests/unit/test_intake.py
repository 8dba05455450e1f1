"""Streams of a broker are cut into messages wherever they are cut into pieces, and in bounded memory."""

import socket
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.intake import AmqpIntake, Parcel, RedisIntake, Replies
from celery_gossip.messages import MAX_BYTES

TOO_LONG = 2 * MAX_BYTES + 1


def bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)


def reply(*items: bytes | int, kind: bytes = b"*") -> bytes:
    parts = [b":%d\r\n" % one if isinstance(one, int) else bulk(one) for one in items]
    return b"%b%d\r\n%b" % (kind, len(items), b"".join(parts))


def published(data: bytes, channel: bytes = b"/0.x", **how: Any) -> bytes:
    return reply(b"pmessage", b"/0.x", channel, data, **how)


class Refusal(Exception):
    """What the client library makes of an error in words."""


@pytest.fixture
def replies() -> Replies:
    return Replies(Refusal)


PAYLOADS = [b"one", b"", b"\r\n$3\r\nabc\r\n", b"*4\r\n" * 100, bytes(range(256))]
STREAM = (
    reply(b"psubscribe", b"/0.x", 1)
    + b"".join(map(published, PAYLOADS[:2]))
    + b"+OK\r\n"
    + reply(b"pong", b"")
    + published(PAYLOADS[2], channel=b"/0.y", kind=b">")
    + reply(b"message", b"/0.x", PAYLOADS[3])
    + published(PAYLOADS[4])
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(STREAM)])
def test_payloads_of_redis_are_whole_however_the_stream_is_cut(replies: Replies, size: int) -> None:
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert not replies.is_subscribed
    assert [payload for piece in pieces for payload in replies.feed(piece)] == PAYLOADS
    assert replies.is_subscribed


def test_a_refusal_of_redis_is_raised_as_its_client_library_would(replies: Replies) -> None:
    with pytest.raises(Refusal, match="NOPERM no rights"):
        replies.feed(b"-NOPERM no rights\r\n")


@pytest.mark.parametrize("garbage", [b"\r\n", b"*x\r\n", b"*1\r\n$x\r\n"])
def test_what_is_no_reply_of_redis_ends_the_connection(replies: Replies, garbage: bytes) -> None:
    with pytest.raises(ConnectionError):
        replies.feed(garbage)


@pytest.mark.parametrize("size", [1000, 2 * TOO_LONG])
def test_a_payload_that_is_too_long_is_refused_once_and_never_kept(replies: Replies, size: int) -> None:
    stream = published(b"before") + published(b"x" * TOO_LONG) * 2 + published(b"after")
    told, most = [], 0
    for at in range(0, len(stream), size):
        told += replies.feed(stream[at : at + size])
        most = max(most, len(replies._rest))
    reasons = [one.reason if isinstance(one, RejectedGossip) else one for one in told]
    assert reasons == [b"before", "oversized", "oversized", b"after"]
    assert most < MAX_BYTES


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_a_quiet_redis_gives_nothing_and_one_that_is_gone_an_error(wire: tuple[socket.socket, socket.socket]) -> None:
    near, far = wire
    intake = RedisIntake(SimpleNamespace(_sock=near, _parser=SimpleNamespace(parse_error=Refusal)))
    assert intake.read(0.01) == intake.read(0) == b""
    with pytest.raises(TimeoutError):
        intake.await_subscription(0.02)
    far.sendall(published(b"early") + reply(b"psubscribe", b"/0.x", 1) + published(b"late"))
    assert intake.await_subscription(1) == [b"early", b"late"]
    far.close()
    with pytest.raises(ConnectionError):
        intake.read(0.01)


# AMQP.


def frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def delivery(tag: int, body: bytes, most: int = 100) -> bytes:
    method = struct.pack(">HHB", 60, 60, 3) + b"tag" + struct.pack(">QB", tag, 0) + b"\1x\0"
    parts = [frame(3, body[at : at + most]) for at in range(0, len(body), most)]
    return frame(1, method) + frame(2, header(body)) + b"".join(parts)


def header(body: bytes) -> bytes:
    return struct.pack(">HHQH", 60, 0, len(body), 0)


class Connection:
    """What an intake needs of py-amqp's."""

    def __init__(self, sock: socket.socket) -> None:
        self.transport = SimpleNamespace(sock=sock, _read_buffer=b"")
        self.frames: list[tuple[int, int, bytes]] = []

    def on_inbound_frame(self, one: tuple[int, int, bytes]) -> None:
        self.frames.append(one)


@pytest.fixture
def connection(wire: tuple[socket.socket, socket.socket]) -> Connection:
    return Connection(wire[0])


@pytest.mark.parametrize("size", [1, 5, 64, 10_000])
def test_deliveries_of_amqp_are_whole_however_the_stream_is_cut(
    connection: Connection, wire: tuple[socket.socket, socket.socket], size: int
) -> None:
    bodies = [b"one", b"", b"\xce" * 50, b"long" * 100]
    blocked, beat = frame(1, struct.pack(">HH", 10, 60) + b"\0", channel=0), frame(8, b"", channel=0)
    stream = b"".join(delivery(tag, body) for tag, body in enumerate(bodies, 1)) + blocked + beat
    intake, parcels = AmqpIntake(connection), []
    for at in range(0, len(stream), size):
        wire[1].sendall(stream[at : at + size])
        parcels += intake.take(intake.read(0.01))
    assert parcels == [Parcel(tag, header(body), body) for tag, body in enumerate(bodies, 1)]
    assert [(kind, channel) for kind, channel, _ in connection.frames] == [(1, 0), (8, 0)]


def test_the_rest_of_a_frame_stays_where_py_amqp_finds_it(
    connection: Connection, wire: tuple[socket.socket, socket.socket]
) -> None:
    stream = delivery(1, b"one") + frame(8, b"", channel=0)
    wire[1].sendall(stream[:-3])
    intake = AmqpIntake(connection)
    assert [parcel.body for parcel in intake.take(intake.read(0.01))] == [b"one"]
    assert connection.transport._read_buffer == stream[-8:-3]
    assert connection.transport.sock.gettimeout() is None, "py-amqp writes without a limit"


def test_a_body_that_is_too_long_is_counted_and_never_kept(
    connection: Connection, wire: tuple[socket.socket, socket.socket]
) -> None:
    intake, stream, parcels = AmqpIntake(connection), delivery(1, b"x" * TOO_LONG, 60_000) + delivery(2, b"next"), []
    for at in range(0, len(stream), 50_000):
        wire[1].sendall(stream[at : at + 50_000])
        parcels += intake.take(intake.read(0.01))
        assert intake._parts == []
    assert [(parcel.tag, parcel.body) for parcel in parcels] == [(1, None), (2, b"next")]


def test_a_frame_that_does_not_end_ends_the_connection(connection: Connection) -> None:
    with pytest.raises(ConnectionError):
        AmqpIntake(connection).take(frame(8, b"")[:-1] + b"x")


def test_an_error_of_the_socket_loses_nothing(
    connection: Connection, wire: tuple[socket.socket, socket.socket]
) -> None:
    connection.transport._read_buffer = b"begun"
    wire[1].close()
    with pytest.raises(ConnectionError):
        AmqpIntake(connection).read(0.0)
    assert connection.transport._read_buffer == b"begun"
