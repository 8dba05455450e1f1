"""Lines about commands: what one will touch, what became of it, and the log of those that were sent. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from celery_gossip.control.activity import Activity
from celery_gossip.control.command import Command, Purge
from celery_gossip.control.control import ControlReply
from celery_gossip.tui.fact import fact, facts
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.task import task_state_cell
from celery_gossip.tui.task_row import state_of
from celery_gossip.tui.text import Cell, Line, escape_text, format_count, wrap

__all__ = ["log_lines", "preview_lines", "result_lines"]

_MAX_LISTED = 300  #: workers, tasks or commands
_OUTCOMES: Mapping[str, tuple[str, str]] = {
    "confirmed": ("✓ confirmed", "info"),
    "answered": ("✓ accepted; no report can show it", ""),
    "waiting": ("… waits for the next report", "notice"),
    "unknown": ("? no answer, and no report can show it", "warn"),
    "not_confirmed": ("! no report has shown it in time", "warn"),
    "failed": ("✖ failed", "bad"),
}


def preview_lines(command: Command, reply: ControlReply, snapshot: Snapshot, width: int) -> list[Line]:
    """Return what the command will touch: tasks, workers or messages, and the workers that cannot obey."""
    lines = [*_purged_lines(command, snapshot, width), *_task_lines(command, snapshot)]
    if reply.asked:
        lines.append(
            (Cell(f"Will be sent to {len(reply.asked):,} worker{'s' if len(reply.asked) > 1 else ''}", "title"),)
        )
        lines += [_worker_line(hostname, snapshot) for hostname in reply.asked[:_MAX_LISTED]]
        lines += _more(len(reply.asked))
    if reply.refused:
        lines.append((Cell("Will not be sent to", "title"),))
        for hostname, reason in islice(reply.refused.items(), _MAX_LISTED):
            lines += [(Cell(f"  {line}", "warn"),) for line in wrap(escape_text(f"{hostname}: {reason}"), width - 2)]
        lines += _more(len(reply.refused))
    return lines


def result_lines(reply: ControlReply | None, error: str, activity: Activity | None, width: int) -> list[Line]:
    """Return what became of a command, worker by worker. Without a reply and an error, it is being sent."""
    if error:
        return [
            (Cell(f"✖ {line}" if at == 0 else f"  {line}", "bad"),) for at, line in enumerate(wrap(error, width - 2))
        ]
    if reply is None:
        return [(Cell("… is being sent", "notice"),)]
    if activity is None:
        return [(Cell("sent"),)]
    lines: list[Line] = [fact("outcome", outcome_cell(activity.outcome))]
    if activity.detail:
        lines += facts("", activity.detail, width)
    for hostname, outcome in activity.outcomes.items():
        answer = activity.answers.get(hostname, "no answer yet")
        text, style = outcome_cell(outcome)
        lines += [(Cell(f"  {escape_text(hostname)} ", "strong"), Cell(text, style))]
        lines += [(Cell(f"    {line}", "dim"),) for line in wrap(escape_text(answer), width - 4)]
    return [*lines, *_more(activity.workers, len(activity.outcomes))]


def log_lines(activities: Sequence[Activity], width: int) -> list[Line]:
    """Return the commands that were sent, the latest first, with their outcomes."""
    title: Line = (Cell("Commands", "title"), Cell("  of this top; any key that does not scroll closes this", "dim"))
    lines: list[Line] = [title, ()]
    for one in activities[:_MAX_LISTED]:
        time = datetime.fromtimestamp(one.at).strftime("%H:%M:%S")
        text, style = outcome_cell(one.outcome)
        lines.append((Cell(f"{time}  "), Cell(f"{escape_text(one.text)}", "strong")))
        workers = f"{one.workers:,} worker{'' if one.workers == 1 else 's'}" if one.workers else "the broker"
        seconds = "" if one.seconds is None else f" after {one.seconds:.1f}s"
        lines.append((Cell(f"{'':10}by {escape_text(one.user)} on {workers}: "), Cell(text, style), Cell(seconds)))
        lines += [(Cell(f"{'':10}{line}", "dim"),) for line in wrap(escape_text(one.detail), max(1, width - 10))]
    return lines if activities else [*lines, (Cell("none was sent"),)]


def outcome_cell(outcome: str) -> Cell:
    return Cell(*_OUTCOMES.get(outcome, (outcome, "")))


def _purged_lines(command: Command, snapshot: Snapshot, width: int) -> Iterator[Line]:
    if isinstance(command, Purge):
        queue = snapshot.view.queue(command.queue)
        waiting = format_count(None if queue is None else queue.backlog)
        text = (
            f"All messages that wait in {escape_text(command.queue)} are deleted for good; {waiting} by the last count."
        )
        yield from ((Cell(line, "bad"),) for line in wrap(text, width))


def _task_lines(command: Command, snapshot: Snapshot) -> Iterator[Line]:
    """Yield the tasks that the command ends or prevents."""
    ids = command.task_ids
    if not ids:
        return
    known = {task.id: task for task in snapshot.tasks if task.id in ids}
    yield (Cell(f"{len(ids):,} task{'s' if len(ids) > 1 else ''}", "title"),)
    for task_id in ids[:_MAX_LISTED]:
        task = known.get(task_id)
        if task is None:
            yield Cell(f"  {escape_text(task_id)}", "strong"), Cell("  in no report", "dim")
        else:
            about = Cell(f" {escape_text(task.name or '?')} on {escape_text(task.hostname)}")
            yield Cell(f"  {escape_text(task_id)} ", "strong"), task_state_cell(state_of(task)), about
    yield from _more(len(ids))


def _worker_line(hostname: str, snapshot: Snapshot) -> Line:
    worker = snapshot.view.worker(hostname)
    name = Cell(f"  {escape_text(hostname)}", "strong")
    if worker is None:
        return (name,)
    counts = (
        f"  {worker.state}, {worker.active:,} of {worker.concurrency:,} slots busy, {worker.gossip.reserved:,} reserved"
    )
    return name, Cell(counts, "dim")


def _more(number: int, listed: int = _MAX_LISTED) -> Iterator[Line]:
    if number > listed:
        yield (Cell(f"  and {number - listed:,} more", "dim"),)
