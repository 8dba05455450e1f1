"""Columns and panes: what fits, where it stands, how it is sorted."""

import pytest
from rich.cells import cell_len

from celery_gossip.tui.column import Column, Order, header_line, place, row_line, sort_rows
from celery_gossip.tui.frame import Frame
from celery_gossip.tui.row import FINDINGS, QUEUES, WORKERS
from celery_gossip.tui.share import share
from tests.tui.scenes import NOW, findings, hostile, many_workers, three_workers

FRAME = Frame(three_workers(), NOW, findings=findings())
TABLES = {
    "FINDINGS": (FINDINGS, FRAME.findings),
    "QUEUES": (QUEUES, FRAME.view.queues),
    "WORKERS": (WORKERS, FRAME.view.workers),
}


def titles(columns: list[Column[object]], width: int) -> list[str]:
    return [placed.column.title for placed in place(columns, width, (), "")]


def a_column(title: str, rank: int, **fields: object) -> Column[object]:
    return Column(title, lambda *_: None, lambda *_: 0, 10, rank, **fields)  # type: ignore[arg-type, return-value]


def test_columns_leave_by_rank_and_those_that_stay_keep_their_order() -> None:
    columns = [a_column("A", 0), a_column("B", 3), a_column("C", 1), a_column("D", 2)]
    assert titles(columns, 2 + 10 + 11 * 3) == ["A", "B", "C", "D"]
    assert titles(columns, 2 + 10 + 11 * 3 - 1) == ["A", "C", "D"]
    assert titles(columns, 2 + 10 + 11) == ["A", "C"]
    assert titles(columns, 1) == ["A"]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("width", [1, 2, 10, 40, 80, 119, 120, 200, 500])
def test_no_line_is_wider_than_the_screen(name: str, width: int) -> None:
    columns, rows = TABLES[name]
    placed = place(columns, width, rows, f"2 {name} 10")
    lines = [header_line(placed, Order(name, is_descending=True), f"2 {name} 10", is_focused=True)]
    lines += [row_line(placed, row, FRAME) for row in rows]
    assert {sum(cell_len(text) for text, _ in line) for line in lines} == {max(3, _end(placed))}
    assert _end(placed) <= max(3, width)


def _end(placed: list[object]) -> int:
    last = placed[-1]
    return last.x + last.width  # type: ignore[attr-defined,no-any-return]


def test_every_row_of_hostile_names_is_as_wide_as_the_next() -> None:
    view, found = hostile()
    frame = Frame(view, NOW, findings=found)
    for columns, rows in ((FINDINGS, found), (QUEUES, view.queues), (WORKERS, view.workers)):
        for width in (40, 80, 200):
            placed = place(columns, width, rows, "")
            lines = [row_line(placed, row, frame, ">") for row in rows]
            assert {sum(cell_len(text) for text, _ in line) for line in lines} == {_end(placed)}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TABLES)
def test_every_column_can_be_told_and_sorted_both_ways(name: str) -> None:
    columns, rows = TABLES[name]
    for column in columns:
        for is_descending in (False, True):
            there = sort_rows(rows, columns, Order(column.title, is_descending), FRAME)
            assert sorted(map(id, there)) == sorted(map(id, rows))
        assert all(column.tell(row, FRAME, column.width).text is not None for row in rows)


def test_rows_that_are_equal_stay_in_their_order_both_ways() -> None:
    workers = many_workers(20).workers
    for is_descending in (False, True):
        assert list(sort_rows(workers, WORKERS, Order("POOL", is_descending), FRAME)) == list(workers)


def test_workers_by_state_begin_with_the_least_welcome() -> None:
    there = sort_rows(FRAME.view.workers, WORKERS, Order("STATE", is_descending=False), FRAME)
    assert [worker.state for worker in there] == ["lost", "stalled", "online"]


def test_a_backlog_that_is_not_known_is_less_than_none() -> None:
    there = sort_rows(FRAME.view.queues, QUEUES, Order("BACKLOG", is_descending=True), FRAME)
    assert [queue.backlog for queue in there] == [1234, 99, 0, None]


@pytest.mark.parametrize("height", range(40))
@pytest.mark.parametrize(("found", "queues"), [(0, 0), (3, 10), (1000, 1000)])
def test_the_panes_never_take_more_than_there_is_once_there_is_room_for_all(
    height: int, found: int, queues: int
) -> None:
    parts = share(height, found, queues)
    if height >= 8:
        assert sum(parts) == height and min(parts) >= 2


def test_the_workers_have_at_least_two_fifths_of_a_small_screen() -> None:
    assert share(21, 1000, 1000)[2] * 5 >= 21 * 2 - 5
