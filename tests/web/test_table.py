"""Rows tell what the view has, with what had to be remembered; a time that did not change stays the same."""

from typing import Any

import pytest

from celery_gossip.diagnosis import Finding
from celery_gossip.web import overview, table
from celery_gossip.web.look import Look, Paced, Watch
from celery_gossip.web.subject import steps_of, tables_of
from celery_gossip.web.topic import Subject
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_check, a_histogram, a_series
from tests.web.scene import NOW, WALL, Fleet


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_a_queue_tells_slots_backlog_and_how_its_tasks_fare(fleet: Fleet) -> None:
    series = a_series(
        "mail", age=0.5, received=9, succeeded=6, failed={"KeyError": 2}, runtime=a_histogram((100, 8, 8))
    )
    fleet.say(concurrency=4, active=1, checks=(a_check("mail", active_count=1, reserved=2),), series=(series,))
    fleet.cluster.note_backlogs({"mail": 7}, NOW)
    fleet.clock.advance(10)
    (queue,) = table.queues([fleet.watch().look()]).values()
    assert (queue.name, queue.active, queue.reserved, queue.slots, queue.free_slots) == ("mail", 1, 2, 4, 3)
    assert (queue.backlog, queue.load, queue.failure_rate) == (7, 2.5, 0.25)
    assert queue.per_second == 0.8 and queue.runtime.p50 is not None and queue.wait.p50 is None


def test_a_worker_tells_its_state_with_a_reason_and_since_when_it_is_silent(fleet: Fleet) -> None:
    watch = fleet.watch()
    fleet.say()
    (worker,) = table.workers([watch.look()]).values()
    assert (worker.state, worker.reason, worker.silent_since) == ("online", "", None)
    fleet.clock.advance(5)
    fleet.cluster.expire(fleet.clock.now)
    (worker,) = table.workers([watch.look()]).values()
    assert worker.state == "suspect" and "silent" in worker.reason
    assert worker.silent_since == NOW + WALL


def test_rows_of_a_worker_that_does_the_same_are_equal_whenever_they_are_made(fleet: Fleet) -> None:
    watch, rows = fleet.watch(), []
    for _ in range(3):
        fleet.say(checks=(a_check(active=("id1",), active_count=1),))
        look = watch.look()
        rows.append((table.workers([look]), table.queues([look]), table.runs_of(look, queue="default")))
        fleet.clock.advance(1.0)
    assert rows[0] == rows[1] == rows[2]


def test_boots_are_counted_and_dated_where_they_were_heard_to_begin(fleet: Fleet) -> None:
    watch = fleet.watch()
    fleet.say(seq=50)
    watch.look()
    fleet.clock.advance(1)
    fleet.say(boot=OTHER_BOOT, seq=1)
    (worker,) = table.workers([watch.look()]).values()
    assert (worker.boot, worker.restarts, worker.booted_at) == (OTHER_BOOT, 1, NOW + 1 + WALL)


def test_a_worker_that_was_there_before_has_no_date_of_boot(fleet: Fleet) -> None:
    fleet.say(seq=50)
    (worker,) = table.workers([fleet.watch().look()]).values()
    assert (worker.boot, worker.restarts, worker.booted_at) == (BOOT, 0, None)


def test_a_task_that_runs_is_dated_when_it_is_first_seen(fleet: Fleet) -> None:
    watch = fleet.watch()
    fleet.say(checks=(a_check("mail", active=("old",), active_count=1),), seq=50)
    watch.look()
    fleet.clock.advance(3)
    fleet.say(checks=(a_check("mail", active=("old", "new"), active_count=2),), seq=51)
    runs = table.runs_of(watch.look(), queue="mail")
    assert [(run.id, run.seen_since - WALL, run.is_older) for run in runs.values()] == [
        ("old", NOW, True),
        ("new", NOW + 3, False),
    ]


def test_findings_know_what_they_are_about(fleet: Fleet) -> None:
    fleet.say(checks=(a_check("mail"),))
    subjects = {"mail": "queue", "celery@web1": "worker", "listener": "listener", "celery@gone": "worker"}
    fleet.findings = tuple(Finding("kind", "critical", subject, NOW, "text") for subject in subjects)
    found = overview.findings([fleet.watch().look()])
    assert {one.subject: one.subject_kind for one in found.values()} == subjects


def test_totals_are_of_each_source_and_of_all(fleet: Fleet) -> None:
    other = Fleet()
    fleet.say(active=3, series=(a_series(age=0.5, received=5, succeeded=5),))
    other.say(active=4, series=(a_series(age=0.5, received=7, succeeded=7),))
    for one in (fleet, other):
        one.clock.advance(10)
    told = overview.totals([fleet.watch("0").look(), other.watch("1").look()])
    assert {source: (one.active, one.slots, one.per_second) for source, one in told.items()} == {
        "": (7, 8, 1.2),
        "0": (3, 4, 0.5),
        "1": (4, 4, 0.7),
    }
    assert told[""].backlog is None


def test_steps_of_all_sources_are_summed_by_their_start(fleet: Fleet) -> None:
    other = Fleet()
    for one in (fleet, other):
        one.clock.advance(1)
        one.say(series=(a_series(age=0.5, received=5, succeeded=5),))
    looks = {"0": fleet.watch("0").look(), "1": other.watch("1").look()}
    sources = {"0": fleet, "1": other}
    (step,) = steps_of(Subject("pace"), looks, sources, 120.0).values()
    assert step.succeeded == 10
    (step,) = steps_of(Subject("pace", "1"), looks, sources, 120.0).values()
    assert step.succeeded == 5


@pytest.mark.parametrize("between", [0.0, 0.05, 0.25, 0.45, 0.5, 0.55, 0.95])
def test_no_step_takes_the_place_of_another_whatever_lies_between_the_two_clocks(fleet: Fleet, between: float) -> None:
    watch = Watch("0", "shop", fleet, fleet.clock, lambda: fleet.clock() + WALL + between)
    for second in range(1, 11):
        fleet.clock.advance(1)
        fleet.say(series=(a_series(age=float(second), received=second, succeeded=second),))
    look = watch.look()
    steps = list(table.steps(look, fleet.cluster.series("fleet", "", 120.0, 1.0), 1.0).values())
    assert [step.succeeded for step in steps] == [1] * 10
    assert [round(step.start - steps[0].start, 3) for step in steps] == list(range(10))
    chart = list(steps_of(Subject("pace"), {"0": look}, {"0": fleet}, 120.0).values())
    assert [step.succeeded for step in chart] == [1, *[2] * 4, 1]


def test_a_window_shorter_than_a_step_has_one(fleet: Fleet) -> None:
    fleet.clock.advance(1)
    fleet.say(series=(a_series(age=0.5, received=5, succeeded=5),))
    (step,) = steps_of(Subject("pace"), {"0": fleet.watch().look()}, {"0": fleet}, 0.5).values()
    assert (step.size, step.succeeded) == (2.0, 5)


def test_paces_of_what_nobody_looks_at_are_not_made(fleet: Fleet) -> None:
    made: list[str] = []
    cluster = fleet.cluster
    throughput, counts = cluster.throughput, cluster.counts

    def noting(make: Any) -> Any:
        def note(by: str, window: float) -> Any:
            made.append(by)
            return make(by, window)

        return note

    cluster.throughput, cluster.counts = noting(throughput), noting(counts)  # type: ignore[method-assign]
    fleet.say(checks=(a_check("mail"),))
    look = fleet.watch().look()
    assert made == ["fleet"]
    for make, by in ((table.queues, "queue"), (table.tasks, "task"), (table.workers, "worker")):
        made.clear()
        make([look])
        assert made == [by]


def test_what_takes_long_is_made_again_only_when_its_share_of_the_time_has_passed() -> None:
    clock, made = FakeClock(), []

    def make() -> dict[str, Any]:
        clock.advance(0.5)
        made.append(clock.now)
        return {}

    paced = Paced(make, clock)
    for _ in range(21):
        paced()
        clock.advance(0.5)
    assert len(made) == 2


@pytest.mark.parametrize("kind", ["queue", "worker", "task"])
@pytest.mark.parametrize("source", ["0", "9"])
def test_a_subject_that_is_not_there_has_empty_tables(fleet: Fleet, kind: str, source: str) -> None:
    looks: dict[str, Look] = {"0": fleet.watch().look()}
    tables = tables_of(Subject(kind, source, "nobody"), looks, {"0": fleet})
    assert tables[kind] == {} and not any(tables.values())


def test_sparks_are_drawn_every_ten_seconds_and_end_when_nothing_happens(fleet: Fleet) -> None:
    watch, received, sparks = fleet.watch(), 0, []
    for second in range(1, 400):
        fleet.clock.advance(1)
        received += 1 if second <= 30 else 0
        fleet.say(series=(a_series("mail", age=float(second), received=received, succeeded=received),))
        sparks.append(watch.look().sparks.get("mail", ()))
    assert sparks[45] and max(sparks[45]) == 1.0
    assert max(map(len, sparks)) <= 30
    assert sparks[-1] == ()
