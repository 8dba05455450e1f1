"""Where a release of a client library lacks a name, messages arrive all the same, on the connection that was made."""

import time
from typing import Any

import pytest

from celery_gossip import Listener
from celery_gossip.transport import _compat, _compat_queues
from celery_gossip.transport import stream_reader as intake
from celery_gossip.transport import subscription as exchange
from celery_gossip.transport._internals import INTERNALS, MissingName, lookup
from tests.integration.corner import Corner, receive
from tests.support import eventually

NAMES = {
    kind: sorted({one.name for one in INTERNALS if one.owner.startswith(owners)})
    for kind, owners in {
        "redis": ("kombu.connection", "kombu.transport.virtual", "kombu.transport.redis", "redis."),
        "rabbitmq": ("kombu.connection", "kombu.transport.pyamqp", "amqp."),
    }.items()
}
CASES = [
    pytest.param(kind, name, marks=getattr(pytest.mark, kind), id=f"{kind}-{name}")
    for kind, names in NAMES.items()
    for name in names
]


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names that the libraries are taken not to have."""
    names: list[str] = []

    def without(owner: Any, name: str) -> Any:
        if name in names:
            raise MissingName(f"{owner!r} has no {name}")
        return lookup(owner, name)

    for module in (_compat, _compat_queues):
        monkeypatch.setattr(module, "lookup", without)
    return names


def corner_of_kind(kind: str, request: pytest.FixtureRequest) -> Corner:
    corner: Corner = request.getfixturevalue("redis_corner" if kind == "redis" else "amqp_corner")
    return corner


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_without_the_name_messages_arrive_on_the_connection_that_was_made(
    kind: str, name: str, hidden: list[str], request: pytest.FixtureRequest
) -> None:
    corner = corner_of_kind(kind, request)
    hidden.append(name)
    with corner.publisher() as publisher, corner.subscription() as subscription:
        connection = subscription._connection.raw
        for n in range(20):
            publisher.publish(b"%d" % n)
        assert receive(subscription, 20) == [b"%d" % n for n in range(20)]
        assert subscription._connection.raw is connection


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_without_the_name_a_listener_stays_connected(
    kind: str, name: str, hidden: list[str], request: pytest.FixtureRequest
) -> None:
    corner = corner_of_kind(kind, request)
    hidden.append(name)
    with corner.listener() as listener:
        connected_at = listener.connected_at
        corner.say()
        listener.wait(workers=1, timeout=5)
        assert (listener.connected_at, listener.error) == (connected_at, None)
        assert listener._loop.isolation.can_publish


INTAKES = [
    pytest.param("redis", "PubSubReader", marks=pytest.mark.redis),
    pytest.param("rabbitmq", "FrameReader", marks=pytest.mark.rabbitmq),
]


@pytest.mark.parametrize("error", [AttributeError("gone"), TypeError("changed")], ids=repr)
@pytest.mark.parametrize("method", ["read", "parse"])
@pytest.mark.parametrize(("kind", "of"), INTAKES)
def test_a_library_that_breaks_while_it_is_read_costs_one_reconnect(
    kind: str, of: str, method: str, error: Exception, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    corner = corner_of_kind(kind, request)
    broken_at: list[float] = []

    def break_down(*_: Any) -> Any:
        broken_at.append(time.monotonic())
        raise error

    monkeypatch.setattr(getattr(intake, of), method, break_down)
    with corner.listener() as listener:
        eventually(lambda: assert_reconnected(listener, broken_at))
        assert not listener._loop.subscription._reads_in_bulk
        corner.say()
        listener.wait(workers=1, timeout=5)
    assert len(broken_at) == 1


def assert_reconnected(listener: Listener, broken_at: list[float]) -> None:
    assert broken_at and listener.connected_at is not None and listener.connected_at > broken_at[0]


def test_it_is_logged_once(hidden: list[str], redis_corner: Corner, caplog: pytest.LogCaptureFixture) -> None:
    exchange._log.__init__(period=3600.0)  # type: ignore[misc]
    hidden.append("_sock")
    for _ in range(3):
        with redis_corner.subscription():
            pass
    text = "reading one message at a time, because a client library has changed"
    assert [text in record.getMessage() for record in caplog.records] == [True]
