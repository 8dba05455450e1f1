"""The schedule in `celery gossip status`, of a listener and of a dashboard."""

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from celery_gossip.console.dashboard_report import BEATS, report_from
from celery_gossip.console.json_object import status_json
from celery_gossip.console.report import EntryRow, report_of
from celery_gossip.console.status import report_text, status_text
from celery_gossip.units import format_wait
from celery_gossip.web import schedule
from tests.incidents.beats import fleet_with_beat
from tests.incidents.fleet import Entry, Fleet
from tests.unit.console.test_dashboard_report import answers
from tests.web.fake_fleet import FakeFleet


def a_fleet() -> Fleet:
    """Return a fleet with a beat and a standby: an entry waits, one fails, one is stuck."""
    fleet = Fleet()
    entries = [Entry("clean", 60.0), Entry("bad", 20.0, error="EncodeError"), Entry("stuck", 30.0, is_stuck=True)]
    fleet_with_beat(fleet, *entries, holds_lock=True)
    fleet.add_beat("celerybeat@web2", Entry("clean", 60.0), holds_lock=False)
    fleet.run(10)
    return fleet


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_status_lists_beat_processes_and_entries_with_problems_first() -> None:
    parts = status_text(a_fleet().cluster.view(), []).split("\n\n")
    beats, entries = ([cells(line) for line in part.splitlines()] for part in parts[2:4])
    assert beats[0] == [
        "BEAT",
        "STATE",
        "AGE",
        "APP",
        "SCHEDULER",
        "ENTRIES",
        "NEXT DUE",
        "LAST SENT",
        "SENT",
        "ERRORS",
    ]
    assert [row[:2] for row in beats[1:]] == [["celerybeat@web1", "online"], ["celerybeat@web2", "online (standby)"]]
    assert beats[2][-4:] == ["-", "-", "0", "0"]
    assert [row[:2] for row in entries[1:]] == [
        ["bad", "failing: EncodeError"],
        ["stuck", "overdue"],
        ["clean", "scheduled"],
    ]
    assert entries[2][2].endswith(" ago") and entries[3][2].startswith("in ")


def test_without_beat_there_is_no_section_and_long_schedules_are_cut() -> None:
    fleet = Fleet()
    fleet.add("w1")
    fleet.run(5)
    assert "BEAT" not in status_text(fleet.cluster.view(), [])
    fleet.add_beat("b", *(Entry(f"e{number}") for number in range(30)))
    fleet.run(5)
    text = status_text(fleet.cluster.view(), [])
    assert "\nand 10 more\n" in text and text.count("every 60 s") == 20


def test_names_cannot_move_the_cursor() -> None:
    row = EntryRow(
        name="\x1b[2J",
        task="\x1b[2J",
        schedule="\x1b[2J",
        state="failing",
        hostname="\x1b[2J",
        due_in=None,
        sent_age=None,
        late=None,
        sends=0,
        errors=1,
        error="\x1b[2J",
    )
    report = replace(report_of(a_fleet().cluster.view()), entries=(row,))
    assert "\x1b" not in report_text(report)


def test_the_json_has_every_entry_with_its_history() -> None:
    shown: dict[str, Any] = json.loads(json.dumps(status_json(a_fleet().cluster.view(), [])))
    beat, standby = shown["beats"]
    assert (beat["hostname"], beat["state"], beat["is_standby"]) == ("celerybeat@web1", "online", False)
    assert standby["is_standby"] is True
    entries = {entry["name"]: entry for entry in beat["entries"]}
    assert set(entries) == {"clean", "bad", "stuck"}
    assert entries["stuck"]["due"] < -60 and entries["bad"]["sent_age"] is None
    assert entries["bad"]["history"][-1].items() >= {"sends": 0, "errors": 1, "error": "EncodeError"}.items()
    assert 0 <= entries["bad"]["history"][-1]["age"] < 20


def test_the_report_of_a_dashboard_has_the_same_rows() -> None:
    fleet, source = a_fleet(), FakeFleet()
    source.cluster, source.clock = fleet.cluster, fleet.clock
    snapshot = source.sampler().sample()
    body = {
        "now": snapshot.unix(fleet.clock.now),
        "beats": list(schedule.beats([snapshot]).values()),
        "schedule": list(schedule.entries([snapshot]).values()),
    }
    report, objects = report_from({**answers(), BEATS: msgspec.json.encode(body)}, 0.0)
    expected = report_of(fleet.cluster.view())
    assert [(row.hostname, row.state, row.entries, row.errors, row.is_standby) for row in report.beats] == [
        (row.hostname, row.state, row.entries, row.errors, row.is_standby) for row in expected.beats
    ]
    assert [replace(row, due_in=0.0, sent_age=0.0) for row in report.entries] == [
        replace(row, due_in=0.0, sent_age=0.0) for row in expected.entries
    ]
    for row, other in zip(report.entries, expected.entries, strict=True):
        assert row.due_in == pytest.approx(other.due_in, abs=1.0)
    assert len(objects["beats"]) == 2 and len(objects["schedule"]) == 3


def test_an_older_dashboard_has_no_schedule() -> None:
    report, objects = report_from(answers(), 0.0)
    assert (report.beats, report.entries, objects["beats"], objects["schedule"]) == ((), (), [], [])


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0s"), (99.4, "99s"), (99.5, "2m"), (5969, "99m"), (5970, "2h"), (356_399, "99h"), (356_400, "4d")],
)
def test_a_wait_has_the_largest_unit_with_two_digits(seconds: float, text: str) -> None:
    assert format_wait(seconds) == text
