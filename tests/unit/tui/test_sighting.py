"""The search for a task by its id: where it is or was, and what it means that nothing is found."""

from dataclasses import replace

import msgspec
import pytest

from celery_gossip.cluster.failures import FailureView
from celery_gossip.cluster.task_history import TaskHistory
from celery_gossip.tui.detail import detail_lines
from celery_gossip.tui.sighting import is_sighted
from celery_gossip.tui.snapshot import Snapshot
from tests.tui.scenes import NOW, a_failure, a_view, a_worker, three_workers
from tests.unit.build import a_check

WORKER = a_worker(
    "a@vm", heard_at=NOW - 5, seq=1, active=1, checks=(a_check("mail", active=("id-1",), active_count=1),)
)


def search(text: str, snapshot: Snapshot) -> list[str]:
    return ["".join(cell.text for cell in line) for line in detail_lines("search", text, snapshot, 78)]


def test_a_running_task_is_found_with_its_worker_and_age() -> None:
    text = search("id-mail", Snapshot(three_workers(), NOW))
    for line in (
        "Search for id-mail",
        "name          shop.send_mail",
        "state         ● running",
        "worker        shop1@vm ● online",
        "started       12m34s ago",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("lost", "was running when its worker was lost; it is not known what"),
        ("offline", "was running when its worker shut down; it is not known what"),
    ],
)
def test_a_task_that_is_gone_with_its_worker_says_so(state: str, expected: str) -> None:
    snapshot = Snapshot(a_view(msgspec.structs.replace(WORKER, state=state)), NOW)
    text = search("id-1", snapshot)
    assert is_sighted("id-1", snapshot)
    assert f"              {expected}" in text
    assert "last seen     5s ago" in text


def test_a_task_that_is_not_listed_any_more_has_ended_only_if_all_others_are_listed() -> None:
    history = TaskHistory()
    history.observe(a_view(WORKER))
    idle = msgspec.structs.replace(WORKER.gossip, seq=2, active=0, checks=(a_check("mail"),))
    for active, expected in ((0, "and has ended"), (3, "does not list it any more")):
        latest = msgspec.structs.replace(WORKER, gossip=msgspec.structs.replace(idle, active=active), heard_at=NOW - 1)
        history.observe(a_view(latest))
        text = "\n".join(search("id-1", Snapshot(a_view(latest), NOW, task_history=history)))
        assert expected in text


def test_a_failed_task_is_found_with_its_error() -> None:
    view = FailureView((a_failure("shop.pay", 7.0, "no funds"),), taken_at=NOW)
    text = search("id-7", Snapshot(a_view(), NOW, failures=view))
    assert "state         ✖ failed" in text and "message       no funds" in text
    assert "worker        shop1@vm not in the view any more" in text


def test_without_a_result_it_says_how_far_the_search_reaches() -> None:
    history = TaskHistory()
    history.observe(a_view(WORKER))
    later = replace(a_view(WORKER), taken_at=NOW + 90)
    text = search("nothing", Snapshot(later, NOW + 90, task_history=history))
    assert "No task with this id is in a report." in text
    assert "              No worker has listed it in the last 90s; earlier tasks are not" in text
    assert not is_sighted("nothing", Snapshot(later, NOW))
    assert not any("remembered" in line for line in search("nothing", Snapshot(later, NOW)))
    cut_off = replace(later, isolated_since=NOW)
    assert any("cut off from the broker" in line for line in search("nothing", Snapshot(cut_off, NOW)))


def test_tasks_that_no_report_lists_are_mentioned() -> None:
    text = "\n".join(search("nothing", Snapshot(three_workers(), NOW)))
    assert "0 running and 4 waiting tasks are counted by their workers" in text
