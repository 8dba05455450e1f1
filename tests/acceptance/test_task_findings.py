"""Findings about single tasks, with real workers that hang, run a task twice, or are killed by it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psutil

from celery_gossip import Finding, Listener, RuleSettings
from tests.support import eventually
from tests.support.workers import Project, Worker

NAP = "tests.support.project.nap"
SLEEPER = "tests.support.second_tries.sleep_late"
QUIET = ("--without-mingle", "--without-gossip", "--without-heartbeat")


def the_finding(listener: Listener, kind: str) -> Finding:
    (found,) = [finding for finding in listener.findings if finding.kind == kind] or [None]
    assert found is not None, listener.findings
    return found


def are_running(listener: Listener, count: int) -> None:
    assert len(list(listener.view().tasks())) == count


@contextmanager
def stopped_pool(worker: Worker) -> Iterator[None]:
    """Stop the processes of a prefork pool, and let them go on at the end."""
    children = psutil.Process(worker.process.pid).children()
    for child in children:
        os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            os.kill(child.pid, signal.SIGCONT)


def test_a_pool_whose_processes_are_stopped_is_dead_until_they_go_on(project: Project) -> None:
    with project.worker(*QUIET, pool="prefork") as worker, project.app() as app, Listener(app) as listener:
        listener.wait(workers=1, timeout=20)
        project.send("nothing")  # a worker that has not run any task gets more time

        def has_run() -> None:
            assert listener.view().workers[0].gossip.processed == 1

        eventually(has_run, 20)
        with stopped_pool(worker):
            for _ in range(3):
                project.send("nap", 0.01)
            found = eventually(partial(the_finding, listener, "pool_dead"), 40)
            assert (found.severity, found.subject) == ("critical", worker.node)
            assert "3 reserved tasks" in found.text and [one.kind for one in listener.findings] == ["pool_dead"]

        def is_cleared() -> None:
            assert listener.findings == ()

        eventually(is_cleared, 20)


def test_a_limit_that_threads_do_not_enforce_is_reported(redis_project: Project) -> None:
    project = redis_project
    with project.worker(*QUIET, pool="threads") as worker, project.app() as app, Listener(app) as listener:
        task_id = project.send("nap", 40, time_limit=1)
        found = eventually(partial(the_finding, listener, "limit_not_enforced"), 30)
        assert found.subject == worker.node and f"{NAP} ({task_id}, running for " in found.text
        assert "beyond its time limit of 1s" in found.text and "pool threads" in found.text


def test_a_task_that_is_delivered_again_while_it_runs_runs_twice(redis_project: Project) -> None:
    project = redis_project
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.second_tries"}
    project.conf |= {"broker_transport_options": {"visibility_timeout": 4}, "worker_prefetch_multiplier": 1}
    with (
        project.worker(*QUIET, pool="threads", concurrency=1) as first,
        project.app() as app,
        Listener(app) as listener,
    ):
        task_id = app.send_task(SLEEPER, args=(60,), queue=project.queues[0]).id

        def is_overdue() -> None:  # Kombu looks for overdue messages when a worker starts, then every 100 s
            assert [task.age for task in listener.view().tasks() if (task.age or 0) > 5]

        eventually(is_overdue, 30)
        with project.worker(*QUIET, pool="threads", concurrency=1, name="w2") as second:
            found = eventually(partial(the_finding, listener, "runs_twice"), 60)
            assert found.subject == project.queues[0] and task_id in found.text
            assert f"on {first.node}, and for " in found.text and f" on {second.node}." in found.text


def test_a_task_that_outlives_two_workers_is_poison(rabbitmq_project: Project) -> None:
    project = rabbitmq_project
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.second_tries"}
    with project.app() as app, Listener(app) as listener:
        task_id = app.send_task(SLEEPER, args=(60,), queue=project.queues[0]).id
        for name in ("w1", "w2"):
            with project.worker(*QUIET, pool="prefork", concurrency=1, name=name) as worker:

                def is_running(node: str = worker.node) -> None:
                    assert [task.id for task in listener.view().tasks(hostname=node)] == [task_id]

                eventually(is_running, 30)
                worker.kill()
        found = eventually(partial(the_finding, listener, "poison"), 40)
        assert (found.severity, found.subject) == ("critical", project.queues[0])
        assert f"{SLEEPER} ({task_id})" in found.text and f"w1@{project.prefix}, w2@{project.prefix}" in found.text


#: Tasks run long after 10 s, and pin slots at once; tests/unit/diagnosis checks the default times.
EARLY = RuleSettings().general.updated({"after": {"slots_pinned": 0.0}, "thresholds": {"long_seconds": 10.0}})


def test_stuck_tasks_in_every_slot_pin_the_slots_of_a_queue(redis_project: Project) -> None:
    project = redis_project
    with (
        project.worker(*QUIET, pool="prefork") as worker,
        project.app() as app,
        Listener(app, rules=RuleSettings(EARLY)) as listener,
    ):
        listener.wait(workers=1, timeout=20)
        for _ in range(25):
            project.send("nap", 0.01)

        def have_ended() -> None:
            counted = listener.throughput("task").get(NAP)
            assert counted is not None and counted.succeeded == 25

        eventually(have_ended, 30)
        stuck = [project.send("nap", 60) for _ in range(2)]
        eventually(partial(are_running, listener, 2), 20)
        project.send("nap", 0.01)
        found = eventually(partial(the_finding, listener, "slots_pinned"), 40)
        assert (found.severity, found.subject) == ("critical", project.queues[0])
        assert all(task_id in found.text for task_id in stuck) and "1 task waits" in found.text
        assert {one.kind for one in listener.findings} == {"slots_pinned", "task_runs_long"}
        assert the_finding(listener, "task_runs_long").subject == worker.node
