"""What a Publisher sends, every Subscription receives, on every broker alike; and nothing stays behind."""

import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from celery_gossip import Listener
from celery_gossip.transport import subscription as exchange
from celery_gossip.transport._internals import MissingName
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.subscription import StaleSubscription, Subscription
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import MAX_BYTES
from tests.integration.corner import Corner, corner_of, receive
from tests.support import eventually
from tests.unit.build import FakeClock, a_check, a_gossip


def in_order(corner: Corner, received: list[Any]) -> list[Any]:
    """Kombu's filesystem transport orders messages by millisecond only."""
    return sorted(received) if corner.kind == "filesystem" else received


def bodies(count: int = 5) -> list[bytes]:
    return [encode(a_gossip(seq=n, checks=(a_check("größe 日本語"),))) for n in range(1, count + 1)]


def test_what_is_published_is_received_body_for_body(corner: Corner) -> None:
    with corner.subscription() as subscription, corner.publisher() as publisher:
        assert [publisher.publish(body) for body in bodies()] == [True] * 5
        assert in_order(corner, receive(subscription, 5)) == bodies()


@pytest.mark.parametrize("intake", ["PubSubReader", "FrameReader"])
def test_where_a_client_library_is_of_another_make_kombu_reads(
    corner: Corner, intake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any) -> Any:
        raise MissingName

    monkeypatch.setattr(exchange, intake, unknown)
    with corner.subscription() as subscription, corner.publisher() as publisher:
        assert [publisher.publish(body) for body in bodies()] == [True] * 5
        assert in_order(corner, receive(subscription, 5)) == bodies()


def test_the_largest_gossip_passes(corner: Corner) -> None:
    largest = encode(a_gossip()).ljust(MAX_BYTES)
    with corner.subscription() as subscription, corner.publisher() as publisher:
        publisher.publish(largest)
        assert receive(subscription, 1) == [largest]


def test_every_subscription_hears_everything(corner: Corner) -> None:
    with corner.subscription() as one, corner.subscription() as two, corner.publisher() as publisher:
        for body in bodies():
            publisher.publish(body)
        assert in_order(corner, receive(one, 5)) == bodies()
        assert in_order(corner, receive(two, 5)) == bodies()


def test_a_subscription_goes_on_when_another_has_left(corner: Corner) -> None:
    with corner.subscription() as stays, corner.publisher() as publisher:
        with corner.subscription() as leaves:
            publisher.publish(bodies()[0])
            receive(leaves, 1)
        publisher.publish(bodies()[1])
        assert in_order(corner, receive(stays, 2)) == bodies(2)


def test_publishing_while_nobody_listens_is_no_error(corner: Corner) -> None:
    with corner.publisher() as publisher:
        assert [publisher.publish(body) for body in bodies()] == [True] * 5


def test_what_was_said_before_is_not_heard_later(corner: Corner) -> None:
    with corner.publisher() as publisher:
        publisher.publish(bodies()[0])
        with corner.subscription() as subscription:
            publisher.publish(bodies()[1])
            assert receive(subscription, 1) == [bodies()[1]]


def test_a_quiet_exchange_gives_nothing(corner: Corner) -> None:
    with corner.subscription() as subscription:
        assert subscription.receive(0.05) == []


def test_exchanges_do_not_hear_each_other(corner: Corner, tmp_path: Any) -> None:
    stranger = Corner(corner.kind, corner.url, **corner.app.conf.broker_transport_options)
    with corner.subscription() as subscription, stranger.publisher() as publisher:
        publisher.publish(bodies()[0])
        corner.say()
        assert len(receive(subscription, 1)) == 1
        assert subscription.receive(0.2) == []
    stranger.clean()


def test_a_publisher_that_was_dropped_publishes_again(corner: Corner) -> None:
    with corner.subscription() as subscription, corner.publisher() as publisher:
        for body in bodies(3):
            publisher.publish(body)
            publisher.fail_over()
        assert in_order(corner, receive(subscription, 3)) == bodies(3)


def test_a_publisher_that_never_published_closes(corner: Corner) -> None:
    with corner.publisher() as publisher:
        publisher.fail_over()
    publisher.close()


def test_a_subscription_leaves_nothing_on_the_broker(corner: Corner) -> None:
    with corner.subscription() as subscription, corner.publisher() as publisher:
        publisher.publish(bodies()[0])
        receive(subscription, 1)
    assert corner.leftovers() == []


@pytest.mark.parametrize("unread", [1, 50])
def test_messages_that_nobody_read_leave_with_the_subscription(corner: Corner, unread: int) -> None:
    with corner.subscription(), corner.publisher() as publisher:
        for body in bodies(unread):
            publisher.publish(body)
    assert corner.leftovers() == []


def test_leftovers_are_seen_while_a_subscription_is_open(corner: Corner) -> None:
    with corner.subscription():
        assert corner.leftovers() != [], "the check of this suite must be able to fail"


def test_twenty_listeners_leave_no_thread_no_descriptor_and_nothing_on_the_broker(corner: Corner) -> None:
    def listen_once() -> None:
        with corner.listener() as listener:
            corner.say()
            listener.wait(workers=1, timeout=5)

    listen_once()
    before = psutil.Process().num_fds()
    for _ in range(20):
        listen_once()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("celery-gossip")] == []
    assert psutil.Process().num_fds() <= before
    if corner.kind != "memory":  # Kombu keeps a deleted queue in its table there, and fills it again
        assert corner.leftovers() == []


def test_listeners_of_one_process_do_not_take_from_each_other(corner: Corner) -> None:
    with corner.listener() as one, corner.listener() as two:
        for n in range(5):
            corner.say(hostname=f"celery@w{n}")

        def hear_all() -> None:
            for listener in (one, two):
                assert len(listener.cluster.workers()) == 5

        eventually(hear_all, timeout=5)


def test_a_listener_that_leaves_does_not_silence_the_other(corner: Corner) -> None:
    with corner.listener() as stays:
        with corner.listener():
            pass
        corner.say()
        stays.wait(workers=1, timeout=5)


def test_a_listener_may_be_closed_before_it_was_started(corner: Corner) -> None:
    Listener(corner.app, corner.options).close()


@pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
def test_what_has_waited_while_nobody_looked_for_long_is_not_read(kind: str, tmp_path: Path) -> None:
    corner, clock = corner_of(kind, tmp_path), FakeClock()
    subscription = Subscription(open_broker(corner.app, corner.options), clock)
    subscription.open()
    with corner.publisher() as publisher:
        clock.advance(3.0)
        publisher.publish(b"fresh")
        assert receive(subscription, 1) == [b"fresh"]
        publisher.publish(b"stale")
        clock.advance(3.3)
        with pytest.raises(StaleSubscription):
            subscription.receive(0.2)
        subscription.discard()
        subscription.open()
        publisher.publish(b"new")
        assert receive(subscription, 1) == [b"new"]
    subscription.close()
    corner.clean()
