"""A listener that is dead or stuck says so, by facts that any thread can read."""

from dataclasses import dataclass

import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.listener.readiness import add_failure, failure_reason, is_settled, max_report_delay
from tests.unit.build import a_gossip

NOW = 1000.0


@dataclass
class AThread:
    """What a listener knows of its thread."""

    is_alive: bool = True
    is_closed: bool = False
    ended_by: BaseException | None = None


def attended(at: float | None) -> Cluster:
    cluster = Cluster(clock=lambda: NOW)
    if at is not None:
        cluster.record_listener_heartbeat(at)
    return cluster


@pytest.mark.parametrize(
    ("thread", "attended_at", "why"),
    [
        (AThread(), NOW - 1, ""),
        (AThread(), None, ""),
        (AThread(is_alive=False), None, ""),  # never started
        (AThread(is_alive=False, is_closed=True), NOW - 100, ""),
        (AThread(is_alive=False), NOW - 1, "its thread has ended"),
        (AThread(is_alive=False, ended_by=SystemExit(3)), NOW, "its thread has ended (SystemExit: 3)"),
        (AThread(), NOW - 11, "its thread has been stuck for 11 s, in a signal receiver or a call to the broker"),
    ],
)
def test_why_it_is_dead(thread: AThread, attended_at: float | None, why: str) -> None:
    assert failure_reason(thread, attended(attended_at), NOW) == why


@pytest.mark.parametrize(("attended_at", "since"), [(NOW - 9, None), (NOW - 11, NOW - 11), (None, None)])
def test_a_view_that_nobody_attends_to_is_isolated(attended_at: float | None, since: float | None) -> None:
    cluster = attended(attended_at)
    assert (cluster.isolated_since, cluster.view().isolated_since) == (since, since)


def test_a_dead_listener_is_the_first_finding_and_takes_the_place_of_an_isolated_one() -> None:
    isolated = Finding("isolated", "critical", "listener", NOW - 5, "No echo.")
    stalled = Finding("stalled", "critical", "w1", NOW - 5, "It hangs.")
    dead, other = add_failure((isolated, stalled), "its thread has ended", NOW)
    assert (dead.kind, dead.since, other) == ("isolated", NOW, stalled)
    assert dead.text.startswith("This listener has failed: its thread has ended. ")
    assert add_failure((isolated, stalled), "", NOW) == (isolated, stalled)


def test_workers_have_time_to_report_by_the_longest_interval_of_those_that_live() -> None:
    cluster = attended(NOW)
    assert max_report_delay(cluster, 1.0) == pytest.approx(2.0)
    cluster.apply_gossip(a_gossip(hostname="celery@slow", interval=10.0), NOW)
    assert max_report_delay(cluster, 1.0) == pytest.approx(17.3)


@pytest.mark.parametrize(
    ("connected_at", "is_diagnosing", "settled"),
    [(NOW - 3, False, True), (NOW - 3, True, False), (NOW - 1, False, False), (None, False, False)],
)
def test_it_has_settled_when_all_had_time_to_report(
    connected_at: float | None, is_diagnosing: bool, settled: bool
) -> None:
    assert is_settled(connected_at, 2.0, NOW, is_diagnosing=is_diagnosing) is settled
