"""A worker's life as a listener sees it: busy, leaving, gone, killed."""

import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tests.support.ear import Ear
from tests.support.workers import Project

POOLS = ["prefork", "threads", "solo", "gevent", "eventlet"]
NAP = 2.0  #: seconds
NO_LOOP = 2.5  #: seconds more that Celery by itself takes to stop a worker without an event loop
CELERYS_OWN = {"prefork": 1.0, "gevent": NO_LOOP, "eventlet": NO_LOOP}  #: seconds likewise, by pool


@pytest.mark.redis
def test_a_solo_worker_inside_a_task_keeps_speaking_and_is_stalled_ever_longer(redis_project: Project) -> None:
    redis_project.install = {"interval": 0.3}
    with redis_project.worker("--without-mingle", pool="solo") as worker, Ear(redis_project) as ear:
        ear.wait(0.0, timeout=5, condition=lambda gossip: gossip.stalled_for == 0)
        began = time.monotonic()
        task_id = redis_project.send("nap", 6)
        ear.wait(began, timeout=10, condition=lambda gossip: gossip.processed == 1 and gossip.stalled_for == 0)

        stalled = [gossip for gossip in ear.since(began) if gossip.stalled_for]
        assert [gossip.stalled_for for gossip in stalled] == sorted({gossip.stalled_for for gossip in stalled})
        assert stalled[0].stalled_for < 1.0
        assert 5.0 < stalled[-1].stalled_for < 6.5
        assert 6 / 0.3 * 0.6 < len(stalled) <= 6 / 0.3 * 1.3, "about one gossip per interval"
        assert {running(gossip) for gossip in stalled} == {(task_id,)}
        assert [state for _, state in ear.states] == ["online", "stalled", "online"]
        assert worker.stop() == 0


@pytest.mark.redis
@pytest.mark.parametrize("pool", POOLS)
def test_a_worker_told_to_stop_says_draining_with_its_tasks_until_they_end_then_offline(
    redis_project: Project, pool: str
) -> None:
    check_farewell(redis_project, pool, CELERYS_OWN.get(pool, 0.0))


@pytest.mark.rabbitmq
def test_on_rabbitmq_tasks_keep_their_queue_while_the_worker_drains(rabbitmq_project: Project) -> None:
    check_farewell(rabbitmq_project, "prefork", CELERYS_OWN["prefork"])


@pytest.mark.smoke
def test_on_the_filesystem_a_worker_is_seen_to_work_drain_and_leave(tmp_path: Path) -> None:
    folders = {"data_folder_in": "data", "data_folder_out": "data", "control_folder": "control"}
    for folder in set(folders.values()):
        (tmp_path / folder).mkdir()
    options = {name: str(tmp_path / folder) for name, folder in folders.items()}
    check_farewell(Project("filesystem://", broker_transport_options=options), "threads", NO_LOOP)


@pytest.mark.redis
def test_a_worker_killed_at_work_is_suspect_then_lost_after_ten_silent_intervals(redis_project: Project) -> None:
    with redis_project.worker("--without-mingle") as worker, Ear(redis_project) as ear:
        task_id = redis_project.send("nap", 60)
        ear.wait(0.0, timeout=5, condition=lambda gossip: running(gossip) == (task_id,))
        worker.kill()
        lost_at = ear.wait_for_state("lost", timeout=10)
        last_heard_at = ear.heard[-1][0]
        assert 5.0 <= lost_at - last_heard_at < 5.0 + 2.0  # the listener looks four times a second
        assert [state for _, state in ear.states] == ["online", "suspect", "lost"]
        (view,) = ear.listener.cluster.workers()
        assert (view.state, running(view.gossip)) == ("lost", (task_id,))
        assert ear.listener.cluster.queues() == ()


def check_farewell(project: Project, pool: str, celerys_own: float) -> None:
    """Stop a worker inside a task of each queue, and compare what it says with what it does.

    `celerys_own`: seconds that Celery takes to stop such a worker beside its tasks.
    """
    project.install = {"interval": 0.25}
    with project.worker("--without-mingle", pool=pool) as worker, Ear(project) as ear:
        ear.wait(0.0, timeout=5)
        sent = {project.send("nap", NAP, queue=queue): f"{project.prefix}_{queue}" for queue in ("a", "b")}
        at_once = 1 if pool == "solo" else 2
        ear.wait(0.0, timeout=5, condition=lambda gossip: len(running(gossip)) == at_once)
        ids = running(ear.since(0.0)[-1])
        told_at = time.monotonic()
        worker.terminate()
        assert worker.process.wait(timeout=30) == 0, worker.output
        assert time.monotonic() - told_at < NAP + celerys_own + 2.0
        eventually(partial(assert_last_words, ear, told_at), timeout=2)

        said = ear.since(told_at)
        assert [state for _, state in ear.states][-2:] == ["draining", "offline"]
        draining = [gossip for gossip in said if gossip.state == "draining"]
        busy = [gossip for gossip in draining if running(gossip)]
        assert len(busy) >= 3, "a draining worker speaks on, about once per interval"
        shown = [running(gossip) for gossip in busy]
        assert shown[0] == ids, "all of its tasks"
        assert all(set(later) <= set(earlier) for earlier, later in pairwise(shown)), "until each has ended"
        for gossip in busy:
            assert_attributed(gossip, sent)
            assert all(check.shutdown_started_at and not check.paused for check in gossip.checks)
        assert running(said[-1]) == ()
        assert "Traceback" not in worker.output
        (view,) = ear.listener.cluster.workers()
        assert view.state == "offline"


def running(gossip: Any) -> tuple[str, ...]:
    return tuple(sorted(task_id for check in gossip.checks for task_id in check.active))


def assert_last_words(ear: Ear, moment: float) -> None:
    """It says goodbye twice, and nothing after that."""
    states = [gossip.state for gossip in ear.since(moment)]
    assert states[-2:] == ["offline", "offline"] and states.count("offline") == 2, states


def assert_said(ear: Ear, state: str) -> None:
    assert ear.since(0.0)[-1].state == state


def assert_attributed(gossip: Any, sent: dict[str, str]) -> None:
    shown = {task_id: check.queue for check in gossip.checks for task_id in check.active}
    assert shown == {task_id: sent[task_id] for task_id in shown}
    assert (gossip.unattributed, gossip.active) == (0, len(shown))
