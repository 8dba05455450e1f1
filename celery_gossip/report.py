"""What the commands print: tables, lines and JSON of the view. Pure functions of snapshots; called by the commands."""

import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from celery_gossip.messages import Gossip, QueueCheck, as_dict
from celery_gossip.view import QueueView, WorkerView, gather_queues

__all__ = ["gossip_line", "status_json", "status_text"]


def status_json(workers: Sequence[WorkerView]) -> dict[str, Any]:
    """`{"workers": [{the gossip's fields, "state", "age"}], "queues": [{"queue", "workers", …, "paused"}]}`.

    A worker's `state` is the listener's word (it may be stalled or lost), `age` is in seconds.
    """
    return {
        "workers": [
            {**as_dict(worker.gossip), "state": worker.state, "age": round(worker.age, 3)} for worker in workers
        ],
        "queues": [asdict(queue) for queue in gather_queues(workers)],
    }


def status_text(workers: Sequence[WorkerView]) -> str:
    """One table by queue and one by worker."""
    return "\n\n".join([_queue_table(gather_queues(workers)), _worker_table(workers)])


def gossip_line(gossip: Gossip, at: float) -> str:
    """One line, `at` in Unix seconds: time, worker, state, totals, then active/reserved/scheduled by queue."""
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    totals = f"active {gossip.active}/{gossip.concurrency} reserved {gossip.reserved} scheduled {gossip.scheduled}"
    checks = "  ".join(_check_word(check) for check in gossip.checks)
    return f"{clock}  {gossip.hostname}  {_state_word(gossip)}  {totals}  |  {checks}"


def _check_word(check: QueueCheck) -> str:
    counts = f"{check.queue} {check.active_count}/{check.reserved}/{check.scheduled}"
    return f"{counts} (paused)" if check.paused else counts


def _state_word(gossip: Gossip, state: str | None = None) -> str:
    if gossip.stalled_for > 0 and state in (None, "stalled"):
        return f"stalled {gossip.stalled_for:.1f}s"
    return state or gossip.state


def _queue_table(queues: Iterable[QueueView]) -> str:
    rows = [
        (queue.queue, queue.workers, queue.active, queue.reserved, queue.scheduled, queue.paused) for queue in queues
    ]
    return _table(("QUEUE", "WORKERS", "ACTIVE", "RESERVED", "SCHEDULED", "PAUSED"), rows)


def _worker_table(workers: Iterable[WorkerView]) -> str:
    header = ("WORKER", "STATE", "AGE", "POOL", "ACTIVE", "RESERVED", "SCHEDULED", "PROCESSED", "LOOP LAG", "QUEUES")
    return _table(header, [_worker_row(worker) for worker in workers])


def _worker_row(worker: WorkerView) -> tuple[object, ...]:
    gossip = worker.gossip
    return (
        gossip.hostname,
        _state_word(gossip, worker.state),
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
    is_number = [bool(rows) and all(isinstance(row[at], int) for row in rows) for at in range(len(header))]
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
