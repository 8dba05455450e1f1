"""A fleet that is being upgraded: workers and listeners of this commit beside those of former ones, on one exchange."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from celery_gossip import Listener, WorkerView
from celery_gossip.cluster.task_view import TaskView, tasks_of
from tests.support import eventually
from tests.support.exporting import Exporting, exporting
from tests.support.past import BEFORE_DETAILS, BEFORE_SERIES, FIRST, ancient_project
from tests.support.workers import QUIET, REPOSITORY, Project

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


def test_new_reports_are_no_burden_for_a_former_listener_and_what_a_former_worker_leaves_out_is_unknown(
    project: Project, tmp_path: Path
) -> None:
    """The new worker reports all that is new: its release, resources, running tasks and ages; its senders count."""
    past = ancient_project(BEFORE_DETAILS, tmp_path, like=project)
    queue_a, queue_b = project.queues
    project.install = {"interval": 0.5, "release": "v42", "count_sent": True}
    with (
        exporting(past) as exporter,
        project.app() as app,
        Listener(app) as listener,  # before the workers: they report their software first, and then once a minute
        project.worker(*QUIET, "-Q", queue_a, name="new") as new,
        past.worker(*QUIET, "-Q", queue_b, name="old") as old,
    ):
        send_counted(project, queue_a)
        eventually(partial(assert_counted, listener, queue_a), timeout=30)
        for queue in "ab":
            busy_with(project, queue)
        told = eventually(partial(both_workers, listener), timeout=30)
        worker = told[new.node]
        assert worker.software is not None and worker.software.release == "v42" and worker.resources is not None
        assert all(task.name.endswith(".nap") and task.age is not None for task in tasks_of(worker.gossip))
        assert worker.gossip.scheduled_tasks and any(age is not None for age in worker.gossip.newest)
        assert_unknown(told[old.node])
        view = listener.view().queue(queue_b)
        assert view is not None and (view.active, view.reserved, view.scheduled, view.backlog) == (2, 1, 1, 0)
        rows = {row.queue: row for row in listener.balance()}
        assert queue_b not in rows, "nothing that was counted was sent there"
        eventually(partial(assert_refuses_nothing, exporter, {new.node, old.node}), timeout=20)
        raised = {(finding.kind, finding.subject) for finding in listener.findings}
        assert not raised & {("mixed_versions", "listener"), ("mixed_releases", queue_b), ("runs_twice", queue_b)}
        assert "Traceback" not in new.output + old.output


def send_counted(project: Project, queue: str) -> None:
    """Send tasks for a second, in a process that counts them."""
    command = [sys.executable, "-m", "tests.support.counting", "1", queue]
    subprocess.run(command, cwd=REPOSITORY, env=project.environment, check=True, capture_output=True)


def both_workers(listener: Listener) -> dict[str, WorkerView]:
    """The workers by hostname, once each is as busy as BUSY says, and the new one has reported everything."""
    workers = {worker.hostname: worker for worker in listener.view().workers}
    busy = [{name: getattr(worker.gossip, name) for name in TOTALS} for worker in workers.values()]
    assert busy == [BUSY, BUSY], workers
    assert any(worker.resources is not None and worker.software is not None for worker in workers.values())
    assert any(worker.gossip.newest and worker.gossip.scheduled_tasks for worker in workers.values())
    return workers


def assert_unknown(old: WorkerView) -> None:
    gossip, tasks = old.gossip, list(tasks_of(old.gossip))
    assert (old.software, old.release, old.resources, old.resources_age, old.stack) == (None, "", None, None, ())
    assert (gossip.newest, gossip.held, gossip.reserved_tasks, gossip.scheduled_tasks) == ((), (), (), ())
    assert [(task.name, task.age, task.retries, task.is_redelivered) for task in tasks] == [("", None, None, None)] * 2
    assert all(isinstance(task, TaskView) and task.id for task in tasks)
    assert gossip.series or old.gossip.processed == 2, "the old one counts its tasks"


def assert_counted(listener: Listener, queue: str) -> None:
    assert sum(count for (name, _), count in listener.cluster.sent_totals().items() if name == queue) > 0


def assert_refuses_nothing(exporter: Exporting, hostnames: set[str]) -> None:
    scrape = exporter.scrape()
    assert [scrape.all("celery_worker_up", hostname=hostname) for hostname in hostnames] == [[1], [1]]
    rejected = scrape.all("celery_gossip_rejected_messages_total")
    assert rejected and not any(rejected), exporter.text()
