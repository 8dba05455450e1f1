"""Columns: what a table shows of a row, which of them fit into a width, and the lines that they make. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from celery_gossip.tui.frame import Frame
from celery_gossip.tui.text import Cell, Line, fit, width_of

__all__ = ["Column", "Order", "Placed", "header_line", "place", "row_line", "sort_rows"]

GUTTER = 2  #: cells before the first column, where the cursor is marked
GAP, WIDE_GAP = 1, 2  #: cells between two columns; a column of numbers is a cell wider than its title
WIDE = 120  #: cells from which on the gap is wide

R = TypeVar("R")


@dataclass(frozen=True)
class Column(Generic[R]):
    """One fact of a row: how it is told, how it is sorted, and how much room it needs."""

    title: str
    tell: Callable[[R, Frame, int], Cell]  #: in that many cells, or more: it is cut
    key: Callable[[R, Frame], Any]
    width: int  #: cells at least
    rank: int  #: the highest goes first where there is no room
    most: int = 0  #: cells at most, if there is room to grow
    measure: Callable[[R], int] | None = None  #: cells that a row could use, where growing depends on it
    is_number: bool = False  #: set to the right, sorted from the highest


class Order(NamedTuple):
    """By which column rows are sorted."""

    title: str
    is_descending: bool


class Placed(NamedTuple):
    """A column with its place on the screen."""

    column: Column[Any]
    x: int
    width: int


def place(columns: Sequence[Column[R]], width: int, rows: Sequence[R], title: str) -> list[Placed]:
    """The columns that fit, in their order. `title` stands above the first one instead of its own."""
    gap = GAP if width < WIDE else WIDE_GAP
    first, *others = sorted(columns, key=lambda column: column.rank)
    spare = max(1, width - GUTTER)
    least = max(first.width, width_of(title) + 1, min(width * 3 // 10, _wanted(first, rows)))
    widths = {first.title: min(spare, least)}
    spare -= widths[first.title]
    for column in others:
        if column.width + gap <= spare:
            widths[column.title] = column.width
            spare -= column.width + gap
    for column in sorted((first, *others), key=lambda column: column.measure is None):  # the insatiable last
        if column.title in widths:
            growth = max(0, min(spare, _wanted(column, rows) - widths[column.title]))
            widths[column.title] += growth
            spare -= growth
    return _in_line([column for column in columns if column.title in widths], widths, gap)


def _wanted(column: Column[R], rows: Sequence[R]) -> int:
    if column.measure is None:
        return column.most
    return min(column.most, max(map(column.measure, rows), default=0))


def _in_line(columns: Sequence[Column[R]], widths: dict[str, int], gap: int) -> list[Placed]:
    placed, x = [], GUTTER
    for column in columns:
        placed.append(Placed(column, x, widths[column.title]))
        x += widths[column.title] + gap
    return placed


def header_line(placed: Sequence[Placed], order: Order | None, title: str, *, is_focused: bool) -> Line:
    """The titles, the sorted one marked."""
    cells = []
    for at, (column, *_) in enumerate(placed):
        text = title if at == 0 else column.title
        if order is not None and column.title == order.title:
            text += "▼" if order.is_descending else "▲"
        cells.append(Cell(text))
    return _line(placed, cells, ">" if is_focused else "")


def row_line(placed: Sequence[Placed], row: Any, frame: Frame, mark: str = "") -> Line:
    """One row, with a mark in front of it."""
    cells = [column.tell(row, frame, width) for column, _, width in placed]
    return _line(placed, cells, mark)


def _line(placed: Sequence[Placed], cells: Sequence[Cell], mark: str) -> Line:
    line, end = [Cell(fit(mark, GUTTER))], GUTTER
    for (column, x, width), (text, style) in zip(placed, cells, strict=True):
        line.append(Cell(" " * (x - end) + fit(text, width, to_the_right=column.is_number), style))
        end = x + width
    return tuple(line)


def sort_rows(rows: Sequence[R], columns: Sequence[Column[R]], order: Order | None, frame: Frame) -> Sequence[R]:
    """Sorted by that column; those that are equal stay as they are."""
    column = next((column for column in columns if order is not None and column.title == order.title), None)
    if column is None or order is None:
        return rows
    key = column.key
    return sorted(rows, key=lambda row: key(row, frame), reverse=order.is_descending)
