"""Lines of the detail pane: all known facts about the subject of one row, such as a queue or a worker. Pure.

Bounded: ids and workers beyond _MAX_LISTED are counted, not listed.
"""

from collections.abc import Iterable, Iterator

from rich.cells import chop_cells

from celery_gossip.cluster.task_view import TaskView, tasks_of
from celery_gossip.cluster.throughput import Distribution, Throughput
from celery_gossip.cluster.view import STATES, QueueView, WorkerView
from celery_gossip.tui.fact import LABEL_WIDTH, fact, facts
from celery_gossip.tui.failure import group_lines
from celery_gossip.tui.resource_lines import resource_lines
from celery_gossip.tui.row import MIN_BAR_SCALE, UNVERIFIED, finding_key, severity_cell, state_cell
from celery_gossip.tui.schedule import entry_key, entry_lines
from celery_gossip.tui.sighting import is_sighted, search_lines
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.sparkline import sparkline
from celery_gossip.tui.task import age_of, task_lines
from celery_gossip.tui.text import Cell, Line, escape_text, fit, format_age, format_count, wrap
from celery_gossip.units import format_age_range, format_duration, format_percent
from celery_gossip.wire.messages import Gossip, QueueCheck, Software, TaskCount, settings_of

__all__ = ["detail_lines"]

_MAX_LISTED = 300  #: ids, workers or checks listed


def detail_lines(pane: str, key: str, snapshot: Snapshot, width: int) -> list[Line]:
    """Return the lines of the row with this key in this pane, or one line if it has left the view."""
    build = {
        "findings": _finding_lines,
        "queues": _queue_lines,
        "workers": _worker_lines,
        "schedule": _entry_lines,
        "tasks": _task_detail_lines,
        "failures": _failure_group_lines,
        "search": _search_lines,
    }[pane]
    name = key.replace("\n", " ").strip()
    return list(build(key, snapshot, width)) or [(Cell(f"{escape_text(name)} is no longer in the view.", "dim"),)]


def _finding_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    for finding in snapshot.findings:
        if finding_key(finding) == key:
            yield from _title("Finding", finding.kind, width)
            yield fact("severity", severity_cell(finding))
            yield fact("subject", finding.subject)
            yield fact("since", format_age(snapshot.now - finding.since))
            yield ()
            yield from ((Cell(line),) for line in wrap(escape_text(finding.text), width))
            for lines in (_queue_lines, _worker_lines):
                about = list(lines(finding.subject, snapshot, width))
                yield from [(), *about] if about else ()


def _entry_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    one = next((one for one in snapshot.schedule if entry_key(one) == key), None)
    if one is not None:
        yield from _title("Entry", one.entry.name, width)
        yield from entry_lines(one, snapshot, width)


def _task_detail_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    task_id = key.partition("\n")[2]
    lines = list(task_lines(key, snapshot, width))
    if not lines and is_sighted(task_id, snapshot):
        lines = list(search_lines(task_id, snapshot, width))
    if lines:
        yield from _title("Task", task_id, width)
        yield from lines


def _failure_group_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    lines = list(group_lines(key, snapshot, width))
    if lines:
        yield from _title("Failures of", key.partition("\n")[0] or "unknown tasks", width)
        yield from lines


def _search_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    yield from _title("Search for", key, width)
    yield from search_lines(key, snapshot, width)


def _queue_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    queue = next((queue for queue in snapshot.view.queues if queue.queue == key), None)
    if queue is None:
        return
    history = snapshot.history.get(key, ())
    yield from _title("Queue", key, width)
    states = [f"{queue.states[state]:,} {state}" for state in STATES if queue.states.get(state)]
    yield from facts("workers", ", ".join(states) or "none", width)
    yield fact("paused", queue.paused)
    yield fact("slots", f"{format_count(queue.slots)}, {format_count(queue.free_slots)} free; shared with other queues")
    yield fact("reserved", f"{format_count(queue.reserved)}, scheduled {format_count(queue.scheduled)}")
    bars = min(60, width - LABEL_WIDTH - 12)
    active = sparkline(
        [sample.active for sample in history], bars, snapshot.sample_count, min(queue.slots, MIN_BAR_SCALE)
    )
    backlog = sparkline([sample.backlog for sample in history], bars, snapshot.sample_count, MIN_BAR_SCALE)
    yield (*fact("active", Cell(fit(format_count(queue.active), 11))), Cell(f" {active}", "info"))
    yield (*fact("backlog", Cell(fit(format_count(queue.backlog), 11))), Cell(f" {backlog}", "trace"))
    yield fact("oldest", f"{format_age_range(queue.oldest_age_min, queue.oldest_age_max)}; age of the oldest message")
    yield from _throughput_lines(snapshot.throughput.get(queue.queue), width)
    yield from _worker_lines_of_queue(queue, snapshot, width)
    yield from _task_lines("Running tasks", snapshot.view.tasks(queue=key), queue.active, snapshot)


def _throughput_lines(throughput: Throughput | None, width: int) -> Iterator[Line]:
    """Yield lines about the tasks of the last minute."""
    if throughput is None:
        yield fact("last minute", "no tasks counted")
        return
    failures = ", ".join(
        f"{escape_text(kind)} {number:,}"
        for kind, number in sorted(throughput.failures.items(), key=lambda item: -item[1])
    )
    failed = f"{format_percent(throughput.failure_rate)} failed{f' ({failures})' if failures else ''}"
    others = f"{throughput.retried:,} retried, {throughput.revoked:,} revoked, {throughput.rejected:,} rejected"
    yield from facts("last minute", f"{throughput.per_second(throughput.ended):.1f}/s done, {failed}, {others}", width)
    yield from facts("runtime", _times(throughput.runtime), width)
    yield from facts("wait", _times(throughput.wait), width)


def _times(distribution: Distribution) -> str:
    if not distribution.count:
        return "unknown"
    statistics = (
        ("p50", distribution.p50),
        ("p75", distribution.p75),
        ("p95", distribution.p95),
        ("p99", distribution.p99),
        ("max", distribution.max),
    )
    return ", ".join(f"{name} {format_duration(seconds)}" for name, seconds in statistics)


def _worker_lines_of_queue(queue: QueueView, snapshot: Snapshot, width: int) -> Iterator[Line]:
    serving = [(worker, check) for worker in snapshot.view.workers for check in _checks_of(worker, queue.queue)]
    yield from _section_title(f"Workers ({len(serving):,})", "active/reserved/scheduled here")
    for worker, check in serving[:_MAX_LISTED]:
        name = fit(escape_text(worker.gossip.hostname), max(12, min(40, width - 34)))
        yield Cell("  "), Cell(name, "strong"), Cell(" "), _padded(worker.state), Cell(f" {_counts(check)}")
    yield from _more_line(len(serving) - _MAX_LISTED, "workers")


def _worker_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    worker = next((worker for worker in snapshot.view.workers if worker.gossip.hostname == key), None)
    if worker is None:
        return
    gossip = worker.gossip
    yield from _title("Worker", key, width)
    yield (*fact("state", state_cell(worker.state)), Cell(f" for {format_age(snapshot.now - worker.state_since)}"))
    if worker.is_verified is not None:
        signature = (
            "signed with this listener's secret" if worker.is_verified else f"{UNVERIFIED} not signed: unverified"
        )
        yield fact("signature", signature)
    yield fact("last report", f"{format_age(snapshot.now - worker.heard_at)} ago, every {gossip.interval:g}s")
    yield fact("event loop", f"lag {gossip.loop_lag * 1000:,.0f}ms, stalled for {format_age(gossip.stalled_for)}")
    yield from facts("instance", f"{gossip.boot}, report {gossip.seq:,}, app {gossip.app}", width)
    pool = f"{gossip.pool}, concurrency {format_count(gossip.concurrency)}, prefetch {_prefetch(gossip)}"
    yield from facts("pool", pool, width)
    yield from facts("tasks", _tasks(gossip), width)
    if worker.software is not None:
        yield from _software_lines(worker.software, width)
    yield from resource_lines(worker, width)
    yield from _other_instances(worker, snapshot)
    if worker.stack:
        yield from _section_title("Blocked in", "module:function:line, innermost first")
        yield from ((Cell("  "), Cell(escape_text(frame))) for frame in worker.stack)
    yield from _section_title(f"Queues ({len(gossip.checks):,})", "active/reserved/scheduled")
    for check in gossip.checks[:_MAX_LISTED]:
        yield (
            Cell("  "),
            Cell(fit(escape_text(check.queue), max(12, min(40, width - 24))), "strong"),
            Cell(f" {_counts(check)}"),
        )
    yield from _more_line(len(gossip.checks[_MAX_LISTED:]) + gossip.omitted, "idle queues")
    title = "Tasks in its last report" if worker.is_gone else "Running tasks"
    active = sum(gossip.active for gossip in worker.gossips)
    yield from _task_lines(title, worker.tasks(), active, snapshot)
    yield from _waiting_lines("Reserved tasks", gossip, gossip.reserved_tasks, gossip.reserved)
    yield from _waiting_lines("Scheduled tasks", gossip, gossip.scheduled_tasks, gossip.scheduled)


def _other_instances(worker: WorkerView, snapshot: Snapshot) -> Iterator[Line]:
    for rival in worker.rivals:
        text = f"instance {escape_text(rival.boot)} reports too: {escape_text(rival.state)}, {_tasks(rival)}"
        yield fact("rival", Cell(text, "bad"))
    if worker.replaced is not None:
        replaced = worker.replaced
        yield fact(
            "replaced",
            Cell(
                f"instance {escape_text(replaced.boot)} ended with {format_count(replaced.active)} running tasks",
                "warn",
            ),
        )
        yield from _task_lines("Tasks of the replaced instance", tasks_of(replaced), replaced.active, snapshot)


def _software_lines(software: Software, width: int) -> Iterator[Line]:
    versions = {"Celery": software.celery, "Kombu": software.kombu, "Python": software.python}
    versions["celery-gossip"] = software.gossip
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield from facts("release", software.release or "unknown", width)
    yield from facts("versions", known or "unknown", width)
    registry = f", digest {software.registry}" if software.registry else ""
    yield from facts("registered", f"{software.tasks:,} tasks{registry}", width)
    settings = ", ".join(f"{name} {value}" for name, value in settings_of(software).items())
    yield from facts("settings", settings or "unknown", width)


def _task_lines(title: str, tasks: Iterable[TaskView], active: int, snapshot: Snapshot) -> Iterator[Line]:
    """Yield the tasks, the longest running first, with their age, id, name and what is unusual about them."""
    aged = sorted(
        ((age_of(task, snapshot), task) for task in tasks), key=lambda pair: (-(pair[0].seconds or 0.0), pair[1].id)
    )
    yield from _section_title(f"{title} ({active:,})", "with the time for which they have run")
    for age, task in aged[:_MAX_LISTED]:
        name = Cell(f" {escape_text(task.name)}", "strong") if task.name else Cell("")
        yield Cell("  "), Cell(f"{age!s:>8} "), Cell(escape_text(task.id)), name, Cell(_notes(task), "dim")
    yield from _more_line(active - min(len(aged), _MAX_LISTED), "tasks")


def _notes(task: TaskView) -> str:
    notes = [f"retry {task.retries:,}"] if task.retries else []
    notes += ["redelivered"] if task.is_redelivered else []
    limit = task.time_limit or task.soft_time_limit
    notes += [f"limit {format_duration(limit)}"] if limit else []
    return f"  {', '.join(notes)}" if notes else ""


def _waiting_lines(title: str, gossip: Gossip, counts: Iterable[TaskCount], total: int) -> Iterator[Line]:
    """Yield the numbers of waiting tasks by name, the largest first, if the worker reports them."""
    rows = list(counts)
    if not rows:
        return
    yield from _section_title(f"{title} ({total:,})", "by name and queue")
    for one in rows:
        queue = escape_text(gossip.names[one.queue]) or "(unknown)"
        yield (
            Cell("  "),
            Cell(f"{one.count:>7,} "),
            Cell(escape_text(gossip.names[one.task]), "strong"),
            Cell(f" {queue}"),
        )
    yield from _more_line(total - sum(one.count for one in rows), "tasks")


def _checks_of(worker: WorkerView, queue: str) -> Iterable[QueueCheck]:
    return (check for gossip in worker.gossips for check in gossip.checks if check.queue == queue)


def _counts(check: QueueCheck) -> str:
    return f"{check.active_count:,}/{check.reserved:,}/{check.scheduled:,}{' paused' if check.paused else ''}"


def _tasks(gossip: Gossip) -> str:
    counts = f"active {gossip.active:,}, reserved {gossip.reserved:,}, scheduled {gossip.scheduled:,}"
    unknown = f", {gossip.unattributed:,} with unknown queue" if gossip.unattributed else ""
    return f"{counts}, processed {gossip.processed:,}{unknown}"


def _prefetch(gossip: Gossip) -> str:
    return "?" if gossip.prefetch_count is None else format_count(gossip.prefetch_count)


def _padded(state: str) -> Cell:
    text, style = state_cell(state)
    return Cell(fit(text, 10), style)


def _title(kind: str, name: str, width: int) -> Iterator[Line]:
    """Yield the name in full, in as many lines as it needs."""
    first, *others = chop_cells(escape_text(name), max(2, width - len(kind) - 1)) or [""]
    yield Cell(f"{kind} "), Cell(first, "strong")
    for part in others:
        yield Cell(" " * (len(kind) + 1)), Cell(part, "strong")


def _section_title(text: str, note: str) -> Iterator[Line]:
    yield ()
    yield Cell(text, "title"), Cell(f"  {note}", "dim")


def _more_line(number: int, noun: str) -> Iterator[Line]:
    if number > 0:
        yield (Cell(f"  and {number:,} more {noun}", "dim"),)
