"""The small widgets around the tables: lines of text that are made elsewhere, and the detail pane that scrolls."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from celery_gossip.tui.palette import strip_of
from celery_gossip.tui.text import Line

__all__ = ["Board", "Detail"]


class Board(Widget):
    """Lines, repainted only where they changed; `over` is the style of all of them, if any."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: Sequence[Line] = ()
        self._over = ""

    def show(self, lines: Sequence[Line], over: str = "") -> None:
        if (list(lines), over) != (list(self._lines), self._over):
            self._lines, self._over = lines, over
            self.refresh()

    def render(self) -> Text:
        """What Textual asks for where it does not ask for lines."""
        return Text()

    def render_line(self, y: int) -> Strip:
        line = self._lines[y] if y < len(self._lines) else ()
        return strip_of(line, self.size.width, self._over, self.rich_style)


class Detail(Widget, can_focus=True):
    """A page of lines that can be longer than the screen."""

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
        """It has been read."""

    class Sized(Message):
        """It has another room, so its lines are to be made anew."""

    def __init__(self) -> None:
        super().__init__(id="detail")
        self._lines: Sequence[Line] = ()
        self._top = 0

    @property
    def room(self) -> int:
        """Cells of a line."""
        return self.size.width

    def show(self, lines: Sequence[Line], *, is_other: bool = False) -> None:
        """Show these lines, from the top if they are about another subject."""
        before = list(self._visible)
        self._lines = lines
        self._top = 0 if is_other else max(0, min(self._top, len(lines) - self.size.height))
        after = list(self._visible)
        changed = [y for y in range(self.size.height) if before[y : y + 1] != after[y : y + 1]]
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    @property
    def _visible(self) -> Sequence[Line]:
        return self._lines[self._top : self._top + self.size.height]

    def render(self) -> Text:
        """What Textual asks for where it does not ask for lines."""
        return Text()

    def render_line(self, y: int) -> Strip:
        at = self._top + y
        return strip_of(self._lines[at] if at < len(self._lines) else (), self.size.width, "", self.rich_style)

    def on_resize(self) -> None:
        self.post_message(self.Sized())

    def action_move(self, lines: int) -> None:
        self._top = max(0, min(self._top + lines, len(self._lines) - self.size.height))
        self.refresh()

    def action_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.size.height - 1))

    def action_close(self) -> None:
        self.post_message(self.Closed())

    def on_mouse_scroll_down(self) -> None:
        self.action_move(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_move(-3)
