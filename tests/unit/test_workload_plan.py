"""Plans of the random workload: the same for a seed, and everything is in them."""

from collections import Counter

import pytest

from tests.workload.plan import POOLS, Canvas, Disturbance, Malformed, Plan, Revocation, Send, Step, build


def sends_of(step: Step) -> tuple[Send, ...]:
    if isinstance(step, Send):
        return (step,)
    if isinstance(step, Canvas):
        return step.parts
    if isinstance(step, Revocation):
        return step.sends
    return step.busy if isinstance(step, Disturbance) else ()


def sent_in(plans: list[Plan]) -> list[Send]:
    return [send for plan in plans for step in plan.steps for send in sends_of(step)]


@pytest.mark.parametrize("pool", POOLS)
def test_a_seed_gives_the_same_plan_every_time(pool: str) -> None:
    assert build(7, pool) == build(7, pool)
    assert build(7, pool) != build(8, pool)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("tasks", [80, 200])
def test_a_plan_means_as_many_runs_as_asked_for(pool: str, tasks: int) -> None:
    for seed in range(20):
        assert tasks <= build(seed, pool, tasks).runs <= tasks + 30


def test_no_two_tasks_of_a_plan_have_the_same_number() -> None:
    for pool in POOLS:
        plan = build(3, pool)
        numbers = Counter(send.number for send in sent_in([plan]))
        numbers.update(step.number for step in plan.steps if isinstance(step, Malformed))
        assert set(numbers.values()) == {1}


def test_a_few_seeds_do_everything_that_there_is_to_do() -> None:
    plans = [build(seed, "prefork") for seed in range(20)]
    steps = [step for plan in plans for step in plan.steps]
    disturbances = {step.what for step in steps if isinstance(step, Disturbance)}
    assert disturbances == {"cut", "reset", "warm", "soft", "cold", "kill"}
    assert {step.shape for step in steps if isinstance(step, Canvas)} >= {"chain", "group", "chord", "link_error"}
    assert {step.how for step in steps if isinstance(step, Revocation)} >= {"id", "stamp", "terminate"}
    tasks = {send.task for send in sent_in(plans)}
    assert tasks >= {"reject", "ignore", "retry_late", "missing", "die", "hard_limit", "soft_limit", "limited"}


@pytest.mark.parametrize(("task", "pools"), [("die", {"prefork"}), ("hard_limit", {"prefork", "gevent"})])
def test_what_would_end_a_worker_is_only_tried_where_it_does_not(task: str, pools: set[str]) -> None:
    seen = {pool for pool in POOLS for send in sent_in([build(seed, pool) for seed in range(10)]) if send.task == task}
    assert seen == pools
