"""A backlog is right however the app names its keys and brokers; a name that cannot be read is unknown, alone."""

import json
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
import redis
from celery import Celery
from kombu import Connection, Queue
from kombu.common import Broadcast
from kombu.transport import memory

from celery_gossip import Listener
from celery_gossip.cli import gossip
from tests.integration.corner import Corner
from tests.integration.test_backlog import assert_backlog, put, reader_of, waiting
from tests.support import brokers, eventually
from tests.support.sentinels import Sentinels
from tests.support.tls import Authority, private_tls
from tests.support.workers import Project
from tests.unit.build import FakeClock, a_check

PREFIXED = {"global_keyprefix": "shop:"}
STEPPED = {"priority_steps": list(range(10)), "queue_order_strategy": "priority"}
PRIORITIES = (0, 3, 5, 9)
WAITING = sum(priority + 1 for priority in PRIORITIES)


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


@pytest.mark.redis
@pytest.mark.parametrize(
    "options",
    [{}, PREFIXED, STEPPED, {**PREFIXED, **STEPPED}, {**PREFIXED, **STEPPED, "sep": ":"}, {"global_keyprefix": "{x}"}],
    ids=repr,
)
def test_messages_are_counted_whatever_the_keys_are_called(redis_url: str, options: dict[str, Any]) -> None:
    with on_redis(redis_url, **options) as corner, waiting(corner, mail=0, idle=0) as named:
        mail, idle = named
        with corner.app.connection_for_write() as connection:
            for priority in PRIORITIES:
                put(connection, mail, priority + 1, priority=priority)
        with reader_of(corner.app) as reader:
            assert reader.read([mail, idle, f"{mail}_missing"]) == {mail: WAITING, idle: 0, f"{mail}_missing": 0}
            assert (reader.refused, reader.missing) == ({}, set())


@pytest.mark.redis
def test_a_queue_without_a_worker_is_a_finding_under_a_prefix_too(redis_url: str) -> None:
    project = Project(redis_url, broker_transport_options=PREFIXED)
    for _ in range(5):
        project.send("nothing")
    queue, _ = project.queues
    done = project.gossip("status", "--json")
    project.clean()
    told = json.loads(done.stdout)
    assert {row["queue"]: row["backlog"] for row in told["queues"]} == {queue: 5}
    assert ("backlog_without_consumer", queue) in [(one["kind"], one["subject"]) for one in told["findings"]]
    assert done.returncode == 2


@pytest.mark.slow
@pytest.mark.redis
def test_messages_are_counted_behind_sentinels_under_a_prefix() -> None:
    with Sentinels() as sentinels:
        corner = Corner("redis", sentinels.url, **sentinels.options, **PREFIXED)
        with waiting(corner, mail=5) as named, reader_of(corner.app) as reader:
            assert reader.read(named) == named
            assert reader._connection.uri.count("sentinel://") == 3, "none of them is what it is connected to"


@pytest.mark.redis
def test_messages_are_counted_by_tls_under_a_prefix(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with brokers.running(private_tls("redis", authority)) as broker:
        corner = Corner("redis", broker.url, **PREFIXED)
        trust = {"ssl_ca_certs": str(authority.certificate), "ssl_cert_reqs": ssl.CERT_REQUIRED}
        corner.app.conf.broker_use_ssl = trust
        with waiting(corner, mail=5) as named, reader_of(corner.app) as reader:
            assert reader.read(named) == named


def test_asking_creates_no_queue_in_memory() -> None:
    app = Celery("shop", broker="memory://", set_as_current=False)
    with reader_of(app) as reader:
        assert reader.read(["no such queue"]) == {"no such queue": None}
        assert reader.missing == {"no such queue"}
    assert "no such queue" not in memory.Channel.queues


# The broker that is read is not the one that is written.


@contextmanager
def read_elsewhere(read_url: Any, write_url: str) -> Iterator[Corner]:
    corner = Corner("", write_url)
    corner.app.conf.update(broker_read_url=read_url, broker_write_url=write_url)
    yield corner


@pytest.mark.parametrize("form", ["text", "list", "failover text", "failover list"])
@pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
def test_the_backlog_is_that_of_the_broker_from_which_tasks_are_read(kind: str, form: str, redis_url: str) -> None:
    url = {"redis": redis_url.rpartition("/")[0] + "/9", "rabbitmq": brokers.RABBITMQ_URL}[kind]
    scheme = url.partition(":")[0]
    urls = [f"{scheme}://127.0.0.1:{brokers.free_port()}/0", brokers.require(url)] if "failover" in form else [url]
    with read_elsewhere(urls if "list" in form else ";".join(urls), redis_url) as corner:
        queue = f"{corner.exchange}_mail"
        corner.app.conf.task_default_queue = queue
        with Connection(url) as connection:
            put(connection, queue, 9)
            with Listener(corner.app, corner.options) as listener:
                eventually(lambda: assert_backlog(listener, queue, 9), timeout=10)
            Queue(queue)(connection.default_channel).delete()


# A name that cannot be read.


@pytest.mark.redis
def test_a_key_of_another_type_is_unknown_and_the_others_are_counted(redis_corner: Corner) -> None:
    corner, clock = redis_corner, FakeClock()
    odd = f"{corner.exchange}_odd"
    with (
        waiting(corner, mail=3) as named,
        redis.Redis.from_url(corner.url) as client,
        reader_of(corner.app, clock) as reader,
    ):
        client.hset(odd, "field", "value")
        assert reader.read([odd, *named]) == {odd: None, **named}
        assert list(reader.refused) == [odd] and "WRONGTYPE" in reader.refused[odd]
        connection = reader._connection.raw
        clock.advance(10.1)
        client.delete(odd)
        assert reader.read([odd, *named]) == {odd: 0, **named}
        assert reader.refused == {} and reader._connection.raw is connection


@pytest.mark.redis
def test_a_key_that_may_not_be_read_is_unknown_and_the_others_are_counted(private_redis: Any) -> None:
    corner = Corner("redis", private_redis.url)
    user = private_redis.url.replace("://", "://reader:s3cret@")
    with waiting(corner, mail=3, secret=4) as named, redis.Redis.from_url(private_redis.url) as client:
        mail, secret = named
        rights = "-@all +ping +select +hello +client +llen +multi +exec"
        client.execute_command(
            *f"ACL SETUSER reader on >s3cret resetkeys resetchannels %R~{mail} %R~{mail}\x06* {rights}".split(" ")
        )
        corner.app.conf.broker_url = user
        with reader_of(corner.app) as reader:
            assert reader.read([secret, mail]) == {secret: None, mail: 3}
            assert "NoPermissionError" in reader.refused[secret]
            assert "s3cret" not in reader.refused[secret]


@pytest.mark.rabbitmq
@pytest.mark.parametrize("odd", ["q" * 256, "ü" * 128, "\ud800"], ids=["256 bytes", "256 bytes in 128", "no text"])
def test_a_name_that_amqp_cannot_hold_is_unknown_and_the_others_are_counted(amqp_corner: Corner, odd: str) -> None:
    with waiting(amqp_corner, mail=3) as named, reader_of(amqp_corner.app) as reader:
        assert reader.read([odd, *named]) == {odd: None, **named}
        assert list(reader.refused) == [odd]
        assert reader.read([]) == {} and reader.refused == {}, "no longer asked for"


@pytest.mark.rabbitmq
def test_an_empty_name_is_not_asked_for(amqp_corner: Corner) -> None:
    """RabbitMQ would answer for the queue that this channel declared last."""
    with waiting(amqp_corner, mail=3) as named, reader_of(amqp_corner.app) as reader:
        assert reader.read([*named, ""]) == named


# What cannot be read is evidence.


def unread(listener: Listener) -> dict[str, str]:
    return dict(listener._checks.rule_input(listener._clock()).unreadable_queues)


def assert_unread(listener: Listener, queue: str, text: str) -> None:
    assert text in unread(listener).get(queue, ""), unread(listener)


def assert_all_read(listener: Listener) -> None:
    assert listener._queue_lengths.has_read and unread(listener) == {}, unread(listener)


@pytest.mark.redis
def test_the_reason_for_one_queue_is_evidence_until_it_is_read(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("celery_gossip.transport.queue_length._ERROR_INTERVAL", 0.5)
    odd = f"{redis_corner.exchange}_odd"
    redis_corner.app.conf.task_routes = {"shop.add": {"queue": odd}}
    with redis.Redis.from_url(redis_corner.url) as client, redis_corner.listener() as listener:
        eventually(lambda: assert_all_read(listener))
        client.hset(odd, "field", "value")
        eventually(lambda: assert_unread(listener, odd, "WRONGTYPE"), timeout=5)
        client.delete(odd)
        eventually(lambda: assert_all_read(listener), timeout=5)
    lines = [record.getMessage() for record in caplog.records if "cannot be read" in record.getMessage()]
    assert len(lines) == 1 and odd in lines[0]


def test_a_broker_that_is_not_there_is_the_reason_for_all_until_it_is(private_redis: Any, redis_corner: Corner) -> None:
    app = redis_corner.app
    read_url = private_redis.url.replace("://", "://user:s3cret@")
    app.conf.update(broker_read_url=read_url, broker_write_url=app.conf.broker_url)
    private_redis.kill()
    with redis_corner.listener() as listener:
        eventually(lambda: assert_unread(listener, "", "ConnectionError"))
        assert "s3cret" not in str(unread(listener)) and "\n" not in unread(listener)[""]
        private_redis.start()
        eventually(lambda: assert_unread(listener, "", "AuthenticationError"), timeout=15)
        assert "s3cret" not in str(unread(listener))
        with redis.Redis.from_url(private_redis.url) as client:
            client.execute_command("ACL", "SETUSER", "user", "on", ">s3cret", "allkeys", "allchannels", "+@all")
        eventually(lambda: assert_all_read(listener), timeout=15)


def test_a_url_that_cannot_be_read_is_the_reason_for_all(redis_corner: Corner) -> None:
    app = redis_corner.app
    app.conf.update(broker_read_url="redis://user:pa55/W0RD@127.0.0.1:1/0", broker_write_url=app.conf.broker_url)
    with redis_corner.listener() as listener:
        eventually(lambda: assert_unread(listener, "", "UnusableURL"))
        assert "pa55" not in str(unread(listener)) and "W0RD" not in str(unread(listener))


def test_a_transport_that_cannot_count_is_no_evidence(redis_corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.transport.queue_length.can_count", lambda channel: False)
    with redis_corner.listener() as listener:
        redis_corner.say(checks=(a_check("mail"),))
        listener.wait(timeout=5)
        eventually(lambda: assert_all_read(listener))
        assert_backlog(listener, "mail", None)


@pytest.mark.rabbitmq
def test_a_queue_that_rabbitmq_does_not_have_is_evidence_only_where_a_worker_consumes_it(
    amqp_corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celery_gossip.transport.queue_length._ERROR_INTERVAL", 0.5)
    queue = f"{amqp_corner.exchange}_mail"
    amqp_corner.app.conf.task_default_queue = queue
    with amqp_corner.listener() as listener:
        eventually(lambda: assert_missing(listener, queue))
        assert unread(listener) == {}
        amqp_corner.say(checks=(a_check(queue, paused=True),))
        listener.wait(timeout=5)
        assert unread(listener) == {}
        amqp_corner.say(checks=(a_check(queue),))
        eventually(lambda: assert_unread(listener, queue, "no queue of this name"))
        with waiting(amqp_corner, mail=2):
            eventually(lambda: assert_all_read(listener), timeout=5)
            assert_backlog(listener, queue, 2)


def assert_missing(listener: Listener, queue: str) -> None:
    assert queue in listener._queue_lengths._missing


def test_reasons_are_bounded(redis_corner: Corner) -> None:
    names = [f"{redis_corner.exchange}_{n}" for n in range(50)]
    with redis.Redis.from_url(redis_corner.url) as client, redis_corner.listener(queues=names) as listener:
        for name in names:
            client.hset(name, "field", "value")
        eventually(lambda: assert_many_unread(listener), timeout=5)
        assert all(len(why) <= 200 for why in unread(listener).values())


def assert_many_unread(listener: Listener) -> None:
    assert len(unread(listener)) == 20


# Queues that no worker serves and `task_queues` does not name.


CONFIGURED: dict[str, Any] = {
    "the default queue": lambda name: {"task_default_queue": name, "task_queues": [Queue("gossip_test_other")]},
    "a route": lambda name: {"task_routes": {"shop.*": {"queue": name}}},
    "a keyword": lambda name: {},
}


@pytest.mark.parametrize("way", CONFIGURED)
def test_a_queue_that_nobody_ever_served_is_shown_with_its_messages(way: str, corner: Corner) -> None:
    with waiting(corner, mail=12) as named:
        (queue,) = named
        corner.app.conf.update(CONFIGURED[way](queue))
        declared = list(corner.app.amqp.queues)
        with corner.listener(queues=named if way == "a keyword" else ()) as listener:
            eventually(lambda: assert_backlog(listener, queue, 12))
            if (way, corner.kind) == ("a route", "rabbitmq"):
                eventually(lambda: assert_found(listener, queue), timeout=12)
        assert list(corner.app.amqp.queues) == declared


def assert_found(listener: Listener, queue: str) -> None:
    assert ("backlog_without_consumer", queue) in [(one.kind, one.subject) for one in listener.findings]


@pytest.mark.rabbitmq
def test_a_broadcast_queue_of_this_process_is_not_asked_for(amqp_corner: Corner) -> None:
    news = Broadcast(f"{amqp_corner.exchange}_news")
    amqp_corner.app.conf.task_queues = [news, Queue("gossip_test_other")]
    with amqp_corner.listener() as listener:
        eventually(lambda: assert_missing(listener, "gossip_test_other"))
        assert news.name not in listener._queue_lengths._missing


def test_a_conf_that_is_odd_costs_a_line_and_not_the_thread(
    redis_corner: Corner, caplog: pytest.LogCaptureFixture
) -> None:
    with waiting(redis_corner, mail=4) as named, caplog.at_level(logging.WARNING):
        (queue,) = named
        redis_corner.app.conf.task_routes = {"shop.*": {"queue": queue}}
        redis_corner.app.conf.task_queues = 7
        with redis_corner.listener() as listener:
            eventually(lambda: assert_backlog(listener, queue, 4))
    assert caplog.text.count("the queues in task_queues cannot be read") == 1


@pytest.mark.redis
def test_status_shows_a_queue_that_it_is_given(redis_project: Project) -> None:
    project, name = redis_project, f"{redis_project.prefix}_orphan"
    with Connection(project.broker_url) as connection:
        put(connection, name, 12)
    done = project.gossip("status", "--queue", f"{name}_2", "--queue", name)
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith(name))
    assert (row[0], row[6]) == (name, "12")
    assert f"12 messages wait in queue '{name}', and no worker consumes it" in done.stdout
    (other,) = [line.split() for line in done.stdout.splitlines() if line.startswith(f"{name}_2")]
    assert other[6] == "0", "it is shown although nothing waits in it"


@pytest.mark.parametrize("command", ["status", "watch", "top", "exporter", "web"])
def test_every_command_that_listens_takes_names_of_queues(command: str) -> None:
    (option,) = [one for one in gossip.commands[command].params if "--queue" in one.opts]
    assert isinstance(option, click.Option) and option.multiple and option.metavar == "NAME"
