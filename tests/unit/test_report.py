"""What the commands print."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from celery_gossip.diagnosis import Finding
from celery_gossip.histogram import bucket_of
from celery_gossip.report import (
    duration,
    finding_line,
    gossip_line,
    percent,
    status_json,
    status_text,
    throughput_line,
    worker_line,
)
from celery_gossip.throughput import Tally, Throughput
from celery_gossip.view import View, WorkerView, gather_queues
from tests.unit.build import a_check, a_gossip, a_wire_gossip


def a_view(state: str = "online", age: float = 0.25, **fields: Any) -> WorkerView:
    return WorkerView(gossip=a_gossip(**fields), state=state, heard_at=1000.0, age=age)


def a_whole(*workers: WorkerView, backlogs: dict[str, int | None] | None = None, **fields: Any) -> View:
    return View(workers, gather_queues(workers, backlogs), taken_at=1010.0, **fields)


def a_finding(**fields: Any) -> Finding:
    values = {
        "kind": "stalled",
        "severity": "critical",
        "subject": "w1",
        "since": 1000.0,
        "text": "It hangs. Restart it.",
    }
    return Finding(**{**values, **fields})


def a_throughput() -> Throughput:
    """In ten seconds 20 tasks ended, 5 of them failed; each waited for 2 s and ran for 10 ms."""
    tally = Tally()
    tally.counts = [21, 20, 15, 5, 0, 0, 0]
    tally.failures = {"KeyError": 5}
    tally.runtime, tally.runtime_total = {bucket_of(0.01): 20}, 0.2
    tally.wait, tally.wait_total = {bucket_of(2.0): 20}, 40.0
    return tally.throughput(10.0)


def as_json(*workers: WorkerView) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(json.dumps(status_json(a_whole(*workers), [])))
    return shown


def tables(*workers: WorkerView) -> str:
    return status_text(a_whole(*workers), [])


def columns(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_json_is_one_object_of_workers_queues_and_findings() -> None:
    shown = as_json(a_view())
    assert list(shown) == ["workers", "queues", "findings", "isolated_for"]
    told = {"state": "online", "age": 0.25, "rivals": [], "replaced": None, "is_verified": None}
    assert shown["workers"] == [{**json.loads(json.dumps(a_wire_gossip())), **told}]
    (queue,) = shown["queues"]
    counts = {"workers": 1, "active": 0, "reserved": 0, "scheduled": 0, "slots": 4, "free_slots": 4}
    rest = {"paused": "no", "states": {"online": 1}, "active_ids": [], "backlog": None, "load": 0.0, "throughput": None}
    assert queue == {"queue": "default", **counts, **rest}
    assert (shown["findings"], shown["isolated_for"]) == ([], None)


def test_json_tells_findings_with_their_age() -> None:
    (shown,) = status_json(a_whole(), [a_finding()])["findings"]
    text = "It hangs. Restart it."
    assert shown == {"kind": "stalled", "severity": "critical", "subject": "w1", "age": 10.0, "text": text}


def test_json_tells_for_how_long_the_view_is_isolated() -> None:
    assert status_json(a_whole(isolated_since=1007.5), [])["isolated_for"] == 2.5


def test_json_names_the_boots_of_rivals_and_of_what_was_replaced() -> None:
    worker = WorkerView(
        a_gossip(), "conflict", 1000.0, rivals=(a_gossip(boot="f" * 16),), replaced=a_gossip(boot="e" * 16)
    )
    (shown,) = as_json(worker)["workers"]
    assert (shown["rivals"], shown["replaced"]) == (["f" * 16], "e" * 16)


def test_the_state_in_json_is_the_listeners_word() -> None:
    shown = as_json(a_view(state="lost"), a_view(state="stalled", stalled_for=2.0))
    assert [worker["state"] for worker in shown["workers"]] == ["lost", "stalled"]


def test_queues_in_json_leave_out_workers_that_are_gone() -> None:
    shown = as_json(a_view(state="lost"), a_view(state="offline"), a_view(hostname="b", state="draining"))
    assert [queue["workers"] for queue in shown["queues"]] == [1]
    assert len(shown["workers"]) == 3


def test_json_tells_how_the_tasks_of_a_queue_have_fared() -> None:
    (queue,) = json.loads(json.dumps(status_json(a_whole(a_view(active=2)), [], {"default": a_throughput()})))["queues"]
    told = queue["throughput"]
    assert (told["seconds"], told["per_second"], told["failure_rate"]) == (10.0, 2.0, 0.25)
    assert (told["received"], told["started"], told["succeeded"], told["failed"]) == (21, 20, 15, 5)
    assert told["failures"] == {"KeyError": 5}
    assert told["runtime"]["count"] == 20 and told["runtime"]["mean"] == pytest.approx(0.01)
    assert told["runtime"]["p99"] == pytest.approx(0.01, rel=0.02)
    assert told["wait"]["p50"] == pytest.approx(2.0, rel=0.02)


def test_json_tells_the_load_of_a_queue_per_slot() -> None:
    worker = a_view(active=4, reserved=2, checks=(a_check("mail", active_count=4, reserved=2),))
    queues = status_json(a_whole(worker, backlogs={"mail": 6, "orphans": 3}), [])["queues"]
    assert {queue["queue"]: queue["load"] for queue in queues} == {"mail": 3.0, "orphans": 3.0}


def test_a_line_tells_how_the_tasks_of_a_queue_have_fared() -> None:
    line = throughput_line("mail", a_throughput(), at=0.0)
    assert line.endswith("  queue mail  2.0/s done, 25% failed, run p95 10.1ms, wait p95 1.99s")
    assert "queue (unknown)" in throughput_line("", a_throughput(), at=0.0)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(None, "-"), (0.0, "0ms"), (0.00123, "1.23ms"), (0.4567, "457ms"), (1.0, "1s"), (12.34, "12.3s"), (300.0, "5m")],
)
def test_durations_are_told_in_three_figures(seconds: float | None, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(("rate", "told"), [(None, "-"), (0.0, "0%"), (0.001, "<1%"), (0.256, "26%"), (1.0, "100%")])
def test_rates_are_told_in_percent(rate: float | None, told: str) -> None:
    assert percent(rate) == told


def test_json_of_nobody_is_empty() -> None:
    assert as_json() == {"workers": [], "queues": [], "findings": [], "isolated_for": None}


def test_text_is_one_table_by_queue_and_one_by_worker() -> None:
    checks = (a_check("mail", active_count=2, reserved=3, scheduled=4), a_check("reports", paused=True))
    worker = a_view(active=2, reserved=3, scheduled=4, processed=99, loop_lag=0.0123, checks=checks)
    text = status_text(a_whole(worker, backlogs={"mail": 5}), [], {"mail": a_throughput()})
    queues, workers, findings = (table.splitlines() for table in text.split("\n\n"))
    header = ["QUEUE", "WORKERS", "ACTIVE", "FREE SLOTS", "RESERVED", "SCHEDULED", "BACKLOG", "PAUSED"]
    assert columns(queues[0]) == [*header, "DONE/S", "FAILED", "RUN P95", "WAIT P95"]
    assert [columns(line) for line in queues[1:]] == [
        ["mail", "1", "2", "2", "3", "4", "5", "no", "2.0", "25%", "10.1ms", "1.99s"],
        ["reports", "1", "0", "0", "0", "0", "unknown", "yes", "0.0", "-", "-", "-"],
    ]
    assert findings == ["No findings."]
    assert columns(workers[0])[:4] == ["WORKER", "STATE", "AGE", "POOL"]
    assert columns(workers[1]) == [
        *("celery@web1", "online", "0.2s", "prefork", "2/4", "3", "4", "99", "12ms", "mail, reports (paused)")
    ]


def test_a_stalled_worker_says_for_how_long() -> None:
    assert "stalled 2.5s" in tables(a_view(state="stalled", stalled_for=2.5))


def test_a_lost_worker_that_was_stalled_is_lost() -> None:
    text = tables(a_view(state="lost", stalled_for=2.5))
    assert "lost" in text and "stalled" not in text


def test_queues_left_out_of_a_gossip_are_mentioned() -> None:
    assert "default, and 7 idle ones" in tables(a_view(omitted=7))


def test_columns_stay_in_line_whatever_the_width_of_a_character() -> None:
    names = ("default", "größe", "日本語", "e\u0301a", "ｗｉｄｅ")
    table = tables(a_view(checks=tuple(a_check(name, reserved=5) for name in names))).split("\n\n")[0]
    columns_of = {"default": 7, "größe": 5, "日本語": 6, "e\u0301a": 2, "ｗｉｄｅ": 8}
    widths = set()
    for line in table.splitlines()[1:]:
        name = next(name for name in names if line.startswith(name))
        widths.add(columns_of[name] + len(line) - len(name))
    assert len(widths) == 1, table


def test_numbers_are_set_to_the_right() -> None:
    views = [
        a_view(hostname=f"w{n}", reserved=n, checks=(a_check("a" if n == 5 else "b", reserved=n),)) for n in (5, 12345)
    ]
    lines = tables(*views).split("\n\n")[0].splitlines()
    assert lines[1].rindex("5") == lines[2].rindex("12345") + 4


def test_no_line_ends_in_spaces() -> None:
    text = tables(a_view(), a_view(checks=(a_check("longer_name"),)))
    assert all(line == line.rstrip() for line in text.splitlines())


def test_tables_of_nobody_are_their_headers() -> None:
    queues, workers, _ = tables().split("\n\n")
    assert queues.startswith("QUEUE  WORKERS") and workers.startswith("WORKER  STATE")


@pytest.fixture
def at() -> float:
    return time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1))


def test_a_line_per_gossip_says_it_all(at: float) -> None:
    checks = (a_check("mail", active_count=1, reserved=2, scheduled=3), a_check("reports", paused=True))
    assert gossip_line(a_gossip(active=1, reserved=2, scheduled=3, checks=checks), at) == (
        "03:04:05  celery@web1  online  active 1/4 reserved 2 scheduled 3  |  mail 1/2/3  reports 0/0/0 (paused)"
    )


@pytest.mark.parametrize(
    ("fields", "word"),
    [({"stalled_for": 1.25}, "stalled 1.2s"), ({"state": "draining"}, "draining"), ({"state": "offline"}, "offline")],
)
def test_a_line_names_the_state(at: float, fields: dict[str, Any], word: str) -> None:
    assert f"  {word}  " in gossip_line(a_gossip(**fields), at)


def test_a_finding_says_how_grave_it_is_for_how_long_and_what_to_do() -> None:
    text = status_text(a_whole(), [a_finding(), a_finding(severity="warning", since=1009.0)])
    assert text.split("\n\n")[2].splitlines() == [
        "CRITICAL for 10s: It hangs. Restart it.",
        "WARNING for 1s: It hangs. Restart it.",
    ]
    assert finding_line(a_finding(since=1011.0), 1010.0).startswith("CRITICAL for 0s")


@pytest.mark.parametrize(
    ("state", "told"), [("suspect", "silent for 4.2s"), ("lost", "silent for 4.2s"), ("conflict", "two live workers")]
)
def test_a_line_tells_what_no_gossip_tells(at: float, state: str, told: str) -> None:
    assert worker_line(a_view(state=state, age=4.2), at).startswith(f"03:04:05  celery@web1  {state}  {told}")


@pytest.mark.parametrize(("is_verified", "is_marked"), [(False, True), (True, False), (None, False)])
def test_a_worker_whose_gossip_is_not_signed_is_marked_where_that_can_be_told(
    is_verified: bool | None, is_marked: bool
) -> None:
    worker = replace(a_view(), is_verified=is_verified)
    assert ("online (unverified)" in tables(worker)) is is_marked
    assert ("unverified" in gossip_line(worker.gossip, 0.0, is_verified)) is is_marked
    assert as_json(worker)["workers"][0]["is_verified"] is is_verified
