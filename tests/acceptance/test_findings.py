"""Each finding is told of real workers that have the ailment, goes when it is cured, and never of a healthy fleet.

GOSSIP_TEST_LOAD=60 is for how many seconds the healthy fleet works; the suite takes less.
"""

import itertools
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from celery_gossip.cluster import statistics
from celery_gossip.diagnosis import queue_rules, rate_rules
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.listener import rejections
from celery_gossip.options import resolve
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.worker.sent_at import stamp_tasks
from tests.support import eventually
from tests.support.ear import Ear
from tests.support.proxy import proxied
from tests.support.workers import REPOSITORY, Project

LOAD = float(os.environ.get("GOSSIP_TEST_LOAD", "10"))  #: seconds
TASKS_PER_SECOND = 12  #: of the load, as twelve slots can do in time
BURST = 100  #: tasks sent at once: a backlog, then idleness
QUIET = ("--without-mingle", "--without-heartbeat")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings about queues come after 3 s instead of 10 s; that they wait so long is a unit test."""
    monkeypatch.setattr(queue_rules, "_HOLDS_FOR", 3.0)


def test_nobody_heard_until_a_worker_comes_and_a_backlog_without_a_consumer_when_it_has_left(project: Project) -> None:
    queue = project.queues[0]
    with Ear(project) as ear:
        nobody = ear.wait_for_finding("nobody_heard", timeout=10)
        assert (nobody.severity, nobody.subject) == ("critical", "listener")
        assert project.conf["gossip_exchange"] in nobody.text and "celery_gossip.install(app)" in nobody.text
        with project.worker(*QUIET, pool="threads") as worker:
            ear.wait_for_cure("nobody_heard", timeout=5)
            assert worker.stop() == 0
        for _ in range(3):
            project.send("nap", 0)
        left = ear.wait_for_finding("backlog_without_consumer", timeout=15)
        assert (left.severity, left.subject) == ("critical", queue)
        assert "3 messages wait" in left.text and f"-Q {queue}" in left.text and "1 offline" in left.text
        with project.worker(*QUIET, pool="threads"):
            ear.wait_for_cure("backlog_without_consumer", timeout=10)
        assert {told.finding.kind for told in ear.told} == {"nobody_heard", "backlog_without_consumer"}


@pytest.mark.usefixtures("soon")
def test_a_worker_whose_consumer_has_stopped_in_silence_consumes_nothing_until_it_is_restarted(
    project: Project,
) -> None:
    project.extra_environment["GOSSIP_TEST_IMPORT"] = "tests.support.deaf"
    with Ear(project) as ear:
        with project.worker(*QUIET, pool="threads") as worker:
            project.control("go_deaf", worker.node)
            for _ in range(3):
                project.send("nap", 0)
            finding = ear.wait_for_finding("consumes_nothing", timeout=25)
            assert (finding.severity, finding.subject) == ("critical", worker.node)
            assert "3 messages wait" in finding.text and project.queues[0] in finding.text
            assert [one["name"] for one in project.inspect("active_queues", worker.node)] == list(project.queues)
            assert worker.stop() == 0
        with project.worker(*QUIET, pool="threads"):
            ear.wait_for_cure("consumes_nothing", timeout=10)


@pytest.mark.redis
def test_a_worker_whose_event_loop_is_blocked_is_stalled_but_never_a_solo_worker_inside_a_task(
    redis_project: Project,
) -> None:
    redis_project.extra_environment["GOSSIP_TEST_IMPORT"] = "tests.support.deaf"
    a, b = redis_project.queues
    with (
        redis_project.worker(*QUIET, "-Q", a) as blocked,
        redis_project.worker(*QUIET, "-Q", b, pool="solo", name="solo") as solo,
        Ear(redis_project) as ear,
    ):
        ear.listener.wait(workers=2, timeout=5)
        task_id = redis_project.send("nap", 7, queue="b")
        redis_project.send("nothing", queue="a")
        finding = ear.wait_for_finding("stalled", timeout=10)
        assert (finding.severity, finding.subject) == ("critical", blocked.node)
        assert "Its main process is in tests.support.deaf:" in finding.text and str(REPOSITORY) not in finding.text
        (view,) = (worker for worker in ear.listener.cluster.workers() if worker.gossip.hostname == solo.node)
        assert (view.state, view.gossip.active) == ("stalled", 1)
        ear.wait_for_cure("stalled", timeout=10)
        ear.wait(0.0, 10, lambda gossip: gossip.hostname == solo.node and gossip.processed and not gossip.active)
        assert {told.finding.subject for told in ear.told} == {blocked.node}
        assert task_id in {
            identity for gossip in ear.since(0.0) for check in gossip.checks for identity in check.active
        }


@pytest.mark.redis
@pytest.mark.usefixtures("soon")
def test_a_worker_that_holds_what_another_with_a_free_slot_could_do_is_hoarding(redis_project: Project) -> None:
    queue = redis_project.queues[0]
    with (
        redis_project.worker(*QUIET, pool="threads", name="greedy", concurrency=1) as greedy,
        Ear(redis_project) as ear,
    ):
        for _ in range(5):  # the one that runs is acknowledged; worker_prefetch_multiplier lets it take four more
            redis_project.send("nap", 40)
        ear.wait(0.0, 10, lambda gossip: (gossip.active, gossip.reserved) == (1, 4))
        with redis_project.worker(*QUIET, pool="threads", name="other") as other:
            redis_project.send("nap", 40)  # takes one of its two slots
            ear.wait(0.0, 10, lambda gossip: (gossip.hostname, gossip.active) == (other.node, 1))
            finding = ear.wait_for_finding("prefetch_hoarding", timeout=25)
            assert (finding.severity, finding.subject) == ("warning", queue)
            assert greedy.node in finding.text and "4 reserved" in finding.text
            assert f"{other.node}, which serves the same queue, has 1 of 2 slots free" in finding.text
            redis_project.send("nap", 5)
            ear.wait_for_cure("prefetch_hoarding", timeout=5)
        assert {told.finding.kind for told in ear.told} == {"prefetch_hoarding"}


def test_a_queue_that_all_have_paused_is_told_and_becomes_critical_with_its_first_message(project: Project) -> None:
    queue = project.queues[0]
    with project.worker(*QUIET, pool="threads") as worker, Ear(project) as ear:
        ear.listener.wait(timeout=5)
        project.control("cancel_consumer", worker.node, queue=queue)
        paused = ear.wait_for_finding("all_paused", timeout=10)
        assert (paused.severity, paused.subject) == ("warning", queue)
        assert f"celery control add_consumer {queue}" in paused.text
        project.send("nap", 0)
        wait_for_severity(ear, "all_paused", "critical")
        assert "1 message waits" in ear.wait_for_finding("all_paused", timeout=1).text
        project.control("add_consumer", worker.node, queue=queue)
        ear.wait_for_cure("all_paused", timeout=10)
        assert {told.finding.kind for told in ear.told} == {"all_paused"}


def wait_for_severity(ear: Ear, kind: str, severity: str) -> Finding:
    def is_so() -> Finding:
        found = [one for one in ear.listener.findings if (one.kind, one.severity) == (kind, severity)]
        assert found, ear.listener.findings
        return found[0]

    return eventually(is_so)


@pytest.mark.redis
def test_two_workers_of_one_name_are_told_until_one_leaves(redis_project: Project) -> None:
    with redis_project.worker(*QUIET, pool="threads") as one, Ear(redis_project) as ear:
        ear.listener.wait(timeout=5)
        with redis_project.worker(*QUIET, pool="threads") as other:
            finding = ear.wait_for_finding("duplicate_hostname", timeout=10)
            assert (finding.severity, finding.subject) == ("warning", one.node)
            assert "2 running workers" in finding.text
            assert other.stop() == 0
        ear.wait_for_cure("duplicate_hostname", timeout=10)
        assert ear.states_of(one.node)[-1] == "online"
        assert "lost" not in ear.states_of(one.node)
        assert ear.states_of(one.node).count("conflict") == 1, "no flapping"


@pytest.mark.redis
def test_tasks_of_a_worker_that_was_killed_are_told_and_also_when_it_is_started_again(redis_project: Project) -> None:
    with Ear(redis_project) as ear:
        with redis_project.worker(*QUIET, pool="threads") as worker:
            ids = sorted(redis_project.send("nap", 60) for _ in range(2))
            ear.wait(0.0, 10, lambda gossip: gossip.active == 2)
            worker.kill()
            lost = ear.wait_for_finding("lost_with_tasks", timeout=10)
            assert (lost.severity, lost.subject) == ("critical", worker.node)
            assert all(task_id in lost.text for task_id in ids) and "2 tasks were running" in lost.text
        with redis_project.worker(*QUIET, pool="threads") as again:
            replaced = wait_for_severity(ear, "lost_with_tasks", "warning")
            assert all(task_id in replaced.text for task_id in ids) and "restarted since" in replaced.text
            assert [one.severity for one in ear.listener.findings] == ["warning"]
            assert again.node == worker.node


@pytest.mark.redis
def test_tasks_of_a_worker_that_was_killed_and_started_again_at_once_are_told_though_it_was_never_lost(
    redis_project: Project,
) -> None:
    with Ear(redis_project) as ear:
        redis_project.install = {"interval": 1.0}
        with redis_project.worker(*QUIET, pool="threads") as worker:
            task_id = redis_project.send("nap", 60)
            ear.wait(0.0, 10, lambda gossip: gossip.active == 1)
            worker.kill()
        with redis_project.worker(*QUIET, pool="threads"):
            replaced = wait_for_severity(ear, "lost_with_tasks", "warning")
            assert task_id in replaced.text
        assert "lost" not in ear.states_of(worker.node)


def test_tasks_that_a_cold_shutdown_cuts_off_are_named_and_those_that_come_back_are_not(project: Project) -> None:
    """Acknowledged early, they are gone; nothing is found of a warm shutdown, nor of a worker without tasks."""
    with Ear(project) as ear:
        with project.worker(*QUIET, name="warm") as worker:
            ear.wait(0.0, 10, lambda gossip: gossip.hostname == worker.node)
            worker.stop()
        with project.worker(*QUIET, name="cold") as worker:
            ids = [project.send("nap", 60) for _ in range(2)]
            ear.wait(0.0, 10, lambda gossip: gossip.active == 2)
            worker.process.send_signal(signal.SIGQUIT)
            worker.process.wait(30)
            found = ear.wait_for_finding("lost_with_tasks", timeout=10)
            assert (found.severity, found.subject) == ("critical", worker.node)
            assert all(task_id in found.text for task_id in ids) and "shut down cold" in found.text
        assert [one.kind for one in ear.listener.findings if one.kind.startswith(("lost", "worker_lost"))] == [
            "lost_with_tasks"
        ]


@pytest.mark.redis
def test_a_listener_that_is_cut_off_says_so_of_itself(redis_project: Project) -> None:
    with proxied(redis_project.broker_url) as proxy:
        beyond = Project(proxy.url, gossip_exchange=redis_project.conf["gossip_exchange"])
        with redis_project.worker(*QUIET, pool="threads"), Ear(beyond) as ear:
            ear.listener.wait(timeout=5)
            proxy.cut()
            finding = ear.wait_for_finding("isolated", timeout=5)
            assert (finding.severity, finding.subject) == ("critical", "listener")
            assert str(proxy.port) in finding.text and "no worker is reported as lost" in finding.text
            proxy.heal()
            ear.wait_for_cure("isolated", timeout=5)
            assert {told.finding.kind for told in ear.told} == {"isolated"}


@pytest.mark.redis
def test_gossip_of_another_version_is_told_for_as_long_as_it_is_heard(
    redis_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejections, "_RECENT", 2.0)
    with redis_project.worker(*QUIET, pool="threads"), Ear(redis_project) as ear:
        ear.listener.wait(timeout=5)
        publisher = Publisher(open_broker(ear.app, resolve(ear.app)))
        publisher.publish(json.dumps({"v": 2, "hostname": "celery@tomorrow"}).encode())
        publisher.close()
        finding = ear.wait_for_finding("mixed_versions", timeout=5)
        assert (finding.severity, finding.subject) == ("warning", "listener")
        assert "2 of 'celery@tomorrow'" in finding.text
        ear.wait_for_cure("mixed_versions", timeout=10)


@pytest.mark.redis
def test_failures_that_rise_are_told_with_their_exception_until_they_cease(
    redis_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_WINDOWS", ((2.0, 0.0), (8.0, 0.0), (60.0, 8.0)))  # a minute is too long here
    monkeypatch.setattr(rate_rules, "_RATE_FOR", 1.0)
    with redis_project.worker(*QUIET, pool="threads", concurrency=4), Ear(redis_project) as ear:
        ear.listener.wait(timeout=5)
        send_many(redis_project, "nothing", 60)
        ear.wait(0.0, 10, lambda gossip: gossip.processed == 60)
        eventually(lambda: assert_counted_before(ear, redis_project.queues[0], 60), timeout=15)
        send_evenly(redis_project, seconds=30.0, until=lambda: "failures_rise" in ear.kinds)
        finding = ear.wait_for_finding("failures_rise", timeout=5)
        assert (finding.severity, finding.subject) == ("warning", redis_project.queues[0])
        assert "of them with LookupError), compared with 0% in" in finding.text
        assert "failing" not in ear.kinds
        ear.wait_for_cure("failures_rise", timeout=20)


@pytest.mark.redis
def test_a_queue_whose_tasks_all_fail_from_the_start_is_told(
    redis_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_rules, "_FAILING_FOR", 1.0)
    with redis_project.worker(*QUIET, pool="solo", concurrency=1), Ear(redis_project) as ear:
        ear.listener.wait(timeout=5)
        send_many(redis_project, "fail", 12)
        finding = ear.wait_for_finding("failing", timeout=25)
        assert (finding.severity, finding.subject) == ("critical", redis_project.queues[0])
        assert "12 of the 12 tasks" in finding.text and "12 with LookupError" in finding.text
        assert "All failures are of the task 'tests.support.project.fail'" in finding.text
        assert {told.finding.kind for told in ear.told} == {"failing"}


@pytest.mark.redis
def test_an_idle_worker_that_was_killed_is_told_until_it_is_started_again(redis_project: Project) -> None:
    with redis_project.worker(*QUIET, pool="solo", name="other", concurrency=1), Ear(redis_project) as ear:
        with redis_project.worker(*QUIET, pool="solo", concurrency=1) as worker:
            ear.listener.wait(workers=2, timeout=5)
            worker.kill()
            lost = ear.wait_for_finding("worker_lost", timeout=10)
            assert (lost.severity, lost.subject) == ("warning", worker.node)
            assert "stopped reporting without shutting down" in lost.text
        with redis_project.worker(*QUIET, pool="solo", concurrency=1) as again:
            ear.wait_for_cure("worker_lost", timeout=5)
            assert again.stop() == 0
        ear.wait_for_state("offline", timeout=5, hostname=again.node)
        time.sleep(1.5)  # a review
        assert {told.finding.kind for told in ear.told} == {"worker_lost"}


@pytest.mark.usefixtures("soon")
def test_a_worker_whose_prefetch_window_is_full_of_scheduled_tasks_says_so_until_they_are_due(project: Project) -> None:
    if not hasattr(project.app().conf, "worker_eta_task_limit"):
        pytest.skip("this Celery has no worker_eta_task_limit")
    project.conf["worker_eta_task_limit"] = 4
    with project.worker(*QUIET, pool="threads", concurrency=1) as worker, Ear(project) as ear:
        ear.listener.wait(timeout=5)
        for _ in range(4):
            project.send("nothing", countdown=16)
        ear.wait(0.0, 10, lambda gossip: gossip.scheduled == 4)
        for _ in range(9):
            project.send("nothing")
        finding = ear.wait_for_finding("eta_hoarding", timeout=20)
        assert (finding.severity, finding.subject) == ("warning", worker.node)
        assert "4 scheduled tasks fill the prefetch window (4)" in finding.text and "9 messages wait" in finding.text
        ear.wait_for_cure("eta_hoarding", timeout=25)
        assert {told.finding.kind for told in ear.told} == {"eta_hoarding"}


@pytest.mark.redis
def test_a_rate_limit_lets_tasks_wait_while_slots_are_free(
    redis_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_WINDOWS", ((6.0, 0.0), (60.0, 0.0), (660.0, 60.0)))
    monkeypatch.setattr(rate_rules, "_WAIT_FOR", 3.0)
    monkeypatch.setattr(rate_rules, "_COMPARED_AFTER", 0.0)
    stamp_tasks()
    with redis_project.worker(*QUIET, pool="threads", concurrency=4) as worker, Ear(redis_project) as ear:
        ear.listener.wait(timeout=5)
        redis_project.control("rate_limit", worker.node, task_name="tests.support.project.nothing", rate_limit="1/s")
        send_many(redis_project, "nothing", 40)
        finding = ear.wait_for_finding("wait_grows", timeout=35)
        assert "consumes_nothing" not in {told.finding.kind for told in ear.told}, "it waits for its rate limit"
        assert (finding.severity, finding.subject) == ("warning", redis_project.queues[0])
        assert "4 slots are free" in finding.text and "rate limit" in finding.text


def send_many(project: Project, task: str, count: int) -> None:
    with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(count):
            app.send_task(f"tests.support.project.{task}", queue=project.queues[0], producer=producer)


def send_evenly(project: Project, seconds: float, until: Callable[[], bool]) -> None:
    """Ten a second, for that long at most; four of them fail."""
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at and not until():
        send_many(project, "fail", 2)
        send_many(project, "nothing", 3)
        time.sleep(0.5)


def assert_counted_before(ear: Ear, queue: str, count: int) -> None:
    """These tasks have left the latest seconds."""
    windows = ear.listener.cluster.statistics.windows_by_queue().get(queue)
    assert windows is None or windows.last_minute.succeeded == 0, windows
    assert ear.listener.throughput(window=60.0)[queue].succeeded == count


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_a_healthy_fleet_under_load_gives_nothing_to_find(project: Project) -> None:
    with ExitStack() as stack:
        for pool in ("prefork", "threads", "gevent"):
            stack.enter_context(project.worker("--without-mingle", pool=pool, name=pool, concurrency=4))
        ear = stack.enter_context(Ear(project))
        ear.listener.wait(workers=3, timeout=5)
        sent = put_under_load(project, seconds=LOAD)
        eventually(lambda: assert_idle(ear), timeout=60, every=0.5)
        assert sum(worker.gossip.processed for worker in ear.listener.cluster.workers()) >= sent
        assert max(worked(ear)) > 1, "there was no load"
        assert [(told.is_raised, told.finding) for told in ear.told] == []
        assert {entry.state for entry in ear.entries} <= {"online", "stalled"}


def put_under_load(project: Project, seconds: float) -> int:
    """Short and long tasks, some that wait for their ETA and some that are tried again; how many."""
    kinds: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("nothing", (), {}),
        ("nap", (0.2,), {}),
        ("nap", (3.0,), {}),
        ("nothing", (), {"countdown": 5}),
        ("nap", (0.5,), {}),
        ("stumble", (), {}),
        ("nap", (1.0,), {}),
    ]
    rounds = zip(itertools.cycle(kinds), itertools.cycle(project.queues), strict=False)
    give_up_at, sent = time.monotonic() + seconds, 0
    with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for (task, args, options), queue in rounds:
            app.send_task(f"tests.support.project.{task}", args=args, queue=queue, producer=producer, **options)
            sent += 1
            if time.monotonic() > give_up_at:
                break
            if sent % BURST == 0:
                time.sleep(BURST / TASKS_PER_SECOND)
    return sent


def assert_idle(ear: Ear) -> None:
    busy = [worker.gossip for worker in ear.listener.cluster.workers()]
    assert not any(gossip.active or gossip.reserved or gossip.scheduled for gossip in busy)
    assert not any(queue.backlog for queue in ear.listener.cluster.queues())


def worked(ear: Ear) -> list[int]:
    return [gossip.active for gossip in ear.since(0.0)]
