"""A pool is dead if it has started none of its reserved tasks for a minute."""

from dataclasses import replace
from typing import Any

import pytest

from celery_gossip.worker.pool_watch import PoolWatch
from celery_gossip.worker.probe import Reading
from tests.unit.build import FakeClock

WAITING = Reading(
    checks=(),
    active=0,
    reserved=3,
    scheduled=0,
    limited=0,
    processed=7,
    unattributed=0,
    pool="prefork",
    concurrency=4,
    prefetch_count=16,
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def watch(clock: FakeClock) -> PoolWatch:
    return PoolWatch(clock)


def test_reserved_tasks_that_do_not_start_for_a_minute_mean_a_dead_pool(watch: PoolWatch, clock: FakeClock) -> None:
    assert not watch.is_dead
    watch.update(WAITING)
    clock.advance(59.9)
    watch.update(WAITING)
    assert not watch.is_dead
    clock.advance(0.1)
    assert watch.is_dead


@pytest.mark.parametrize(
    "change",
    [{"processed": 8}, {"active": 1, "reserved": 2}, {"reserved": 0}, {"limited": 1}, {"batched": 1}],
    ids=str,
)
def test_a_task_that_starts_or_a_reason_to_wait_begins_the_minute_again(
    watch: PoolWatch, clock: FakeClock, change: dict[str, Any]
) -> None:
    watch.update(WAITING)
    clock.advance(59)
    watch.update(replace(WAITING, **change))
    watch.update(replace(WAITING, processed=change.get("processed", 7)))
    clock.advance(59)
    assert not watch.is_dead
    clock.advance(1)
    assert watch.is_dead


def test_a_pool_that_starts_a_task_is_alive_again(watch: PoolWatch, clock: FakeClock) -> None:
    watch.update(WAITING)
    clock.advance(100)
    assert watch.is_dead
    watch.update(replace(WAITING, processed=8))
    assert not watch.is_dead
