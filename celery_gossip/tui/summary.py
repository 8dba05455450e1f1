"""What stands above and below the tables: two lines of totals, the banner, the keys. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from celery_gossip.diagnosis import CRITICAL
from celery_gossip.tui.frame import Frame
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.text import Cell, Line, age, cut, shown, width_of, wrap
from celery_gossip.view import STATES, WorkerView

__all__ = ["Banner", "banner", "head_lines", "keys_line"]

_SEPARATOR = "  "
_ROOMY = 100  #: cells
_MOST_BANNER_LINES = 4
_INDISPENSABLE = 3  #: the ranks of the totals that must fit
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


class _Part(NamedTuple):
    """A piece of a line; the highest rank is left out first where there is no room."""

    cells: Line
    rank: int


@dataclass(frozen=True)
class Banner:
    """What nobody may overlook."""

    lines: tuple[str, ...]
    style: str


def head_lines(frame: Frame, width: int, paused_for: float | None) -> tuple[Line, Line]:
    """Whom it listens to and how fresh that is; the workers by state and the totals."""
    right = _freshness(frame, paused_for, width)
    room = width - sum(width_of(text) for text, _ in right) - len(_SEPARATOR)
    left = cut(" · ".join(filter(None, ["celery-gossip", _apps(frame), frame.uri])), room)
    gap = " " * (room - width_of(left) + len(_SEPARATOR))
    return (Cell(left, "strong"), Cell(gap), *right), _totals_line(frame, width)


def banner(frame: Frame, width: int) -> Banner | None:
    """The loudest of: cut off, unreachable, nobody heard."""
    told = _alarm(frame)
    if told is None:
        return None
    text, style = told
    return Banner(tuple(wrap(text, max(1, width - 2))[:_MOST_BANNER_LINES]), style)


def keys_line(width: int, search: str, order: str, escape: str) -> Line:
    """The filter and the order in force, and what can be pressed; `escape` is what the escape key would do."""
    told = [_Part((Cell(f"filter: {cut(shown(search), width // 3)}", "warn"),), 0)] if search else []
    told += [_Part((Cell("esc", "strong"), Cell(f" {escape}")), 0)] if escape else []
    keys = [_Part((Cell(key, "strong"), Cell(f" {name}")), 1 + rank) for key, name, rank in _KEYS]
    return _joined([*told, *keys, _Part((Cell(f"sorted by {order}", "dim"),), 20)], width)


def _freshness(frame: Frame, paused_for: float | None, width: int) -> Line:
    heard_at = max((worker.heard_at for worker in frame.view.workers), default=None)
    heard = "nobody heard" if heard_at is None else f"last heard {age(frame.now - heard_at)} ago"
    if paused_for is None:
        return (Cell(heard),)
    resume = ", space resumes" if width >= _ROOMY else ""
    return Cell(heard), Cell(_SEPARATOR), Cell(f" PAUSED {age(paused_for)}{resume} ", "chosen")


def _apps(frame: Frame) -> str:
    names = sorted({worker.gossip.app for worker in frame.view.workers})
    return shown(names[0]) if len(names) == 1 else f"{len(names)} apps" if names else ""


def _totals_line(frame: Frame, width: int) -> Line:
    """The states without their words where there is no room for those; their symbols are told by the help."""
    states = Counter(worker.state for worker in frame.view.workers)
    present = [state for state in STATES if states[state]]
    words = [_Part((state_cell(state, f"{states[state]:,} {state}"),), 2) for state in present]
    first, *others = _figures(frame)
    if sum(_width(part) for part in (first, *words, *others) if part.rank <= _INDISPENSABLE) > width:
        signs = (state_cell(state, f"{states[state]:,} ") for state in present)
        words = [_Part(tuple(Cell(text.replace(" ", "", 1), style) for text, style in signs), 2)]
    return _joined([first, *words, *others], width)


def _figures(frame: Frame) -> list[_Part]:
    workers, live = frame.view.workers, [worker for worker in frame.view.workers if not worker.is_gone]
    active, slots = _sum(live, "active"), _sum(live, "concurrency")
    parts = [
        _Part((Cell(f"{len(workers):,}", "strong"), Cell(" worker" if len(workers) == 1 else " workers")), 0),
        _Part((Cell("active "), Cell(f"{active:,}", "strong"), Cell(f"/{slots:,}")), 1),
        _Part((Cell("backlog "), _backlog(frame)), 1),
        _Part((Cell(f"reserved {_sum(live, 'reserved'):,}"),), 5),
        _Part((Cell(f"scheduled {_sum(live, 'scheduled'):,}"),), 6),
    ]
    critical = sum(finding.severity == CRITICAL for finding in frame.findings)
    if critical:
        parts.append(_Part((Cell(f"✖ {critical:,} critical", "bad"),), 3))
    if frame.rejected:
        parts.append(_Part((Cell(f"{frame.rejected:,} messages refused", "warn"),), 4))
    return parts


def _sum(workers: Sequence[WorkerView], name: str) -> int:
    return sum(getattr(gossip, name) for worker in workers for gossip in worker.gossips)


def _backlog(frame: Frame) -> Cell:
    """What is known of it; a `+` tells that some queue's is not."""
    known = [queue.backlog for queue in frame.view.queues if queue.backlog is not None]
    if not known:
        return Cell("?", "dim")
    return Cell(f"{sum(known):,}{'+' if len(known) < len(frame.view.queues) else ''}", "strong")


def _alarm(frame: Frame) -> tuple[str, str] | None:
    since = frame.view.isolated_since
    why = f" {frame.error.rstrip('.')}." if frame.error else ""
    if since is not None and (frame.view.workers or not frame.error):
        return (
            f"ISOLATED for {age(frame.now - since)}: this listener is cut off from {frame.uri}.{why} What you see is "
            "frozen as it was then; nobody is called lost meanwhile. It goes on trying.",
            "alarm",
        )
    if frame.error:
        return f"CANNOT REACH {frame.uri}:{why} It goes on trying; what you see grows old.", "alarm"
    if not frame.view.workers:
        return (
            f"NOBODY IS HEARD YET on {frame.uri}. Does a worker run, does it use this broker and this "
            "gossip_exchange, and does it gossip, see celery_gossip.install(app)?",
            "notice",
        )
    return None


def _joined(parts: Sequence[_Part], width: int) -> Line:
    room, kept = width + len(_SEPARATOR), set()
    for at, part in sorted(enumerate(parts), key=lambda item: item[1].rank):
        if _width(part) <= room:
            room -= _width(part)
            kept.add(at)
    line: list[Cell] = []
    for at in sorted(kept):
        line += [Cell(_SEPARATOR), *parts[at].cells] if line else parts[at].cells
    return tuple(line)


def _width(part: _Part) -> int:
    """Cells, the separator included."""
    return sum(width_of(text) for text, _ in part.cells) + len(_SEPARATOR)
