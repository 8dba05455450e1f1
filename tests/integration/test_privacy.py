"""Of a broker that says no, hangs up or is not there, everything is told but the password."""

import logging
import traceback
from typing import Any

import pytest
from celery import Celery
from kombu import Connection

from celery_gossip import GossipOptions, Listener
from celery_gossip.listener.queue_length_thread import QueueLengthReader
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.transport.subscription import Subscription
from tests.support import brokers, eventually

pytestmark = pytest.mark.usefixtures("quick_echo")

PARTS = ("pa55", "W0RD")
PORT = brokers.free_port()

BROKEN = {
    "refused": f"redis://user:pa55W0RD@127.0.0.1:{PORT}/0",
    "refused, of AMQP": f"amqp://user:pa55W0RD@127.0.0.1:{PORT}//",
    "failover": f"amqp://user:pa55W0RD@127.0.0.1:{PORT}//;amqp://user:pa55W0RD@127.0.0.1:{PORT}/v",
    "encoded": f"redis://user:pa55%40%2FW0RD@127.0.0.1:{PORT}/0",
    "an unescaped sign": f"redis://user:pa55@W0RD@127.0.0.1:{PORT}/0",
    "a colon": f"redis://user:pa55:W0RD@127.0.0.1:{PORT}/0",
    "TLS": f"rediss://user:pa55W0RD@127.0.0.1:{PORT}/0?ssl_cert_reqs=none",
    "TLS of AMQP": f"amqps://user:pa55W0RD@127.0.0.1:{PORT}//",
    "an unknown host": "redis://user:pa55W0RD@no-such-host.invalid/0",
    "an unknown host, of AMQP": "amqp://user:pa55W0RD@no-such-host.invalid//",
    "no such database": f"redis://user:pa55W0RD@127.0.0.1:{PORT}/none",
    "a socket": "redis+socket://user:pa55W0RD@/tmp/none-such.sock",
    "sentinels": f"sentinel://:pa55W0RD@127.0.0.1:{PORT};sentinel://:pa55W0RD@127.0.0.1:{PORT}",
}


def texts_of(exc: BaseException) -> list[str]:
    """All that a log, a signal's receiver or a collector of errors could make of it."""
    texts = traceback.format_exception(exc)
    link: BaseException | None = exc
    while link is not None:
        texts += [repr(link), str(link)]
        link = link.__cause__ or link.__context__
    return texts


def assert_silent(texts: list[str]) -> None:
    assert not [(part, text) for text in texts for part in PARTS if part in text]


def errors_of(app: Celery, options: GossipOptions) -> list[str]:
    """Whatever our own calls raise."""
    texts = []
    broker = open_broker(app, options)
    publisher, subscription, reader = Publisher(broker), Subscription(broker), QueueLengthReader(app)
    for call in (lambda: publisher.publish(b"x"), subscription.open, lambda: reader.read(["celery"])):
        with pytest.raises(Exception) as raised:  # whatever it is
            call()
        texts += texts_of(raised.value)
    for one in (publisher, subscription, reader):
        one.fail_over()
    return texts


def listened(app: Celery, options: GossipOptions, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Whatever a listener says of it."""
    with caplog.at_level(logging.DEBUG, logger="celery_gossip"), Listener(app, options) as listener:
        eventually(lambda: assert_failed(listener), timeout=10)
        with pytest.raises(TimeoutError) as raised:
            listener.wait(timeout=0.1)
        eventually(lambda: assert_found(listener), timeout=10)
        error = listener.error
        assert error is not None
        return [
            caplog.text,
            repr(listener.options),
            listener.uri,
            repr(listener.findings),
            *texts_of(error),
            *texts_of(raised.value),
        ]


def assert_failed(listener: Listener) -> None:
    assert listener.error is not None


def assert_found(listener: Listener) -> None:
    assert listener.findings


@pytest.mark.parametrize("name", BROKEN)
def test_a_broker_that_cannot_be_reached(name: str, caplog: pytest.LogCaptureFixture) -> None:
    app = Celery("shop", broker=BROKEN[name], set_as_current=False)
    assert_silent(errors_of(app, GossipOptions()))
    assert_silent(listened(app, GossipOptions(), caplog))


@pytest.mark.redis
@pytest.mark.parametrize("user", ["", "user"])
def test_a_redis_that_refuses_the_password(private_redis: Any, user: str, caplog: pytest.LogCaptureFixture) -> None:
    with Connection(private_redis.url) as connection:
        connection.default_channel.client.config_set("requirepass", "another")
    app = Celery("shop", broker=private_redis.url.replace("//", f"//{user}:pa55W0RD@"), set_as_current=False)
    assert_silent(errors_of(app, GossipOptions()))
    assert_silent(listened(app, GossipOptions(), caplog))


@pytest.mark.rabbitmq
@pytest.mark.parametrize("user", ["guest", "nobody"])
def test_a_rabbitmq_that_refuses_the_password(user: str, caplog: pytest.LogCaptureFixture) -> None:
    address = brokers.require(brokers.RABBITMQ_URL).rpartition("@")[2]
    app = Celery("shop", broker=f"amqp://{user}:pa55W0RD@{address}", set_as_current=False)
    assert_silent(errors_of(app, GossipOptions()))
    assert_silent(listened(app, GossipOptions(), caplog))


def test_what_these_tests_look_for_would_be_seen() -> None:
    with pytest.raises(AssertionError):
        assert_silent(texts_of(ConnectionError("cannot reach pa55")))
