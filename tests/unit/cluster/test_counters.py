"""Increments since the listener started, derived from the counters that workers report since their start."""

from typing import Any

import pytest

from celery_gossip.cluster import counters
from celery_gossip.cluster.counters import CounterTracker
from celery_gossip.cluster.throughput import COUNTS, ThroughputSum
from celery_gossip.wire.messages import MAX_EXCEPTION_CLASSES, OTHER, Histogram, TaskSeries
from celery_gossip.worker.metrics import Meter
from tests.unit.build import OTHER_BOOT, FakeClock, a_gossip

KEY = ("celery@web1", "mail", "send")


def a_series(age: float = 1000.0, **fields: Any) -> TaskSeries:
    return TaskSeries(**{"queue": "mail", "task": "send", "age": age, **fields})


def a_histogram(*buckets: tuple[int, int, int], unlisted: int = 0, total: float = 0.0) -> Histogram:
    return Histogram(count=unlisted + sum(count for _, count, _ in buckets), total=total, buckets=buckets)


def deltas_of(
    tracker: CounterTracker, *series: TaskSeries, now: float = 100.0, began_at: float = 0.0, **fields: Any
) -> list[ThroughputSum]:
    return [delta for _, delta in tracker.deltas(a_gossip(series=series, **fields), now, began_at)]


def counts(delta: ThroughputSum) -> dict[str, int]:
    return {name: count for name, count in zip(COUNTS, delta.counts, strict=True) if count}


@pytest.fixture
def tracker() -> CounterTracker:
    return CounterTracker()


def test_what_a_series_that_is_older_than_our_listening_counted_before_is_its_own_past(tracker: CounterTracker) -> None:
    assert deltas_of(tracker, a_series(succeeded=500, failed={"KeyError": 5})) == []
    (delta,) = deltas_of(tracker, a_series(succeeded=503, failed={"KeyError": 6, "OSError": 1}))
    assert counts(delta) == {"succeeded": 3, "failed": 2}
    assert delta.failures == {"KeyError": 1, "OSError": 1}


def test_a_series_that_began_while_we_listened_counts_from_the_first(tracker: CounterTracker) -> None:
    (delta,) = deltas_of(tracker, a_series(age=30.0, received=2, started=1), now=100.0, began_at=50.0)
    assert counts(delta) == {"received": 2, "started": 1}


def test_messages_that_are_lost_or_repeated_cost_and_add_nothing(tracker: CounterTracker) -> None:
    for succeeded in (1, 4, 4, 9):
        deltas_of(tracker, a_series(age=1.0, succeeded=succeeded))
    assert counts(tracker.totals[KEY]) == {"succeeded": 9}


def test_a_restart_goes_on_where_the_boot_before_ended(tracker: CounterTracker) -> None:
    deltas_of(tracker, a_series(age=1.0, succeeded=7))
    deltas_of(tracker, a_series(age=1.0, succeeded=2), boot=OTHER_BOOT)
    assert counts(tracker.totals[KEY]) == {"succeeded": 9}
    assert counts(tracker.fleet_totals["mail", "send"]) == {"succeeded": 9}


def test_two_boots_under_one_hostname_are_followed_apart(tracker: CounterTracker) -> None:
    for succeeded in (1, 2, 3):
        deltas_of(tracker, a_series(age=1.0, succeeded=succeeded))
        deltas_of(tracker, a_series(age=1.0, succeeded=10 * succeeded), boot=OTHER_BOOT)
    assert counts(tracker.totals[KEY]) == {"succeeded": 33}


def test_buckets_are_told_apart_and_summed(tracker: CounterTracker) -> None:
    deltas_of(tracker, a_series(runtime=a_histogram((5, 100, 1), unlisted=37, total=50.0)))
    (delta,) = deltas_of(tracker, a_series(runtime=a_histogram((5, 101, 2), (7, 40, 3), total=53.0)))
    assert delta.runtime == {5: 1, 7: 3}, "bucket 7 was not listed before: only what is recent of it is new"
    assert delta.runtime_total == pytest.approx(3.0)


def test_a_telling_of_all_buckets_adds_nothing_to_those_that_did_not_change(tracker: CounterTracker) -> None:
    deltas_of(tracker, a_series(wait=a_histogram((5, 100, 1), unlisted=70)))
    assert deltas_of(tracker, a_series(wait=a_histogram((5, 100, 0), (9, 70, 0)))) == []
    (delta,) = deltas_of(tracker, a_series(wait=a_histogram((5, 100, 0), (9, 72, 2))))
    assert delta.wait == {9: 2}


def test_once_all_buckets_are_known_one_that_is_new_is_new_as_a_whole_however_many_messages_were_lost(
    tracker: CounterTracker,
) -> None:
    deltas_of(tracker, a_series(runtime=a_histogram((5, 100, 1), unlisted=70)))
    deltas_of(tracker, a_series(runtime=a_histogram((5, 100, 0), (9, 70, 0))))
    (delta,) = deltas_of(tracker, a_series(runtime=a_histogram((8, 4, 1), unlisted=170)))
    assert delta.runtime == {8: 4}


def test_what_is_older_than_our_listening_stays_so_though_the_workers_clock_should_stop(
    tracker: CounterTracker,
) -> None:
    deltas_of(tracker, a_series(age=120.0, runtime=a_histogram((5, 100, 1), unlisted=500)), now=200.0, began_at=100.0)
    (delta,) = deltas_of(
        tracker, a_series(age=121.0, runtime=a_histogram((7, 500, 1), unlisted=101)), now=300.0, began_at=100.0
    )
    assert delta.runtime == {7: 1}


def test_kinds_of_failures_are_bounded_over_all_messages(tracker: CounterTracker) -> None:
    for n in range(100):
        deltas_of(tracker, a_series(age=1.0, task="send", failed={f"Mishap{n}": 1}), boot=f"{n:016x}")
    for failures in (tracker.totals[KEY].failures, tracker.fleet_totals["mail", "send"].failures):
        assert len(failures) <= MAX_EXCEPTION_CLASSES and failures[OTHER] > 1
        assert sum(failures.values()) == 100


def test_figures_that_fall_are_no_throughput(tracker: CounterTracker) -> None:
    deltas_of(tracker, a_series(age=1.0, succeeded=10, runtime=a_histogram((5, 10, 10), total=9.0)))
    assert deltas_of(tracker, a_series(age=1.0, succeeded=3, runtime=a_histogram((5, 3, 3), total=1.0))) == []


def test_a_worker_that_is_forgotten_leaves_its_figures_to_the_fleet(tracker: CounterTracker) -> None:
    deltas_of(tracker, a_series(age=1.0, succeeded=7, runtime=a_histogram((5, 7, 7))))
    tracker.remove_worker("celery@web1")
    assert tracker.totals == {} and tracker._instances == {} and tracker._buckets == 0
    assert counts(tracker.fleet_totals["mail", "send"]) == {"succeeded": 7}


def test_a_boot_that_was_forgotten_and_speaks_again_is_not_counted_twice(tracker: CounterTracker) -> None:
    deltas_of(tracker, a_series(age=1.0, succeeded=7))
    tracker.remove_worker("celery@web1")
    deltas_of(tracker, a_series(age=2.0, succeeded=8))
    deltas_of(tracker, a_series(age=3.0, succeeded=9))
    assert counts(tracker.fleet_totals["mail", "send"]) == {"succeeded": 8}


def test_there_are_bounds_and_what_is_beyond_is_counted(
    tracker: CounterTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "MAX_SERIES", 3)
    monkeypatch.setattr(counters, "MAX_BUCKETS", 4)
    series = [
        a_series(age=1.0, task=f"t{n}", succeeded=1, runtime=a_histogram((n, 1, 1), (n + 1, 1, 1))) for n in range(9)
    ]
    deltas_of(tracker, *series)
    assert len(tracker.totals) == 3
    assert tracker._buckets == 4
    assert tracker.dropped == 6 + 2 + 1, "series, buckets, and a series of the fleet"


def test_boots_without_end_are_bounded(tracker: CounterTracker) -> None:
    for boot in range(100):
        deltas_of(tracker, a_series(age=1.0, succeeded=1), boot=f"{boot:016x}")
    assert len(tracker._instances["celery@web1"]) <= counters._MAX_INSTANCES
    assert counts(tracker.totals[KEY]) == {"succeeded": 100}


@pytest.mark.parametrize("dropped", [(), (2,), (1, 4, 7, 10), (3, 4), (0,)])
def test_a_meter_is_followed_exactly_whatever_messages_are_dropped(
    tracker: CounterTracker, dropped: tuple[int, ...]
) -> None:
    clock = FakeClock(50.0)
    meter = Meter(clock)
    for turn in range(12):
        if turn < 9:
            for n in range(1 + turn % 3):
                series = meter.get_series("mail", "send")
                series.count_received()
                series.count_started(0.1 * turn)
                series.count_ended(
                    "failed" if turn % 2 else "succeeded", 0.01 * (1 + n), "KeyError" if turn % 2 else ""
                )
        clock.advance(1.0)
        told = meter.collect().series
        meter.commit(len(told))
        if turn not in dropped:
            deltas_of(tracker, *told, now=clock.now, began_at=50.0)
    total = tracker.totals[KEY]
    assert counts(total) == {"received": 18, "started": 18, "succeeded": 10, "failed": 8}
    assert sum(total.runtime.values()) == sum(total.wait.values()) == 18
    assert total.wait_total == pytest.approx(sum(0.1 * turn * (1 + turn % 3) for turn in range(9)))
