"""Types of columns that several tables share: names, texts, counts, ages. Pure."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from celery_gossip.tui.column import Column
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import Cell, cell_width, escape_text, format_age, format_count

__all__ = ["age_column", "count_column", "name_column", "text_column"]

R = TypeVar("R")


def name_column(title: str, name: Callable[[R], str], width: int, hide_order: int, max_width: int) -> Column[R]:
    """Return a column of names, in bold."""

    def render_cell(row: R, snapshot: Snapshot, width: int) -> Cell:
        return Cell(escape_text(name(row)), "strong")

    return replace(text_column(title, name, width, hide_order, max_width), render_cell=render_cell)


def text_column(title: str, text: Callable[[R], str], width: int, hide_order: int, max_width: int = 40) -> Column[R]:
    """Return a column of texts, as wide as the longest one up to `max_width`."""

    def needed_width(row: R) -> int:
        return cell_width(escape_text(text(row)))

    def render_cell(row: R, snapshot: Snapshot, width: int) -> Cell:
        return Cell(escape_text(text(row)))

    return Column(
        title, render_cell, lambda row, _: text(row), width, hide_order, max_width=max_width, content_width=needed_width
    )


def count_column(title: str, value: Callable[[R], int], hide_order: int) -> Column[R]:
    """Return a column of counts; zero is dim."""

    def render_cell(row: R, snapshot: Snapshot, width: int) -> Cell:
        number = value(row)
        return Cell(format_count(number, width), "" if number else "dim")

    return Column(title, render_cell, lambda row, _: value(row), len(title) + 1, hide_order, is_number=True)


def age_column(title: str, since: Callable[[R], float], width: int, hide_order: int) -> Column[R]:
    """Return a column of the time that has passed since a moment."""

    def passed(row: R, snapshot: Snapshot) -> float:
        return snapshot.now - since(row)

    return Column(
        title,
        lambda row, snapshot, _: Cell(format_age(passed(row, snapshot))),
        passed,
        width,
        hide_order,
        is_number=True,
    )
