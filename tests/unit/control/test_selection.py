"""To which workers a command is sent, and why others are left out: by their queues, their pool and their settings."""

from typing import Any

import pytest

from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.control.command import (
    AddConsumer,
    Autoscale,
    Command,
    Grow,
    Pause,
    PoolRestart,
    Purge,
    RateLimit,
    Revoke,
    Shrink,
    Shutdown,
    Terminate,
    TimeLimit,
)
from celery_gossip.control.selection import CommandRefused, NoMatchingWorker, select_workers
from celery_gossip.wire.messages import Settings, Software
from tests.unit.build import a_check, a_gossip

POOLS = ("prefork", "threads", "gevent", "eventlet", "solo", "shop.pools:Own")


def worker(hostname: str = "w", state: Any = "online", software: Software | None = None, **fields: Any) -> WorkerView:
    return WorkerView(a_gossip(hostname=hostname, **fields), state, 0.0, software=software)


def view(*workers: WorkerView) -> View:
    return View(workers=workers, queues=(), taken_at=0.0)


def pools_that_obey(command: Command, **fields: Any) -> set[str]:
    obey = set()
    for pool in POOLS:
        try:
            select_workers(command, view(worker(pool=pool, **fields)))
        except CommandRefused as exc:
            assert f"w: its pool, {pool}, " in str(exc)
        else:
            obey.add(pool)
    return obey


@pytest.mark.parametrize(
    ("command", "pools"),
    [
        (Grow(source="0", hostname="w"), {"prefork", "gevent", "eventlet", "shop.pools:Own"}),
        (Shrink(source="0", hostname="w"), {"prefork", "gevent", "eventlet", "shop.pools:Own"}),
        (Autoscale(source="0", hostname="w", max=2, min=1), {"prefork", "gevent", "eventlet", "shop.pools:Own"}),
        (PoolRestart(source="0", hostname="w"), {"prefork", "shop.pools:Own"}),
        (TimeLimit(source="0", task="t", hard=2), {"prefork", "gevent", "shop.pools:Own"}),
        (TimeLimit(source="0", task="t", soft=2), {"prefork", "shop.pools:Own"}),
        (Terminate(source="0", ids=["runs"]), {"prefork", "gevent", "eventlet", "shop.pools:Own"}),
        (Terminate(source="0", ids=["waits"]), set(POOLS)),
        (Revoke(source="0", ids=["runs"]), set(POOLS)),
        (RateLimit(source="0", task="t", rate_limit="1/s"), set(POOLS)),
        (Shutdown(source="0", hostname="w"), set(POOLS)),
        (Pause(source="0", queue="mail"), set(POOLS)),
    ],
    ids=lambda value: value.words if hasattr(value, "words") else "",
)
def test_a_command_that_a_pool_cannot_obey_is_refused_with_the_reason(command: Command, pools: set[str]) -> None:
    check = a_check("mail", active=("runs",), active_count=1)
    assert pools_that_obey(command, checks=(check,)) == pools


def test_a_queue_is_paused_where_it_is_served_and_added_where_it_is_not() -> None:
    workers = view(worker("a", checks=(a_check("mail"),)), worker("b", checks=(a_check("other"),)))
    assert select_workers(Pause(source="0", queue="mail"), workers).hostnames == ["a"]
    with pytest.raises(NoMatchingWorker):
        select_workers(Pause(source="0", queue="mail", hostname="b"), workers)
    added = select_workers(AddConsumer(source="0", queue="mail", hostnames=["b", "a"]), workers)
    assert (added.hostnames, added.refused) == (["b"], {"a": "it serves this queue already"})


def test_only_named_workers_that_report_are_asked() -> None:
    workers = view(worker("a"), worker("b"), worker("c", state="lost"))
    selection = select_workers(Shutdown(source="0", hostnames=["c", "b", "b", "gone"]), workers)
    assert selection.hostnames == ["b"]
    assert selection.refused == {"c": "it does not report", "gone": "it does not report"}
    with pytest.raises(NoMatchingWorker):
        select_workers(Shutdown(source="0", hostname="c"), workers)


def test_a_worker_without_remote_control_is_not_asked() -> None:
    off = Software(settings=Settings(worker_enable_remote_control=False))
    with pytest.raises(CommandRefused, match="its remote control is off"):
        select_workers(Shutdown(source="0", hostname="w"), view(worker(software=off)))
    on = Software(settings=Settings(worker_enable_remote_control=True))
    assert select_workers(Shutdown(source="0", hostname="w"), view(worker(software=on))).hostnames == ["w"]


def test_the_last_slot_of_a_pool_cannot_be_removed() -> None:
    two = view(worker(concurrency=2))
    assert select_workers(Shrink(source="0", hostname="w", n=1), two).hostnames == ["w"]
    with pytest.raises(CommandRefused, match=r"w: one of its slots \(2\) must be left"):
        select_workers(Shrink(source="0", hostname="w", n=2), two)


def test_several_reasons_are_counted() -> None:
    solos = view(worker("a", pool="solo"), worker("b", pool="solo"))
    with pytest.raises(CommandRefused, match="a: its pool, solo, has a fixed size, and 1 others cannot obey either"):
        select_workers(Grow(source="0", hostnames=["a", "b"]), solos)


def test_a_purge_goes_to_no_worker() -> None:
    assert select_workers(Purge(source="0", queue="q", confirm="q"), view(worker())).hostnames == []
