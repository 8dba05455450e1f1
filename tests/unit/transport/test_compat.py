"""Undocumented names of Kombu, redis-py and py-amqp are there; where one is not, what is done without it."""

import ast
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import amqp
import pytest
import redis
from amqp.transport import TCPTransport
from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as kombu_redis

from celery_gossip.transport import _compat
from celery_gossip.transport._compat import (
    AmqpStream,
    bounded_reads,
    close_poller,
    close_sockets,
    failover_urls,
    frame_errors,
    is_sentinel,
    message_class,
    redis_stream,
    release_idle_connections,
    send_subscription,
    supports_fanout,
    watch_blocked,
)
from celery_gossip.transport._compat_queues import can_count, count_messages, restore_channel
from celery_gossip.transport._internals import INTERNALS, Internal, MissingName, lookup

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "celery_gossip"


@contextmanager
def instance_of(owner: str) -> Iterator[Any]:
    """The class or module of this name, and an instance where only instances have the name. Nothing is connected."""
    with Connection("redis://127.0.0.1:1/0") as connection:
        instances: dict[str, Any] = {
            "kombu.connection.Connection": lambda: connection,
            "kombu.transport.redis.Transport": lambda: connection.transport,
            "kombu.transport.virtual.Transport": lambda: connection.transport,
            "kombu.transport.redis.MultiChannelPoller": lambda: connection.transport.cycle,
            "redis.client.PubSub": lambda: redis.Redis().pubsub(),
            "redis.connection.Connection": redis.Connection,
            "redis.connection.ConnectionPool": redis.ConnectionPool,
            "amqp.transport.TCPTransport": lambda: TCPTransport("127.0.0.1:1"),
        }
        if owner in instances:
            made = instances[owner]()
            yield made
            if owner.startswith("kombu.transport"):
                connection.transport.cycle.poller.close()
        elif owner == "amqp.connection.Connection":
            yield amqp.Connection()
        elif owner == "amqp.exceptions":
            yield import_module(owner)
        else:
            module, _, name = owner.rpartition(".")
            yield getattr(import_module(module), name)


@pytest.mark.parametrize("internal", INTERNALS, ids=lambda one: f"{one.owner}.{one.name}")
def test_this_release_has_the_name(internal: Internal) -> None:
    """Fails where a new release of a library drops a name: see `purpose` and `without` there."""
    with instance_of(internal.owner) as owner:
        has = internal.name in dir(owner) or hasattr(owner, internal.name)
        assert has, f"{internal.owner} has no {internal.name}: {internal.purpose}; without it, {internal.without}"


def test_each_name_says_what_it_is_for_and_what_happens_without() -> None:
    assert all(one.purpose and one.without for one in INTERNALS)
    assert len({(one.owner, one.name) for one in INTERNALS}) == len(INTERNALS)


def test_the_documentation_has_the_same_list() -> None:
    rows = [f"| `{one.owner}.{one.name}` | {one.purpose} | {one.without} |" for one in INTERNALS]
    text = (ROOT / "docs/reference/compatibility.md").read_text()
    section = text.partition("### Kombu, redis-py and py-amqp, in the transport\n")[2].partition("\n##")[0]
    assert [line for line in section.splitlines() if line.startswith("| `")] == rows


def test_no_other_module_reads_a_private_attribute_of_a_library() -> None:
    found = []
    for path in sorted(path for package in ("transport", "listener") for path in (PACKAGE / package).glob("*.py")):
        if not path.name.startswith("_compat"):
            found += [
                f"{path.name}:{one.lineno}: {one.attr}"
                for one in ast.walk(ast.parse(path.read_text()))
                if isinstance(one, ast.Attribute) and re.match("_[^_]", one.attr) and not is_self(one.value)
            ]
    assert found == []


def is_self(node: ast.expr) -> bool:
    return ast.unparse(node) in ("self", "cls", "super()")


def test_a_name_that_is_gone_is_missing_and_said_so() -> None:
    with pytest.raises(MissingName, match="SimpleNamespace has no _sock"):
        lookup(SimpleNamespace(), "_sock")


def a_redis_channel(**parts: Any) -> Any:
    return SimpleNamespace(subclient=SimpleNamespace(connection="the connection"), **parts)


def a_redis_transport(start: Any = lambda: None) -> Any:
    return SimpleNamespace(cycle=SimpleNamespace(on_poll_start=start))


def needs_an_argument(hub: Any) -> None:
    raise AssertionError("not called")


def test_the_subscription_is_sent_and_its_connection_returned() -> None:
    sent = []
    assert send_subscription(a_redis_transport(lambda: sent.append(1)), a_redis_channel()) == "the connection"
    assert sent == [1]


@pytest.mark.parametrize(
    ("transport", "channel"),
    [
        (SimpleNamespace(), a_redis_channel()),
        (SimpleNamespace(cycle=None), a_redis_channel()),
        (a_redis_transport(needs_an_argument), a_redis_channel()),
        (a_redis_transport(None), a_redis_channel()),
        (a_redis_transport(), SimpleNamespace()),
        (a_redis_transport(), SimpleNamespace(subclient=SimpleNamespace())),
    ],
)
def test_a_subscription_that_cannot_be_sent_is_missing(transport: Any, channel: Any) -> None:
    with pytest.raises(MissingName):
        send_subscription(transport, channel)


@pytest.mark.parametrize(
    "connection",
    [
        SimpleNamespace(),
        SimpleNamespace(_sock=None, _parser=SimpleNamespace(parse_error=repr)),
        SimpleNamespace(_sock=socket.socket),
        SimpleNamespace(_sock=socket.socket, _parser=SimpleNamespace()),
        SimpleNamespace(_sock=socket.socket, _parser=SimpleNamespace(parse_error=None)),
    ],
)
def test_a_connection_of_redis_that_cannot_be_read_in_bulk_is_missing(connection: Any) -> None:
    with pytest.raises(MissingName):
        redis_stream(connection)


class Sealed:
    """A transport whose buffer cannot be replaced."""

    sock = socket.socket
    _read_buffer = property(lambda self: b"")


def an_amqp_connection(transport: Any, on_frame: Any = lambda frame: None) -> Any:
    return SimpleNamespace(transport=transport, connected=True, on_inbound_frame=on_frame)


def a_transport(**parts: Any) -> Any:
    return SimpleNamespace(**{"sock": socket.socket, "_read_buffer": b"", **parts})


def test_a_connection_of_amqp_as_it_is_can_be_read_in_bulk() -> None:
    AmqpStream(an_amqp_connection(a_transport()))


@pytest.mark.parametrize(
    "connection",
    [
        SimpleNamespace(),
        an_amqp_connection(SimpleNamespace(sock=socket.socket)),
        an_amqp_connection(SimpleNamespace(_read_buffer=b"")),
        an_amqp_connection(a_transport(_read_buffer=None)),
        an_amqp_connection(a_transport(sock=None)),
        an_amqp_connection(Sealed()),
        an_amqp_connection(a_transport(), on_frame=lambda kind, channel, payload: None),
        an_amqp_connection(a_transport(), on_frame=None),
        SimpleNamespace(transport=a_transport(), connected=True),
    ],
)
def test_a_connection_of_amqp_that_cannot_be_read_in_bulk_is_missing(connection: Any) -> None:
    with pytest.raises(MissingName):
        AmqpStream(connection)


def test_without_the_decoder_of_properties_amqp_is_not_read_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_compat, "amqp", SimpleNamespace(Message=object))
    with pytest.raises(MissingName):
        AmqpStream(an_amqp_connection(a_transport()))


def test_without_having_timeout_the_sockets_own_timeout_is_set_and_put_back() -> None:
    with socket.socket() as sock:
        with bounded_reads(an_amqp_connection(SimpleNamespace(sock=sock)), 0.5):
            assert sock.gettimeout() == 0.5
        assert sock.gettimeout() is None


@pytest.mark.parametrize(
    "connection",
    [None, SimpleNamespace(), SimpleNamespace(connected=True), an_amqp_connection(SimpleNamespace())],
)
def test_without_a_socket_reads_are_not_bounded_and_nothing_is_raised(connection: Any) -> None:
    with bounded_reads(connection, 0.5):
        pass


class Fixed:
    __slots__ = ()


@pytest.mark.parametrize("thing", [None, object(), Fixed(), SimpleNamespace(client=None), SimpleNamespace(cycle=None)])
def test_what_is_only_tidiness_is_left_out_without_a_word(thing: Any) -> None:
    release_idle_connections(thing)
    close_poller(thing)
    watch_blocked(thing, print, print)


@pytest.mark.parametrize("thing", [None, object(), Fixed(), SimpleNamespace(channels=[object()], cycle=None)])
def test_sockets_of_something_else_are_left_alone_in_a_child(thing: Any) -> None:
    close_sockets(thing)


def test_without_the_names_of_a_connection_the_documented_ones_are_enough() -> None:
    assert failover_urls(object()) == [] and failover_urls(SimpleNamespace(alt=["a", "b", None])) == ["b"]
    assert not is_sentinel(object()) and is_sentinel(SimpleNamespace(transport_cls="sentinel"))
    assert message_class(object()) is None


def test_a_transport_that_cannot_be_asked_about_fanout_is_not_refused() -> None:
    assert supports_fanout(object())
    assert not supports_fanout(SimpleNamespace(supports_exchange_type=lambda kind: False))


def test_without_the_name_the_reason_of_a_closed_channel_is_a_connection_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = AmqpStream(an_amqp_connection(a_transport()))
    assert isinstance(stream.close_error(404, "NOT_FOUND", (50, 10)), amqp.NotFound)
    monkeypatch.delattr(amqp.exceptions, "error_for_code")
    error = stream.close_error(404, "NOT_FOUND", (50, 10))
    assert isinstance(error, ConnectionError) and "(404) NOT_FOUND" in str(error)


@pytest.mark.parametrize(
    "channel", [SimpleNamespace(), SimpleNamespace(send_method=print), SimpleNamespace(_do_revive=print)]
)
def test_a_channel_that_cannot_be_opened_again_is_a_lost_connection(channel: Any) -> None:
    with pytest.raises(ConnectionError, match="cannot be opened again"):
        restore_channel(channel)


def test_without_the_name_no_error_is_taken_for_a_broken_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    assert frame_errors() == (amqp.exceptions.FrameSyntaxError,)
    monkeypatch.delattr(amqp.exceptions, "FrameSyntaxError")
    assert frame_errors() == ()


def channel_of(kind: type) -> Any:
    return object.__new__(kind)


def test_redis_is_counted_by_size_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = channel_of(kombu_redis.SentinelChannel)
    monkeypatch.setattr(kombu_redis.Channel, "_size", lambda self, queue: 7)
    monkeypatch.delattr(kombu_redis.Channel, "_has_queue")
    assert can_count(channel) and count_messages(channel, "mail") == 7


@pytest.mark.parametrize("name", ["_size", "_has_queue", "_new_queue"])
def test_without_the_names_of_virtual_transports_nothing_is_counted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(virtual.AbstractChannel, name)
    assert not can_count(channel_of(type("Channel", (virtual.AbstractChannel,), {})))


@pytest.mark.parametrize("module", ["azurestoragequeues", "confluentkafka", "gcpubsub"])
def test_a_transport_that_answers_0_or_creates_what_it_is_asked_about_is_not_asked(module: str) -> None:
    if not any(target.startswith(f"kombu.transport.{module}") for target in TRANSPORT_ALIASES.values()):
        pytest.skip("this Kombu has no such transport")
    made = type(
        "Channel",
        (virtual.Channel,),
        {
            "__module__": f"kombu.transport.{module}",
            "_has_queue": lambda self, queue: True,
            "_size": lambda self, queue: 0,
        },
    )
    assert not can_count(channel_of(made))


def test_a_count_of_another_queue_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = SimpleNamespace(queue_declare=lambda queue, passive: SimpleNamespace(queue="mail", message_count=3))
    assert count_messages(channel, "mail") == 3
    with pytest.raises(ConnectionError, match="another queue"):
        count_messages(channel, "reports")


def test_a_name_that_is_too_long_for_amqp_is_said_to_be() -> None:
    with pytest.raises(ValueError, match="at most 255 bytes"):
        count_messages(SimpleNamespace(), "ü" * 128)
