"""Running and waiting tasks of real workers by name, age, retries and limits, in every pool and on both brokers."""

from functools import partial
from typing import Any

import pytest

from celery_gossip import Listener, TaskView
from tests.support import eventually
from tests.support.workers import Project

LONG = 60  #: seconds; longer than any test
NAP, FAIL = "tests.support.project.nap", "tests.support.project.fail"
QUIET = ("--without-mingle", "--without-gossip", "--without-heartbeat")


def tasks_of(listener: Listener, count: int) -> list[TaskView]:
    tasks = list(listener.view().tasks())
    assert len(tasks) == count, tasks
    return tasks


def waiting(listener: Listener, field: str) -> dict[tuple[str, str], int]:
    """Return `{(queue, task name): tasks}` that the only worker reports."""
    (worker,) = listener.view().workers
    gossip = worker.gossip
    return {(gossip.names[one.queue], gossip.names[one.task]): one.count for one in getattr(gossip, field)}


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet", "solo"])
def test_a_running_task_has_its_name_age_and_limits(project: Project, pool: str) -> None:
    with project.worker(*QUIET, pool=pool, concurrency=1) as worker, project.app() as app, Listener(app) as listener:
        listener.wait(workers=1, timeout=20)
        task_id = project.send("nap", 8, soft_time_limit=40, time_limit=50)
        (first,) = eventually(partial(tasks_of, listener, 1))
        assert (first.id, first.name, first.queue) == (task_id, NAP, project.queues[0])
        assert (first.hostname, first.retries, first.is_redelivered) == (worker.node, 0, False)
        assert (first.soft_time_limit, first.time_limit) == (40.0, 50.0)
        assert first.age is not None and first.age < 8

        def has_aged() -> None:
            (task,) = tasks_of(listener, 1)
            assert task.age is not None and first.age is not None and task.age >= first.age + 2

        eventually(has_aged)
        eventually(partial(tasks_of, listener, 0), 20)


def listed(listener: Listener) -> dict[str, str]:
    """Return `{id: state}` of the waiting tasks."""
    return {one.id: one.state for one in listener.view().waiting()}


def assert_listed(listener: Listener, expected: dict[str, str]) -> None:
    assert listed(listener) == expected


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet", "solo"])
def test_a_waiting_task_is_listed_by_its_id_with_its_eta(project: Project, pool: str) -> None:
    with project.worker(*QUIET, pool=pool, concurrency=1), project.app() as app, Listener(app) as listener:
        listener.wait(workers=1, timeout=20)
        scheduled = project.send("fail", countdown=600)
        eventually(partial(assert_listed, listener, {scheduled: "scheduled"}), 20)
        (one,) = listener.view().waiting()
        assert (one.name, one.queue, one.retries) == (FAIL, project.queues[0], 0)
        assert one.due_in is not None and 500 < one.due_in < 600
        running = project.send("nap", LONG)
        eventually(partial(tasks_of, listener, 1), 20)
        if pool == "solo":  # it receives nothing while it runs a task
            return
        reserved = project.send("nap", LONG)
        eventually(partial(assert_listed, listener, {scheduled: "scheduled", reserved: "reserved"}), 20)
        (one,) = listener.view().waiting(reserved)
        assert (one.name, one.due_in) == (NAP, None) and running not in listed(listener)

        def has_aged() -> None:
            (later,) = listener.view().waiting(reserved)
            assert later.age >= one.age + 2

        eventually(has_aged, 20)


def test_a_task_that_waits_for_its_rate_limit_is_listed(redis_project: Project) -> None:
    project = redis_project
    with (
        project.worker("--without-mingle", pool="threads", concurrency=4) as worker,
        project.app() as app,
        Listener(app) as listener,
    ):
        listener.wait(workers=1, timeout=20)
        project.control("rate_limit", worker.node, task_name=NAP, rate_limit="1/h")
        sent = {project.send("nap", LONG) for _ in range(3)}

        def are_listed() -> None:
            (running,) = tasks_of(listener, 1)
            assert_listed(listener, dict.fromkeys(sent - {running.id}, "limited"))

        eventually(are_listed, 20)


def test_waiting_tasks_are_counted_by_queue_and_name(redis_project: Project) -> None:
    project = redis_project
    a, b = project.queues
    with project.worker(*QUIET, pool="threads", concurrency=1), project.app() as app, Listener(app) as listener:
        listener.wait(workers=1, timeout=20)
        project.send("nap", LONG)
        eventually(partial(tasks_of, listener, 1))
        for queue in ("a", "b", "b"):
            project.send("nap", LONG, queue=queue)
        project.send("fail", countdown=600)

        def are_counted() -> None:
            assert waiting(listener, "reserved_tasks") == {(a, NAP): 1, (b, NAP): 2}
            assert waiting(listener, "scheduled_tasks") == {(a, FAIL): 1}

        eventually(are_counted)


def test_retries_and_a_second_delivery_are_reported(project: Project) -> None:
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.second_tries"}
    project.conf["broker_transport_options"] = {"visibility_timeout": 5} if "redis" in project.broker_url else {}
    with project.app() as app, Listener(app) as listener:
        with project.worker(*QUIET, pool="prefork", concurrency=1) as worker:
            retried = app.send_task("tests.support.second_tries.again_and_sleep", queue=project.queues[0]).id

            def is_retried() -> None:
                (task,) = tasks_of(listener, 1)
                assert (task.id, task.retries, task.is_redelivered) == (retried, 1, False)

            eventually(is_retried, 20)
            worker.kill()

        def is_lost() -> None:
            assert all(worker.is_gone for worker in listener.view().workers)

        eventually(is_lost, 20)
        with project.worker(*QUIET, pool="prefork", concurrency=1):

            def is_redelivered() -> None:
                (task,) = tasks_of(listener, 1)
                assert (task.id, task.retries, task.is_redelivered) == (retried, 1, True)

            eventually(is_redelivered, 30)


def test_a_lost_worker_is_reported_with_the_names_of_its_tasks(redis_project: Project) -> None:
    project = redis_project
    with project.app() as app, Listener(app) as listener:
        with project.worker(*QUIET, pool="threads", concurrency=1) as worker:
            listener.wait(workers=1, timeout=20)
            task_id = project.send("nap", LONG)
            eventually(partial(tasks_of, listener, 1))
            worker.kill()

        def is_found() -> None:
            texts = [one.text for one in listener.findings if one.kind == "lost_with_tasks"]
            assert len(texts) == 1 and f"{NAP} ({task_id}, running for " in texts[0]

        eventually(is_found, 30)


def test_status_lists_running_tasks_and_finds_one_by_its_id(redis_project: Project) -> None:
    project = redis_project
    with project.worker(*QUIET, pool="threads", concurrency=2) as worker:
        first, second = project.send("nap", LONG), project.send("nap", LONG, queue="b")

        def rows(*options: str) -> dict[str, dict[str, Any]]:
            return {row["id"]: row for row in project.status(*options)["tasks"]}

        def are_listed() -> None:
            assert set(rows("--tasks")) == {first, second}

        eventually(are_listed, 20)
        (row,) = rows("--task", second).values()
        assert (row["name"], row["queue"], row["hostname"]) == (NAP, project.queues[1], worker.node)
        assert row["age"] > 0 and rows("--task", "nothing") == {}
        text = project.celery("gossip", "status", "--task", NAP).stdout
        assert first in text and second in text and "RUNS FOR" in text
