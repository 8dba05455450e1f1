"""Table: one pane of rows. It draws the rows that are visible and repaints the lines that changed, nothing else.

A thousand rows cost a sort and a look-up a second; what is told of a row is made when the row is on the screen.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from celery_gossip.tui.column import Column, Order, Placed, header_line, place, row_line, sort_rows
from celery_gossip.tui.frame import Frame
from celery_gossip.tui.palette import strip_of
from celery_gossip.tui.text import Cell, Line

__all__ = ["Table"]

_WHEEL = 3  #: rows that a turn of the wheel moves


class Table(Widget, can_focus=True):
    """Rows under a line of titles, with a cursor that stays on its row wherever sorting moves that."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "go_first", show=False),
        Binding("end,G", "go_last", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another row."""

    class Chosen(Message):
        """The detail of the row under the cursor is wanted."""

        def __init__(self, table: "Table") -> None:
            super().__init__()
            self.table = table

    def __init__(self, id: str, columns: Sequence[Column[Any]], key: Callable[[Any], str], order: Order | None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.order = order
        self.empty = ""  #: said where there is no row
        self._columns = columns
        self._key_of = key
        self._rows: Sequence[Any] = ()
        self._frame: Frame | None = None
        self._title = ""
        self._chosen: str | None = None  #: the key that the cursor follows; None: it stays at the top
        self._at = self._top = 0
        self._placed: list[Placed] = []
        self._lines: list[tuple[Line, str]] = []

    @property
    def rows(self) -> int:
        return len(self._rows)

    @property
    def key(self) -> str | None:
        """Of the row under the cursor."""
        return self._key_of(self._rows[self._at]) if self._rows else None

    def show(self, rows: Sequence[Any], frame: Frame, title: str) -> None:
        """Show these rows, sorted; the cursor and the lines around it stay where they are, if they can."""
        self._frame, self._title = frame, title
        self._rows = sort_rows(rows, self._columns, self.order, frame)
        if self._chosen is None:
            at = 0
        else:
            keys = (at for at, row in enumerate(self._rows) if self._key_of(row) == self._chosen)
            at = next(keys, min(self._at, max(0, len(self._rows) - 1)))
        self._top += at - self._at
        self._at = at
        self._draw()

    def turn_order(self) -> None:
        """Sort by the next column that is visible."""
        titles = [placed.column.title for placed in self._placed]
        current = titles.index(self.order.title) if self.order is not None and self.order.title in titles else -1
        self._sort_by(self._placed[(current + 1) % len(titles)].column)

    def reverse_order(self) -> None:
        if self.order is not None:
            self.order = Order(self.order.title, not self.order.is_descending)
            self._sort()

    def render(self) -> Text:
        """What Textual asks for where it does not ask for lines."""
        return Text()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line, over = self._lines[y] if y < len(self._lines) else ((), "")
        return strip_of(line, width, over, self.rich_style)

    def action_move(self, rows: int) -> None:
        self._go(self._at + rows)

    def action_page(self, pages: int) -> None:
        self._go(self._at + pages * max(1, self.size.height - 2))

    def action_go_first(self) -> None:
        self._go(0)
        self._chosen = None

    def action_go_last(self) -> None:
        self._go(len(self._rows) - 1)

    def action_choose(self) -> None:
        if self._rows:
            self.post_message(self.Chosen(self))

    def on_resize(self) -> None:
        self._draw()

    def on_focus(self) -> None:
        self._draw()

    def on_blur(self) -> None:
        self._draw()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_move(_WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_move(-_WHEEL)

    def on_click(self, event: events.Click) -> None:
        """On a title: sort by it; on a row: go there; on the row under the cursor: choose it."""
        if event.y == 0:
            for column, x, width in self._placed:
                if x <= event.x < x + width:
                    self._sort_by(column)
        elif self._top + event.y - 1 == self._at:
            self.action_choose()
        elif self._top + event.y - 1 < len(self._rows):
            self._go(self._top + event.y - 1)

    def _sort_by(self, column: Column[Any]) -> None:
        """First as that column is usually wanted, then the other way round."""
        if self.order is not None and self.order.title == column.title:
            self.reverse_order()
        else:
            self.order = Order(column.title, is_descending=column.is_number)
            self._sort()

    def _sort(self) -> None:
        if self._frame is not None:
            self.show(self._rows, self._frame, self._title)
        self.post_message(self.Moved())

    def _go(self, at: int) -> None:
        if self._rows:
            self._at = max(0, min(at, len(self._rows) - 1))
            self._chosen = self.key
            self._draw()
            self.post_message(self.Moved())

    def _draw(self) -> None:
        """Make the visible lines, and have those repainted which are not as they were."""
        width, height = self.size
        if self._frame is None or height < 1 or width < 1:
            return
        room = height - 1
        self._top = min(self._top, self._at, max(0, len(self._rows) - room))
        self._top = max(self._top, self._at - room + 1, 0)
        self._placed = place(self._columns, width, self._rows, self._title)
        before, self._lines = self._lines, self._visible_lines(self._frame, room)
        changed = [y for y, line in enumerate(self._lines) if y >= len(before) or before[y] != line]
        changed += range(len(self._lines), len(before))
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    @property
    def _is_focused(self) -> bool:
        """Already when on_focus and on_blur are called, unlike has_focus."""
        return self.screen.focused is self

    @property
    def _mark(self) -> str:
        """Of the row under the cursor; elsewhere it is told only if somebody put it there."""
        if self._is_focused:
            return ">"
        return "" if self._chosen is None else "·"

    def _visible_lines(self, frame: Frame, room: int) -> list[tuple[Line, str]]:
        focused = self._is_focused
        header = header_line(self._placed, self.order, self._title, is_focused=focused)
        lines: list[tuple[Line, str]] = [(header, "current" if focused else "title")]
        for at in range(self._top, min(self._top + room, len(self._rows))):
            mark = self._mark if at == self._at else ""
            lines.append((row_line(self._placed, self._rows[at], frame, mark), "chosen" if mark == ">" else ""))
        if not self._rows:
            lines.append(((Cell(f"  {self.empty}", "dim"),), ""))
        return lines
