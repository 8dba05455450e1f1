"""Processes that count what they send, on real brokers: what vanishes is found, and nothing else."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from celery_gossip.cluster import balance, flow
from tests.support.ear import Ear
from tests.support.waiting import eventually
from tests.support.workers import QUIET, REPOSITORY, Project

OTHER_TASK = "tests.support.project.fail"  #: that is sent to the second queue


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are on time here; how late they may be is in the unit tests."""
    monkeypatch.setattr(balance, "_DELAY", 3.0)
    monkeypatch.setattr(balance, "_DELAY_INTERVALS", 4.0)
    monkeypatch.setattr(flow, "MARGIN", 3.0)


@contextmanager
def sender(project: Project, *arguments: str, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """A process that sends; ended if it still runs."""
    project.install = {"interval": 0.5, "count_sent": True}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.counting", str(seconds), *arguments],
        cwd=REPOSITORY,
        env=project.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def sent(ear: Ear, queue: str) -> int:
    return sum(count for (name, _), count in ear.listener.cluster.sent_totals().items() if name == queue)


@pytest.mark.rabbitmq
def test_tasks_for_a_queue_that_rabbitmq_does_not_have_are_found_and_others_are_not(rabbitmq_project: Project) -> None:
    project = rabbitmq_project
    (right, _), wrong = project.queues, f"{project.prefix}_wrong"
    with Ear(project) as ear, project.worker(*QUIET, "-Q", right, pool="threads"):
        with sender(project, "--undeclared", right, wrong, seconds=90):
            finding = ear.wait_for_finding("sent_into_the_void", timeout=90)
        assert (finding.subject, finding.severity) == (wrong, "critical")
        assert "The broker has no queue of this name" in finding.text and OTHER_TASK in finding.text
        rows = {row.queue: row for row in ear.listener.balance()}
        assert rows[right].missing == 0 and rows[wrong].missing
        assert rows[wrong].received == 0 < rows[right].received
        assert {told.finding.subject for told in ear.told if told.finding.kind == "sent_into_the_void"} == {wrong}


@pytest.mark.rabbitmq
def test_tasks_with_a_routing_key_without_a_queue_are_found(rabbitmq_project: Project) -> None:
    project = rabbitmq_project
    right = project.queues[0]
    with Ear(project) as ear, project.worker(*QUIET, "-Q", right, pool="threads"):
        with sender(project, f"--exchange={right}", right, "lost", seconds=90):
            finding = ear.wait_for_finding("sent_into_the_void", timeout=90)
        assert finding.subject == f"{right}/lost" and "bind no queue" in finding.text
        assert {told.finding.subject for told in ear.told if told.finding.kind == "sent_into_the_void"} == {
            f"{right}/lost"
        }


def test_what_waits_in_a_queue_without_a_worker_has_not_vanished(project: Project) -> None:
    served, waiting = project.queues
    with Ear(project) as ear, project.worker(*QUIET, "-Q", served, pool="threads"):
        with sender(project, served, waiting, seconds=15) as process:
            ear.wait_for_finding("backlog_without_consumer", timeout=30)
            told, _ = process.communicate(timeout=60)
        count = int(told) // 2

        def is_balanced() -> None:
            rows = {row.queue: row for row in ear.listener.balance()}
            assert (rows[waiting].sent, rows[waiting].waiting, rows[waiting].received) == (count, count, 0)
            assert (rows[served].sent, rows[served].received, rows[served].ended) == (count, count, count)
            assert rows[waiting].missing == rows[served].missing == 0

        eventually(is_balanced, timeout=30)
        assert "sent_into_the_void" not in {told.finding.kind for told in ear.told}


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_what_the_processes_of_a_worker_send_is_counted(redis_project: Project, pool: str) -> None:
    project = redis_project
    project.install = {"interval": 0.5, "count_sent": True}
    with Ear(project) as ear, project.worker(*QUIET, pool=pool) as worker:
        for _ in range(4):
            project.send("stumble")  # by a process that does not count; each is retried twice
        eventually(lambda: _assert(sent(ear, project.queues[0]) == 8), timeout=40)
        assert worker.stop() == 0
        assert "Traceback" not in worker.output


def test_a_script_reports_what_it_sent_when_it_ends(project: Project) -> None:
    project.install = {"interval": 0.5, "count_sent": True}
    code = "from tests.support.project import app\nfor _ in range(5): app.send_task('tests.support.project.nothing')\n"
    with Ear(project) as ear:
        eventually(lambda: _assert(ear.listener.has_received_messages))
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=REPOSITORY, env=project.environment, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        eventually(lambda: _assert(sent(ear, project.queues[0]) == 5), timeout=5)
        assert time.monotonic() - began < 30


def _assert(condition: bool) -> None:
    assert condition
