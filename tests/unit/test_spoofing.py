"""Unsigned messages cannot impersonate a verified worker, and verified workers have priority in the view."""

from typing import Any

import pytest

from celery_gossip.cluster import membership
from celery_gossip.cluster.cluster import GONE_RETENTION, Cluster
from celery_gossip.errors import RejectedGossip
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_check, a_gossip, a_series

NOW = 1000.0
WEB1 = a_gossip().hostname


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def cluster(clock: FakeClock) -> Cluster:
    cluster = Cluster(clock)
    cluster.statistics.start(NOW - 100)
    return cluster


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "MAX_WORKERS", 3)


def report(cluster: Cluster, now: float = NOW, *, signed: bool | None = True, **fields: Any) -> list[str]:
    """Apply a report. Return the states that are entered."""
    return [one.state for one in cluster.apply_gossip(a_gossip(**fields), now, is_verified=signed)]


def trust(cluster: Cluster) -> dict[str, bool | None]:
    return {worker.gossip.hostname: worker.is_verified for worker in cluster.workers()}


def received(cluster: Cluster, by: str = "worker") -> dict[str, int]:
    return {name: told.received for name, told in cluster.throughput(by).items()}


@pytest.mark.parametrize("signed", [True, False, None])
def test_a_worker_is_shown_as_it_was_heard(cluster: Cluster, signed: bool | None) -> None:
    report(cluster, signed=signed)
    report(cluster, signed=signed, seq=2)
    assert trust(cluster) == {WEB1: signed}
    assert cluster.is_verified(WEB1) is signed
    assert cluster.is_verified("celery@unknown") is None


@pytest.mark.parametrize("signed", [False, None])
@pytest.mark.parametrize(
    "forged",
    [
        {"seq": 2, "state": "offline"},
        {"seq": 2**53},
        {"boot": OTHER_BOOT},
        {"boot": OTHER_BOOT, "state": "offline"},
        {"seq": 2, "series": (a_series(received=7),), "checks": (a_check("forged"),)},
    ],
    ids=repr,
)
def test_nobody_speaks_unsigned_for_a_worker_that_was_heard_signed(
    cluster: Cluster, clock: FakeClock, forged: dict[str, Any], signed: bool | None
) -> None:
    report(cluster)
    before = cluster.view()
    with pytest.raises(RejectedGossip) as refused:
        report(cluster, signed=signed, **forged)
    assert (refused.value.reason, WEB1 in str(refused.value)) == ("unsigned", True)
    assert cluster.view() == before
    assert cluster.totals() == {} and received(cluster) == {}
    clock.advance(3)
    report(cluster, clock.now, seq=2)
    assert cluster.view().workers[0].gossip.seq == 2, "what was forged has moved the number"


def test_also_not_while_it_is_silent_or_gone_or_the_listener_isolated(cluster: Cluster) -> None:
    report(cluster)
    cluster.expire_silent_workers(NOW + 5)
    cluster.expire_silent_workers(NOW + 20)
    assert [worker.state for worker in cluster.workers()] == ["lost"]
    with pytest.raises(RejectedGossip):
        report(cluster, NOW + 20, signed=False, boot=OTHER_BOOT)
    report(cluster, NOW + 21, seq=2, state="offline")
    with pytest.raises(RejectedGossip):
        report(cluster, NOW + 22, signed=False, boot=OTHER_BOOT)
    cluster.set_isolated(NOW + 23)
    with pytest.raises(RejectedGossip):
        report(cluster, NOW + 23, signed=False, boot=OTHER_BOOT)
    assert [worker.state for worker in cluster.workers()] == ["offline"]


def test_trust_ends_when_the_worker_is_forgotten(cluster: Cluster) -> None:
    report(cluster, state="offline")
    cluster.expire_silent_workers(NOW + GONE_RETENTION + 1)
    assert report(cluster, NOW + GONE_RETENTION + 2, signed=False) == ["online"]
    assert trust(cluster) == {WEB1: False}


def test_a_worker_that_is_heard_signed_ends_all_that_was_claimed_in_its_name(cluster: Cluster) -> None:
    report(cluster, signed=False, boot=OTHER_BOOT, active=3, series=(a_series(task="forged", received=7),))
    report(cluster, signed=False, hostname="celery@other", series=(a_series(task="real", received=2),))
    assert received(cluster) == {WEB1: 7, "celery@other": 2}
    assert report(cluster, NOW + 1, series=(a_series(task="real", received=5),)) == ["online"]
    worker = next(worker for worker in cluster.workers() if worker.gossip.hostname == WEB1)
    assert (worker.gossip.boot, worker.is_verified) == (BOOT, True)
    assert (worker.rivals, worker.replaced) == ((), None)
    assert received(cluster) == {WEB1: 5, "celery@other": 2}
    totals = {(hostname, task): told.received for (hostname, _, task), told in cluster.totals().items()}
    assert totals == {(WEB1, "real"): 5, ("celery@other", "real"): 2}


def test_a_forged_goodbye_of_its_own_boot_does_not_hide_a_worker_that_is_signed(cluster: Cluster) -> None:
    report(cluster, signed=False, seq=2**53, state="offline")
    assert report(cluster, NOW + 1, seq=1) == ["online"]


def test_what_a_forger_claims_costs_a_worker_none_of_its_figures(cluster: Cluster) -> None:
    """With the same instance id and series as the worker, received before it."""
    report(cluster, signed=False, seq=9, series=(a_series(received=1000),))
    report(cluster, NOW + 1, seq=1, series=(a_series(received=5),))
    report(cluster, NOW + 2, seq=2, series=(a_series(received=6),))
    assert received(cluster) == {WEB1: 6}


# Limit of workers.


def hostnames(cluster: Cluster) -> set[str]:
    return {worker.gossip.hostname for worker in cluster.workers()}


def test_a_flood_of_strangers_keeps_no_signed_worker_out(small: None, cluster: Cluster) -> None:
    for n in range(10):
        report(cluster, NOW + n / 10, signed=False, hostname=f"stranger{n}")
    assert hostnames(cluster) == {"stranger0", "stranger1", "stranger2"}
    for n in range(3):
        assert report(cluster, NOW + 1, hostname=f"w{n}") == ["online"]
    assert hostnames(cluster) == {"w0", "w1", "w2"}
    assert report(cluster, NOW + 1, signed=False, hostname="stranger") == []
    assert report(cluster, NOW + 1, hostname="w3") == [], "a live one never makes room for its like"


def test_the_stranger_that_has_been_silent_for_longest_makes_room(small: None, cluster: Cluster) -> None:
    for n, at in enumerate((NOW, NOW + 1, NOW + 2)):
        report(cluster, at, signed=False, hostname=f"stranger{n}")
    report(cluster, NOW + 3, signed=False, hostname="stranger0", seq=2)
    report(cluster, NOW + 3, hostname="w0")
    assert hostnames(cluster) == {"stranger0", "stranger2", "w0"}


def test_a_stranger_that_is_gone_makes_room_before_one_that_speaks(small: None, cluster: Cluster) -> None:
    report(cluster, signed=False, hostname="stranger0")
    report(cluster, NOW + 1, signed=False, hostname="stranger1", state="offline")
    report(cluster, NOW + 1, signed=False, hostname="stranger2")
    report(cluster, NOW + 1, hostname="w0")
    assert hostnames(cluster) == {"stranger0", "stranger2", "w0"}


def test_a_signed_worker_that_is_gone_makes_room_for_its_like_alone(small: None, cluster: Cluster) -> None:
    for n in range(3):
        report(cluster, NOW + n, hostname=f"w{n}", state="offline")
    assert report(cluster, NOW + 3, signed=False, hostname="stranger") == []
    assert hostnames(cluster) == {"w0", "w1", "w2"}, "what became of the workers was pushed out"
    assert report(cluster, NOW + 3, hostname="w3") == ["online"]
    assert hostnames(cluster) == {"w1", "w2", "w3"}


# Replay.


def test_what_a_worker_said_before_changes_nothing_when_it_is_said_again(cluster: Cluster) -> None:
    for seq in range(1, 6):
        report(cluster, NOW + seq, seq=seq)
    before = cluster.view()
    for seq in range(1, 6):
        assert report(cluster, NOW + 6, seq=seq) == []
    assert cluster.view() == before


def test_a_boot_that_said_goodbye_is_not_brought_back(cluster: Cluster) -> None:
    said: list[dict[str, Any]] = [{"seq": 1}, {"seq": 2}, {"seq": 3, "state": "offline"}]
    for one in said:
        report(cluster, **one)
    report(cluster, NOW + 1, boot=OTHER_BOOT)
    for later in (2, 300, 590):
        cluster.apply_gossip(a_gossip(boot=OTHER_BOOT, seq=later), NOW + later, is_verified=True)
        for one in said:
            assert report(cluster, NOW + later, **one) == []
        (worker,) = cluster.workers()
        assert (worker.gossip.boot, worker.state, worker.rivals) == (OTHER_BOOT, "online", ())
