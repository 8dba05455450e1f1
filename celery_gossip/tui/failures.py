"""FailuresScreen: the groups of the last failures, the one that failed last first."""

from textual import events
from textual.app import ComposeResult
from textual.screen import ModalScreen

from celery_gossip.cluster.failures import FailureGroup, FailureView
from celery_gossip.printable import printable
from celery_gossip.tui.text import Cell, Line, fit, format_age, format_count, truncate
from celery_gossip.tui.widgets import StaticLines

__all__ = ["FailuresScreen", "failure_lines"]

_COUNT, _AGE = 6, 7  #: cells of these columns
_FRAME = 4  #: cells of the border and the padding
_HEADINGS = 4  #: lines above the first group, and the one below the last
_MIN_SIZE = 10  #: cells and lines


def failure_lines(view: FailureView, width: int, height: int) -> list[Line]:
    """Return the lines of the screen; groups for which there is no line are counted in the last one."""
    groups, limit = view.groups(), max(1, height - _HEADINGS)
    title: Line = (
        Cell("failures", "title"),
        Cell("  of the last ones that workers have reported; any key closes", "dim"),
    )
    if not groups:
        return [title, (), (Cell("none since this command began to listen"),)]
    name = max(_MIN_SIZE, (width - _COUNT - _AGE - 4) // 3)
    heading = f"{fit('COUNT', _COUNT)} {fit('LAST', _AGE)} {fit('TASK', name)} {fit('EXCEPTION', name)} CAUSE"
    lines = [title, (), (Cell(truncate(heading, width), "dim"),)]
    lines += [_line(group, view.taken_at, name, width) for group in groups[:limit]]
    left_out = len(groups) - limit
    return [*lines, (Cell(truncate(f"and {left_out} more", width), "dim"),)] if left_out > 0 else lines


def _line(group: FailureGroup, now: float, name: int, width: int) -> Line:
    count, age = format_count(group.count, _COUNT), format_age(now - group.last_at)
    cause = group.latest.message or group.line or "-"
    start = f"{fit(count, _COUNT, align_right=True)} {fit(age, _AGE)} {fit(printable(group.task) or '-', name)} "
    rest = f"{fit(printable(group.exception), name)} {printable(cause)}"
    return (Cell(truncate(start + rest, width)),)


class FailuresScreen(ModalScreen[None]):
    """Cover the dashboard until a key is pressed."""

    def __init__(self, view: FailureView) -> None:
        super().__init__()
        self._view = view
        self._lines = StaticLines("failures")

    def compose(self) -> ComposeResult:
        yield self._lines

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def on_key(self, event: events.Key) -> None:
        event.prevent_default().stop()  # or the screen below would handle it too
        self.dismiss()

    def on_click(self) -> None:
        self.dismiss()

    def _show(self) -> None:
        width, height = self.app.size
        self._lines.show(failure_lines(self._view, max(_MIN_SIZE, width - _FRAME), max(_MIN_SIZE, height - 2)))
