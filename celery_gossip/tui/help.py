"""HelpScreen: the keys of the dashboard and the meaning of the state symbols."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from celery_gossip.cluster.view import STATES
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.text import Cell, Line, fit, wrap
from celery_gossip.tui.widgets import SCROLL_KEYS, DetailPane

__all__ = ["HelpScreen"]

_WIDTH = 96  #: cells of the screen that it covers
_FRAME = 4  #: cells of the border and the padding
_KEY_WIDTH = 24  #: cells
_KEYS = (
    ("tab, 1 to 6, f", "select a pane: findings, queues, workers, schedule, tasks, failures"),
    ("arrows, j k, page, home", "move; the cursor follows its row until home"),
    ("capital letters", "sort by the column in which it is underlined; again: reverse"),
    ("s S, click a title", "sort by the next column; reverse the order"),
    ("/", "filter by words: task id, name, worker, queue, state"),
    ("enter", "details of the row: queues, tasks, instances, tracebacks"),
    ("z", "show this pane alone, or all panes"),
    ("space", "pause the display; data collection continues"),
    ("escape", "close the details, then clear the filter"),
    ("q, ctrl-c", "quit"),
)
_MEANINGS = {
    "online": "reports, and its event loop ticks",
    "stalled": "reports, but its event loop does not tick",
    "draining": "shuts down; its tasks still run",
    "suspect": "no report for 3.5 of its own intervals",
    "conflict": "two live workers have this hostname",
    "offline": "has shut down",
    "lost": "no report for 10 of its own intervals",
}


def help_lines(sort_keys: Mapping[str, str], width: int) -> list[Line]:
    """Return all lines; `sort_keys` are those of the current pane."""
    sorting = ", ".join(f"{letter}={title.lower()}" for letter, title in sort_keys.items())
    states: list[Line] = []
    for state in STATES:
        text, style = state_cell(state)
        states.append((Cell(fit(text, _KEY_WIDTH), style), Cell(_MEANINGS[state])))
    title = (Cell("celery gossip top", "title"), Cell("  arrows scroll, any other key closes this", "dim"))
    keys = [line for key, effect in (*_KEYS, ("sort this pane by", sorting)) for line in _fact(key, effect, width)]
    return [title, (), *keys, (), *states]


def _fact(key: str, effect: str, width: int) -> Iterator[Line]:
    for at, line in enumerate(wrap(effect, max(1, width - _KEY_WIDTH))):
        yield Cell(fit("" if at else key, _KEY_WIDTH), "strong"), Cell(line)


class HelpScreen(ModalScreen[None]):
    """Cover the dashboard until a key is pressed that does not scroll."""

    AUTO_FOCUS = "#help"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, sort_keys: Mapping[str, str]) -> None:
        super().__init__()
        self._sort_keys = sort_keys

    def compose(self) -> ComposeResult:
        yield DetailPane("help")

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        width, height = self.app.size
        lines, pane = help_lines(self._sort_keys, min(width, _WIDTH) - _FRAME), self.query_one(DetailPane)
        pane.styles.width, pane.styles.height = min(width, _WIDTH), min(height, len(lines) + 2)
        pane.show(lines)

    def on_key(self, event: events.Key) -> None:
        if event.key not in SCROLL_KEYS:
            event.prevent_default().stop()  # or the screen below would handle it too
            self.dismiss()

    def on_click(self) -> None:
        self.dismiss()
