"""A delivery's queue is told by the queues' own bindings, or not at all."""

from typing import Any

import pytest
from kombu import Exchange, Queue, binding

from celery_gossip import bindings as room
from celery_gossip.bindings import Bindings, topic_matches

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


def test_a_headers_exchange_tells_nothing() -> None:
    assert Bindings([Queue("post", HEADERS, routing_key="x")]).queue_of("post", "x") is None


def test_every_one_of_several_bindings_leads_to_the_queue() -> None:
    queue = Queue("all", [binding(DIRECT, routing_key="a"), binding(DIRECT, routing_key="b"), binding(TOPIC, "c.#")])
    bindings = Bindings([queue, Queue("other", DIRECT, routing_key="z")])
    assert {bindings.queue_of("shop", key) for key in ("a", "b")} == {"all"}
    assert bindings.queue_of("events", "c.d") == "all"
    assert bindings.queue_of("shop", "c") is None


def test_a_queue_that_two_of_its_own_bindings_reach_is_no_doubt() -> None:
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


def test_without_queues_nothing_is_told() -> None:
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
    for n in range(2 * room._CACHE_SIZE + 10):
        assert bindings.queue_of("events", f"user.{n}") == "users"
        assert len(bindings._cache) <= room._CACHE_SIZE


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
def test_a_topic_pattern_matches_as_amqp_says(pattern: str, key: str, matches: bool) -> None:
    assert topic_matches(pattern, key) is matches


def test_many_wildcards_are_matched_in_bounded_time() -> None:
    assert topic_matches(".".join(["#"] * 100), ".".join(["a"] * 1000)) is True
    assert topic_matches(".".join(["#", "b"] * 50), ".".join(["a"] * 1000)) is False
