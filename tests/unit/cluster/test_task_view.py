"""Running tasks of a view, found by id, name, queue and worker."""

from typing import Any

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.task_view import TaskView, tasks_of
from celery_gossip.wire.messages import RunningTask
from tests.unit.build import OTHER_BOOT, FakeClock, a_check, a_gossip

DETAILS = RunningTask(0, 12.5, 2, is_redelivered=True, soft_time_limit=20.0, time_limit=30.0)


def a_report(hostname: str = "celery@web1", **fields: Any) -> Any:
    checks = (
        a_check("mail", active=("id-1", "id-2"), active_count=2, tasks=(DETAILS, RunningTask(1, 0.5))),
        a_check("reports", active=("id-3",), active_count=1),
    )
    return a_gossip(
        **{"hostname": hostname, "active": 3, "checks": checks, "names": ("shop.pack", "shop.send"), **fields}
    )


def ids(view: Any, *args: str, **selection: str) -> list[str]:
    return [task.id for task in view.tasks(*args, **selection)]


def test_a_task_has_the_details_that_its_worker_reports(cluster: Cluster, clock: FakeClock) -> None:
    cluster.apply_gossip(a_report(), clock.now)
    clock.advance(0.25)
    first, second, third = cluster.view().tasks()
    assert first == TaskView(
        id="id-1",
        name="shop.pack",
        queue="mail",
        hostname="celery@web1",
        age=12.75,  # it has run on since the report
        retries=2,
        is_redelivered=True,
        soft_time_limit=20.0,
        time_limit=30.0,
    )
    assert (second.id, second.name, second.age, second.retries) == ("id-2", "shop.send", 0.75, 0)
    assert third == TaskView(id="id-3", name="", queue="reports", hostname="celery@web1")


def test_an_unknown_start_stays_unknown() -> None:
    gossip = a_gossip(checks=(a_check(active=("id",), tasks=(RunningTask(0, None),)),), names=("t",))
    assert [task.age for task in tasks_of(gossip, 5.0)] == [None]


def test_tasks_are_found_by_id_name_queue_and_worker(cluster: Cluster, clock: FakeClock) -> None:
    cluster.apply_gossip(a_report(), clock.now)
    cluster.apply_gossip(a_report("celery@web2", boot=OTHER_BOOT), clock.now)
    view = cluster.view()
    assert ids(view, "id-2") == ["id-2", "id-2"]
    assert ids(view, "shop.pack", hostname="celery@web2") == ["id-1"]
    assert ids(view, queue="reports") == ["id-3", "id-3"]
    assert ids(view, hostname="celery@web1") == ["id-1", "id-2", "id-3"]
    assert ids(view, "shop") == ids(view, queue="nothing") == ids(view, hostname="web1") == []


def test_tasks_of_a_lost_worker_are_not_running(cluster: Cluster, clock: FakeClock) -> None:
    cluster.apply_gossip(a_report(), clock.now)
    clock.advance(11)
    assert ids(cluster.view()) == ["id-1", "id-2", "id-3"]
    cluster.expire_silent_workers(clock.now)
    assert ids(cluster.view()) == []


def test_tasks_of_rivals_are_included(cluster: Cluster, clock: FakeClock) -> None:
    for seq in range(1, 7):
        cluster.apply_gossip(a_report(seq=seq), clock.now)
        cluster.apply_gossip(a_report(seq=seq, boot=OTHER_BOOT), clock.now)
        clock.advance(1)
    (worker,) = cluster.view().workers
    assert worker.state == "conflict" and len(ids(cluster.view())) == 6
