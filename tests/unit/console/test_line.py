"""The lines of `celery gossip watch`."""

import time
from typing import Any

import pytest

from celery_gossip.console.line import gossip_line, throughput_line, worker_line
from tests.unit.build import a_check, a_gossip
from tests.unit.console.views import a_throughput, a_worker


def test_a_line_has_the_throughput_of_a_queue() -> None:
    line = throughput_line("mail", a_throughput(), at=0.0)
    assert line.endswith("  queue mail  2.0/s done, 25% failed, run p95 10.1ms, wait p95 1.99s")
    assert "queue (unknown)" in throughput_line("", a_throughput(), at=0.0)


@pytest.fixture
def at() -> float:
    return time.mktime((2026, 1, 2, 3, 4, 5, 0, 0, -1))


def test_a_line_has_state_totals_and_queues_of_a_report(at: float) -> None:
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


@pytest.mark.parametrize(
    ("state", "reason"),
    [("suspect", "no report for 4.2s"), ("lost", "no report for 4.2s"), ("conflict", "two live workers")],
)
def test_a_line_names_a_state_that_no_report_has(at: float, state: str, reason: str) -> None:
    assert worker_line(a_worker(state=state, age=4.2), at).startswith(f"03:04:05  celery@web1  {state}  {reason}")
