"""A RabbitMQ that ends the connection in whatever way: it is noticed at once, though the socket stays open."""

import struct
from collections.abc import Iterator

import amqp
import pytest

from tests.fuzz import peer
from tests.fuzz.ear import Ear, amqp_ear
from tests.fuzz.peer import METHOD, AmqpPeer, amqp_frame


def method(channel: int, *number: int, arguments: bytes = b"\x01t") -> bytes:
    return amqp_frame(METHOD, channel, struct.pack(">HH", *number) + arguments)


def close(channel: int, number: int, code: int) -> bytes:
    return method(channel, number, {10: 50, 20: 40}[number], arguments=struct.pack(">HB", code, 2) + b"no" + bytes(4))


CLOSE_OK = method(0, 10, 51)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param(CLOSE_OK, id="Connection.CloseOk"),
        pytest.param(CLOSE_OK * 3, id="three Connection.CloseOk"),
        pytest.param(CLOSE_OK.replace(b"\0\0\0", b"\0\1\0", 1) * 3, id="three on another channel"),
        pytest.param(CLOSE_OK + b"\1\0", id="Connection.CloseOk and a part of a frame"),
        pytest.param(close(0, 10, 320), id="Connection.Close"),
        pytest.param(close(0, 10, 320) * 3, id="three Connection.Close"),
        pytest.param(method(1, 20, 41), id="Channel.CloseOk"),
        pytest.param(method(1, 60, 30, arguments=b"\x01t\0"), id="Basic.Cancel"),
        pytest.param(method(1, 60, 31), id="Basic.CancelOk"),
        pytest.param(method(7, 60, 30, arguments=b"\x01t\0"), id="Basic.Cancel on a channel that is not open"),
        pytest.param(amqp_frame(8, 0, b"") * 2 + method(0, 10, 41), id="heartbeats and Connection.OpenOk"),
    ],
)
def test_the_end_of_a_connection_is_noticed_though_the_socket_stays_open(frames: bytes) -> None:
    ended_by = amqp_ear().end_of(frames)
    assert isinstance(ended_by, (ConnectionError, amqp.exceptions.ConnectionError)), ended_by
    assert amqp_ear()._subscription._reads_in_bulk


def test_a_closed_channel_is_noticed_with_its_reason() -> None:
    ended_by = amqp_ear().end_of(close(1, 20, 404))
    assert isinstance(ended_by, amqp.exceptions.NotFound)


@pytest.mark.parametrize("frames", [amqp_frame(8, 0, b""), method(0, 10, 60), method(0, 10, 61)])
def test_what_is_no_end_costs_no_connection(frames: bytes) -> None:
    assert amqp_ear().end_of(frames) is None


@pytest.fixture
def kombu_ear() -> Iterator[Ear]:
    """Reads one message at a time, by Kombu, as a Publisher always does."""
    ear = Ear(AmqpPeer())
    ear._subscription._reads_in_bulk = False
    ear.reconnect()
    yield ear
    ear.close()


def test_the_end_is_noticed_also_where_kombu_reads(kombu_ear: Ear) -> None:
    assert isinstance(kombu_ear.end_of(CLOSE_OK), OSError)
    assert isinstance(kombu_ear.end_of(close(1, 20, 404)), amqp.exceptions.NotFound)


def test_a_broker_that_hangs_after_it_closed_the_channel_is_not_waited_for(
    kombu_ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(peer._ANSWERS, (20, 10))
    assert kombu_ear.end_of(close(1, 20, 404)) is None
