"""The permissions that SECURITY.md names are enough, and no more than a stranger's publishing is lost with them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from celery_gossip import GossipOptions, Listener
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.broker_errors import is_permission_denied
from celery_gossip.transport.publisher import Publisher
from celery_gossip.wire.encoding import encode
from tests.support import eventually
from tests.unit.build import a_gossip

SECURITY = (Path(__file__).parents[2] / "SECURITY.md").read_text()
PASSWORD = "password"
OPTIONS = GossipOptions(interval=0.5)


def redis_rules(rules: str = SECURITY) -> list[str]:
    return re.findall(r"^ACL SETUSER .*$", rules, re.M)


def rabbitmq_rules() -> dict[str, list[str]]:
    """`{user: [configure, write, read]}`."""
    found = re.findall(r'^rabbitmqctl set_permissions (\S+) "(.*)" "(.*)" "(.*)"$', SECURITY, re.M)
    return {user: patterns for user, *patterns in found}


def app_of(url: str, user: str) -> Celery:
    scheme, _, address = url.partition("://")
    return Celery("shop", broker=f"{scheme}://{user}:{PASSWORD}@{address.rpartition('@')[2]}", set_as_current=False)


@pytest.fixture
def guarded_redis(private_redis: Any) -> str:
    admin = redis.Redis.from_url(private_redis.url)
    assert len(redis_rules()) == 2
    for rule in redis_rules():
        admin.execute_command(*rule.split())
    admin.close()
    return str(private_redis.url)


@pytest.fixture(scope="module")
def guarded_rabbitmq(private_rabbitmq: Any) -> Iterator[str]:
    users = rabbitmq_rules()
    assert set(users) == {"gossip-worker", "gossip-listener"}
    for user, patterns in users.items():
        private_rabbitmq.control("add_user", user, PASSWORD)
        private_rabbitmq.control("set_permissions", user, *patterns)
    yield private_rabbitmq.url
    for user in users:
        private_rabbitmq.control("delete_user", user)


def assert_they_suffice(url: str) -> None:
    listening, speaking = app_of(url, "gossip-listener"), app_of(url, "gossip-worker")
    with Listener(listening, OPTIONS) as listener:
        eventually(lambda: assert_hears(listener), timeout=10)
        publisher = Publisher(open_broker(speaking, OPTIONS))
        publisher.publish(encode(a_gossip(interval=0.5)))
        listener.wait(workers=1, timeout=5)
        publisher.close()
        assert listener.error is None and listener._loop.isolation.can_publish
        assert listener._loop.echo.error is None and listener.cluster.isolated_since is None


def assert_hears(listener: Listener) -> None:
    """It has heard its own echo on this connection."""
    assert listener.connected_at is not None, repr(listener.error)
    isolation = listener._loop.isolation
    assert isolation._newest_sent_at > listener.connected_at and isolation._number > 0, repr(listener.error)


def is_backlog(key: str) -> bool:
    """Of the app's queues: to read them is a right that SECURITY.md leaves to the app's own user."""
    return key.partition("\x06")[0] in ("celery", "default")


def test_the_permissions_for_redis_suffice(guarded_redis: str) -> None:
    assert_they_suffice(guarded_redis)
    admin = redis.Redis.from_url(guarded_redis)
    denied = [entry["object"] for entry in admin.acl_log() if not is_backlog(entry["object"])]
    left = [key for key in admin.keys("*") if b"gossip" in key]
    admin.close()
    assert denied == [] and left == []


def test_the_worker_of_redis_may_do_nothing_else(guarded_redis: str) -> None:
    broker = open_broker(app_of(guarded_redis, "gossip-worker"), GossipOptions(exchange="another"))
    publisher = Publisher(broker)
    with pytest.raises(redis.exceptions.NoPermissionError):
        publisher.publish(b"x")
    publisher.fail_over()


@pytest.mark.slow
def test_the_permissions_for_rabbitmq_suffice(guarded_rabbitmq: str) -> None:
    assert_they_suffice(guarded_rabbitmq)


@pytest.mark.slow
def test_the_worker_of_rabbitmq_may_do_nothing_else(guarded_rabbitmq: str) -> None:
    broker = open_broker(app_of(guarded_rabbitmq, "gossip-worker"), GossipOptions(exchange="another"))
    publisher = Publisher(broker)
    with pytest.raises(Exception) as refused:
        publisher.publish(b"x")
    assert is_permission_denied(refused.value) or getattr(refused.value, "reply_code", None) == 404
    publisher.fail_over()


def test_a_listener_of_redis_that_was_denied_something_goes_on_when_it_is_allowed(private_redis: Any) -> None:
    """Kombu cannot let go of a channel whose keys it may not touch, and would go on with half of a connection."""
    admin = redis.Redis.from_url(private_redis.url)
    (rule,) = [rule for rule in redis_rules() if "gossip-listener" in rule]
    denied = rule.replace("~_kombu.binding*", "~_kombu.binding.").replace("~celery_gossip.l", "%R~celery_gossip.l")
    admin.execute_command(*denied.split())
    with Listener(app_of(private_redis.url, "gossip-listener"), OPTIONS) as listener:

        def is_denied() -> None:
            assert listener.error is not None and is_permission_denied(listener.error), repr(listener.error)

        eventually(is_denied, timeout=5)
        admin.execute_command(*rule.split())
        eventually(lambda: assert_hears(listener), timeout=40)
        assert listener.error is None
        assert not listener.rejected, "its own broken connection was taken for a message"
    admin.close()
