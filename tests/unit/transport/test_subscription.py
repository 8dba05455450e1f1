"""What a Publisher does with what its broker says between two messages."""

from typing import Any

import pytest
from celery import Celery

from celery_gossip.options import GossipOptions
from celery_gossip.transport.broker import Broker
from celery_gossip.transport.publisher import Publisher


class Written:
    """In place of Kombu's producer."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def publish(self, body: bytes, **_: Any) -> None:
        self.bodies.append(body)


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def publisher(written: Written) -> Publisher:
    """One that has connected to RabbitMQ."""
    app = Celery("shop", broker="amqp://localhost:1//", set_as_current=False)
    publisher = Publisher(Broker(app, GossipOptions()))
    publisher._producer = written
    return publisher


def test_a_block_that_was_told_since_the_last_message_is_heard_before_the_next_is_written(
    publisher: Publisher, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher._connection, "drain", lambda timeout: publisher._on_blocked("low on memory"))
    assert publisher.publish(b"1") is False
    assert written.bodies == []
    monkeypatch.setattr(publisher._connection, "drain", lambda timeout: publisher._on_unblocked())
    assert publisher.publish(b"2") is True
    assert written.bodies == [b"2"]
