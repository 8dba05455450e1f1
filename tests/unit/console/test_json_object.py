"""The JSON of `status --json`."""

import json
from typing import Any

import pytest

from celery_gossip.cluster.view import WorkerView
from celery_gossip.console.json_object import status_json, worker_json
from celery_gossip.wire.messages import PoolProcesses, Resources
from tests.unit.build import a_check, a_gossip, a_wire_gossip
from tests.unit.console.views import a_finding, a_throughput, a_view, a_worker


def as_json(*workers: WorkerView) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(json.dumps(status_json(a_view(*workers), [])))
    return shown


def test_json_is_one_object_of_workers_queues_and_findings() -> None:
    shown = as_json(a_worker())
    assert list(shown) == ["workers", "queues", "beats", "findings", "isolated_for"]
    judged = {"state": "online", "age": 0.25, "rivals": [], "replaced": None, "is_verified": None}
    judged |= {"software": None, "resources": None, "resources_age": None}
    judged |= {"pid": None, "uptime": None, "configuration": {}}
    assert shown["workers"] == [{**json.loads(json.dumps(a_wire_gossip())), **judged}]
    (queue,) = shown["queues"]
    counts = {"workers": 1, "active": 0, "reserved": 0, "scheduled": 0, "slots": 4, "free_slots": 4}
    rest = {"paused": "no", "states": {"online": 1}, "active_ids": [], "backlog": None, "load": 0.0, "throughput": None}
    rest |= {"oldest_age_min": None, "oldest_age_max": None}
    assert queue == {"queue": "default", **counts, **rest}
    assert (shown["findings"], shown["isolated_for"]) == ([], None)


def test_json_has_the_age_of_each_finding() -> None:
    (shown,) = status_json(a_view(), [a_finding()])["findings"]
    text = "It hangs. Restart it."
    assert shown == {"kind": "stalled", "severity": "critical", "subject": "w1", "age": 10.0, "text": text}


def test_json_has_the_seconds_of_isolation() -> None:
    assert status_json(a_view(isolated_since=1007.5), [])["isolated_for"] == 2.5


def test_json_names_the_boots_of_rivals_and_of_what_was_replaced() -> None:
    worker = WorkerView(
        a_gossip(), "conflict", 1000.0, rivals=(a_gossip(boot="f" * 16),), replaced=a_gossip(boot="e" * 16)
    )
    (shown,) = as_json(worker)["workers"]
    assert (shown["rivals"], shown["replaced"]) == (["f" * 16], "e" * 16)


def test_the_state_in_json_is_the_one_that_the_listener_judges() -> None:
    shown = as_json(a_worker(state="lost"), a_worker(state="stalled", stalled_for=2.0))
    assert [worker["state"] for worker in shown["workers"]] == ["lost", "stalled"]


def test_queues_in_json_leave_out_workers_that_are_gone() -> None:
    shown = as_json(a_worker(state="lost"), a_worker(state="offline"), a_worker(hostname="b", state="draining"))
    assert [queue["workers"] for queue in shown["queues"]] == [1]
    assert len(shown["workers"]) == 3


def test_json_has_the_throughput_of_a_queue() -> None:
    (queue,) = json.loads(json.dumps(status_json(a_view(a_worker(active=2)), [], {"default": a_throughput()})))[
        "queues"
    ]
    shown = queue["throughput"]
    assert (shown["seconds"], shown["per_second"], shown["failure_rate"]) == (10.0, 2.0, 0.25)
    assert (shown["received"], shown["started"], shown["succeeded"], shown["failed"]) == (21, 20, 15, 5)
    assert shown["failures"] == {"KeyError": 5}
    assert shown["runtime"]["count"] == 20 and shown["runtime"]["mean"] == pytest.approx(0.01)
    assert shown["runtime"]["p99"] == pytest.approx(0.01, rel=0.02)
    assert shown["wait"]["p50"] == pytest.approx(2.0, rel=0.02)


def test_json_has_the_load_of_a_queue_per_slot() -> None:
    worker = a_worker(active=4, reserved=2, checks=(a_check("mail", active_count=4, reserved=2),))
    queues = status_json(a_view(worker, backlogs={"mail": 6, "orphans": 3}), [])["queues"]
    assert {queue["queue"]: queue["load"] for queue in queues} == {"mail": 3.0, "orphans": 3.0}


def test_json_without_workers_is_empty() -> None:
    assert as_json() == {"workers": [], "queues": [], "beats": [], "findings": [], "isolated_for": None}


def test_the_latest_resources_are_named_fields_whichever_report_is_the_latest() -> None:
    resources = Resources(100, 400, 200, 12.5, None, None, PoolProcesses(12, 1, 2, 3, 2, 1, -9))
    worker = WorkerView(a_gossip(), "online", 1000.0, resources=resources, resources_age=3.25)
    written = json.loads(json.dumps(worker_json(worker)))
    assert written["resources_age"] == 3.25
    assert written["resources"]["rss"] == 100 and written["resources"]["memory_limit"] is None
    assert written["resources"]["processes"] == {
        "started": 12,
        "exited": 1,
        "recycled": 2,
        "terminated": 3,
        "lost": 2,
        "starting": 1,
        "last_loss": -9,
        "alive": 4,
    }
    without = worker_json(WorkerView(a_gossip(), "online", 1000.0))
    assert (without["resources"], without["resources_age"]) == (None, None)
