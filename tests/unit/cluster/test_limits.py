"""However many queues and bytes are reported, the view stays within its limits and keeps those of an honest worker."""

from typing import Any

import pytest

from celery_gossip.cluster import limits
from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.report_size import keep_queues, max_memory_size, memory_size, shrink_to, strip_details
from celery_gossip.cluster.view import WorkerView
from celery_gossip.errors import InvalidOption
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import (
    Gossip,
    HeldMessage,
    Histogram,
    PoolProcesses,
    Resources,
    RunningTask,
    Software,
    TaskCount,
    WaitingTask,
)
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_check, a_gossip, a_histogram, a_series

NOW = 1000.0
DAY = 86_400.0
WEB1 = "celery@web1"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_QUEUES", 100)


@pytest.fixture
def cluster(few: None) -> Cluster:
    return Cluster(FakeClock(NOW))


def checks(prefix: str, count: int, **fields: Any) -> Any:
    return tuple(a_check(f"{prefix}-{n}", **fields) for n in range(count))


def report(cluster: Cluster, hostname: str, count: int, *, signed: bool | None = None, **fields: Any) -> None:
    values = {"interval": DAY, "checks": checks(hostname, count), **fields}
    cluster.apply_gossip(a_gossip(hostname=hostname, **values), NOW, is_verified=signed)


def kept(cluster: Cluster) -> dict[str, int]:
    """Return the number of queues in the view, by worker."""
    return {worker.gossip.hostname: len(worker.gossip.checks) for worker in cluster.workers()}


def names_of(cluster: Cluster) -> list[str]:
    """Return the queues whose lengths are read."""
    return [name for share in cluster.queue_shares() for name in share.queues]


def find_worker(cluster: Cluster, hostname: str = WEB1) -> WorkerView:
    return next(worker for worker in cluster.workers() if worker.gossip.hostname == hostname)


# Queues.


def test_a_listener_keeps_so_many_names_of_queues_whatever_is_reported(cluster: Cluster) -> None:
    for n in range(40):
        report(cluster, f"evil{n}", 39)
        assert len(cluster.queues()) <= 100
    assert len(names_of(cluster)) == len(set(names_of(cluster))) <= 100
    assert cluster.dropped_queues == 40 * 39 - len(cluster.queues())


def test_what_is_left_out_counts_as_omitted(cluster: Cluster) -> None:
    report(cluster, "evil", 150, signed=None)
    gossip = find_worker(cluster, "evil").gossip
    assert (len(gossip.checks), gossip.omitted) == (100, 50)


def test_the_few_queues_of_an_honest_worker_stay_whoever_came_first(cluster: Cluster) -> None:
    report(cluster, "first", 4)
    for n in range(10):
        report(cluster, f"evil{n}", 90)
    report(cluster, "last", 4)
    assert kept(cluster)["first"] == kept(cluster)["last"] == 4
    report(cluster, "first", 4, seq=2)
    assert kept(cluster)["first"] == 4


def test_of_too_many_queues_those_of_unverified_workers_are_left_out_first(cluster: Cluster) -> None:
    report(cluster, "signed", 60, signed=True)
    report(cluster, "stranger", 60, signed=False)
    assert kept(cluster) == {"signed": 60, "stranger": 40}
    report(cluster, "other-stranger", 60, signed=False)
    assert kept(cluster) == {"signed": 60, "stranger": 16, "other-stranger": 24}, "what is left is shared"
    report(cluster, "other", 30, signed=True)
    assert kept(cluster) == {"signed": 60, "other": 30, "stranger": 4, "other-stranger": 4}
    report(cluster, "third", 30, signed=True)
    assert kept(cluster) == {"signed": 32, "other": 30, "third": 30, "stranger": 0, "other-stranger": 0}


def test_a_queue_that_several_workers_report_counts_once(cluster: Cluster) -> None:
    for n in range(50):
        report(cluster, f"w{n}", 0, checks=checks("shared", 100))
    assert set(kept(cluster).values()) == {100} and cluster.dropped_queues == 0


def test_names_are_free_again_when_their_worker_is_forgotten_or_names_others(cluster: Cluster) -> None:
    report(cluster, "a", 100)
    report(cluster, "a", 0, seq=2, checks=checks("new", 100))
    assert len(cluster.queues()) == 100 and cluster.dropped_queues == 0
    report(cluster, "a", 0, seq=3, checks=checks("new", 1), state="offline")
    cluster.expire_silent_workers(NOW + 700)
    report(cluster, "b", 100)
    assert kept(cluster) == {"b": 100}


def test_a_worker_gets_its_queues_back_when_there_is_room(cluster: Cluster) -> None:
    report(cluster, "evil", 100)
    report(cluster, "honest", 80)
    assert kept(cluster) == {"evil": 32, "honest": 68}
    report(cluster, "evil", 1, seq=2)
    report(cluster, "honest", 80, seq=2)
    assert kept(cluster) == {"evil": 1, "honest": 80}


def test_rivals_share_the_queues_of_their_hostname(cluster: Cluster) -> None:
    report(cluster, "a", 60)
    report(cluster, "a", 0, boot=OTHER_BOOT, checks=checks("others", 60))
    report(cluster, "a", 60, boot=BOOT, seq=2)
    assert len(names_of(cluster)) <= 100


def test_what_is_counted_does_not_depend_on_what_is_kept(cluster: Cluster) -> None:
    for n in range(5):
        report(cluster, f"evil{n}", 90)
    cluster.statistics.start(NOW - 100)
    series = (a_series("beyond", age=1.0, received=7),)
    report(cluster, "w", 0, checks=checks("w", 90), series=series, active=3)
    assert find_worker(cluster, "w").gossip.active == 3


# Bytes.


def full(prefix: str, ids: int = 500, **fields: Any) -> Gossip:
    active = tuple(f"{prefix}-{n:036d}" for n in range(ids))
    return a_gossip(active=ids, checks=(a_check(active=active, active_count=ids),), **fields)


def ids_of(gossip: Gossip | None) -> int:
    assert gossip is not None
    return sum(len(check.active) for check in gossip.checks)


def test_of_a_rival_and_of_what_was_replaced_the_counts_are_kept_and_ten_ids() -> None:
    cluster = Cluster(FakeClock(NOW))
    for at in range(6):
        cluster.apply_gossip(full("a", boot=BOOT, seq=at + 1), NOW + at)
        cluster.apply_gossip(full("b", boot=OTHER_BOOT, seq=at + 1), NOW + at)
    worker = find_worker(cluster)
    (rival,) = worker.rivals
    assert (ids_of(worker.gossip), ids_of(rival), rival.active, rival.checks[0].active_count) == (500, 10, 500, 500)
    cluster.apply_gossip(full("b", boot=OTHER_BOOT, seq=10, interval=1000.0), NOW + 8)
    cluster.apply_gossip(full("b", boot=OTHER_BOOT, seq=11, interval=1000.0), NOW + 20)
    cluster.expire_silent_workers(NOW + 20)
    replaced = find_worker(cluster).replaced
    assert replaced is None or (ids_of(replaced), replaced.active) == (10, 500)


def test_the_tasks_of_a_worker_that_was_replaced_are_still_named() -> None:
    cluster = Cluster(FakeClock(NOW))
    cluster.apply_gossip(full("a", boot=BOOT), NOW)
    cluster.apply_gossip(full("b", boot=OTHER_BOOT, interval=1000.0), NOW + 1)
    cluster.expire_silent_workers(NOW + 5)
    replaced = find_worker(cluster).replaced
    assert replaced is not None and (ids_of(replaced), replaced.active) == (10, 500)


def test_beyond_the_budget_ids_go_and_counts_stay_and_unverified_workers_lose_theirs_first() -> None:
    cluster = Cluster(FakeClock(NOW), max_report_bytes=2**20)
    for n in range(5):
        cluster.apply_gossip(full("s", hostname=f"signed{n}"), NOW, is_verified=True)
    for n in range(30):
        cluster.apply_gossip(full("u", hostname=f"stranger{n}"), NOW, is_verified=False)
    listed = {worker.gossip.hostname: ids_of(worker.gossip) for worker in cluster.workers()}
    assert all(listed[f"signed{n}"] == 500 for n in range(5))
    assert sum(listed.values()) * 93 < 2**20
    assert {worker.gossip.checks[0].active_count for worker in cluster.workers()} == {500}
    for n in range(40):
        cluster.apply_gossip(full("s", hostname=f"later{n}"), NOW, is_verified=True)
    assert sum(memory_size(worker.gossip) for worker in cluster.workers()) <= 2**20


def test_however_much_is_reported_what_is_kept_stays_within_the_budget() -> None:
    cluster = Cluster(FakeClock(NOW), max_report_bytes=2**20)
    for turn in range(3):
        for n in range(60):
            for boot in (BOOT, OTHER_BOOT):
                many = tuple(a_check(f"queue-{k}", uuid="u" * 200) for k in range(200))
                cluster.apply_gossip(a_gossip(hostname=f"w{n}", boot=boot, seq=turn + 1, checks=many), NOW + turn)
            assert sum(memory_size(one) for worker in cluster.workers() for one in worker.gossips) <= 2**20
    assert len(cluster.workers()) == 60 and cluster.dropped_queues > 0
    assert all(len(worker.gossip.checks) + worker.gossip.omitted == 200 for worker in cluster.workers())


def test_a_report_is_made_smaller_step_by_step() -> None:
    buckets = tuple((n, 1, 1) for n in range(300))
    gossip = a_gossip(
        checks=checks("q", 20, active=tuple(f"{n:036d}" for n in range(10)), active_count=10),
        series=(a_series(runtime=a_histogram(*buckets)),),
    )
    assert shrink_to(gossip, memory_size(gossip)) is gossip
    without_ids = shrink_to(gossip, memory_size(gossip) - 1)
    assert (ids_of(without_ids), without_ids.series, len(without_ids.checks)) == (0, (), 20)
    half = shrink_to(gossip, memory_size(without_ids) // 2)
    assert 0 < len(half.checks) < 10 and half.omitted == 20 - len(half.checks)
    assert memory_size(half) <= memory_size(without_ids) // 2
    assert shrink_to(gossip, 0).checks == () and strip_details(a_gossip()) == a_gossip()
    assert [len(check.active) for check in strip_details(gossip).checks] == [10] + 19 * [0]


def test_details_of_tasks_are_removed_with_their_ids_and_the_names_with_the_details() -> None:
    tasks = tuple(RunningTask(n, 1.0) for n in range(20))
    gossip = a_gossip(
        checks=checks("q", 2, active=tuple(f"id-{n}" for n in range(20)), active_count=20, tasks=tasks),
        names=tuple(f"task-{n}" for n in range(20)),
        reserved_tasks=(TaskCount(0, 19, 3),),
    )
    stripped = strip_details(gossip)
    assert [len(check.tasks) for check in stripped.checks] == [10, 0]
    assert (stripped.names, stripped.reserved_tasks) == (tuple(f"task-{n}" for n in range(10)), ())
    assert memory_size(stripped) < memory_size(gossip) / 2
    assert memory_size(a_gossip(names=("x" * 255,) * 100)) > memory_size(a_gossip()) + 25_500
    assert strip_details(stripped) is stripped
    assert strip_details(a_gossip(stack=("shop:wait:1",))).stack == ()
    assert memory_size(a_gossip(stack=("x" * 255,) * 20)) > memory_size(a_gossip()) + 5_100


def test_the_ages_of_the_newest_messages_stay_with_their_queues_or_go() -> None:
    gossip = a_gossip(checks=tuple(map(a_check, "abcd")), newest=(1.0, None, 3.0))
    kept = keep_queues(gossip, frozenset("bcd"))
    assert ([check.queue for check in kept.checks], kept.newest, kept.omitted) == (
        ["b", "c", "d"],
        (None, 3.0, None),
        1,
    )
    assert memory_size(gossip) > memory_size(a_gossip(checks=gossip.checks))
    assert strip_details(gossip).newest == () == shrink_to(gossip, 3000).newest


@pytest.mark.parametrize("value", [0, -1, 2**20 - 1, 1e9, "256MB", None, True, float("nan")])
def test_a_budget_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match="max_report_bytes: expected a whole number of bytes"):
        Cluster(max_report_bytes=value)


# Upper bounds, with which the reports of an ordinary fleet are not measured.


@pytest.mark.parametrize(
    "fields",
    [
        {"checks": ()},
        {"checks": tuple(a_check("q", active=("",) * 2000) for _ in range(3))},
        {"checks": tuple(a_check("q", active=("a", "\U0001f600") * 500) for _ in range(3))},
        {"checks": tuple(a_check("q", uuid="") for _ in range(150))},
        {"checks": (a_check("q", active=("",) * 1000, tasks=(RunningTask(0, None),) * 1000),), "names": ("",)},
        {"checks": (), "stack": ("",) * 20},
        {"checks": (), "held": (HeldMessage("", "", "", "running", 0.0),) * 3},
        {"checks": (), "software": Software()},
        {"checks": (), "resources": Resources(1, 1, 1, 1.0, 1, 1, PoolProcesses(1, 1, 1, 1, 1, 1, 1))},
        {"checks": tuple(a_check("q", uuid="") for _ in range(150)), "newest": (0,) * 150},
        {"checks": (), "names": ("",) * 9, "reserved_tasks": (TaskCount(0, 0, 0),) * 10},
        {"checks": (), "names": ("",), "waiting": (WaitingTask("", 0, 0, "limited", 0.0),) * 100},
        {"series": tuple(a_series(queue="", task="") for _ in range(300))},
        {"series": (a_series(runtime=Histogram(count=0, total=0.0, buckets=tuple((n, 0, 0) for n in range(100)))),)},
    ],
)
def test_the_bound_of_a_report_is_not_below_its_weight(fields: dict[str, Any]) -> None:
    gossip = a_gossip(**fields)
    assert memory_size(gossip) <= max_memory_size(len(encode(gossip)), len(gossip.series))


def report_with_size(cluster: Cluster, hostname: str, seq: int, *queues: str) -> None:
    gossip = a_gossip(hostname=hostname, seq=seq, interval=DAY, checks=tuple(map(a_check, queues)))
    cluster.apply_gossip(gossip, NOW, size=len(encode(gossip)))


def test_a_fleet_that_shares_its_queues_is_not_weighed_however_large_it_is(cluster: Cluster) -> None:
    for seq in range(1, 4):
        for n in range(40):
            report_with_size(cluster, f"web{n}", seq, *(f"q{m}" for m in range(10)))
    assert cluster._membership.limits._bounds is not None
    assert cluster.dropped_queues == 0 and set(kept(cluster).values()) == {10}


def test_a_fleet_that_shares_its_queues_is_bounded_from_the_first_name_too_many(cluster: Cluster) -> None:
    for n in range(20):
        report_with_size(cluster, f"web{n}", 1, *(f"q{m}" for m in range(10)))
    for n in range(90):
        report_with_size(cluster, "evil", n + 1, *(f"evil{m}" for m in range(n + 1)))
        assert cluster._membership.limits._bounds is not None
    report_with_size(cluster, "evil", 91, *(f"evil{m}" for m in range(91)))
    assert cluster.dropped_queues == 1 and kept(cluster)["evil"] == 90
    assert len(set(names_of(cluster))) == 100
    assert {number for name, number in kept(cluster).items() if name != "evil"} == {10}


def test_other_names_in_as_many_checks_are_noticed(cluster: Cluster) -> None:
    for n in range(11):
        report_with_size(cluster, f"web{n}", 1, *(f"q{m}" for m in range(10)))
    for seq in range(2, 12):
        report_with_size(cluster, "web0", seq, *(f"s{seq}-{m}" for m in range(10)))
    assert len(cluster.queues()) == 20
    for n in range(1, 11):
        report_with_size(cluster, f"web{n}", 2, *(f"t{n}-{m}" for m in range(10)))
    assert len(set(names_of(cluster))) <= 100 and cluster.dropped_queues == 10


def test_sizes_of_messages_change_nothing_of_what_is_kept(few: None) -> None:
    one, other = Cluster(FakeClock(NOW)), Cluster(FakeClock(NOW))
    for n in range(12):
        gossip = a_gossip(hostname=f"web{n % 8}", seq=n + 1, checks=checks(f"web{n % 8}", 5 + 2 * n))
        one.apply_gossip(gossip, NOW)
        other.apply_gossip(gossip, NOW, size=len(encode(gossip)))
        assert kept(one) == kept(other)
    assert names_of(one) == names_of(other)
    assert one.dropped_queues == other.dropped_queues > 0
