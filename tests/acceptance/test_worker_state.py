"""A worker's own numbers and state, while its limits, its pool and its end change."""

import signal
import time
from typing import Any

import celery
import psutil
import pytest

from tests.support import eventually
from tests.support.ear import Ear
from tests.support.workers import QUIET, Project, Worker

NAP = "tests.support.project.nap"
CUT_OFF = {"prefork": ["nap", "short"], "gevent": ["nap", "nap_late", "short"], "threads": []}  # on_cold_shutdown


def latest(ear: Ear) -> Any:
    assert ear.heard, "no report yet"
    return ear.heard[-1][1]


# Rate limits.


def test_tasks_that_wait_for_a_rate_limit_are_counted_after_the_limit_has_changed(project: Project) -> None:
    project.install = {"interval": 0.2}
    with project.worker(*QUIET, pool="solo") as worker, Ear(project) as ear:

        def limit(rate: str) -> None:
            project.control("rate_limit", worker.node, task_name=NAP, rate_limit=rate)

        def wait_for(limited: int) -> None:
            began = time.monotonic()
            ear.wait(began, 10, lambda report: report.limited == limited and report.processed == 1)

        limit("1/h")
        for _ in range(5):
            project.send("nap", 0)
        wait_for(4)  # the first is run at once
        limit("2/h")
        wait_for(4)
        limit("0")
        wait_for(4)
        limit("3/h")
        for _ in range(3):
            project.send("nap", 0)
        ear.wait(0.0, 10, lambda report: report.limited == 6 and report.processed == 2)
        assert worker.stop() == 0


# Slots.


@pytest.mark.redis
def test_a_process_is_a_slot_once_it_is_up_and_no_longer_than_it_lives(redis_project: Project) -> None:
    redis_project.install = {"interval": 0.1}
    with redis_project.worker(*QUIET) as worker, Ear(redis_project) as ear:
        two_at = ear.wait(0.0, 5, lambda report: report.concurrency == 2)  # at first only one process may be up
        grown_at = time.monotonic()
        redis_project.control("pool_grow", worker.node, n=3)
        still_two_at = looked_at = grown_at
        while len(children(worker)) == 2 and looked_at < grown_at + 10:
            still_two_at, looked_at = looked_at, time.monotonic()
            time.sleep(0.05)
        started_at = time.monotonic()
        assert len(children(worker)) > 2
        before = [report.concurrency for at, report in list(ear.heard) if two_at <= at < still_two_at]
        assert set(before) == {2}
        ear.wait(started_at, 10, lambda report: report.concurrency == 5)
        redis_project.control("pool_shrink", worker.node, n=2)
        ear.wait(time.monotonic(), 5, lambda report: report.concurrency == 3)
        assert worker.stop() == 0
        assert latest(ear).concurrency == 3, "while it drains, what it was"


@pytest.mark.redis
def test_a_worker_of_gevent_has_its_slots_while_it_is_idle(redis_project: Project) -> None:
    with redis_project.worker(*QUIET, pool="gevent", concurrency=4) as worker, Ear(redis_project) as ear:
        ear.wait(0.0, 5, lambda report: report.concurrency == 4)
        redis_project.control("pool_grow", worker.node, n=2)
        ear.wait(0.0, 5, lambda report: report.concurrency == 6)


def children(worker: Worker) -> list[psutil.Process]:
    return psutil.Process(worker.process.pid).children()


# Soft and cold shutdowns.


def shut_down(project: Project, pool: str, *, soft: float = 0.0) -> tuple[list[Any], list[str], Ear]:
    """Send SIGQUIT to a worker that runs three tasks; its reports from then on, and the names of those cut off."""
    project.install = {"interval": 0.2}
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.late"}
    project.conf["worker_soft_shutdown_timeout"] = soft
    with project.worker(*QUIET, pool=pool, concurrency=4) as worker, Ear(project) as ear:
        names = {project.send(name, 4): name for name in ("nap", "nap_late")}
        names[project.send("nap", 1.5)] = "short"
        ear.wait(0.0, 10, lambda report: report.active == 3)
        time.sleep(0.3)  # so that all are acknowledged that will be
        began = time.monotonic()
        worker.process.send_signal(signal.SIGQUIT)
        worker.process.wait(timeout=20)

        def is_over() -> None:
            assert latest(ear).state == "offline", latest(ear)

        eventually(is_over, 5)
        # Reports of the first 0.4 s may be from before the signal; the last one is not, however soon it comes.
        reports = [report for at, report in list(ear.heard) if at > began + 0.4] or [latest(ear)]
        last = reports[-1]
        assert last.active == sum(check.active_count for check in last.checks) + last.unattributed
        return reports, sorted(names[task] for check in last.checks for task in check.active), ear


@pytest.mark.parametrize("pool", ["prefork", "gevent", "threads"])
def test_the_last_report_of_a_cold_shutdown_lists_what_was_cut_off(project: Project, pool: str) -> None:
    if pool != "prefork" and celery.VERSION < (5, 5):
        pytest.skip("this Celery first waits for some of the tasks")
    reports, cut_off, _ = shut_down(project, pool)
    assert {report.state for report in reports[:-2]} <= {"draining", "offline"}
    assert cut_off == CUT_OFF[pool]


@pytest.mark.skipif(celery.VERSION < (5, 5), reason="this Celery has no soft shutdown")
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_is_draining_from_the_start_of_a_soft_shutdown(project: Project, pool: str) -> None:
    reports, cut_off, ear = shut_down(project, pool, soft=2.5)
    assert {report.state for report in reports} == {"draining", "offline"}
    assert {report.stalled_for for report in reports} == {0.0}
    assert cut_off == ([] if pool == "threads" else ["nap"]), "what ended in time was not cut off"
    assert "stalled" not in ear.kinds


@pytest.mark.skipif(celery.VERSION < (5, 5), reason="this Celery has no soft shutdown")
@pytest.mark.redis
def test_a_solo_worker_that_is_told_in_a_task_is_draining_from_then_on(redis_project: Project) -> None:
    redis_project.install = {"interval": 0.2}
    redis_project.conf["worker_soft_shutdown_timeout"] = 1.5
    with redis_project.worker(*QUIET, pool="solo", concurrency=1) as worker, Ear(redis_project) as ear:
        redis_project.send("nap", 20)
        ear.wait(0.0, 10, lambda report: report.active == 1 and report.stalled_for > 0)
        began = time.monotonic()
        worker.process.send_signal(signal.SIGQUIT)
        ear.wait(began, 1.4, lambda report: report.state == "draining" and report.active == 1)
