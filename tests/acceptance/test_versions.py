"""A fleet that is being upgraded: workers and listeners of this commit beside those of former ones, on one exchange."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tests.support.past import BEFORE_SERIES, FIRST, ancient_project
from tests.support.workers import QUIET, Project

LONG = 60  #: seconds; longer than any test
TOTALS = ("active", "reserved", "scheduled")
BUSY = {"active": 2, "reserved": 1, "scheduled": 1}  #: of each worker


@pytest.mark.parametrize("commit", [pytest.param(FIRST, id="first"), pytest.param(BEFORE_SERIES, id="before-series")])
def test_old_and_new_workers_are_seen_by_old_and_new_listeners_with_what_they_do(
    project: Project, commit: str, tmp_path: Path
) -> None:
    past = ancient_project(commit, tmp_path, like=project)
    queue_a, queue_b = project.queues
    with (
        project.worker(*QUIET, "-Q", queue_a, pool="threads", name="new") as new,
        past.worker(*QUIET, "-Q", queue_b, pool="threads", name="old") as old,
    ):
        sent = {node.node: busy_with(project, queue) for node, queue in ((new, "a"), (old, "b"))}
        expected = {node: {**BUSY, "state": "online", "ids": ids} for node, ids in sent.items()}
        for listener in (project, past):
            eventually(partial(assert_shown, listener, expected), timeout=20)
        told = {worker["hostname"]: worker for worker in project.status()["workers"]}
        assert [("series" in told[node.node]) for node in (new, old)] == [True, False], "the old one is not old"
        assert "Traceback" not in new.output + old.output


def busy_with(project: Project, queue: str) -> set[str]:
    """Give the one worker of this queue as much as BUSY says; the ids of what runs."""
    running = {project.send("nap", LONG, queue=queue) for _ in range(2)}
    eventually(partial(assert_active, project, running, queue), timeout=10)
    project.send("nap", 0, queue=queue)
    project.send("nap", 0, queue=queue, countdown=600)
    return running


def assert_active(project: Project, running: set[str], queue: str) -> None:
    node = f"{'new' if queue == 'a' else 'old'}@{project.prefix}"
    assert {task["id"] for task in project.inspect("active", node)} == running


def assert_shown(project: Project, expected: dict[str, Any]) -> None:
    shown = {
        worker["hostname"]: {
            **{name: worker[name] for name in TOTALS},
            "state": worker["state"],
            "ids": {task_id for check in worker["checks"] for task_id in check["active"]},
        }
        for worker in project.status()["workers"]
    }
    assert shown == expected
