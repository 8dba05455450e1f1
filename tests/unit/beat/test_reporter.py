"""What a report of beat contains: its state, and which of many entries."""

from typing import Any

import pytest

from celery_gossip.beat.embedding import Worker
from celery_gossip.beat.observer import Observer
from celery_gossip.beat.reporter import STALLED_AFTER, BeatIdentity, Reporter
from celery_gossip.beat.schedule_reader import ScheduleReader
from celery_gossip.wire.encoding import encode_beat
from celery_gossip.wire.messages import MAX_BEAT_ENTRIES, MAX_BYTES, Beat, decode
from tests.unit.beat.schedulers import RedBeatLike, a_scheduler, an_item
from tests.unit.build import OTHER_BOOT, FakeClock


class Reported:
    """A scheduler and the reports about it."""

    def __init__(self, scheduler: Any, worker: Worker | None = None) -> None:
        self.clock = FakeClock()
        self.scheduler = scheduler
        self.observer = Observer(scheduler, self.clock)
        self.observer.attach()
        reader = ScheduleReader(scheduler, self.observer, clock=self.clock)
        app = a_scheduler().app
        identity = BeatIdentity.create(app, "celerybeat@web1", 1.0, scheduler, worker or Worker())
        self.reporter = Reporter(identity, scheduler, self.observer, reader, self.clock)

    def names(self) -> set[str]:
        return {entry.name for entry in self.reporter.compose().entries}


@pytest.fixture
def reported() -> Reported:
    return Reported(a_scheduler(often=10.0, hourly=3600.0))


def test_a_report_names_the_process_and_its_schedule(reported: Reported) -> None:
    reported.scheduler.tick()
    reported.clock.advance(5.0)
    beat = reported.reporter.compose()
    assert (beat.app, beat.hostname, beat.interval, beat.state) == ("shop", "celerybeat@web1", 1.0, "online")
    assert beat.scheduler == "tests.unit.beat.schedulers:LocalScheduler"
    assert (beat.uptime, beat.tick_age, beat.stalled_for) == (5.0, 5.0, 0.0)
    assert (beat.entry_count, beat.is_partial, beat.holds_lock) == (2, False, None)
    assert (beat.worker, beat.worker_boot) == ("", "")
    assert {entry.name for entry in beat.entries} == {"often", "hourly"} and beat.digest
    assert decode(encode_beat(beat)) == beat


def test_each_start_has_another_instance_id() -> None:
    boots = {Reported(a_scheduler()).reporter.compose().boot for _ in range(3)}
    assert len(boots) == 3


def test_an_embedded_beat_has_the_hostname_of_its_worker() -> None:
    beat = Reported(a_scheduler(), Worker("celery@web1", OTHER_BOOT)).reporter.compose()
    assert (beat.hostname, beat.worker, beat.worker_boot) == ("celery@web1", "celery@web1", OTHER_BOOT)


def test_a_tick_that_is_late_is_a_stall(reported: Reported) -> None:
    reported.scheduler.tick()
    reported.observer.sleep = 10.0
    reported.clock.advance(10.0 + STALLED_AFTER)
    assert reported.reporter.compose().stalled_for == 0.0
    reported.clock.advance(0.5)
    assert reported.reporter.compose().stalled_for == 2.5
    reported.scheduler.tick()
    assert reported.reporter.compose().stalled_for == 0.0


def test_a_beat_that_waits_for_its_lock_is_not_stalled() -> None:
    reported = Reported(RedBeatLike())
    reported.clock.advance(60.0)
    beat = reported.reporter.compose()
    assert (beat.holds_lock, beat.stalled_for) == (False, 0.0)
    reported.scheduler.lock = object()
    beat = reported.reporter.compose()
    assert (beat.holds_lock, beat.stalled_for) == (True, 60.0)
    reported.scheduler.lock_key = None
    assert reported.reporter.compose().holds_lock is None


def test_a_beat_that_never_ticked_is_stalled(reported: Reported) -> None:
    reported.clock.advance(30.0)
    beat = reported.reporter.compose()
    assert (beat.stalled_for, beat.tick_age) == (30.0, None)


def test_the_last_report_says_that_beat_has_ended(reported: Reported) -> None:
    reported.scheduler.tick()
    reported.reporter.compose()
    reported.clock.advance(1000.0)
    final = reported.reporter.compose_final()
    assert (final.state, final.entries, final.entry_count, final.stalled_for) == ("offline", (), 2, 0.0)


def test_of_a_long_schedule_the_nearest_are_reported_and_each_other_one_in_its_turn() -> None:
    reported = Reported(a_scheduler(**{f"e{n:04}": 100.0 + n for n in range(200)}))
    reported.scheduler.tick()
    nearest, seen = {f"e{n:04}" for n in range(50)}, set[str]()
    for _ in range(160):
        beat = reported.reporter.compose()
        names = {entry.name for entry in beat.entries}
        assert nearest < names and len(names) == 51 and beat.entry_count == 200
        seen |= names
    assert len(seen) == 200


def test_an_entry_that_was_sent_is_in_three_reports_although_it_is_not_near() -> None:
    schedule = {f"e{n:04}": 100.0 + n for n in range(200)}
    reported = Reported(a_scheduler(**schedule, rare=3600.0))
    reported.scheduler.tick()
    reported.names()
    reported.scheduler.apply_async(reported.scheduler.schedule["rare"], advance=False)
    in_turn = [("rare" in reported.names()) for _ in range(4)]
    assert in_turn == [True, True, True, False]


def test_a_report_has_a_limit_although_everything_was_sent() -> None:
    reported = Reported(a_scheduler(**{f"{'e' * 240}{n:04}": 0.0 for n in range(300)}))
    for _ in range(300):
        reported.scheduler.tick()
    beat = reported.reporter.compose()
    assert len(beat.entries) == MAX_BEAT_ENTRIES and beat.sends == 300
    body = encode_beat(beat)
    assert len(body) <= MAX_BYTES and isinstance(decode(body), Beat)


def test_how_late_an_entry_was_sent_is_known_if_it_was_sent_once() -> None:
    item = an_item("a", due_in=5.0)
    reported = Reported(RedBeatLike(item))
    reported.scheduler.tick()
    reported.names()
    reported.clock.advance(5.75)
    item.is_due = True
    reported.scheduler.tick()
    (entry,) = reported.reporter.compose().entries
    assert (entry.sends, entry.late, entry.sent_age) == (1, 0.75, 0.0)
    reported.clock.advance(6.0)
    reported.scheduler.tick()
    reported.scheduler.tick()
    (entry,) = reported.reporter.compose().entries
    assert (entry.sends, entry.late) == (3, None)


def test_how_late_is_not_known_of_an_entry_that_has_changed_meanwhile() -> None:
    item = an_item("a", due_in=5.0)
    reported = Reported(RedBeatLike(item))
    reported.scheduler.tick()
    reported.names()
    reported.clock.advance(5.75)
    item.is_due = True
    reported.scheduler.entries.append(an_item("b"))
    reported.scheduler.tick()
    assert {entry.name: entry.late for entry in reported.reporter.compose().entries} == {"a": None, "b": None}


def test_no_argument_and_no_option_is_in_a_report() -> None:
    secret = {"task": "t", "schedule": 5.0, "args": ("PASS",), "kwargs": {"PASS": "PASS"}}
    secret["options"] = {"queue": "q", "headers": {"PASS": "PASS"}, "expires": 12_345_678, "routing_key": "PASS"}
    reported = Reported(a_scheduler(secret=secret))
    reported.scheduler.error = ValueError("PASS")
    reported.scheduler.tick()
    reported.scheduler.apply_entry(reported.scheduler.schedule["secret"])
    body = encode_beat(reported.reporter.compose())
    assert b"ValueError" in body and b'"q"' in body
    assert b"PASS" not in body and b"12345678" not in body
