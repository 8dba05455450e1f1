"""Bindings: find the queue of a delivery, or none. QueueCounter: counts requests by queue."""

import gc
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import Connection, Exchange, Queue, binding
from kombu.transport.virtual.exchange import TopicExchange

from celery_gossip.worker import bindings as bindings_module
from celery_gossip.worker.bindings import Bindings, QueueCounter, topic_matches
from tests.unit.fakes import FakeRequest

DIRECT = Exchange("shop", type="direct")
TOPIC = Exchange("events", type="topic")
FANOUT = Exchange("news", type="fanout")
HEADERS = Exchange("post", type="headers")


def test_on_the_default_exchange_the_routing_key_is_the_queue() -> None:
    bindings = Bindings([Queue("default"), Queue("mail", DIRECT, routing_key="letters")])
    assert bindings.queue_of("", "default") == "default"
    assert bindings.queue_of("", "mail") == "mail"
    assert bindings.queue_of("", "letters") is None


def test_a_direct_exchange_leads_by_the_very_routing_key() -> None:
    bindings = Bindings([Queue("mail", DIRECT, routing_key="letters"), Queue("reports", DIRECT, routing_key="reports")])
    assert bindings.queue_of("shop", "letters") == "mail"
    assert bindings.queue_of("shop", "reports") == "reports"
    assert bindings.queue_of("shop", "mail") is None
    assert bindings.queue_of("other", "letters") is None


def test_a_topic_exchange_leads_by_pattern() -> None:
    bindings = Bindings([Queue("orders", TOPIC, routing_key="order.*"), Queue("users", TOPIC, routing_key="user.#")])
    assert bindings.queue_of("events", "order.made") == "orders"
    assert bindings.queue_of("events", "order.made.twice") is None
    assert bindings.queue_of("events", "user.made.twice") == "users"
    assert bindings.queue_of("events", "user") == "users"


def test_a_fanout_exchange_leads_to_its_only_queue_whatever_the_key() -> None:
    bindings = Bindings([Queue("paper", FANOUT), Queue("other", DIRECT, routing_key="x")])
    assert bindings.queue_of("news", "anything") == "paper"
    assert bindings.queue_of("news", "") == "paper"


def test_a_headers_exchange_attributes_nothing() -> None:
    assert Bindings([Queue("post", HEADERS, routing_key="x")]).queue_of("post", "x") is None


def test_every_one_of_several_bindings_leads_to_the_queue() -> None:
    queue = Queue("all", [binding(DIRECT, routing_key="a"), binding(DIRECT, routing_key="b"), binding(TOPIC, "c.#")])
    bindings = Bindings([queue, Queue("other", DIRECT, routing_key="z")])
    assert {bindings.queue_of("shop", key) for key in ("a", "b")} == {"all"}
    assert bindings.queue_of("events", "c.d") == "all"
    assert bindings.queue_of("shop", "c") is None


def test_a_queue_that_two_of_its_bindings_match_is_one_queue() -> None:
    queue = Queue("all", [binding(TOPIC, routing_key="a.#"), binding(TOPIC, routing_key="#.b")])
    assert Bindings([queue]).queue_of("events", "a.b") == "all"


@pytest.mark.parametrize(
    ("queues", "exchange", "key"),
    [
        ([Queue("one", DIRECT, routing_key="k"), Queue("two", DIRECT, routing_key="k")], "shop", "k"),
        ([Queue("one", FANOUT), Queue("two", FANOUT)], "news", "k"),
        ([Queue("one", TOPIC, routing_key="#"), Queue("two", TOPIC, routing_key="a.*")], "events", "a.b"),
    ],
    ids=["direct", "fanout", "topic"],
)
def test_what_could_be_several_queues_is_not_guessed(queues: list[Queue], exchange: str, key: str) -> None:
    assert Bindings(queues).queue_of(exchange, key) is None


def test_without_queues_nothing_is_reported() -> None:
    assert Bindings([]).queue_of("", "default") is None


@pytest.mark.parametrize("hostile", [None, 1, b"shop", ("a", "b"), float("nan"), True])
def test_what_is_no_text_leads_nowhere(hostile: Any) -> None:
    bindings = Bindings([Queue("mail", DIRECT, routing_key="letters")])
    assert bindings.queue_of(hostile, "letters") is None
    assert bindings.queue_of("shop", hostile) is None


def test_answers_are_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    find = Bindings._find

    def asking(self: Bindings, *key: str) -> str | None:
        asked.append(key)
        return find(self, *key)

    monkeypatch.setattr(Bindings, "_find", asking)
    bindings = Bindings([Queue("default")])
    assert [bindings.queue_of("", key) for key in ("default", "default", "none", "none")] == ["default"] * 2 + [
        None
    ] * 2
    assert asked == [("", "default"), ("", "none")]


def test_the_cache_is_bounded_and_answers_stay_right() -> None:
    bindings = Bindings([Queue("users", TOPIC, routing_key="user.*")])
    for n in range(2 * bindings_module._CACHE_SIZE + 10):
        assert bindings.queue_of("events", f"user.{n}") == "users"
        assert len(bindings._cache) <= bindings_module._CACHE_SIZE


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "a.b", False),
        ("a.b", "a", False),
        ("*", "a", True),
        ("*", "a.b", False),
        ("*.b", "a.b", True),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.c", False),
        ("*.*", "a", False),
        ("#", "", True),
        ("#", "a", True),
        ("#", "a.b.c", True),
        ("a.#", "a", True),
        ("a.#", "a.b.c", True),
        ("a.#", "b", False),
        ("#.c", "c", True),
        ("#.c", "a.b.c", True),
        ("#.c", "a.c.b", False),
        ("a.#.c", "a.c", True),
        ("a.#.c", "a.b.b.c", True),
        ("a.#.c", "a.b", False),
        ("#.#", "a", True),
        ("#.*", "a", True),
        ("#.*", "a.b", True),
        ("*.#", "a.b.c", True),
        ("#.b.#", "a.b.c", True),
        ("#.b.#", "a.c", False),
        ("a.#.b.#.c", "a.x.b.y.z.c", True),
        ("a.#.b.#.c", "a.x.y.c", False),
        ("a#", "ab", False),
        ("a*", "ab", False),
        ("a.b", "a.b.", False),
        ("", "", True),
        ("", "a", False),
    ],
)
def test_a_topic_pattern_matches_by_the_rule_of_amqp(pattern: str, key: str, matches: bool) -> None:
    assert topic_matches(pattern, key) is matches


def test_many_wildcards_are_matched_in_bounded_time() -> None:
    assert topic_matches(".".join(["#"] * 100), ".".join(["a"] * 1000)) is True
    assert topic_matches(".".join(["#", "b"] * 50), ".".join(["a"] * 1000)) is False


class Asked:
    """Tells the queue of each request, and notes of which it was asked."""

    def __init__(self, **queues: str) -> None:
        self.queues = queues
        self.of: list[str] = []

    def __call__(self, request: FakeRequest) -> str | None:
        self.of.append(request.id)
        return self.queues.get(request.id)


def test_each_request_is_asked_once_for_its_queue_and_counted_while_it_is_there() -> None:
    one, two, three, lost = (FakeRequest(task_id) for task_id in ("one", "two", "three", "lost"))
    asked = Asked(one="mail", two="mail", three="jobs")
    origins = QueueCounter(asked)
    assert origins.count([one, two, lost]) == {"mail": 2, None: 1}
    assert origins.count([one, three, lost]) == {"mail": 1, "jobs": 1, None: 1}
    assert origins.count([]) == {}
    assert sorted(asked.of) == ["lost", "one", "three", "two"]


def test_a_request_that_comes_back_is_asked_again() -> None:
    one, asked = FakeRequest("one"), Asked(one="mail")
    origins = QueueCounter(asked)
    assert [dict(origins.count(requests)) for requests in ([one], [], [one])] == [{"mail": 1}, {}, {"mail": 1}]
    assert asked.of == ["one", "one"]


def test_when_there_are_new_queues_all_requests_are_asked_again() -> None:
    one, asked = FakeRequest("one"), Asked()
    origins = QueueCounter(asked)
    assert origins.count([one]) == {None: 1}
    asked.queues["one"] = "mail"
    origins.reset()
    assert origins.count([one]) == {"mail": 1}


def test_requests_are_held_weakly() -> None:
    one = FakeRequest("one")
    gone, origins = ref(one), QueueCounter(Asked(one="mail"))
    origins.count([one])
    del one
    gc.collect()
    assert gone() is None
    assert origins.count([]) == {}


# Topic exchanges on virtual transports: there Kombu routes.

WORDS = st.sampled_from(["a", "b", "c", "*", "#", "a1", "x-y", "+", ""])
PATTERNS = st.lists(WORDS, min_size=1, max_size=4).map(".".join)
KEYS = st.lists(st.sampled_from(["a", "b", "c", "a1", "x-y", "+", ""]), min_size=1, max_size=4).map(".".join)
OLD_KOMBU = {"*": r".*?[^\.]", "#": r".*?"}  #: how the wildcards behave before Kombu 5.7


def bound(channel: Any, *patterns: str) -> list[Queue]:
    """Queues `q0`, `q1`, ... of a topic exchange, as a worker's consumer holds them."""
    return [Queue(f"q{n}", TOPIC, routing_key=pattern)(channel) for n, pattern in enumerate(patterns)]


def routed_to(channel: Any, queues: list[Queue], key: str) -> list[str]:
    """Ask Kombu which of these queues get a message."""
    channel.state.clear()
    for queue in queues:
        queue.declare()
    table = channel.get_table(TOPIC.name)
    return sorted(channel.typeof(TOPIC.name).lookup(table, TOPIC.name, key, None))


@pytest.fixture
def channel() -> Iterator[Any]:
    with Connection("memory://") as connection:
        yield connection.default_channel


@given(patterns=st.lists(PATTERNS, min_size=1, max_size=4), key=KEYS)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_on_a_virtual_transport_no_queue_is_named_but_the_only_one_to_which_kombu_routes(
    channel: Any, patterns: list[str], key: str
) -> None:
    """By the installed Kombu, by an earlier one, and by both where their bindings are stored side by side."""
    queues = bound(channel, *patterns)
    named = Bindings(queues).queue_of(TOPIC.name, key)
    routed = routed_to(channel, queues, key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TopicExchange, "wildcards", OLD_KOMBU)
        routed_before = routed_to(channel, queues, key)
        named_by_an_old_worker = Bindings(queues).queue_of(TOPIC.name, key)
    reached = sorted({*routed, *routed_before})
    assert named == (reached[0] if len(reached) == 1 else None)
    assert named_by_an_old_worker == (routed_before[0] if len(routed_before) == 1 else None)


@pytest.mark.parametrize("wildcards", [OLD_KOMBU, None])
def test_a_message_that_an_old_kombu_delivers_to_two_queues_is_attributed_to_none(
    channel: Any, monkeypatch: pytest.MonkeyPatch, wildcards: dict[str, str] | None
) -> None:
    """Each copy would be counted for the one queue that AMQP's rule allows.

    An old Kombu's bindings stay in Redis when it is upgraded.
    """
    if wildcards:
        monkeypatch.setattr(TopicExchange, "wildcards", wildcards)
    queues = bound(channel, "a.*.c", "a.b.#")
    assert Bindings(queues).queue_of("events", "a.b.x.c") is None
    assert Bindings(queues).queue_of("events", "a.x.y.c") == "q0"
    assert Bindings(queues).queue_of("events", "a.b.x") == "q1"
    assert Bindings(queues).queue_of("events", "a.x.c") == "q0"


def test_the_rule_is_the_same_after_the_channel_was_closed(channel: Any) -> None:
    """The probe keeps the queues of before a reconnect."""
    queues = bound(channel, "a.#", "a")
    channel.close()
    assert Bindings(queues).queue_of("events", "a") == "q1", "Kombu does not route it to a.#"


def test_elsewhere_the_rule_is_that_of_amqp() -> None:
    class AmqpChannel:
        """Like py-amqp's: it knows nothing of exchange types."""

    for channel in (AmqpChannel(), None):
        queues = [Queue("q0", TOPIC, routing_key="a.#"), Queue("q1", TOPIC, routing_key="b")]
        for queue in queues:
            queue._channel = channel
        assert Bindings(queues).queue_of("events", "a") == "q0"


@pytest.mark.parametrize(
    "broken", [None, {}, {"topic": object}, {"topic": lambda channel: SimpleNamespace(key_to_pattern=str)}]
)
def test_a_kombu_that_does_it_in_another_way_leaves_the_rule_of_amqp(broken: Any) -> None:
    kind = type("Channel", (), {"exchange_types": broken})
    queue = Queue("q0", TOPIC, routing_key="a.#")
    queue._channel = kind()
    assert Bindings([queue]).queue_of("events", "a") == "q0"
