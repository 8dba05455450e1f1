"""What the page and the server must agree on: the page's pure modules, evaluated by Node, with values of the server.

The tests of the modules alone are in tests/page, in JavaScript.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from celery_gossip.web.snapshot import Sampler
from celery_gossip.web.subject import LEVEL_SIZES, STEP_SIZES, build_steps
from celery_gossip.web.topic import Subject
from tests.unit.build import a_series
from tests.unit.test_printable import NAMES
from tests.web.fake_fleet import FakeFleet
from tests.web.node import REPOSITORY, evaluate, run_node


def test_the_tests_of_the_page_pass() -> None:
    tests = sorted(Path(REPOSITORY, "tests", "page").glob("*.test.js"))
    assert len(tests) >= 10
    done = run_node("--test", "--test-reporter=spec", *map(str, tests))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("window", [{"seconds": 120, "size": 2}, {"seconds": 600, "size": 10}])
def test_a_steady_rate_is_a_level_line_at_any_time(window: dict[str, float]) -> None:
    fleet, second = FakeFleet(), 0
    sampler = Sampler("0", "shop", fleet, fleet.clock, lambda: fleet.clock() + 1_000_000.3)
    calls: list[tuple[list[Any], float]] = []
    for half in range(1, 1425):
        fleet.clock.advance(0.5)
        if half % 2 == 0:
            second += 1
            fleet.report(series=(a_series(age=float(second), received=10 * second, succeeded=10 * second),))
        if half < 1400:
            continue
        sample = sampler.sample()
        steps = build_steps(Subject("pace"), {"0": sample}, {"0": fleet}, window["seconds"]).values()
        sent = json.loads(msgspec.json.encode(list(steps)))
        calls += [(sent, sample.unix(fleet.clock()) + late) for late in (-0.6, 0.0, 0.6)]
    lines = evaluate("series", "a[0].map(([steps, now]) => m.charted(steps, now, a[1]).succeeded)", calls, window)
    assert len(lines) == 75
    for line in lines:
        assert len(line) >= 58 and {round(rate, 3) for rate in line[:-1]} == {10}


def test_the_server_sends_steps_for_every_chart_window() -> None:
    windows = [one["seconds"] for one in evaluate("range", "m.WINDOWS").values()]
    assert len(windows) == 4
    steps = evaluate("range", "a[0].map((seconds) => m.stepSizes({seconds}, 1e9))", windows)
    for seconds, sizes in zip(windows, steps, strict=True):
        assert sizes["steps"] == next(size for most, size in STEP_SIZES.items() if seconds <= most)
        assert sizes["levels"] == next(size for most, size in LEVEL_SIZES.items() if seconds <= most)
        assert sizes["kept"] in STEP_SIZES


def test_names_are_printable_by_the_same_rules_as_in_the_commands() -> None:
    shown = evaluate("printable", "a[0].map(m.printable)", [name for name, _ in NAMES])
    assert shown[:-1] == [text for _, text in NAMES[:-1]]
    assert shown[-1] == r"\x0a\x1b\x7f"
