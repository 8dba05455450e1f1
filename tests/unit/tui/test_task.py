"""The pane of tasks and the detail of one."""

from dataclasses import replace

import msgspec

from celery_gossip.cluster.failures import FailureView
from celery_gossip.tui.column import SortOrder, place_columns, row_line, sort_rows
from celery_gossip.tui.detail import detail_lines
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.task import TASKS, task_key
from celery_gossip.wire.messages import RunningTask
from tests.tui.scenes import NOW, a_failure, a_view, a_worker, three_workers
from tests.unit.build import a_check

SNAPSHOT = Snapshot(three_workers(), NOW, first_seen={"id-default": NOW - 130})


def rows(snapshot: Snapshot = SNAPSHOT, title: str = "AGE", *, is_descending: bool = True) -> list[str]:
    tasks = sort_rows(snapshot.tasks, TASKS, SortOrder(title, is_descending), snapshot)
    placed = place_columns(TASKS, 200, tasks, "5 TASKS 3")
    return ["".join(cell.text for cell in row_line(placed, task, snapshot)) for task in tasks]


def detail(key: str, snapshot: Snapshot = SNAPSHOT) -> list[str]:
    return ["".join(cell.text for cell in line) for line in detail_lines("tasks", key, snapshot, 78)]


def test_each_running_task_has_a_row_the_longest_running_first() -> None:
    mail, default, reports = (row.split() for row in rows())
    assert mail == ["shop.send_mail", "12m34s", "shop1@vm", "mail", "2", "15m", "id-mail"]
    assert default == ["?", ">2m10s", "shop1@vm", "default", "?", "-", "id-default"]
    assert reports == ["?", "?", "shop2@vm", "reports", "?", "-", "id-reports"]


def test_an_age_beyond_the_limit_is_marked() -> None:
    details = (RunningTask(0, 61.0, soft_time_limit=60.0), RunningTask(0, 59.0, time_limit=60.0))
    worker = a_worker("a@vm", names=("t",), checks=(a_check("q", active=("x", "y"), active_count=2, tasks=details),))
    snapshot = Snapshot(a_view(worker), NOW)
    assert [TASKS[1].render_cell(task, snapshot, 9) for task in snapshot.tasks] == [("1m01s", "warn"), ("59s", "")]


def test_the_detail_of_a_task_shows_what_its_worker_reports() -> None:
    task = next(task for task in SNAPSHOT.tasks if task.id == "id-mail")
    text = detail(task_key(task))
    for line in (
        "Task id-mail",
        "name          shop.send_mail",
        "running for   12m34s",
        "queue         mail",
        "retries       2",
        "delivered     before, too: another worker may have begun to run it",
        "time limit    15m, soft none",
        "worker        shop1@vm ● online",
        "pool          prefork, 2 of 2 slots busy",
    ):
        assert line in text
    assert "running for   >2m10s, at least" in detail("shop1@vm\nid-default")


def test_a_task_on_a_blocked_worker_shows_what_blocks_it() -> None:
    worker = a_worker("a@vm", "stalled", stack=("socket:connect:1",), checks=(a_check("q", active=("x",)),))
    text = detail("a@vm\nx", Snapshot(a_view(worker), NOW))
    assert text[-2:] == ["The worker is blocked in  module:function:line, innermost first", "  socket:connect:1"]


def test_a_task_that_has_ended_shows_its_failure_or_that_it_left_the_view() -> None:
    key = "shop1@vm\nid-7"
    assert detail(key) == ["shop1@vm id-7 is no longer in the view."]
    failed = replace(SNAPSHOT, failures=FailureView((a_failure("shop.pay", 7.0, "no funds"),)))
    text = detail(key, failed)
    assert text[:4] == ["Task id-7", "id            id-7", "name          shop.pay", "worker        shop1@vm"]
    assert text[4:6] == ["failed        7s ago with CardDeclined", "message       no funds"]
    assert text[-1] == "  http.client:request:900"


def test_tasks_of_workers_that_are_gone_have_no_row() -> None:
    gone = msgspec.structs.replace(three_workers().workers[0], state="lost")
    assert rows(Snapshot(a_view(gone), NOW)) == []
