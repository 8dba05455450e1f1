"""What the commands print: tables, lines and JSON of the view. Pure functions of snapshots; called by the commands."""

import time
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from celery_gossip.diagnosis import Finding
from celery_gossip.messages import Gossip, QueueCheck, as_dict
from celery_gossip.throughput import COUNTS, Distribution, Throughput
from celery_gossip.view import QueueView, View, WorkerView

__all__ = [
    "duration",
    "finding_json",
    "finding_line",
    "gossip_line",
    "percent",
    "status_json",
    "status_text",
    "throughput_json",
    "throughput_line",
    "worker_json",
    "worker_line",
]

_NOTHING = Throughput(seconds=0.0)


def status_json(
    view: View, findings: Sequence[Finding], throughput: Mapping[str, Throughput] | None = None
) -> dict[str, Any]:
    """`{"workers": […], "queues": […], "findings": […], "isolated_for": seconds or None}`. See the parts.

    `throughput` is by queue.
    """
    isolated_since = view.isolated_since
    return {
        "workers": [worker_json(worker) for worker in view.workers],
        "queues": [queue_json(queue, (throughput or {}).get(queue.queue)) for queue in view.queues],
        "findings": [finding_json(finding, view.taken_at) for finding in findings],
        "isolated_for": None if isolated_since is None else round(view.taken_at - isolated_since, 3),
    }


def worker_json(worker: WorkerView) -> dict[str, Any]:
    """`{the gossip's fields, "state", "age", "rivals": [boots], "replaced": boot or None, "is_verified"}`.

    A worker's `state` is the listener's word (it may be stalled or lost), `age` is in seconds.
    """
    return {
        **as_dict(worker.gossip),
        "state": worker.state,
        "age": round(worker.age, 3),
        "rivals": [gossip.boot for gossip in worker.rivals],
        "replaced": worker.replaced and worker.replaced.boot,
        "is_verified": worker.is_verified,
    }


def queue_json(queue: QueueView, throughput: Throughput | None) -> dict[str, Any]:
    """`{the queue's fields, "load", "throughput": see throughput_json, or None where nothing is known}`."""
    told = throughput and throughput_json(throughput)
    return {**asdict(queue), "load": round(queue.load, 3), "throughput": told}


def throughput_json(throughput: Throughput) -> dict[str, Any]:
    """`{"seconds", each count, "per_second": ended, "failure_rate", "failures", "runtime": {…}, "wait": {…}}`.

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


def _distribution_json(distribution: Distribution) -> dict[str, Any]:
    names = ("mean", "p50", "p75", "p95", "p99", "max")
    return {"count": distribution.count, **{name: getattr(distribution, name) for name in names}}


def finding_json(finding: Finding, now: float) -> dict[str, Any]:
    """`{"kind", "severity", "subject", "age": seconds, "text"}`; `now` on the listener's clock."""
    return {
        "kind": finding.kind,
        "severity": finding.severity,
        "subject": finding.subject,
        "age": round(max(0.0, now - finding.since), 3),
        "text": finding.text,
    }


def status_text(view: View, findings: Sequence[Finding], throughput: Mapping[str, Throughput] | None = None) -> str:
    """One table by queue, one by worker, and a line per finding. `throughput` is by queue."""
    told = "\n".join(finding_line(finding, view.taken_at) for finding in findings) or "No findings."
    return "\n\n".join([_queue_table(view.queues, throughput or {}), _worker_table(view.workers), told])


def gossip_line(gossip: Gossip, at: float, is_verified: bool | None = None) -> str:
    """One line, `at` in Unix seconds: time, worker, state, totals, then active/reserved/scheduled by queue.

    `is_verified` as in WorkerView.
    """
    totals = f"active {gossip.active}/{gossip.concurrency} reserved {gossip.reserved} scheduled {gossip.scheduled}"
    checks = "  ".join(_check_word(check) for check in gossip.checks)
    state = _trust_word(_state_word(gossip), is_verified)
    return f"{_clock(at)}  {gossip.hostname}  {state}  {totals}  |  {checks}"


def worker_line(worker: WorkerView, at: float) -> str:
    """One line on a worker that entered a state which no gossip tells: suspect, lost, conflict."""
    told = f"silent for {worker.age:.1f}s" if worker.state != "conflict" else "two live workers have this name"
    return f"{_clock(at)}  {worker.gossip.hostname}  {worker.state}  {told}"


def finding_line(finding: Finding, now: float) -> str:
    """One line: how grave, for how long, and what to do; `now` on the listener's clock."""
    return f"{finding.severity.upper()} for {max(0.0, now - finding.since):.0f}s: {finding.text}"


def throughput_line(queue: str, throughput: Throughput, at: float) -> str:
    """One line on how the tasks of a queue fare, `at` in Unix seconds."""
    pace = f"{throughput.per_second(throughput.ended):.1f}/s done, {percent(throughput.failure_rate)} failed"
    times = f"run p95 {duration(throughput.runtime.p95)}, wait p95 {duration(throughput.wait.p95)}"
    return f"{_clock(at)}  queue {queue or '(unknown)'}  {pace}, {times}"


def percent(rate: float | None) -> str:
    """A rate from 0 to 1 for people; a dash where there is none."""
    if rate is None:
        return "-"
    return "<1%" if 0 < rate < 0.01 else f"{rate:.0%}"


def duration(seconds: float | None) -> str:
    """Seconds for people, in three figures or so; a dash where there are none."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.3g}ms"
    return f"{seconds:.3g}s" if seconds < 100 else f"{seconds / 60:.0f}m"


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _check_word(check: QueueCheck) -> str:
    counts = f"{check.queue} {check.active_count}/{check.reserved}/{check.scheduled}"
    return f"{counts} (paused)" if check.paused else counts


def _state_word(gossip: Gossip, state: str | None = None) -> str:
    if gossip.stalled_for > 0 and state in (None, "stalled"):
        return f"stalled {gossip.stalled_for:.1f}s"
    return state or gossip.state


def _trust_word(state: str, is_verified: bool | None) -> str:
    return f"{state} (unverified)" if is_verified is False else state


def _queue_table(queues: Iterable[QueueView], throughput: Mapping[str, Throughput]) -> str:
    header = ("QUEUE", "WORKERS", "ACTIVE", "FREE SLOTS", "RESERVED", "SCHEDULED", "BACKLOG", "PAUSED")
    pace = ("DONE/S", "FAILED", "RUN P95", "WAIT P95")
    return _table((*header, *pace), [_queue_row(queue, throughput.get(queue.queue, _NOTHING)) for queue in queues])


def _queue_row(queue: QueueView, throughput: Throughput) -> tuple[object, ...]:
    return (
        queue.queue,
        queue.workers,
        queue.active,
        queue.free_slots,
        queue.reserved,
        queue.scheduled,
        "unknown" if queue.backlog is None else queue.backlog,
        queue.paused,
        f"{throughput.per_second(throughput.ended):.1f}",
        percent(throughput.failure_rate),
        duration(throughput.runtime.p95),
        duration(throughput.wait.p95),
    )


def _worker_table(workers: Iterable[WorkerView]) -> str:
    header = ("WORKER", "STATE", "AGE", "POOL", "ACTIVE", "RESERVED", "SCHEDULED", "PROCESSED", "LOOP LAG", "QUEUES")
    return _table(header, [_worker_row(worker) for worker in workers])


def _worker_row(worker: WorkerView) -> tuple[object, ...]:
    gossip = worker.gossip
    return (
        gossip.hostname,
        _trust_word(_state_word(gossip, worker.state), worker.is_verified),
        f"{worker.age:.1f}s",
        gossip.pool,
        f"{gossip.active}/{gossip.concurrency}",
        gossip.reserved,
        gossip.scheduled,
        gossip.processed,
        f"{gossip.loop_lag * 1000:.0f}ms",
        _queue_names(gossip),
    )


def _queue_names(gossip: Gossip) -> str:
    names = [f"{check.queue} (paused)" if check.paused else check.queue for check in gossip.checks]
    if gossip.omitted:
        names.append(f"and {gossip.omitted} idle ones")
    return ", ".join(names)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Left-aligned columns; numbers to the right."""
    rows = list(rows)
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(header, *cells, strict=True)]
    is_number = [any(isinstance(row[at], int) for row in rows) for at in range(len(header))]
    lines = (
        "  ".join(_pad(cell, width, right) for cell, width, right in zip(line, widths, is_number, strict=True))
        for line in [list(header), *cells]
    )
    return "\n".join(line.rstrip() for line in lines)


def _pad(cell: str, width: int, to_the_right: bool) -> str:
    gap = " " * (width - _width(cell))
    return gap + cell if to_the_right else cell + gap


def _width(text: str) -> int:
    """Columns in a terminal: East Asian wide characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
