"""The detail pane: everything that is known of one queue, one worker or one finding, as lines. Pure.

Bounded: of ids and workers only the first hundreds are told, and how many more there are.
"""

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import chop_cells

from celery_gossip.diagnosis import Finding
from celery_gossip.messages import Gossip, QueueCheck
from celery_gossip.report import duration, percent
from celery_gossip.throughput import Distribution, Throughput
from celery_gossip.tui.frame import Frame
from celery_gossip.tui.row import LEAST_FULL, UNVERIFIED, severity_cell, state_cell
from celery_gossip.tui.spark import sparkline
from celery_gossip.tui.text import Cell, Line, age, count, fit, shown, wrap
from celery_gossip.view import STATES, QueueView, WorkerView

__all__ = ["detail_lines", "finding_key"]

_MOST = 300  #: ids, workers or checks told one by one
_LABEL = 14  #: cells


def detail_lines(pane: str, key: str, frame: Frame, width: int) -> list[Line]:
    """Of the finding, queue or worker with this key; of one that has left the view just that."""
    rows = {"findings": _finding_lines, "queues": _queue_lines, "workers": _worker_lines}[pane]
    return list(rows(key, frame, width)) or [(Cell(f"{shown(key)} is not in the view any more.", "dim"),)]


def finding_key(finding: Finding) -> str:
    return f"{finding.kind}\n{finding.subject}\n{finding.severity}"


def _finding_lines(key: str, frame: Frame, width: int) -> Iterator[Line]:
    for finding in frame.findings:
        if finding_key(finding) == key:
            yield from _title("Finding", finding.kind, width)
            yield _fact("severity", severity_cell(finding))
            yield _fact("subject", finding.subject)
            yield _fact("since", age(frame.now - finding.since))
            yield ()
            yield from ((Cell(line),) for line in wrap(shown(finding.text), width))
            for lines in (_queue_lines, _worker_lines):
                about = list(lines(finding.subject, frame, width))
                yield from [(), *about] if about else ()


def _queue_lines(key: str, frame: Frame, width: int) -> Iterator[Line]:
    queue = next((queue for queue in frame.view.queues if queue.queue == key), None)
    if queue is None:
        return
    past = frame.past.get(key, ())
    yield from _title("Queue", key, width)
    states = [f"{queue.states[state]:,} {state}" for state in STATES if queue.states.get(state)]
    yield from _facts("workers", ", ".join(states) or "none", width)
    yield _fact("paused", queue.paused)
    yield _fact("slots", f"{count(queue.slots)}, {count(queue.free_slots)} free; shared with other queues")
    yield _fact("reserved", f"{count(queue.reserved)}, scheduled {count(queue.scheduled)}")
    bars = min(60, width - _LABEL - 12)
    active = sparkline([sample.active for sample in past], bars, frame.taken, min(queue.slots, LEAST_FULL))
    backlog = sparkline([sample.backlog for sample in past], bars, frame.taken, LEAST_FULL)
    yield (*_fact("active", fit(count(queue.active), 11)), Cell(f" {active}", "info"))
    yield (*_fact("backlog", fit(count(queue.backlog), 11)), Cell(f" {backlog}", "trace"))
    yield from _pace_lines(frame.throughput.get(queue.queue), width)
    yield from _servers(queue, frame, width)
    yield from _ids("Running tasks", queue.active_ids, queue.active, frame)


def _pace_lines(pace: Throughput | None, width: int) -> Iterator[Line]:
    """How its tasks have fared in the last minute."""
    if pace is None:
        yield _fact("last minute", "no task was counted")
        return
    kinds = ", ".join(
        f"{shown(kind)} {number:,}" for kind, number in sorted(pace.failures.items(), key=lambda one: -one[1])
    )
    failed = f"{percent(pace.failure_rate)} failed{f' ({kinds})' if kinds else ''}"
    others = f"{pace.retried:,} retried, {pace.revoked:,} revoked, {pace.rejected:,} rejected"
    yield from _facts("last minute", f"{pace.per_second(pace.ended):.1f}/s done, {failed}, {others}", width)
    yield from _facts("ran for", _times(pace.runtime), width)
    yield from _facts("waited for", _times(pace.wait), width)


def _times(times: Distribution) -> str:
    if not times.count:
        return "not known"
    figures = (("p50", times.p50), ("p75", times.p75), ("p95", times.p95), ("p99", times.p99), ("max", times.max))
    return ", ".join(f"{name} {duration(seconds)}" for name, seconds in figures)


def _servers(queue: QueueView, frame: Frame, width: int) -> Iterator[Line]:
    served = [(worker, check) for worker in frame.view.workers for check in _checks_of(worker, queue.queue)]
    yield from _headline(f"Workers ({len(served):,})", "active/reserved/scheduled here")
    for worker, check in served[:_MOST]:
        name = fit(shown(worker.gossip.hostname), max(12, min(40, width - 34)))
        yield Cell("  "), Cell(name, "strong"), Cell(" "), _padded(worker.state), Cell(f" {_counts(check)}")
    yield from _more(len(served) - _MOST, "workers")


def _worker_lines(key: str, frame: Frame, width: int) -> Iterator[Line]:
    worker = next((worker for worker in frame.view.workers if worker.gossip.hostname == key), None)
    if worker is None:
        return
    gossip = worker.gossip
    yield from _title("Worker", key, width)
    yield (*_fact("state", state_cell(worker.state)), Cell(f" for {age(frame.now - worker.state_since)}"))
    if worker.is_verified is not None:
        trust = "signed with this listener's secret" if worker.is_verified else f"{UNVERIFIED} not signed: unverified"
        yield _fact("gossip", trust)
    yield _fact("last heard", f"{age(frame.now - worker.heard_at)} ago, speaks every {gossip.interval:g}s")
    yield _fact("event loop", f"lag {gossip.loop_lag * 1000:,.0f}ms, stalled for {age(gossip.stalled_for)}")
    yield from _facts("boot", f"{gossip.boot}, message {gossip.seq:,}, app {gossip.app}", width)
    pool = f"{gossip.pool}, concurrency {count(gossip.concurrency)}, prefetch {_prefetch(gossip)}"
    yield from _facts("pool", pool, width)
    yield from _facts("tasks", _tasks(gossip), width)
    yield from _other_boots(worker, frame)
    yield from _headline(f"Queues ({len(gossip.checks):,})", "active/reserved/scheduled")
    for check in gossip.checks[:_MOST]:
        yield (
            Cell("  "),
            Cell(fit(shown(check.queue), max(12, min(40, width - 24))), "strong"),
            Cell(f" {_counts(check)}"),
        )
    yield from _more(len(gossip.checks[_MOST:]) + gossip.omitted, "idle queues")
    title = "Tasks when last heard" if worker.is_gone else "Running tasks"
    yield from _ids(title, _active_ids(worker.gossips), sum(gossip.active for gossip in worker.gossips), frame)


def _other_boots(worker: WorkerView, frame: Frame) -> Iterator[Line]:
    for rival in worker.rivals:
        told = f"boot {shown(rival.boot)} speaks too: {shown(rival.state)}, {_tasks(rival)}"
        yield _fact("rival", Cell(told, "bad"))
    if worker.replaced is not None:
        left = worker.replaced
        yield _fact("replaced", Cell(f"boot {shown(left.boot)} left with {count(left.active)} running tasks", "warn"))
        yield from _ids("Tasks that it left", _active_ids((left,)), left.active, frame)


def _ids(title: str, ids: Sequence[str], active: int, frame: Frame) -> Iterator[Line]:
    yield from _headline(f"{title} ({active:,})", "age: since first seen by this dashboard")
    for task_id in ids[:_MOST]:
        first = frame.seen.get(task_id)
        passed = "?" if first is None else age(frame.now - first)
        yield Cell("  "), Cell(f"{passed:>7} "), Cell(shown(task_id))
    yield from _more(active - min(len(ids), _MOST), "tasks")


def _active_ids(gossips: Iterable[Gossip]) -> list[str]:
    return [task_id for gossip in gossips for check in gossip.checks for task_id in check.active]


def _checks_of(worker: WorkerView, queue: str) -> Iterable[QueueCheck]:
    return (check for gossip in worker.gossips for check in gossip.checks if check.queue == queue)


def _counts(check: QueueCheck) -> str:
    return f"{check.active_count:,}/{check.reserved:,}/{check.scheduled:,}{' paused' if check.paused else ''}"


def _tasks(gossip: Gossip) -> str:
    told = f"active {gossip.active:,}, reserved {gossip.reserved:,}, scheduled {gossip.scheduled:,}"
    unknown = f", {gossip.unattributed:,} of unknown queue" if gossip.unattributed else ""
    return f"{told}, processed {gossip.processed:,}{unknown}"


def _prefetch(gossip: Gossip) -> str:
    return "?" if gossip.prefetch_count is None else count(gossip.prefetch_count)


def _padded(state: str) -> Cell:
    text, style = state_cell(state)
    return Cell(fit(text, 10), style)


def _title(kind: str, name: str, width: int) -> Iterator[Line]:
    """The whole name, here at least."""
    first, *others = chop_cells(shown(name), max(2, width - len(kind) - 1)) or [""]
    yield Cell(f"{kind} "), Cell(first, "strong")
    for part in others:
        yield Cell(" " * (len(kind) + 1)), Cell(part, "strong")


def _fact(label: str, value: str | Cell) -> Line:
    return Cell(fit(label, _LABEL), "dim"), value if isinstance(value, Cell) else Cell(shown(value))


def _facts(label: str, text: str, width: int) -> Iterator[Line]:
    """Likewise, in as many lines as it takes."""
    for at, line in enumerate(wrap(shown(text), max(1, width - _LABEL))):
        yield Cell(fit("" if at else label, _LABEL), "dim"), Cell(line)


def _headline(text: str, remark: str) -> Iterator[Line]:
    yield ()
    yield Cell(text, "title"), Cell(f"  {remark}", "dim")


def _more(number: int, of_what: str) -> Iterator[Line]:
    if number > 0:
        yield (Cell(f"  and {number:,} more {of_what}", "dim"),)
