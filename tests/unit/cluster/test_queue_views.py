"""Queue views that are updated incrementally equal those that are built from all workers."""

from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.queue_views import QueueViews, update_queue_views
from celery_gossip.cluster.view import STATES, QueueAccumulator, WorkerView, build_queue_views
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_check, a_gossip


def a_worker(random: Random, hostname: str) -> WorkerView:
    def gossip(boot: str) -> Any:
        checks = tuple(
            a_check(
                f"queue-{random.randrange(12)}",
                paused=random.random() < 0.3,
                active=(f"{random.random()}",),
                active_count=random.randrange(3),
                reserved=random.randrange(3),
            )
            for _ in range(random.randrange(4))
        )
        state = random.choice(["online", "online", "draining"])
        return a_gossip(hostname=hostname, boot=boot, active=random.randrange(4), state=state, checks=checks)

    rivals = (gossip(OTHER_BOOT),) if random.random() < 0.2 else ()
    return WorkerView(gossip(BOOT), random.choice(STATES), 0.0, rivals=rivals)


def changed(random: Random, workers: dict[str, WorkerView]) -> None:
    """Let some workers join, report, change their state, gain or lose a rival, or leave."""
    for _ in range(random.randrange(4)):
        hostname = f"w{random.randrange(8)}"
        known, what = workers.get(hostname), random.randrange(5)
        if known is None or what == 0:
            workers[hostname] = a_worker(random, hostname)
        elif what == 1:
            del workers[hostname]
        elif what == 2:
            workers[hostname] = replace(known, state=random.choice(STATES))
        elif what == 3:
            workers[hostname] = replace(known, rivals=a_worker(random, hostname).rivals)
        else:
            workers[hostname] = replace(known, age=random.random())


@pytest.mark.parametrize("seed", range(40))
def test_after_any_change_the_queues_are_those_gathered_from_everything(seed: int) -> None:
    random, workers = Random(seed), dict[str, WorkerView]()
    views = QueueViews()
    for _ in range(40):
        changed(random, workers)
        backlogs = {f"queue-{n}": random.choice([None, 0, 1, 2]) for n in range(15) if random.random() < 0.5}
        ordered = tuple(workers[hostname] for hostname in sorted(workers))
        views = update_queue_views(views, ordered, backlogs)
        assert views.shown == build_queue_views(ordered, backlogs)


def test_only_queues_of_which_a_report_changed_are_gathered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """28,000 queues in a single old message made every view slow."""
    made: list[str] = []
    view = QueueAccumulator.view
    monkeypatch.setattr(
        QueueAccumulator, "view", lambda self, queue, *rest: made.append(queue) or view(self, queue, *rest)
    )
    clock = FakeClock()
    cluster = Cluster(clock)
    for host in range(5):
        checks = tuple(a_check(f"queue-{host}-{n}") for n in range(100))
        cluster.apply_gossip(a_gossip(hostname=f"w{host}", interval=86_400.0, checks=checks), clock.now)
    cluster.apply_gossip(a_gossip(hostname="honest"), clock.now)
    assert len(cluster.queues()) == len(made) == 501
    made.clear()
    cluster.apply_gossip(a_gossip(hostname="honest", seq=2), clock.now)
    assert len(cluster.queues()) == 501 and made == ["default"]
    made.clear()
    cluster.set_queue_lengths({"queue-0-0": 7}, clock.now)
    clock.advance(1.0)
    assert {queue.queue: queue.backlog for queue in cluster.queues()}["queue-0-0"] == 7 and made == []
    clock.advance(11.0)
    cluster.expire_silent_workers(clock.now)
    assert {queue.queue: queue.states for queue in cluster.queues()}["default"] == {"lost": 1} if made else True
