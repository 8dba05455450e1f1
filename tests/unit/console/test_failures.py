"""The last failures in `status`: of a listener and of a dashboard, as text and JSON."""

import json
from dataclasses import replace
from typing import get_type_hints

import pytest

from celery_gossip.cluster.failures import Failure, FailureView
from celery_gossip.console import dashboard_report
from celery_gossip.console.dashboard_report import FAILURES, report_from
from celery_gossip.console.json_object import failures_json
from celery_gossip.console.report import failure_rows
from celery_gossip.console.status import NO_FAILURES, report_text
from celery_gossip.web import schema
from tests.unit.cli.fakes import FakeListener, run, run_json, use_listener
from tests.unit.console.test_dashboard_report import answers
from tests.unit.console.views import a_report


def a_failure(at: float, hostname: str = "w1", message: str | None = None, task: str = "shop.pay") -> Failure:
    return Failure(
        hostname=hostname,
        boot="0123456789abcdef",
        number=int(at),
        id=f"id-{at:.0f}",
        task=task,
        queue="mail",
        exception="KeyError",
        at=at,
        runtime=1.0,
        retries=0,
        message=message,
        traceback=(),
        line="",
    )


VIEW = FailureView(
    (a_failure(90.0, "w2"), a_failure(80.0, message="no\x1b[2J"), a_failure(40.0, task="shop.send")), taken_at=100.0
)


def test_the_text_has_a_row_for_each_group() -> None:
    text = report_text(replace(a_report(), failures=failure_rows(VIEW)))
    table = next(part for part in text.split("\n\n") if part.startswith("TASK") and "EXCEPTION" in part)
    _, pay, send = [line.split() for line in table.splitlines()]
    assert pay == ["shop.pay", "KeyError", "2", "20s", "ago", "10s", "ago", "2", "-", r"no\x1b[2J"]
    assert send[:3] == ["shop.send", "KeyError", "1"] and send[-1] == "-"


def test_without_a_failure_the_text_says_so() -> None:
    assert NO_FAILURES in report_text(replace(a_report(), failures=()))
    assert NO_FAILURES not in report_text(a_report())


def test_more_groups_than_rows_are_counted() -> None:
    many = tuple(a_failure(float(number), task=f"task{number}") for number in range(130))
    assert "\nand 30 more" in report_text(replace(a_report(), failures=failure_rows(FailureView(many, taken_at=200.0))))


def test_json_has_every_field() -> None:
    pay, _ = failures_json(failure_rows(VIEW))
    assert pay == {
        "task": "shop.pay",
        "exception": "KeyError",
        "line": "",
        "message": "no\x1b[2J",
        "count": 2,
        "first_age": 20.0,
        "last_age": 10.0,
        "queues": ("mail",),
        "hostnames": ("w1", "w2"),
    }


def test_the_command_shows_them_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = use_listener(monkeypatch, FakeListener())
    listener.failed = VIEW
    assert "EXCEPTION" not in run("status").stdout and "failures" not in run_json("status")
    assert "shop.send" in run("status", "--failures").stdout
    assert [row["task"] for row in run_json("status", "--failures")["failures"]] == ["shop.pay", "shop.send"]
    assert run("status", "--failures").exit_code == 0


def test_a_dashboard_answers_with_the_same_rows() -> None:
    rows = [
        {
            "source": "0",
            "task": row.task,
            "exception": row.exception,
            "line": row.line,
            "message": row.message,
            "count": row.count,
            "first_at": 1000.0 - row.first_age,
            "last_at": 1000.0 - row.last_age,
            "queues": row.queues,
            "hostnames": row.hostnames,
        }
        for row in reversed(failure_rows(VIEW))
    ]
    body = json.dumps({"now": 1000.0, "failures": rows}).encode()
    assert report_from({**answers(), FAILURES: body}, 2.0)[0].failures == failure_rows(VIEW)
    assert report_from(answers(), 2.0)[0].failures is None
    with pytest.raises(ValueError, match="^api/failures is not the JSON of a dashboard"):
        report_from({**answers(), FAILURES: b"[]"}, 2.0)


def test_the_fields_that_are_read_are_those_of_the_api() -> None:
    ours, theirs = get_type_hints(dashboard_report.FailureGroup), get_type_hints(schema.FailureGroup)
    assert ours.keys() <= theirs.keys()
