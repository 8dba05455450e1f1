"""What the wrappers note, and that a scheduler with them does what it does without."""

from typing import Any

import pytest
from celery.beat import SchedulingError

from celery_gossip.beat.observer import MAX_COUNTED, Observer
from tests.unit.beat.schedulers import LocalScheduler, RedBeatLike, Undelivered, a_scheduler, an_item
from tests.unit.build import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def observed(scheduler: Any, clock: FakeClock) -> Observer:
    observer = Observer(scheduler, clock)
    observer.attach()
    return observer


def test_a_tick_and_the_time_until_the_next_are_noted(clock: FakeClock) -> None:
    observer = observed(a_scheduler(hourly=3600.0), clock)
    assert (observer.ticks, observer.standing_still(1000.0), observer.tick_ended_at) == (0, 0.0, None)
    clock.advance(2.0)
    assert observer.standing_still(clock.now) == 2.0
    interval = observer._scheduler.tick()
    assert interval == observer.sleep == 300
    assert (observer.ticks, observer.tick_ended_at, observer.is_in_tick, observer.reloads) == (1, 1002.0, False, 1)
    assert observer.standing_still(1302.0) == 0.0 and observer.standing_still(1310.0) == 8.0


def test_a_tick_that_takes_long_stands_still(clock: FakeClock) -> None:
    scheduler = a_scheduler(hourly=3600.0)
    seen: list[float] = []

    def populate_heap() -> None:
        clock.advance(7.0)
        seen.append(observer.standing_still(clock.now))

    scheduler.populate_heap = populate_heap
    scheduler._heap = []
    observer = observed(scheduler, clock)
    scheduler.tick()
    assert seen == [7.0] and observer.standing_still(clock.now) == 0.0


def test_sends_and_errors_are_counted_by_entry(clock: FakeClock) -> None:
    scheduler = a_scheduler(often=0.0, hourly=3600.0)
    observer = observed(scheduler, clock)
    for _ in range(3):
        scheduler.tick()
    clock.advance(1.0)
    scheduler.error = Undelivered("redis://:secret@host")
    scheduler.tick()
    often = observer.counts["often"]
    assert scheduler.sent == ["shop.often"] * 3
    assert (often.sends, often.errors, often.sent_at, often.error_at, often.error) == (
        3,
        1,
        1000.0,
        1001.0,
        "Undelivered",
    )
    assert (observer.sends, observer.errors) == (3, 1) and observer.counts.keys() == {"often"}


def test_the_error_is_raised_as_without_the_wrapper(clock: FakeClock) -> None:
    scheduler = a_scheduler(often=0.0)
    scheduler.error = Undelivered()
    observed(scheduler, clock)
    with pytest.raises(SchedulingError, match="Couldn't apply scheduled task often"):
        scheduler.apply_async(scheduler.schedule["often"])


def test_an_exception_of_a_tick_ends_beat_and_one_that_asks_to_exit_is_no_crash(clock: FakeClock) -> None:
    scheduler = a_scheduler(often=0.0)

    def end() -> None:
        raise SystemExit

    scheduler.populate_heap = end
    observer = observed(scheduler, clock)
    with pytest.raises(SystemExit):
        scheduler.tick()
    assert not observer.has_crashed
    scheduler = a_scheduler(often=0.0)
    scheduler.schedules_equal = lambda *_: 1 / 0
    scheduler._heap = []
    observer = observed(scheduler, clock)
    with pytest.raises(ZeroDivisionError):
        scheduler.tick()
    assert observer.has_crashed and not observer.is_in_tick


def test_closing_calls_the_hook_even_if_it_fails(clock: FakeClock) -> None:
    scheduler = a_scheduler()
    scheduler.sync = lambda: 1 / 0
    observer = observed(scheduler, clock)
    closed: list[str] = []
    observer.on_close = lambda: closed.append("closed")
    with pytest.raises(ZeroDivisionError):
        scheduler.close()
    assert closed == ["closed"]


@pytest.mark.parametrize(
    "method", ["_tick_began", "_tick_ended", "_tick_failed", "_sent", "_not_sent", "on_tick", "on_close"]
)
def test_no_exception_of_a_hook_reaches_the_scheduler(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def blow_up(*_: Any) -> None:
        raise OSError(method)

    scheduler = a_scheduler(often=0.0)
    observer = observed(scheduler, clock)
    monkeypatch.setattr(observer, method, blow_up)
    assert scheduler.tick() == 0 and scheduler.tick() == 0
    scheduler.error = Undelivered()
    assert scheduler.tick() == 0
    scheduler.close()
    assert scheduler.sent == ["shop.often"] * 2
    if method != "_tick_failed":
        assert [str(one) for one in observer.failures] == [method]


def test_the_class_of_the_scheduler_is_not_changed(clock: FakeClock) -> None:
    observed(a_scheduler(often=0.0), clock)
    other = a_scheduler(often=0.0)
    assert not {"tick", "apply_async", "close", "populate_heap"} & vars(other).keys()
    assert "tick" not in vars(LocalScheduler)


def test_a_scheduler_whose_methods_cannot_be_replaced_is_an_error(clock: FakeClock) -> None:
    class Closed:
        __slots__ = ()

        def tick(self) -> float:
            return 1.0

    with pytest.raises(AttributeError):
        observed(Closed(), clock)


def test_the_entries_that_a_scheduler_without_a_heap_considers_are_noted(clock: FakeClock) -> None:
    scheduler = RedBeatLike(an_item("a", due_in=7.0), an_item("b", is_due=True))
    observer = observed(scheduler, clock)
    scheduler.tick()
    assert {name: (one.due_at, one.tick) for name, one in observer.sightings.items()} == {
        "a": (1007.0, 0),
        "b": (1005.0, 0),
    }
    assert scheduler.sent == ["b"] and observer.counts["b"].sends == 1


def test_what_is_noted_is_limited(clock: FakeClock) -> None:
    scheduler = RedBeatLike(*(an_item(f"{n}", is_due=True) for n in range(MAX_COUNTED + 10)))
    observer = observed(scheduler, clock)
    scheduler.tick()
    assert len(observer.sightings) == len(observer.counts) == MAX_COUNTED
    assert "9" not in observer.counts and f"{MAX_COUNTED + 9}" in observer.counts
    assert observer.sends == MAX_COUNTED + 10
