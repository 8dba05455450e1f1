"""Names of queues that any peer may report: a bad one is put aside, and many keep no other queue from being read."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from kombu import Connection

from celery_gossip import Listener
from celery_gossip.cluster.queue_share import QueueShare
from celery_gossip.transport import queue_length as backlog_reader
from celery_gossip.wire.encoding import encode
from tests.integration.corner import Corner
from tests.integration.test_backlog import assert_backlog, put, reader_of, waiting
from tests.support import eventually
from tests.unit.build import FakeClock, a_check, a_gossip

SECRET = "a key of sixteen characters and more"
#: RabbitMQ cuts its answer to those of 240 and 252 bytes within a character.
ODD_NAMES = (
    "é" * 200,
    "é" * 120,
    "\U0001f600" * 63,
    "\U0001f600" * 255,
    "amq.rabbitmq.reply-to",
    "amq.gossip_test",
    "amq.direct",
    "/",
    "a/b",
    " ",
    "*",
    "#",
    "%00",
    "{a}",
)
TYPES: dict[str, Any] = {
    "hash": lambda client, key: client.hset(key, "field", "value"),
    "set": lambda client, key: client.sadd(key, "value"),
    "zset": lambda client, key: client.zadd(key, {"value": 1.0}),
    "string": lambda client, key: client.set(key, "value"),
    "stream": lambda client, key: client.xadd(key, {"field": "value"}),
}


@pytest.fixture(
    params=[pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
def broker_corner(request: pytest.FixtureRequest) -> Corner:
    return request.getfixturevalue({"redis": "redis_corner", "rabbitmq": "amqp_corner"}[request.param])


@contextmanager
def odd_names(corner: Corner) -> Iterator[tuple[str, ...]]:
    """Names that cannot be read on this broker."""
    if corner.kind != "redis":
        yield ODD_NAMES
        return
    with redis.Redis.from_url(corner.url) as client:
        keys = {f"{corner.exchange}_{kind}": make for kind, make in TYPES.items()}
        for key, make in keys.items():
            make(client, key)
        yield (*ODD_NAMES, *keys)


def report(corner: Corner, hostname: str, queues: Any, secret: str | None = None, seq: int = 1) -> None:
    gossip = a_gossip(hostname=hostname, seq=seq, interval=5.0, checks=tuple(a_check(queue) for queue in queues))
    with corner.publisher(secret=secret) as publisher:
        publisher.publish(encode(gossip))


@pytest.mark.parametrize("peer", ["nobody signs", "unverified", "signed"])
def test_odd_names_of_a_peer_are_put_aside_and_the_rest_is_read_on_one_connection(
    broker_corner: Corner, peer: str
) -> None:
    corner = broker_corner
    secret = None if peer == "nobody signs" else SECRET
    with (
        waiting(corner, mail=3, bills=1) as named,
        odd_names(corner) as odd,
        corner.listener(queues=list(named)[1:], secret=secret) as listener,
    ):
        mail, bills = named
        report(corner, "celery@hostile", odd, SECRET if peer == "signed" else None)
        listener.wait(timeout=5)
        report(corner, "celery@honest", [mail], secret)
        eventually(lambda: assert_backlog(listener, mail, 3), timeout=5)
        reader = listener._queue_lengths._reader
        assert reader is not None
        connection, looks = reader._connection.raw, listener._queue_lengths.reads
        with Connection(corner.url) as broker:
            put(broker, mail, 1)
        eventually(lambda: assert_backlog(listener, mail, 4), timeout=5)
        assert_backlog(listener, bills, 1)
        assert listener._queue_lengths.reads > looks and reader._connection.raw is connection
        assert "" not in listener._queue_lengths.unreadable(listener.view())


@pytest.mark.rabbitmq
def test_an_answer_that_rabbitmq_cuts_within_a_character_is_that_of_a_missing_queue(amqp_corner: Corner) -> None:
    cut = ["é" * 120, "\U0001f600" * 63]
    with waiting(amqp_corner, mail=3) as named, reader_of(amqp_corner.app) as reader:
        assert reader.read([*cut, *named]) == {**dict.fromkeys(cut), **named}
        assert reader.missing == set(cut) and not reader.refused
        assert len(reader._connection.raw.channels) == 2, "the connection's own and one"


@pytest.mark.rabbitmq
def test_a_long_name_that_is_not_ascii_is_counted_where_there_is_such_a_queue(amqp_corner: Corner) -> None:
    name = "é" * (127 - len(amqp_corner.exchange))
    with waiting(amqp_corner, **{name: 2}) as named, reader_of(amqp_corner.app) as reader:
        assert reader.read(named) == named


@pytest.mark.rabbitmq
def test_a_name_with_a_line_break_is_not_asked_for(amqp_corner: Corner) -> None:
    """RabbitMQ would answer for the queue without it."""
    with waiting(amqp_corner, mail=3) as named, reader_of(amqp_corner.app) as reader:
        (mail,) = named
        odd = [f"{mail}\n", f"{mail}\r", "\n"]
        assert reader.read([*odd, *named]) == {**dict.fromkeys(odd), **named}
        assert set(reader.refused) == set(odd)


# Errors that are not known.


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """What reading a queue raises, by its name."""
    errors: dict[str, Exception] = {}
    count = backlog_reader.count_messages

    def count_messages(channel: Any, queue: str) -> int | None:
        if queue in errors:
            raise errors[queue]
        return count(channel, queue)

    monkeypatch.setattr(backlog_reader, "count_messages", count_messages)
    return errors


def test_a_batch_of_names_that_all_fail_is_not_taken_for_a_lost_connection(
    broker_corner: Corner, failing: dict[str, Exception]
) -> None:
    failing.update(bad=RuntimeError("odd"), worse=KeyError("odd"))
    with reader_of(broker_corner.app) as reader:
        assert reader.read(["bad", "worse"]) == {"bad": None, "worse": None}
        connection = reader._connection.raw
        assert set(reader.refused) == {"bad", "worse"} and reader.read(["bad", "worse"]) == {}
        assert reader._connection.raw is connection


def test_a_batch_that_all_fails_because_the_broker_is_gone_is_an_error(
    private_redis: Any, failing: dict[str, Exception]
) -> None:
    failing.update(bad=RuntimeError("odd"))
    corner = Corner("redis", private_redis.url)
    with reader_of(corner.app) as reader:
        assert reader.read([]) == {}
        private_redis.kill()
        with pytest.raises(Exception, match="onnect"):
            reader.read(["bad"])


def test_a_name_at_which_the_connection_is_lost_does_not_keep_others_from_being_read(
    broker_corner: Corner, failing: dict[str, Exception]
) -> None:
    failing.update(bad=ConnectionResetError("odd"))
    clock = FakeClock()
    with waiting(broker_corner, mail=3) as named, reader_of(broker_corner.app, clock) as reader:
        counted, losses = 0, 0
        for _ in range(30):
            try:
                counted += named.items() <= reader.read(["bad", *named]).items()
            except ConnectionResetError:
                losses += 1
                reader.fail_over()
            clock.advance(1.0)
        assert counted >= 10 and losses <= 5


@pytest.mark.redis
def test_the_reason_of_a_configured_queue_is_kept_before_those_of_a_peer(redis_corner: Corner) -> None:
    odd = [f"{redis_corner.exchange}_odd{n}" for n in range(30)]
    mine, clock = f"{redis_corner.exchange}_mine", FakeClock()
    with redis.Redis.from_url(redis_corner.url) as client, reader_of(redis_corner.app, clock) as reader:
        for key in (*odd, mine):
            client.hset(key, "field", "value")
        reader.read([], [QueueShare("celery@hostile", tuple(odd))])
        clock.advance(1)
        reader.read([mine], [QueueShare("celery@hostile", tuple(odd))])
        assert mine in reader.refused and len(reader.refused) == 20


# Many names.


@pytest.mark.redis
def test_a_slow_broker_is_read_in_parts_and_the_rest_stays_due(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()

    def count_messages(channel: Any, queue: str) -> int:
        clock.advance(0.1)
        return 7

    monkeypatch.setattr(backlog_reader, "count_messages", count_messages)
    names = [f"{redis_corner.exchange}_{n}" for n in range(9)]
    with reader_of(redis_corner.app, clock) as reader:
        first, second = reader.read(names), reader.read(names)
        assert 5 <= len(first) <= 6 and sorted([*first, *second]) == names


def test_2100_names_of_others_do_not_keep_a_queue_from_being_read(broker_corner: Corner) -> None:
    corner = broker_corner
    with waiting(corner, mail=3) as named, corner.listener() as listener:
        (mail,) = named
        for n in range(6):
            report(corner, f"celery@hostile{n}", [f"{corner.exchange}_{n}_{m}" for m in range(350)])
        eventually(lambda: assert_live(listener, 6), timeout=10)
        report(corner, "celery@honest", [mail])
        eventually(lambda: assert_backlog(listener, mail, 3), timeout=10)
        with Connection(corner.url) as broker:
            put(broker, mail, 1)
        eventually(lambda: assert_backlog(listener, mail, 4), timeout=20)


def assert_live(listener: Listener, workers: int) -> None:
    assert listener.cluster.count_live_workers() == workers


@pytest.mark.rabbitmq
def test_names_that_come_and_go_are_asked_for_when_they_are_due(
    amqp_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    count = backlog_reader.count_messages

    def count_messages(channel: Any, queue: str) -> int | None:
        asked[queue] += 1
        return count(channel, queue)

    monkeypatch.setattr(backlog_reader, "count_messages", count_messages)

    def sets() -> set[str]:
        return {queue.removeprefix(f"{amqp_corner.exchange}_").partition("_")[0] for queue in list(asked)}

    with amqp_corner.listener() as listener:
        began, seq = time.monotonic(), 0
        while time.monotonic() < began + 6 or (time.monotonic() < began + 30 and not sets() >= {"0", "1"}):
            seq += 1
            names = [f"{amqp_corner.exchange}_{seq % 2}_{n}" for n in range(300)]
            report(amqp_corner, "celery@hostile", names, seq=seq)
            time.sleep(0.3)
        assert listener.cluster.has_worker("celery@hostile")
    hostile = {queue: times for queue, times in asked.items() if queue.startswith(amqp_corner.exchange)}
    assert sets() >= {"0", "1"} and max(hostile.values()) <= 2
