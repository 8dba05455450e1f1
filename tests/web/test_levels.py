"""Backlogs, ages, memory and CPU time over time, as a dashboard keeps them; and their rows."""

import tracemalloc
from typing import Any

import pytest

from celery_gossip.web.level_history import LevelHistory, LevelStep
from celery_gossip.web.schema import Level
from celery_gossip.web.snapshot import Sampler, Snapshot
from celery_gossip.web.subject import build_levels, build_tables
from celery_gossip.web.topic import Subject
from celery_gossip.wire.messages import Resources
from tests.unit.build import OTHER_BOOT, a_check
from tests.web.fake_fleet import WALL, FakeFleet

MIB = 1 << 20


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


def fine(steps: list[LevelStep]) -> list[tuple[float, Any]]:
    return [(step.start, step.values[0]) for step in steps if step.size == 10.0]


def coarse(steps: list[LevelStep]) -> list[tuple[float, Any]]:
    return [(step.start, step.values[0]) for step in steps if step.size == 60.0]


def test_a_step_has_the_highest_of_its_values() -> None:
    history = LevelHistory(figures=2, max_subjects=10)
    for at, value in ((1200.0, 3.0), (1204.0, 9.0), (1209.0, 5.0), (1210.0, 1.0)):
        history.add(at, [("mail", (value, None))])
    assert history.series("mail", 1215.0) == [
        LevelStep(10.0, 1200.0, (9.0, None)),
        LevelStep(10.0, 1210.0, (1.0, None)),
        LevelStep(60.0, 1200.0, (9.0, None)),
    ]


def test_steps_without_a_known_value_are_left_out_and_zero_is_known() -> None:
    history = LevelHistory(figures=1, max_subjects=10)
    for at, value in ((1200.0, 0.0), (1230.0, None), (1250.0, 4.0)):
        history.add(at, [("mail", (value,))])
    assert fine(history.series("mail", 1250.0)) == [(1200.0, 0.0), (1250.0, 4.0)]
    assert history.series("other", 1250.0) == []


def test_old_steps_are_never_shown_as_new_ones() -> None:
    """The rings are read also if a subject has had no value for longer than they are."""
    history = LevelHistory(figures=1, max_subjects=10)
    for at in range(0, 7200, 10):
        history.add(float(at), [("mail", (float(at),))])
    steps = history.series("mail", 7199.0)
    assert fine(steps)[-1] == (7190.0, 7190.0) and fine(steps)[0][0] >= 7190 - 620
    assert coarse(steps) == [(float(at), at + 50.0) for at in range(0, 7200, 60)]
    history.add(9000.0, [("mail", (1.0,))])
    steps = history.series("mail", 9000.0)
    assert fine(steps) == [(9000.0, 1.0)]
    assert coarse(steps)[-2:] == [(7140.0, 7190.0), (9000.0, 1.0)]
    assert fine(history.series("mail", 12_000.0)) == []
    assert coarse(history.series("mail", 30_000.0)) == []


def test_a_long_history_is_bounded_to_three_hours() -> None:
    history = LevelHistory(figures=1, max_subjects=10)
    for at in range(0, 40_000, 10):
        history.add(float(at), [("mail", (float(at),))])
    steps = history.series("mail", 39_990.0)
    assert len(fine(steps)) == 62 and len(coarse(steps)) == 182
    assert all(value == start for start, value in fine(steps))
    assert all(value == start + 50 for start, value in coarse(steps)[:-1])


def test_a_full_table_drops_subjects_that_are_gone_but_none_in_use() -> None:
    history = LevelHistory(figures=1, max_subjects=3)
    history.add(0.0, [("old", (1.0,))])
    history.add(100.0, [("a", (1.0,)), ("b", (1.0,)), ("c", (1.0,))])
    assert (len(history), history.series("old", 100.0), len(fine(history.series("c", 100.0)))) == (3, [], 1)
    history.add(110.0, [("d", (1.0,))])
    assert (len(history), history.series("d", 110.0)) == (3, [])
    history.add(11_200.0, [])
    assert len(history) == 0


def test_a_thousand_workers_with_ten_queues_take_four_megabytes() -> None:
    history, queues = LevelHistory(figures=3, max_subjects=2000), LevelHistory(figures=3, max_subjects=2000)
    tracemalloc.start()
    try:
        history.add(0.0, [(f"celery@web{number}", (1.0, 2.0, 3.0)) for number in range(1000)])
        queues.add(0.0, [(f"queue{number}", (1.0, 2.0, 3.0)) for number in range(10)])
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 4_000_000


def sample(fleet: FakeFleet, sampler: Sampler, topic: str) -> dict[str, Level]:
    return levels(fleet, sampler.sample(), topic)


def levels(fleet: FakeFleet, snapshot: Snapshot, topic: str) -> dict[str, Level]:
    kind, _, name = topic.partition(":")
    return dict(build_tables(Subject(kind, "0", name), {"0": snapshot}, {"0": fleet})["levels"])  # type: ignore[arg-type]


def test_the_backlog_and_the_age_of_a_queue_are_recorded(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(checks=(a_check("mail"),))
    for waiting in (7, 3):
        fleet.cluster.set_queue_lengths({"mail": waiting}, fleet.clock.now)
        sampler.sample()
        fleet.clock.advance(2.5)
    row = sample(fleet, sampler, "queue:mail")["10/1800001000.0"]
    assert (row.size, row.start, row.backlog) == (10.0, WALL + 1000, 7)
    assert (row.rss, row.cpu) == (None, None)
    whole = sample(fleet, sampler, "pace:")["60/1800000960.0"]
    assert whole.backlog == 7


def test_an_age_of_which_nothing_is_known_is_not_zero(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(checks=(a_check("mail"), a_check("empty")))
    fleet.cluster.set_queue_lengths({"mail": 7, "empty": 0}, fleet.clock.now)
    ages = {}
    snapshot = sampler.sample()
    for topic in ("queue:mail", "queue:empty", "pace:"):
        (row, _) = levels(fleet, snapshot, topic).values()
        ages[topic] = (row.oldest_min, row.oldest_max)
    assert ages == {"queue:mail": (None, None), "queue:empty": (0.0, 0.0), "pace:": (None, None)}


def test_an_unknown_backlog_is_a_gap(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(checks=(a_check("mail"),), interval=60.0)
    for waiting in (7, None, 5):
        fleet.cluster.set_queue_lengths({"mail": waiting}, fleet.clock.now)
        snapshot = sampler.sample()
        fleet.clock.advance(10)
    rows = levels(fleet, snapshot, "queue:mail").values()
    assert [(row.start - WALL, row.backlog) for row in rows if row.size == 10.0] == [(1000.0, 7), (1020.0, 5)]


def report(fleet: FakeFleet, sampler: Sampler, cpu: float, rss: int = 100, **fields: Any) -> None:
    resources = Resources(rss=rss * MIB, children_rss=20 * MIB, memory_used=90 * MIB, cpu_seconds=cpu)
    fleet.report(resources=resources, **fields)
    sampler.sample()
    fleet.clock.advance(5)


def test_memory_and_cpu_time_of_a_worker_are_recorded(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    for cpu in (10.0, 12.5, 20.0, 20.0):
        report(fleet, sampler, cpu)
    rows = [row for row in sample(fleet, sampler, "worker:celery@web1").values() if row.size == 10.0]
    assert [(row.start - WALL, row.rss, row.memory_used, row.cpu) for row in rows] == [
        (1000.0, 120 * MIB, 90 * MIB, 0.5),
        (1010.0, 120 * MIB, 90 * MIB, 1.5),
        (1020.0, 120 * MIB, 90 * MIB, 0.0),  # the latest report counts until the next one is overdue
    ]


def test_the_cpu_rate_is_unknown_after_a_restart_and_if_the_time_decreases(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    for cpu, fields in ((10.0, {}), (1.0, {"boot": OTHER_BOOT}), (0.5, {"boot": OTHER_BOOT})):
        report(fleet, sampler, cpu, **fields)
    assert {row.cpu for row in sample(fleet, sampler, "worker:celery@web1").values()} == {None}


def test_resources_that_are_not_reported_any_more_are_a_gap(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    report(fleet, sampler, 1.0)
    for _ in range(10):
        fleet.report()
        sampler.sample()
        fleet.clock.advance(5)
    rows = sample(fleet, sampler, "worker:celery@web1").values()
    assert [row.start - WALL for row in rows if row.size == 10.0] == [1000.0]


def test_the_sum_of_all_workers_is_unknown_until_each_has_reported(fleet: FakeFleet) -> None:
    """Every fifth report contains resources: after a start, a sum would grow for some seconds without a reason."""
    sampler = fleet.sampler()
    fleet.report("w@1", resources=Resources(rss=100 * MIB, cpu_seconds=1.0))
    fleet.report("w@2")
    sampler.sample()
    assert sample(fleet, sampler, "pace:") == {}
    fleet.clock.advance(3)
    fleet.report("w@2", resources=Resources(rss=50 * MIB, cpu_seconds=1.0))
    assert {row.rss for row in sample(fleet, sampler, "pace:").values()} == {150 * MIB}


def test_a_worker_that_reports_no_resources_does_not_hide_those_of_the_others(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    for second in range(10):
        fleet.report("w@1", resources=Resources(rss=100 * MIB, cpu_seconds=second * 2.0))
        fleet.report("w@2")
        sampler.sample()
        fleet.clock.advance(3)
    rows = [row for row in sample(fleet, sampler, "pace:").values() if row.size == 10.0]
    assert rows[0].start == WALL + 1000 and {row.rss for row in rows} == {100 * MIB}
    assert {row.cpu for row in rows} == {None, 0.667}


def test_nothing_is_recorded_while_the_listener_is_isolated(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(checks=(a_check("mail"),))
    fleet.cluster.set_queue_lengths({"mail": 7}, fleet.clock.now)
    fleet.cluster.set_isolated(fleet.clock.now)
    assert sample(fleet, sampler, "queue:mail") == {}
    fleet.cluster.clear_isolated(fleet.clock.now)
    fleet.clock.advance(2)
    assert sample(fleet, sampler, "queue:mail") != {}


def test_levels_of_all_sources_are_summed_and_unknown_where_one_is(fleet: FakeFleet) -> None:
    other = FakeFleet()
    samplers = {"0": fleet.sampler("0"), "1": other.sampler("1")}
    for number in range(3):
        for source, one in (("0", fleet), ("1", other)):
            one.report(checks=(a_check("mail"),), interval=60.0)
            one.cluster.set_queue_lengths({"mail": None if (source, number) == ("1", 1) else 4}, one.clock.now)
        snapshots = {source: sampler.sample() for source, sampler in samplers.items()}
        fleet.clock.advance(10)
        other.clock.advance(10)
    rows = build_levels(Subject("pace"), snapshots, 600.0).values()
    assert [(row.start - WALL, row.backlog) for row in rows] == [(1000.0, 8), (1010.0, None), (1020.0, 8)]
    assert [row.backlog for row in build_levels(Subject("pace", "0"), snapshots, 600.0).values()] == [4, 4, 4]


def test_a_window_selects_the_step_size(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    for _ in range(30):
        fleet.report(checks=(a_check("mail"),), interval=60.0)
        fleet.cluster.set_queue_lengths({"mail": 4}, fleet.clock.now)
        snapshot = sampler.sample()
        fleet.clock.advance(10)
    for window, size, count in ((100.0, 10.0, 10), (600.0, 10.0, 30), (3600.0, 60.0, 6)):
        rows = build_levels(Subject("queue", "0", "mail"), {"0": snapshot}, window)
        assert {row.size for row in rows.values()} == {size}
        assert count <= len(rows) <= count + 1
    assert build_levels(Subject("task", "0", "shop.pack"), {"0": snapshot}, 600.0) == {}
    assert build_levels(Subject("queue", "9", "mail"), {"0": snapshot}, 600.0) == {}
