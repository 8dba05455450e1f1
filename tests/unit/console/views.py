"""Builders of views, findings, throughput and reports."""

from typing import Any

from celery_gossip.cluster.throughput import Throughput, ThroughputSum
from celery_gossip.cluster.view import View, WorkerView, build_queue_views
from celery_gossip.console.report import FindingRow, QueueRow, Report, SourceRow, WorkerRow
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.wire.histogram import bucket_index
from tests.unit.build import a_gossip


def a_worker(state: str = "online", age: float = 0.25, **fields: Any) -> WorkerView:
    return WorkerView(gossip=a_gossip(**fields), state=state, heard_at=1000.0, age=age)


def a_view(*workers: WorkerView, backlogs: dict[str, int | None] | None = None, **fields: Any) -> View:
    return View(workers, build_queue_views(workers, backlogs), taken_at=1010.0, **fields)


def a_finding(**fields: Any) -> Finding:
    values = {
        "kind": "stalled",
        "severity": "critical",
        "subject": "w1",
        "since": 1000.0,
        "text": "It hangs. Restart it.",
    }
    return Finding(**{**values, **fields})


def a_throughput() -> Throughput:
    """Return ten seconds in which 20 tasks ended, 5 of them failed; each waited for 2 s and ran for 10 ms."""
    tally = ThroughputSum()
    tally.counts = [21, 20, 15, 5, 0, 0, 0]
    tally.failures = {"KeyError": 5}
    tally.runtime, tally.runtime_total = {bucket_index(0.01): 20}, 0.2
    tally.wait, tally.wait_total = {bucket_index(2.0): 20}, 40.0
    return tally.throughput(10.0)


def a_worker_row(hostname: str = "celery@web1", state: str = "online", **fields: Any) -> WorkerRow:
    values: dict[str, Any] = {
        "age": 0.2,
        "interval": 1.0,
        "pool": "prefork",
        "concurrency": 4,
        "active": 0,
        "reserved": 0,
        "scheduled": 0,
        "processed": 0,
        "loop_lag": 0.0,
        "stalled_for": 0.0,
        "queues": ("mail",),
    }
    return WorkerRow(hostname=hostname, state=state, **{**values, **fields})


def a_queue_row(name: str = "mail", **fields: Any) -> QueueRow:
    values: dict[str, Any] = {
        "workers": 1,
        "active": 0,
        "free_slots": 4,
        "reserved": 0,
        "scheduled": 0,
        "backlog": 0,
        "paused": "no",
    }
    return QueueRow(name=name, **{**values, **fields})


def a_finding_row(kind: str = "stalled", severity: str = "critical", **fields: Any) -> FindingRow:
    return FindingRow(
        kind=kind,
        severity=severity,
        **{"subject": "celery@web1", "age": 10.0, "text": "It hangs. Restart it.", **fields},
    )


def a_report(**fields: Any) -> Report:
    """Return a report of one source with one worker and one queue."""
    values: dict[str, Any] = {
        "sources": (SourceRow(listened=60.0),),
        "workers": (a_worker_row(),),
        "queues": (a_queue_row(),),
    }
    return Report(**{**values, **fields})
