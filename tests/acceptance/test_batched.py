"""Messages in batches of celery-batches, which are in none of Celery's own lists."""

import time

import pytest

from tests.support.ear import Ear
from tests.support.workers import QUIET, Project

pytest.importorskip("celery_batches")


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_messages_are_counted_while_they_are_buffered_and_while_their_batch_runs(project: Project, pool: str) -> None:
    project.install = {"interval": 0.2}
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.batched"}
    with project.worker(*QUIET, pool=pool) as worker, Ear(project) as ear:
        check_a_batch(project, ear, "batch")
        check_a_batch(project, ear, "batch_late")
        assert worker.stop() == 0


def check_a_batch(project: Project, ear: Ear, task: str) -> None:
    """Send two messages, a task that is no batch, and the third message, with which the batch runs."""
    began = time.monotonic()
    for _ in range(2):
        project.send(task, 1.0)
    ear.wait(began, 10, lambda report: report.batched == 2)
    before = ear.heard[-1][1].processed
    project.send("nothing")
    ear.wait(began, 10, lambda report: report.processed == before + 1 and report.batched == 2)
    project.send(task, 1.0)
    ear.wait(began, 10, lambda report: report.batched == 3)
    running_at = time.monotonic()
    over = ear.wait(running_at, 10, lambda report: report.batched == 0)
    assert over > 0.5, "not before the batch has ended"
    assert {(report.active, report.reserved) for report in ear.since(running_at)} == {(0, 0)}
