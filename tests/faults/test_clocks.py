"""A worker's clock is wrong: what is said of it is what is said of a worker beside it whose clock is right."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.workers import QUIET, Project, Worker

pytestmark = [pytest.mark.serial, pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(180)]

WRONG_CLOCK = Path(__file__).parents[1] / "support" / "wrong_clock"
DAY = 86_400.0  #: seconds
INTERVAL = 1.0 if SCALE.is_full else 0.5  #: seconds
NAP = 4.0 if SCALE.is_full else 2.5  #: seconds for which a task blocks a loop
RIGHT = "correct"
CLOCKS: dict[str, dict[str, float]] = {
    RIGHT: {},
    "a day ahead": {"offset": DAY},
    "a day behind": {"offset": -DAY},
    "stepping by a day each second": {"step": DAY, "every": 1.0},
    "10 % too fast": {"rate": 1.1},
    "10 % too slow": {"rate": 0.9},
}
#: Seconds by which verdicts may differ: a worker is heard once a second, and the listener looks every quarter.
LEEWAY = INTERVAL * 1.25 + 0.5


@dataclass(frozen=True)
class Crew:
    """One worker for each clock, all of them on one exchange."""

    projects: dict[str, Project]
    workers: dict[str, Worker]
    ear: Ear

    def node(self, clock: str) -> str:
        return self.workers[clock].node

    def verdicts(self, clock: str, after: float) -> list[str]:
        return [
            entry.state for entry in list(self.ear.entries) if entry.hostname == self.node(clock) and entry.at > after
        ]

    def gossip(self, clock: str) -> Any:
        """The latest of this worker."""
        return next(one.gossip for one in self.ear.listener.view().workers if one.gossip.hostname == self.node(clock))


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    url = brokers.require(brokers.REDIS_URL)
    with ExitStack() as stack:
        projects = {clock: project_of(url, wrong) for clock, wrong in CLOCKS.items()}
        for project in projects.values():
            project.conf["gossip_exchange"] = projects[RIGHT].conf["gossip_exchange"]
            stack.callback(project.clean)
        ear = stack.enter_context(Ear(projects[RIGHT]))
        workers = {clock: stack.enter_context(one_of(project)) for clock, project in projects.items()}
        ear.listener.wait(workers=len(CLOCKS), timeout=30)
        yield Crew(projects, workers, ear)


def project_of(url: str, wrong: dict[str, float]) -> Project:
    project = Project(url)
    project.install = {"interval": INTERVAL}
    project.extra_environment = {
        "PYTHONPATH": os.pathsep.join([str(WRONG_CLOCK), os.environ.get("PYTHONPATH", "")]),
        "GOSSIP_TEST_CLOCK": json.dumps(wrong),
    }
    return project


def one_of(project: Project) -> Any:
    return project.worker(*QUIET, pool="solo", concurrency=1)


@pytest.mark.parametrize("clock", CLOCKS)
def test_a_clock_is_as_wrong_as_it_should_be(crew: Crew, clock: str) -> None:
    """Without this the others would prove nothing."""

    def is_wrong() -> None:
        off_by = crew.gossip(clock).sent_at - time.time()
        wrong = CLOCKS[clock]
        if "offset" in wrong:
            assert abs(off_by - wrong["offset"]) < 10
        elif "step" in wrong:
            assert abs(off_by - DAY) < 10
        elif "rate" in wrong:
            assert (wrong["rate"] - 1) * off_by > 0.1
        else:
            assert abs(off_by) < 2 * INTERVAL + 1

    eventually(is_wrong, timeout=20)


def test_tasks_are_counted_and_no_time_is_negative(crew: Crew, figures: Figures) -> None:
    for clock, project in crew.projects.items():
        for _ in range(3):
            project.send("nap", 0.2, headers={"gossip_sent_at": time.time()})
        eventually(lambda clock=clock: assert_counted(crew, clock, 3), timeout=20)  # type: ignore[misc]
        (series,) = crew.gossip(clock).series
        assert series.runtime.total >= 0 and series.wait.total >= 0
        mean = series.runtime.total / series.runtime.count
        rate = CLOCKS[clock].get("rate", 1.0)
        figures.check("clocks", clock, "mean runtime of a task of 0.2 s", mean, least=0.2 * rate - 0.01, most=1.0)
        figures.note("clocks", clock, "waits counted as skewed, of 3", crew.gossip(clock).skewed)
    assert crew.gossip("a day behind").skewed == 3
    assert crew.gossip(RIGHT).skewed == 0


def assert_counted(crew: Crew, clock: str, tasks: int) -> None:
    series = crew.gossip(clock).series
    assert series and series[0].succeeded == tasks and series[0].runtime is not None and series[0].wait is not None


def test_a_loop_that_is_blocked_is_stalled_by_any_clock(crew: Crew, figures: Figures) -> None:
    began = time.monotonic()
    for project in crew.projects.values():
        project.send("nap", NAP)
    for clock in CLOCKS:
        stalled_at = crew.ear.wait_for_state("stalled", 15, crew.node(clock), after=began)
        online_at = crew.ear.wait_for_state("online", 15, crew.node(clock), after=stalled_at)
        figures.note("clocks", clock, f"stalled during a task of {NAP} s, s", online_at - stalled_at)
        assert online_at - stalled_at < NAP + LEEWAY
    assert {clock: crew.verdicts(clock, began) for clock in CLOCKS} == dict.fromkeys(CLOCKS, ["stalled", "online"])


def test_who_is_killed_is_suspect_and_lost_as_soon_as_one_whose_clock_is_right(crew: Crew, figures: Figures) -> None:
    for worker in crew.workers.values():
        worker.kill()
    killed_at = time.monotonic()
    after: dict[str, dict[str, float]] = {}
    for clock in CLOCKS:
        after[clock] = {
            state: crew.ear.wait_for_state(state, 30, crew.node(clock), after=killed_at) - killed_at
            for state in ("suspect", "lost")
        }
    for clock, times in after.items():
        for state, seconds in times.items():
            right = after[RIGHT][state]
            bounds = {"least": right - LEEWAY, "most": right + LEEWAY}
            figures.check("clocks", clock, f"{state} after kill -9, s", seconds, **bounds, is_noisy=True)
    assert {clock: crew.verdicts(clock, killed_at) for clock in CLOCKS} == dict.fromkeys(CLOCKS, ["suspect", "lost"])
    kinds = {finding.kind for told in crew.ear.told for finding in (told.finding,)}
    assert kinds <= {"nobody_heard", "worker_lost"}, kinds
