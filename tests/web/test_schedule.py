"""Rows of the page Schedule: their figures, and that rows without a change stay equal."""

from typing import Any

import pytest

from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.web import overview, schedule
from celery_gossip.web.subject import build_tables
from celery_gossip.web.topic import Subject
from celery_gossip.wire.messages import BeatEntry
from tests.unit.build import a_beat
from tests.web.fake_fleet import NOW, WALL, FakeFleet


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


def report(fleet: FakeFleet, seq: int, *entries: BeatEntry, **fields: Any) -> None:
    fleet.cluster.apply_beat(a_beat(*entries, seq=seq, **fields), fleet.clock.now)


def test_an_entry_has_times_its_state_and_its_history(fleet: FakeFleet) -> None:
    report(fleet, 1, BeatEntry("report", "shop.report", due=30.0, sent_age=30.0))
    fleet.clock.advance(30.5)
    sent = BeatEntry("report", "shop.report", "every 60 s", due=59.6, sent_age=0.4, sends=1, runs=7, late=0.124)
    report(fleet, 2, sent)
    (row,) = schedule.entries([fleet.sampler().sample()]).values()
    assert (row.name, row.state, row.schedule, row.sends, row.runs, row.late) == (
        *("report", "scheduled", "every 60 s"),
        *(1, 7, 0.12),
    )
    assert (row.due_at, row.sent_at) == (NOW + WALL + 90, NOW + WALL + 30)
    assert [(send.at, send.sends, send.late) for send in row.history] == [
        (NOW + WALL - 30, 1, None),
        (pytest.approx(NOW + WALL + 30.1), 1, 0.12),
    ]


def test_a_beat_has_its_next_and_its_last_send(fleet: FakeFleet) -> None:
    entries = (BeatEntry("a", "t", due=90.0, sent_age=4.0), BeatEntry("b", "t", due=20.0, sent_age=9.0))
    report(fleet, 1, *entries, scheduler="celery.beat:Scheduler", sends=4, errors=1)
    ((key, row),) = schedule.beats([fleet.sampler().sample()]).items()
    assert key == "0/celerybeat@web1/shop"
    assert (row.due_at, row.sent_at, row.started_at) == (NOW + WALL + 20, NOW + WALL - 4, NOW + WALL - 60)
    assert (row.state, row.entries, row.sends, row.errors, row.instances) == ("online", 2, 4, 1, 1)
    assert row.silent_since is None and not row.is_standby and not row.is_embedded


def test_a_beat_that_is_lost_or_waits_has_nothing_due(fleet: FakeFleet) -> None:
    report(fleet, 1, BeatEntry("a", "t", due=90.0))
    report(fleet, 1, BeatEntry("a", "t", due=90.0), hostname="b", holds_lock=False)
    fleet.clock.advance(20)
    report(fleet, 2, BeatEntry("a", "t", due=70.0), hostname="b", holds_lock=False)
    fleet.cluster.expire_silent_beats(fleet.clock.now)
    fleet.clock.advance(20)
    fleet.cluster.expire_silent_beats(fleet.clock.now)
    standby, lost = schedule.beats([fleet.sampler().sample()]).values()
    assert (lost.state, lost.due_at, lost.silent_since) == ("lost", None, NOW + WALL)
    assert standby.is_standby and standby.due_at is None
    (entry,) = schedule.entries([fleet.sampler().sample()]).values()
    assert (entry.hostname, entry.state) == ("celerybeat@web1", "stopped")


def test_rows_of_a_schedule_that_waits_are_equal_although_messages_take_different_times(fleet: FakeFleet) -> None:
    rows = []
    for seq, delay in enumerate((0.0, 0.1, 0.02), start=1):
        fleet.clock.advance(1.0)
        report(fleet, seq, BeatEntry("a", "t", due=90.3 - seq - delay, sent_age=20.7 + seq + delay), uptime=60.0 + seq)
        rows.append(build_tables(Subject("schedule"), {"0": fleet.sampler().sample()}, {"0": fleet}))
    assert rows[0] == rows[1] == rows[2]


def test_the_finding_of_an_entry_leads_to_the_schedule(fleet: FakeFleet) -> None:
    fleet.findings = (
        Finding("entry_fails", "warning", "report", NOW, "text"),
        Finding("no_beat", "warning", "listener", NOW, "text"),
    )
    rows = overview.findings([fleet.sampler().sample()]).values()
    assert [row.subject_kind for row in rows] == ["schedule", "listener"]
