"""PagerScreen: lines that cover the dashboard until a key is pressed that does not scroll them."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import ModalScreen

from celery_gossip.tui.text import Line
from celery_gossip.tui.widgets import SCROLL_KEYS, DetailPane

__all__ = ["PagerScreen"]

_WIDTH = 96  #: cells of the screen that it covers
_FRAME = 4  #: cells of the border and the padding
_PERIOD = 1.0  #: seconds between two updates


class PagerScreen(ModalScreen[None]):
    """Show what `lines` returns for a width; it is called again every second."""

    AUTO_FOCUS = "#pager"
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, lines: Callable[[int], Sequence[Line]]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        yield DetailPane("pager")

    def on_mount(self) -> None:
        self._show()
        self.set_interval(_PERIOD, self._show)

    def on_resize(self) -> None:
        self._show()

    def on_key(self, event: events.Key) -> None:
        if event.key not in SCROLL_KEYS:
            event.prevent_default().stop()  # or the screen below would handle it too
            self.dismiss()

    def on_click(self) -> None:
        self.dismiss()

    def _show(self) -> None:
        width, height = self.app.size
        lines, pane = self._lines(min(width, _WIDTH) - _FRAME), self.query_one(DetailPane)
        pane.styles.width, pane.styles.height = min(width, _WIDTH), min(height, len(lines) + 2)
        pane.show(lines)
