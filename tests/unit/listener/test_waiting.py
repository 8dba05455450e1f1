"""Waiting ends with the change that is waited for, not with the next poll; what is missing is said in words."""

import threading
import time
from typing import Any

import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.errors import InvalidOption
from celery_gossip.listener.waiting import ChangeNotifier, WaitConditions
from tests.unit.build import a_check, a_gossip

NOW = 1000.0


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(lambda: NOW)
    cluster.apply_gossip(a_gossip(hostname="celery@a", checks=(a_check("mail"), a_check("news", paused=True))), NOW)
    cluster.apply_gossip(a_gossip(hostname="celery@gone", state="offline", checks=(a_check("old"),)), NOW)
    return cluster


def unmet(cluster: Cluster, workers: int | None = None, queues: Any = (), hostnames: Any = ()) -> str:
    return WaitConditions.of(workers, queues, hostnames).unmet(cluster)


def test_without_conditions_one_worker_must_report(cluster: Cluster) -> None:
    assert unmet(cluster) == ""
    assert unmet(Cluster(lambda: NOW)) == "0 of 1 workers reported"


def test_workers_that_are_gone_do_not_count(cluster: Cluster) -> None:
    assert unmet(cluster, workers=2) == "1 of 2 workers reported"
    assert unmet(cluster, hostnames=["celery@a", "celery@gone"]) == "no report of 'celery@gone'"


def test_a_queue_needs_a_worker_that_reports_it_and_a_paused_one_counts(cluster: Cluster) -> None:
    assert unmet(cluster, queues=["mail", "news"]) == ""
    assert unmet(cluster, queues=["old", "mail", "other"]) == "no worker reported to consume 'old', 'other'"


def test_all_conditions_must_be_met_and_all_that_is_missing_is_named(cluster: Cluster) -> None:
    assert unmet(cluster, 2, ["old"], [f"celery@{n}" for n in range(8)]) == (
        "1 of 2 workers reported; no report of 'celery@0', 'celery@1', 'celery@2', 'celery@3', 'celery@4' and 3 more; "
        "no worker reported to consume 'old'"
    )


def test_no_worker_at_all_may_be_waited_for(cluster: Cluster) -> None:
    assert unmet(Cluster(lambda: NOW), workers=0) == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": -1}, "workers: expected a whole number from 0, got -1"),
        ({"workers": True}, "workers: expected a whole number from 0, got True"),
        ({"workers": "mail"}, "workers: expected a whole number from 0, got 'mail'"),
        ({"queues": "mail"}, "queues: expected a list of names, got 'mail'"),
        ({"queues": 3}, "queues: expected a list of names, got 3"),
        ({"hostnames": [""]}, "hostnames: expected a list of names, got ['']"),
        ({"hostnames": [7]}, "hostnames: expected a list of names, got [7]"),
    ],
)
def test_what_cannot_be_waited_for_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption) as refused:
        WaitConditions.of(**{"workers": None, "queues": (), "hostnames": (), **arguments})
    assert str(refused.value) == message


def test_a_change_wakes_who_waits_long_before_the_next_poll() -> None:
    changes, is_met = ChangeNotifier(), threading.Event()

    def change() -> None:
        is_met.set()
        changes.notify()

    began = time.monotonic()
    threading.Timer(0.05, change).start()
    assert changes.wait_until(is_met.is_set, None, max_wait=60.0)
    assert time.monotonic() - began < 30.0
    assert changes._waiting == 0


def test_a_change_while_the_condition_is_evaluated_is_not_missed() -> None:
    changes, evaluations = ChangeNotifier(), []

    def is_met() -> bool:
        evaluations.append(1)
        if len(evaluations) == 1:
            changes.notify()  # as another thread would, between the evaluation and the wait
        return len(evaluations) == 2

    assert changes.wait_until(is_met, None, max_wait=60.0)


def test_without_a_notification_the_condition_is_evaluated_now_and_then() -> None:
    evaluations: list[int] = []

    def is_met() -> bool:
        evaluations.append(1)
        return len(evaluations) == 3

    assert ChangeNotifier().wait_until(is_met, None, max_wait=0.01)


def test_waiting_gives_up_in_time_and_once_more_looks_first() -> None:
    changes = ChangeNotifier()
    assert not changes.wait_until(lambda: False, time.monotonic() + 0.02)
    assert not changes.wait_until(lambda: False, time.monotonic() - 1)
    assert changes.wait_until(lambda: True, time.monotonic() - 1)


def test_what_the_condition_raises_is_raised() -> None:
    changes = ChangeNotifier()

    def is_met() -> bool:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        changes.wait_until(is_met, None)
    assert changes._waiting == 0
