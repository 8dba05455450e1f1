"""Statistics are summed up without the lock that the listener needs, from copies that do not change meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.packed import RunningTotal
from celery_gossip.cluster.throughput import ThroughputSum
from tests.unit.build import FakeClock, a_gossip, a_series

NOW = 1000.0


def test_trends_name_queues_that_had_tasks_minutes_ago_alone_and_the_tasks_that_failed(
    cluster: Cluster, clock: FakeClock
) -> None:
    cluster.statistics.start(clock.now)
    series = [
        a_series("mail", "send", age=0.0, succeeded=3),
        a_series("mail", "file", age=0.0, failed={"KeyError": 2, "OSError": 1}),
        a_series("files", "file", age=0.0, failed={"KeyError": 7}),
    ]
    cluster.apply_gossip(a_gossip(series=tuple(series)), clock.now)
    clock.advance(120.0)
    windows = cluster.statistics.windows_by_queue()
    assert (windows["mail"].last_minute.failed, windows["mail"].previous_ten_minutes.failed) == (0, 3)
    assert windows["mail"].failing_tasks == {"file": {"KeyError": 2, "OSError": 1}}
    assert windows["files"].failing_tasks == {"file": {"KeyError": 7}}


def test_the_task_with_most_failures_is_named_first(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    failures = {"few": 1, "many": 9, "some": 4}
    series = [a_series("mail", name, age=0.0, succeeded=50, failed={"OSError": n}) for name, n in failures.items()]
    cluster.apply_gossip(a_gossip(series=tuple(series)), clock.now)
    clock.advance(5.0)
    windows = cluster.statistics.windows_by_queue()["mail"]
    assert list(windows.failing_tasks.items()) == [
        (name, {"OSError": failures[name]}) for name in ("many", "some", "few")
    ]


class WatchedLock:
    """A lock that records whether it is held."""

    def __init__(self) -> None:
        self.is_held = False

    def __enter__(self) -> None:
        assert not self.is_held
        self.is_held = True

    def __exit__(self, *_: object) -> None:
        self.is_held = False


@pytest.mark.parametrize(
    "read",
    [
        lambda cluster: cluster.throughput("queue", 60.0),
        lambda cluster: cluster.throughput("worker", 10_800.0),
        lambda cluster: cluster.throughput("task", 600.0),
        lambda cluster: cluster.throughput("fleet", 60.0),
        lambda cluster: cluster.counts("worker", 60.0),
        lambda cluster: cluster.series("queue", "default", 10_800.0, 60.0),
        lambda cluster: cluster.statistics.windows_by_queue(),
        lambda cluster: cluster.totals(),
        lambda cluster: cluster.statistics.fleet_totals(),
    ],
)
def test_nothing_is_summed_up_while_the_lock_is_held(
    cluster: Cluster, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, read: Callable[[Cluster], Any]
) -> None:
    """At 1,000 workers that took 1.3 s, while the listener waited."""
    cluster.statistics.start(clock.now)
    for seq in range(1, 200):
        clock.advance(1.0)
        cluster.apply_gossip(
            a_gossip(seq=seq, series=(a_series(age=float(seq), received=seq, succeeded=seq),)), clock.now
        )
    lock: Any = WatchedLock()
    cluster._lock = cluster.statistics._lock = lock

    def watched(kind: type, name: str) -> None:
        original = getattr(kind, name)

        def call(*args: Any, **options: Any) -> Any:
            assert not lock.is_held, f"{kind.__name__}.{name} under the lock"
            return original(*args, **options)

        monkeypatch.setattr(kind, name, staticmethod(call) if name == "unpack" else call)

    watched_calls = (
        (ThroughputSum, "unpack"),
        (ThroughputSum, "pack"),
        (ThroughputSum, "add"),
        (ThroughputSum, "throughput"),
        (RunningTotal, "throughput"),
    )
    for kind, name in watched_calls:
        watched(kind, name)
    assert read(cluster) and not lock.is_held


def test_figures_that_were_read_do_not_change_while_the_cluster_goes_on(cluster: Cluster, clock: FakeClock) -> None:
    """Buckets are shared with the history until they are summed up."""
    cluster.statistics.start(clock.now)
    seq = iter(range(1, 10_000))

    def work(seconds: int) -> None:
        for _ in range(seconds):
            clock.advance(1.0)
            number = next(seq)
            series = (a_series(age=float(number), received=number, succeeded=number),)
            cluster.apply_gossip(a_gossip(seq=number, series=series), clock.now)

    work(700)
    history = cluster.statistics._histories["worker"]
    copies = history.snapshot(0.0)
    before = [(bucket.start, {name: total.counts for name, total in bucket.sums()}) for bucket in copies]
    work(700)
    history.remove("celery@web1")
    assert [(bucket.start, {name: total.counts for name, total in bucket.sums()}) for bucket in copies] == before
    assert cluster.throughput("worker", 10_800.0) == {}
    assert (
        history._entries
        == sum(len(bucket.open) + len(bucket.packed) for tier in history._tiers for bucket in tier)
        == 0
    )


def test_totals_that_are_many_are_copied_part_by_part(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.cluster.statistics._COPIED_AT_ONCE", 2)
    cluster.statistics.start(NOW)
    names = [f"task-{n}" for n in range(5)]
    cluster.apply_gossip(a_gossip(series=tuple(a_series("mail", name, age=0.0) for name in names)), NOW)
    assert [task for _, _, task in cluster.totals()] == names
    assert [task for _, task in cluster.statistics.fleet_totals()] == names
