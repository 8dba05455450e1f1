"""Of several URLs the one that is connected is named; before, and after it is lost, all of them; never a password."""

import logging
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from celery_gossip import GossipOptions, GossipStep, Listener
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.transport.subscription import Subscription
from tests.integration.corner import Corner, assert_connected
from tests.support import brokers, eventually
from tests.unit.fakes import a_consumer

PASSWORD = "s3cret"
KINDS = [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]


def first_url(kind: str) -> str:
    """Of a broker that is not there."""
    scheme, path = {"redis": ("redis", "/0"), "rabbitmq": ("amqp", "//")}[kind]
    return f"{scheme}://user:{PASSWORD}@127.0.0.1:{brokers.free_port()}{path}"


def shown(url: str) -> str:
    with Connection(url) as connection:
        return str(connection.as_uri()).replace("//:**@", "//")


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Any:
    """A URL of a broker that is down, and that of the shared one."""
    second = {"redis": brokers.REDIS_URL, "rabbitmq": brokers.RABBITMQ_URL}[request.param]
    return first_url(request.param), brokers.require(second)


def corner_on(urls: Any) -> Corner:
    corner = Corner("", urls)
    corner.app.conf.broker_url = urls
    return corner


@pytest.mark.parametrize("form", ["text", "list", "own"])
def test_a_listener_names_the_broker_that_it_is_connected_to(
    pair: tuple[str, str], form: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = pair
    urls: Any = [first, second] if form == "list" else f"{first};{second}"
    corner = corner_on("memory://" if form == "own" else urls)
    options = GossipOptions(exchange=corner.exchange, broker_url=urls if form == "own" else None)
    listener = Listener(corner.app, options)
    both = f"{shown(first)};{shown(second)}"
    assert listener.uri == both
    with caplog.at_level(logging.INFO, "celery_gossip"), listener:
        assert_connected(listener)
        assert listener.uri == shown(second)
        with pytest.raises(TimeoutError, match=r"within 0\.1 s; listening on ") as nobody:
            listener.wait(timeout=0.1)
        eventually(lambda: assert_logged(caplog, f"listening on {shown(second)} again"))
    assert str(nobody.value).endswith(shown(second))
    assert listener.uri == both
    assert_logged(caplog, f"cannot listen on {both}: ")
    assert PASSWORD not in caplog.text + listener.uri
    corner.kind = "redis" if second.startswith("redis") else "rabbitmq"
    corner.url = second
    corner.clean()


def assert_logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    assert any(text in record.getMessage() for record in caplog.records), caplog.text


def test_a_publisher_and_a_subscription_name_the_broker_that_they_are_connected_to(pair: tuple[str, str]) -> None:
    first, second = pair
    corner = corner_on(f"{first};{second}")
    broker = open_broker(corner.app, corner.options)
    publisher, subscription = Publisher(broker), Subscription(broker)
    both = f"{shown(first)};{shown(second)}"
    for end, call in ((publisher, lambda: publisher.publish(b"x")), (subscription, subscription.open)):
        assert end.uri == both
        with pytest.raises(Exception) as refused:  # of either library
            call()
        assert end.uri == both and PASSWORD not in str(refused.value)
        end.fail_over()
        assert end.uri == both
        call()
        assert end.uri == shown(second)
        end.discard()
        assert end.uri == both
        call()
        assert end.uri == shown(second), "it has stayed there"
        end.close()
        assert end.uri == both
    corner.kind, corner.url = "redis" if second.startswith("redis") else "rabbitmq", second
    corner.clean()


def test_a_step_names_the_broker_that_its_publisher_is_connected_to(pair: tuple[str, str]) -> None:
    first, second = pair
    app = Celery("shop", broker=f"{first};{second}", set_as_current=False)
    step = GossipStep(a_consumer("mail", app=app))
    assert step._components.publisher.uri == f"{shown(first)};{shown(second)}"
    publisher = step._components.publisher
    publisher.fail_over()
    publisher.publish(b"x")
    assert step._components.publisher.uri == shown(second)
    assert publisher.all_uris == f"{shown(first)};{shown(second)}"
    publisher.close()
