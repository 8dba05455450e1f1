"""What happened when: frames that are thinned and bounded, and give the same sums whatever their tier."""

import pytest

from celery_gossip import history as room
from celery_gossip.histogram import bucket_of
from celery_gossip.history import History, beginning
from celery_gossip.throughput import Tally


def a_tally(succeeded: int = 1, seconds: float = 0.1) -> Tally:
    tally = Tally()
    tally.counts[2] = succeeded
    tally.runtime = {bucket_of(seconds): succeeded}
    tally.runtime_total = succeeded * seconds
    return tally


def succeeded(history: History, now: float, window: float, name: str = "mail") -> int:
    tallies = history.window(beginning(now, window))
    return tallies[name].counts[2] if name in tallies else 0


@pytest.fixture
def history() -> History:
    return History(most_cells=100_000)


def test_a_window_is_the_sum_of_what_happened_in_it(history: History) -> None:
    for second in range(100):
        history.add("mail", a_tally(), 1000.0 + second)
    assert succeeded(history, now=1099.9, window=10.0) == 10
    assert succeeded(history, now=1099.9, window=60.0) == 60


def test_old_frames_are_thinned_without_losing_anything(history: History) -> None:
    for second in range(3600):
        history.add("mail", a_tally(), 36_000.0 + second)
    assert succeeded(history, now=39_599.9, window=3600.0) == pytest.approx(3600, abs=60)
    assert succeeded(history, now=39_599.9, window=300.0) == pytest.approx(300, abs=10)
    assert sum(len(tier) for tier in history._tiers) <= 120 + 60 + 60 + 3


def test_what_is_older_than_three_hours_is_gone(history: History) -> None:
    history.add("mail", a_tally(), 0.0)
    for minute in range(1, 182):
        history.add("other", a_tally(), minute * 60.0)
    assert succeeded(history, now=181 * 60.0, window=10_800.0) == 0
    assert succeeded(history, now=181 * 60.0, window=10_800.0, name="other") >= 179


def test_steps_tell_what_happened_in_each_frame(history: History) -> None:
    for second, count in ((1000.2, 1), (1000.9, 2), (1003.5, 4)):
        history.add("mail", a_tally(count), second)
    steps = list(history.steps("mail", since=1000.0))
    assert [(start, seconds, tally.counts[2]) for start, seconds, tally in steps] == [(1000, 1.0, 3), (1003, 1.0, 4)]


def test_a_packed_tally_is_the_same_when_it_is_unpacked() -> None:
    tally = a_tally(3, seconds=2.5)
    tally.counts, tally.failures = [1, 2, 3, 4, 5, 6, 7], {"KeyError": 4}
    tally.wait, tally.wait_total = {1: 2, 700: 1}, 12.25
    same = Tally.unpacked(tally.packed())
    assert all(getattr(same, name) == getattr(tally, name) for name in Tally.__slots__)


def test_figures_beyond_all_reason_do_not_break_it() -> None:
    tally = a_tally()
    tally.counts, tally.runtime_total = [2**53] * 7, 1e300
    tally.add(tally)
    assert Tally.unpacked(tally.packed()).counts == [2**54] * 7


def test_there_is_a_bound_and_the_oldest_go_first() -> None:
    history = History(most_cells=200)
    for second in range(100):
        for worker in range(10):
            history.add(f"w{worker}", a_tally(), 1000.0 + second)
    assert history._cells <= 210
    assert history._cells == sum(len(frame.open) + len(frame.cells) for tier in history._tiers for frame in tier)
    assert len(history.window(beginning(1099.9, 10.0))) == 10


def test_one_moment_tells_so_many_names_apart_and_not_more(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MAX_NAMES", 5)
    for worker in range(10):
        history.add(f"w{worker}", a_tally(), 1000.0)
    assert len(history.window(0.0)) == 5
