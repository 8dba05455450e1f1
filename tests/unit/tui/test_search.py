"""The filter: which rows it lets through."""

import pytest

from celery_gossip.tui.search import Search
from tests.tui.scenes import findings, three_workers

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
