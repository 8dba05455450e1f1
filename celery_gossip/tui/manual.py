"""The help: what the keys do and what the symbols mean."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from celery_gossip.tui.board import Board
from celery_gossip.tui.row import state_cell
from celery_gossip.tui.text import Cell, Line, fit
from celery_gossip.view import STATES

__all__ = ["Manual"]

_KEYS = (
    ("tab, 1 2 3", "to another pane: findings, queues, workers"),
    ("arrows, j k, page, home", "move; the cursor follows its row, home frees it"),
    ("s S, click a title", "sort by the next column; the other way round"),
    ("/", "filter by hostname, queue and state, in words"),
    ("enter", "detail of the row: checks, running ids, boots"),
    ("z", "this pane alone, and back"),
    ("space", "pause the display; the data go on"),
    ("escape", "close the detail, then drop the filter"),
    ("q, ctrl-c", "quit"),
)
_MEANINGS = {
    "online": "speaks, and its event loop ticks",
    "stalled": "speaks, but its event loop does not tick",
    "draining": "shuts down warmly; its tasks go on",
    "suspect": "silent for 3.5 of its own intervals",
    "conflict": "two live workers under one hostname",
    "offline": "said goodbye",
    "lost": "silent for 10 of its own intervals",
}


def manual_lines() -> list[Line]:
    keys: list[Line] = [(Cell(fit(key, 24), "strong"), Cell(told)) for key, told in _KEYS]
    states: list[Line] = []
    for state in STATES:
        text, style = state_cell(state)
        states.append((Cell(fit(text, 12), style), Cell(_MEANINGS[state])))
    return [(Cell("celery gossip top", "title"), Cell("  any key closes this", "dim")), (), *keys, (), *states]


class Manual(ModalScreen[None]):
    """Stands over everything until a key is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def compose(self) -> ComposeResult:
        yield Board("manual")

    def on_mount(self) -> None:
        self.query_one(Board).show(manual_lines())

    def on_key(self, event: events.Key) -> None:
        event.prevent_default().stop()  # or the screen below would take it, too
        self.dismiss()

    def on_click(self) -> None:
        self.dismiss()
