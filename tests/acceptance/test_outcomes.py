"""Ends that Celery announces late, twice, wrongly or not at all are counted as the tasks recorded them."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import celery
import pytest
from kombu import Connection

import celery_gossip
from celery_gossip.cluster.view import WorkerView
from tests.acceptance.test_counts import Scene, scene, stamping_ends, started
from tests.support import eventually
from tests.support.proxy import proxied
from tests.support.workers import Project, Worker

__all__ = ["stamping_ends"]

POOLS = ["prefork", "threads", "gevent", "eventlet", "solo"]
TASK = "tests.support.endings.{}"

pytestmark = [pytest.mark.timeout(180)]


@contextmanager
def stage(project: Project, tmp_path: Path) -> Iterator[Scene]:
    """A scene whose tasks are those of tests.support.endings."""
    with scene(project, tmp_path) as truth:
        project.extra_environment["GOSSIP_TEST_IMPORT"] = "tests.support.endings"
        yield truth


@contextmanager
def working(project: Project, pool: str, *flags: str, concurrency: int = 4) -> Iterator[Worker]:
    """One worker of this pool."""
    slots = "1" if pool == "solo" else str(concurrency)
    worker = started(project, "w1", "--without-mingle", "--without-gossip", *flags, "-c", slots, pool=pool)
    try:
        worker.await_ready(timeout=60)
        yield worker
    finally:
        worker.close()


def send(truth: Scene, task: str, *args: object, **options: Any) -> str:
    """Send `early` or `late` to the first queue."""
    with truth.project.app() as app, app.connection_for_write() as connection:
        celery_gossip.install(app)
        queue = truth.project.queues[0]
        sent = app.send_task(TASK.format(task), args=args, queue=queue, connection=connection, **options)
    return str(sent.id)


def the_worker(truth: Scene) -> WorkerView:
    workers = truth.listener.cluster.workers()
    assert len(workers) == 1
    return workers[0]


def assert_running(truth: Scene, count: int) -> None:
    assert the_worker(truth).gossip.active == count


def assert_idle(truth: Scene, runs: int) -> None:
    assert len(truth.lines) >= runs
    gossip = the_worker(truth).gossip
    assert (gossip.active, gossip.reserved) == (0, 0)


def assert_told(truth: Scene, task: str, **ends: int) -> None:
    """`failed_Mishap=2` stands for two failures by that class."""
    told = {(name, outcome): count for (name, _, outcome), count in truth.told.items()}
    assert told == {(TASK.format(task), outcome.replace("_", ":")): count for outcome, count in ends.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pool", "how"),
    [
        ("prefork", "cut"),
        ("prefork", "swallow"),
        ("threads", "swallow"),
        ("gevent", "cut"),
        ("eventlet", "cut"),
        ("solo", "cut"),
    ],
)
def test_ends_in_a_lost_connection_are_what_the_tasks_did(
    project: Project, tmp_path: Path, pool: str, how: str
) -> None:
    """Celery's acknowledgement raises, or hangs; the messages come back, and each run is counted."""
    gate = tmp_path / "gate"
    ends = ["reject", "retry", "ignore", "succeed", "fail"] if pool != "solo" else ["reject"]
    with stage(project, tmp_path) as truth, proxied(project.broker_url) as proxy:
        project.extra_environment["CELERY_BROKER_URL"] = proxy.url
        with working(project, pool, concurrency=len(ends)):
            for end in ends:
                send(truth, "late", end, str(gate))
            eventually(partial(assert_running, truth, len(ends)), timeout=15)
            getattr(proxy, how)()
            gate.touch()
            time.sleep(1 if how == "cut" else 4)  # for the tasks to end, and the worker to notice
            proxy.heal()
            eventually(partial(assert_idle, truth, len(ends)), timeout=40)
            eventually(truth.assert_exact, timeout=15)
            time.sleep(1.5)  # nothing is counted twice
            eventually(truth.assert_exact, timeout=15)  # a message may have come back only now


@pytest.mark.parametrize("task", ["early", "late"])
def test_tasks_that_end_within_a_soft_shutdown_succeeded(project: Project, tmp_path: Path, task: str) -> None:
    """Celery announces them as cancelled before it reads their results."""
    project.conf["worker_soft_shutdown_timeout"] = 3
    gate = tmp_path / "gate"
    with stage(project, tmp_path) as truth, working(project, "prefork") as worker:
        for _ in range(4):
            send(truth, task, "succeed", str(gate))
        eventually(partial(assert_running, truth, 4), timeout=15)
        worker.process.send_signal(signal.SIGQUIT)
        gate.touch()
        worker.process.wait(30)
        eventually(partial(assert_told, truth, task, succeeded=4), timeout=10)


@pytest.mark.slow
@pytest.mark.skipif(celery.VERSION < (5, 5), reason="before 5.5 Celery stores failures of the tasks that it kills")
@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "eventlet"])
@pytest.mark.parametrize("task", ["early", "late"])
def test_a_cold_shutdown_counts_the_tasks_that_outlive_it_and_no_others(
    redis_project: Project, tmp_path: Path, pool: str, task: str
) -> None:
    """Not solo: there Celery 5.7 does not end while a task runs, with our step or without."""
    gate = tmp_path / "gate"
    with stage(redis_project, tmp_path) as truth, working(redis_project, pool) as worker:
        for end in ("succeed", "fail", "reject"):
            send(truth, task, end, str(gate))
        eventually(partial(assert_running, truth, 3), timeout=15)
        worker.process.send_signal(signal.SIGQUIT)
        time.sleep(1)
        gate.touch()
        worker.process.wait(60)
        eventually(lambda: _assert_offline(truth), timeout=10)
        truth.assert_exact()


def _assert_offline(truth: Scene) -> None:
    assert the_worker(truth).state == "offline"


@pytest.mark.parametrize("pool", ["prefork", "gevent", "eventlet"])
@pytest.mark.parametrize("by", ["id", "stamp"])
def test_a_running_task_that_is_revoked_is_no_success(
    redis_project: Project, tmp_path: Path, pool: str, by: str
) -> None:
    with stage(redis_project, tmp_path) as truth, working(redis_project, pool):
        for task in ("early", "late"):
            headers = {"stamped_headers": ["customer"], "stamps": {"customer": task}, "customer": task}
            task_id = send(truth, task, "linger", str(tmp_path / "never"), **(headers if by == "stamp" else {}))
            eventually(partial(assert_running, truth, 1), timeout=15)
            with redis_project.app() as app, app.connection_for_write() as connection:
                if by == "id":
                    app.control.revoke(task_id, terminate=True, connection=connection)
                else:
                    app.control.revoke_by_stamped_headers({"customer": task}, terminate=True, connection=connection)
            eventually(partial(assert_idle, truth, 1), timeout=15)
        expected = {(TASK.format(task), redis_project.queues[0], "revoked"): 1 for task in ("early", "late")}
        eventually(partial(_assert_ends, truth, expected), timeout=10)


def _assert_ends(truth: Scene, expected: dict[tuple[str, str, str], int]) -> None:
    assert dict(truth.told) == expected


@pytest.mark.parametrize("pool", ["prefork", "gevent", "eventlet"])
def test_a_task_that_is_cancelled_with_its_connection_has_not_ended(
    redis_project: Project, tmp_path: Path, pool: str
) -> None:
    redis_project.conf["worker_cancel_long_running_tasks_on_connection_loss"] = True
    gate = tmp_path / "gate"
    with stage(redis_project, tmp_path) as truth, proxied(redis_project.broker_url) as proxy:
        redis_project.extra_environment["CELERY_BROKER_URL"] = proxy.url
        with working(redis_project, pool, "-l", "DEBUG") as worker:
            send(truth, "late", "succeed", str(gate))
            eventually(partial(assert_running, truth, 1), timeout=15)
            proxy.cut()
            eventually(lambda: _assert_logged(worker, "Terminating"), timeout=15)
            proxy.heal()
            gate.touch()
            send(truth, "early", "succeed")
            eventually(partial(assert_idle, truth, 1), timeout=30)
            eventually(truth.assert_exact, timeout=15)


def _assert_logged(worker: Worker, text: str) -> None:
    assert text in worker.output


@pytest.mark.parametrize("way", ["setting", "app.steps"])
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_the_wait_of_a_retry_is_its_own(redis_project: Project, tmp_path: Path, way: str, pool: str) -> None:
    """However the worker was enabled, it stamps what it sends."""
    redis_project.install = None
    if way == "setting":
        redis_project.conf |= {"worker_bootsteps": ["celery_gossip:GossipStep"], "gossip_interval": 0.5}
    else:
        redis_project.conf["gossip_interval"] = 0.5
        redis_project.extra_environment["GOSSIP_TEST_STEPS"] = "1"
    with stage(redis_project, tmp_path) as truth, working(redis_project, pool):
        for _ in range(3):
            send(truth, "early", "retry_after_a_while")
        eventually(lambda: _assert_starts(truth, 6), timeout=20)
        wait = truth.distribution("wait")
        assert wait.count == 6
        assert wait.max is not None and wait.max < 1.0, "the first run was no waiting"


def _assert_starts(truth: Scene, count: int) -> None:
    assert sum(truth.begun("started").values()) == count


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_message_of_which_celery_makes_no_task_is_counted(project: Project, tmp_path: Path, pool: str) -> None:
    queue = project.queues[0]
    with stage(project, tmp_path) as truth, working(project, pool):
        for _ in range(3):
            send(truth, "no_such_task", 1)
        with Connection(project.broker_url) as connection, connection.Producer() as producer:
            headers = {"task": TASK.format("early"), "id": "an-id", "lang": "py"}
            for body, kind in ((b"\xff{", "application/json"), (b"\x80\x04K", "application/x-python-serialize")):
                producer.publish(
                    body, routing_key=queue, content_type=kind, content_encoding="utf-8", headers=headers, exchange=""
                )
            producer.publish({"neither": "task"}, routing_key=queue, serializer="json", exchange="")
        send(truth, "early", "succeed")
        ends = {
            (TASK.format("no_such_task"), queue, "failed:NotRegistered"): 3,
            (TASK.format("early"), queue, "succeeded"): 1,
        }
        eventually(partial(_assert_ends, truth, ends), timeout=15)
        assert truth.begun("received") == {(TASK.format("no_such_task"), queue): 3, (TASK.format("early"), queue): 1}
        eventually(lambda: _assert_undecodable(truth, 3), timeout=5)


def _assert_undecodable(truth: Scene, count: int) -> None:
    assert the_worker(truth).gossip.undecodable == count


@pytest.mark.parametrize("pool", POOLS)
def test_an_exception_is_counted_by_its_own_class(redis_project: Project, tmp_path: Path, pool: str) -> None:
    with stage(redis_project, tmp_path) as truth, working(redis_project, pool):
        for end in ("particular", "unpicklable", "local"):
            send(truth, "early", end)
        eventually(lambda: _assert_ended(truth, 3), timeout=20)
        truth.assert_exact()


def _assert_ended(truth: Scene, count: int) -> None:
    assert sum(truth.told.values()) == count


def test_a_killed_process_has_no_runtime(redis_project: Project, tmp_path: Path) -> None:
    """The worker notices later, at a time that says nothing of how long the task ran."""
    with stage(redis_project, tmp_path) as truth, working(redis_project, "prefork"):
        send(truth, "early", "kill")
        eventually(partial(assert_told, truth, "early", failed_WorkerLostError=1), timeout=15)
        assert truth.distribution("runtime").count == 0
