"""How many workers a queue needs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_gossip.cluster.scaling import QueueDemand, demand_of
from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.errors import InvalidOption
from tests.unit.build import a_check, a_gossip


def a_demand(**fields: Any) -> QueueDemand:
    values: dict[str, Any] = {"waiting": 0, "active": 0, "slots": 8, "slots_per_worker": 8.0, "runtime": 2.0}
    return QueueDemand(**{**values, **fields})


@pytest.mark.parametrize(
    ("fields", "target", "expected"),
    [
        ({}, 60.0, 0),  # nothing to do
        ({"waiting": 1}, 60.0, 1),
        ({"waiting": 480}, 60.0, 2),  # 16 slots for a minute
        ({"waiting": 481}, 60.0, 3),
        ({"waiting": 480}, 30.0, 4),
        ({"waiting": 480, "slots_per_worker": 2.0}, 60.0, 8),
        ({"active": 16}, 60.0, 2),  # not fewer than run
        ({"active": 17, "waiting": 1}, 60.0, 3),
        ({"waiting": 5, "runtime": 3600.0}, 60.0, 1),  # not more slots than tasks
        ({"waiting": 17, "runtime": 3600.0}, 60.0, 3),
        ({"waiting": 10, "runtime": 0.0}, 60.0, 1),
        ({"waiting": None}, 60.0, None),
        ({"waiting": 10, "runtime": None}, 60.0, None),
        ({"active": 9, "runtime": None}, 60.0, 2),  # no wait, so the runtime does not matter
        ({"waiting": 10, "runtime": None, "slots": 0}, 60.0, 1),  # the first worker will show it
        ({"waiting": 10, "slots_per_worker": None, "slots": 0}, 60.0, 1),
        ({"waiting": 480, "slots": 0}, 60.0, 2),
    ],
)
def test_the_workers_that_a_queue_needs(fields: dict[str, Any], target: float, expected: int | None) -> None:
    assert a_demand(**fields).workers_needed(target) == expected


@pytest.mark.parametrize("target", [0.0, -1.0, float("nan"), float("inf"), 86_401.0])
def test_a_target_out_of_range_is_refused(target: float) -> None:
    with pytest.raises(InvalidOption, match="target_seconds: expected seconds above 0, at most 86400"):
        a_demand().workers_needed(target)


@given(
    waiting=st.none() | st.integers(0, 2**53),
    active=st.integers(0, 2**53),
    slots=st.integers(0, 2**53),
    size=st.none() | st.floats(1.0, 2.0**53),
    runtime=st.none() | st.floats(0.0, 1e11),
    target=st.floats(0.001, 86_400.0),
)
def test_the_number_is_never_negative_and_never_zero_with_work(
    waiting: int | None, active: int, slots: int, size: float | None, runtime: float | None, target: float
) -> None:
    found = QueueDemand(waiting, active, slots, size, runtime).workers_needed(target)
    if found is not None:
        assert found >= (1 if waiting or active else 0)
        assert found <= (waiting or 0) + active + 1


def a_view(*workers: WorkerView) -> View:
    return View(workers, (), taken_at=1000.0)


def a_worker(state: Any = "online", **fields: Any) -> WorkerView:
    reported = state if state in ("draining", "offline") else "online"
    return WorkerView(a_gossip(state=reported, **fields), state, heard_at=1000.0)


def test_the_demand_is_that_of_the_workers_that_start_tasks() -> None:
    view = a_view(
        a_worker(checks=(a_check("mail", active_count=2, reserved=3), a_check("news", active_count=9)), concurrency=4),
        a_worker(checks=(a_check("mail", active_count=1),), concurrency=8),
        a_worker("draining", checks=(a_check("mail", active_count=5, reserved=1),), concurrency=100),
        a_worker("suspect", checks=(a_check("mail", active_count=1),), concurrency=100),
        a_worker("lost", checks=(a_check("mail", active_count=7, reserved=7),), concurrency=100),
        a_worker(checks=(a_check("mail", paused=True),), concurrency=100),
    )
    assert demand_of(view, "mail", 10, 2.0) == QueueDemand(14, 4, 12, 6.0, 2.0)
    assert demand_of(view, "mail", 10, 2.0, slots_per_worker=3).slots_per_worker == 3
    assert demand_of(view, "mail", None, None).waiting is None


def test_workers_that_are_gone_show_the_slots_of_the_next_one() -> None:
    view = a_view(a_worker("offline", checks=(a_check("mail"),), concurrency=8))
    assert demand_of(view, "mail", 10, 2.0) == QueueDemand(10, 0, 0, 8.0, 2.0)
    assert demand_of(view, "news", 10, 2.0) == QueueDemand(10, 0, 0, None, 2.0)
