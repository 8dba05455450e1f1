"""Brokers of other kinds: Redis behind Sentinels that fails over, and quorum queues of RabbitMQ."""

import time
from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.quorum import QuorumProject
from tests.support.sentinels import Sentinels
from tests.support.workers import Project, Worker

ROW = "brokers"
FAILOVERS = 3 if SCALE.is_full else 1
LONG = 120  #: seconds; longer than any test
BACKOFF = 3.0  #: seconds that a sender or a listener waits at most before it tries again
pytestmark = pytest.mark.timeout(300)
#: On gevent Celery itself may take long to consume again.
FULL = pytest.mark.skipif(not SCALE.is_full, reason="in the full form")


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.parametrize("pool", ["prefork", pytest.param("gevent", marks=FULL)])
def test_when_sentinels_name_another_master_gossip_is_heard_again_by_itself(pool: str, figures: Figures) -> None:
    brokers.require_server("redis")
    with Sentinels() as sentinels:
        project = Project(sentinels.url, broker_transport_options=sentinels.options)
        with project.worker("--without-mingle", pool=pool) as worker, Ear(project) as ear:
            ear.wait(0.0, timeout=10)
            for number in range(FAILOVERS):
                if number:
                    sentinels.restore()
                check_failover(sentinels, project, worker, ear, figures)
            assert {gossip.boot for gossip in ear.since(0.0)} == {ear.since(0.0)[0].boot}
            assert {state for _, state in ear.states} <= {"online", "stalled", "suspect"}, "nobody is lost who lives"
            assert worker.stop() == 0


def check_failover(sentinels: Sentinels, project: Project, worker: Worker, ear: Ear, figures: Figures) -> None:
    """Kill the master; gossip, and then tasks, go through the next."""
    name = f"Sentinel, {ear.since(0.0)[-1].pool}"
    killed_at, named_at = sentinels.fail_over()
    figures.note(ROW, name, "new master announced after, s", named_at - killed_at)
    heard_after = ear.wait(named_at, timeout=30)
    figures.check(ROW, name, "from then to the next report, s", heard_after, most=BACKOFF + 2.0, is_noisy=True)
    back_after = ear.wait(named_at, 60, lambda gossip: gossip.state == "online" and not gossip.stalled_for)
    figures.note(ROW, name, "from then until the worker was connected again, s", back_after)
    task_id = project.send("nap", 1.5)  # three reports
    ear.wait(named_at, 30, lambda gossip: task_id in {one for check in gossip.checks for one in check.active})
    ear.wait_for_cure("isolated", timeout=10)
    assert "Traceback" not in ours(worker)


def ours(worker: Worker) -> str:
    return "\n".join(
        line for line in worker.output.splitlines() if "celery-gossip: " in line or "celery_gossip" in line
    )


@pytest.fixture
def quorum_project(private_rabbitmq: brokers.PrivateBroker) -> QuorumProject:
    return QuorumProject(private_rabbitmq.url)


@pytest.mark.slow
@pytest.mark.rabbitmq
@pytest.mark.parametrize("pool", ["prefork", "threads"])  # a green pool leaves unread what it was already sent
def test_quorum_queues_are_told_as_they_are(quorum_project: QuorumProject, pool: str, figures: Figures) -> None:
    project = quorum_project
    with project.worker("--without-mingle", pool=pool) as worker, Ear(project) as ear:
        ear.wait(0.0, timeout=10)
        sent = Counter(dict.fromkeys(project.queues, 0))
        for queue in "aabbbbbb":
            project.send("nap", LONG, queue=queue)
            sent[f"{project.prefix}_{queue}"] += 1
        eventually(partial(assert_told_as_inspected, project, worker, ear, sent), timeout=20)
        totals = ear.since(0.0)[-1]
        figures.check(ROW, f"quorum queues, {pool}", "active, of 2 slots", totals.active, least=2, most=2)
        figures.check(ROW, f"quorum queues, {pool}", "unattributed", totals.unattributed, most=0)
        assert project.inspect("stats", worker.node)["prefetch_count"] == totals.prefetch_count

        project.control("cancel_consumer", worker.node, queue=project.queues[0])
        ear.wait(time.monotonic(), 10, lambda gossip: is_paused(gossip, project.queues[0]))
        (paused,) = [queue for queue in ear.listener.cluster.queues() if queue.queue == project.queues[0]]
        assert paused.paused == "yes"
        project.control("add_consumer", worker.node, queue=project.queues[0])
        ear.wait(time.monotonic(), 10, lambda gossip: not is_paused(gossip, project.queues[0]))
        assert "Traceback" not in ours(worker)


def is_paused(gossip: Any, queue: str) -> bool:
    return bool({check.queue: check.paused for check in gossip.checks}[queue])


def assert_told_as_inspected(project: Project, worker: Worker, ear: Ear, sent: Counter[str]) -> None:
    """Counts are those of inspect, the backlog is what no worker has."""
    queue_of = {"active": {}, "reserved": {}}
    for kind in queue_of:
        tasks = project.inspect(kind, worker.node)
        queue_of[kind] = Counter(task["delivery_info"]["routing_key"] for task in tasks)
    assert sum(queue_of["active"].values()) == 2
    gossip = ear.since(0.0)[-1]
    told = {check.queue: (check.active_count, check.reserved) for check in gossip.checks}
    assert told == {queue: (queue_of["active"][queue], queue_of["reserved"][queue]) for queue in sent}
    backlogs = {queue.queue: queue.backlog for queue in ear.listener.cluster.queues()}
    held = queue_of["active"] + queue_of["reserved"]
    assert backlogs == {queue: sent[queue] - held[queue] for queue in sent}
