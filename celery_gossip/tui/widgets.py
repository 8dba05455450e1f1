"""Widgets around the tables: lines of text, and the detail pane, which scrolls."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from celery_gossip.tui.palette import render_strip
from celery_gossip.tui.text import Line

__all__ = ["SCROLL_KEYS", "DetailPane", "StaticLines"]

SCROLL_KEYS = frozenset(("up", "k", "down", "j", "pageup", "pagedown", "home", "g", "end", "G"))  #: of a DetailPane


class StaticLines(Widget):
    """Lines of text, repainted only if they changed. `style`, if set, replaces the style of each cell."""

    def __init__(self, widget_id: str) -> None:
        super().__init__(id=widget_id)
        self._lines: Sequence[Line] = ()
        self._line_style = ""

    def show(self, lines: Sequence[Line], style: str = "") -> None:
        if (list(lines), style) != (list(self._lines), self._line_style):
            self._lines, self._line_style = lines, style
            self.refresh()

    def render(self) -> Text:
        """Return an empty text: Textual requires this method, but renders through render_line()."""
        return Text()

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else ()
        return render_strip(line, self.size.width, self._line_style, self.rich_style)


class DetailPane(Widget, can_focus=True):
    """Lines that may be longer than the screen, with keys to scroll."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "move(-100_000)", show=False),
        Binding("end,G", "move(100_000)", show=False),
        Binding("enter", "close", show=False),
    ]

    class Closed(Message):
        """The user closed the pane."""

    class Resized(Message):
        """The width has changed, so the lines have to be made again."""

    def __init__(self, widget_id: str = "detail") -> None:
        super().__init__(id=widget_id)
        self._lines: Sequence[Line] = ()
        self._first_line = 0

    @property
    def line_width(self) -> int:
        """Cells of a line."""
        return self.size.width

    def show(self, lines: Sequence[Line], *, is_new_subject: bool = False) -> None:
        """Show these lines, from the top if they are about a new subject."""
        before = list(self._visible)
        self._lines = lines
        self._first_line = 0 if is_new_subject else max(0, min(self._first_line, len(lines) - self.size.height))
        after = list(self._visible)
        changed = [y for y in range(self.size.height) if before[y : y + 1] != after[y : y + 1]]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    @property
    def _visible(self) -> Sequence[Line]:
        return self._lines[self._first_line : self._first_line + self.size.height]

    def render(self) -> Text:
        """Return an empty text: Textual requires this method, but renders through render_line()."""
        return Text()

    def render_line(self, y: int) -> Strip:
        at = self._first_line + y
        return render_strip(self._lines[at] if at < len(self._lines) else (), self.size.width, "", self.rich_style)

    def on_resize(self) -> None:
        self.post_message(self.Resized())

    def action_move(self, lines: int) -> None:
        self._first_line = max(0, min(self._first_line + lines, len(self._lines) - self.size.height))
        self.refresh()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.size.height - 1))

    def action_close(self) -> None:
        self.post_message(self.Closed())

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)
