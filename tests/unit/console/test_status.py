"""The text of `celery gossip status`."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from celery_gossip.cluster.view import WorkerView
from celery_gossip.console.json_object import worker_json
from celery_gossip.console.line import finding_line, gossip_line
from celery_gossip.console.report import SourceRow, TaskRow, report_of
from celery_gossip.console.status import releases_text, report_text, status_text, verdict
from tests.unit.build import a_check
from tests.unit.console.views import (
    a_finding,
    a_finding_row,
    a_queue_row,
    a_report,
    a_throughput,
    a_view,
    a_worker,
    a_worker_row,
)


def tables(*workers: WorkerView) -> str:
    return status_text(a_view(*workers), [])


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        (["v42"], "Releases: v42 (1 worker)"),
        (["v42", "v42", "v41", ""], "Releases: v42 (2 workers), v41 (1), unknown (1)"),
        (["b", "a"], "Releases: a (1 worker), b (1)"),
        (["", ""], ""),
        ([], ""),
        (["a\x1b[2J"], "Releases: a\\x1b[2J (1 worker)"),
        (list("abcdefghij"), "Releases: a (1 worker), b (1), c (1), d (1), e (1), f (1), g (1), h (1) and 2 more"),
    ],
)
def test_a_line_counts_the_workers_of_each_release(releases: list[str], expected: str) -> None:
    rows = [a_worker_row(f"w{number}", release=release) for number, release in enumerate(releases)]
    assert releases_text([*rows, a_worker_row("x", "lost", release="gone")]) == expected
    assert ("Releases" in report_text(a_report(workers=tuple(rows)))) is bool(expected)


def columns(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_text_is_one_table_by_queue_and_one_by_worker() -> None:
    checks = (a_check("mail", active_count=2, reserved=3, scheduled=4), a_check("reports", paused=True))
    worker = a_worker(active=2, reserved=3, scheduled=4, processed=99, loop_lag=0.0123, checks=checks)
    text = status_text(a_view(worker, backlogs={"mail": 5}), [], {"mail": a_throughput()})
    queues, workers, findings = (table.splitlines() for table in text.split("\n\n"))
    header = ["QUEUE", "WORKERS", "ACTIVE", "FREE SLOTS", "RESERVED", "SCHEDULED", "BACKLOG", "OLDEST", "PAUSED"]
    assert columns(queues[0]) == [*header, "DONE/S", "FAILED", "RUN P95", "WAIT P95"]
    assert [columns(line) for line in queues[1:]] == [
        ["mail", "1", "2", "2", "3", "4", "5", "unknown", "no", "2.0", "25%", "10.1ms", "1.99s"],
        ["reports", "1", "0", "0", "0", "0", "unknown", "-", "yes", "0.0", "-", "-", "-"],
    ]
    assert findings == ["No problems detected."]
    assert columns(workers[0])[:4] == ["WORKER", "STATE", "AGE", "POOL"]
    assert columns(workers[1]) == [
        *("celery@web1", "online", "0.2s", "prefork", "2/4", "3", "4", "99", "12ms", "mail, reports (paused)")
    ]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"backlog": 5, "oldest_age_min": 12.0, "oldest_age_max": 15.0}, "12s-15s"),
        ({"backlog": 5, "oldest_age_min": 0.0, "oldest_age_max": 15.0}, "<15s"),
        ({"backlog": 5, "oldest_age_min": 12.0, "oldest_age_max": 15.0, "exact_age": 13.4}, "13.4s"),
        ({"backlog": 0, "oldest_age_min": 0.0, "oldest_age_max": 0.0, "exact_age": 0.0}, "-"),
    ],
)
def test_the_oldest_message_has_its_exact_age_or_its_limits(fields: dict[str, Any], shown: str) -> None:
    header, row = report_text(a_report(queues=(a_queue_row(**fields),))).splitlines()[:2]
    assert columns(row)[columns(header).index("OLDEST")] == shown


def test_a_stalled_worker_is_shown_with_the_seconds() -> None:
    assert "stalled 2.5s" in tables(a_worker(state="stalled", stalled_for=2.5))


def test_a_lost_worker_that_was_stalled_is_lost() -> None:
    text = tables(a_worker(state="lost", stalled_for=2.5))
    assert "lost" in text and "stalled" not in text


def test_queues_left_out_of_a_report_are_counted() -> None:
    assert "default, and 7 idle ones" in tables(a_worker(omitted=7))


def test_columns_stay_aligned_whatever_the_width_of_a_character() -> None:
    names = ("default", "größe", "日本語", "e\u0301a", "ｗｉｄｅ")
    table = tables(a_worker(checks=tuple(a_check(name, reserved=5) for name in names))).split("\n\n")[0]
    columns_of = {"default": 7, "größe": 5, "日本語": 6, "e\u0301a": 2, "ｗｉｄｅ": 8}
    widths = set()
    for line in table.splitlines()[1:]:
        name = next(name for name in names if line.startswith(name))
        widths.add(columns_of[name] + len(line) - len(name))
    assert len(widths) == 1, table


def test_numbers_are_aligned_right() -> None:
    views = [
        a_worker(hostname=f"w{n}", reserved=n, checks=(a_check("a" if n == 5 else "b", reserved=n),))
        for n in (5, 12345)
    ]
    lines = tables(*views).split("\n\n")[0].splitlines()
    assert lines[1].rindex("5") == lines[2].rindex("12345") + 4


def test_running_tasks_are_a_table_of_their_own_if_asked_for() -> None:
    report = report_of(a_view(a_worker()))
    known = TaskRow(
        id="id-1", name="shop.pack", queue="mail", hostname="w1", age=83.04, retries=2, is_redelivered=True,
        soft_time_limit=None, time_limit=90.0,
    )  # fmt: skip
    unknown = TaskRow(id="a\nb", name="", queue="mail", hostname="w1", age=None)
    assert "TASK ID" not in report_text(report)
    lines = report_text(replace(report, tasks=(known, unknown), omitted_tasks=3)).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("TASK ID"))
    assert columns(lines[at]) == ["TASK ID", "NAME", "QUEUE", "WORKER", "RUNS FOR", "RETRIES", "REDELIVERED", "LIMITS"]
    assert lines[at + 1].split() == ["id-1", "shop.pack", "mail", "w1", "83.0s", "2", "yes", "-/90s"]
    assert lines[at + 2].split() == ["a\\nb", "-", "mail", "w1", "-", "-", "-", "-"]
    assert lines[at + 3] == "and 3 more"
    assert "No such task is running" in report_text(replace(report, tasks=()))


def test_a_table_of_running_tasks_is_bounded() -> None:
    rows = tuple(TaskRow(id=f"id-{n}", name="t", queue="q", hostname="w", age=1.0) for n in range(700))
    text = report_text(replace(report_of(a_view(a_worker())), tasks=rows))
    assert "id-499" in text and "id-500" not in text and "and 200 more" in text


def test_no_line_ends_in_spaces() -> None:
    text = tables(a_worker(), a_worker(checks=(a_check("longer_name"),)))
    assert all(line == line.rstrip() for line in text.splitlines())


def test_tables_without_workers_are_their_headers() -> None:
    queues, workers, _ = tables().split("\n\n")
    assert queues.startswith("QUEUE  WORKERS") and workers.startswith("WORKER  STATE")


def test_a_finding_has_its_severity_its_age_and_its_text() -> None:
    text = status_text(a_view(), [a_finding(), a_finding(severity="warning", since=1009.0)])
    assert text.split("\n\n")[2].splitlines() == [
        "CRITICAL for 10s: It hangs. Restart it.",
        "WARNING for 1s: It hangs. Restart it.",
    ]
    assert finding_line(a_finding(since=1011.0), 1010.0).startswith("CRITICAL for 0s")


@pytest.mark.parametrize(("is_verified", "is_marked"), [(False, True), (True, False), (None, False)])
def test_a_worker_whose_reports_are_not_signed_is_marked_where_the_listener_has_a_secret(
    is_verified: bool | None, is_marked: bool
) -> None:
    worker = msgspec.structs.replace(a_worker(), is_verified=is_verified)
    assert ("online (unverified)" in tables(worker)) is is_marked
    assert ("unverified" in gossip_line(worker.gossip, 0.0, is_verified)) is is_marked
    assert worker_json(worker)["is_verified"] is is_verified


def test_no_problems_are_reported_only_where_something_is_known() -> None:
    unknown = "Problems cannot be detected: "
    assert verdict(report_of(a_view(a_worker()))) == "No problems detected."
    assert verdict(report_of(a_view())) == f"{unknown}no worker has reported."
    assert verdict(report_of(a_view(a_worker(), isolated_since=1.0))).startswith(f"{unknown}the listener is isolated")


@pytest.mark.parametrize("state", ["lost", "offline"])
def test_no_problems_are_reported_only_while_a_worker_reports(state: str) -> None:
    report = a_report(workers=(a_worker_row(state=state),))
    assert verdict(report) == "Problems cannot be detected: no worker reports any more."


def test_several_brokers_have_a_column_with_their_address_and_findings_name_it() -> None:
    here, there = "redis://here", "redis://there"
    report = a_report(
        sources=(SourceRow(source=here), SourceRow(source=there)),
        queues=(a_queue_row(source=here), a_queue_row(source=there)),
        workers=(a_worker_row(source=here), a_worker_row(source=there, age=None)),
        findings=(a_finding_row(source=there),),
    )
    queues, workers, findings = (part.splitlines() for part in report_text(report).split("\n\n"))
    assert columns(queues[0])[:2] == ["BROKER", "QUEUE"] and columns(workers[0])[:2] == ["BROKER", "WORKER"]
    assert [columns(line)[:2] for line in queues[1:]] == [[here, "mail"], [there, "mail"]]
    assert [columns(line)[3] for line in workers[1:]] == ["0.2s", "-"]
    assert findings == [f"[{there}] CRITICAL for 10s: It hangs. Restart it."]


def test_of_several_brokers_the_verdict_names_the_one_of_which_nothing_is_known() -> None:
    sources = (SourceRow(source="redis://here"), SourceRow(source="redis://there"))
    report = a_report(sources=sources, workers=(a_worker_row(source="redis://here"),))
    assert verdict(report) == "Problems cannot be detected: redis://there: no worker has reported."
