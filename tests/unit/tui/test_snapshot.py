"""Snapshots: the samples that are kept between two of them, and their bounds."""

from msgspec.structs import replace

from celery_gossip.tui.snapshot import MAX_IDS, MAX_QUEUES, MAX_TASKS, Sample, SnapshotRecorder
from celery_gossip.tui.sparkline import SAMPLES
from tests.tui.scenes import NOW, a_view, a_worker, isolated, many_workers, three_workers
from tests.tui.stage import FakeSource
from tests.unit.build import FakeClock, a_check


def busy(*ids: str, queue: str = "mail", active: int = 1) -> FakeSource:
    checks = (a_check(queue, active=ids, active_count=active),)
    return FakeSource(a_view(a_worker("a@vm", active=active, checks=checks), mail=7))


def test_the_history_of_a_queue_grows_by_one_sample_per_snapshot_and_is_bounded() -> None:
    clock = FakeClock(NOW)
    recorder = SnapshotRecorder(busy("x"), clock)
    for _ in range(SAMPLES + 10):
        clock.advance(1)
        snapshot = recorder.record()
    assert snapshot.history == {"mail": (Sample(1, 7),) * SAMPLES}
    assert snapshot.sample_count == SAMPLES + 10


def test_two_snapshots_of_one_moment_are_one_sample() -> None:
    recorder = SnapshotRecorder(busy("x"), FakeClock(NOW))
    recorder.record()
    assert recorder.record().history == {"mail": (Sample(1, 7),)}


def test_a_snapshot_does_not_change_when_the_next_is_recorded() -> None:
    clock = FakeClock(NOW)
    source = busy("x")
    recorder = SnapshotRecorder(source, clock)
    first = recorder.record()
    history, first_seen = dict(first.history), dict(first.first_seen)
    clock.advance(1)
    source.shown = busy("y", queue="other").shown
    recorder.record()
    assert (first.history, first.first_seen) == (history, first_seen)


def test_an_id_keeps_the_time_of_its_first_sight_until_it_is_gone() -> None:
    clock = FakeClock(NOW)
    source = busy("x")
    recorder = SnapshotRecorder(source, clock)
    assert recorder.record().first_seen == {"x": NOW}
    clock.advance(5)
    source.shown = busy("x", "y").shown
    assert recorder.record().first_seen == {"x": NOW, "y": NOW + 5}
    source.shown = busy("y").shown
    clock.advance(1)
    assert recorder.record().first_seen == {"y": NOW + 5}


def test_queues_and_ids_beyond_the_bounds_are_not_kept() -> None:
    queues = tuple(a_check(f"q{number}", active_count=number) for number in range(MAX_QUEUES + 9))
    snapshot = SnapshotRecorder(FakeSource(a_view(a_worker("a@vm", checks=queues))), FakeClock(NOW)).record()
    assert (
        len(snapshot.history) == MAX_QUEUES
        and "q0" not in snapshot.history
        and f"q{MAX_QUEUES + 8}" in snapshot.history
    )
    ids = tuple(str(number) for number in range(MAX_IDS + 9))
    assert len(SnapshotRecorder(busy(*ids, active=len(ids)), FakeClock(NOW)).record().first_seen) == MAX_IDS


def test_an_isolated_view_adds_no_samples() -> None:
    clock = FakeClock(NOW)
    source = FakeSource(three_workers())
    recorder = SnapshotRecorder(source, clock)
    before = recorder.record()
    clock.advance(1)
    source.shown = isolated()
    assert recorder.record().history == before.history


def test_tasks_of_workers_that_are_gone_are_not_counted_as_running() -> None:
    gone = replace(busy("x").shown.workers[0], state="lost")
    assert SnapshotRecorder(FakeSource(a_view(gone)), FakeClock(NOW)).record().first_seen == {}


def test_errors_are_one_escaped_line() -> None:
    source = FakeSource(many_workers(1), error=OSError("a\n\x1b[31mb"))
    assert SnapshotRecorder(source, FakeClock(NOW)).record().error == "OSError: a\\n\\x1b[31mb"


def test_rows_of_tasks_are_bounded() -> None:
    ids = tuple(str(number) for number in range(MAX_TASKS + 9))
    snapshot = SnapshotRecorder(busy(*ids, active=len(ids)), FakeClock(NOW)).record()
    assert len(snapshot.tasks) == MAX_TASKS


def test_a_task_that_was_listed_once_is_remembered() -> None:
    source = busy("x")
    recorder = SnapshotRecorder(source, FakeClock(NOW))
    recorder.record()
    first = source.shown.workers[0]
    idle = replace(first.gossip, seq=first.gossip.seq + 1, active=0, checks=(a_check("mail"),))
    source.shown = a_view(replace(first, gossip=idle))
    history = recorder.record().task_history
    assert history is not None and [one.id for one in history.find("x".__eq__)] == ["x"]
