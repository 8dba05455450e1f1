"""The balance of sent tasks in `status`: of a listener and of a dashboard, as text and JSON."""

import json
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.console import dashboard_report
from celery_gossip.console.dashboard_report import BALANCE, report_from
from celery_gossip.console.json_object import balance_json
from celery_gossip.console.report import balance_rows
from celery_gossip.console.status import NOTHING_SENT, report_text
from celery_gossip.web import schema
from tests.unit.cli.fakes import FakeListener, run, run_json, use_listener
from tests.unit.console.test_dashboard_report import answers
from tests.unit.console.views import a_report

FIELDS: dict[str, Any] = {
    "queue": "mail",
    "is_route": False,
    "sent": 10,
    "received": 7,
    "ended": 6,
    "waiting": 2,
    "reserved": 0,
    "scheduled": 0,
    "active": 1,
    "missing": 0,
    "window": 90.0,
    "reason": "",
}
ROWS = (
    QueueBalance(**FIELDS),
    QueueBalance(**{**FIELDS, "queue": "x/y", "is_route": True, "waiting": None, "missing": 5}),
    QueueBalance(**{**FIELDS, "queue": "\x1b[31m", "missing": None, "reason": "the worker w1 is suspect"}),
)


def lines(text: str) -> list[list[str]]:
    table = next(part for part in text.split("\n\n") if part.startswith("QUEUE  ") and "SENT" in part)
    return [[cell for cell in line.split("  ") if cell.strip()] for line in table.splitlines()]


def test_the_text_has_a_row_for_each_queue() -> None:
    header, mail, route, hostile = lines(report_text(replace(a_report(), balance=balance_rows(ROWS))))
    assert [cell.strip() for cell in header[:3]] == ["QUEUE", "SENT", "WAITING"]
    assert [cell.strip() for cell in mail] == ["mail", "10", "2", "0", "0", "1", "7", "6", "0 in 90s"]
    assert route[0] == "x/y (no queue)" and "unknown" in route[2] and route[-1].strip() == "5 in 90s"
    assert hostile[0] == "\\x1b[31m" and hostile[-1].strip() == "unknown: the worker w1 is suspect"


def test_without_a_process_that_counts_the_text_says_so() -> None:
    assert NOTHING_SENT in report_text(replace(a_report(), balance=()))
    assert NOTHING_SENT not in report_text(a_report())


def test_json_has_every_field() -> None:
    (mail, *_) = balance_json(balance_rows(ROWS))
    assert mail == FIELDS


def test_the_command_shows_it_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = use_listener(monkeypatch, FakeListener())
    listener.balanced = ROWS
    assert "MISSING" not in run("status").stdout and "balance" not in run_json("status")
    assert "0 in 90s" in run("status", "--balance").stdout
    assert [row["queue"] for row in run_json("status", "--balance")["balance"]] == ["mail", "x/y", "\x1b[31m"]
    assert run("status", "--balance").exit_code == 0


def test_a_dashboard_answers_with_the_same_rows() -> None:
    row = {**FIELDS, "source": "0", "tasks": {"shop.pack": {"sent": 10, "received": 7}}}
    body = json.dumps({"now": 1.0, "balance": [row]}).encode()
    report = report_from({**answers(), BALANCE: body}, 2.0)[0]
    assert report.balance == balance_rows(ROWS[:1])
    assert report_from(answers(), 2.0)[0].balance is None
    with pytest.raises(ValueError, match="^api/balance is not the JSON of a dashboard"):
        report_from({**answers(), BALANCE: b"[]"}, 2.0)


def test_the_fields_that_are_read_are_those_of_the_api() -> None:
    ours, theirs = get_type_hints(dashboard_report.Balance), get_type_hints(schema.Balance)
    assert ours.keys() <= theirs.keys()
