"""Rows contain the figures of the view and what the Sampler tracks; unchanged times stay equal."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.web import overview, table
from celery_gossip.web.snapshot import CostLimitedCache, Sampler, Snapshot
from celery_gossip.web.subject import build_steps, build_tables
from celery_gossip.web.topic import Subject
from celery_gossip.wire.messages import PoolProcesses, Resources, RunningTask, Settings, Software
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_check, a_histogram, a_series
from tests.web.fake_fleet import NOW, WALL, FakeFleet


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


def test_a_queue_has_slots_backlog_and_throughput(fleet: FakeFleet) -> None:
    series = a_series(
        "mail", age=0.5, received=9, succeeded=6, failed={"KeyError": 2}, runtime=a_histogram((100, 8, 8))
    )
    fleet.report(concurrency=4, active=1, checks=(a_check("mail", active_count=1, reserved=2),), series=(series,))
    fleet.cluster.set_queue_lengths({"mail": 7}, NOW)
    fleet.clock.advance(10)
    (queue,) = table.queues([fleet.sampler().sample()]).values()
    assert (queue.name, queue.active, queue.reserved, queue.slots, queue.free_slots) == ("mail", 1, 2, 4, 3)
    assert (queue.backlog, queue.load, queue.failure_rate) == (7, 2.5, 0.25)
    assert queue.per_second == 0.8 and queue.runtime.p50 is not None and queue.wait.p50 is None


def test_a_worker_has_a_state_with_a_reason_and_the_time_of_its_last_report(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report()
    (worker,) = table.workers([sampler.sample()]).values()
    assert (worker.state, worker.reason, worker.silent_since) == ("online", "", None)
    fleet.clock.advance(5)
    fleet.cluster.expire_silent_workers(fleet.clock.now)
    (worker,) = table.workers([sampler.sample()]).values()
    assert worker.state == "suspect" and "has not reported" in worker.reason
    assert worker.silent_since == NOW + WALL


def test_the_software_of_a_worker_is_on_its_own_page_and_its_release_in_the_list(fleet: FakeFleet) -> None:
    sampler, software = fleet.sampler(), Software(release="v41", settings=Settings(task_acks_late=False))
    fleet.report(software=software)
    snapshot = sampler.sample()
    (listed,) = table.workers([snapshot]).values()
    assert (listed.release, listed.software) == ("v41", None)
    single = table.worker(snapshot, listed.hostname)
    assert single is not None and single.software is not None
    assert (single.software.release, single.software.settings) == ("v41", {"task_acks_late": False})
    assert single.configuration == {"task_acks_late": False}
    assert msgspec.structs.replace(single, software=None, configuration={}) == listed


def test_rows_of_an_unchanged_worker_are_equal_at_any_time(fleet: FakeFleet) -> None:
    sampler, rows = fleet.sampler(), []
    for _ in range(3):
        fleet.report(checks=(a_check(active=("id1",), active_count=1),))
        sample = sampler.sample()
        rows.append((table.workers([sample]), table.queues([sample]), table.running_tasks([sample], queue="default")))
        fleet.clock.advance(1.0)
    assert rows[0] == rows[1] == rows[2]


def test_starts_are_counted_and_dated_if_the_first_report_was_received(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(seq=50)
    sampler.sample()
    fleet.clock.advance(1)
    fleet.report(boot=OTHER_BOOT, seq=1)
    (worker,) = table.workers([sampler.sample()]).values()
    assert (worker.boot, worker.restarts, worker.booted_at) == (OTHER_BOOT, 1, NOW + 1 + WALL)


def test_a_worker_that_started_before_the_listener_has_no_start_time(fleet: FakeFleet) -> None:
    fleet.report(seq=50)
    (worker,) = table.workers([fleet.sampler().sample()]).values()
    assert (worker.boot, worker.restarts, worker.booted_at) == (BOOT, 0, None)


def test_a_running_task_is_dated_by_its_age(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    details = RunningTask(0, 12.0, 1, is_redelivered=True, soft_time_limit=None, time_limit=60.0)
    for turn in range(3):  # messages are delayed by some tenths of a second, but its start does not move
        fleet.clock.advance(1)
        aged = msgspec.structs.replace(details, age=12.0 + turn + turn / 10)
        check = a_check("mail", active=("id",), active_count=1, tasks=(aged,))
        fleet.report(checks=(check,), names=("shop.pack",), seq=50 + turn)
        (run,) = table.running_tasks([sampler.sample()]).values()
        assert (run.since - WALL, run.is_older) == (NOW + 1 - 12, False)
    assert (run.name, run.retries, run.is_redelivered, run.soft_time_limit, run.time_limit) == (
        *("shop.pack", 1, True, None, 60.0),
    )


def test_a_task_that_runs_again_under_its_id_has_a_new_start(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    for age in (60.0, 0.5):
        check = a_check("mail", active=("id",), active_count=1, tasks=(RunningTask(0, age),))
        fleet.report(checks=(check,), names=("shop.pack",))
        (run,) = table.running_tasks([sampler.sample()]).values()
        assert run.since - WALL == NOW - age


def test_a_task_that_runs_on_two_workers_has_a_start_on_each(fleet: FakeFleet) -> None:
    for hostname, age in (("celery@web1", 90.0), ("celery@web2", 5.0)):
        check = a_check("mail", active=("id",), active_count=1, tasks=(RunningTask(0, age),))
        fleet.report(hostname, checks=(check,), names=("shop.pack",))
    runs = table.running_tasks([fleet.sampler().sample()])
    starts = {run.hostname: run.since - WALL for run in runs.values()}
    assert starts == {"celery@web1": NOW - 90, "celery@web2": NOW - 5}


def test_a_task_that_runs_is_listed_by_its_name_although_none_was_counted(fleet: FakeFleet) -> None:
    check = a_check("mail", active=("id",), active_count=1, tasks=(RunningTask(0, 600.0),))
    fleet.report(checks=(check,), names=("shop.hangs",))
    snapshot = fleet.sampler().sample()
    (row,) = table.tasks([snapshot]).values()
    assert (row.name, row.running, row.per_second, row.failure_rate) == ("shop.hangs", 1, 0.0, None)
    assert table.task(snapshot, "shop.hangs") == row and table.task(snapshot, "shop.other") is None


def test_running_tasks_are_selected_and_the_longest_running_come_first(fleet: FakeFleet) -> None:
    for number, hostname in enumerate(("celery@web1", "celery@web2")):
        tasks = (RunningTask(0, 10.0 + number), RunningTask(1, 5.0 + number))
        check = a_check("mail", active=(f"a{number}", f"b{number}"), active_count=2, tasks=tasks)
        fleet.report(hostname, checks=(check,), names=("shop.pack", "shop.send"))
    snapshot = fleet.sampler().sample()

    def ids(**selection: str) -> list[str]:
        return [run.id for run in table.running_tasks([snapshot], **selection).values()]

    assert ids() == ["a1", "a0", "b1", "b0"]
    assert ids(task="shop.send") == ["b1", "b0"] and ids(task="a0") == ["a0"]
    assert ids(hostname="celery@web2") == ["a1", "b1"] and ids(queue="other") == []


def test_a_running_task_without_details_is_dated_when_it_is_first_seen(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(checks=(a_check("mail", active=("old",), active_count=1),), seq=50)
    sampler.sample()
    fleet.clock.advance(3)
    fleet.report(checks=(a_check("mail", active=("old", "new"), active_count=2),), seq=51)
    runs = table.running_tasks([sampler.sample()], queue="mail")
    assert [(run.id, run.since - WALL, run.is_older) for run in runs.values()] == [
        ("old", NOW, True),
        ("new", NOW + 3, False),
    ]


def test_findings_have_a_kind_of_subject(fleet: FakeFleet) -> None:
    fleet.report(checks=(a_check("mail"),))
    subjects = {"mail": "queue", "celery@web1": "worker", "listener": "listener", "celery@gone": "worker"}
    fleet.findings = tuple(Finding("kind", "critical", subject, NOW, "text") for subject in subjects)
    found = overview.findings([fleet.sampler().sample()])
    assert {one.subject: one.subject_kind for one in found.values()} == subjects


def test_the_subject_of_a_queue_finding_is_a_queue_even_if_no_worker_reports_it(fleet: FakeFleet) -> None:
    fleet.findings = (Finding("backlog_unknown", "warning", "orphaned", NOW, "text"),)
    (one,) = overview.findings([fleet.sampler().sample()]).values()
    assert one.subject_kind == "queue"


def test_totals_are_per_source_and_over_all_sources(fleet: FakeFleet) -> None:
    other = FakeFleet()
    fleet.report(active=3, series=(a_series(age=0.5, received=5, succeeded=5),))
    other.report(active=4, series=(a_series(age=0.5, received=7, succeeded=7),))
    for one in (fleet, other):
        one.clock.advance(10)
    totals = overview.totals([fleet.sampler("0").sample(), other.sampler("1").sample()])
    assert {source: (one.active, one.slots, one.per_second) for source, one in totals.items()} == {
        "": (7, 8, 1.2),
        "0": (3, 4, 0.5),
        "1": (4, 4, 0.7),
    }
    assert totals[""].backlog is None


def a_source(fleet: FakeFleet, source: str, app: str, uri: str) -> Snapshot:
    return replace(fleet.sampler(source).sample(), app=app, uri=uri)


def test_a_source_is_labelled_by_its_url_and_by_more_only_if_that_is_not_unique(fleet: FakeFleet) -> None:
    apps = [
        ("shop", "redis://a"),
        ("shop", "redis://b"),
        ("mail", "redis://b"),
        ("x", "redis://c"),
        ("x", "redis://c"),
    ]
    snapshots = [a_source(fleet, str(number), app, uri) for number, (app, uri) in enumerate(apps)]
    assert [one.label for one in overview.sources(snapshots).values()] == [
        "redis://a",
        "shop on redis://b",
        "mail on redis://b",
        "x on redis://c (3)",
        "x on redis://c (4)",
    ]


def test_steps_of_all_sources_are_summed_by_their_start(fleet: FakeFleet) -> None:
    other = FakeFleet()
    for one in (fleet, other):
        one.clock.advance(1)
        one.report(series=(a_series(age=0.5, received=5, succeeded=5),))
    snapshots = {"0": fleet.sampler("0").sample(), "1": other.sampler("1").sample()}
    sources = {"0": fleet, "1": other}
    (step,) = build_steps(Subject("pace"), snapshots, sources, 120.0).values()
    assert step.succeeded == 10
    (step,) = build_steps(Subject("pace", "1"), snapshots, sources, 120.0).values()
    assert step.succeeded == 5


@pytest.mark.parametrize("between", [0.0, 0.05, 0.25, 0.45, 0.5, 0.55, 0.95])
def test_no_step_replaces_another_whatever_the_offset_of_the_two_clocks(fleet: FakeFleet, between: float) -> None:
    sampler = Sampler("0", "shop", fleet, fleet.clock, lambda: fleet.clock() + WALL + between)
    for second in range(1, 11):
        fleet.clock.advance(1)
        fleet.report(series=(a_series(age=float(second), received=second, succeeded=second),))
    sample = sampler.sample()
    steps = list(table.steps(sample, fleet.cluster.series("fleet", "", 120.0, 1.0), 1.0).values())
    assert [step.succeeded for step in steps] == [1] * 10
    assert [round(step.start - steps[0].start, 3) for step in steps] == list(range(10))
    chart = list(build_steps(Subject("pace"), {"0": sample}, {"0": fleet}, 120.0).values())
    assert [step.succeeded for step in chart] == [1, *[2] * 4, 1]


def test_a_window_shorter_than_a_step_has_one(fleet: FakeFleet) -> None:
    fleet.clock.advance(1)
    fleet.report(series=(a_series(age=0.5, received=5, succeeded=5),))
    (step,) = build_steps(Subject("pace"), {"0": fleet.sampler().sample()}, {"0": fleet}, 0.5).values()
    assert (step.size, step.succeeded) == (2.0, 5)


def test_throughput_is_computed_only_for_tables_that_are_shown(fleet: FakeFleet) -> None:
    made: list[str] = []
    cluster = fleet.cluster
    throughput, counts = cluster.throughput, cluster.counts

    def recording(make: Any) -> Any:
        def record(by: str, window: float) -> Any:
            made.append(by)
            return make(by, window)

        return record

    cluster.throughput, cluster.counts = recording(throughput), recording(counts)  # type: ignore[method-assign]
    fleet.report(checks=(a_check("mail"),))
    sample = fleet.sampler().sample()
    assert made == ["fleet"]
    for make, by in ((table.queues, "queue"), (table.tasks, "task"), (table.workers, "worker")):
        made.clear()
        make([sample])
        assert made == [by]


def test_an_expensive_result_is_cached_until_its_share_of_the_time_has_passed() -> None:
    clock, made = FakeClock(), []

    def compute() -> dict[str, Any]:
        clock.advance(0.5)
        made.append(clock.now)
        return {}

    cached = CostLimitedCache(compute, clock)
    for _ in range(21):
        cached()
        clock.advance(0.5)
    assert len(made) == 2


@pytest.mark.parametrize("kind", ["queue", "worker", "task"])
@pytest.mark.parametrize("source", ["0", "9"])
def test_an_unknown_subject_has_empty_tables(fleet: FakeFleet, kind: str, source: str) -> None:
    snapshots: dict[str, Snapshot] = {"0": fleet.sampler().sample()}
    tables = build_tables(Subject(kind, source, "unknown"), snapshots, {"0": fleet})
    assert tables[kind] == {} and not any(tables.values())


def test_sparklines_have_a_step_every_ten_seconds_and_end_without_events(fleet: FakeFleet) -> None:
    sampler, received, sparklines = fleet.sampler(), 0, []
    for second in range(1, 400):
        fleet.clock.advance(1)
        received += 1 if second <= 30 else 0
        fleet.report(series=(a_series("mail", age=float(second), received=received, succeeded=received),))
        sparklines.append(sampler.sample().sparklines.get("mail", ()))
    assert sparklines[45] and max(sparklines[45]) == 1.0
    assert max(map(len, sparklines)) <= 30
    assert sparklines[-1] == ()


# Resources.

RESOURCES = Resources(100, 400, 200, 12.5, 2**31, 600 * 2**20, PoolProcesses(12, 1, 2, 3, 2, 1, -9))


def test_a_worker_has_its_latest_resources_and_when_they_were_reported(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(resources=RESOURCES)
    fleet.clock.advance(3.0)
    fleet.report()
    sample = sampler.sample()
    (worker,) = table.workers([sample]).values()
    assert worker.resources is not None and worker.resources.processes is not None
    assert (worker.resources.at, worker.resources.rss, worker.resources.memory_limit) == (NOW + WALL, 100, 2**31)
    processes = msgspec.to_builtins(worker.resources.processes)
    assert processes == {
        "alive": 4,
        "starting": 1,
        "started": 12,
        "exited": 1,
        "recycled": 2,
        "terminated": 3,
        "lost": 2,
        "last_loss": -9,
    }
    single = table.worker(sample, "celery@web1")
    assert single == msgspec.structs.replace(worker, memory_spark=(600,))


def test_the_list_of_the_stream_has_no_resources_but_that_of_the_api_has(fleet: FakeFleet) -> None:
    fleet.report(resources=RESOURCES)
    sample = fleet.sampler().sample()
    (streamed,) = build_tables(Subject("workers"), {"0": sample}, {})["workers"].values()
    (listed,) = table.workers([sample]).values()
    assert streamed == msgspec.structs.replace(listed, resources=None)


def test_a_worker_that_reports_no_resources_has_none(fleet: FakeFleet) -> None:
    fleet.report()
    single = table.worker(fleet.sampler().sample(), "celery@web1")
    assert single is not None and (single.resources, single.memory_spark) == (None, ())
