"""The report of a dashboard, from the rows of its API."""

import json
from typing import Any, get_type_hints

import pytest

from celery_gossip.console import dashboard_report
from celery_gossip.console.dashboard_report import PATHS, report_from, running_paths
from celery_gossip.console.report import Report
from celery_gossip.web import schema

NOW = 1_800_000_000.0

SOURCE = {
    "source": "0",
    "app": "shop",
    "broker": "redis://here",
    "label": "redis://here",
    "listening_since": NOW - 60.0,
    "is_connected": True,
    "isolated_since": None,
    "error": "",
    "rejected": 0,
}
QUEUE = {
    "source": "0",
    "name": "mail",
    "paused": "no",
    "workers": 1,
    "active": 2,
    "reserved": 3,
    "scheduled": 4,
    "slots": 6,
    "free_slots": 5,
    "backlog": 7,
    "per_second": 1.5,
    "failure_rate": 0.25,
    "runtime": {"p50": 0.1, "p95": 0.2, "p99": 0.3},
    "wait": {"p50": None, "p95": None, "p99": None},
}
WORKER = {
    "source": "0",
    "hostname": "celery@web1",
    "state": "suspect",
    "silent_since": NOW - 4.5,
    "interval": 1.0,
    "pool": "prefork",
    "concurrency": 4,
    "active": 2,
    "reserved": 3,
    "scheduled": 4,
    "processed": 99,
    "loop_lag": 0.01,
    "stalled_for": 0.0,
    "queues": ["mail", "reports"],
    "paused": ["reports"],
    "is_verified": None,
    "restarts": 0,
}
FINDING = {
    "source": "0",
    "kind": "failing",
    "severity": "warning",
    "subject": "mail",
    "subject_kind": "queue",
    "since": NOW - 10.0,
    "text": "Tasks fail.",
}


def answers(*sources: dict[str, Any], queues: Any = (QUEUE,), workers: Any = (WORKER,)) -> dict[str, bytes]:
    bodies = {
        "api/overview": {"now": NOW, "sources": sources or (SOURCE,), "totals": [], "findings": [FINDING]},
        "api/queues": {"now": NOW, "queues": queues},
        "api/workers": {"now": NOW, "workers": workers},
    }
    assert tuple(bodies) == PATHS
    return {path: json.dumps(body).encode() for path, body in bodies.items()}


def report(*sources: dict[str, Any], least_listened: float = 2.0, **rows: Any) -> Report:
    return report_from(answers(*sources, **rows), least_listened)[0]


def test_rows_of_the_api_become_rows_of_a_report() -> None:
    shown = report()
    assert [(one.source, one.listened, one.trouble) for one in shown.sources] == [("", 60.0, "")]
    (queue,) = shown.queues
    assert (queue.name, queue.active, queue.free_slots, queue.backlog) == ("mail", 2, 5, 7)
    assert (queue.per_second, queue.failure_rate, queue.runtime_p95, queue.wait_p95) == (1.5, 0.25, 0.2, None)
    (worker,) = shown.workers
    assert (worker.hostname, worker.state, worker.age) == ("celery@web1", "suspect", 4.5)
    assert (worker.queues, worker.paused) == (("mail", "reports"), {"reports"})
    (finding,) = shown.findings
    assert (finding.kind, finding.severity, finding.subject, finding.age) == ("failing", "warning", "mail", 10.0)


def test_a_worker_that_reports_in_time_has_no_exact_age() -> None:
    assert [one.age for one in report(workers=({**WORKER, "silent_since": None},)).workers] == [None]


def test_json_has_the_rows_as_the_api_gave_them() -> None:
    rows = report_from(answers(), 2.0)[1]
    known = {"sources": [SOURCE], "workers": [WORKER], "queues": [QUEUE], "findings": [FINDING]}
    assert rows == {**known, "beats": [], "schedule": []}


def test_running_tasks_are_those_of_every_answer_the_longest_running_first() -> None:
    run = {
        "source": "0", "id": "id-1", "name": "shop.pack", "hostname": "celery@web1", "queue": "mail",
        "since": NOW - 83.04, "is_older": False, "retries": 2, "is_redelivered": True, "soft_time_limit": None,
        "time_limit": 90.0,
    }  # fmt: skip
    older = {**run, "id": "id-2", "is_older": True, "retries": None, "is_redelivered": None, "time_limit": None}
    longest = {**run, "id": "id-3", "since": NOW - 900.0}
    paths = running_paths(["shop.pack", "a&b/ü"])
    assert paths == ("api/running?task=shop.pack", "api/running?task=a%26b%2F%C3%BC")
    lists = {paths[0]: (9, [run, older]), paths[1]: (1, [longest])}
    bodies = {
        path: json.dumps({"now": NOW, "total": total, "runs": runs}).encode() for path, (total, runs) in lists.items()
    }
    shown = report_from({**answers(), **bodies}, 2.0)[0]
    assert shown.tasks is not None
    assert [(task.id, task.age) for task in shown.tasks] == [("id-3", 900.0), ("id-1", 83.0), ("id-2", None)]
    assert (shown.omitted_tasks, shown.tasks[1].is_redelivered, shown.tasks[1].time_limit) == (7, True, 90.0)
    assert report().tasks is None and running_paths([]) == ("api/running",)


def test_an_answer_without_running_tasks_is_an_error() -> None:
    with pytest.raises(ValueError, match="^api/running is not the JSON of a dashboard: "):
        report_from({**answers(), "api/running": b'{"now": 1}'}, 2.0)


def test_several_sources_are_labelled_by_their_address() -> None:
    there = {**SOURCE, "source": "1", "broker": "redis://there", "label": "redis://there"}
    shown = report(SOURCE, there, workers=(WORKER, {**WORKER, "source": "1"}))
    assert [one.source for one in shown.sources] == ["redis://here", "redis://there"]
    assert [one.source for one in shown.workers] == ["redis://here", "redis://there"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"error": "refused", "is_connected": False}, "the dashboard cannot reach the broker redis://here: refused"),
        ({"isolated_since": NOW - 3}, "the dashboard's listener on redis://here is isolated, and its view is frozen"),
        ({"is_connected": False}, "the dashboard is not connected to the broker redis://here"),
        ({"listening_since": None}, "the dashboard is not connected to the broker redis://here"),
        ({"listening_since": NOW - 1.5}, "the dashboard has listened on redis://here for 1.5 s only"),
    ],
)
def test_a_source_that_is_not_current_says_why(fields: dict[str, Any], text: str) -> None:
    assert [one.trouble for one in report({**SOURCE, **fields}).sources] == [text]


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"now": 1, "sources": [{}], "findings": []}', b"\xff", b"null"]
)
@pytest.mark.parametrize("path", PATHS)
def test_an_answer_that_is_not_a_dashboards_is_an_error(path: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=f"^{path} is not the JSON of a dashboard: "):
        report_from({**answers(), path: body}, 2.0)


@pytest.mark.parametrize("name", ["Source", "Finding", "Queue", "Worker", "RunningTask", "Timing"])
def test_every_field_is_one_of_the_api_with_the_same_type(name: str) -> None:
    """Else the command would refuse what the dashboard of the same release answers."""
    theirs = get_type_hints(getattr(schema, name))  # without the descriptions of units
    for field, ours in get_type_hints(getattr(dashboard_report, name)).items():
        if name == "Queue" and field in ("runtime", "wait"):
            assert theirs[field] is schema.Timing
        else:
            assert theirs[field] == ours, field
