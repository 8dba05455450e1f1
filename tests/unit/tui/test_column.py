"""Columns and panes: which columns fit, their positions, and sorting."""

import pytest
from rich.cells import cell_len

from celery_gossip.tui.column import Column, SortOrder, header_line, place_columns, row_line, sort_rows
from celery_gossip.tui.layout import pane_heights
from celery_gossip.tui.row import FINDINGS, QUEUES, WORKERS
from celery_gossip.tui.snapshot import Snapshot
from tests.tui.scenes import NOW, findings, hostile, many_workers, three_workers

SNAPSHOT = Snapshot(three_workers(), NOW, findings=findings())
TABLES = {
    "FINDINGS": (FINDINGS, SNAPSHOT.findings),
    "QUEUES": (QUEUES, SNAPSHOT.view.queues),
    "WORKERS": (WORKERS, SNAPSHOT.view.workers),
}


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
    lines = [header_line(placed, SortOrder(name, is_descending=True), f"2 {name} 10", is_focused=True)]
    lines += [row_line(placed, row, SNAPSHOT) for row in rows]
    assert {sum(cell_len(text) for text, _ in line) for line in lines} == {max(3, _end(placed))}
    assert _end(placed) <= max(3, width)


def _end(placed: list[object]) -> int:
    last = placed[-1]
    return last.x + last.width  # type: ignore[attr-defined,no-any-return]


def test_every_row_of_hostile_names_is_as_wide_as_the_next() -> None:
    view, found = hostile()
    snapshot = Snapshot(view, NOW, findings=found)
    for columns, rows in ((FINDINGS, found), (QUEUES, view.queues), (WORKERS, view.workers)):
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


@pytest.mark.parametrize("height", range(40))
@pytest.mark.parametrize(("found", "queues"), [(0, 0), (3, 10), (1000, 1000)])
def test_the_heights_of_the_panes_add_up_to_the_height_of_the_screen(height: int, found: int, queues: int) -> None:
    *parts, schedule = pane_heights(height, found, queues)
    assert schedule == 0
    if height >= 8:
        assert sum(parts) == height and min(parts) >= 2


@pytest.mark.parametrize("height", range(12, 60))
@pytest.mark.parametrize("entries", [0, 1, 1000])
def test_the_schedule_has_a_fifth_of_the_screen_at_most(height: int, entries: int) -> None:
    parts = pane_heights(height, 3, 10, entries)
    assert sum(parts) == height and min(parts) >= 2
    assert parts[3] == min(1 + max(1, entries), height // 5)


def test_the_workers_have_at_least_two_fifths_of_a_small_screen() -> None:
    assert pane_heights(21, 1000, 1000)[2] * 5 >= 21 * 2 - 5
