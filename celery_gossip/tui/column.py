"""Columns of a table: how each shows and sorts a row, which of them fit into a width, and the lines drawn. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, Generic, NamedTuple, TypeVar

from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import Cell, Line, cell_width, fit

__all__ = [
    "SORT_LETTERS",
    "Column",
    "PlacedColumn",
    "SortOrder",
    "header_line",
    "place_columns",
    "row_line",
    "sort_keys",
    "sort_rows",
]

GUTTER = 2  #: cells before the first column, for the cursor mark
GAP, WIDE_GAP = 1, 2  #: cells between two columns
WIDE = 120  #: cells; from this width on WIDE_GAP is used
_MAX_MEASURED = 1_000  #: rows whose texts are measured, the first ones
SORT_LETTERS = frozenset(ascii_uppercase) - {"G", "S"}  #: G and S have other effects

R = TypeVar("R")


@dataclass(frozen=True)
class Column(Generic[R]):
    """One property of a row: its text, its sort key, and the width that it needs."""

    title: str
    render_cell: Callable[[R, Snapshot, int], Cell]  #: row, snapshot, width in cells; a longer text is truncated
    sort_key: Callable[[R, Snapshot], Any]
    min_width: int  #: cells
    hide_order: int  #: if not all columns fit, the highest is hidden first
    max_width: int = 0  #: cells to which the column grows if there is space
    content_width: Callable[[R], int] | None = None  #: cells that the text of a row needs; None: grow to max_width
    is_number: bool = False  #: aligned right, sorted in descending order first


class SortOrder(NamedTuple):
    """Column and direction by which rows are sorted."""

    title: str
    is_descending: bool


class PlacedColumn(NamedTuple):
    """A column with its position on the screen."""

    column: Column[Any]
    x: int
    width: int


def place_columns(columns: Sequence[Column[R]], width: int, rows: Sequence[R], title: str) -> list[PlacedColumn]:
    """Return the columns that fit, in their order. `title` replaces the title of the first one."""
    gap = GAP if width < WIDE else WIDE_GAP
    first, *others = sorted(columns, key=lambda column: column.hide_order)
    spare = max(1, width - GUTTER)
    needed = max(first.min_width, cell_width(title) + 1, min(width * 3 // 10, _preferred_width(first, rows)))
    widths = {first.title: min(spare, needed)}
    spare -= widths[first.title]
    for column in others:
        if column.min_width + gap <= spare:
            widths[column.title] = column.min_width
            spare -= column.min_width + gap
    # Columns that do not measure their content take all the space that is left, so they grow last.
    for column in sorted((first, *others), key=lambda column: column.content_width is None):
        if column.title in widths:
            growth = max(0, min(spare, _preferred_width(column, rows) - widths[column.title]))
            widths[column.title] += growth
            spare -= growth
    return _positioned([column for column in columns if column.title in widths], widths, gap)


def _preferred_width(column: Column[R], rows: Sequence[R]) -> int:
    if column.content_width is None:
        return column.max_width
    return min(column.max_width, max(map(column.content_width, rows[:_MAX_MEASURED]), default=0))


def _positioned(columns: Sequence[Column[R]], widths: dict[str, int], gap: int) -> list[PlacedColumn]:
    placed, x = [], GUTTER
    for column in columns:
        placed.append(PlacedColumn(column, x, widths[column.title]))
        x += widths[column.title] + gap
    return placed


def sort_keys(columns: Sequence[Column[Any]]) -> dict[str, str]:
    """Return `{letter: title of the column that it sorts by}`: the first letter of each title that is still free."""
    keys: dict[str, str] = {}
    for column in columns:
        letter = next((letter for letter in column.title if letter in SORT_LETTERS and letter not in keys), None)
        if letter is not None:
            keys[letter] = column.title
    return keys


def header_line(
    placed: Sequence[PlacedColumn], order: SortOrder | None, title: str, keys: Mapping[str, str] | None = None
) -> Line:
    """Return the line of titles, with an arrow at the sorted one.

    `keys`, of the table that has the focus, are the letters that it sorts by; they are marked in the titles.
    """
    letters = {column_title: letter for letter, column_title in (keys or {}).items()}
    cells: list[Cell] = [Cell(fit("" if keys is None else ">", GUTTER))]
    end = GUTTER
    for at, (column, x, width) in enumerate(placed):
        text = title if at == 0 else column.title
        if order is not None and column.title == order.title:
            text += "▼" if order.is_descending else "▲"
        shown = " " * (x - end) + fit(text, width, align_right=column.is_number)
        cells += _with_key(shown, letters.get(column.title, ""))
        end = x + width
    return tuple(cells)


def _with_key(text: str, letter: str) -> Iterator[Cell]:
    """Yield the text with the first occurrence of the letter in the style of a key."""
    before, found, after = text.partition(letter) if letter else (text, "", "")
    yield from (Cell(part, style) for part, style in ((before, ""), (found, "key"), (after, "")) if part)


def row_line(placed: Sequence[PlacedColumn], row: Any, snapshot: Snapshot, mark: str = "") -> Line:
    """Return the line of one row, with a mark before it."""
    cells = [column.render_cell(row, snapshot, width) for column, _, width in placed]
    return _line(placed, cells, mark)


def _line(placed: Sequence[PlacedColumn], cells: Sequence[Cell], mark: str) -> Line:
    line, end = [Cell(fit(mark, GUTTER))], GUTTER
    for (column, x, width), (text, style) in zip(placed, cells, strict=True):
        line.append(Cell(" " * (x - end) + fit(text, width, align_right=column.is_number), style))
        end = x + width
    return tuple(line)


def sort_rows(
    rows: Sequence[R], columns: Sequence[Column[R]], order: SortOrder | None, snapshot: Snapshot
) -> Sequence[R]:
    """Return the rows sorted by the column of `order`. Equal rows keep their order."""
    column = next((column for column in columns if order is not None and column.title == order.title), None)
    if column is None or order is None:
        return rows
    sort_key = column.sort_key
    return sorted(rows, key=lambda row: sort_key(row, snapshot), reverse=order.is_descending)
