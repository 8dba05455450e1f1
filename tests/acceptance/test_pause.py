"""Queues that come, go and return at run time show as they are within two intervals."""

import time
from functools import partial
from typing import Any

import pytest

from tests.support import eventually
from tests.support.ear import Ear
from tests.support.workers import Project, Worker

INTERVAL = 0.5  #: seconds, of Project.install
SOON = 2 * INTERVAL + 0.5  #: two intervals, a tenth of jitter, and the way through a busy machine


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_cancelled_queue_is_paused_until_it_is_consumed_again_as_a_new_consumer(project: Project, pool: str) -> None:
    queue, other = project.queues
    with project.worker("--without-mingle", pool=pool) as worker, Ear(project) as ear:
        ear.wait(0.0, timeout=5)
        first = check_of(ear.since(0.0)[-1], queue)
        assert not first.paused

        assert seconds_until(ear, worker, "cancel_consumer", queue, is_paused=True) < SOON
        paused = check_of(ear.since(0.0)[-1], queue)
        assert (paused.uuid, paused.started_at) == (first.uuid, first.started_at)
        assert not check_of(ear.since(0.0)[-1], other).paused
        shown = {row["queue"]: row["paused"] for row in project.status()["queues"]}
        assert shown == {queue: "yes", other: "no"}

        assert seconds_until(ear, worker, "add_consumer", queue, is_paused=False) < SOON
        again = check_of(ear.since(0.0)[-1], queue)
        assert again.uuid != first.uuid
        assert again.started_at > first.started_at
        assert len([check.queue for check in ear.since(0.0)[-1].checks]) == 2


def test_a_queue_added_at_run_time_appears_with_its_tasks(project: Project) -> None:
    queue = f"{project.prefix}_c"
    project.extra_queues.append(queue)
    with project.worker("--without-mingle") as worker, Ear(project) as ear:
        ear.wait(0.0, timeout=5)
        assert seconds_until(ear, worker, "add_consumer", queue, is_paused=False) < SOON
        task_id = send_to_c(project)
        eventually(partial(assert_active, ear, queue, task_id), timeout=5)
        assert seconds_until(ear, worker, "cancel_consumer", queue, is_paused=True) < SOON
        assert_active(ear, queue, task_id)


def test_a_queue_that_one_of_two_workers_has_cancelled_is_partly_paused(redis_project: Project) -> None:
    queue, other = redis_project.queues
    with (
        redis_project.worker("--without-mingle", pool="threads") as worker,
        redis_project.worker("--without-mingle", pool="threads", name="w2"),
        Ear(redis_project) as ear,
    ):
        ear.listener.wait(workers=2, timeout=5)
        redis_project.control("cancel_consumer", worker.node, queue=queue)

        def is_partly_paused() -> None:
            views = {view.queue: (view.workers, view.paused) for view in ear.listener.cluster.queues()}
            assert views == {queue: (2, "partly"), other: (2, "no")}

        eventually(is_partly_paused, timeout=SOON)


def seconds_until(ear: Ear, worker: Worker, method: str, queue: str, *, is_paused: bool) -> float:
    """From the moment when the worker has done so until its gossip says so; below 0 where inspect is the slower one.

    A worker without an event loop, as on gevent, answers to the command up to 2 s before it obeys.
    """

    def is_told(gossip: Any) -> bool:
        return any(check.queue == queue and check.paused is is_paused for check in gossip.checks)

    def has_obeyed() -> float:
        consumed = {consumer["name"] for consumer in worker.project.inspect("active_queues", worker.node)}
        assert (queue in consumed) is not is_paused
        return time.monotonic()

    began = time.monotonic()
    worker.project.control(method, worker.node, queue=queue)
    obeyed_at = eventually(has_obeyed)
    return began + ear.wait(began, timeout=10, condition=is_told) - obeyed_at


def check_of(gossip: Any, queue: str) -> Any:
    (check,) = [check for check in gossip.checks if check.queue == queue]
    return check


def assert_active(ear: Ear, queue: str, task_id: str) -> None:
    assert check_of(ear.since(0.0)[-1], queue).active == (task_id,)


def send_to_c(project: Project) -> str:
    return project.send("nap", 60, queue="c")
