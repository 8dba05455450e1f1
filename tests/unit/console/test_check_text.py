"""The output of checks: lines below the tables, a monitoring plugin's text, JSON."""

import json
import re
from typing import Any

import pytest

from celery_gossip.console.check import Expectations, Levels, Result, evaluate
from celery_gossip.console.check_text import check_json, check_lines, plugin_line, plugin_text
from celery_gossip.console.report import Report, SourceRow
from tests.unit.console.views import a_finding_row, a_queue_row, a_report, a_worker_row

QUEUES = tuple(a_queue_row(name, backlog=backlog) for name, backlog in (("a", 1), ("b", 9), ("c", 3)))


def lines_of(report: Report, **expected: Any) -> list[str]:
    return check_lines(evaluate(report, Expectations(**expected)))


def plugin(report: Report, **expected: Any) -> list[str]:
    wanted = Expectations(**expected)
    return plugin_text(report, evaluate(report, wanted), wanted).splitlines()


def test_each_problem_has_a_line_and_a_check_without_a_problem_has_one() -> None:
    report = a_report(queues=QUEUES)
    assert lines_of(report, workers=Levels(1), hostnames=("web1", "web2"), max_backlog=Levels(2)) == [
        "OK expect-workers: 1 worker reports",
        "CRITICAL expect-worker: web2 has not reported",
        "CRITICAL max-backlog: 9 messages wait in queue 'b', more than 2",
        "CRITICAL max-backlog: 3 messages wait in queue 'c', more than 2",
    ]


def test_a_check_that_is_ok_everywhere_shows_the_highest_value() -> None:
    report = a_report(queues=QUEUES)
    assert lines_of(report, hostnames=("web1", "celery@web1"), max_backlog=Levels(20)) == [
        "OK expect-worker: web1 reports; celery@web1 reports",
        "OK max-backlog: 9 messages wait in queue 'b', the most of 3 queues",
    ]
    assert lines_of(report, queues=("a",), max_backlog=Levels(20)) == ["OK max-backlog: 1 message waits in queue 'a'"]


def test_without_checks_there_are_no_lines() -> None:
    assert lines_of(a_report()) == []


def test_the_first_line_of_a_plugin_has_state_summary_and_performance_data() -> None:
    assert plugin(a_report(queues=QUEUES)) == ["GOSSIP OK: 1 worker, 3 queues, no problems detected | workers=1;;;0"]


def test_problems_are_in_the_first_line_the_worst_first_and_each_in_a_line_below() -> None:
    findings = (a_finding_row("worker_lost", "warning"), a_finding_row("failing", subject="mail", age=61.0))
    report = a_report(queues=QUEUES, findings=findings)
    assert plugin(report, max_backlog=Levels(20, warning=5), queues=("b", "unread")) == [
        "GOSSIP CRITICAL: failing mail; 9 messages wait in queue 'b', more than 5; worker_lost celery@web1 "
        "(and 1 more) | workers=1;;;0 backlog=9;5;20;0",
        "CRITICAL for 61s: It hangs. Restart it.",
        "WARNING max-backlog: 9 messages wait in queue 'b', more than 5",
        "WARNING for 10s: It hangs. Restart it.",
        "UNKNOWN max-backlog: queue 'unread' is not known: no worker reports it, and its backlog is not read",
    ]


def test_performance_data_has_a_highest_value_with_its_limits_and_its_unit() -> None:
    queues = (
        a_queue_row("a", backlog=7, wait_p95=1.25, failure_rate=0.0123, per_second=1.0),
        a_queue_row("b", backlog=3, wait_p95=0.5, failure_rate=0.0, per_second=1.0),
    )
    (line,) = plugin(
        a_report(queues=queues),
        workers=Levels(1, warning=1),
        max_backlog=Levels(1000),
        max_wait=Levels(30.0, warning=10.0),
        max_failure_rate=Levels(0.05),
    )
    data = line.partition(" | ")[2].split(" ")
    assert data == ["workers=1;1:;1:;0", "backlog=7;;1000;0", "wait_p95=1.25s;10;30;0", "failure_rate=1.23%;;5;0"]
    assert all(re.fullmatch(r"\w+=[\d.]+[s%]?;[\d.]*:?;[\d.]*:?;0", item) for item in data)


def test_performance_data_says_what_could_not_be_determined() -> None:
    report = a_report(sources=(SourceRow(trouble="the listener is isolated"),))
    (first, *_) = plugin(report, max_backlog=Levels(5))
    assert first.startswith("GOSSIP UNKNOWN: the listener is isolated; ") and first.endswith(" | workers=U;;;0")


def test_a_name_cannot_begin_performance_data_or_another_line() -> None:
    report = a_report(queues=(a_queue_row("a|b=1\nc", backlog=9),), findings=(a_finding_row(subject="x|y", text="z|"),))
    first, *details = plugin(report, max_backlog=Levels(5))
    assert first.count("|") == 1 and "a\\x7cb=1\\nc" in first
    assert len(details) == 2 and not any("|" in line for line in details)


def test_a_long_text_is_cut_in_the_first_line_only() -> None:
    result = Result(check="listener", state="unknown", text="x" * 1000)
    first, detail = plugin_text(a_report(), [result], Expectations()).splitlines()
    assert len(first) < 400 and "x" * 1000 in detail


def test_an_error_is_a_first_line() -> None:
    assert plugin_line("unknown", "no | answer") == "GOSSIP UNKNOWN: no \\x7c answer"


def test_json_has_the_state_the_exit_code_and_every_result() -> None:
    report = a_report(queues=QUEUES[:2])
    results = evaluate(report, Expectations(workers=Levels(1), max_backlog=Levels(5)))
    shown = json.loads(json.dumps(check_json(report, results)))
    assert (shown["state"], shown["exit_code"]) == ("critical", 2)
    common = {"check": "max-backlog", "source": ""}
    assert shown["results"][1:] == [
        {**common, "state": "ok", "subject": "a", "value": 1, "text": "1 message waits in queue 'a'"},
        {
            **common,
            "state": "critical",
            "subject": "b",
            "value": 9,
            "text": "9 messages wait in queue 'b', more than 5",
        },
    ]
    assert check_json(a_report(), []) == {"state": "ok", "exit_code": 0, "results": []}


@pytest.mark.parametrize("state", ["online", "lost"])
def test_a_lost_worker_is_not_counted_in_the_good_news(state: str) -> None:
    report = a_report(workers=(a_worker_row(), a_worker_row("celery@web2", state)))
    assert f"{2 if state == 'online' else 1} worker" in plugin(report)[0]
