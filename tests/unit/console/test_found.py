"""Tasks that `status --find` finds by their id: of a listener and of a dashboard, as text and JSON."""

import json
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from celery_gossip.cluster.failures import FailureView
from celery_gossip.console import found as module
from celery_gossip.console.dashboard_report import report_from
from celery_gossip.console.found import Found, find, found_from, found_json, found_text, search_paths
from celery_gossip.console.status import report_text
from celery_gossip.web import schema
from celery_gossip.wire.messages import RunningTask, WaitingTask
from tests.unit.build import a_check
from tests.unit.cli.fakes import FakeListener, run, run_json, use_listener
from tests.unit.console.test_dashboard_report import answers
from tests.unit.console.test_failures import a_failure
from tests.unit.console.views import a_report, a_view, a_worker

ID = "9f1c2a3b-0000-4000-8000-000000000001"
NAMES = ("shop.pay", "mail")
SIGHTING: dict[str, Any] = {
    "source": "0",
    "id": ID,
    "name": "shop.pay",
    "hostname": "celery@web1",
    "queue": "mail",
    "state": "seen",
    "was": "running",
    "worker_state": "online",
    "since": 940.0,
    "due_at": None,
    "seen_at": 980.0,
    "has_ended": True,
    "retries": 2,
    "exception": "",
    "message": None,
}


def a_listener() -> FakeListener:
    check = a_check("mail", active=(ID,), tasks=(RunningTask(0, 65.0, 2),), active_count=3)
    waiting = (WaitingTask("scheduled-id", 0, 1, "scheduled", 7.0, 0, 60.0),)
    worker = a_worker(names=NAMES, checks=(check,), active=3, scheduled=2, waiting=waiting)
    listener = FakeListener(a_view(worker))
    listener.failed = FailureView((a_failure(90.0, message="no\x1b[2J"),), taken_at=100.0)
    return listener


def result(*sightings: dict[str, Any], since: float | None = 280.0) -> bytes:
    coverage = {"source": "0", "since": since, "unlisted_running": 1, "unlisted_waiting": 2, "is_frozen": False}
    return json.dumps({"now": 1000.0, "sightings": sightings, "names": [], "coverage": [coverage]}).encode()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (ID, (ID, "running", "shop.pay", "mail", "retry 2")),
        (ID[:8], (ID, "running")),
        ("scheduled-id", ("scheduled", "due in ")),
        ("id-90", ("failed", r"KeyError: no\x1b[2J")),
    ],
)
def test_the_command_finds_a_task_where_it_is(
    monkeypatch: pytest.MonkeyPatch, text: str, parts: tuple[str, ...]
) -> None:
    use_listener(monkeypatch, a_listener())
    shown = run("status", "--find", text)
    assert shown.exit_code == run("status").exit_code
    assert [part for part in parts if part not in shown.stdout] == []


def test_an_unknown_id_is_said_to_be_in_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    use_listener(monkeypatch, a_listener())
    shown = run("status", "--find", "no-such-task").stdout
    assert "No task with this id was seen in the latest report of any worker. 3 tasks that run or wait" in shown
    assert "found" not in run_json("status")
    assert run_json("status", "--find", "no-such-task")["found"] == {"tasks": [], "seconds": None, "unlisted": 3}


def test_several_ids_are_found_and_json_has_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    use_listener(monkeypatch, a_listener())
    running, scheduled = run_json("status", "--find", ID, "--find", "scheduled-id")["found"]["tasks"]
    assert (running["id"], running["state"], running["exception"], running["due_in"]) == (ID, "running", "", None)
    assert running["age"] >= 65.0 and running["seen_age"] >= 0.0 and running["worker_state"] == "online"
    assert (scheduled["state"], scheduled["retries"], scheduled["has_ended"]) == ("scheduled", 0, False)
    assert "source" not in running and "message" in running


def test_a_dashboard_also_remembers_what_is_not_listed_any_more() -> None:
    (path,) = search_paths([ID])
    report = report_from({**answers(), path: result(SIGHTING)}, 2.0)[0]
    assert report.found is not None
    (row,) = report.found.tasks
    assert (row.state, row.was, row.age, row.seen_age, row.has_ended) == ("seen", "running", 60.0, 20.0, True)
    text = report_text(report)
    assert "seen (running)" in text and "20s ago" in text and "retry 2, has ended" in text
    assert report_from(answers(), 2.0)[0].found is None
    with pytest.raises(ValueError, match="^api/search.* is not the JSON of a dashboard"):
        report_from({**answers(), path: b"[]"}, 2.0)


def test_a_dashboard_that_finds_nothing_says_for_how_long_it_has_looked() -> None:
    found = found_from({"api/search?q=x": result()}, {})
    assert found == Found(tasks=(), seconds=720.0, unlisted=3)
    assert found_text(found, is_labelled=False).startswith("No task with this id was seen in the last 12m. 3 tasks")
    assert found_json(found) == {"tasks": [], "seconds": 720.0, "unlisted": 3}
    unknown = found_from({"api/search?q=x": result(since=None)}, {})
    assert unknown is not None and unknown.seconds is None


def test_of_several_brokers_each_row_names_its_own() -> None:
    found = found_from({"api/search?q=x": result({**SIGHTING, "source": "1"})}, {"0": "one", "1": "two"})
    assert found is not None
    assert found.tasks[0].source == "two"
    assert found_text(found, is_labelled=True).splitlines()[1].split()[0] == "two"
    assert found_json(found)["tasks"][0]["source"] == "two"


def test_the_text_is_there_only_if_asked_for() -> None:
    report = a_report()
    assert "LAST REPORT" not in report_text(report)
    found = find(a_listener().view(), FailureView(), [ID])
    assert "LAST REPORT" in report_text(replace(report, found=found))


def test_the_fields_that_are_read_are_those_of_the_api() -> None:
    assert get_type_hints(module._Sighting).keys() <= get_type_hints(schema.Sighting).keys()
    assert get_type_hints(module._Coverage).keys() <= get_type_hints(schema.Coverage).keys()
