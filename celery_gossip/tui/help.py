"""HelpScreen: the keys of the dashboard and the meaning of the state symbols."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from celery_gossip.cluster.view import STATES
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.text import Cell, Line, fit
from celery_gossip.tui.widgets import StaticLines

__all__ = ["HelpScreen"]

_KEYS = (
    ("tab, 1 2 3 4", "select a pane: findings, queues, workers, schedule"),
    ("arrows, j k, page, home", "move; the cursor follows its row until home"),
    ("s S, click a title", "sort by the next column; reverse the order"),
    ("/", "filter by words: hostname, queue, state"),
    ("enter", "details of the row: queues, task ids, instances"),
    ("f", "the last failures of all workers"),
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


def help_lines() -> list[Line]:
    keys: list[Line] = [(Cell(fit(key, 24), "strong"), Cell(effect)) for key, effect in _KEYS]
    states: list[Line] = []
    for state in STATES:
        text, style = state_cell(state)
        states.append((Cell(fit(text, 12), style), Cell(_MEANINGS[state])))
    return [(Cell("celery gossip top", "title"), Cell("  any key closes this", "dim")), (), *keys, (), *states]


class HelpScreen(ModalScreen[None]):
    """Cover the dashboard until a key is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def compose(self) -> ComposeResult:
        yield StaticLines("help")

    def on_mount(self) -> None:
        self.query_one(StaticLines).show(help_lines())

    def on_key(self, event: events.Key) -> None:
        event.prevent_default().stop()  # or the screen below would handle it too
        self.dismiss()

    def on_click(self) -> None:
        self.dismiss()
