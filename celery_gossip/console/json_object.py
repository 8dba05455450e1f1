"""JSON objects of the view, as `status --json` and `watch --json` print them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
from msgspec import Struct

from celery_gossip.cluster.beat_view import BeatView, EntryView
from celery_gossip.cluster.throughput import COUNTS, Distribution, Throughput
from celery_gossip.cluster.view import QueueView, View, WorkerView
from celery_gossip.console.report import BalanceRow, FailureRow, TaskRow
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.units import round_age
from celery_gossip.wire.messages import Resources, as_dict

__all__ = [
    "balance_json",
    "beat_json",
    "failures_json",
    "finding_json",
    "queue_json",
    "resources_json",
    "status_json",
    "tasks_json",
    "throughput_json",
    "worker_json",
]


def status_json(
    view: View, findings: Sequence[Finding], throughput: Mapping[str, Throughput] | None = None
) -> dict[str, Any]:
    """Return `{"workers": […], "queues": […], "beats": […], "findings": […], "isolated_for": seconds or None}`.

    See worker_json, queue_json, beat_json and finding_json. `throughput` is by queue.
    """
    isolated_since = view.isolated_since
    return {
        "workers": [worker_json(worker) for worker in view.workers],
        "queues": [queue_json(queue, (throughput or {}).get(queue.queue)) for queue in view.queues],
        "beats": [beat_json(beat, view.taken_at) for beat in view.beats],
        "findings": [finding_json(finding, view.taken_at) for finding in findings],
        "isolated_for": None if isolated_since is None else round(view.taken_at - isolated_since, 3),
    }


def worker_json(worker: WorkerView) -> dict[str, Any]:
    """Return `{the report's fields, "state", "age", "rivals": [boots], "replaced": boot or None, "is_verified", …}`.

    `state` is as judged by the listener (a worker may be suspect or lost); `age` is in seconds. `software` and
    `resources` (with `resources_age`, see resources_json) are those of the latest reports with them, or None; so are
    `pid` and `uptime`, the seconds from the start of its program to its latest report. `configuration` are the settings
    that it reports beside those of `software`.
    """
    return {
        **as_dict(worker.gossip),
        "state": worker.state,
        "age": round(worker.age, 3),
        "rivals": [gossip.boot for gossip in worker.rivals],
        "replaced": worker.replaced and worker.replaced.boot,
        "is_verified": worker.is_verified,
        "software": msgspec.to_builtins(worker.software),
        "pid": worker.pid,
        "uptime": _uptime(worker),
        "configuration": {one.name: one.value for one in worker.configuration},
        "resources": worker.resources and resources_json(worker.resources),
        "resources_age": None if worker.resources_age is None else round(worker.resources_age, 3),
    }


def _uptime(worker: WorkerView) -> float | None:
    return None if worker.started_at is None else round(max(0.0, worker.heard_at - worker.started_at), 1)


def beat_json(beat: BeatView, now: float) -> dict[str, Any]:
    """Return `{the report's fields, "state", "age", "rivals": [boots], "is_verified", "entries": […]}`.

    Each entry has its reported fields, with `due`, `sent_age` and `error_age` as of now, and its `history`:
    `[{"age", "sends", "errors", "error", "late"}]`, the oldest first. `now` on the listener's clock.
    """
    return {
        **_fields(beat.report),
        "state": beat.state,
        "age": round(beat.age, 3),
        "is_standby": beat.is_standby,
        "rivals": [report.boot for report in beat.rivals],
        "is_verified": beat.is_verified,
        "entries": [_entry_json(entry, now) for entry in beat.entries],
    }


def _entry_json(view: EntryView, now: float) -> dict[str, Any]:
    ages = {"sent_age": view.sent_at, "error_age": view.error_at}
    due = view.due_in(now)
    return {
        **_fields(view.entry),
        "due": None if due is None else round(due, 3),
        **{name: None if at is None else round(max(0.0, now - at), 3) for name, at in ages.items()},
        "history": [
            {**{name: value for name, value in _fields(send).items() if name != "at"}, "age": round(now - send.at, 3)}
            for send in view.history
        ],
    }


def resources_json(resources: Resources) -> dict[str, Any]:
    """Return the fields of Resources, and of its processes with the number of those alive; null where unknown."""
    processes = resources.processes
    return {
        **_fields(resources),
        "processes": processes and {**_fields(processes), "alive": processes.alive},
    }


def queue_json(queue: QueueView, throughput: Throughput | None) -> dict[str, Any]:
    """Return `{the queue's fields, "load", "throughput": see throughput_json, or None where no task was counted}`."""
    counted = throughput and throughput_json(throughput)
    fields = _fields(queue)
    del fields["reported_at"]  # of the listener's own clock
    ages = {name: round_age(fields[name]) for name in ("oldest_age_min", "oldest_age_max")}
    return {**fields, **ages, "load": round(queue.load, 3), "throughput": counted}


def throughput_json(throughput: Throughput) -> dict[str, Any]:
    """Return `{"seconds", each count, "per_second": ended, "failure_rate", "failures", "runtime": {…}, "wait": {…}}`.

    A distribution is `{"count", "mean", "p50", "p75", "p95", "p99", "max"}` in seconds; null where there is none.
    """
    return {
        "seconds": round(throughput.seconds, 3),
        **{name: getattr(throughput, name) for name in COUNTS},
        "per_second": round(throughput.per_second(throughput.ended), 3),
        "failure_rate": throughput.failure_rate,
        "failures": dict(throughput.failures),
        "runtime": _distribution_json(throughput.runtime),
        "wait": _distribution_json(throughput.wait),
    }


def finding_json(finding: Finding, now: float) -> dict[str, Any]:
    """Return `{"kind", "severity", "subject", "age": seconds, "text"}`; `now` on the listener's clock."""
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "subject": finding.subject,
        "age": round(max(0.0, now - finding.since), 3),
        "text": finding.text,
    }


def tasks_json(rows: Iterable[TaskRow]) -> list[dict[str, Any]]:
    """Return the fields of running tasks; ages are in seconds, and null where a worker does not report them."""
    return _rows_json(rows)


def _rows_json(rows: Iterable[TaskRow | BalanceRow | FailureRow]) -> list[dict[str, Any]]:
    """Return the fields of rows; the source is left out where there is only one."""
    return [{name: value for name, value in asdict(row).items() if name != "source" or value} for row in rows]


def _fields(struct: Struct) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def balance_json(rows: Iterable[BalanceRow]) -> list[dict[str, Any]]:
    """Return the fields of the balance of each queue."""
    return _rows_json(rows)


def failures_json(rows: Iterable[FailureRow]) -> list[dict[str, Any]]:
    """Return the fields of the groups of failures; ages are in seconds, and the message null if it is not reported."""
    return _rows_json(rows)


def _distribution_json(distribution: Distribution) -> dict[str, Any]:
    names = ("mean", "p50", "p75", "p95", "p99", "max")
    return {"count": distribution.count, **{name: getattr(distribution, name) for name in names}}
