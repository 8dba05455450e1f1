"""The exact age of the oldest message, read on real brokers: only its number leaves the broker, or a reason."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from celery.signals import before_task_publish

from celery_gossip import GossipOptions, Listener
from celery_gossip.transport.oldest_message import ExactAge, read_exact_ages
from celery_gossip.wire.stamp import SENT_AT, SENT_RETRIES
from celery_gossip.worker.sent_at import stamp_tasks
from tests.integration.corner import Corner
from tests.support import brokers, eventually

UNSTAMPED = "the message has no header gossip_sent_at: call install() in the process that sends it"
PREFIXED = {"global_keyprefix": "shop:"}
STEPPED = {"priority_steps": list(range(10)), "queue_order_strategy": "priority"}

pytestmark = pytest.mark.redis


@pytest.fixture
def redis_url() -> str:
    return brokers.require(brokers.REDIS_URL)


@contextmanager
def on_redis(url: str, **options: Any) -> Iterator[Corner]:
    corner = Corner("redis", url, **options)
    try:
        yield corner
    finally:
        corner.clean()


@pytest.fixture
def stamping() -> Iterator[None]:
    stamp_tasks()
    yield
    before_task_publish.disconnect(dispatch_uid="celery_gossip.worker.sent_at")


@contextmanager
def keys_of(corner: Corner, prefix: str = "") -> Iterator[tuple[redis.Redis, str]]:
    """A client, and the name of a queue whose keys are deleted in the end."""
    queue = f"{corner.exchange}_mail"
    with redis.Redis.from_url(corner.url) as client:
        try:
            yield client, queue
        finally:
            keys = client.keys(f"{prefix}{queue}*")
            if keys:
                client.delete(*keys)


def a_message(sent_at: Any = None, **headers: Any) -> str:
    stamp = {} if sent_at is None else {SENT_AT: sent_at}
    return json.dumps({"body": "e30=", "headers": {"task": "shop.pack", **stamp, **headers}, "properties": {}})


@pytest.mark.usefixtures("stamping")
@pytest.mark.parametrize("options", [{}, PREFIXED, STEPPED, {**PREFIXED, **STEPPED, "sep": ":"}], ids=repr)
def test_a_task_of_celery_is_found_whatever_the_keys_are_called(redis_url: str, options: dict[str, Any]) -> None:
    with on_redis(redis_url, **options) as corner, keys_of(corner, options.get("global_keyprefix", "")) as (_, queue):
        assert read_exact_ages(corner.app, [queue]) == {queue: ExactAge(0.0)}
        before = time.time()
        with corner.app.connection_for_write() as connection:
            for priority in (5, 0, 9):
                corner.app.send_task("shop.pack", queue=queue, connection=connection, priority=priority)
                time.sleep(0.3)
        (found,) = read_exact_ages(corner.app, [queue]).values()
        assert found.reason == ""
        assert found.age is not None and 0.8 <= found.age <= time.time() - before + 0.1  # the first, of any priority


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (a_message(), ExactAge(None, UNSTAMPED)),
        (a_message("yesterday"), ExactAge(None, UNSTAMPED)),
        (a_message(1e12), ExactAge(None, UNSTAMPED)),
        (a_message(-1.0), ExactAge(None, UNSTAMPED)),
        (a_message(1.0, retries=1), ExactAge(None, UNSTAMPED)),  # copied from the message that is retried
        (a_message(1.0, retries=2, **{SENT_RETRIES: 1}), ExactAge(None, UNSTAMPED)),
        ("not JSON", ExactAge(None, "the message is not one of Celery")),
        ("[1]", ExactAge(None, "the message is not one of Celery")),
        ('{"headers": 7}', ExactAge(None, "the message is not one of Celery")),
        ("[" * 5000, ExactAge(None, "the message is not one of Celery")),
        (a_message(1.0, filler="x" * 2**20), ExactAge(None, "the message is longer than 1,048,576 bytes")),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_a_message_without_a_valid_header_has_a_reason(redis_url: str, message: str, expected: ExactAge) -> None:
    with on_redis(redis_url) as corner, keys_of(corner) as (client, queue):
        client.lpush(queue, message)
        assert read_exact_ages(corner.app, [queue]) == {queue: expected}
        assert client.llen(queue) == 1


@pytest.mark.parametrize("headers", [{}, {"retries": 0}, {"retries": None}, {"retries": 2, SENT_RETRIES: 2}], ids=repr)
def test_the_next_message_counts(redis_url: str, headers: dict[str, Any]) -> None:
    with on_redis(redis_url) as corner, keys_of(corner) as (client, queue):
        now = time.time()
        client.lpush(queue, a_message(now - 30, **headers), a_message(now - 500))
        (found,) = read_exact_ages(corner.app, [queue]).values()
        assert found.age == pytest.approx(30.0, abs=2.0)


def test_a_key_that_is_no_queue_does_not_hide_the_others(redis_url: str) -> None:
    with on_redis(redis_url) as corner, keys_of(corner) as (client, queue):
        client.set(f"{queue}_text", "x")
        client.lpush(queue, a_message(time.time()))
        ages = read_exact_ages(corner.app, [f"{queue}_text", queue])
        assert "WRONGTYPE" in ages[f"{queue}_text"].reason and ages[queue].reason == ""


@pytest.mark.slow
def test_a_user_without_eval_is_the_reason(private_redis: Any) -> None:
    with redis.Redis.from_url(private_redis.url) as admin:
        admin.execute_command(*["ACL", "SETUSER", "reader", "on", ">word", "~*", "&*", "+@all", "-@scripting"])
    scheme, _, address = private_redis.url.partition("://")
    with on_redis(f"{scheme}://reader:word@{address.rpartition('@')[2]}") as corner:
        (found,) = read_exact_ages(corner.app, ["mail"]).values()
    assert found.age is None and "'eval'" in found.reason.lower() and "word" not in found.reason


@pytest.mark.rabbitmq
def test_rabbitmq_has_a_reason(corner: Corner) -> None:
    if corner.kind == "amqp":
        reason = "RabbitMQ shows no message without delivering it"
        assert read_exact_ages(corner.app, ["mail"]) == {"mail": ExactAge(None, reason)}


def test_a_listener_knows_the_queues_that_it_was_given_or_has_seen(corner: Corner) -> None:
    with Listener(corner.app, GossipOptions(exchange=corner.exchange), queues=["given"]) as listener:

        def is_known() -> None:
            assert listener.knows_queue("celery")  # the default queue of the settings

        eventually(is_known)
        assert listener.knows_queue("given") and not listener.knows_queue("unknown")
        assert listener.workers_needed("unknown") is None


def test_a_listener_needs_no_worker_for_an_empty_queue_and_one_for_a_waiting_message(redis_url: str) -> None:
    with on_redis(redis_url) as corner, keys_of(corner) as (client, queue):
        with Listener(corner.app, GossipOptions(exchange=corner.exchange), queues=[queue]) as listener:

            def needs(count: int) -> None:
                assert listener.workers_needed(queue) == count

            eventually(lambda: needs(0))
            client.lpush(queue, a_message(time.time()))
            eventually(lambda: needs(1))
            assert listener.exact_ages([queue])[queue].reason == ""
