"""Views: what a user reads of a worker and a queue, and how they are found by name."""

from dataclasses import replace
from typing import get_args

import pytest

from celery_gossip import signals
from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.view import GONE, STATES, Paused, View, WorkerState, WorkerView, build_queue_views
from celery_gossip.wire.messages import Gossip, GossipState
from tests.unit.build import OTHER_BOOT, FakeClock, a_check, a_gossip

NOW = 1000.0


def a_view(*workers: WorkerView, **backlogs: int | None) -> View:
    return View(workers, build_queue_views(workers, backlogs), taken_at=NOW)


def test_a_worker_has_the_values_of_its_latest_report() -> None:
    checks = (a_check("mail"), a_check("news", paused=True), a_check("mail"))
    gossip = a_gossip(hostname="celery@web1", pool="threads", active=3, concurrency=8, checks=checks)
    rival = a_gossip(hostname="celery@web1", boot=OTHER_BOOT, active=5, checks=(a_check("other"),))
    worker = WorkerView(gossip, "conflict", NOW, rivals=(rival,))
    assert (worker.hostname, worker.pool, worker.active, worker.concurrency) == ("celery@web1", "threads", 3, 8)
    assert worker.queues == ("mail", "news"), "each once, in the order reported, without those of the rival"


def test_the_name_of_a_queue_is_that_of_its_field() -> None:
    (queue,) = build_queue_views([WorkerView(a_gossip(checks=(a_check("mail"),)), "online", NOW)])
    assert queue.name == queue.queue == "mail"


def test_a_worker_is_found_by_its_hostname() -> None:
    workers = [WorkerView(a_gossip(hostname=name), "online", NOW) for name in ("celery@a", "celery@b")]
    view = a_view(*workers)
    assert [view.worker(name) for name in ("celery@a", "celery@b")] == workers
    assert view.worker("celery@c") is None and view.worker("") is None


def test_a_queue_is_found_by_its_name_if_a_worker_serves_it_or_messages_wait() -> None:
    served = WorkerView(a_gossip(checks=(a_check("mail"),)), "online", NOW)
    gone = WorkerView(a_gossip(hostname="celery@b", checks=(a_check("news"), a_check("old"))), "lost", NOW)
    view = a_view(served, gone, news=7, old=0, orphans=2, unknown=None)
    found = {name: view.queue(name) for name in ("mail", "news", "orphans")}
    assert {name: queue and queue.backlog for name, queue in found.items()} == {"mail": None, "news": 7, "orphans": 2}
    assert [view.queue(name) for name in ("old", "unknown", "never heard of")] == [None, None, None]


def test_names_are_found_in_the_view_of_a_cluster() -> None:
    cluster = Cluster(FakeClock(NOW))
    cluster.apply_gossip(a_gossip(hostname="celery@a", checks=(a_check("mail"),)), NOW)
    view = cluster.view()
    assert (view.worker("celery@a"), view.queue("mail")) == (view.workers[0], view.queues[0])
    assert replace(view, workers=(), queues=()).worker("celery@a") is None, "a copy has its own workers"
    assert view == cluster.view(), "a lookup does not change what is compared"


def test_the_literal_types_name_every_state() -> None:
    assert get_args(WorkerState) == STATES and set(STATES) > GONE
    assert {*get_args(GossipState), "stalled", "suspect", "lost", "conflict"} == set(STATES)
    assert all(hasattr(signals, f"worker_{state}") for state in STATES)


@pytest.mark.parametrize(("paused", "expected"), [((False, False), "no"), ((True, False), "partly"), ((True,), "yes")])
def test_a_queue_is_paused_on_none_some_or_all_of_its_workers(paused: tuple[bool, ...], expected: Paused) -> None:
    reports: list[Gossip] = [a_gossip(hostname=f"w{n}", checks=(a_check(paused=one),)) for n, one in enumerate(paused)]
    (queue,) = build_queue_views([WorkerView(gossip, "online", NOW) for gossip in reports])
    assert queue.paused == expected and expected in get_args(Paused)
