"""Meter: reports cumulative counts, repeats changes, and stays within the size budget."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count as counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.wire.encoding import encode, encode_bounded
from celery_gossip.wire.histogram import MAX_BUCKETS, MAX_SECONDS, bucket_index, bucket_value
from celery_gossip.wire.messages import MAX_BYTES, MAX_EXCEPTION_CLASSES, MAX_NAME, OTHER, Gossip, TaskSeries, decode
from celery_gossip.worker import deferred_counts, metrics, series_schedule
from celery_gossip.worker.metrics import MAX_SERIES, Meter, MetricsDelta
from celery_gossip.worker.series import Series
from tests.unit.build import FakeClock, a_check, a_gossip


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def meter(clock: FakeClock) -> Meter:
    return Meter(clock)


def reported(meter: Meter) -> MetricsDelta:
    """Return the counts of the next gossip, which is sent completely."""
    delta = meter.collect()
    meter.commit(len(delta.series))
    return delta


def by_task(delta: MetricsDelta) -> dict[str, TaskSeries]:
    return {one.task: one for one in delta.series}


def buckets_of(series: TaskSeries) -> dict[int, tuple[int, int]]:
    """Of the runtime, `{bucket: (count, recent)}`."""
    assert series.runtime is not None
    return {bucket: (count, recent) for bucket, count, recent in series.runtime.buckets}


def report_until_quiet(meter: Meter) -> None:
    """Report until only one series is left per gossip."""
    while meter.changed or meter._schedule._repeated:
        reported(meter)


# Ages of the newest messages.


def test_ages_are_those_of_the_queues_in_their_order_without_unknown_ones_at_the_end(meter: Meter) -> None:
    meter.get_series("mail", "send").intake.newest_sent_at = 990.0
    meter.get_series("mail", "pack").intake.newest_sent_at = 995.0
    meter.get_series("slow", "pack").intake.newest_sent_at = 800.0
    assert meter.newest_ages(["mail", "unknown", "slow", "x"], 1000.0) == (5.0, None, 200)
    assert meter.newest_ages(["x", "y"], 1000.0) == () == meter.newest_ages([], 1000.0)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0.0, 0.0), (0.01, 0.1), (0.1, 0.1), (1.23, 1.3), (99.95, 100.0), (100.2, 101), (1e12, 1e11), (-5.0, 0.0)],
)
def test_an_age_is_rounded_up_and_within_the_limits_of_a_message(meter: Meter, age: float, expected: float) -> None:
    meter.get_series("mail", "send").intake.newest_sent_at = 2e12 - age
    (found,) = meter.newest_ages(["mail"], 2e12)
    assert found == pytest.approx(expected, abs=0.1)
    read = decode(encode(a_gossip(newest=(found,))))
    assert isinstance(read, Gossip) and read.newest == (found,)


def test_the_number_of_changed_series_that_did_not_fit_is_reported(
    meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_schedule, "_BUDGET", 1500)
    for number in range(10):
        meter.get_series("mail", f"task{number}").count_received()
    delta = reported(meter)
    assert 0 < len(delta.series) < 10 and delta.deferred == 10 - len(delta.series)


# Counting.


def test_a_meter_that_has_counted_nothing_reports_nothing(meter: Meter) -> None:
    assert reported(meter) == MetricsDelta()


def test_every_step_of_a_task_is_reported(meter: Meter, clock: FakeClock) -> None:
    series = meter.get_series("default", "shop.pack")
    for _ in range(9):
        series.count_received()
    for wait in (0.5, None, 1.5):
        series.count_started(wait)
    series.count_ended("succeeded", 2.0)
    series.count_ended("failed", 3.0, "KeyError")
    series.count_ended("failed", 4.0, "KeyError")
    series.count_ended("failed", None, "OSError")
    for outcome in ("retried", "revoked", "rejected"):
        series.count_ended(outcome)
    clock.advance(7.0)
    (one,) = reported(meter).series
    assert (one.queue, one.task, one.age) == ("default", "shop.pack", 7.0)
    assert (one.received, one.started, one.succeeded) == (9, 3, 1)
    assert (one.retried, one.revoked, one.rejected) == (1, 1, 1)
    assert one.failed == {"KeyError": 2, "OSError": 1}
    assert one.runtime is not None and (one.runtime.count, one.runtime.total) == (3, 9.0)
    assert one.wait is not None and (one.wait.count, one.wait.total) == (2, 2.0)


def test_what_never_ran_has_neither_runtime_nor_wait(meter: Meter) -> None:
    meter.get_series("default", "shop.pack").count_received()
    (one,) = reported(meter).series
    assert (one.runtime, one.wait) == (None, None)


def test_queues_and_tasks_are_counted_apart(meter: Meter) -> None:
    for queue, task in (("a", "x"), ("a", "y"), ("b", "x"), ("b", "x"), ("", "x")):
        meter.get_series(queue, task).count_received()
    counted = {(one.queue, one.task): one.received for one in reported(meter).series}
    assert counted == {("a", "x"): 1, ("a", "y"): 1, ("b", "x"): 2, ("", "x"): 1}


def test_figures_are_cumulative_since_the_start(meter: Meter) -> None:
    series = meter.get_series("default", "shop.pack")
    counts = []
    for n in range(1, 6):
        series.count_ended("succeeded", float(n))
        (one,) = reported(meter).series
        assert one.runtime is not None
        counts.append((one.succeeded, one.runtime.count, one.runtime.total))
    assert counts == [(1, 1, 1.0), (2, 2, 3.0), (3, 3, 6.0), (4, 4, 10.0), (5, 5, 15.0)]


@pytest.mark.parametrize(
    ("seconds", "counted"),
    [(-1.0, 0.0), (float("nan"), 0.0), (float("inf"), MAX_SECONDS), (1e308, MAX_SECONDS), (float("-inf"), 0.0)],
)
def test_a_runtime_that_cannot_be_is_counted_and_the_sum_stays_finite(
    meter: Meter, seconds: float, counted: float
) -> None:
    for _ in range(3):
        meter.get_series("default", "shop.pack").count_ended("succeeded", seconds)
    (one,) = reported(meter).series
    assert one.runtime is not None and (one.runtime.count, one.runtime.total) == (3, 3 * counted)
    assert decode(encode(a_gossip(series=(one,)))) == a_gossip(series=(one,))


def test_a_negative_wait_counts_as_none_and_is_counted(meter: Meter) -> None:
    series = meter.get_series("default", "shop.pack")
    for wait in (-5.0, 0.0, -0.1, 2.0, -1e308):
        series.count_started(wait)
    delta = reported(meter)
    (one,) = delta.series
    assert delta.skewed == 3
    assert one.wait is not None and (one.wait.count, one.wait.total) == (5, 2.0)
    assert one.wait.buckets[0] == (0, 4, 4)


def test_kinds_of_exceptions_are_bounded(meter: Meter) -> None:
    series = meter.get_series("default", "shop.pack")
    for n in range(100):
        series.count_ended("failed", kind=f"Error{n}")
        series.count_ended("failed", kind="Error0")
    (one,) = reported(meter).series
    assert len(one.failed) == MAX_EXCEPTION_CLASSES
    assert (one.failed["Error0"], one.failed[OTHER], sum(one.failed.values())) == (101, 81, 200)
    assert decode(encode(a_gossip(series=(one,)))) == a_gossip(series=(one,))


def test_names_of_exceptions_are_sanitized(meter: Meter) -> None:
    for kind in ("a\nb", "a\\nb", "K" * 300, "K" * 400):
        meter.get_series("default", "shop.pack").count_ended("failed", kind=kind)
    assert reported(meter).series[0].failed == {"a\\nb": 2, "K" * MAX_NAME: 2}


def test_a_failure_without_a_class_is_another(meter: Meter) -> None:
    meter.get_series("default", "shop.pack").count_ended("failed")
    assert reported(meter).series[0].failed == {OTHER: 1}


def test_several_threads_count_and_none_is_lost(meter: Meter) -> None:
    count, delta = 3000, threading.Event()

    def work() -> None:
        for n in range(count):
            series = meter.get_series("default", f"task-{n % 7}")
            series.count_received()
            series.count_started(0.1 * (n % 3))
            series.count_ended(*(("succeeded", 1.0, ""), ("failed", 1.0, "KeyError"))[n % 2])

    def collect() -> None:
        while not delta.is_set():
            reported(meter)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        workers = [threading.Thread(target=work) for _ in range(4)]
        teller = threading.Thread(target=collect)
        for thread in (*workers, teller):
            thread.start()
        for thread in workers:
            thread.join()
        delta.set()
        teller.join()
    finally:
        sys.setswitchinterval(interval)
    latest: dict[str, TaskSeries] = {}
    for _ in range(20):
        latest.update(by_task(reported(meter)))
    assert sum(one.received for one in latest.values()) == 4 * count
    assert sum(one.started for one in latest.values()) == 4 * count
    assert sum(one.succeeded + one.failed["KeyError"] for one in latest.values()) == 4 * count
    assert sum(one.runtime.count for one in latest.values() if one.runtime) == 4 * count
    assert sum(one.wait.count for one in latest.values() if one.wait) == 4 * count


# Names.


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\ud800", "\u202eevil", "q" * 400, 'a"b\\c', "größe"], ids=ascii)
def test_names_are_sanitized(meter: Meter, name: str) -> None:
    meter.get_series(name, name).count_received()
    (one,) = reported(meter).series
    assert one.queue == one.task and one.queue.isprintable() and len(one.queue) <= MAX_NAME
    assert decode(encode(a_gossip(series=(one,)))) == a_gossip(series=(one,))


def test_names_that_look_the_same_on_the_wire_are_one_series(meter: Meter) -> None:
    """Told apart, each would seem to a listener to be what the other was a moment ago."""
    for end in ("one", "two"):
        meter.get_series("default", "t" * MAX_NAME + end).count_received()
    meter.get_series("default", "a\nb").count_received()
    meter.get_series("default", "a\\nb").count_received()
    assert sorted((one.task[0], one.received) for one in reported(meter).series) == [("a", 2), ("t", 2)]


def test_a_series_is_the_same_object_each_time(meter: Meter) -> None:
    assert meter.get_series("a", "b") is meter.get_series("a", "b")
    assert meter.get_series("a", "b\n") is meter.get_series("a", "b\n")


# Too many.


def fill(meter: Meter, queue: str = "full") -> None:
    for n in range(MAX_SERIES):
        meter.get_series(queue, f"task-{n}").count_received()


def latest_of_all(meter: Meter, rounds: int = 3 * MAX_SERIES) -> tuple[dict[tuple[str, str], TaskSeries], MetricsDelta]:
    """Return the latest of every series that was reported, and the latest delta."""
    latest: dict[tuple[str, str], TaskSeries] = {}
    delta = MetricsDelta()
    for _ in range(rounds):
        delta = reported(meter)
        latest.update({(one.queue, one.task): one for one in delta.series})
    return latest, delta


def test_beyond_the_bound_tasks_share_a_series_per_queue(meter: Meter) -> None:
    fill(meter)
    for n in range(10):
        meter.get_series("full", f"late-{n}").count_received()
        meter.get_series("other queue", f"late-{n % 2}").count_received()
    latest, delta = latest_of_all(meter)
    assert len(latest) == MAX_SERIES + 2
    assert (latest["full", OTHER].received, latest["other queue", OTHER].received) == (10, 10)
    assert delta.overflowed == 20


def test_what_was_known_before_is_still_counted_apart(meter: Meter) -> None:
    fill(meter)
    meter.get_series("full", "late").count_received()
    meter.get_series("full", "task-7").count_received()
    latest, delta = latest_of_all(meter)
    assert (latest["full", "task-7"].received, delta.overflowed) == (2, 1)


def test_shared_series_are_bounded_too(meter: Meter) -> None:
    fill(meter)
    for n in range(1000):
        meter.get_series(f"queue-{n}", "late").count_received()
    latest, delta = latest_of_all(meter)
    shared = {key: one.received for key, one in latest.items() if key[1] == OTHER}
    assert len(shared) == metrics._MAX_OVERFLOWS + 1
    assert shared[OTHER, OTHER] == 1000 - metrics._MAX_OVERFLOWS
    assert sum(one.received for one in latest.values()) == MAX_SERIES + 1000 == MAX_SERIES + delta.overflowed


@pytest.mark.parametrize("is_first", [True, False])
def test_a_task_that_is_called_other_shares_the_series_of_the_others(meter: Meter, is_first: bool) -> None:
    if is_first:
        meter.get_series("full", OTHER).count_received()
    fill(meter)  # one is too many, then
    meter.get_series("full", "late").count_received()
    meter.get_series("full", "later").count_received()
    meter.get_series("full", OTHER).count_received()
    latest, _ = latest_of_all(meter)
    assert latest["full", OTHER].received == (5 if is_first else 3)


# Reported three times, and round-robin.


def listing(meter: Meter, task: str, rounds: int) -> list[bool]:
    return [task in by_task(reported(meter)) for _ in range(rounds)]


@pytest.fixture
def many(meter: Meter) -> Meter:
    """A meter of 100 tasks that has reported everything."""
    for n in range(100):
        meter.get_series("default", f"task-{n}").count_received()
    report_until_quiet(meter)
    return meter


def far_from_round_robin(meter: Meter) -> Series:
    (soon,) = reported(meter).series
    at = int(soon.task.removeprefix("task-"))
    return meter.get_series("default", f"task-{(at + 50) % 100}")


def test_a_change_is_reported_in_three_gossips_and_then_repeated_less_and_less_often(many: Meter) -> None:
    series = far_from_round_robin(many)
    series.count_received()
    reported_in = [
        number for number, is_reported in enumerate(listing(many, series.task, rounds=200), 1) if is_reported
    ]
    assert reported_in[:7] == [1, 2, 3, 6, 9, 12, 15]
    assert all(later - one <= max(3, one / 3) for one, later in pairwise(reported_in) if later < 50)
    assert len(reported_in) <= 18 and sum(at > 80 for at in reported_in) <= 2, "only by the round-robin"


def test_a_series_that_keeps_changing_is_not_repeated(many: Meter) -> None:
    series = far_from_round_robin(many)
    for seconds in (0.1, 1.0, 10.0, *[100.0] * 20):
        series.count_ended("succeeded", seconds)
        latest = by_task(reported(many))[series.task]
    assert buckets_of(latest).keys() == {bucket_index(100.0)}, "only what changed"


def test_repetitions_are_spread_evenly_over_the_gossips(meter: Meter) -> None:
    for n in range(30):
        meter.get_series("default", f"task-{n}").count_received()
    sizes = [len(reported(meter).series) for _ in range(200)]
    assert sizes[:3] == [30, 30, 30] and sizes[3:5] == [1, 1]
    assert max(sizes[5:]) <= 11 and min(sizes[5:14]) >= 8
    assert sizes[-10:] == [1] * 10


def test_what_did_not_fit_is_repeated_in_the_next_gossip(meter: Meter) -> None:
    for n in range(9):
        meter.get_series("default", f"task-{n}").count_received()
    for _ in range(5):
        reported(meter)
    delta = meter.collect()
    meter.commit(2)
    first_out = delta.series[2].task
    assert first_out in by_task(reported(meter))


@pytest.mark.parametrize(("task_names", "most"), [(60, 3), (120, 6), (MAX_SERIES - 1, 25)])
def test_a_listener_that_missed_ten_gossips_is_correct_again_after_three_or_as_many_as_the_budget_needs(
    task_names: int, most: int
) -> None:
    """Deaf for 5 s at an interval of 0.5 s, while tasks of many names ran, two of each."""
    clock = FakeClock(1000.0)
    meter, cluster, gossips = Meter(clock), Cluster(clock), counter(1)
    cluster.statistics.start(clock.now)

    def report(*, is_heard: bool) -> int:
        clock.advance(0.5)
        gossip, body = encode_bounded(a_gossip(series=meter.collect().series, seq=next(gossips), interval=0.5))
        meter.commit(len(gossip.series))
        if is_heard:
            cluster.apply_gossip(gossip, clock.now)
        return len(body)

    meter.get_series("mail", "first").count_received()
    report(is_heard=True)
    for turn in range(10):
        for n in range(task_names * turn // 10, task_names * (turn + 1) // 10):
            for _ in range(2):
                series = meter.get_series("mail", f"shop.tasks.some_module.task_{n}")
                series.count_received()
                series.count_started(0.01 * n)
                series.count_ended("succeeded", 0.1 * n)
        report(is_heard=False)
    heard = 0
    while cluster.throughput("fleet", 60.0).get("", Throughput(0.0)).succeeded < 2 * task_names and heard < 100:
        report(is_heard=True)
        heard += 1
    assert heard <= most
    fleet = cluster.throughput("fleet", 60.0)[""]
    assert (fleet.received, fleet.succeeded) == (2 * task_names + 1, 2 * task_names)
    assert (fleet.runtime.count, fleet.wait.count) == (2 * task_names, 2 * task_names)


def test_a_change_while_a_gossip_is_being_sent_is_reported_in_three_further_ones(many: Meter) -> None:
    series = far_from_round_robin(many)
    series.count_received()
    delta = many.collect()
    series.count_received()
    many.commit(len(delta.series))
    assert [by_task(reported(many))[series.task].received for _ in range(3)] == [3, 3, 3]
    assert listing(many, series.task, rounds=2) == [False, False]


def test_every_series_is_reported_round_robin(many: Meter) -> None:
    seen: Counter[str] = Counter()
    for _ in range(200):
        seen.update(one.task for one in reported(many).series)
    assert seen == Counter({f"task-{n}": 2 for n in range(100)})


def test_the_series_of_the_round_robin_reports_all_its_buckets(meter: Meter) -> None:
    series = meter.get_series("default", "shop.pack")
    for seconds in (0.1, 1.0, 10.0):
        series.count_ended("succeeded", seconds)
    report_until_quiet(meter)
    expected = {bucket_index(seconds): (1, 0) for seconds in (0.1, 1.0, 10.0)}
    assert buckets_of(reported(meter).series[0]) == expected


def test_other_series_report_the_buckets_that_changed(many: Meter) -> None:
    series = far_from_round_robin(many)
    series.count_ended("succeeded", 1.0)
    for _ in range(3):
        reported(many)
    series.count_ended("succeeded", 2.0)
    assert buckets_of(by_task(reported(many))[series.task]) == {bucket_index(2.0): (1, 1)}


def test_recent_is_what_is_new_in_the_latest_three_gossips(many: Meter) -> None:
    series = far_from_round_robin(many)
    bucket, recents = bucket_index(1.0), []
    for new in (1, 10, 100, 1000, 0, 0, 0):
        for _ in range(new):
            series.count_ended("succeeded", 1.0)
        listed = by_task(reported(many)).get(series.task)
        recents.append(None if listed is None else buckets_of(listed).get(bucket))
    assert recents == [(1, 1), (11, 11), (111, 111), (1111, 1110), (1111, 1100), (1111, 1000), None]


# Not sent.


def test_nothing_is_lost_while_the_broker_is_away(many: Meter) -> None:
    series = far_from_round_robin(many)
    for _ in range(50):
        series.count_ended("succeeded", 1.0)
        assert by_task(many.collect())[series.task].succeeded > 0
    for _ in range(3):
        one = by_task(reported(many))[series.task]
        assert (one.succeeded, buckets_of(one)) == (50, {bucket_index(1.0): (50, 50)})
    assert listing(many, series.task, rounds=2) == [False, False]


def test_the_series_of_the_round_robin_stays_selected_until_it_is_sent(many: Meter) -> None:
    turns = [tuple(by_task(many.collect())) for _ in range(10)]
    assert len(set(turns)) == 1
    assert tuple(by_task(reported(many))) == turns[0] != tuple(by_task(reported(many)))


def test_series_that_did_not_fit_are_reported_later_as_often_as_the_rest(meter: Meter) -> None:
    for n in range(10):
        meter.get_series("default", f"task-{n}").count_received()
    sent: Counter[str] = Counter()
    while meter.changed:
        delta = meter.collect()
        fitting = delta.series[: (len(delta.series) + 1) // 2]
        meter.commit(len(fitting))
        sent.update(one.task for one in fitting)
    assert len(sent) == 10 and min(sent.values()) >= 3


def test_it_has_unreported_changes_until_each_was_reported_twice(meter: Meter) -> None:
    assert not meter.has_unreported
    meter.get_series("default", "shop.pack").count_received()
    behind = [meter.has_unreported]
    for _ in range(3):
        reported(meter)
        behind.append(meter.has_unreported)
    assert behind == [True, True, False, False]


# Within the budget.


def as_gossip(delta: MetricsDelta, **fields: Any) -> Gossip:
    return a_gossip(
        series=delta.series, overflowed=delta.overflowed, skewed=delta.skewed, seq=2**53, sent_at=1e10, **fields
    )


def send(meter: Meter, **fields: Any) -> tuple[TaskSeries, ...]:
    """As the sender does it; what a listener reads."""
    gossip, body = encode_bounded(as_gossip(meter.collect(), **fields))
    assert len(body) <= MAX_BYTES
    meter.commit(len(gossip.series))
    read = decode(body)
    assert isinstance(read, Gossip) and read.series == gossip.series
    return read.series


EVERY_BUCKET = [bucket_value(bucket) for bucket in range(MAX_BUCKETS)]


def test_a_busy_worker_keeps_within_its_budget(meter: Meter) -> None:
    """500 series of a hundred buckets each, which all change all the time."""
    for n in range(MAX_SERIES):
        series = meter.get_series("default", f"project.tasks.some_module.task_{n}")
        for bucket in range(400, 500):
            series.count_ended("succeeded", bucket_value(bucket))
    report_until_quiet(meter)
    sizes, seen = [], Counter[str]()
    for round_number in range(60):
        for n in range(MAX_SERIES):
            meter.get_series("default", f"project.tasks.some_module.task_{n}").count_ended("failed", 0.1, "KeyError")
        gossip, body = encode_bounded(as_gossip(meter.collect()))
        meter.commit(len(gossip.series))
        sizes.append(len(body))
        if round_number >= 10:
            seen.update(one.task for one in gossip.series)
    assert max(sizes) < series_schedule._BUDGET + 1024
    assert len(seen) == MAX_SERIES, "each within 50 rounds"
    assert max(seen.values()) - min(seen.values()) <= 2, "and none more often than another"


HOSTILE = ['"' * 400, "\\" * 400, "\U0001f600" * 400, "\n" * 400, "日" * 400]


@pytest.mark.parametrize("checks", [1, 100])
def test_500_series_with_hostile_names_and_every_bucket_and_kind_are_sent_in_a_bounded_number_of_gossips(
    meter: Meter, checks: int
) -> None:
    queues = tuple(a_check(f"queue-{n}", active=("x" * 36,) * 100) for n in range(checks))
    names = [(HOSTILE[n % 5], f"{n}{HOSTILE[n // 5 % 5]}") for n in range(MAX_SERIES)]
    for queue, task in names:
        series = meter.get_series(queue, task)
        for n, seconds in enumerate(EVERY_BUCKET):
            series.count_started(seconds)
            series.count_ended("failed" if n < 30 else "succeeded", seconds, f"{n}{HOSTILE[n % 5]}")
    seen: set[tuple[str, str]] = set()
    rounds = 0
    while len(seen) < MAX_SERIES and rounds <= MAX_SERIES:
        seen.update((one.queue, one.task) for one in send(meter, checks=queues))
        rounds += 1
    assert rounds <= MAX_SERIES


@given(
    sizes=st.lists(st.integers(0, MAX_BUCKETS), min_size=1, max_size=12),
    names=st.lists(st.text(max_size=300), min_size=1, max_size=5),
    kinds=st.lists(st.text(max_size=300), max_size=25),
)
@settings(max_examples=30, deadline=None)
def test_the_byte_limit_of_a_series_is_never_too_small(sizes: list[int], names: list[str], kinds: list[str]) -> None:
    meter = Meter(FakeClock(1e9 + 0.123456789))
    for n, size in enumerate(sizes):
        series = meter.get_series(names[n % len(names)], names[-1])
        for seconds in EVERY_BUCKET[:size]:
            series.count_started(seconds * 1.01)
            series.count_ended("succeeded", seconds * 0.99)
        for kind in kinds:
            series.count_ended("failed", kind=kind)
    bare = len(encode(a_gossip()))
    for series in meter._series.values():
        for is_full in (False, True):
            expected = series.byte_limit(is_full=is_full)
            encoded = encode(a_gossip(series=(series.collect(2e9, is_full=is_full),)))
            if len(encoded) > bare:  # it has not been too long for a gossip
                assert len(encoded) - bare <= expected


# Read by a listener that misses some.


@pytest.fixture
def losses() -> Iterator[Iterator[bool]]:
    yield iter([False, True, False, False, True, True] * 1000)


def test_a_follower_who_misses_up_to_two_gossips_in_a_row_knows_every_bucket(
    meter: Meter, losses: Iterator[bool]
) -> None:
    """As the listener reads it: what it never heard of a bucket before is `count - recent`, what is new the rest."""
    followed: Counter[int] = Counter()
    known: dict[int, int] = {}
    series = meter.get_series("default", "shop.pack")
    for n in range(70):
        for k in range(n % 4 if n < 60 else 0):
            series.count_ended("succeeded", 1.05 ** (n + k))
        for one in reported(meter).series:
            if next(losses) or one.runtime is None:
                continue
            for bucket, count, recent in one.runtime.buckets:
                followed[bucket] += count - known.get(bucket, count - recent)
                known[bucket] = count
    (one,) = reported(meter).series
    assert followed == {bucket: count for bucket, (count, _) in buckets_of(one).items()}


# A lock that is not free.


def test_a_thread_that_cannot_count_in_time_goes_on_and_is_counted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_counts, "_LOCK_TIMEOUT", 0.01)
    meter = Meter()
    series = meter.get_series("mail", "send")

    def count() -> None:
        series.count_received()
        series.count_started(1.0)
        series.count_ended("failed", 2.0, "KeyError")
        meter.count_undecodable()

    with meter.lock, ThreadPoolExecutor(1) as pool:  # as a cold shutdown, which joins the pool in a signal handler
        pool.submit(count).result(timeout=5)
    series.count_received()
    assert meter.has_unreported
    delta = meter.collect()
    (one,) = delta.series
    assert (one.received, one.started, one.failed) == (2, 1, {"KeyError": 1})
    assert (one.wait and one.wait.total, one.runtime and one.runtime.total) == (1.0, 2.0)
    assert delta.undecodable == 1
    assert meter.collect().series[0].received == 2


def test_what_is_counted_later_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_counts, "_MAX_DEFERRED", 3)
    meter = Meter()
    series = meter.get_series("mail", "send")
    for _ in range(10):
        meter.deferred.defer(series.count_received)
    assert meter.collect().series[0].received == 3


def test_a_signal_handler_may_count_while_its_thread_counts() -> None:
    meter = Meter()
    series = meter.get_series("mail", "send")
    with meter.deferred:
        series.count_received()
        meter.get_series("mail", "other").count_received()
    assert sum(one.received for one in meter.collect().series) == 2
