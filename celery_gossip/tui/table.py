"""Table: one pane of rows. Renders the visible rows only, and repaints only the lines that changed.

A thousand rows cost one sort and one search for the cursor's row per second.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from celery_gossip.tui.column import (
    Column,
    PlacedColumn,
    SortOrder,
    header_line,
    place_columns,
    row_line,
    sort_keys,
    sort_rows,
)
from celery_gossip.tui.palette import render_strip
from celery_gossip.tui.pane import Pane
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import Cell, Line

__all__ = ["Table"]

_WHEEL_ROWS = 3  #: rows that one step of the mouse wheel moves


class Table(Widget, can_focus=True):
    """Rows under a line of titles. The cursor follows its row when sorting moves the row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home,g", "go_first", show=False),
        Binding("end,G", "go_last", show=False),
        Binding("enter", "select_row", show=False),
    ]

    class RowHighlighted(Message):
        """The cursor has moved to another row, or the order has changed."""

    class RowSelected(Message):
        """The user asked for the details of the row under the cursor."""

        def __init__(self, table: "Table") -> None:
            super().__init__()
            self.table = table

    def __init__(self, pane: Pane) -> None:
        super().__init__(id=pane.id)
        self.pane = pane
        self.order = pane.order
        self.empty_text = ""  #: shown if there are no rows
        self.sort_keys = sort_keys(pane.columns)
        self._columns = pane.columns
        self._row_key = pane.row_key
        self._rows: Sequence[Any] = ()
        self._snapshot: Snapshot | None = None
        self._title = ""
        self._cursor_key: str | None = None  #: key of the row that the cursor follows; None: it stays on the first row
        self._cursor = self._first_visible = 0
        self._placed: list[PlacedColumn] = []
        self._lines: list[tuple[Line, str]] = []

    @property
    def rows(self) -> Sequence[Any]:
        """Rows that are shown, also those for which there is no line."""
        return self._rows

    @property
    def row_count(self) -> int:
        return len(self._rows)

    @property
    def key(self) -> str | None:
        """Key of the row under the cursor; None if there are no rows."""
        return self._row_key(self._rows[self._cursor]) if self._rows else None

    @property
    def is_order_visible(self) -> bool:
        """True if an arrow in the header shows by which column the rows are sorted."""
        return self.order is None or any(placed.column.title == self.order.title for placed in self._placed)

    def show(self, rows: Sequence[Any], snapshot: Snapshot, title: str) -> None:
        """Show these rows, sorted. The cursor stays on its row, and its line on the screen stays if possible."""
        self._snapshot, self._title = snapshot, title
        self._rows = sort_rows(rows, self._columns, self.order, snapshot)
        if self._cursor_key is None:
            at = 0
        else:
            keys = (at for at, row in enumerate(self._rows) if self._row_key(row) == self._cursor_key)
            at = next(keys, min(self._cursor, max(0, len(self._rows) - 1)))
        self._first_visible += at - self._cursor
        self._cursor = at
        self._update_lines()

    def sort_by_next_column(self) -> None:
        """Sort by the next visible column."""
        titles = [placed.column.title for placed in self._placed]
        current = titles.index(self.order.title) if self.order is not None and self.order.title in titles else -1
        self._sort_by(self._placed[(current + 1) % len(titles)].column)

    def sort_by_key(self, letter: str) -> None:
        """Sort by the column with this key; if it is the sorted one already, reverse the direction."""
        title = self.sort_keys.get(letter)
        for column in self._columns:
            if column.title == title:
                self._sort_by(column)

    def reverse_order(self) -> None:
        if self.order is not None:
            self.order = SortOrder(self.order.title, not self.order.is_descending)
            self._sort()

    def render(self) -> Text:
        """Return an empty text: Textual requires this method, but renders through render_line()."""
        return Text()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        line, override = self._lines[y] if y < len(self._lines) else ((), "")
        return render_strip(line, width, override, self.rich_style)

    def action_move(self, rows: int) -> None:
        self._move_cursor_to(self._cursor + rows)

    def action_page(self, pages: int) -> None:
        self._move_cursor_to(self._cursor + pages * max(1, self.size.height - 2))

    def action_go_first(self) -> None:
        self._move_cursor_to(0)
        self._cursor_key = None

    def action_go_last(self) -> None:
        self._move_cursor_to(len(self._rows) - 1)

    def action_select_row(self) -> None:
        if self._rows:
            self.post_message(self.RowSelected(self))

    def on_resize(self) -> None:
        self._update_lines()

    def on_focus(self) -> None:
        self._update_lines()

    def on_blur(self) -> None:
        self._update_lines()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.action_move(_WHEEL_ROWS)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.action_move(-_WHEEL_ROWS)

    def on_click(self, event: events.Click) -> None:
        """Sort by a title, move the cursor to a row, or open the details of the row under the cursor."""
        if event.y == 0:
            for column, x, width in self._placed:
                if x <= event.x < x + width:
                    self._sort_by(column)
        elif self._first_visible + event.y - 1 == self._cursor:
            self.action_select_row()
        elif self._first_visible + event.y - 1 < len(self._rows):
            self._move_cursor_to(self._first_visible + event.y - 1)

    def _sort_by(self, column: Column[Any]) -> None:
        """Sort by a column in its usual direction; if it is the sorted one already, reverse the direction."""
        if self.order is not None and self.order.title == column.title:
            self.reverse_order()
        else:
            self.order = SortOrder(column.title, is_descending=column.is_number)
            self._sort()

    def _sort(self) -> None:
        if self._snapshot is not None:
            self.show(self._rows, self._snapshot, self._title)
        self.post_message(self.RowHighlighted())

    def _move_cursor_to(self, at: int) -> None:
        if self._rows:
            self._cursor = max(0, min(at, len(self._rows) - 1))
            self._cursor_key = self.key
            self._update_lines()
            self.post_message(self.RowHighlighted())

    def _update_lines(self) -> None:
        """Render the visible lines, and repaint those that changed."""
        width, height = self.size
        if self._snapshot is None or height < 1 or width < 1:
            return
        visible_rows = height - 1
        self._first_visible = min(self._first_visible, self._cursor, max(0, len(self._rows) - visible_rows))
        self._first_visible = max(self._first_visible, self._cursor - visible_rows + 1, 0)
        self._placed = place_columns(self._columns, width, self._rows, self._title)
        before, self._lines = self._lines, self._visible_lines(self._snapshot, visible_rows)
        changed = [y for y, line in enumerate(self._lines) if y >= len(before) or before[y] != line]
        changed += range(len(self._lines), len(before))
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    @property
    def _is_focused(self) -> bool:
        """True as soon as on_focus() runs, unlike has_focus."""
        return self.screen.focused is self

    @property
    def _cursor_mark(self) -> str:
        """Mark of the cursor's row; in a table without focus only if the user has moved the cursor."""
        if self._is_focused:
            return ">"
        return "" if self._cursor_key is None else "·"

    def _visible_lines(self, snapshot: Snapshot, visible_rows: int) -> list[tuple[Line, str]]:
        focused = self._is_focused
        header = header_line(self._placed, self.order, self._title, self.sort_keys if focused else None)
        lines: list[tuple[Line, str]] = [(header, "current" if focused else "title")]
        for index in range(self._first_visible, min(self._first_visible + visible_rows, len(self._rows))):
            mark = self._cursor_mark if index == self._cursor else ""
            lines.append((row_line(self._placed, self._rows[index], snapshot, mark), "selected" if mark == ">" else ""))
        if not self._rows:
            lines.append(((Cell(f"  {self.empty_text}", "dim"),), ""))
        return lines
