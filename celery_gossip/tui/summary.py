"""Lines above and below the tables: two header lines, the alert on the listener, the key hints. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from celery_gossip.cluster.view import STATES, WorkerView
from celery_gossip.diagnosis.diagnosis import CRITICAL
from celery_gossip.listener.readiness import FAILED
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import Cell, Line, cell_width, escape_text, format_age, truncate, wrap

__all__ = ["KeyHints", "ListenerAlert", "header_lines", "key_hints_line", "listener_alert", "no_findings_text"]

_SEPARATOR = "  "
_WIDE = 100  #: cells; from this width on the hint to resume is shown
_MAX_ALERT_LINES = 4
_MAX_REQUIRED_ORDER = 3  #: if parts up to this order do not fit, the words of the states are left out
_KEYS = (
    ("?", "help", 0),
    ("q", "quit", 1),
    ("/", "filter", 2),
    ("s", "sort", 4),
    ("enter", "detail", 3),
    ("tab", "pane", 5),
    ("space", "pause", 6),
    ("z", "zoom", 7),
)
_COMMANDS_KEY = ("c", "commands", 3)


class _Part(NamedTuple):
    """A part of a line. If the line is too long, the part with the highest `hide_order` is left out first."""

    cells: Line
    hide_order: int


@dataclass(frozen=True)
class ListenerAlert:
    """A problem of the listener itself, shown above the tables."""

    lines: tuple[str, ...]
    style: str


@dataclass(frozen=True)
class KeyHints:
    """Contents of the last line, beside the keys."""

    search: str = ""  #: text of the filter
    order: str = ""  #: what the rows are sorted by
    escape: str = ""  #: effect of the escape key; empty if it has none
    is_order_visible: bool = True  #: by an arrow in the header of the pane
    has_commands: bool = False


def header_lines(snapshot: Snapshot, width: int, paused_for: float | None) -> tuple[Line, Line]:
    """Return the line with app, broker and time of the last report, and the line with the totals."""
    right = _last_report_cells(snapshot, paused_for, width)
    left_width = width - sum(cell_width(text) for text, _ in right) - len(_SEPARATOR)
    left = truncate(" · ".join(filter(None, ["celery-gossip", _apps(snapshot), snapshot.uri])), left_width)
    gap = " " * (left_width - cell_width(left) + len(_SEPARATOR))
    return (Cell(left, "strong"), Cell(gap), *right), _totals_line(snapshot, width)


def listener_alert(snapshot: Snapshot, width: int) -> ListenerAlert | None:
    """Return the most severe problem of the listener: dead, isolated, not connected, no reports."""
    found = _alert_text(snapshot)
    if found is None:
        return None
    text, style = found
    return ListenerAlert(tuple(wrap(text, max(1, width - 2))[:_MAX_ALERT_LINES]), style)


def no_findings_text(snapshot: Snapshot) -> str:
    """Return the text that is shown if there are no findings."""
    if snapshot.view.isolated_since is not None or snapshot.error:
        return "unknown: this listener is cut off from the broker"
    is_known = any(worker.state != "lost" for worker in snapshot.view.workers)
    return "no problems detected" if is_known else "unknown: no worker reports"


def key_hints_line(width: int, hints: KeyHints) -> Line:
    """Return filter, sort order and keys, as far as they fit."""
    search, escape = truncate(escape_text(hints.search), width // 3), hints.escape
    parts = [_Part((Cell(f"filter: {search}", "warn"),), 0)] if search else []
    parts += [_Part((Cell("esc", "strong"), Cell(f" {escape}")), 0)] if escape else []
    known = (*_KEYS, _COMMANDS_KEY) if hints.has_commands else _KEYS
    keys = [_Part((Cell(key, "strong"), Cell(f" {name}")), 1 + hide_order) for key, name, hide_order in known]
    sorting = _Part((Cell(f"sorted by {hints.order}", "dim"),), 20 if hints.is_order_visible else 1)
    return _joined_parts([*parts, *keys, sorting], width)


def _last_report_cells(snapshot: Snapshot, paused_for: float | None, width: int) -> Line:
    last_report_at = max((worker.heard_at for worker in snapshot.view.workers), default=None)
    last = "no reports" if last_report_at is None else f"last report {format_age(snapshot.now - last_report_at)} ago"
    if paused_for is None:
        return (Cell(last),)
    resume = ", space resumes" if width >= _WIDE else ""
    return Cell(last), Cell(_SEPARATOR), Cell(f" PAUSED {format_age(paused_for)}{resume} ", "selected")


def _apps(snapshot: Snapshot) -> str:
    names = sorted({worker.gossip.app for worker in snapshot.view.workers})
    return escape_text(names[0]) if len(names) == 1 else f"{len(names)} apps" if names else ""


def _totals_line(snapshot: Snapshot, width: int) -> Line:
    """Return the totals. If the words of the states do not fit, only their symbols, which the help screen explains."""
    states = Counter(worker.state for worker in snapshot.view.workers)
    present = [state for state in STATES if states[state]]
    words = [_Part((state_cell(state, f"{states[state]:,} {state}"),), 2) for state in present]
    first, *others = _total_parts(snapshot)
    if sum(_width(part) for part in (first, *words, *others) if part.hide_order <= _MAX_REQUIRED_ORDER) > width:
        symbols = (state_cell(state, f"{states[state]:,} ") for state in present)
        words = [_Part(tuple(Cell(text.replace(" ", "", 1), style) for text, style in symbols), 2)]
    return _joined_parts([first, *words, *others], width)


def _total_parts(snapshot: Snapshot) -> list[_Part]:
    workers, live = snapshot.view.workers, [worker for worker in snapshot.view.workers if not worker.is_gone]
    active, slots = _sum(live, "active"), _sum(live, "concurrency")
    parts = [
        _Part((Cell(f"{len(workers):,}", "strong"), Cell(" worker" if len(workers) == 1 else " workers")), 0),
        _Part((Cell("active "), Cell(f"{active:,}", "strong"), Cell(f"/{slots:,}")), 1),
        _Part((Cell("backlog "), _backlog(snapshot)), 1),
        _Part((Cell(f"reserved {_sum(live, 'reserved'):,}"),), 5),
        _Part((Cell(f"scheduled {_sum(live, 'scheduled'):,}"),), 6),
    ]
    critical = sum(finding.severity == CRITICAL for finding in snapshot.findings)
    if critical:
        parts.append(_Part((Cell(f"✖ {critical:,} critical", "bad"),), 3))
    if snapshot.rejected:
        parts.append(_Part((Cell(f"{snapshot.rejected:,} messages refused", "warn"),), 4))
    return parts


def _sum(workers: Sequence[WorkerView], name: str) -> int:
    return sum(getattr(gossip, name) for worker in workers for gossip in worker.gossips)


def _backlog(snapshot: Snapshot) -> Cell:
    """Return the sum of the known backlogs, with a `+` if the backlog of a queue is unknown."""
    known = [queue.backlog for queue in snapshot.view.queues if queue.backlog is not None]
    if not known:
        return Cell("?", "dim")
    return Cell(f"{sum(known):,}{'+' if len(known) < len(snapshot.view.queues) else ''}", "strong")


def _alert_text(snapshot: Snapshot) -> tuple[str, str] | None:
    death = next((finding.text for finding in snapshot.findings if finding.text.startswith(FAILED)), None)
    if death is not None:
        return f"DEAD. {death}", "critical"
    since = snapshot.view.isolated_since
    why = f" {snapshot.error.rstrip('.')}." if snapshot.error else ""
    if since is not None and (snapshot.view.workers or not snapshot.error):
        return (
            f"ISOLATED for {format_age(snapshot.now - since)}: this listener is cut off from {snapshot.uri}.{why} "
            "The display is frozen, and no worker becomes lost meanwhile. The listener keeps trying.",
            "critical",
        )
    if snapshot.error:
        return f"CANNOT REACH {snapshot.uri}:{why} The listener keeps trying; the display becomes stale.", "critical"
    if not snapshot.view.workers:
        return (
            f"NO REPORTS YET on {snapshot.uri}. Check that a worker runs, that it uses this broker and this "
            "gossip_exchange, and that gossip is enabled in it: celery_gossip.install(app).",
            "notice",
        )
    return None


def _joined_parts(parts: Sequence[_Part], width: int) -> Line:
    remaining, kept = width + len(_SEPARATOR), set()
    for index, part in sorted(enumerate(parts), key=lambda item: item[1].hide_order):
        if _width(part) <= remaining:
            remaining -= _width(part)
            kept.add(index)
    line: list[Cell] = []
    for index in sorted(kept):
        line += [Cell(_SEPARATOR), *parts[index].cells] if line else parts[index].cells
    return tuple(line)


def _width(part: _Part) -> int:
    """Return the cells of a part, the separator included."""
    return sum(cell_width(text) for text, _ in part.cells) + len(_SEPARATOR)
