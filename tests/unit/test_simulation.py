"""The view of a listener in a simulated world is correct, whatever happens to workers, network, broker and itself.

GOSSIP_TEST_SCHEDULES is the number of schedules; 1,500 by default, 10,000 by `make simulation`.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.instance import InstanceTable
from celery_gossip.cluster.isolation import IsolationDetector
from celery_gossip.cluster.member import Member, SilenceTimeouts
from celery_gossip.cluster.membership import Membership
from celery_gossip.cluster.view import STATES
from tests.simulation.ear import simulated
from tests.simulation.run import Violation, minimal, run, violation
from tests.simulation.schedule import Act, Schedule, drawn
from tests.support.identifier import stable_id

SCHEDULES = int(os.environ.get("GOSSIP_TEST_SCHEDULES", "1500"))
PARTS = 20


@pytest.fixture(autouse=True)
def world() -> Iterator[None]:
    with simulated():
        yield


@pytest.mark.timeout(max(120, SCHEDULES // 200))
@pytest.mark.parametrize("part", range(PARTS))
def test_no_schedule_makes_the_view_wrong(part: int) -> None:
    for seed in range(part, SCHEDULES, PARTS):
        wrong = violation(drawn(seed))
        if wrong is not None:
            small = minimal(drawn(seed))
            pytest.fail(f"seed {seed}: {wrong!r}\nas is {violation(small)!r} in run(\n    {small}\n)")


def test_a_seed_always_gives_the_same_run() -> None:
    assert all(drawn(seed) == drawn(seed) and run(drawn(seed)).events == run(drawn(seed)).events for seed in range(20))


def test_among_the_schedules_is_everything_that_can_be_told() -> None:
    oracles = [run(drawn(seed)) for seed in range(400)]
    assert {state for oracle in oracles for _, _, state in oracle.events} == set(STATES)
    assert any(oracle.timeouts.isolation_ended_at > 0 for oracle in oracles), "no listener was isolated"
    assert any(not oracle.hearing.can_publish for oracle in oracles), "all listeners had an echo"


def test_a_worker_that_is_killed_is_suspect_and_then_lost_in_time() -> None:
    crash = Schedule(seed=1, intervals=(1.0,), acts=(Act(5.0, "crash"),), calm_at=5.0, ends_at=20.0)
    (_, _, online), (suspect_at, _, suspect), (lost_at, _, lost) = run(crash).events
    assert (online, suspect, lost) == ("online", "suspect", "lost")
    assert 100 + 4 + 3.5 < suspect_at < 100 + 5 + 3.5 + 0.5 and 100 + 4 + 10 < lost_at < 100 + 5 + 10 + 0.5


def test_the_last_worker_is_lost_even_to_a_listener_that_has_no_echo_and_builds_new_connections_meanwhile() -> None:
    crash = Schedule(
        seed=1,
        intervals=(1.0,),
        acts=(Act(5.0, "crash"),),
        calm_at=5.0,
        ends_at=90.0,
        lost_after=15.0,
        can_publish=False,
    )
    assert [state for _, _, state in run(crash).events] == ["online", "suspect", "lost"]


def test_a_failing_schedule_is_cut_down_to_what_makes_it_fail() -> None:
    acts = (Act(1.0, "pause", 0, 0.2), Act(3.0, "crash", 0), Act(4.0, "stall", 1, 1.0))
    schedule = Schedule(seed=1, intervals=(0.5, 0.5), acts=acts, calm_at=5.0, ends_at=20.0, delay=0.01)
    with patch.object(
        Member, "update_state", wrongly(Member.update_state, lambda states: [s for s in states if s != "suspect"])
    ):
        small = minimal(schedule)
    assert (small.acts, small.intervals, small.delay) == (acts[1:2], (0.5,), 0.0)


def wrongly(function: Callable[..., Any], change: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: change(function(*args, **kwargs))


def always_fresh(self: Member, gossip: Any, now: float, *, is_late: bool) -> bool:
    return _update(self, gossip, now, is_late=False)


def at_once(self: SilenceTimeouts, interval: float, last_seen: float, now: float) -> bool:
    return now - last_seen > self.suspect_timeout(interval)


_update = Member.update


@pytest.mark.parametrize(
    ("owner", "name", "wrong"),
    [
        (
            Member,
            "update_state",
            wrongly(Member.update_state, lambda states: states[-1:]),
        ),  # lost without being suspect
        (Member, "update_state", wrongly(Member.update_state, lambda states: [])),
        (Member, "update", always_fresh),  # late messages count as signs of life
        (Member, "_has_conflict", lambda self, timeouts: False),
        (InstanceTable, "_evict", lambda self, current, now: None),
        (SilenceTimeouts, "is_suspect", at_once),  # no grace after an isolation
        (SilenceTimeouts, "suspect_timeout", wrongly(SilenceTimeouts.suspect_timeout, lambda seconds: seconds * 2)),
        (SilenceTimeouts, "suspect_timeout", wrongly(SilenceTimeouts.suspect_timeout, lambda seconds: seconds / 2)),
        (SilenceTimeouts, "is_lost", lambda self, interval, last_seen, now: False),
        (IsolationDetector, "is_isolated", lambda self, now: False),
        (IsolationDetector, "is_isolated", lambda self, now: True),
        (IsolationDetector, "lag", lambda self, now: 0.0),
        (Cluster, "set_isolated", lambda self, now: False),
        (Membership, "_evict", lambda self, *, is_verified: True),
        (Membership, "remove_expired", lambda self, now: None),
    ],
    ids=stable_id,
)
def test_what_is_wrong_with_the_view_is_found(owner: type, name: str, wrong: Callable[..., Any]) -> None:
    with patch.object(owner, name, wrong):
        with pytest.raises(Violation):
            for seed in range(2000):
                run(drawn(seed))
