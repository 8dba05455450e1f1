"""Commands that a user gives to `celery gossip top` in a terminal change real workers, and the reports confirm them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from celery_gossip.tui.control_session import os_user
from tests.support import eventually
from tests.support.workers import REPOSITORY, Project, Worker
from tests.tui.terminal import Terminal

pytestmark = pytest.mark.redis


@contextmanager
def top(project: Project, *options: str) -> Iterator[Terminal]:
    """Run `celery gossip top` in a terminal."""
    command = [sys.executable, "-m", "celery", "-A", project.module, "gossip", "top", *options]
    terminal = Terminal(command, REPOSITORY, {**project.environment, "TERM": "xterm-256color"})
    try:
        yield terminal
    finally:
        terminal.close()


def shows(terminal: Terminal, text: str, since: int = 0) -> None:
    assert text in terminal.output[since:] and terminal.process.poll() is None, terminal.output[since:]


def press(terminal: Terminal, keys: str, expected: str) -> None:
    """Press the keys, and wait for a text that was not shown before."""
    since = len(terminal.output)
    terminal.press(keys)
    eventually(partial(shows, terminal, expected, since), 30)


def is_consumed(project: Project, worker: Worker, queue: str) -> bool:
    return queue in [one["name"] for one in project.inspect("active_queues", worker.node)]


def test_a_queue_is_paused_and_the_outcome_is_printed_at_the_end(redis_project: Project) -> None:
    queue = redis_project.queues[0]
    with redis_project.worker(pool="solo") as worker, top(redis_project, "--allow-control") as terminal:
        eventually(partial(shows, terminal, worker.node), 60)
        press(terminal, "2c", f"queue {queue}")
        press(terminal, "p", "Will be sent to 1 worker")
        press(terminal, "y", "confirmed")
        assert not is_consumed(redis_project, worker, queue)
        press(terminal, "n", "3 WORKERS")
        press(terminal, "l", f"by {os_user()} on 1 worker")
        press(terminal, "n", "3 WORKERS")
        terminal.press("q")
        assert terminal.process.wait(30) == 0
        eventually(lambda: assert_printed(terminal, f"{os_user()}: pause '{queue}': confirmed (1 confirmed)"))


def assert_printed(terminal: Terminal, line: str) -> None:
    assert line in terminal.output.rpartition("\x1b[?1049l")[2]


def test_a_task_that_runs_is_revoked_and_ended(redis_project: Project) -> None:
    with redis_project.worker() as worker, top(redis_project, "--allow-control=terminate") as terminal:
        task_id = redis_project.send("nap", 600)
        eventually(partial(shows, terminal, task_id[:12]), 60)
        press(terminal, "5c", f"task {task_id}")
        press(terminal, "t", "signal (TERM, KILL, QUIT, ABRT)")
        press(terminal, "\r", "Will be sent to 1 worker")
        press(terminal, "y", "confirmed")
        eventually(lambda: assert_idle(redis_project, worker), 30)
        assert task_id in redis_project.inspect("revoked", worker.node)


def assert_idle(project: Project, worker: Worker) -> None:
    assert project.inspect("active", worker.node) == []
