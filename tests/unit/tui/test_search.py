"""The filter: which rows it lets through."""

import pytest

from celery_gossip.tui.search import Search
from tests.tui.scenes import failures, findings, three_workers

VIEW = three_workers()


@pytest.mark.parametrize(
    ("text", "workers", "queues", "found"),
    [
        ("", 3, ["default", "mail", "orphans", "reports"], 2),
        ("shop1", 1, ["default", "mail"], 0),
        ("SHOP2", 1, ["mail", "reports"], 1),
        ("reports", 1, ["reports"], 0),
        ("lost", 1, ["mail"], 0),
        ("mail stalled", 1, ["mail"], 0),
        ("  mail   stalled ", 1, ["mail"], 0),
        ("mail nowhere", 0, [], 0),
        ("critical", 0, [], 1),
        ("[red]", 0, [], 0),
    ],
)
def test_every_word_must_be_found_in_hostname_queue_or_state(
    text: str, workers: int, queues: list[str], found: int
) -> None:
    search = Search(text)
    assert len(search.workers(VIEW)) == workers
    assert [queue.queue for queue in search.queues(VIEW)] == queues
    assert len(search.findings(findings())) == found


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", ["id-default", "id-mail", "id-reports"]),
        ("ID-MAIL", ["id-mail"]),
        ("send_mail", ["id-mail"]),
        ("shop2@vm", ["id-reports"]),
        ("shop1 default", ["id-default"]),
        ("nowhere", []),
    ],
)
def test_tasks_are_found_by_id_name_queue_and_worker(text: str, ids: list[str]) -> None:
    assert [task.id for task in Search(text).tasks(tuple(VIEW.tasks()), VIEW)] == ids


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("", ["shop.pay", "shop.send_mail"]),
        ("id-145", ["shop.pay"]),
        ("no funds", ["shop.pay"]),
        ("charge:41", ["shop.pay"]),
        ("keyerror", ["shop.send_mail"]),
        ("default shop2", ["shop.send_mail"]),
        ("nowhere", []),
    ],
)
def test_a_group_of_failures_is_found_by_each_of_its_failures(text: str, tasks: list[str]) -> None:
    view = failures()
    found = Search(text).failures(view, view.groups())
    assert [group.task for group in found] == tasks
    assert sum(group.count for group in found) in {0, 1, 25, 26}


def test_an_id_is_found_among_tasks_that_have_no_row() -> None:
    assert [task.id for task in Search("id-mail").tasks((), VIEW)] == ["id-mail"]
    assert Search("id-ma").tasks((), VIEW) == []
