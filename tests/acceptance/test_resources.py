"""Memory, CPU time and processes of real workers, and what is said of those that are killed."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from celery_gossip.cluster.view import WorkerView
from celery_gossip.console.json_object import worker_json
from celery_gossip.wire.messages import Gossip, PoolProcesses, Resources
from tests.support import brokers, eventually
from tests.support.cgroup import memory_limited
from tests.support.ear import Ear
from tests.support.workers import Project, Worker

QUIET = ("--without-mingle", "--without-heartbeat", "--without-gossip")
MIB = 2**20
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")


@pytest.fixture
def greedy() -> Iterator[Project]:
    """A project on Redis with tasks that kill their process or keep memory."""
    project = Project(brokers.require(brokers.REDIS_URL))
    project.extra_environment["GOSSIP_TEST_IMPORT"] = "tests.support.greedy"
    project.install = {"interval": 0.2}
    yield project
    project.clean()


def until(ear: Ear, worker: Worker, condition: Callable[[Resources], bool], timeout: float = 30) -> Resources:
    """Return the first resources that this worker reports for which the condition holds."""

    def holds() -> Resources:
        view = ear.listener.view().worker(worker.node)
        assert view is not None and view.resources is not None, "no resources were reported"
        assert condition(view.resources), view.resources
        return view.resources

    return eventually(holds, timeout, every=0.1)


def processes(resources: Resources) -> PoolProcesses:
    assert resources.processes is not None
    return resources.processes


def children(worker: Worker) -> list[psutil.Process]:
    return psutil.Process(worker.process.pid).children()


@needs_proc
def test_the_memory_and_the_cpu_time_are_those_of_the_system(greedy: Project) -> None:
    with Ear(greedy) as ear, greedy.worker(*QUIET, concurrency=3) as worker:
        greedy.send("keep", 60)
        resources = until(ear, worker, lambda one: (one.largest_child_rss or 0) > 80 * MIB)
        main, pool = psutil.Process(worker.process.pid), children(worker)
        sizes = [child.memory_info().rss for child in pool]
        assert len(sizes) == 3
        assert resources.rss == pytest.approx(main.memory_info().rss, rel=0.1)
        assert resources.children_rss == pytest.approx(sum(sizes), rel=0.1)
        assert resources.largest_child_rss == pytest.approx(max(sizes), rel=0.1)
        times = [sum(process.cpu_times()[:4]) for process in (main, *pool)]
        assert resources.cpu_seconds == pytest.approx(sum(times), abs=1.0)
        assert processes(resources) == PoolProcesses(3, 0, 0, 0, 0, 0)
        (shown,) = [worker_json(worker) for worker in ear.listener.view().workers]
        assert shown["resources"]["processes"]["alive"] == 3 and shown["resources"]["rss"] == resources.rss


@needs_proc
def test_a_killed_process_is_lost_and_one_that_is_replaced_is_recycled(greedy: Project) -> None:
    with Ear(greedy) as ear, greedy.worker(*QUIET, "--max-tasks-per-child", "1") as worker:
        until(ear, worker, lambda one: processes(one).alive == 2)
        os.kill(children(worker)[0].pid, signal.SIGKILL)
        after = until(ear, worker, lambda one: processes(one).lost == 1 and processes(one).alive == 2)
        assert (processes(after).started, processes(after).last_loss) == (3, -signal.SIGKILL)
        for _ in range(3):
            greedy.send("nothing")
        after = until(ear, worker, lambda one: processes(one).recycled == 3 and processes(one).alive == 2)
        assert (processes(after).started, processes(after).lost, processes(after).exited) == (6, 1, 0)
        greedy.control("pool_grow", worker.node, n=1)
        after = until(ear, worker, lambda one: processes(one).alive == 3 and not processes(one).starting)
        assert processes(after).started == 7
        greedy.control("pool_shrink", worker.node, n=2)
        after = until(ear, worker, lambda one: processes(one).exited == 2)
        assert (processes(after).alive, processes(after).lost, processes(after).terminated) == (1, 1, 0)
        assert ear.kinds == []


@needs_proc
def test_a_time_limit_and_a_revoked_task_terminate_their_process(greedy: Project) -> None:
    with Ear(greedy) as ear, greedy.worker(*QUIET, "--time-limit", "1") as worker:
        greedy.send("nap", 60)
        after = until(ear, worker, lambda one: processes(one).terminated == 1 and processes(one).alive == 2)
        assert (processes(after).started, processes(after).lost) == (3, 0)
    with Ear(greedy) as ear, greedy.worker(*QUIET) as worker:
        task_id = greedy.send("nap", 60)
        ear.wait(0.0, 30, lambda gossip: gossip.active == 1)
        with greedy.app() as app, app.connection_for_write() as connection:
            app.control.revoke(task_id, terminate=True, signal="SIGKILL", connection=connection)
        after = until(ear, worker, lambda one: processes(one).terminated == 1 and processes(one).alive == 2)
        assert processes(after).lost == 0 and ear.kinds == []


@needs_proc
@pytest.mark.parametrize("pool", ["solo", "threads", "gevent", "eventlet"])
def test_a_pool_without_processes_has_only_the_figures_of_its_process(greedy: Project, pool: str) -> None:
    if pool in ("gevent", "eventlet"):
        pytest.importorskip(pool)
    with Ear(greedy) as ear, greedy.worker(*QUIET, pool=pool) as worker:
        resources = until(ear, worker, lambda one: one.rss is not None)
        assert resources.rss == pytest.approx(psutil.Process(worker.process.pid).memory_info().rss, rel=0.15)
        assert (resources.children_rss, resources.largest_child_rss, resources.processes) == (None, None, None)
        assert (resources.cpu_seconds or 0) > 0


def test_no_descriptor_stays_open_and_a_child_reads_nothing(greedy: Project) -> None:
    with Ear(greedy) as ear, greedy.worker(*QUIET) as worker:
        until(ear, worker, lambda one: processes(one).alive == 2)
        before, seen = worker.descriptors, len(ear.heard)
        eventually(lambda: _expect(len(ear.heard) > seen + 20), 30)
        assert worker.descriptors <= before
        assert all(child.num_threads() == 1 for child in children(worker))


@needs_proc
def test_a_pool_whose_tasks_kill_its_processes_thrashes_until_they_do_no_more(greedy: Project) -> None:
    with Ear(greedy) as ear, greedy.worker(*QUIET, concurrency=2) as worker:
        until(ear, worker, lambda one: processes(one).alive == 2)
        for _ in range(3):
            greedy.send("kill_itself")
        finding = ear.wait_for_finding("pool_thrashes", timeout=40)
        assert (finding.severity, finding.subject) == ("critical", worker.node)
        assert "SIGKILL" in finding.text and "lost 3 processes of its pool in the last 60s" in finding.text
        until(ear, worker, lambda one: processes(one).alive == 2)


@needs_proc
def test_a_worker_that_is_killed_for_memory_is_said_to_be(greedy: Project) -> None:
    with memory_limited(300 * MIB) as wrapper, Ear(greedy) as ear:
        greedy.wrapper = wrapper
        with greedy.worker(*QUIET, pool="solo", concurrency=1) as worker:
            resources = until(ear, worker, lambda one: one.memory_limit is not None)
            assert resources.memory_limit == 300 * MIB
            assert 0 < (resources.memory_used or 0) < 150 * MIB
            for _ in range(60):
                greedy.send("keep", 5)
                greedy.send("nap", 0.1)
            assert worker.process.wait(60) == -signal.SIGKILL
        ear.wait_for_state("lost", timeout=20)
        lost: WorkerView | None = ear.listener.view().worker(worker.node)
        assert lost is not None and len(lost.recording) > 10
        finding = next(one for one in ear.listener.findings if one.kind in ("worker_lost", "lost_with_tasks"))
        assert "of 300 MiB in" in finding.text and "it was probably killed for memory" in finding.text


@needs_proc
def test_a_worker_near_its_memory_limit_is_reported(greedy: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.diagnosis.resource_rules._NEAR_LIMIT_FOR", 2.0)
    with memory_limited(300 * MIB) as wrapper, Ear(greedy) as ear:
        greedy.wrapper = wrapper
        with greedy.worker(*QUIET, concurrency=1) as worker:
            until(ear, worker, lambda one: one.memory_limit is not None)
            used = until(ear, worker, lambda one: processes(one).alive == 1).memory_used or 0
            greedy.send("keep", int((300 * MIB * 0.94 - used) / MIB))
            finding = ear.wait_for_finding("near_memory_limit", timeout=20)
            assert finding.subject == worker.node and "of the memory limit of 300 MiB" in finding.text


def test_a_worker_that_is_killed_while_it_drains_had_too_little_time(greedy: Project) -> None:
    with Ear(greedy) as ear:
        with greedy.worker(*QUIET) as worker:
            greedy.send("nap", 60)
            ear.wait(0.0, 30, lambda gossip: gossip.active == 1)
            worker.terminate()
            ear.wait_for_state("draining", timeout=20)
            ear.wait(0.0, 20, _has_drained_for_six_seconds)
        finding = ear.wait_for_finding("lost_with_tasks", timeout=20)
        assert "stopped reporting before its shutdown had ended" in finding.text
        assert "was probably killed because the time for that was over" in finding.text


def _has_drained_for_six_seconds(gossip: Gossip) -> bool:
    started_at = gossip.checks[0].shutdown_started_at
    return started_at is not None and gossip.sent_at - started_at > 6.0


def _expect(condition: bool) -> None:
    assert condition
