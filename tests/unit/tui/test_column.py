"""Columns and panes: which columns fit, their positions, and sorting."""

import itertools

import pytest
from rich.cells import cell_len

from celery_gossip.tui.column import (
    SORT_LETTERS,
    Column,
    SortOrder,
    header_line,
    place_columns,
    row_line,
    sort_keys,
    sort_rows,
)
from celery_gossip.tui.layout import pane_heights
from celery_gossip.tui.pane import PANES, Pane
from celery_gossip.tui.row import QUEUES, WORKERS
from celery_gossip.tui.snapshot import Snapshot
from tests.tui.scenes import NOW, a_schedule, failures, findings, hostile, hostile_failures, many_workers

SNAPSHOT = Snapshot(a_schedule(), NOW, findings=findings(), failures=failures())
TABLES = {pane.title: (pane.columns, pane.rows(SNAPSHOT)) for pane in PANES}


def titles(columns: list[Column[object]], width: int) -> list[str]:
    return [placed.column.title for placed in place_columns(columns, width, (), "")]


def a_column(title: str, hide_order: int, **fields: object) -> Column[object]:
    return Column(title, lambda *_: None, lambda *_: 0, 10, hide_order, **fields)  # type: ignore[arg-type, return-value]


def test_columns_are_hidden_by_hide_order_and_the_others_keep_their_order() -> None:
    columns = [a_column("A", 0), a_column("B", 3), a_column("C", 1), a_column("D", 2)]
    assert titles(columns, 2 + 10 + 11 * 3) == ["A", "B", "C", "D"]
    assert titles(columns, 2 + 10 + 11 * 3 - 1) == ["A", "C", "D"]
    assert titles(columns, 2 + 10 + 11) == ["A", "C"]
    assert titles(columns, 1) == ["A"]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("width", [1, 2, 10, 40, 80, 119, 120, 200, 500])
def test_no_line_is_wider_than_the_screen(name: str, width: int) -> None:
    columns, rows = TABLES[name]
    placed = place_columns(columns, width, rows, f"2 {name} 10")
    lines = [header_line(placed, SortOrder(name, is_descending=True), f"2 {name} 10", sort_keys(columns))]
    lines += [row_line(placed, row, SNAPSHOT) for row in rows]
    assert {sum(cell_len(text) for text, _ in line) for line in lines} == {max(3, _end(placed))}
    assert _end(placed) <= max(3, width)


def _end(placed: list[object]) -> int:
    last = placed[-1]
    return last.x + last.width  # type: ignore[attr-defined,no-any-return]


def test_every_row_of_hostile_names_is_as_wide_as_the_next() -> None:
    view, found = hostile()
    snapshot = Snapshot(view, NOW, findings=found, failures=hostile_failures())
    for columns, rows in ((pane.columns, pane.rows(snapshot)) for pane in PANES if pane.is_shown(snapshot)):
        for width in (40, 80, 200):
            placed = place_columns(columns, width, rows, "")
            lines = [row_line(placed, row, snapshot, ">") for row in rows]
            assert {sum(cell_len(text) for text, _ in line) for line in lines} == {_end(placed)}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TABLES)
def test_every_column_can_be_rendered_and_sorted_both_ways(name: str) -> None:
    columns, rows = TABLES[name]
    for column in columns:
        for is_descending in (False, True):
            in_order = sort_rows(rows, columns, SortOrder(column.title, is_descending), SNAPSHOT)
            assert sorted(map(id, in_order)) == sorted(map(id, rows))
        assert all(column.render_cell(row, SNAPSHOT, column.min_width).text is not None for row in rows)


def test_rows_that_are_equal_stay_in_their_order_both_ways() -> None:
    workers = many_workers(20).workers
    for is_descending in (False, True):
        assert list(sort_rows(workers, WORKERS, SortOrder("POOL", is_descending), SNAPSHOT)) == list(workers)


def test_workers_by_state_begin_with_the_worst() -> None:
    in_order = sort_rows(SNAPSHOT.view.workers, WORKERS, SortOrder("STATE", is_descending=False), SNAPSHOT)
    assert [worker.state for worker in in_order] == ["lost", "stalled", "online"]


def test_an_unknown_backlog_sorts_below_zero() -> None:
    in_order = sort_rows(SNAPSHOT.view.queues, QUEUES, SortOrder("BACKLOG", is_descending=True), SNAPSHOT)
    assert [queue.backlog for queue in in_order] == [1234, 99, 0, None]


@pytest.mark.parametrize("pane", PANES, ids=lambda pane: pane.title)
def test_each_column_has_a_letter_of_its_title_as_its_key(pane: Pane) -> None:
    keys = sort_keys(pane.columns)
    assert list(keys.values()) == [column.title for column in pane.columns]
    assert all(letter in title and letter in SORT_LETTERS for letter, title in keys.items())


def test_the_keys_are_marked_in_the_titles_of_the_pane_that_has_the_focus() -> None:
    placed, order = place_columns(QUEUES, 80, (), "2 QUEUES 4"), SortOrder("PAUSED", is_descending=False)
    marked = [cell.text for cell in header_line(placed, order, "2 QUEUES 4", sort_keys(QUEUES)) if cell.style == "key"]
    assert marked == ["Q", "W", "P", "A", "F", "B", "D", "I", "T"]
    assert not [cell for cell in header_line(placed, order, "2 QUEUES 4") if cell.style == "key"]


@pytest.mark.parametrize("rows", [[0, 0, 0, 0, 0, 0], [3, 10, 4, None, 7, 2], [9, 999, 999, 50, 999, 9]])
def test_the_panes_fill_the_height_of_the_screen(rows: list[int | None]) -> None:
    for height, current in itertools.product(range(-3, 80), (0, 1, 2, 4, 5)):
        heights = pane_heights(height, rows, current)
        assert sum(heights) == max(0, height) and min(heights) >= 0
        assert all(lines == 0 for lines, number in zip(heights, rows, strict=True) if number is None)
        assert heights[current] >= min(1 + max(1, rows[current] or 0), max(0, height), 4)
        if height >= 9:
            assert all(lines > 0 for lines, number in zip(heights, rows, strict=True) if number is not None)


def test_the_pane_with_the_focus_has_half_of_the_lines_if_it_needs_them_and_the_others_share_the_rest() -> None:
    assert pane_heights(21, [999, 999, 999, None, 999, 999], 2) == (3, 3, 10, 0, 3, 2)
    assert pane_heights(57, [2, 10, 999, None, 999, 0], 4) == (3, 11, 13, 0, 28, 2)


def test_lines_that_no_pane_needs_are_those_of_the_last_one() -> None:
    assert pane_heights(30, [2, 3, 4, None, 2, 1], 2) == (3, 4, 5, 0, 3, 15)
    assert pane_heights(30, [None, None, 4, None, None, None], 2) == (0, 0, 30, 0, 0, 0)
