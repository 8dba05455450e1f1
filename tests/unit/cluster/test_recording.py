"""The last reports of a worker, and its memory over hours, in a few bytes."""

import random
import sys

import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.recording import (
    FLOOR_SECONDS,
    MAX_FLOORS,
    MAX_SAMPLES,
    MemoryFloor,
    Recorder,
    Recording,
    Sample,
)
from celery_gossip.wire.messages import PoolProcesses, Resources
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_check, a_gossip

KIB, MIB = 2**10, 2**20


def some_resources(main: int = 100, children: int | None = None, alive: int = 0, **fields: object) -> Resources:
    """Of these sizes in MiB."""
    processes = PoolProcesses(alive, 0, 0, 0, 0, 0) if alive else None
    values = {"rss": main * MIB, "children_rss": None if children is None else children * MIB, "processes": processes}
    return Resources(**{**values, **fields})  # type: ignore[arg-type]


def test_a_sample_has_the_figures_of_its_report() -> None:
    recorder = Recorder()
    resources = some_resources(
        100, 300, memory_used=350 * MIB, memory_limit=512 * MIB, processes=PoolProcesses(9, 0, 0, 0, 5, 0, -9)
    )
    recorder.add(a_gossip(active=3, reserved=7, loop_lag=0.25, resources=resources), 10.0)
    recorder.add(a_gossip(stalled_for=8.5, loop_lag=0.25), 11.0)
    recording = recorder.recording()
    assert recording.samples == (
        Sample(10.0, 350 * MIB, 400 * MIB, 3, 7, 5, 0.25),
        Sample(11.0, None, None, 0, 0, 5, 8.5),
    )
    assert recording.memory_limit == 512 * MIB


def test_what_no_report_contained_is_unknown() -> None:
    recorder = Recorder()
    recorder.add(a_gossip(), 1.0)
    assert recorder.recording().samples == (Sample(1.0, None, None, 0, 0, None, 0.0),)
    assert recorder.recording().memory_limit is None


def test_no_memory_is_not_unknown_memory() -> None:
    recorder = Recorder()
    recorder.add(a_gossip(resources=Resources(rss=0, memory_used=0, memory_limit=1)), 1.0)
    (sample,) = recorder.recording().samples
    assert (sample.memory_used, sample.rss) == (0, 0)


@pytest.mark.parametrize("count", [0, 1, MAX_SAMPLES - 1, MAX_SAMPLES, MAX_SAMPLES + 1, 3 * MAX_SAMPLES + 7])
def test_the_last_samples_are_kept_in_order(count: int) -> None:
    recorder = Recorder()
    for number in range(count):
        recorder.add(a_gossip(active=number), float(number))
    kept = recorder.recording().samples
    assert [sample.active for sample in kept] == list(range(max(0, count - MAX_SAMPLES), count))
    assert [sample.at for sample in kept] == [float(sample.active) for sample in kept]
    assert len(recorder.recording()) == len(kept)


def test_the_largest_numbers_of_a_message_fit() -> None:
    recorder = Recorder()
    most = 2**53
    processes = PoolProcesses(most, most, most, most, most, most)
    resources = Resources(most, most, most, float(most), most, most, processes)
    recorder.add(a_gossip(active=most, reserved=most, stalled_for=9e10, resources=resources), 1e12)
    (sample,) = recorder.recording().samples
    assert (sample.active, sample.reserved, sample.lost) == (2**32 - 1, 2**32 - 1, 2**32 - 2)
    assert sample.memory_used == sample.rss == (2**32 - 2) * KIB
    assert sample.lag == pytest.approx(9e10)


def test_a_recording_takes_two_kilobytes() -> None:
    recorder = Recorder()
    report = a_gossip(resources=some_resources())
    for number in range(3_000):
        recorder.add(report, number * 10.0)
    recording = recorder.recording()
    assert len(recording.packed_floors) == 8 * MAX_FLOORS
    assert sys.getsizeof(recorder._ring) + sys.getsizeof(recorder._floors) < 2_600


def test_a_recording_does_not_change_and_is_the_same_until_the_next_report() -> None:
    recorder = Recorder()
    recorder.add(a_gossip(active=1), 1.0)
    before = recorder.recording()
    assert recorder.recording() is before
    recorder.add(a_gossip(active=2), 2.0)
    assert [sample.active for sample in before.samples] == [1]
    assert recorder.recording() != before
    assert before == Recording(before._samples, b"") and hash(before) == hash(Recording(before._samples, b""))


# Memory over hours.


def floors_of(recorder: Recorder) -> list[tuple[int, int]]:
    return [(floor.main // MIB, floor.child // MIB) for floor in recorder.recording().floors]


def test_a_floor_is_the_lowest_memory_of_ten_minutes_and_the_first_ten_are_left_out() -> None:
    recorder = Recorder()
    for number in range(5 * 120):  # a report every 5 s
        period, at = divmod(number, 120)
        main = 100 * (period + 1) + (50 if at % 7 else 0)
        recorder.add(a_gossip(resources=some_resources(main, 80 + period, alive=4)), number * 5.0)
    assert floors_of(recorder) == [(200, 20), (300, 20), (400, 20)]
    assert recorder.recording().floors[0] == MemoryFloor(200 * MIB, 81 * MIB // 4 // KIB * KIB)


def test_only_the_last_floors_are_kept() -> None:
    recorder = Recorder()
    for number in range(60):
        recorder.add(a_gossip(resources=some_resources(number)), number * FLOOR_SECONDS)
    assert [main for main, _ in floors_of(recorder)] == list(range(59 - MAX_FLOORS, 59))


def test_after_a_gap_the_floors_begin_anew() -> None:
    recorder = Recorder()
    for number in range(6):
        recorder.add(a_gossip(resources=some_resources(100)), number * FLOOR_SECONDS)
    assert len(floors_of(recorder)) == 4
    recorder.add(a_gossip(resources=some_resources(500)), 20 * FLOOR_SECONDS)
    assert floors_of(recorder) == []


def test_reports_that_are_too_rare_make_no_floor() -> None:
    recorder = Recorder()
    for number in range(60):
        recorder.add(a_gossip(interval=60.0, resources=some_resources(100)), number * 300.0)
    assert floors_of(recorder) == []


def test_the_floor_of_a_process_does_not_depend_on_their_number() -> None:
    recorder, draw = Recorder(), random.Random(1)
    for number in range(1000):
        alive = draw.randint(1, 20)
        resources = some_resources(100, 40 * alive, alive=alive)
        recorder.add(a_gossip(resources=resources), number * 5.0)
    assert {child for _, child in floors_of(recorder)} == {40}


# In the view.


def test_a_lost_worker_keeps_its_recording_and_another_instance_has_its_own() -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    busy = {"active": 1, "checks": (a_check(active=("id-1",), active_count=1),)}
    for seq in range(1, 11):
        resources = some_resources(10 * seq) if seq % 5 == 1 else None
        cluster.apply_gossip(a_gossip(seq=seq, resources=resources, **busy), clock.now)
        clock.advance(1)
    (worker,) = cluster.workers()
    assert worker.resources == some_resources(60) and worker.resources_age == pytest.approx(5.0)
    assert [sample.rss for sample in worker.recording.samples if sample.rss] == [10 * MIB, 60 * MIB]
    clock.advance(60)
    cluster.expire_silent_workers(clock.now)
    (lost,) = cluster.workers()
    assert (lost.state, lost.recording, lost.resources) == ("lost", worker.recording, some_resources(60))
    cluster.apply_gossip(a_gossip(boot=OTHER_BOOT), clock.now)
    (restarted,) = cluster.workers()
    assert restarted.resources is None and restarted.resources_age is None
    assert len(restarted.recording) == 1
    assert restarted.replaced is not None and restarted.replaced.boot == BOOT
    assert restarted.replaced_recording == lost.recording


def test_an_older_worker_has_a_recording_without_memory() -> None:
    cluster = Cluster(FakeClock())
    cluster.apply_gossip(a_gossip(active=2), 1.0)
    (worker,) = cluster.workers()
    assert (worker.resources, worker.resources_age) == (None, None)
    assert [sample.active for sample in worker.recording.samples] == [2]


def test_only_the_current_instance_and_the_one_before_are_recorded() -> None:
    clock = FakeClock()
    cluster = Cluster(clock)
    for number in range(8):
        clock.advance(0.1)
        cluster.apply_gossip(a_gossip(boot=f"{number:016x}"), clock.now)
    member = cluster._membership.members["celery@web1"]
    assert sum(instance.recorder is not None for instance in member.instances.by_boot.values()) == 2
