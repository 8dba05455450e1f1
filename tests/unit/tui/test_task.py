"""The pane of tasks and the detail of one."""

from dataclasses import replace

import msgspec

from celery_gossip.cluster.failures import FailureView
from celery_gossip.tui.column import SortOrder, place_columns, row_line, sort_rows
from celery_gossip.tui.detail import detail_lines
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.task import TASKS, task_key
from celery_gossip.wire.messages import RunningTask, WaitingTask
from tests.tui.scenes import NOW, a_failure, a_view, a_worker, three_workers
from tests.unit.build import a_check

SNAPSHOT = Snapshot(three_workers(), NOW, first_seen={"id-default": NOW - 130})


WAITING = Snapshot(
    a_view(
        a_worker(
            "a@vm",
            heard_at=NOW,
            active=1,
            names=("", "shop.a", "shop.b", "mail"),
            checks=(a_check("mail", active=("id-now",), active_count=1, tasks=(RunningTask(1, 3.0),)),),
            waiting=(
                WaitingTask("id-new", 1, 3, "reserved", 4.0),
                WaitingTask("id-old", 2, 3, "reserved", 9.0),
                WaitingTask("id-later", 2, 3, "scheduled", 10.0, 3, 300.0),
                WaitingTask("id-limited", 1, 0, "limited", 2.0),
            ),
        )
    ),
    NOW,
)


def rows(snapshot: Snapshot = SNAPSHOT, title: str = "AGE", *, is_descending: bool = True) -> list[str]:
    tasks = sort_rows(snapshot.tasks, TASKS, SortOrder(title, is_descending), snapshot)
    placed = place_columns(TASKS, 200, tasks, "5 TASKS 3")
    return ["".join(cell.text for cell in row_line(placed, task, snapshot)) for task in tasks]


def detail(key: str, snapshot: Snapshot = SNAPSHOT) -> list[str]:
    return ["".join(cell.text for cell in line) for line in detail_lines("tasks", key, snapshot, 78)]


def test_each_running_task_has_a_row_the_longest_running_first() -> None:
    mail, default, reports = (row.split() for row in rows())
    assert mail == ["shop.send_mail", "●", "running", "12m34s", "shop1@vm", "mail", "-", "2", "15m", "id-mail"]
    assert default == ["?", "●", "running", ">2m10s", "shop1@vm", "default", "-", "?", "-", "id-default"]
    assert reports == ["?", "●", "running", "?", "shop2@vm", "reports", "-", "?", "-", "id-reports"]


def test_tasks_that_wait_follow_with_their_state_and_eta() -> None:
    names = [row.split()[0] + row.split()[2] for row in rows(WAITING, "STATE", is_descending=False)]
    assert names == ["shop.arunning", "shop.breserved", "shop.areserved", "shop.alimited", "shop.bscheduled"]
    by_eta = rows(WAITING, "DUE", is_descending=False)
    assert "id-later" in by_eta[0] and " in 5m00s " in by_eta[0]
    assert not any("5m00s" in row for row in by_eta[1:])


def test_the_detail_of_a_task_that_waits_says_what_it_waits_for() -> None:
    text = detail("a@vm\nid-later", WAITING)
    for line in ("state         ◔ scheduled for 10s", "waits for     its ETA", "ETA           in 5m00s"):
        assert line in text
    assert "waits for     a slot of its worker" in detail("a@vm\nid-old", WAITING)
    assert "queue         unknown" in detail("a@vm\nid-limited", WAITING)


def test_an_age_beyond_the_limit_is_marked() -> None:
    details = (RunningTask(0, 61.0, soft_time_limit=60.0), RunningTask(0, 59.0, time_limit=60.0))
    worker = a_worker("a@vm", names=("t",), checks=(a_check("q", active=("x", "y"), active_count=2, tasks=details),))
    snapshot = Snapshot(a_view(worker), NOW)
    assert [TASKS[2].render_cell(task, snapshot, 9) for task in snapshot.tasks] == [("1m01s", "warn"), ("59s", "")]


def test_the_detail_of_a_task_shows_what_its_worker_reports() -> None:
    task = next(task for task in SNAPSHOT.tasks if task.id == "id-mail")
    text = detail(task_key(task))
    for line in (
        "Task id-mail",
        "name          shop.send_mail",
        "state         ● running for 12m34s",
        "queue         mail",
        "retries       2",
        "delivered     before, too: another worker may have begun to run it",
        "time limit    15m, soft none",
        "worker        shop1@vm ● online",
        "pool          prefork, 2 of 2 slots busy",
    ):
        assert line in text
    assert "state         ● running for >2m10s, at least" in detail("shop1@vm\nid-default")


def test_a_task_on_a_blocked_worker_shows_what_blocks_it() -> None:
    worker = a_worker("a@vm", "stalled", stack=("socket:connect:1",), checks=(a_check("q", active=("x",)),))
    text = detail("a@vm\nx", Snapshot(a_view(worker), NOW))
    assert text[-2:] == ["The worker is blocked in  module:function:line, innermost first", "  socket:connect:1"]


def test_a_task_that_has_ended_shows_its_failure_or_that_it_left_the_view() -> None:
    key = "shop1@vm\nid-7"
    assert detail(key) == ["shop1@vm id-7 is no longer in the view."]
    failed = replace(SNAPSHOT, failures=FailureView((a_failure("shop.pay", 7.0, "no funds"),)))
    text = detail(key, failed)
    assert text[:4] == ["Task id-7", "id            id-7", "name          shop.pay", "state         ✖ failed"]
    assert "failed        7s ago with CardDeclined" in text and "message       no funds" in text
    assert "  http.client:request:900" in text


def test_tasks_of_workers_that_are_gone_have_no_row() -> None:
    gone = msgspec.structs.replace(three_workers().workers[0], state="lost")
    assert rows(Snapshot(a_view(gone), NOW)) == []
