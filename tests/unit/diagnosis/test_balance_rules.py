"""The finding on tasks that vanish: when it is raised, how severe, and what it says."""

from dataclasses import replace
from typing import Any

import pytest

from celery_gossip.cluster.queue_balance import QueueBalance, TaskBalance
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.balance_rules import sent_into_the_void
from celery_gossip.diagnosis.inputs import PendingFinding, RuleInput
from celery_gossip.diagnosis.rule_settings import parse_rules
from tests.unit.build import a_check
from tests.unit.console.views import a_worker

NOW = 1000.0


def a_row(**fields: Any) -> QueueBalance:
    values: dict[str, Any] = {
        "queue": "mail",
        "sent": 200,
        "received": 20,
        "ended": 20,
        "waiting": 0,
        "reserved": 0,
        "scheduled": 0,
        "active": 0,
        "missing": 50,
        "window": 90.0,
        "window_sent": 60,
        "growing_at": NOW - 5.0,
        "tasks": {"shop.pack": TaskBalance(150, 20), "shop.wrap": TaskBalance(50, 0), "shop.idle": TaskBalance(0, 9)},
    }
    return QueueBalance(**{**values, **fields})


def findings(row: QueueBalance, *workers: Any, **fields: Any) -> list[PendingFinding]:
    view = View(workers, queues=(), taken_at=NOW)
    return list(sent_into_the_void(RuleInput(view=view, listening_for=60.0, balance=(row,), **fields)))


def test_the_text_has_the_numbers_the_names_and_the_causes() -> None:
    (finding,) = findings(a_row())
    assert (finding.kind, finding.severity, finding.subject) == ("sent_into_the_void", "warning", "mail")
    for part in (
        "At least 50 of 60 tasks",
        "'mail'",
        "last 90s",
        "200 were sent and 20 received, and 0 wait",
        "(shop.pack: 150 sent, 20 received; shop.wrap: 50 sent, 0 received)",
        "No worker that reports consumes this queue",
        "x-message-ttl",
        "purged",
        "virtual host",
    ):
        assert part in finding.text


def test_a_queue_that_does_not_exist_is_critical_and_one_task_is_enough() -> None:
    (finding,) = findings(a_row(missing=1, window_sent=1, is_missing_queue=True))
    assert finding.severity == "critical" and "The broker has no queue of this name" in finding.text


def test_with_workers_the_text_names_other_causes() -> None:
    (finding,) = findings(a_row(), a_worker(checks=(a_check("mail"),)))
    assert "another consumer without gossip" in finding.text and "No worker" not in finding.text


def test_a_route_is_named_by_exchange_and_key() -> None:
    (finding,) = findings(a_row(queue="shop/a/b", is_route=True, waiting=None))
    assert "exchange 'shop' with routing key 'a/b'" in finding.text and "bind no queue" in finding.text


@pytest.mark.parametrize(
    "fields",
    [
        {"missing": None},
        {"missing": 0},
        {"missing": 4},
        {"missing": 50, "window_sent": 10_000},
        {"growing_at": None},
        {"growing_at": NOW - 301.0},
    ],
)
def test_too_few_or_old_or_unknown_ones_are_no_finding(fields: dict[str, Any]) -> None:
    assert findings(a_row(**fields)) == []


def test_the_number_can_be_set_for_a_queue() -> None:
    rules = parse_rules({"subjects": {"mail": {"thresholds": {"void_tasks": 100}}}}, "rules.toml")
    assert findings(a_row(), settings=rules) == []
    assert findings(replace(a_row(), queue="other"), settings=rules)
