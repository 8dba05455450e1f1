"""The entries of a scheduler, read beside its thread."""

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from celery.schedules import crontab, schedule, solar
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.tzcrontab import TzAwareCrontab
from kombu import Queue

from celery_gossip.beat._compat import period_of, schedule_in_words, timestamp_of
from celery_gossip.beat.observer import MAX_COUNTED, Observer
from celery_gossip.beat.schedule_reader import ScheduleReader
from tests.unit.beat.schedulers import LocalScheduler, RedBeatLike, Undelivered, a_scheduler, an_item
from tests.unit.build import FakeClock

NOON = datetime(2026, 11, 29, 12, 0, 0, tzinfo=timezone.utc)


class Reading:
    """A reader of a scheduler, whose time is that of the test; the clock of the system runs 5000 s before it."""

    def __init__(self, scheduler: Any, *configured: tuple[str, Any]) -> None:
        self.clock = FakeClock()
        self.scheduler = scheduler
        self.observer = Observer(scheduler, self.clock)
        self.observer.attach()
        self.reader = ScheduleReader(
            scheduler, self.observer, configured, clock=self.clock, wall_clock=lambda: self.clock.now + 5000.0
        )

    def tick(self) -> None:
        self.scheduler.tick()

    def names(self) -> list[str]:
        self.reader.read()
        return sorted(self.reader.entries)


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    reading = Reading(a_scheduler(often=10.0, hourly={"task": "t", "schedule": 3600.0, "options": {"queue": "q"}}))
    monkeypatch.setattr(
        LocalScheduler, "_when", lambda self, entry, due_in, mktime=None: reading.clock.now + 5000.0 + due_in
    )
    return reading


def test_before_the_first_tick_the_schedule_is_not_known() -> None:
    configured = ("often", SimpleNamespace(task="shop.often", schedule=10.0, options={}))
    reading = Reading(a_scheduler(often=10.0), configured)
    assert reading.names() == ["often"] and reading.reader.is_partial
    entry = reading.reader.describe("often", None)
    assert (entry.task, entry.schedule, entry.due, entry.sent_age) == ("shop.often", "every 10 s", None, None)
    reading.tick()
    assert reading.names() == ["often"] and not reading.reader.is_partial


def test_entries_are_read_from_the_heap(reading: Reading) -> None:
    reading.tick()
    assert reading.names() == ["hourly", "often"] == sorted(reading.reader.nearest(5))
    assert reading.reader.nearest(1) == ["often"]
    hourly = reading.reader.describe("hourly", 0.25)
    assert (hourly.name, hourly.task, hourly.schedule, hourly.queue, hourly.late) == (
        "hourly",
        "t",
        "every 1 h",
        "q",
        0.25,
    )
    assert hourly.due is not None and 3590 < hourly.due <= 3600
    assert (hourly.sends, hourly.runs, hourly.errors, hourly.sent_age) == (0, 0, 0, None)
    reading.clock.advance(20.0)
    often = reading.reader.describe("often", None)
    assert often.due is not None and -11 < often.due < -9


def test_an_entry_that_is_being_sent_is_not_missing(reading: Reading) -> None:
    reading.tick()
    assert len(reading.names()) == 2
    seen: list[list[str]] = []
    reading.scheduler.send_task = lambda *_, **__: seen.append(reading.names())
    entry = reading.scheduler._heap[0].entry
    reading.scheduler._heap[0] = reading.scheduler._heap[0]._replace(time=0.0)
    reading.scheduler.is_due = lambda _: (True, 10.0)
    reading.tick()
    assert entry.name == "often" and seen == [["hourly", "often"]]


def test_a_heap_that_is_being_filled_is_not_read(reading: Reading) -> None:
    reading.tick()
    reading.names()
    fill, seen = type(reading.scheduler).populate_heap, []

    def populate_heap(scheduler: Any) -> None:
        scheduler._heap = []
        fill(scheduler)
        del scheduler._heap[1:]
        seen.append(reading.names())
        fill(scheduler)

    scheduler = a_scheduler(a=10.0, b=10.0, c=10.0)
    scheduler.populate_heap = populate_heap.__get__(scheduler)
    reading = Reading(scheduler)
    reading.tick()
    assert seen == [[]] and reading.names() == ["a", "b", "c"]


def test_an_empty_heap_during_a_tick_is_not_believed(reading: Reading) -> None:
    reading.tick()
    reading.names()
    heap, reading.scheduler._heap, reading.observer.is_in_tick = reading.scheduler._heap, [], True
    assert reading.names() == ["hourly", "often"]
    reading.scheduler._heap, reading.observer.is_in_tick = heap, False


def test_an_entry_that_is_added_or_removed_changes_the_schedule_and_its_digest(reading: Reading) -> None:
    reading.tick()
    reading.names()
    before = reading.reader.digest
    reading.scheduler.add(name="new", task="shop.new", schedule=schedule(60.0))
    reading.tick()
    assert reading.names() == ["hourly", "new", "often"] and reading.reader.digest not in ("", before)
    del reading.scheduler.schedule["new"]
    reading.tick()
    assert reading.names() == ["hourly", "often"] and reading.reader.digest == before


def test_two_schedules_with_the_same_names_and_tasks_have_the_same_digest() -> None:
    digests = []
    for intervals in ({"a": 1.0, "b": 2.0}, {"b": 9.0, "a": 1.0}, {"a": 1.0}, {}):
        reading = Reading(a_scheduler(**intervals))
        reading.tick()
        reading.names()
        digests.append(reading.reader.digest)
    assert digests[0] == digests[1] != digests[2] and digests[3] == ""
    assert len(digests[0]) == 16


def test_sends_of_this_process_and_of_a_former_one(reading: Reading) -> None:
    reading.tick()
    reading.names()
    entry = reading.reader.entries["hourly"].entry
    entry.total_run_count, entry.last_run_at = 7, datetime.fromtimestamp(5970.0, timezone.utc)
    before = reading.reader.describe("hourly", None)
    assert (before.runs, before.sends, before.sent_age) == (7, 0, 30.0)
    reading.scheduler.apply_async(entry, advance=False)
    reading.clock.advance(4.0)
    after = reading.reader.describe("hourly", None)
    assert (after.sends, after.sent_age) == (1, 4.0)


def test_an_attempt_that_failed_is_not_taken_for_a_send(reading: Reading) -> None:
    reading.tick()
    reading.names()
    entry = reading.reader.entries["hourly"].entry
    entry.total_run_count, entry.last_run_at = 7, datetime.fromtimestamp(5999.0, timezone.utc)
    reading.scheduler.error = Undelivered()
    reading.scheduler.apply_entry(entry)
    reading.clock.advance(3.0)
    failed = reading.reader.describe("hourly", None)
    assert (failed.sends, failed.errors, failed.error, failed.error_age, failed.sent_age) == (
        0,
        1,
        "Undelivered",
        3.0,
        None,
    )


def test_of_a_scheduler_without_a_heap_those_are_known_that_it_has_considered() -> None:
    configured = [(name, SimpleNamespace(task=f"shop.{name}", schedule=60, options=None)) for name in ("a", "z")]
    scheduler = RedBeatLike(an_item("a", due_in=7.0))
    reading = Reading(scheduler, *configured)
    assert reading.names() == ["a", "z"] and reading.reader.nearest(9) == ["a", "z"]
    digest = reading.reader.digest
    scheduler.entries.append(an_item("dynamic", due_in=1.0, total_run_count=3))
    reading.tick()
    assert reading.names() == ["a", "dynamic", "z"] and reading.reader.nearest(1) == ["dynamic"]
    assert reading.reader.is_partial and reading.reader.digest == digest
    assert reading.reader.describe("dynamic", None).due == 1.0
    assert reading.reader.describe("dynamic", None).runs == 3


def test_an_entry_that_a_scheduler_without_a_heap_no_longer_considers_is_gone() -> None:
    configured = ("a", SimpleNamespace(task="shop.a", schedule=60, options=None))
    scheduler = RedBeatLike(an_item("a", due_in=1.0), an_item("b", due_in=1.0), an_item("c", due_in=1.0))
    reading = Reading(scheduler, configured)
    reading.tick()
    assert reading.names() == ["a", "b", "c"]
    scheduler.entries = [scheduler.entries[1], an_item("c", enabled=False)]
    for _ in range(3):
        reading.clock.advance(2.0)
        reading.tick()
    assert reading.names() == ["b"] == reading.names()
    scheduler.entries.append(an_item("a"))
    reading.tick()
    assert reading.names() == ["a", "b"]


def test_the_entries_of_a_scheduler_without_a_heap_are_limited() -> None:
    scheduler = RedBeatLike(*(an_item(f"{n}") for n in range(MAX_COUNTED)))
    reading = Reading(scheduler)
    reading.tick()
    reading.names()
    scheduler.entries = [an_item("more")]
    reading.tick()
    assert len(reading.names()) == MAX_COUNTED and "more" in reading.reader.entries


def a_sunset() -> Any:
    """As `solar("sunset", 52.5, 13.4)`, which needs a library."""
    sunset = solar.__new__(solar)
    sunset.event = "sunset"
    return sunset


class Secretive:
    """A schedule that tells in its repr what nobody should read."""

    def __repr__(self) -> str:
        return "password"


@pytest.mark.parametrize(
    "one, words",
    [
        (schedule(10.0), "every 10 s"),
        (schedule(0.25), "every 0.25 s"),
        (schedule(timedelta(minutes=90)), "every 1 h 30 min"),
        (schedule(timedelta(days=1, seconds=5)), "every 1 d 5 s"),
        (30, "every 30 s"),
        (timedelta(hours=1), "every 1 h"),
        (crontab("0", "*/4", day_of_week="mon-fri"), "crontab 0 */4 * * mon-fri"),
        (TzAwareCrontab(minute="5", tz=timezone(timedelta(hours=2), "CEST")), "crontab 5 * * * * CEST"),
        (a_sunset(), "solar sunset"),
        (clocked(NOON), "once at 2026-11-29T12:00:00+00:00"),
        (Secretive(), "Secretive"),
        (None, "NoneType"),
    ],
)
def test_a_schedule_is_told_in_words(one: Any, words: str) -> None:
    assert schedule_in_words(one) == words


@pytest.mark.parametrize(
    "one, seconds",
    [
        (schedule(0.25), 0.25),
        (schedule(timedelta(minutes=90)), 5400.0),
        (30, 30.0),
        (timedelta(hours=1), 3600.0),
        (crontab("0"), None),
        (a_sunset(), None),
        (clocked(NOON), None),
        (Secretive(), None),
        (None, None),
        (True, None),
    ],
)
def test_only_a_fixed_interval_has_a_period(one: Any, seconds: float | None) -> None:
    assert period_of(one) == seconds


def test_a_crontab_of_another_release_is_told_by_its_class() -> None:
    one = crontab("0")
    del one._orig_minute
    assert schedule_in_words(one) == "crontab"


def test_a_time_without_a_zone_is_in_utc() -> None:
    assert timestamp_of(NOON) == timestamp_of(NOON.replace(tzinfo=None)) == NOON.timestamp()
    assert timestamp_of("now") is None is timestamp_of(None)


@pytest.mark.parametrize(
    "options, queue",
    [({"queue": "q"}, "q"), ({"queue": Queue("mail")}, "mail"), ({"queue": 5}, ""), ({}, ""), (None, "")],
)
def test_the_queue_is_the_one_that_the_entry_names(options: Any, queue: str) -> None:
    scheduler = RedBeatLike(an_item("a", options=options))
    reading = Reading(scheduler)
    reading.tick()
    reading.names()
    assert reading.reader.describe("a", None).queue == queue


def test_no_property_of_an_entry_is_called() -> None:
    class Lazy:
        def __init__(self) -> None:
            self.name = "lazy"

        @property
        def task(self) -> str:
            raise AssertionError("a query")

        options = schedule = total_run_count = last_run_at = due_in = enabled = task

    scheduler = RedBeatLike()
    reading = Reading(scheduler)
    reading.observer._note_sighting(Lazy(), None)
    assert reading.names() == ["lazy"] and reading.reader.describe("lazy", None).task == ""
