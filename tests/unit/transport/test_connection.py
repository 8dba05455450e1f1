"""What an error of a broker is evidence of, and whether the broker of the gossip is that of the tasks."""

from typing import Any

import amqp
import pytest
import redis
from celery import Celery
from kombu import Connection

from celery_gossip.options import GossipOptions
from celery_gossip.transport.broker import Broker, open_task_broker
from celery_gossip.transport.broker_errors import is_amqp_refusal
from celery_gossip.transport.connection import ManagedConnection

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
        return ManagedConnection(connection).is_outage(error)


@pytest.mark.parametrize(("url", "error"), OUTAGES, ids=repr)
def test_a_broker_that_cannot_be_reached_is_an_outage(url: str, error: Exception) -> None:
    assert is_outage(url, error)


@pytest.mark.parametrize(("url", "error"), NO_OUTAGES, ids=repr)
def test_a_broker_that_says_no_and_a_mistake_of_our_own_are_none(url: str, error: Exception) -> None:
    assert not is_outage(url, error)


@pytest.mark.parametrize("error", [amqp.AccessRefused("403"), amqp.PreconditionFailed("406")], ids=repr)
def test_a_rabbitmq_that_says_no_is_to_be_asked_rarely(error: Exception) -> None:
    assert is_amqp_refusal(error)


@pytest.mark.parametrize(
    "error", [redis.exceptions.NoPermissionError("NOPERM"), redis.ConnectionError("full")], ids=repr
)
def test_a_redis_that_says_no_is_soon_asked_again(error: Exception) -> None:
    assert not is_amqp_refusal(error)


def is_task_broker(url: str | None = None, **conf: Any) -> bool:
    app = Celery("shop", broker=REDIS, set_as_current=False)
    app.conf.update(conf)
    return Broker(app, GossipOptions(broker_url=url)).is_task_broker


def test_the_apps_own_broker_serves_its_tasks() -> None:
    assert is_task_broker()


def test_a_broker_for_gossip_alone_serves_no_tasks() -> None:
    assert not is_task_broker(AMQP)


def test_where_tasks_are_written_elsewhere_than_read_the_broker_of_the_gossip_is_another() -> None:
    assert not is_task_broker(broker_write_url=AMQP)


def test_where_tasks_are_read_elsewhere_than_written_the_broker_of_the_gossip_is_another() -> None:
    assert not is_task_broker(broker_read_url=AMQP)


@pytest.mark.parametrize("read_url", [f"{REDIS};{AMQP}", [REDIS, AMQP]])
def test_failover_urls_are_the_same_however_they_are_written(read_url: Any) -> None:
    assert is_task_broker(broker_read_url=read_url, broker_write_url=[REDIS, AMQP])
    assert not is_task_broker(broker_read_url=read_url, broker_write_url=[AMQP, REDIS])


def test_a_broker_of_its_own_that_is_that_of_the_tasks_serves_them() -> None:
    assert is_task_broker(REDIS)
    assert not is_task_broker(REDIS, broker_read_url=AMQP)


def task_connection(**conf: Any) -> Any:
    app = Celery("shop", broker=REDIS, set_as_current=False)
    app.conf.update(conf)
    return open_task_broker(app).kombu_connection()


@pytest.mark.parametrize("url", [AMQP, [AMQP, REDIS], f"{AMQP};{REDIS}"])
def test_backlogs_are_read_from_the_broker_that_workers_read(url: Any) -> None:
    with task_connection(broker_read_url=url, broker_write_url=REDIS) as connection:
        assert connection.as_uri() == "amqp://guest:**@localhost:1//"


def test_the_apps_options_and_tls_apply_to_the_read_broker() -> None:
    options, tls = {"global_keyprefix": "shop:", "priority_steps": [0, 5]}, {"ssl_cert_reqs": 0}
    url = "rediss://localhost:1/3"
    with task_connection(broker_read_url=url, broker_transport_options=options, broker_use_ssl=tls) as connection:
        assert options.items() <= connection.transport_options.items()
        assert (connection.ssl, connection.transport_options["socket_timeout"]) == (tls, 1.0)


def test_a_transport_that_cannot_name_its_broker_is_found_out_when_it_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(self: Connection, **_: Any) -> str:
        raise RuntimeError("no address")

    app = Celery("shop", broker="redis://user:s3cret@localhost:1/0", set_as_current=False)
    monkeypatch.setattr(Connection, "as_uri", cannot)
    assert open_task_broker(app).managed_connection().uri == "redis://***@localhost:1/0"
