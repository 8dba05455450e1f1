"""Frames: what is remembered between two of them, and how much."""

from dataclasses import replace

from celery_gossip.tui.frame import MOST_IDS, MOST_QUEUES, Recorder, Sample
from celery_gossip.tui.spark import SPAN
from tests.tui.scenes import NOW, a_view, a_worker, isolated, many_workers, three_workers
from tests.tui.stage import FakeSource
from tests.unit.build import FakeClock, a_check


def busy(*ids: str, queue: str = "mail", active: int = 1) -> FakeSource:
    checks = (a_check(queue, active=ids, active_count=active),)
    return FakeSource(a_view(a_worker("a@vm", active=active, checks=checks), mail=7))


def test_the_past_of_a_queue_grows_by_a_sample_a_frame_and_is_bounded() -> None:
    clock = FakeClock(NOW)
    recorder = Recorder(busy("x"), clock)
    for _ in range(SPAN + 10):
        clock.advance(1)
        frame = recorder.take()
    assert frame.past == {"mail": (Sample(1, 7),) * SPAN}
    assert frame.taken == SPAN + 10


def test_two_frames_of_one_moment_are_one_sample() -> None:
    recorder = Recorder(busy("x"), FakeClock(NOW))
    recorder.take()
    assert recorder.take().past == {"mail": (Sample(1, 7),)}


def test_a_frame_does_not_change_when_the_next_is_taken() -> None:
    clock = FakeClock(NOW)
    source = busy("x")
    recorder = Recorder(source, clock)
    first = recorder.take()
    past, seen = dict(first.past), dict(first.seen)
    clock.advance(1)
    source.shown = busy("y", queue="other").shown
    recorder.take()
    assert (first.past, first.seen) == (past, seen)


def test_an_id_keeps_the_time_of_its_first_sight_until_it_is_gone() -> None:
    clock = FakeClock(NOW)
    source = busy("x")
    recorder = Recorder(source, clock)
    assert recorder.take().seen == {"x": NOW}
    clock.advance(5)
    source.shown = busy("x", "y").shown
    assert recorder.take().seen == {"x": NOW, "y": NOW + 5}
    source.shown = busy("y").shown
    clock.advance(1)
    assert recorder.take().seen == {"y": NOW + 5}


def test_queues_and_ids_beyond_the_bounds_are_not_remembered() -> None:
    queues = tuple(a_check(f"q{number}", active_count=number) for number in range(MOST_QUEUES + 9))
    frame = Recorder(FakeSource(a_view(a_worker("a@vm", checks=queues))), FakeClock(NOW)).take()
    assert len(frame.past) == MOST_QUEUES and "q0" not in frame.past and f"q{MOST_QUEUES + 8}" in frame.past
    ids = tuple(str(number) for number in range(MOST_IDS + 9))
    assert len(Recorder(busy(*ids, active=len(ids)), FakeClock(NOW)).take().seen) == MOST_IDS


def test_a_frozen_view_adds_nothing_to_the_past() -> None:
    clock = FakeClock(NOW)
    source = FakeSource(three_workers())
    recorder = Recorder(source, clock)
    before = recorder.take()
    clock.advance(1)
    source.shown = isolated()
    assert recorder.take().past == before.past


def test_tasks_of_workers_that_are_gone_are_not_counted_as_running() -> None:
    gone = replace(busy("x").shown.workers[0], state="lost")
    assert Recorder(FakeSource(a_view(gone)), FakeClock(NOW)).take().seen == {}


def test_errors_are_one_harmless_line() -> None:
    source = FakeSource(many_workers(1), error=OSError("a\n\x1b[31mb"))
    assert Recorder(source, FakeClock(NOW)).take().error == "OSError: a\\n\\x1b[31mb"
