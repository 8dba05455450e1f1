"""A listener hears its own echo; when it does not, it is isolated, and silence proves nothing."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from kombu import Connection

from celery_gossip import Listener
from celery_gossip.listener.echo import EchoSender
from celery_gossip.transport.subscription import Subscription
from celery_gossip.wire.encoding import encode_echo
from celery_gossip.wire.messages import Echo, decode
from tests.integration.corner import Corner, receive
from tests.support import brokers, eventually
from tests.support.proxy import proxied

pytestmark = pytest.mark.usefixtures("quick_echo")

ENOUGH = 8  #: echoes in which a listener that does not hear them would find itself deaf, twice


def echoes(subscription: Subscription, count: int) -> list[Echo]:
    heard: list[Any] = []

    def are_heard() -> None:
        heard.extend(map(decode, receive(subscription, 1)))
        assert sum(isinstance(message, Echo) for message in heard) >= count

    eventually(are_heard, timeout=15, every=0.0)
    return [message for message in heard if isinstance(message, Echo)]


def assert_isolated(listener: Listener) -> None:
    assert listener.cluster.isolated_since is not None


def assert_hears(listener: Listener) -> None:
    assert listener.connected_at is not None and listener.cluster.isolated_since is None


def isolations(telemetry: list[Any]) -> int:
    findings = [data["finding"] for name, _, data in telemetry if name == "finding_raised"]
    return [finding.kind for finding in findings].count("isolated")


def worker_states(telemetry: list[Any]) -> list[str]:
    return [name for name, _, _ in telemetry if name.startswith("worker_")]


def test_a_listener_that_hears_its_echo_keeps_its_connection(corner: Corner, telemetry: list[Any]) -> None:
    with corner.subscription() as subscription, corner.listener() as listener:
        connected_at = listener.connected_at
        heard = echoes(subscription, ENOUGH)
        assert [echo.number for echo in heard] == list(range(heard[0].number, heard[0].number + len(heard)))
        assert len({echo.echo for echo in heard}) == 1
        assert (listener.connected_at, listener.cluster.isolated_since) == (connected_at, None)
    assert isolations(telemetry) == 0


def test_echoes_of_other_listeners_are_neither_gossip_nor_refused(corner: Corner, telemetry: list[Any]) -> None:
    with corner.listener() as one, corner.listener() as other, corner.subscription() as subscription:
        echoes(subscription, 4)
        corner.say()
        one.wait(timeout=5)
        assert (one.rejected, other.rejected) == ({}, {})
        assert len(one.cluster.workers()) == 1
    assert "gossip_rejected" not in [name for name, _, _ in telemetry]


def test_an_echo_of_somebody_else_proves_nothing(redis_corner: Corner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EchoSender, "send_if_due", say_in_vain)
    with redis_corner.listener() as listener, redis_corner.publisher() as publisher:

        def is_isolated_all_the_same() -> None:
            publisher.publish(encode_echo(Echo(echo="f" * 16, number=max(1, listener._loop.isolation._number))))
            assert_isolated(listener)

        eventually(is_isolated_all_the_same, timeout=5)


def say_in_vain(sounder: EchoSender) -> None:
    now = time.monotonic()
    if sounder._isolation.is_ping_due(now):
        sounder._isolation.ping_sent(now)


def test_a_listener_that_waited_to_be_started_is_not_isolated(redis_corner: Corner, telemetry: list[Any]) -> None:
    offset = 0.0
    listener = Listener(redis_corner.app, redis_corner.options, clock=lambda: time.monotonic() + offset)
    offset = 60.0
    with listener, redis_corner.subscription() as subscription:
        echoes(subscription, 4)
    assert isolations(telemetry) == 0


# Who may listen and not speak.


def assert_goes_without(corner: Corner, restricted: Corner, caplog: pytest.LogCaptureFixture) -> None:
    """It says so once, hears all the same, and stays connected for longer than a deaf one would."""
    restricted.options = corner.options
    with restricted.listener() as listener:
        eventually(lambda: assert_told_once(caplog))
        connected_at = listener.connected_at
        for n in range(4):
            corner.say(hostname=f"celery@w{n}")
            listener.wait(workers=n + 1, timeout=5)
            time.sleep(0.5)  # that nothing happens can only be seen over time
        assert_told_once(caplog)
        assert_hears(listener)
        assert listener.connected_at == connected_at


def assert_told_once(caplog: pytest.LogCaptureFixture) -> None:
    told = [record for record in caplog.records if "may not publish" in record.getMessage()]
    assert len(told) == 1
    assert "secret" not in caplog.text


def test_on_redis_a_listener_that_may_not_publish_says_so_once_and_goes_without(
    private_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    corner = Corner("redis", private_redis.url)
    with Connection(private_redis.url) as connection:
        rights = ("~*", "&*", "+@all", "-publish")
        connection.default_channel.client.execute_command("ACL", "SETUSER", "ear", "on", ">secret", *rights)
    restricted = Corner("redis", private_redis.url.replace("redis://", "redis://ear:secret@"))
    assert_goes_without(corner, restricted, caplog)


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_on_rabbitmq_a_listener_that_may_not_publish_says_so_once_and_goes_without(
    private_rabbitmq: Any, caplog: pytest.LogCaptureFixture
) -> None:
    corner = Corner("rabbitmq", private_rabbitmq.url)
    private_rabbitmq.control("add_user", corner.exchange, "secret")
    private_rabbitmq.control("set_permissions", corner.exchange, ".*", rf"^{corner.exchange}\..*", ".*")
    restricted = Corner("rabbitmq", private_rabbitmq.url.replace("guest:guest", f"{corner.exchange}:secret"))
    assert_goes_without(corner, restricted, caplog)


# Cut off.


@pytest.mark.parametrize("how", ["cut", "swallow"])
@pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
def test_of_a_listener_that_is_cut_off_the_view_stays_as_it_was_until_it_hears_again(
    kind: str, how: str, telemetry: list[Any]
) -> None:
    url = brokers.require({"redis": brokers.REDIS_URL, "rabbitmq": brokers.RABBITMQ_URL}[kind])
    corner = Corner(kind, url)
    with proxied(url) as proxy, chatter(corner):
        beyond = Corner(kind, proxy.url)
        beyond.options = corner.options
        with beyond.listener() as listener:
            listener.wait(timeout=5)
            getattr(proxy, how)()
            eventually(lambda: assert_isolated(listener))
            time.sleep(2.5)  # a worker of this interval would be suspect after 1.75 s
            assert_isolated(listener)
            assert worker_states(telemetry) == ["worker_online"]
            assert [worker.state for worker in listener.view().workers] == ["online"]
            assert listener.view().isolated_since is not None
            proxy.heal()
            eventually(lambda: assert_hears(listener))
            healed_at = time.monotonic()
            eventually(partial(assert_heard_since, listener, healed_at))
    assert worker_states(telemetry) == ["worker_online"]
    corner.clean()


@contextmanager
def chatter(corner: Corner) -> Iterator[None]:
    """A worker that speaks all the time, on a connection of its own."""
    is_over = threading.Event()

    def speak() -> None:
        while not is_over.wait(0.2):
            corner.say()

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def assert_heard_since(listener: Listener, moment: float) -> None:
    (worker,) = listener.cluster.workers()
    assert worker.heard_at > moment


def test_why_no_echo_can_be_sent_is_told_by_the_finding_and_the_error(
    redis_corner: Corner, monkeypatch: pytest.MonkeyPatch, telemetry: list[Any]
) -> None:
    def refuse(body: bytes) -> bool:
        raise OSError("no route to anywhere")

    with redis_corner.listener() as listener:
        monkeypatch.setattr(listener._loop.echo._publisher, "publish", refuse)
        eventually(lambda: assert_failed(listener))
        eventually(lambda: assert_equal(isolations(telemetry), 1))
    assert "no route to anywhere" in str(listener.error)
    findings = [data["finding"] for name, _, data in telemetry if name == "finding_raised"]
    assert [finding.kind for finding in findings] == ["isolated"]
    assert "OSError: no route to anywhere" in findings[0].text


def assert_failed(listener: Listener) -> None:
    assert listener.error is not None


def test_an_echo_that_could_not_be_sent_is_tried_again_on_the_same_broker(
    private_redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two brokers that know nothing of each other: on the second nobody would hear it."""
    corner = Corner("redis", f"{private_redis.url};{brokers.require(brokers.REDIS_URL)}")
    one = Corner("redis", private_redis.url)
    one.options = corner.options
    with corner.listener() as listener, one.subscription() as subscription:
        publish = listener._loop.echo._publisher.publish
        hiccups = [OSError("hiccup")]

        def publish_in_the_end(body: bytes) -> bool:
            if hiccups:
                raise hiccups.pop()
            return publish(body)

        connected_at = listener.connected_at
        echoes(subscription, 1)
        monkeypatch.setattr(listener._loop.echo._publisher, "publish", publish_in_the_end)
        echoes(subscription, ENOUGH)
        assert not hiccups
        assert_hears(listener)
        assert listener.connected_at == connected_at


def test_a_listener_and_its_echo_turn_to_the_next_broker_together(private_redis: Any) -> None:
    corner = Corner("redis", f"{private_redis.url};{brokers.require(brokers.REDIS_URL)}")
    second = Corner("redis", brokers.REDIS_URL)
    second.options, second.exchange = corner.options, corner.exchange
    with corner.listener() as listener, second.subscription() as subscription:
        private_redis.kill()
        heard = echoes(subscription, ENOUGH)
        assert len({echo.echo for echo in heard}) == 1
        eventually(lambda: assert_hears(listener))
        second.say()
        listener.wait(timeout=5)
    second.clean()


@pytest.mark.rabbitmq
@pytest.mark.slow
def test_while_rabbitmq_takes_no_messages_a_listener_is_isolated_but_keeps_its_connection(
    private_rabbitmq: Any,
) -> None:
    corner = Corner("rabbitmq", private_rabbitmq.url)
    with corner.listener() as listener:
        connected_at = listener.connected_at
        private_rabbitmq.limit_memory(0.00001)
        try:
            eventually(lambda: assert_isolated(listener))
        finally:
            private_rabbitmq.limit_memory(0.4)
        eventually(lambda: assert_hears(listener))
        assert listener.connected_at == connected_at


# What is left.


def test_a_listener_that_has_closed_holds_no_connection(private_redis: Any) -> None:
    corner = Corner("redis", private_redis.url)
    with Connection(private_redis.url) as connection:
        client = connection.default_channel.client

        def connections() -> int:
            return len(client.client_list())

        before = connections()
        with corner.listener(), corner.subscription() as subscription:
            echoes(subscription, 2)
            eventually(lambda: assert_at_least(connections(), before + 4), timeout=5)
        eventually(lambda: assert_equal(connections(), before))


def assert_at_least(value: int, least: int) -> None:
    assert value >= least


def assert_equal(value: int, expected: int) -> None:
    assert value == expected
