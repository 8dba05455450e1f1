"""Run a schedule: a world with an ear in it, and an oracle beside it; cut one that fails down to what it needs."""

from dataclasses import replace
from random import Random
from unittest.mock import patch

from tests.simulation.ear import Ear
from tests.simulation.oracle import Oracle, Violation
from tests.simulation.process import Workers
from tests.simulation.schedule import Schedule
from tests.simulation.world import OF_THE_WORLD, STARTS_AT, World


def run(schedule: Schedule) -> Oracle:
    """Raises Violation where something happened that must not. To be called inside `ear.simulated()`."""
    world = World(schedule)
    workers = Workers(world, schedule)
    for act in schedule.acts:
        (world if act.what in OF_THE_WORLD else workers).plan(act)
    world.at(STARTS_AT + schedule.calm_at, world.calm)
    with (
        patch("celery_gossip.cluster.MAX_WORKERS", schedule.most_workers),
        patch("celery_gossip.cluster.FORGET_AFTER", schedule.forget_after),
        patch("celery_gossip.listener.random", Random(schedule.seed)),
    ):
        ear = Ear(world)
        oracle = ear.watcher = Oracle(world, workers, ear)
        ear.listen()
        oracle.conclude()
    return oracle


def violation(schedule: Schedule) -> Violation | None:
    """What is wrong with this run."""
    try:
        run(schedule)
    except Violation as exc:
        return exc
    return None


def minimal(schedule: Schedule) -> Schedule:
    """A schedule that fails as well, without what it does not need. Not the smallest one, but a small one."""
    for smaller in _smaller(schedule):
        if violation(smaller) is not None:
            return minimal(smaller)
    return schedule


def _smaller(schedule: Schedule) -> list[Schedule]:
    acts = schedule.acts
    found = [replace(schedule, acts=acts[:n] + acts[n + 1 :]) for n in range(len(acts))]
    last = len(schedule.intervals) - 1
    if last and not any(act.who == last for act in acts):
        found.append(replace(schedule, intervals=schedule.intervals[:-1]))
    for quiet in ({"loss": 0.0}, {"repeated": 0.0}, {"delay": 0.0}, {"most_workers": 2000}, {"forget_after": 600.0}):
        if replace(schedule, **quiet) != schedule:  # type: ignore[arg-type]
            found.append(replace(schedule, **quiet))  # type: ignore[arg-type]
    return found
