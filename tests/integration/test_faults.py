"""Brokers that refuse, hang, block or restrict: every call of a Publisher comes back in bounded time."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import amqp
import pytest
import redis
from kombu import Connection

from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.transport.subscription import Subscription
from celery_gossip.wire.encoding import encode
from tests.integration.corner import Corner, body_of, receive
from tests.support import brokers, eventually
from tests.unit.build import a_gossip

BODY = encode(a_gossip())


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds, f"took {took:.2f} s"


@contextlib.contextmanager
def frozen(broker: Any) -> Iterator[None]:
    broker.freeze()
    try:
        yield
    finally:
        broker.thaw()


def corner_at(broker: Any) -> Corner:
    return Corner("redis" if broker.url.startswith("redis") else "rabbitmq", broker.url)


def assert_publishes(publisher: Publisher) -> None:
    """It publishes, at the latest after a few tries as the sender makes them."""

    def is_published() -> None:
        try:
            is_sent = publisher.publish(BODY)
        except Exception as exc:
            publisher.fail_over()
            raise AssertionError(repr(exc)) from exc
        assert is_sent, "held back"

    eventually(is_published, timeout=15, every=0.2)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_refused_port_raises_at_once(scheme: str) -> None:
    corner = Corner(scheme, f"{scheme}://127.0.0.1:{brokers.free_port()}/0")
    with corner.publisher() as publisher:
        for _ in range(3):
            with at_most(1), pytest.raises(Exception, match=r"(?i)refused"):
                publisher.publish(BODY)
            publisher.fail_over()


def is_raised_or_sent_in_time(publisher: Publisher, seconds: float) -> None:
    with at_most(seconds), contextlib.suppress(Exception):
        publisher.publish(BODY)


def assert_survives_a_frozen_broker(broker: Any) -> None:
    corner = corner_at(broker)
    with corner.publisher() as connected, corner.publisher() as fresh:
        connected.publish(BODY)
        with frozen(broker):
            for publisher in (connected, fresh):
                for _ in range(2):
                    is_raised_or_sent_in_time(publisher, 2.5)
                    with at_most(1):
                        publisher.fail_over()
        assert_publishes(connected)
        assert_publishes(fresh)


def assert_closes_on_a_frozen_broker(broker: Any) -> None:
    corner = corner_at(broker)
    with corner.publisher() as publisher, corner.subscription() as subscription:
        publisher.publish(BODY)
        receive(subscription, 1)
        with frozen(broker):
            with at_most(2.5):
                publisher.close()
            with at_most(3.5):
                subscription.close()


def test_a_frozen_redis_holds_nobody_up(private_redis: Any) -> None:
    assert_survives_a_frozen_broker(private_redis)


def test_goodbye_to_a_frozen_redis_is_bounded(private_redis: Any) -> None:
    assert_closes_on_a_frozen_broker(private_redis)


def test_a_publisher_holds_one_connection_to_its_redis(private_redis: Any) -> None:
    corner = corner_at(private_redis)
    with corner.publisher() as publisher, redis.Redis(port=private_redis.port) as observer:
        for _ in range(2):
            publisher.publish(BODY)
            publisher.publish(BODY)
            assert len(observer.client_list()) == 2, "its own, and the observer's"
            publisher.fail_over()
            eventually(lambda: _assert_alone(observer))


def _assert_alone(observer: Any) -> None:
    assert len(observer.client_list()) == 1


def test_a_publisher_goes_on_when_its_redis_was_restarted(private_redis: Any) -> None:
    corner = corner_at(private_redis)
    with corner.publisher() as publisher:
        for _ in range(3):
            assert_publishes(publisher)
            private_redis.kill()
            with at_most(2.5), pytest.raises(Exception, match=r"(?i)refused|closed|reset|broken"):
                publisher.publish(BODY)
                publisher.publish(BODY)
            publisher.fail_over()
            private_redis.start()
        assert_publishes(publisher)


# RabbitMQ.


def queues_of(broker: Any) -> list[dict[str, Any]]:
    columns = ("name", "durable", "auto_delete", "exclusive", "arguments", "messages")
    return list(json.loads(broker.control("list_queues", "--quiet", "--formatter", "json", *columns)))


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_a_listeners_queue_is_bounded_and_its_own(private_rabbitmq: Any) -> None:
    corner = corner_at(private_rabbitmq)
    with corner.subscription(), corner.publisher() as publisher:
        for _ in range(2000):
            publisher.publish(BODY)
        (queue,) = (queue for queue in queues_of(private_rabbitmq) if corner.exchange in queue["name"])
    assert (queue["exclusive"], queue["auto_delete"], queue["durable"]) == (True, True, False)
    arguments = {name: value for name, value, *_ in map(_flat, _pairs(queue["arguments"]))}
    assert arguments["x-max-length"] == 1000 and arguments["x-message-ttl"] == 3000
    assert arguments["x-max-length-bytes"] == 16 * 1024 * 1024
    assert queue["messages"] <= 1100, "1,000 wait, 100 are on their way"
    assert not [queue for queue in queues_of(private_rabbitmq) if corner.exchange in queue["name"]]


def _pairs(arguments: Any) -> list[Any]:
    return list(arguments.items()) if isinstance(arguments, dict) else list(arguments)


def _flat(pair: Any) -> tuple[Any, Any]:
    """As rabbitmqctl writes a table: pairs, or triples of name, type and value."""
    return pair[0], pair[-1]


@pytest.mark.rabbitmq
def test_a_listener_that_does_not_read_costs_the_broker_little_and_finds_the_newest(amqp_corner: Corner) -> None:
    with amqp_corner.subscription() as subscription, amqp_corner.publisher() as publisher:
        for n in range(1500):
            publisher.publish(b"%d" % n)
        received: list[Any] = []

        def is_read() -> None:
            received.extend(map(body_of, subscription.receive(0.1)))
            assert received[-1:] == [b"1499"]

        eventually(is_read, every=0.0)
    assert len(received) <= 1200  # 100 prefetched, 1,000 queued, and what was in flight


@pytest.mark.rabbitmq
def test_a_stranger_cannot_read_or_change_a_listeners_queue(amqp_corner: Corner) -> None:
    with amqp_corner.subscription() as subscription, Connection(amqp_corner.url) as stranger:
        with pytest.raises(amqp.ResourceLocked):
            stranger.default_channel.queue_purge(subscription._queue.name)


@pytest.mark.rabbitmq
def test_an_exchange_of_another_kind_is_an_error_that_is_told(amqp_corner: Corner) -> None:
    with Connection(amqp_corner.url) as connection:
        connection.default_channel.exchange_declare(amqp_corner.exchange, type="direct", durable=False)
    with amqp_corner.publisher() as publisher:
        with pytest.raises(amqp.PreconditionFailed) as told:
            publisher.publish(BODY)
        assert publisher.is_amqp_refusal(told.value)
        publisher.fail_over()


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_a_user_who_may_not_declare_publishes_all_the_same(private_rabbitmq: Any) -> None:
    corner = corner_at(private_rabbitmq)
    user = f"user_{corner.exchange}"
    private_rabbitmq.control("add_user", user, "secret")
    private_rabbitmq.control("set_permissions", user, "", ".*", "")
    restricted = Corner("rabbitmq", private_rabbitmq.url.replace("guest:guest", f"{user}:secret"))
    restricted.options = corner.options
    with restricted.publisher() as publisher:
        with pytest.raises(amqp.AMQPError) as told:
            publisher.publish(BODY)
        assert publisher.is_amqp_refusal(told.value), "nobody has declared the exchange yet"
        publisher.fail_over()
        with corner.subscription() as subscription:
            assert publisher.publish(BODY) is True
            assert publisher.publish(BODY) is True
            assert receive(subscription, 2) == [BODY, BODY]


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_a_broker_that_blocks_is_not_written_to_and_recovers(private_rabbitmq: Any) -> None:
    corner = corner_at(private_rabbitmq)

    def is_held_back(publisher: Publisher) -> None:
        with at_most(1):
            is_sent = publisher.publish(BODY)
        assert is_sent is False

    with corner.publisher() as publisher:
        assert publisher.publish(BODY) is True
        private_rabbitmq.limit_memory(0.0001)
        try:
            eventually(lambda: is_held_back(publisher), timeout=10)
            is_held_back(publisher)
        finally:
            private_rabbitmq.limit_memory(0.4)
        assert_publishes(publisher)


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_goodbye_to_a_broker_that_blocks_is_bounded(private_rabbitmq: Any) -> None:
    corner = corner_at(private_rabbitmq)
    with corner.publisher() as publisher:
        publisher.publish(BODY)
        private_rabbitmq.limit_memory(0.0001)
        try:
            eventually(lambda: _assert_held_back(publisher), timeout=10)
            with at_most(2.5):
                publisher.close()
        finally:
            private_rabbitmq.limit_memory(0.4)


def _assert_held_back(publisher: Publisher) -> None:
    assert publisher.publish(BODY) is False


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_a_frozen_rabbitmq_holds_nobody_up(private_rabbitmq: Any) -> None:
    assert_survives_a_frozen_broker(private_rabbitmq)


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_goodbye_to_a_frozen_rabbitmq_is_bounded(private_rabbitmq: Any) -> None:
    assert_closes_on_a_frozen_broker(private_rabbitmq)


def test_a_subscription_of_a_refused_port_raises_at_once() -> None:
    corner = Corner("redis", f"redis://127.0.0.1:{brokers.free_port()}/0")
    subscription = Subscription(open_broker(corner.app, corner.options))
    with at_most(1), pytest.raises(Exception, match=r"(?i)refused"):
        subscription.open()
    subscription.fail_over()


def answered(corner: Corner) -> Publisher:
    """A publisher that wants an answer, and has had one."""
    publisher = Publisher(open_broker(corner.app, corner.options), wants_answer=True)
    assert publisher.publish(BODY) is True
    return publisher


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_a_broker_that_hangs_is_an_outage_at_once_for_who_wants_an_answer(private_rabbitmq: Any) -> None:
    publisher = answered(corner_at(private_rabbitmq))
    with frozen(private_rabbitmq):
        with at_most(2), pytest.raises(TimeoutError) as told:
            publisher.publish(BODY)
        assert publisher.is_outage(told.value)
        publisher.fail_over()


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_a_memory_alarm_is_no_outage_for_who_wants_an_answer(private_rabbitmq: Any) -> None:
    publisher = answered(corner_at(private_rabbitmq))
    try:
        private_rabbitmq.limit_memory(0.00001)
        assert [publisher.publish(BODY) for _ in range(3)] == [False] * 3
    finally:
        private_rabbitmq.limit_memory(0.4)
    assert_publishes(publisher)
    publisher.close()
