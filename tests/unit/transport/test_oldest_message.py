"""The age of the next message, as its header says: what the answers of the script mean. Redis itself: test_backlog."""

from types import SimpleNamespace
from typing import Any

import pytest
from kombu.transport import redis as kombu_redis

from celery_gossip.transport._compat_queues import eval_for_queue
from celery_gossip.transport._internals import MissingName
from celery_gossip.transport.oldest_message import ExactAge, _oldest_of, read_exact_ages

UNSTAMPED = "the message has no header gossip_sent_at: call install() in the process that sends it"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["empty", "empty"], ExactAge(0.0)),
        (["990.250", "empty"], ExactAge(9.8)),
        (["990.250", "980.000"], ExactAge(20.0)),  # a message of a lower priority is older
        (["1005.000"], ExactAge(0.0)),  # a clock is ahead
        (["990.250", "unstamped"], ExactAge(None, UNSTAMPED)),  # which may be the older one
        (["long"], ExactAge(None, "the message is longer than 1,048,576 bytes")),
        (["unreadable"], ExactAge(None, "the message is not one of Celery")),
        (["inf"], ExactAge(None, UNSTAMPED)),
        (["nan"], ExactAge(None, UNSTAMPED)),
        (["1e300"], ExactAge(None, UNSTAMPED)),
    ],
)
def test_the_oldest_message_of_all_priorities_counts(answers: list[str], expected: ExactAge) -> None:
    assert _oldest_of(answers, 1000.0) == expected


def test_each_priority_has_its_key_with_the_prefix_once() -> None:
    called: list[tuple[Any, ...]] = []
    client = SimpleNamespace(eval=lambda *arguments: called.append(arguments) or "empty")
    channel = SimpleNamespace(
        global_keyprefix="shop:",
        priority_steps=[0, 3, 6],
        client=client,
        _q_for_pri=lambda queue, step: f"{queue}\x06\x16{step}" if step else queue,
    )
    assert eval_for_queue(channel, "mail", "script", 7) == ["empty"] * 3
    assert called == [("script", 1, f"shop:mail{end}", 7) for end in ("", "\x06\x163", "\x06\x166")]


def test_kombu_without_these_names_has_no_exact_age() -> None:
    with pytest.raises(MissingName, match="has no global_keyprefix"):
        eval_for_queue(SimpleNamespace(), "mail", "script")


def test_kombu_does_not_prefix_the_keys_of_eval() -> None:
    prefixing = kombu_redis.GlobalKeyPrefixMixin
    assert "EVAL" not in {*prefixing.PREFIXED_SIMPLE_COMMANDS, *prefixing.PREFIXED_COMPLEX_COMMANDS}


def test_other_transports_say_why_they_cannot() -> None:
    from celery import Celery

    with Celery("shop", broker="memory://", set_as_current=False) as app:
        assert read_exact_ages(app, ["mail"]) == {"mail": ExactAge(None, "the transport memory cannot read it")}


def test_a_broker_that_cannot_be_reached_is_the_reason() -> None:
    from celery import Celery

    with Celery("shop", broker="redis://:secret@127.0.0.1:1/0", set_as_current=False) as app:
        ages = read_exact_ages(app, [f"q{number}" for number in range(150)])
    assert len(ages) == 100
    assert all(age.age is None and "refused" in age.reason and "secret" not in age.reason for age in ages.values())
