"""Run a schedule with a world, an ear and an oracle; minimize a schedule that fails."""

from dataclasses import replace
from random import Random
from unittest.mock import patch

from tests.simulation.ear import Ear
from tests.simulation.oracle import Oracle, Violation
from tests.simulation.process import Workers
from tests.simulation.schedule import Schedule
from tests.simulation.world import OF_THE_WORLD, STARTS_AT, World


def run(schedule: Schedule) -> Oracle:
    """Run the schedule; raises Violation if the view is wrong. To be called inside `ear.simulated()`."""
    world = World(schedule)
    workers = Workers(world, schedule)
    for act in schedule.acts:
        (world if act.what in OF_THE_WORLD else workers).plan(act)
    world.at(STARTS_AT + schedule.calm_at, world.calm)
    with (
        patch("celery_gossip.cluster.membership.MAX_WORKERS", schedule.most_workers),
        patch("celery_gossip.cluster.roster.GONE_RETENTION", schedule.forget_after),
        patch("celery_gossip.listener.receive_loop.random", Random(schedule.seed)),
    ):
        ear = Ear(world)
        oracle = ear.watcher = Oracle(world, workers, ear)
        ear.listen()
        oracle.conclude()
    return oracle


def violation(schedule: Schedule) -> Violation | None:
    """Return the Violation of this run, None if there is none."""
    try:
        run(schedule)
    except Violation as exc:
        return exc
    return None


def minimal(schedule: Schedule) -> Schedule:
    """Return a smaller schedule that also fails; not necessarily the smallest one."""
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
