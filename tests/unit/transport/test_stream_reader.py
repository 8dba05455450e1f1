"""Streams of a broker are cut into messages wherever they are cut into pieces, and in bounded memory."""

import socket
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import amqp
import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.transport.stream_reader import FrameReader, PubSubReader, RawDelivery, ReplyParser
from celery_gossip.wire.messages import MAX_BYTES

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
def replies() -> ReplyParser:
    return ReplyParser(Refusal)


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
def test_payloads_of_redis_are_whole_however_the_stream_is_cut(replies: ReplyParser, size: int) -> None:
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert not replies.is_subscribed
    assert [payload for piece in pieces for payload in replies.feed(piece)] == PAYLOADS
    assert replies.is_subscribed


def test_a_refusal_of_redis_is_raised_as_its_client_library_would(replies: ReplyParser) -> None:
    with pytest.raises(Refusal, match="NOPERM no rights"):
        replies.feed(b"-NOPERM no rights\r\n")


@pytest.mark.parametrize("garbage", [b"\r\n", b"*x\r\n", b"*1\r\n$x\r\n"])
def test_what_is_no_reply_of_redis_ends_the_connection(replies: ReplyParser, garbage: bytes) -> None:
    with pytest.raises(ConnectionError):
        replies.feed(garbage)


@pytest.mark.parametrize("size", [1000, 2 * TOO_LONG])
def test_a_payload_that_is_too_long_is_refused_once_and_never_kept(replies: ReplyParser, size: int) -> None:
    stream = published(b"before") + published(b"x" * TOO_LONG) * 2 + published(b"after")
    told, most = [], 0
    for at in range(0, len(stream), size):
        told += replies.feed(stream[at : at + size])
        most = max(most, len(replies._rest))
    reasons = [one.reason if isinstance(one, RejectedGossip) else one for one in told]
    assert reasons == [b"before", "oversized", "oversized", b"after"]
    assert most < MAX_BYTES


@pytest.mark.parametrize("endless", [b"+" + b"x" * 9_999, b"*999999\r\n" + bulk(b"x") * 2_000], ids=["line", "array"])
def test_a_reply_of_redis_that_never_ends_is_not_kept(replies: ReplyParser, endless: bytes) -> None:
    piece = endless.rpartition(b"\n")[2] or bulk(b"x") * 2_000
    with pytest.raises(ConnectionError, match="bytes"):
        for at in range(1000):
            replies.feed(piece if at else endless)
            assert len(replies._rest) < 10 * MAX_BYTES


@pytest.fixture
def wire() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_a_quiet_redis_gives_nothing_and_one_that_is_gone_an_error(wire: tuple[socket.socket, socket.socket]) -> None:
    near, far = wire
    intake = PubSubReader(SimpleNamespace(_sock=near, _parser=SimpleNamespace(parse_error=Refusal)))
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
        self.connected = True
        self.frames: list[tuple[int, int, bytes]] = []

    def on_inbound_frame(self, one: tuple[int, int, bytes]) -> None:
        self.frames.append(one)

    def collect(self) -> None:
        """As py-amqp does at the end: who asks for the transport afterwards would make it connect again."""
        self.connected = False
        del self.transport


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
    intake, parcels = FrameReader(connection), []
    for at in range(0, len(stream), size):
        wire[1].sendall(stream[at : at + size])
        parcels += intake.parse(intake.read(0.01))
    assert parcels == [RawDelivery(tag, header(body), body) for tag, body in enumerate(bodies, 1)]
    assert [(kind, channel) for kind, channel, _ in connection.frames] == [(1, 0)]


def test_the_rest_of_a_frame_stays_where_py_amqp_finds_it(
    connection: Connection, wire: tuple[socket.socket, socket.socket]
) -> None:
    stream = delivery(1, b"one") + frame(8, b"", channel=0)
    wire[1].sendall(stream[:-3])
    intake = FrameReader(connection)
    assert [parcel.body for parcel in intake.parse(intake.read(0.01))] == [b"one"]
    assert connection.transport._read_buffer == stream[-8:-3]
    assert connection.transport.sock.gettimeout() is None, "py-amqp writes without a limit"


def test_a_body_that_is_too_long_is_counted_and_never_kept(
    connection: Connection, wire: tuple[socket.socket, socket.socket]
) -> None:
    intake, stream, parcels = FrameReader(connection), delivery(1, b"x" * TOO_LONG, 60_000) + delivery(2, b"next"), []
    for at in range(0, len(stream), 50_000):
        wire[1].sendall(stream[at : at + 50_000])
        parcels += intake.parse(intake.read(0.01))
        assert intake._parts == []
    assert [(parcel.tag, parcel.body) for parcel in parcels] == [(1, None), (2, b"next")]


def method(*number: int, channel: int = 0, arguments: bytes = b"") -> bytes:
    return frame(1, struct.pack(">HH", *number) + arguments, channel)


@pytest.mark.parametrize(
    "unexpected",
    [
        pytest.param(method(10, 51), id="Connection.CloseOk"),
        pytest.param(method(10, 10), id="Connection.Start"),
        pytest.param(method(20, 41, channel=1), id="Channel.CloseOk"),
        pytest.param(method(20, 11, channel=1), id="Channel.OpenOk"),
        pytest.param(method(60, 31, channel=1), id="Basic.CancelOk"),
        pytest.param(method(99, 1, channel=1), id="a method that does not exist"),
        pytest.param(frame(4, b""), id="a kind of frame that does not exist"),
        pytest.param(frame(1, b"\0"), id="a method without a number"),
        pytest.param(frame(1, struct.pack(">HHB", 60, 60, 9)), id="a delivery without a tag"),
        pytest.param(frame(2, b"\0"), id="a header without a size"),
        pytest.param(method(20, 40, channel=1, arguments=b"\1"), id="Channel.Close without a reason"),
        pytest.param(struct.pack(">BHI", 3, 1, 2**31) + b"x", id="a frame without an end"),
    ],
)
def test_what_nothing_asked_for_is_a_lost_connection(connection: Connection, unexpected: bytes) -> None:
    with pytest.raises(ConnectionError):
        FrameReader(connection).parse(delivery(1, b"one") + unexpected)
    assert not connection.frames, "py-amqp would let go of its socket or wait for an answer"


def test_a_channel_that_the_broker_closes_is_raised_as_py_amqp_would_without_waiting_for_another(
    connection: Connection,
) -> None:
    reason = struct.pack(">HB", 404, 9) + b"NOT_FOUND" + struct.pack(">HH", 60, 40)
    with pytest.raises(amqp.exceptions.NotFound, match="NOT_FOUND") as raised:
        FrameReader(connection).parse(method(20, 40, channel=1, arguments=reason))
    assert (raised.value.reply_code, raised.value.method_sig, connection.frames) == (404, (60, 40), [])


def test_a_reason_that_rabbitmq_has_cut_within_a_character_is_readable(connection: Connection) -> None:
    reason = struct.pack(">HB", 406, 4) + "grö".encode()[:3] + b"\xc3" + bytes(4)
    with pytest.raises(amqp.exceptions.PreconditionFailed, match="gr"):
        FrameReader(connection).parse(method(20, 40, channel=1, arguments=reason))


def test_the_end_that_py_amqp_notices_is_a_lost_connection_at_once(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = FrameReader(connection)
    monkeypatch.setattr(connection, "on_inbound_frame", lambda _: connection.collect())
    with pytest.raises(ConnectionError, match="the broker has ended the connection"):
        intake.parse(method(10, 50))
    with pytest.raises(ConnectionError, match="the broker has ended the connection"):
        intake.read(0.0)


def test_a_frame_that_does_not_end_ends_the_connection(connection: Connection) -> None:
    with pytest.raises(ConnectionError):
        FrameReader(connection).parse(frame(8, b"")[:-1] + b"x")


def test_an_error_of_the_socket_loses_nothing(
    connection: Connection, wire: tuple[socket.socket, socket.socket]
) -> None:
    connection.transport._read_buffer = b"begun"
    wire[1].close()
    with pytest.raises(ConnectionError):
        FrameReader(connection).read(0.0)
    assert connection.transport._read_buffer == b"begun"
