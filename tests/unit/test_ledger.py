"""What has happened since we listen, told from what workers have counted since they started."""

from typing import Any

import pytest

from celery_gossip import ledger as room
from celery_gossip.ledger import Ledger
from celery_gossip.messages import MOST_KINDS, OTHER, Histogram, TaskSeries
from celery_gossip.metrics import Meter
from celery_gossip.throughput import COUNTS, Tally
from tests.unit.build import OTHER_BOOT, FakeClock, a_gossip

KEY = ("celery@web1", "mail", "send")


def a_series(age: float = 1000.0, **fields: Any) -> TaskSeries:
    return TaskSeries(**{"queue": "mail", "task": "send", "age": age, **fields})


def a_histogram(*buckets: tuple[int, int, int], unlisted: int = 0, total: float = 0.0) -> Histogram:
    return Histogram(count=unlisted + sum(count for _, count, _ in buckets), total=total, buckets=buckets)


def take(ledger: Ledger, *series: TaskSeries, now: float = 100.0, began_at: float = 0.0, **fields: Any) -> list[Tally]:
    return [tally for _, tally in ledger.take(a_gossip(series=series, **fields), now, began_at)]


def counts(tally: Tally) -> dict[str, int]:
    return {name: count for name, count in zip(COUNTS, tally.counts, strict=True) if count}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def test_what_a_series_that_is_older_than_our_listening_counted_before_is_its_own_past(ledger: Ledger) -> None:
    assert take(ledger, a_series(succeeded=500, failed={"KeyError": 5})) == []
    (moved,) = take(ledger, a_series(succeeded=503, failed={"KeyError": 6, "OSError": 1}))
    assert counts(moved) == {"succeeded": 3, "failed": 2}
    assert moved.failures == {"KeyError": 1, "OSError": 1}


def test_a_series_that_began_while_we_listened_counts_from_the_first(ledger: Ledger) -> None:
    (moved,) = take(ledger, a_series(age=30.0, received=2, started=1), now=100.0, began_at=50.0)
    assert counts(moved) == {"received": 2, "started": 1}


def test_messages_that_are_lost_or_repeated_cost_and_add_nothing(ledger: Ledger) -> None:
    for succeeded in (1, 4, 4, 9):
        take(ledger, a_series(age=1.0, succeeded=succeeded))
    assert counts(ledger.totals[KEY]) == {"succeeded": 9}


def test_a_restart_goes_on_where_the_boot_before_ended(ledger: Ledger) -> None:
    take(ledger, a_series(age=1.0, succeeded=7))
    take(ledger, a_series(age=1.0, succeeded=2), boot=OTHER_BOOT)
    assert counts(ledger.totals[KEY]) == {"succeeded": 9}
    assert counts(ledger.fleet_totals["mail", "send"]) == {"succeeded": 9}


def test_two_boots_under_one_hostname_are_followed_apart(ledger: Ledger) -> None:
    for succeeded in (1, 2, 3):
        take(ledger, a_series(age=1.0, succeeded=succeeded))
        take(ledger, a_series(age=1.0, succeeded=10 * succeeded), boot=OTHER_BOOT)
    assert counts(ledger.totals[KEY]) == {"succeeded": 33}


def test_buckets_are_told_apart_and_summed(ledger: Ledger) -> None:
    take(ledger, a_series(runtime=a_histogram((5, 100, 1), unlisted=37, total=50.0)))
    (moved,) = take(ledger, a_series(runtime=a_histogram((5, 101, 2), (7, 40, 3), total=53.0)))
    assert moved.runtime == {5: 1, 7: 3}, "bucket 7 was not listed before: only what is recent of it is new"
    assert moved.runtime_total == pytest.approx(3.0)


def test_a_telling_of_all_buckets_adds_nothing_to_those_that_did_not_change(ledger: Ledger) -> None:
    take(ledger, a_series(wait=a_histogram((5, 100, 1), unlisted=70)))
    assert take(ledger, a_series(wait=a_histogram((5, 100, 0), (9, 70, 0)))) == []
    (moved,) = take(ledger, a_series(wait=a_histogram((5, 100, 0), (9, 72, 2))))
    assert moved.wait == {9: 2}


def test_once_all_buckets_are_known_one_that_is_new_is_new_as_a_whole_however_many_messages_were_lost(
    ledger: Ledger,
) -> None:
    take(ledger, a_series(runtime=a_histogram((5, 100, 1), unlisted=70)))
    take(ledger, a_series(runtime=a_histogram((5, 100, 0), (9, 70, 0))))
    (moved,) = take(ledger, a_series(runtime=a_histogram((8, 4, 1), unlisted=170)))
    assert moved.runtime == {8: 4}


def test_what_is_older_than_our_listening_stays_so_though_the_workers_clock_should_stop(ledger: Ledger) -> None:
    take(ledger, a_series(age=120.0, runtime=a_histogram((5, 100, 1), unlisted=500)), now=200.0, began_at=100.0)
    (moved,) = take(
        ledger, a_series(age=121.0, runtime=a_histogram((7, 500, 1), unlisted=101)), now=300.0, began_at=100.0
    )
    assert moved.runtime == {7: 1}


def test_kinds_of_failures_are_bounded_over_all_messages(ledger: Ledger) -> None:
    for n in range(100):
        take(ledger, a_series(age=1.0, task="send", failed={f"Mishap{n}": 1}), boot=f"{n:016x}")
    for failures in (ledger.totals[KEY].failures, ledger.fleet_totals["mail", "send"].failures):
        assert len(failures) <= MOST_KINDS and failures[OTHER] > 1
        assert sum(failures.values()) == 100


def test_figures_that_fall_are_no_throughput(ledger: Ledger) -> None:
    take(ledger, a_series(age=1.0, succeeded=10, runtime=a_histogram((5, 10, 10), total=9.0)))
    assert take(ledger, a_series(age=1.0, succeeded=3, runtime=a_histogram((5, 3, 3), total=1.0))) == []


def test_a_worker_that_is_forgotten_leaves_its_figures_to_the_fleet(ledger: Ledger) -> None:
    take(ledger, a_series(age=1.0, succeeded=7, runtime=a_histogram((5, 7, 7))))
    ledger.forget("celery@web1")
    assert ledger.totals == {} and ledger._boots == {} and ledger._buckets == 0
    assert counts(ledger.fleet_totals["mail", "send"]) == {"succeeded": 7}


def test_a_boot_that_was_forgotten_and_speaks_again_is_not_counted_twice(ledger: Ledger) -> None:
    take(ledger, a_series(age=1.0, succeeded=7))
    ledger.forget("celery@web1")
    take(ledger, a_series(age=2.0, succeeded=8))
    take(ledger, a_series(age=3.0, succeeded=9))
    assert counts(ledger.fleet_totals["mail", "send"]) == {"succeeded": 8}


def test_there_are_bounds_and_what_is_beyond_is_counted(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_SERIES", 3)
    monkeypatch.setattr(room, "MAX_BUCKETS", 4)
    series = [
        a_series(age=1.0, task=f"t{n}", succeeded=1, runtime=a_histogram((n, 1, 1), (n + 1, 1, 1))) for n in range(9)
    ]
    take(ledger, *series)
    assert len(ledger.totals) == 3
    assert ledger._buckets == 4
    assert ledger.dropped == 6 + 2 + 1, "series, buckets, and a series of the fleet"


def test_boots_without_end_are_bounded(ledger: Ledger) -> None:
    for boot in range(100):
        take(ledger, a_series(age=1.0, succeeded=1), boot=f"{boot:016x}")
    assert len(ledger._boots["celery@web1"]) <= room._MOST_BOOTS
    assert counts(ledger.totals[KEY]) == {"succeeded": 100}


@pytest.mark.parametrize("dropped", [(), (2,), (1, 4, 7, 10), (3, 4), (0,)])
def test_a_meter_is_followed_exactly_whatever_messages_are_dropped(ledger: Ledger, dropped: tuple[int, ...]) -> None:
    clock = FakeClock(50.0)
    meter = Meter(clock)
    for turn in range(12):
        if turn < 9:
            for n in range(1 + turn % 3):
                series = meter.series_of("mail", "send")
                series.receive()
                series.start(0.1 * turn)
                series.end("failed" if turn % 2 else "succeeded", 0.01 * (1 + n), "KeyError" if turn % 2 else "")
        clock.advance(1.0)
        told = meter.tell().series
        meter.commit(len(told))
        if turn not in dropped:
            take(ledger, *told, now=clock.now, began_at=50.0)
    total = ledger.totals[KEY]
    assert counts(total) == {"received": 18, "started": 18, "succeeded": 10, "failed": 8}
    assert sum(total.runtime.values()) == sum(total.wait.values()) == 18
    assert total.wait_total == pytest.approx(sum(0.1 * turn * (1 + turn % 3) for turn in range(9)))
