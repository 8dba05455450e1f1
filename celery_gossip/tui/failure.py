"""The table of failures, grouped by task, exception and code line, and the details of one group. Pure."""

from collections.abc import Iterator, Sequence
from itertools import islice

from celery_gossip.cluster.failures import TREND_STEPS, Failure, FailureGroup
from celery_gossip.tui.column import Column
from celery_gossip.tui.column_type import age_column, count_column, name_column, text_column
from celery_gossip.tui.fact import fact, facts
from celery_gossip.tui.row import MIN_BAR_SCALE
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.sparkline import sparkline
from celery_gossip.tui.text import Cell, Line, escape_text, format_age
from celery_gossip.units import format_duration, join_names

__all__ = ["FAILURES", "group_key", "group_lines"]

_MAX_LISTED = 20  #: failures of a group
_MAX_NAMES = 20  #: queues, and workers, of a group
_TREND_WIDTH = TREND_STEPS // 2 + 1  #: cells: two steps share a bar


def group_key(group: FailureGroup) -> str:
    return f"{group.task}\n{group.exception}\n{group.line}"


def group_lines(key: str, snapshot: Snapshot, width: int) -> Iterator[Line]:
    """Yield what is known of a group, and its latest failures with message and traceback where reported."""
    group = next((group for group in snapshot.failure_groups if group_key(group) == key), None)
    if group is None:
        return
    first, last = (format_age(snapshot.now - at) for at in (group.first_at, group.last_at))
    yield fact("exception", Cell(escape_text(group.exception), "bad"))
    yield from facts("code line", group.line or "unknown: see gossip_failure_details", width)
    yield (
        *fact("failures", f"{group.count:,}, last {last} ago, first {first} ago"),
        Cell(f" {_trend(group)}", "trace"),
    )
    yield from facts("queues", join_names(group.queues, _MAX_NAMES) or "unknown", width)
    yield from facts("workers", join_names(group.hostnames, _MAX_NAMES), width)
    yield ()
    yield Cell("Latest failures", "title"), Cell("  the latest first", "dim")
    for failure in islice(_members(key, snapshot), _MAX_LISTED):
        yield from _failure_lines(failure, snapshot, width)
    if group.count > _MAX_LISTED:
        yield (Cell(f"  and {group.count - _MAX_LISTED:,} more failures", "dim"),)


def _members(key: str, snapshot: Snapshot) -> Iterator[Failure]:
    """Yield the failures of a group, newest first."""
    for failure in snapshot.failures.failures:
        if f"{failure.task}\n{failure.exception}\n{failure.line}" == key:
            yield failure


def _failure_lines(failure: Failure, snapshot: Snapshot, width: int) -> Iterator[Line]:
    yield ()
    yield Cell(f"{format_age(snapshot.now - failure.at)} ago "), Cell(escape_text(failure.id), "strong")
    runtime = f"after {format_duration(failure.runtime)}" if failure.runtime is not None else "after an unknown time"
    retries = f", retry {failure.retries:,}" if failure.retries else ""
    yield from facts("", f"on {failure.hostname} from {failure.queue or 'an unknown queue'}, {runtime}{retries}", width)
    if failure.message:
        yield from facts("  message", failure.message, width)
    for at, frame in enumerate(failure.traceback):
        style = "strong" if frame == failure.line else ""
        yield fact("" if at else "  traceback", Cell(escape_text(frame), style))


def _cause(group: FailureGroup) -> str:
    return group.latest.message or group.line or "-"


def _trend(group: FailureGroup) -> str:
    return sparkline(group.trend, _TREND_WIDTH - 1, TREND_STEPS, MIN_BAR_SCALE, TREND_STEPS)


FAILURES: Sequence[Column[FailureGroup]] = (
    name_column("FAILURES", lambda group: group.task or "?", 14, 0, max_width=48),
    count_column("COUNT", lambda group: group.count, 1),
    age_column("LAST", lambda group: group.last_at, 7, 2),
    age_column("FIRST", lambda group: group.first_at, 7, 6),
    Column(
        "LAST HOUR",
        lambda group, *_: Cell(_trend(group), "trace"),
        lambda group, _: sum(group.trend),
        16,
        8,
        is_number=True,
    ),
    text_column("EXCEPTION", lambda group: group.exception, 12, 3),
    text_column("CAUSE", _cause, 16, 4, max_width=999),
    text_column("CODE LINE", lambda group: group.line or "-", 12, 7),
    count_column("WORKERS", lambda group: len(group.hostnames), 9),
    text_column("QUEUES", lambda group: ", ".join(group.queues[:_MAX_NAMES]), 8, 10),
)
