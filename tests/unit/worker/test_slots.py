"""Slots: how many tasks a pool can run now."""

from types import SimpleNamespace
from typing import Any

import pytest

from celery_gossip.worker.slots import Slots
from tests.unit.build import FakeClock


def prefork(wanted: int, up: int) -> Any:
    return SimpleNamespace(num_processes=wanted, _pool=SimpleNamespace(_fileno_to_inq=dict.fromkeys(range(up))))


def test_a_process_counts_once_it_is_up() -> None:
    slots = Slots()
    assert [slots.read(prefork(*counts)) for counts in ((2, 2), (5, 2), (5, 4), (5, 5))] == [2, 2, 4, 5]


def test_a_process_beyond_the_configured_number_does_not_count() -> None:
    assert Slots().read(prefork(3, 5)) == 3


def test_a_pool_that_has_lost_its_only_process_has_no_slot() -> None:
    slots = Slots()
    assert [slots.read(prefork(1, up)) for up in (1, 0, 1)] == [1, 0, 1]


def test_until_the_first_process_is_up_the_wanted_number_is_reported_for_as_long_as_one_may_take() -> None:
    clock = FakeClock()
    slots, pool = Slots(clock), prefork(4, 0)
    assert slots.read(pool) == 4
    clock.advance(3.9)
    assert slots.read(pool) == 4
    clock.advance(0.2)
    assert slots.read(pool) == 0
    assert slots.read(prefork(4, 3)) == 3


def test_the_time_that_a_process_may_take_is_the_workers_own() -> None:
    clock = FakeClock()
    slots, pool = Slots(clock), prefork(4, 0)
    pool._pool._proc_alive_timeout = 20.0
    slots.read(pool)
    clock.advance(19)
    assert slots.read(pool) == 4


def test_a_pool_of_processes_without_an_event_loop_has_those_that_exist() -> None:
    pool = SimpleNamespace(num_processes=5, _pool=SimpleNamespace(_pool=[object(), object()]))
    assert Slots().read(pool) == 2


def test_a_pool_of_gevent_is_as_wide_as_its_size_whatever_runs() -> None:
    pool = SimpleNamespace(is_green=True, num_processes=0, _pool=SimpleNamespace(size=8))
    assert Slots().read(pool) == 8


@pytest.mark.parametrize("pool", [None, SimpleNamespace(num_processes=None), SimpleNamespace()])
def test_a_pool_that_has_been_stopped_has_what_it_had(pool: Any) -> None:
    slots = Slots()
    slots.read(SimpleNamespace(num_processes=6))
    assert slots.read(pool) == 6


def test_while_the_worker_drains_the_number_stays() -> None:
    slots = Slots()
    slots.read(prefork(4, 4))
    assert slots.read(prefork(4, 1), is_draining=True) == 4
