"""Changes since a tick: only the differences, or whole tables if the changes are no longer kept."""

import json
from typing import Any

import pytest

from celery_gossip.web.schema import Check
from celery_gossip.web.topic import Subject, Topic, parse_topic


def a_row(hostname: str = "w1", **fields: Any) -> Check:
    values = {"source": "0", "queue": "mail", "state": "online", "is_paused": False, "active": 0, "reserved": 0}
    return Check(hostname=hostname, **{**values, "scheduled": 0, "concurrency": 4, "consuming_since": 1.0, **fields})


def tables(*rows: Check) -> dict[str, dict[str, Check]]:
    return {"checks": {row.hostname: row for row in rows}}


def commit(topic: Topic, tick: int, *rows: Check) -> None:
    topic.commit(tick, tables(*rows), topic.diff_to(tables(*rows)))


def changes_since(topic: Topic, since: int) -> list[tuple[int, Any]] | None:
    changes = topic.since(since)
    return None if changes is None else [(tick, json.loads(change)) for tick, change in changes]


def test_only_the_fields_that_differ_are_sent() -> None:
    topic = Topic(1, tables(a_row(active=1), a_row("w2")))
    commit(topic, 2, a_row(active=2), a_row("w2"))
    assert changes_since(topic, 1) == [
        (2, {"full": False, "tables": {"checks": {"set": {"w1": {"active": 2}}, "del": []}}})
    ]


def test_new_rows_are_sent_whole_and_removed_rows_by_their_keys() -> None:
    topic = Topic(1, tables(a_row()))
    commit(topic, 2, a_row("w2"))
    ((_, change),) = changes_since(topic, 1) or []
    assert change["tables"]["checks"]["del"] == ["w1"]
    assert change["tables"]["checks"]["set"]["w2"]["concurrency"] == 4


def test_equal_tables_cause_no_change() -> None:
    topic = Topic(1, tables(a_row()))
    commit(topic, 2, a_row())
    assert changes_since(topic, 1) == []


def test_missed_changes_are_returned_in_order() -> None:
    topic = Topic(1, tables(a_row()))
    for tick in (2, 3, 4):
        commit(topic, tick, a_row(active=tick))
    assert [tick for tick, _ in changes_since(topic, 2) or []] == [3, 4]


def test_changes_that_are_no_longer_kept_need_whole_tables() -> None:
    topic = Topic(1, tables(a_row()))
    for tick in range(2, 100):
        commit(topic, tick, a_row(active=tick))
    assert changes_since(topic, 1) is None
    assert [tick for tick, _ in changes_since(topic, 98) or []] == [99]
    whole = json.loads(topic.full())
    assert whole["full"] is True and whole["tables"]["checks"]["set"]["w1"]["active"] == 99


def test_whole_tables_are_of_the_latest_tick() -> None:
    topic = Topic(1, tables(a_row()))
    topic.full()
    commit(topic, 2, a_row(active=7))
    assert json.loads(topic.full())["tables"]["checks"]["set"]["w1"]["active"] == 7


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        ("fleet", Subject("fleet")),
        ("queue:0/mail", Subject("queue", "0", "mail")),
        ("worker:1/a/b:c", Subject("worker", "1", "a/b:c")),
        ("task:0/", Subject("task", "0", "")),
        ("pace:", Subject("pace")),
        ("pace:1", Subject("pace", "1")),
    ],
)
def test_topics_name_a_subject(topic: str, subject: Subject) -> None:
    assert parse_topic(topic) == subject


@pytest.mark.parametrize(
    "topic", ["", "nothing", "queue:", "queue:0", "queue:/mail", "pace:0/x", "queue:0/" + "x" * 2000]
)
def test_an_invalid_topic_raises_an_error_with_the_expected_form(topic: str) -> None:
    with pytest.raises(ValueError, match="topic: expected one of fleet, queues"):
        parse_topic(topic)
