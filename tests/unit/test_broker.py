"""What an error of a broker is evidence of, and whether the broker of the gossip is that of the tasks."""

import amqp
import pytest
import redis
from celery import Celery
from kombu import Connection

from celery_gossip.broker import Broker, Link, is_refusal
from celery_gossip.options import GossipOptions

REDIS, AMQP = "redis://localhost:1/0", "amqp://localhost:1//"

OUTAGES = [
    (REDIS, redis.ConnectionError("refused")),
    (REDIS, redis.TimeoutError("mute")),
    (REDIS, redis.BusyLoadingError("loading")),
    (REDIS, ConnectionResetError("reset")),
    (AMQP, ConnectionRefusedError("refused")),
    (AMQP, TimeoutError("mute")),
    (AMQP, amqp.ConnectionForced("shutdown")),
    (AMQP, amqp.RecoverableConnectionError("closed")),
    (AMQP, OSError("unreachable")),
]
NO_OUTAGES = [
    (REDIS, redis.exceptions.NoPermissionError("NOPERM")),
    (REDIS, redis.AuthenticationError("WRONGPASS")),
    (REDIS, redis.ResponseError("OOM")),
    (REDIS, KeyError("a bug")),
    (REDIS, RecursionError("a bug")),
    (AMQP, amqp.AccessRefused("403")),
    (AMQP, amqp.NotFound("404")),
    (AMQP, amqp.PreconditionFailed("406")),
    (AMQP, amqp.NotAllowed("530")),
    (AMQP, ValueError("a bug")),
]


def is_outage(url: str, error: Exception) -> bool:
    with Connection(url) as connection:
        return Link(connection).is_outage(error)


@pytest.mark.parametrize(("url", "error"), OUTAGES, ids=repr)
def test_a_broker_that_cannot_be_reached_is_an_outage(url: str, error: Exception) -> None:
    assert is_outage(url, error)


@pytest.mark.parametrize(("url", "error"), NO_OUTAGES, ids=repr)
def test_a_broker_that_says_no_and_a_mistake_of_our_own_are_none(url: str, error: Exception) -> None:
    assert not is_outage(url, error)


@pytest.mark.parametrize("error", [amqp.AccessRefused("403"), amqp.PreconditionFailed("406")], ids=repr)
def test_a_rabbitmq_that_says_no_is_to_be_asked_rarely(error: Exception) -> None:
    assert is_refusal(error)


@pytest.mark.parametrize(
    "error", [redis.exceptions.NoPermissionError("NOPERM"), redis.ConnectionError("full")], ids=repr
)
def test_a_redis_that_says_no_is_soon_asked_again(error: Exception) -> None:
    assert not is_refusal(error)


def serves_tasks(url: str | None = None, **conf: str) -> bool:
    app = Celery("shop", broker=REDIS, set_as_current=False)
    app.conf.update(conf)
    return Broker(app, GossipOptions(broker_url=url)).serves_tasks


def test_the_apps_own_broker_serves_its_tasks() -> None:
    assert serves_tasks()


def test_a_broker_for_gossip_alone_serves_no_tasks() -> None:
    assert not serves_tasks(AMQP)


def test_where_tasks_are_written_elsewhere_than_read_the_broker_of_the_gossip_is_another() -> None:
    assert not serves_tasks(broker_write_url=AMQP)
