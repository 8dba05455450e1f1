"""Every command to workers, on real ones in each pool: done and confirmed where the pool can, refused where not."""

import psutil
import pytest

from celery_gossip.control.command import (
    AddConsumer,
    Autoscale,
    Command,
    Grow,
    Pause,
    PoolRestart,
    Purge,
    RateLimit,
    Resume,
    Revoke,
    Shrink,
    Shutdown,
    Terminate,
    TimeLimit,
)
from celery_gossip.control.selection import CommandRefused
from tests.support.controlled import Controlled
from tests.support.workers import QUIET, Project, Worker

pytestmark = pytest.mark.timeout(300)
NAP, NOTHING = "tests.support.project.nap", "tests.support.project.nothing"
GREEN = ("gevent", "eventlet")


def assert_refused(desk: Controlled, command: Command, reason: str) -> None:
    before = len(desk.control.log.latest())
    with pytest.raises(CommandRefused, match=reason):
        desk.control.send(command, "ann")
    assert len(desk.control.log.latest()) == before


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", *GREEN])
def test_every_control_in_every_pool(redis_project: Project, pool: str) -> None:
    project = redis_project
    project.conf["worker_pool_restarts"] = True
    with project.worker(*QUIET, pool=pool) as worker, Controlled(project) as desk:
        check_queues(project, worker, desk)
        check_pool_size(worker, desk, pool)
        check_limits(worker, desk, pool)
        check_revoke(project, worker, desk)
        check_terminate(project, desk, pool)
        check_restart(project, worker, desk, pool)
        desk.send(Shutdown(source="0", hostname=worker.node), "confirmed")
        assert worker.process.wait(60) == 0


def test_every_control_on_rabbitmq(rabbitmq_project: Project) -> None:
    project = rabbitmq_project
    with project.worker(*QUIET) as worker, Controlled(project) as desk:
        check_queues(project, worker, desk)
        check_revoke(project, worker, desk)
        check_terminate(project, desk, "prefork")
        desk.send(Shutdown(source="0", hostname=worker.node), "confirmed")
        assert worker.process.wait(60) == 0


def check_queues(project: Project, worker: Worker, desk: Controlled) -> None:
    queue, new = project.queues[0], f"{project.prefix}_new"
    project.extra_queues.append(new)
    desk.send(Pause(source="0", queue=queue), "confirmed")
    for _ in range(3):
        project.send("nothing")
    purged = desk.send(Purge(source="0", queue=queue, confirm=queue), "confirmed")
    assert purged.detail == "3 messages deleted"
    desk.send(Resume(source="0", queue=queue), "confirmed")
    desk.send(AddConsumer(source="0", queue=new, hostname=worker.node), "confirmed")
    assert new in {one["name"] for one in project.inspect("active_queues", worker.node)}
    assert_refused(desk, AddConsumer(source="0", queue=new, hostname=worker.node), "serves this queue already")


def check_pool_size(worker: Worker, desk: Controlled, pool: str) -> None:
    grow, shrink = Grow(source="0", hostname=worker.node, n=2), Shrink(source="0", hostname=worker.node, n=1)
    autoscale = Autoscale(source="0", hostname=worker.node, max=3, min=1)
    if pool in ("threads", "solo"):
        for command in (grow, shrink, autoscale):
            assert_refused(desk, command, "fixed size")
        return
    desk.send(grow, "confirmed")
    desk.send(shrink, "confirmed")
    failed = desk.send(autoscale, "failed")
    assert "Autoscale not enabled" in failed.answers[worker.node]
    assert_refused(desk, Shrink(source="0", hostname=worker.node, n=3), "must be left")


def check_limits(worker: Worker, desk: Controlled, pool: str) -> None:
    desk.send(RateLimit(source="0", task=NOTHING, rate_limit="100/s"), "answered")
    failed = desk.send(RateLimit(source="0", task="shop.unknown", rate_limit="1/s"), "failed")
    assert failed.answers == {worker.node: "unknown task"}
    desk.send(RateLimit(source="0", task=NOTHING, rate_limit=""), "answered")
    hard, soft = TimeLimit(source="0", task=NAP, hard=60), TimeLimit(source="0", task=NAP, soft=50, hard=60)
    if pool in ("threads", "solo", "eventlet"):
        assert_refused(desk, hard, "no time limits")
        return
    desk.send(hard, "answered")
    if pool == "gevent":
        assert_refused(desk, soft, "no soft time limits")
    else:
        assert "after the worker has reconnected" in desk.send(soft, "answered").detail


def check_revoke(project: Project, worker: Worker, desk: Controlled) -> None:
    desk.send(Revoke(source="0", ids=[f"{project.prefix}-1", f"{project.prefix}-2"]), "answered")
    project.send("nap", 60, task_id=f"{project.prefix}-1")
    desk.await_that(lambda: f"Discarding revoked task: {NAP}[{project.prefix}-1]" in worker.output)


def check_terminate(project: Project, desk: Controlled, pool: str) -> None:
    can_terminate = pool not in ("threads", "solo")
    task_id = project.send("nap", 120 if can_terminate else 6)
    assert desk.await_tasks(1) == [task_id]
    (task,) = desk.listener.view().tasks()  # the new limits are not in force yet, see check_limits
    assert (task.soft_time_limit, task.time_limit) == (None, None)
    terminate = Terminate(source="0", ids=[task_id], signal="KILL")
    if can_terminate:
        desk.send(terminate, "confirmed")
    else:
        assert_refused(desk, terminate, f"{pool}, cannot end a task that runs: {task_id}")
    desk.await_tasks(0)


def check_restart(project: Project, worker: Worker, desk: Controlled, pool: str) -> None:
    command = PoolRestart(source="0", hostname=worker.node)
    if pool != "prefork":
        assert_refused(desk, command, "cannot be restarted")
        return
    before = {child.pid for child in psutil.Process(worker.process.pid).children()}
    assert desk.send(command, "answered").detail == "Celery replaces each process after its next task"
    for _ in range(20):
        project.send("nothing")
    desk.await_that(lambda: not before & {child.pid for child in psutil.Process(worker.process.pid).children()})


@pytest.mark.parametrize("pool", ["prefork", *GREEN])
def test_autoscale_is_answered_and_confirmed_where_the_pool_changes(redis_project: Project, pool: str) -> None:
    project = redis_project
    with project.worker(*QUIET, "--autoscale=2,1", pool=pool) as worker, Controlled(project) as desk:
        desk.await_that(lambda: desk.listener.view().workers[0].concurrency == 1)
        answered = desk.send(Autoscale(source="0", hostname=worker.node, max=4, min=1), "answered")
        assert answered.answers == {worker.node: "autoscale now max=4 min=1"}
        desk.send(Autoscale(source="0", hostname=worker.node, max=4, min=3), "confirmed")
        failed = desk.send(Grow(source="0", hostname=worker.node), "failed")
        assert "not supported with autoscale" in failed.answers[worker.node]
        failed = desk.send(PoolRestart(source="0", hostname=worker.node), "failed") if pool == "prefork" else failed
        assert pool != "prefork" or "Pool restarts not enabled" in failed.answers[worker.node]


def test_a_bulk_command_acts_on_the_workers_that_it_lists(redis_project: Project) -> None:
    project = redis_project
    with (
        project.worker(*QUIET, pool="threads") as first,
        project.worker(*QUIET, pool="solo", name="w2") as second,
        project.worker(*QUIET, pool="solo", name="w3") as third,
        Controlled(project, workers=3) as desk,
    ):
        listed = [first.node, second.node]
        activity = desk.send(Pause(source="0", queue=project.queues[0], hostnames=listed), "confirmed")
        assert activity.hostnames == listed
        assert desk.listener.view().queue(project.queues[0]).paused == "partly"  # type: ignore[union-attr]
        activity = desk.send(Shutdown(source="0", hostnames=[second.node, third.node]), "confirmed")
        assert (activity.workers, activity.counts) == (2, {"confirmed": 2})
        assert first.process.poll() is None
