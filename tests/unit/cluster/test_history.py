"""Throughput over time: buckets are downsampled and bounded, and give the same sums at every resolution."""

import pytest

from celery_gossip.cluster import history as history_module
from celery_gossip.cluster.history import History, iterate_steps, sum_by_name, window_start
from celery_gossip.cluster.throughput import ThroughputSum
from celery_gossip.wire.histogram import bucket_index


def a_sum(succeeded: int = 1, seconds: float = 0.1) -> ThroughputSum:
    total = ThroughputSum()
    total.counts[2] = succeeded
    total.runtime = {bucket_index(seconds): succeeded}
    total.runtime_total = succeeded * seconds
    return total


def succeeded(history: History, now: float, window: float, name: str = "mail") -> int:
    sums = sum_by_name(history.snapshot(window_start(now, window)))
    return sums[name].counts[2] if name in sums else 0


@pytest.fixture
def history() -> History:
    return History(max_entries=100_000)


def test_a_window_is_the_sum_of_what_happened_in_it(history: History) -> None:
    for second in range(100):
        history.add("mail", a_sum(), 1000.0 + second)
    assert succeeded(history, now=1099.9, window=10.0) == 10
    assert succeeded(history, now=1099.9, window=60.0) == 60


def test_old_frames_are_thinned_without_losing_anything(history: History) -> None:
    for second in range(3600):
        history.add("mail", a_sum(), 36_000.0 + second)
    assert succeeded(history, now=39_599.9, window=3600.0) == pytest.approx(3600, abs=60)
    assert succeeded(history, now=39_599.9, window=300.0) == pytest.approx(300, abs=10)
    assert sum(len(tier) for tier in history._tiers) <= 120 + 60 + 60 + 3


def test_what_is_older_than_three_hours_is_gone(history: History) -> None:
    history.add("mail", a_sum(), 0.0)
    for minute in range(1, 182):
        history.add("other", a_sum(), minute * 60.0)
    assert succeeded(history, now=181 * 60.0, window=10_800.0) == 0
    assert succeeded(history, now=181 * 60.0, window=10_800.0, name="other") >= 179


def test_steps_tell_what_happened_in_each_frame(history: History) -> None:
    for second, count in ((1000.2, 1), (1000.9, 2), (1003.5, 4)):
        history.add("mail", a_sum(count), second)
    steps = list(iterate_steps(history.snapshot(since=1000.0), "mail"))
    assert [(start, seconds, total.counts[2]) for start, seconds, total in steps] == [(1000, 1.0, 3), (1003, 1.0, 4)]


def test_a_packed_sum_is_the_same_when_it_is_unpacked() -> None:
    total = a_sum(3, seconds=2.5)
    total.counts, total.failures = [1, 2, 3, 4, 5, 6, 7], {"KeyError": 4}
    total.wait, total.wait_total = {1: 2, 700: 1}, 12.25
    same = ThroughputSum.unpack(total.pack())
    assert all(getattr(same, name) == getattr(total, name) for name in ThroughputSum.__slots__)


def test_figures_beyond_all_reason_do_not_break_it() -> None:
    total = a_sum()
    total.counts, total.runtime_total = [2**53] * 7, 1e300
    total.add(total)
    assert ThroughputSum.unpack(total.pack()).counts == [2**54] * 7


def test_there_is_a_bound_and_the_oldest_go_first() -> None:
    history = History(max_entries=200)
    for second in range(100):
        for worker in range(10):
            history.add(f"w{worker}", a_sum(), 1000.0 + second)
    assert history._entries <= 210
    assert history._entries == sum(len(bucket.open) + len(bucket.packed) for tier in history._tiers for bucket in tier)
    assert len(sum_by_name(history.snapshot(window_start(1099.9, 10.0)))) == 10


def test_one_moment_tells_so_many_names_apart_and_not_more(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "_MAX_NAMES", 5)
    for worker in range(10):
        history.add(f"w{worker}", a_sum(), 1000.0)
    assert len(sum_by_name(history.snapshot(0.0))) == 5
