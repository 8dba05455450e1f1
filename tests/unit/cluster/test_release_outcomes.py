"""Failures by release: compared within the same minute and the same task, and not judged by chance."""

from collections.abc import Iterable
from random import Random

import pytest

from celery_gossip.cluster import release_outcomes as module
from celery_gossip.cluster.release_outcomes import ReleaseOutcome, ReleaseOutcomes, compare_releases
from celery_gossip.cluster.statistics import TaskStatistics
from tests.unit.build import OTHER_BOOT, FakeClock, a_gossip, a_series

Minute = dict[str, tuple[int, int]]  # release: (ended, failed)


def compared(*minutes: Minute, task: str = "shop.pack") -> dict[str, ReleaseOutcome]:
    entries = [{("mail", task, release): counts for release, counts in minute.items()} for minute in minutes]
    return {one.release: one for one in compare_releases(entries).get("mail", ())}


def test_a_release_is_compared_with_all_others_together() -> None:
    (v42, *_) = compared({"v40": (60, 0), "v41": (140, 4), "v42": (100, 40)}).values()
    assert (v42.release, v42.ended, v42.failed, v42.other_ended, v42.other_failed) == ("v42", 100, 40, 200, 4)
    assert (v42.rate, v42.other_rate, v42.minutes, v42.task) == (0.4, 0.02, 1, "shop.pack")
    assert v42.chance < 1e-5


def test_the_release_that_fails_most_clearly_is_the_first() -> None:
    assert next(iter(compared({"v41": (500, 5), "v42": (500, 400)}))) == "v42"
    assert compared({"v41": (500, 5), "v42": (500, 400)})["v41"].chance == 1.0


@pytest.mark.parametrize("minute", [{"v41": (500, 5)}, {}], ids=["one release", "none"])
def test_without_a_second_release_there_is_nothing_to_compare(minute: Minute) -> None:
    assert compared(minute) == {}


def test_an_outage_before_the_second_release_does_not_count() -> None:
    outage: list[Minute] = [{"v41": (60, 60)}] * 5
    both: list[Minute] = [{"v41": (60, 1), "v42": (60, 1)}] * 3
    assert compared(*outage, *both)["v41"].failed == 3
    assert all(one.chance > 0.1 for one in compared(*outage, *both).values())


def test_an_outage_during_a_deployment_concerns_both() -> None:
    minutes: list[Minute] = [{"v41": (90, 0), "v42": (10, 0)}, {"v41": (10, 9), "v42": (90, 81)}]
    assert all(one.chance == 1.0 for one in compared(*minutes).values())


def test_a_release_that_runs_other_tasks_is_not_compared() -> None:
    entries = {("mail", "shop.safe", "v41"): (500, 0), ("mail", "shop.risky", "v42"): (500, 250)}
    assert compare_releases([entries]) == {}


def test_a_task_that_fails_often_under_both_does_not_hide_one_that_fails_under_one() -> None:
    entries = {
        ("mail", "shop.risky", "v41"): (200, 100),
        ("mail", "shop.risky", "v42"): (200, 100),
        ("mail", "shop.pack", "v41"): (200, 0),
        ("mail", "shop.pack", "v42"): (200, 120),
    }
    first = compare_releases([entries])["mail"][0]
    assert first.chance < 1e-5 and (first.release, first.task) == ("v42", "shop.pack")


@pytest.mark.parametrize(
    ("canary", "others", "is_clear"),
    [
        ((1, 1), (300, 0), False),
        ((20, 1), (300, 3), False),
        ((20, 3), (300, 3), False),
        ((20, 10), (300, 3), True),
        ((100, 15), (1000, 10), True),
        ((100, 5), (1000, 10), False),
        ((300, 270), (500, 250), True),
        ((50, 50), (50, 50), False),
        ((50, 0), (50, 0), False),
        ((0, 0), (50, 10), False),
    ],
)
def test_few_failures_prove_nothing(canary: tuple[int, int], others: tuple[int, int], is_clear: bool) -> None:
    found = compared({"v41": others, "v42": canary}).get("v42", ReleaseOutcome("v42", 0, 0, 0, 0))
    assert (found.chance <= 1e-5) is is_clear


def test_equal_releases_are_almost_never_told_apart() -> None:
    random = Random(7)

    def draw(ended: int, rate: float) -> tuple[int, int]:
        return ended, sum(random.random() < rate for _ in range(ended))

    minutes = [{"v41": draw(60, rate), "v42": draw(8, rate)} for rate in (0.01, 0.05, 0.3) for _ in range(300)]
    chances = [one.chance for minute in minutes for one in compared(minute).values()]
    assert min(chances) > 1e-4 and sum(chance < 0.01 for chance in chances) < 0.01 * len(chances)


def test_only_recent_minutes_are_kept() -> None:
    outcomes = ReleaseOutcomes()
    for minute in range(60):
        for release in ("v41", "v42"):
            outcomes.add(("mail", "shop.pack", release), 1, 0, 1000.0 + 60.0 * minute)
    kept = outcomes.copy(1000.0 + 59 * 60.0)
    assert len(kept) == 11 and len(outcomes._minutes) <= 13
    assert outcomes.copy(1e6) == []


def test_the_number_of_entries_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_ENTRIES", 100)
    outcomes = ReleaseOutcomes()
    for number in range(1000):
        outcomes.add(("mail", "shop.pack", f"v{number}"), 2, 1, 1000.0)
    (entries,) = outcomes.copy(1000.0)
    assert len(entries) == 100
    assert len(compare_releases([entries])["mail"]) == 10


def test_a_single_release_costs_no_copy() -> None:
    outcomes = ReleaseOutcomes()
    outcomes.add(("mail", "shop.pack", "v41"), 2, 1, 1000.0)
    assert outcomes.copy(1000.0) == []


# As part of the statistics.


def statistics() -> tuple[TaskStatistics, FakeClock]:
    from threading import Lock

    clock = FakeClock()
    made = TaskStatistics(clock, Lock())
    made.start(clock.now)
    return made, clock


def report(made: TaskStatistics, clock: FakeClock, release: str, seq: int, **series: object) -> None:
    boot, hostname = ("0123456789abcdef", "w1") if release == "v41" else (OTHER_BOOT, "w2")
    counted = a_series(age=0.0, received=0, **series)
    made.add_report(a_gossip(hostname=hostname, boot=boot, seq=seq, series=(counted,)), clock.now, release)


def totals(outcomes: Iterable[ReleaseOutcome]) -> dict[str, tuple[int, int]]:
    return {one.release: (one.ended, one.failed) for one in outcomes}


def test_increments_of_cumulative_counters_are_counted_once() -> None:
    made, clock = statistics()
    for seq in range(1, 4):  # each series is repeated in three reports
        report(made, clock, "v41", seq, succeeded=7)
        report(made, clock, "v42", seq, succeeded=3, failed={"KeyError": 2})
    report(made, clock, "v42", 4, succeeded=4, failed={"KeyError": 5})
    assert totals(made.releases_by_queue()["default"]) == {"v41": (7, 0), "v42": (9, 5)}


def test_an_unknown_release_is_not_counted() -> None:
    made, clock = statistics()
    report(made, clock, "v41", 1, succeeded=7)
    report(made, clock, "", 1, succeeded=3)
    assert made.releases_by_queue() == {}


def test_messages_of_unregistered_tasks_are_no_failures_of_a_release() -> None:
    made, clock = statistics()
    report(made, clock, "v41", 1, succeeded=7)
    report(made, clock, "v42", 1, failed={"NotRegistered": 5})
    assert made.releases_by_queue() == {}
    assert [(one.task, one.count, one.hostnames) for one in made.unknown_tasks()] == [("shop.pack", 5, ("w2",))]
