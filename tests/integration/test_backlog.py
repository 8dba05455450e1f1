"""The backlog is what waits on the broker of the tasks, exactly; what cannot be counted is unknown, never guessed."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from celery import Celery
from kombu import Connection, Producer, Queue
from kombu.transport import TRANSPORT_ALIASES, filesystem, virtual
from kombu.transport.memory import Transport as MemoryTransport

from celery_gossip import GossipOptions, Listener
from celery_gossip.cluster.queue_share import QueueShare
from celery_gossip.listener import queue_length_thread as backlog
from celery_gossip.listener.queue_length_thread import QueueLengthReader, QueueLengthThread
from tests.integration.corner import Corner, assert_connected, corner_of
from tests.support import brokers, eventually
from tests.unit.build import FakeClock, a_check

ON_PRIVATE_RABBITMQ = [pytest.mark.rabbitmq, pytest.mark.slow]


@contextmanager
def waiting(corner: Corner, **counts: int) -> Iterator[dict[str, int]]:
    """Queues of unique names with so many messages each, `{name: count}`, deleted in the end."""
    named = {f"{corner.exchange}_{name}": count for name, count in counts.items()}
    with corner.app.connection_for_write() as connection:
        for name, count in named.items():
            put(connection, name, count)
        yield named
        for name in named:
            Queue(name)(connection.default_channel).delete()


def put(connection: Any, queue: str, count: int, **properties: Any) -> None:
    with connection.channel() as channel:
        Queue(queue)(channel).declare()
        # On RabbitMQ, wait until the queue has each message: another connection may not find them at once.
        channel.basic_publish = getattr(channel, "basic_publish_confirm", channel.basic_publish)
        for n in range(count):
            Producer(channel).publish({"n": n}, routing_key=queue, **properties)


@contextmanager
def reader_of(app: Celery, clock: Any = time.monotonic) -> Iterator[QueueLengthReader]:
    reader = QueueLengthReader(app, clock)
    try:
        yield reader
    finally:
        reader.close()


def test_the_messages_that_wait_are_counted_exactly(corner: Corner) -> None:
    with waiting(corner, mail=7, reports=1) as named, reader_of(corner.app) as reader:
        assert reader.read(named) == named


def test_a_queue_without_messages_has_none(corner: Corner) -> None:
    with waiting(corner, idle=0) as named, reader_of(corner.app) as reader:
        assert reader.read(named) == named


def test_messages_of_every_priority_are_counted_on_redis(redis_corner: Corner) -> None:
    with waiting(redis_corner, mail=0) as named, reader_of(redis_corner.app) as reader:
        (queue,) = named
        with Connection(redis_corner.url) as connection:
            for priority in (0, 3, 5, 9):
                put(connection, queue, priority + 1, priority=priority)
        assert reader.read(named) == {queue: 1 + 4 + 6 + 10}


def test_a_queue_is_asked_for_at_most_every_two_seconds(redis_corner: Corner) -> None:
    clock = FakeClock()
    with waiting(redis_corner, mail=3) as named, reader_of(redis_corner.app, clock) as reader:
        assert reader.read(named) == named
        clock.advance(1.9)
        assert reader.read(named) == {}
        clock.advance(0.2)
        assert reader.read(named) == named


@pytest.mark.rabbitmq
def test_a_queue_that_rabbitmq_does_not_know_is_unknown_and_asked_for_once_a_minute(amqp_corner: Corner) -> None:
    clock, missing = FakeClock(), f"{amqp_corner.exchange}_missing"
    with waiting(amqp_corner, mail=3) as named, reader_of(amqp_corner.app, clock) as reader:
        asked = [missing, *named, f"{missing}_too"]
        assert reader.read(asked) == {missing: None, **named, f"{missing}_too": None}
        clock.advance(2.1)
        assert reader.read(asked) == named
        clock.advance(58)
        assert reader.read(asked) == {missing: None, **named, f"{missing}_too": None}


@pytest.mark.rabbitmq
def test_a_queue_that_rabbitmq_does_not_know_costs_no_channel(amqp_corner: Corner) -> None:
    clock = FakeClock()
    with reader_of(amqp_corner.app, clock) as reader:
        for n in range(20):
            assert list(reader.read([f"{amqp_corner.exchange}_{n}"]).values()) == [None]
        assert len(reader._connection.raw.channels) == 2, "the connection's own and one"


@pytest.mark.rabbitmq
def test_an_exclusive_queue_of_somebody_else_is_unknown_and_the_others_are_counted(amqp_corner: Corner) -> None:
    with amqp_corner.subscription() as subscription, waiting(amqp_corner, mail=2) as named:
        theirs = subscription._queue.name
        with reader_of(amqp_corner.app) as reader:
            assert reader.read([theirs, *named]) == {theirs: None, **named}


@pytest.mark.rabbitmq
def test_a_missing_queue_that_a_worker_begins_to_serve_is_counted_soon(amqp_corner: Corner) -> None:
    queue = f"{amqp_corner.exchange}_mail"
    amqp_corner.app.conf.task_default_queue = queue  # declared, so it is asked for before anybody serves it
    with amqp_corner.listener() as listener:
        eventually(lambda: assert_noted(listener, queue))
        with waiting(amqp_corner, mail=4):
            amqp_corner.say(checks=(a_check(queue),))
            eventually(lambda: assert_backlog(listener, queue, 4), timeout=5)


def assert_noted(listener: Listener, queue: str) -> None:
    assert queue in listener.cluster._queue_lengths


def assert_backlog(listener: Listener, queue: str, expected: int | None) -> None:
    assert {view.queue: view.backlog for view in listener.cluster.queues()}.get(queue) == expected


def test_a_queue_with_messages_is_in_the_view_though_nobody_serves_it(corner: Corner) -> None:
    with waiting(corner, mail=5) as named:
        (queue,) = named
        corner.app.conf.task_default_queue = queue
        with corner.listener() as listener:
            eventually(lambda: assert_backlog(listener, queue, 5))
            (view,) = (view for view in listener.cluster.queues() if view.queue == queue)
            assert view.workers == 0


# Transports that cannot say.


class Blind(virtual.Channel):
    """Kombu's own answer of a transport that counts nothing: 0."""


class Maker(virtual.Channel):
    """One that knows no way to ask for a queue but to make it, as SQS."""

    made: ClassVar[list[str]] = []

    def _new_queue(self, queue: str, **_: Any) -> None:
        self.made.append(queue)

    def _size(self, queue: str) -> int:
        return 3


class BlindTransport(MemoryTransport):
    Channel = Blind


class MakerTransport(MemoryTransport):
    Channel = Maker


@pytest.fixture(params=["Blind", "Maker"])
def dumb_app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Celery:
    scheme = request.param.lower()
    monkeypatch.setitem(TRANSPORT_ALIASES, scheme, f"{__name__}:{request.param}Transport")
    Maker.made.clear()
    return Celery("shop", broker=f"{scheme}://", set_as_current=False)


def test_a_transport_that_cannot_count_is_told_nothing_of_and_makes_no_queue(dumb_app: Celery) -> None:
    with reader_of(dumb_app) as reader:
        assert reader.read(["mail", "reports"]) == {}
    assert Maker.made == []


# The broker of the tasks is not that of the gossip.


@contextmanager
def gossip_on_redis(task_corner: Corner, gossip_corner: Corner) -> Iterator[Listener]:
    options = GossipOptions(
        broker_url=gossip_corner.url, exchange=gossip_corner.exchange, interval=gossip_corner.options.interval
    )
    with Listener(task_corner.app, options) as listener:
        assert_connected(listener)
        yield listener


@pytest.mark.parametrize("kind", ["memory", "filesystem", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)])
def test_the_backlog_is_read_where_the_tasks_wait_wherever_gossip_goes(
    kind: str, redis_corner: Corner, tmp_path: Path
) -> None:
    task_corner = corner_of(kind, tmp_path)
    with waiting(task_corner, mail=6) as named, gossip_on_redis(task_corner, redis_corner) as listener:
        (queue,) = named
        redis_corner.say(checks=(a_check(queue),))
        eventually(lambda: assert_backlog(listener, queue, 6))
    task_corner.clean()


@pytest.mark.usefixtures("quick_echo")
@pytest.mark.parametrize("fixture", ["private_redis", pytest.param("private_rabbitmq", marks=ON_PRIVATE_RABBITMQ)])
def test_a_task_broker_that_hangs_neither_delays_the_ear_nor_isolates_it(
    fixture: str, redis_corner: Corner, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue(fixture)
    task_corner = Corner("redis" if fixture == "private_redis" else "rabbitmq", broker.url)
    with waiting(task_corner, mail=2) as named, gossip_on_redis(task_corner, redis_corner) as listener:
        (queue,) = named
        redis_corner.say(checks=(a_check(queue),))
        eventually(lambda: assert_backlog(listener, queue, 2))
        connected_at = listener.connected_at
        broker.freeze()
        try:
            speak_for(redis_corner, listener, seconds=3.0)
            assert (listener.connected_at, listener.cluster.isolated_since) == (connected_at, None)
        finally:
            broker.thaw()
        with Connection(broker.url) as connection:
            put(connection, queue, 1)
        redis_corner.say(checks=(a_check(queue),))
        eventually(lambda: assert_backlog(listener, queue, 3), timeout=15)


def speak_for(corner: Corner, listener: Listener, seconds: float) -> None:
    """Each gossip is heard well before the next, which no ear that waits for a hanging broker could do."""
    give_up_at, n = time.monotonic() + seconds, 0
    while time.monotonic() < give_up_at:
        n += 1
        corner.say(hostname=f"celery@w{n}")
        listener.wait(workers=n + 1, timeout=0.9)
        time.sleep(0.2)


def test_a_listener_of_a_task_broker_that_hangs_closes_in_bounded_time(
    private_redis: Any, redis_corner: Corner
) -> None:
    task_corner = Corner("redis", private_redis.url)
    with gossip_on_redis(task_corner, redis_corner) as listener:
        private_redis.freeze()
        began = time.monotonic()
        listener.close()
        took = time.monotonic() - began
        private_redis.thaw()
    assert took < 5.5
    eventually(assert_no_threads)


def assert_no_threads() -> None:
    assert [thread for thread in threading.enumerate() if thread.name.startswith("celery-gossip")] == []


def test_a_task_broker_that_is_not_there_is_told_once_and_gossip_is_heard(
    redis_corner: Corner, caplog: pytest.LogCaptureFixture
) -> None:
    task_corner = Corner("redis", f"redis://user:s3cret@127.0.0.1:{brokers.free_port()}/0")
    with gossip_on_redis(task_corner, redis_corner) as listener:
        eventually(lambda: assert_cannot_be_read(caplog))
        redis_corner.say(checks=(a_check("mail"),))
        listener.wait(timeout=5)
        assert_backlog(listener, "mail", None)
    assert "s3cret" not in caplog.text


def assert_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    assert caplog.text.count("backlogs of the queues cannot be read") == 1


def test_the_folder_of_a_filesystem_broker_is_only_looked_at(tmp_path: Path) -> None:
    corner = corner_of("filesystem", tmp_path)
    with reader_of(corner.app) as reader:
        before = sorted(path.name for path in tmp_path.rglob("*"))
        assert reader.read(["mail"]) == {"mail": 0}
        assert sorted(path.name for path in tmp_path.rglob("*")) == before
    assert filesystem.Channel._has_queue is virtual.AbstractChannel._has_queue, "or else ask it"


def test_an_error_that_is_no_exception_does_not_end_the_thread(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "READ_INTERVAL", 0.1)
    told: list[dict[str, int | None]] = []

    def shares() -> tuple[QueueShare, ...]:
        if watch.reads < 2:
            raise SystemExit(3)
        return (QueueShare("celery@web1", ("mail",)),)

    watch = QueueLengthThread(redis_corner.app, shares, lambda lengths, _: told.append(lengths), lambda: None)
    watch.start()
    eventually(lambda: assert_told(told), timeout=15)
    watch.stop()
    watch.join(5)


def assert_told(told: list[dict[str, int | None]]) -> None:
    assert told
