"""The Meter: what was counted is told, cumulatively, again and again, and within its room, whatever is counted."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_gossip import metrics as room
from celery_gossip.histogram import MOST_BUCKETS, MOST_SECONDS, bucket_of, seconds_in
from celery_gossip.messages import MAX_BYTES, MAX_NAME, MOST_KINDS, OTHER, Gossip, TaskSeries, decode, encode, fitted
from celery_gossip.metrics import MAX_SERIES, Meter, Series, Telling
from tests.unit.build import FakeClock, a_check, a_gossip


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def meter(clock: FakeClock) -> Meter:
    return Meter(clock)


def told(meter: Meter) -> Telling:
    """The next gossip, which is sent with everything."""
    telling = meter.tell()
    meter.commit(len(telling.series))
    return telling


def by_task(telling: Telling) -> dict[str, TaskSeries]:
    return {one.task: one for one in telling.series}


def buckets_of(series: TaskSeries) -> dict[int, tuple[int, int]]:
    """Of the runtime, `{bucket: (count, recent)}`."""
    assert series.runtime is not None
    return {bucket: (count, recent) for bucket, count, recent in series.runtime.buckets}


def tell_until_quiet(meter: Meter) -> None:
    while meter.changed:
        told(meter)


# Counting.


def test_a_meter_that_has_counted_nothing_tells_nothing(meter: Meter) -> None:
    assert told(meter) == Telling()


def test_every_step_of_a_task_is_told(meter: Meter, clock: FakeClock) -> None:
    series = meter.series_of("default", "shop.pack")
    for _ in range(9):
        series.receive()
    for wait in (0.5, None, 1.5):
        series.start(wait)
    series.end("succeeded", 2.0)
    series.end("failed", 3.0, "KeyError")
    series.end("failed", 4.0, "KeyError")
    series.end("failed", None, "OSError")
    for fate in ("retried", "revoked", "rejected"):
        series.end(fate)
    clock.advance(7.0)
    (one,) = told(meter).series
    assert (one.queue, one.task, one.age) == ("default", "shop.pack", 7.0)
    assert (one.received, one.started, one.succeeded) == (9, 3, 1)
    assert (one.retried, one.revoked, one.rejected) == (1, 1, 1)
    assert one.failed == {"KeyError": 2, "OSError": 1}
    assert one.runtime is not None and (one.runtime.count, one.runtime.total) == (3, 9.0)
    assert one.wait is not None and (one.wait.count, one.wait.total) == (2, 2.0)


def test_what_never_ran_has_neither_runtime_nor_wait(meter: Meter) -> None:
    meter.series_of("default", "shop.pack").receive()
    (one,) = told(meter).series
    assert (one.runtime, one.wait) == (None, None)


def test_queues_and_tasks_are_counted_apart(meter: Meter) -> None:
    for queue, task in (("a", "x"), ("a", "y"), ("b", "x"), ("b", "x"), ("", "x")):
        meter.series_of(queue, task).receive()
    counted = {(one.queue, one.task): one.received for one in told(meter).series}
    assert counted == {("a", "x"): 1, ("a", "y"): 1, ("b", "x"): 2, ("", "x"): 1}


def test_figures_are_cumulative_since_the_start(meter: Meter) -> None:
    series = meter.series_of("default", "shop.pack")
    counts = []
    for n in range(1, 6):
        series.end("succeeded", float(n))
        (one,) = told(meter).series
        assert one.runtime is not None
        counts.append((one.succeeded, one.runtime.count, one.runtime.total))
    assert counts == [(1, 1, 1.0), (2, 2, 3.0), (3, 3, 6.0), (4, 4, 10.0), (5, 5, 15.0)]


@pytest.mark.parametrize(
    ("seconds", "counted"),
    [(-1.0, 0.0), (float("nan"), 0.0), (float("inf"), MOST_SECONDS), (1e308, MOST_SECONDS), (float("-inf"), 0.0)],
)
def test_a_runtime_that_cannot_be_is_counted_and_the_sum_stays_finite(
    meter: Meter, seconds: float, counted: float
) -> None:
    for _ in range(3):
        meter.series_of("default", "shop.pack").end("succeeded", seconds)
    (one,) = told(meter).series
    assert one.runtime is not None and (one.runtime.count, one.runtime.total) == (3, 3 * counted)
    assert decode(encode(a_gossip(series=(one,)))) == a_gossip(series=(one,))


def test_a_negative_wait_counts_as_none_and_is_counted(meter: Meter) -> None:
    series = meter.series_of("default", "shop.pack")
    for wait in (-5.0, 0.0, -0.1, 2.0, -1e308):
        series.start(wait)
    telling = told(meter)
    (one,) = telling.series
    assert telling.skewed == 3
    assert one.wait is not None and (one.wait.count, one.wait.total) == (5, 2.0)
    assert one.wait.buckets[0] == (0, 4, 4)


def test_kinds_of_exceptions_are_bounded(meter: Meter) -> None:
    series = meter.series_of("default", "shop.pack")
    for n in range(100):
        series.end("failed", kind=f"Error{n}")
        series.end("failed", kind="Error0")
    (one,) = told(meter).series
    assert len(one.failed) == MOST_KINDS
    assert (one.failed["Error0"], one.failed[OTHER], sum(one.failed.values())) == (101, 81, 200)
    assert decode(encode(a_gossip(series=(one,)))) == a_gossip(series=(one,))


def test_kinds_of_exceptions_are_made_plain(meter: Meter) -> None:
    for kind in ("a\nb", "a\\nb", "K" * 300, "K" * 400):
        meter.series_of("default", "shop.pack").end("failed", kind=kind)
    assert told(meter).series[0].failed == {"a\\nb": 2, "K" * MAX_NAME: 2}


def test_a_failure_without_a_class_is_another(meter: Meter) -> None:
    meter.series_of("default", "shop.pack").end("failed")
    assert told(meter).series[0].failed == {OTHER: 1}


def test_several_threads_count_and_none_is_lost(meter: Meter) -> None:
    count, telling = 3000, threading.Event()

    def work() -> None:
        for n in range(count):
            series = meter.series_of("default", f"task-{n % 7}")
            series.receive()
            series.start(0.1 * (n % 3))
            series.end(*(("succeeded", 1.0, ""), ("failed", 1.0, "KeyError"))[n % 2])

    def tell() -> None:
        while not telling.is_set():
            told(meter)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        workers = [threading.Thread(target=work) for _ in range(4)]
        teller = threading.Thread(target=tell)
        for thread in (*workers, teller):
            thread.start()
        for thread in workers:
            thread.join()
        telling.set()
        teller.join()
    finally:
        sys.setswitchinterval(interval)
    latest: dict[str, TaskSeries] = {}
    for _ in range(20):
        latest.update(by_task(told(meter)))
    assert sum(one.received for one in latest.values()) == 4 * count
    assert sum(one.started for one in latest.values()) == 4 * count
    assert sum(one.succeeded + one.failed["KeyError"] for one in latest.values()) == 4 * count
    assert sum(one.runtime.count for one in latest.values() if one.runtime) == 4 * count
    assert sum(one.wait.count for one in latest.values() if one.wait) == 4 * count


# Names.


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\ud800", "\u202eevil", "q" * 400, 'a"b\\c', "größe"], ids=ascii)
def test_names_are_made_plain(meter: Meter, name: str) -> None:
    meter.series_of(name, name).receive()
    (one,) = told(meter).series
    assert one.queue == one.task and one.queue.isprintable() and len(one.queue) <= MAX_NAME
    assert decode(encode(a_gossip(series=(one,)))) == a_gossip(series=(one,))


def test_names_that_are_told_alike_are_one_series(meter: Meter) -> None:
    """Told apart, each would seem to a listener to be what the other was a moment ago."""
    for end in ("one", "two"):
        meter.series_of("default", "t" * MAX_NAME + end).receive()
    meter.series_of("default", "a\nb").receive()
    meter.series_of("default", "a\\nb").receive()
    assert sorted((one.task[0], one.received) for one in told(meter).series) == [("a", 2), ("t", 2)]


def test_a_series_is_the_same_object_each_time(meter: Meter) -> None:
    assert meter.series_of("a", "b") is meter.series_of("a", "b")
    assert meter.series_of("a", "b\n") is meter.series_of("a", "b\n")


# Too many.


def fill(meter: Meter, queue: str = "full") -> None:
    for n in range(MAX_SERIES):
        meter.series_of(queue, f"task-{n}").receive()


def in_turn(meter: Meter, rounds: int = 3 * MAX_SERIES) -> tuple[dict[tuple[str, str], TaskSeries], Telling]:
    """The latest of every series that was told, and the latest telling."""
    latest: dict[tuple[str, str], TaskSeries] = {}
    telling = Telling()
    for _ in range(rounds):
        telling = told(meter)
        latest.update({(one.queue, one.task): one for one in telling.series})
    return latest, telling


def test_beyond_the_bound_tasks_share_a_series_per_queue(meter: Meter) -> None:
    fill(meter)
    for n in range(10):
        meter.series_of("full", f"late-{n}").receive()
        meter.series_of("other queue", f"late-{n % 2}").receive()
    latest, telling = in_turn(meter)
    assert len(latest) == MAX_SERIES + 2
    assert (latest["full", OTHER].received, latest["other queue", OTHER].received) == (10, 10)
    assert telling.overflowed == 20


def test_what_was_known_before_is_still_counted_apart(meter: Meter) -> None:
    fill(meter)
    meter.series_of("full", "late").receive()
    meter.series_of("full", "task-7").receive()
    latest, telling = in_turn(meter)
    assert (latest["full", "task-7"].received, telling.overflowed) == (2, 1)


def test_shared_series_are_bounded_too(meter: Meter) -> None:
    fill(meter)
    for n in range(1000):
        meter.series_of(f"queue-{n}", "late").receive()
    latest, telling = in_turn(meter)
    shared = {key: one.received for key, one in latest.items() if key[1] == OTHER}
    assert len(shared) == room._MAX_OVERFLOWS + 1
    assert shared[OTHER, OTHER] == 1000 - room._MAX_OVERFLOWS
    assert sum(one.received for one in latest.values()) == MAX_SERIES + 1000 == MAX_SERIES + telling.overflowed


@pytest.mark.parametrize("is_first", [True, False])
def test_a_task_that_is_called_other_shares_the_series_of_the_others(meter: Meter, is_first: bool) -> None:
    if is_first:
        meter.series_of("full", OTHER).receive()
    fill(meter)  # one is too many, then
    meter.series_of("full", "late").receive()
    meter.series_of("full", "later").receive()
    meter.series_of("full", OTHER).receive()
    latest, _ = in_turn(meter)
    assert latest["full", OTHER].received == (5 if is_first else 3)


# Told three times, and in its turn.


def listing(meter: Meter, task: str, rounds: int) -> list[bool]:
    return [task in by_task(told(meter)) for _ in range(rounds)]


@pytest.fixture
def many(meter: Meter) -> Meter:
    """A meter of 100 tasks that has told everything; `quiet` tells which of them is not soon in its turn."""
    for n in range(100):
        meter.series_of("default", f"task-{n}").receive()
    tell_until_quiet(meter)
    return meter


def far_from_its_turn(meter: Meter) -> Series:
    (soon,) = told(meter).series
    at = int(soon.task.removeprefix("task-"))
    return meter.series_of("default", f"task-{(at + 50) % 100}")


def test_a_change_is_told_in_three_gossips(many: Meter) -> None:
    series = far_from_its_turn(many)
    series.receive()
    assert listing(many, series.task, rounds=6) == [True, True, True, False, False, False]


def test_a_change_while_a_gossip_is_on_its_way_is_told_in_three_of_its_own(many: Meter) -> None:
    series = far_from_its_turn(many)
    series.receive()
    telling = many.tell()
    series.receive()
    many.commit(len(telling.series))
    assert [by_task(told(many))[series.task].received for _ in range(3)] == [3, 3, 3]
    assert listing(many, series.task, rounds=2) == [False, False]


def test_everything_is_told_in_its_turn(many: Meter) -> None:
    seen: Counter[str] = Counter()
    for _ in range(200):
        seen.update(one.task for one in told(many).series)
    assert seen == Counter({f"task-{n}": 2 for n in range(100)})


def test_in_its_turn_a_series_tells_all_its_buckets(meter: Meter) -> None:
    series = meter.series_of("default", "shop.pack")
    for seconds in (0.1, 1.0, 10.0):
        series.end("succeeded", seconds)
    tell_until_quiet(meter)
    expected = {bucket_of(seconds): (1, 0) for seconds in (0.1, 1.0, 10.0)}
    assert buckets_of(told(meter).series[0]) == expected


def test_out_of_its_turn_a_series_tells_the_buckets_that_changed(many: Meter) -> None:
    series = far_from_its_turn(many)
    series.end("succeeded", 1.0)
    for _ in range(3):
        told(many)
    series.end("succeeded", 2.0)
    assert buckets_of(by_task(told(many))[series.task]) == {bucket_of(2.0): (1, 1)}


def test_recent_is_what_is_new_in_the_latest_three_gossips(many: Meter) -> None:
    series = far_from_its_turn(many)
    bucket, recents = bucket_of(1.0), []
    for new in (1, 10, 100, 1000, 0, 0, 0):
        for _ in range(new):
            series.end("succeeded", 1.0)
        listed = by_task(told(many)).get(series.task)
        recents.append(None if listed is None else buckets_of(listed).get(bucket))
    assert recents == [(1, 1), (11, 11), (111, 111), (1111, 1110), (1111, 1100), (1111, 1000), None]


# Not sent.


def test_nothing_is_lost_while_the_broker_is_away(many: Meter) -> None:
    series = far_from_its_turn(many)
    for _ in range(50):
        series.end("succeeded", 1.0)
        assert by_task(many.tell())[series.task].succeeded > 0
    for _ in range(3):
        one = by_task(told(many))[series.task]
        assert (one.succeeded, buckets_of(one)) == (50, {bucket_of(1.0): (50, 50)})
    assert listing(many, series.task, rounds=2) == [False, False]


def test_what_is_in_its_turn_waits_until_it_is_sent(many: Meter) -> None:
    turns = [tuple(by_task(many.tell())) for _ in range(10)]
    assert len(set(turns)) == 1
    assert tuple(by_task(told(many))) == turns[0] != tuple(by_task(told(many)))


def test_what_did_not_fit_is_told_later_as_often_as_the_rest(meter: Meter) -> None:
    for n in range(10):
        meter.series_of("default", f"task-{n}").receive()
    sent: Counter[str] = Counter()
    while meter.changed:
        telling = meter.tell()
        fitting = telling.series[: (len(telling.series) + 1) // 2]
        meter.commit(len(fitting))
        sent.update(one.task for one in fitting)
    assert len(sent) == 10 and min(sent.values()) >= 3


def test_it_is_behind_until_everything_is_told_twice(meter: Meter) -> None:
    assert not meter.is_behind
    meter.series_of("default", "shop.pack").receive()
    behind = [meter.is_behind]
    for _ in range(3):
        told(meter)
        behind.append(meter.is_behind)
    assert behind == [True, True, False, False]


# Within its room.


def as_gossip(telling: Telling, **fields: Any) -> Gossip:
    return a_gossip(
        series=telling.series, overflowed=telling.overflowed, skewed=telling.skewed, seq=2**53, sent_at=1e10, **fields
    )


def send(meter: Meter, **fields: Any) -> tuple[TaskSeries, ...]:
    """As the sender does it; what a listener reads."""
    gossip, body = fitted(as_gossip(meter.tell(), **fields))
    assert len(body) <= MAX_BYTES
    meter.commit(len(gossip.series))
    read = decode(body)
    assert isinstance(read, Gossip) and read.series == gossip.series
    return read.series


EVERY_BUCKET = [seconds_in(bucket) for bucket in range(MOST_BUCKETS)]


def test_a_busy_worker_keeps_within_its_budget(meter: Meter) -> None:
    """500 series of a hundred buckets each, which all change all the time."""
    for n in range(MAX_SERIES):
        series = meter.series_of("default", f"project.tasks.some_module.task_{n}")
        for bucket in range(400, 500):
            series.end("succeeded", seconds_in(bucket))
    tell_until_quiet(meter)
    sizes, seen = [], Counter[str]()
    for round_number in range(60):
        for n in range(MAX_SERIES):
            meter.series_of("default", f"project.tasks.some_module.task_{n}").end("failed", 0.1, "KeyError")
        gossip, body = fitted(as_gossip(meter.tell()))
        meter.commit(len(gossip.series))
        sizes.append(len(body))
        if round_number >= 10:
            seen.update(one.task for one in gossip.series)
    assert max(sizes) < room._BUDGET + 1024
    assert len(seen) == MAX_SERIES, "each within 50 rounds"
    assert max(seen.values()) - min(seen.values()) <= 2, "and none more often than another"


HOSTILE = ['"' * 400, "\\" * 400, "\U0001f600" * 400, "\n" * 400, "日" * 400]


@pytest.mark.parametrize("checks", [1, 100])
def test_hostile_names_every_bucket_and_every_kind_of_500_series_are_told_within_a_bounded_number_of_rounds(
    meter: Meter, checks: int
) -> None:
    queues = tuple(a_check(f"queue-{n}", active=("x" * 36,) * 100) for n in range(checks))
    names = [(HOSTILE[n % 5], f"{n}{HOSTILE[n // 5 % 5]}") for n in range(MAX_SERIES)]
    for queue, task in names:
        series = meter.series_of(queue, task)
        for n, seconds in enumerate(EVERY_BUCKET):
            series.start(seconds)
            series.end("failed" if n < 30 else "succeeded", seconds, f"{n}{HOSTILE[n % 5]}")
    seen: set[tuple[str, str]] = set()
    rounds = 0
    while len(seen) < MAX_SERIES and rounds <= MAX_SERIES:
        seen.update((one.queue, one.task) for one in send(meter, checks=queues))
        rounds += 1
    assert rounds <= MAX_SERIES


@given(
    sizes=st.lists(st.integers(0, MOST_BUCKETS), min_size=1, max_size=12),
    names=st.lists(st.text(max_size=300), min_size=1, max_size=5),
    kinds=st.lists(st.text(max_size=300), max_size=25),
)
@settings(max_examples=30, deadline=None)
def test_the_size_of_a_series_is_never_told_too_small(sizes: list[int], names: list[str], kinds: list[str]) -> None:
    meter = Meter(FakeClock(1e9 + 0.123456789))
    for n, size in enumerate(sizes):
        series = meter.series_of(names[n % len(names)], names[-1])
        for seconds in EVERY_BUCKET[:size]:
            series.start(seconds * 1.01)
            series.end("succeeded", seconds * 0.99)
        for kind in kinds:
            series.end("failed", kind=kind)
    bare = len(encode(a_gossip()))
    for series in meter._series.values():
        for is_whole in (False, True):
            expected = series.size(is_whole=is_whole)
            told_alone = encode(a_gossip(series=(series.tell(2e9, is_whole=is_whole),)))
            if len(told_alone) > bare:  # it has not been too long for a gossip
                assert len(told_alone) - bare <= expected


# Followed by somebody who misses a few.


@pytest.fixture
def losses() -> Iterator[Iterator[bool]]:
    yield iter([False, True, False, False, True, True] * 1000)


def test_a_follower_who_misses_up_to_two_gossips_in_a_row_knows_every_bucket(
    meter: Meter, losses: Iterator[bool]
) -> None:
    """As the listener reads it: what it never heard of a bucket before is `count - recent`, what is new the rest."""
    followed: Counter[int] = Counter()
    known: dict[int, int] = {}
    series = meter.series_of("default", "shop.pack")
    for n in range(70):
        for k in range(n % 4 if n < 60 else 0):
            series.end("succeeded", 1.05 ** (n + k))
        for one in told(meter).series:
            if next(losses) or one.runtime is None:
                continue
            for bucket, count, recent in one.runtime.buckets:
                followed[bucket] += count - known.get(bucket, count - recent)
                known[bucket] = count
    (one,) = told(meter).series
    assert followed == {bucket: count for bucket, (count, _) in buckets_of(one).items()}


# A lock that is not free.


def test_a_thread_that_cannot_count_in_time_gives_up_so_that_a_pool_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "_LOCK_PATIENCE", 0.01)
    meter = Meter()
    series = meter.series_of("mail", "send")
    with meter.lock, ThreadPoolExecutor(1) as pool:  # as a cold shutdown, which joins the pool in a signal handler
        failed = pool.submit(series.receive).exception(timeout=5)
    assert isinstance(failed, TimeoutError)
    series.receive()
    assert meter.tell().series[0].received == 1


def test_a_signal_handler_may_count_while_its_thread_counts() -> None:
    meter = Meter()
    series = meter.series_of("mail", "send")
    with meter.changing:
        series.receive()
        meter.series_of("mail", "other").receive()
    assert sum(one.received for one in meter.tell().series) == 2
