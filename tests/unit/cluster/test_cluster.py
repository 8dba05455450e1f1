"""The view: a pure state machine with a clock that only the test advances."""

import dataclasses
import threading
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from celery_gossip.cluster import membership
from celery_gossip.cluster.cluster import (
    GONE_RETENTION,
    LOST_AFTER,
    MAX_WINDOW,
    MAX_WORKERS,
    SUSPECT_AFTER,
    Cluster,
    Transition,
)
from celery_gossip.cluster.member import SilenceTimeouts
from celery_gossip.cluster.queue_share import QueueShare
from celery_gossip.cluster.throughput import Distribution
from celery_gossip.errors import InvalidOption
from celery_gossip.wire.messages import TaskSeries
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_check, a_gossip, a_series

NOW = 1000.0


def states(transitions: list[Transition]) -> list[str]:
    return [transition.state for transition in transitions]


def seqs(cluster: Cluster) -> list[int]:
    return [worker.gossip.seq for worker in cluster.workers()]


# Order.


@pytest.mark.parametrize(
    ("heard", "kept"), [([1, 2, 3], 3), ([3, 2, 1], 3), ([2, 2], 2), ([1, 5, 4], 5), ([7], 7), ([1, 9, 2, 10], 10)]
)
def test_the_highest_number_of_a_boot_is_kept(cluster: Cluster, heard: list[int], kept: int) -> None:
    for seq in heard:
        cluster.apply_gossip(a_gossip(seq=seq), NOW)
    assert seqs(cluster) == [kept]


def test_an_older_gossip_changes_neither_state_nor_age(cluster: Cluster, clock: FakeClock) -> None:
    cluster.apply_gossip(a_gossip(seq=5), NOW)
    clock.advance(3)
    assert cluster.apply_gossip(a_gossip(seq=4, state="offline"), clock.now) == []
    (worker,) = cluster.workers()
    assert (worker.state, worker.age) == ("online", 3.0)


def test_a_repeated_gossip_does_not_keep_a_worker_alive(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(seq=1), NOW)
    cluster.apply_gossip(a_gossip(seq=1), NOW + 9)
    assert states(cluster.expire_silent_workers(NOW + 10.1)) == ["suspect", "lost"]


def test_a_restart_replaces_the_worker_at_once_and_counts_from_one_again(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(seq=50, boot=BOOT), NOW)
    assert states(cluster.apply_gossip(a_gossip(seq=1, boot=OTHER_BOOT), NOW)) == ["online"]
    assert [(worker.gossip.boot, worker.gossip.seq) for worker in cluster.workers()] == [(OTHER_BOOT, 1)]


def test_workers_are_listed_by_hostname(cluster: Cluster) -> None:
    for name in ("celery@c", "celery@a", "celery@b"):
        cluster.apply_gossip(a_gossip(hostname=name), NOW)
    assert [worker.gossip.hostname for worker in cluster.workers()] == ["celery@a", "celery@b", "celery@c"]


def test_the_clock_of_a_sender_decides_nothing(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(seq=1, sent_at=9e9), NOW)
    cluster.apply_gossip(a_gossip(seq=2, sent_at=0.0), NOW + 1)
    assert seqs(cluster) == [2]
    assert cluster.expire_silent_workers(NOW + 2) == []


# States.


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "online"),
        ({"stalled_for": 0.1}, "stalled"),
        ({"state": "draining"}, "draining"),
        ({"state": "draining", "stalled_for": 3.0}, "draining"),
        ({"state": "offline"}, "offline"),
        ({"state": "offline", "stalled_for": 3.0}, "offline"),
    ],
)
def test_a_state_is_what_the_worker_says(cluster: Cluster, fields: dict[str, Any], state: str) -> None:
    assert states(cluster.apply_gossip(a_gossip(**fields), NOW)) == [state]
    assert cluster.workers()[0].state == state


def test_a_transition_is_told_once_and_only_when_the_state_changes(cluster: Cluster) -> None:
    told = []
    for seq, fields in enumerate(
        [{}, {}, {"stalled_for": 1.0}, {"stalled_for": 2.0}, {}, {"state": "draining"}, {"state": "offline"}], start=1
    ):
        told.append(states(cluster.apply_gossip(a_gossip(seq=seq, **fields), NOW + seq)))
    assert told == [["online"], [], ["stalled"], [], ["online"], ["draining"], ["offline"]]


def test_a_transition_carries_the_worker_in_its_new_state(cluster: Cluster) -> None:
    (transition,) = cluster.apply_gossip(a_gossip(state="draining"), NOW)
    assert transition.worker.state == "draining" and transition.worker.gossip == a_gossip(state="draining")


@pytest.mark.parametrize(
    ("interval", "silence", "expected"),
    [
        (1.0, 3.5, []),
        (1.0, 3.501, ["suspect"]),
        (1.0, 10.0, ["suspect"]),
        (1.0, 10.001, ["suspect", "lost"]),
        (5.0, 17.4, []),
        (5.0, 17.6, ["suspect"]),
        (5.0, 50.1, ["suspect", "lost"]),
        (0.5, 1.7, []),
        (0.5, 1.8, ["suspect"]),
        (0.5, 5.1, ["suspect", "lost"]),
        (0.01, 0.4, []),
        (0.01, 0.6, ["suspect", "lost"]),
        (60.0, 209.0, []),
        (60.0, 601.0, ["suspect", "lost"]),
    ],
)
def test_silence_is_judged_in_the_workers_own_intervals_and_never_faster_than_half_a_second(
    cluster: Cluster, interval: float, silence: float, expected: list[str]
) -> None:
    cluster.apply_gossip(a_gossip(interval=interval), NOW)
    assert states(cluster.expire_silent_workers(NOW + silence)) == expected


@pytest.mark.parametrize("fields", [{}, {"stalled_for": 1.0}, {"state": "draining"}])
def test_whoever_is_not_gone_is_suspect_and_then_lost(cluster: Cluster, fields: dict[str, Any]) -> None:
    cluster.apply_gossip(a_gossip(**fields), NOW)
    assert states(cluster.expire_silent_workers(NOW + 4)) == ["suspect"]
    assert states(cluster.expire_silent_workers(NOW + 11)) == ["lost"]


def test_the_listeners_own_lag_widens_every_limit(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(), NOW)
    assert cluster.expire_silent_workers(NOW + 5.4, lag=2.0) == []
    assert states(cluster.expire_silent_workers(NOW + 5.6, lag=2.0)) == ["suspect"]
    assert cluster.expire_silent_workers(NOW + 11.9, lag=2.0) == []
    assert states(cluster.expire_silent_workers(NOW + 12.1, lag=2.0)) == ["lost"]


def test_limits_are_options() -> None:
    cluster = Cluster(timeouts=SilenceTimeouts(suspect=2.0, lost=4.0))
    cluster.apply_gossip(a_gossip(), NOW)
    assert states(cluster.expire_silent_workers(NOW + 2.1)) == ["suspect"]
    assert states(cluster.expire_silent_workers(NOW + 4.1)) == ["lost"]


@pytest.mark.parametrize(
    ("suspect", "lost"), [(0, 10), (-1, 10), (float("nan"), 10), (5, 5), (5, float("inf")), ("3", 10)]
)
def test_limits_out_of_place_are_refused_by_name(suspect: Any, lost: Any) -> None:
    with pytest.raises(InvalidOption, match=r"(suspect|lost)_after: expected a number of intervals above"):
        SilenceTimeouts(suspect=suspect, lost=lost)


def test_an_offline_worker_is_never_lost(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(state="offline"), NOW)
    assert cluster.expire_silent_workers(NOW + 100) == []
    assert cluster.workers()[0].state == "offline"


def test_a_loss_is_told_once(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(), NOW)
    assert states(cluster.expire_silent_workers(NOW + 11)) == ["suspect", "lost"]
    assert cluster.expire_silent_workers(NOW + 12) == []


# Isolation.


def test_an_isolated_view_is_frozen(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(), NOW)
    assert cluster.set_isolated(NOW + 1) and not cluster.set_isolated(NOW + 2)
    assert cluster.expire_silent_workers(NOW + 60) == []
    assert (cluster.view().isolated_since, cluster.workers()[0].state) == (NOW + 1, "online")


def test_silence_counts_anew_three_intervals_after_an_isolation(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(), NOW)
    cluster.set_isolated(NOW + 1)
    assert cluster.clear_isolated(NOW + 60) and not cluster.clear_isolated(NOW + 61)
    assert cluster.expire_silent_workers(NOW + 66.4) == []
    assert states(cluster.expire_silent_workers(NOW + 66.6)) == ["suspect"]
    assert cluster.expire_silent_workers(NOW + 72.9) == []
    assert states(cluster.expire_silent_workers(NOW + 73.1)) == ["lost"]


def test_a_late_backlog_is_data_but_no_sign_of_life(cluster: Cluster, clock: FakeClock) -> None:
    cluster.apply_gossip(a_gossip(seq=1), NOW)
    cluster.expire_silent_workers(NOW + 4)
    cluster.set_isolated(NOW + 5)
    assert cluster.apply_gossip(a_gossip(seq=2, active=3), NOW + 6) == []
    clock.advance(6)
    (worker,) = cluster.workers()
    assert (worker.state, worker.gossip.active, worker.age) == ("suspect", 3, 6.0)


def test_a_view_whose_listener_does_not_run_for_more_than_ten_seconds_is_isolated(
    cluster: Cluster, clock: FakeClock
) -> None:
    clock.advance(3600.0)
    assert (cluster.listener_heartbeat_at, cluster.isolated_since) == (None, None), "it was never started"
    cluster.record_listener_heartbeat(clock.now)
    started_at = clock.now
    clock.advance(10.0)
    assert (cluster.listener_heartbeat_at, cluster.isolated_since) == (started_at, None)
    clock.advance(0.125)
    assert cluster.isolated_since == cluster.view().isolated_since == started_at
    cluster.set_isolated(started_at + 5.0)
    assert cluster.isolated_since == started_at + 5.0, "what the listener detected itself has priority"
    cluster.clear_isolated(clock.now)
    cluster.record_listener_heartbeat(clock.now)
    assert cluster.isolated_since is None


@pytest.mark.parametrize(
    ("reported", "asked", "is_same_trust"),
    [
        (True, True, True),
        (False, False, True),
        (None, None, True),
        (None, False, True),
        (False, None, True),
        (True, False, False),
        (True, None, False),
        (False, True, False),
        (None, True, False),
    ],
)
def test_the_highest_number_of_an_instance_is_that_of_reports_with_the_same_trust(
    cluster: Cluster, reported: bool | None, asked: bool | None, is_same_trust: bool
) -> None:
    for seq in (3, 7, 5):
        cluster.apply_gossip(a_gossip(seq=seq), NOW, is_verified=reported)
    assert cluster.highest_seq("celery@web1", BOOT, asked) == ((7, True) if is_same_trust else (0, False))
    assert cluster.highest_seq("celery@web1", OTHER_BOOT, asked) == (0, False)
    assert cluster.highest_seq("celery@unknown", BOOT, asked) == (0, False)


def test_the_highest_number_of_an_evicted_instance_is_known_although_it_is_not_tracked(cluster: Cluster) -> None:
    for n in range(9):
        cluster.apply_gossip(a_gossip(boot=f"{n:016x}", seq=4), NOW + n / 8)
    assert cluster.highest_seq("celery@web1", f"{0:016x}", None) == (4, False)
    assert cluster.highest_seq("celery@web1", f"{8:016x}", None) == (4, True)


# Two workers with one hostname.


def test_a_message_that_was_late_is_no_conflict(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(seq=1, boot=BOOT), NOW)
    cluster.apply_gossip(a_gossip(seq=1, boot=OTHER_BOOT), NOW + 1)
    assert cluster.apply_gossip(a_gossip(seq=2, boot=BOOT), NOW + 2) == []
    assert cluster.workers()[0].gossip.boot == OTHER_BOOT


def test_two_that_speak_on_are_a_conflict_until_one_of_them_falls_silent(cluster: Cluster) -> None:
    told = []
    for second in range(1, 12):
        told += cluster.apply_gossip(a_gossip(seq=second, boot=BOOT), NOW + second)
        told += cluster.apply_gossip(a_gossip(seq=second, boot=OTHER_BOOT), NOW + second + 0.5)
    assert states(told) == ["online", "online", "conflict"]
    (worker,) = cluster.workers()
    assert (worker.state, len(worker.rivals)) == ("conflict", 1)
    for second in range(12, 17):
        told = cluster.apply_gossip(a_gossip(seq=second, boot=BOOT), NOW + second) or told
        told = cluster.expire_silent_workers(NOW + second) or told
    assert states(told) == ["online"]
    assert (cluster.workers()[0].gossip.boot, cluster.workers()[0].rivals) == (BOOT, ())


def test_an_old_start_that_drains_is_shown_beside_the_new_one(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(seq=1, boot=BOOT), NOW)
    cluster.apply_gossip(a_gossip(seq=1, boot=OTHER_BOOT), NOW + 1)
    for second in range(2, 12):
        assert cluster.apply_gossip(a_gossip(seq=second, boot=BOOT, state="draining"), NOW + second) == []
        cluster.apply_gossip(a_gossip(seq=second, boot=OTHER_BOOT), NOW + second)
    (worker,) = cluster.workers()
    assert (worker.state, [gossip.state for gossip in worker.rivals]) == ("online", ["draining"])


def test_tasks_that_a_restart_left_behind_are_told_once_the_old_start_is_silent(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(seq=1, boot=BOOT, active=2), NOW)
    for second in range(1, 6):
        cluster.apply_gossip(a_gossip(seq=second, boot=OTHER_BOOT), NOW + second)
    (worker,) = cluster.workers()
    assert worker.replaced is not None and (worker.replaced.boot, worker.replaced.active) == (BOOT, 2)


def test_a_lost_worker_that_speaks_again_is_online_again(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(seq=1), NOW)
    cluster.expire_silent_workers(NOW + 11)
    assert states(cluster.apply_gossip(a_gossip(seq=2), NOW + 12)) == ["online"]
    assert cluster.expire_silent_workers(NOW + 13) == []


# Limits.


@pytest.mark.parametrize("state", ["offline", "online"])
def test_who_is_gone_is_forgotten_in_the_end(cluster: Cluster, state: str) -> None:
    cluster.apply_gossip(a_gossip(state=state), NOW)
    cluster.expire_silent_workers(NOW + 11)
    cluster.expire_silent_workers(NOW + GONE_RETENTION)
    assert len(cluster.workers()) == 1
    assert cluster.expire_silent_workers(NOW + GONE_RETENTION + 11.1) == []
    assert cluster.workers() == ()


def test_who_is_gone_is_kept_for_ten_minutes_and_no_longer(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(state="offline"), NOW)
    cluster.expire_silent_workers(NOW + 600.0)
    assert len(cluster.workers()) == 1
    cluster.expire_silent_workers(NOW + 600.125)
    assert cluster.workers() == ()


def test_who_comes_back_is_not_forgotten(cluster: Cluster) -> None:
    for host in ("a", "b", "c"):
        cluster.apply_gossip(a_gossip(hostname=host, state="offline"), NOW)
    cluster.apply_gossip(a_gossip(hostname="b", seq=2), NOW + 599.0)
    assert cluster.count_live_workers() == 1
    cluster.expire_silent_workers(NOW + 601.0)
    assert [worker.gossip.hostname for worker in cluster.workers()] == ["b"]


def test_the_bounds_are_those_that_the_documentation_names() -> None:
    assert (MAX_WORKERS, GONE_RETENTION, MAX_WINDOW, SUSPECT_AFTER, LOST_AFTER) == (2000, 600.0, 10_800.0, 3.5, 10.0)


def fill(cluster: Cluster, count: int, **fields: Any) -> None:
    for n in range(count):
        cluster.apply_gossip(a_gossip(hostname=f"worker{n:05d}", **fields), NOW + n / count)


def test_a_live_worker_is_never_dropped_for_an_unknown_one(cluster: Cluster) -> None:
    fill(cluster, MAX_WORKERS)
    assert cluster.apply_gossip(a_gossip(hostname="intruder"), NOW + 1) == []
    hostnames = {worker.gossip.hostname for worker in cluster.workers()}
    assert len(hostnames) == MAX_WORKERS and "intruder" not in hostnames


def test_a_full_view_still_follows_those_it_knows(cluster: Cluster) -> None:
    fill(cluster, MAX_WORKERS)
    assert states(cluster.apply_gossip(a_gossip(hostname="worker00007", seq=2, state="offline"), NOW + 2)) == [
        "offline"
    ]


def test_the_longest_gone_makes_room_for_a_new_worker(cluster: Cluster) -> None:
    fill(cluster, MAX_WORKERS)
    for host, at in (("worker00001", 4.0), ("worker00003", 5.0), ("worker00002", 6.0)):
        cluster.apply_gossip(a_gossip(hostname=host, seq=2, state="offline"), NOW + at)
    assert states(cluster.apply_gossip(a_gossip(hostname="newcomer"), NOW + 7)) == ["online"]
    hostnames = {worker.gossip.hostname for worker in cluster.workers()}
    assert "newcomer" in hostnames and "worker00001" not in hostnames
    assert len(hostnames) == MAX_WORKERS


def test_a_flood_of_unknown_workers_leaves_when_it_falls_silent(cluster: Cluster) -> None:
    fill(cluster, MAX_WORKERS, interval=0.001)
    cluster.expire_silent_workers(NOW + 6.1)
    assert states(cluster.apply_gossip(a_gossip(hostname="newcomer"), NOW + 7)) == ["online"]


# Queues.


def test_a_queue_gathers_what_its_workers_say(cluster: Cluster) -> None:
    for host, active, reserved, scheduled in (("a", 1, 2, 3), ("b", 10, 20, 30)):
        check = a_check("mail", active_count=active, reserved=reserved, scheduled=scheduled)
        cluster.apply_gossip(a_gossip(hostname=host, checks=(check, a_check("other"))), NOW)
    other, mail = sorted(cluster.queues(), key=lambda queue: queue.active)
    assert (mail.queue, mail.workers, mail.active, mail.reserved, mail.scheduled) == ("mail", 2, 11, 22, 33)
    assert (other.queue, other.workers, other.active) == ("other", 2, 0)


@pytest.mark.parametrize(
    ("paused", "expected"),
    [([False], "no"), ([True], "yes"), ([True, False], "partly"), ([True, True], "yes"), ([False, False], "no")],
)
def test_a_queue_is_paused_on_none_some_or_all_of_its_workers(
    cluster: Cluster, paused: list[bool], expected: str
) -> None:
    for n, is_paused in enumerate(paused):
        cluster.apply_gossip(a_gossip(hostname=f"w{n}", checks=(a_check(paused=is_paused),)), NOW)
    (queue,) = cluster.queues()
    assert (queue.paused, queue.workers) == (expected, len(paused))


def test_queues_count_only_workers_that_are_neither_offline_nor_lost(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(hostname="silent", checks=(a_check(active_count=1),)), NOW)
    cluster.apply_gossip(a_gossip(hostname="gone", state="offline", checks=(a_check(active_count=2),)), NOW + 10)
    cluster.apply_gossip(a_gossip(hostname="leaving", state="draining", checks=(a_check(active_count=4),)), NOW + 10)
    cluster.apply_gossip(a_gossip(hostname="stuck", stalled_for=9.0, checks=(a_check(active_count=8),)), NOW + 10)
    cluster.expire_silent_workers(NOW + 11)
    (queue,) = cluster.queues()
    assert (queue.workers, queue.active) == (2, 12)


def test_a_paused_worker_that_is_gone_does_not_pause_a_queue(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(hostname="gone", state="offline", checks=(a_check(paused=True),)), NOW)
    cluster.apply_gossip(a_gossip(hostname="here"), NOW)
    assert cluster.queues()[0].paused == "no"


def test_workers_count_as_live_until_they_are_offline_or_lost(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(hostname="leaving", state="draining", interval=60.0), NOW)
    cluster.apply_gossip(a_gossip(hostname="gone", state="offline"), NOW)
    cluster.apply_gossip(a_gossip(hostname="silent"), NOW)
    assert cluster.count_live_workers() == 2
    cluster.expire_silent_workers(NOW + 4)
    assert cluster.count_live_workers() == 2, "suspect is not lost"
    cluster.expire_silent_workers(NOW + 11)
    assert cluster.count_live_workers() == 1


def test_queue_shares_name_the_queues_of_every_boot_in_the_order_in_which_they_were_heard_of(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(hostname="z", checks=(a_check("mail"), a_check("news"))), NOW)
    cluster.apply_gossip(a_gossip(hostname="a", state="offline", checks=(a_check("orders"), a_check("mail"))), NOW)
    cluster.apply_gossip(a_gossip(hostname="z", boot=OTHER_BOOT, checks=(a_check("bills"),)), NOW + 1)
    cluster.apply_gossip(a_gossip(hostname="z", seq=2, checks=(a_check("news"),)), NOW + 2)
    assert cluster.queue_shares() == [QueueShare("z", ("bills", "news")), QueueShare("a", ("orders", "mail"))]


def test_queue_shares_leave_out_what_is_a_broadcast_queue_there(cluster: Cluster) -> None:
    news, mail = a_check("news", broadcast=True), a_check("mail", broadcast=True)
    cluster.apply_gossip(a_gossip(hostname="a", checks=(a_check("orders"), news, mail)), NOW)
    cluster.apply_gossip(a_gossip(hostname="b", checks=(a_check("mail"), news)), NOW)
    assert cluster.queue_shares() == [QueueShare("a", ("orders",)), QueueShare("b", ("mail",))]


def test_queue_shares_are_the_names_of_each_worker_and_whether_its_signature_is_right(cluster: Cluster) -> None:
    cluster.apply_gossip(
        a_gossip(hostname="celery@a", checks=(a_check("mail"), a_check("news"))), 1000.0, is_verified=True
    )
    cluster.apply_gossip(a_gossip(hostname="celery@b", checks=(a_check("mail"),)), 1000.0, is_verified=False)
    for _ in range(2):
        assert cluster.queue_shares() == [
            QueueShare("celery@a", ("mail", "news"), is_trusted=True),
            QueueShare("celery@b", ("mail",)),
        ]
    first = cluster.queue_shares()[0]
    checks = (a_check("mail", active_count=1), a_check("news"))
    cluster.apply_gossip(a_gossip(hostname="celery@a", seq=2, checks=checks), 1000.5, is_verified=True)
    assert cluster.queue_shares()[0] is first, "nothing in it has changed"
    cluster.apply_gossip(a_gossip(hostname="celery@b", seq=2, checks=(a_check("bills"),)), 1001.0, is_verified=True)
    assert cluster.queue_shares()[1] == QueueShare("celery@b", ("bills",), is_trusted=True)
    cluster.reset()
    assert cluster.queue_shares() == []


def test_a_backlog_is_told_for_ten_seconds_and_its_queue_though_nobody_serves_it(
    cluster: Cluster, clock: FakeClock
) -> None:
    cluster.apply_gossip(a_gossip(), NOW)
    cluster.set_queue_lengths({"default": 7, "orphaned": 3, "unknown": None}, NOW)
    for seconds in (0.0, 5.0, 5.0):
        clock.advance(seconds)
        assert [(queue.queue, queue.backlog) for queue in cluster.queues()] == [("default", 7), ("orphaned", 3)]
    clock.advance(0.125)
    assert [(queue.queue, queue.backlog) for queue in cluster.queues()] == [("default", None)]


def test_backlogs_are_those_read_in_the_last_ten_seconds_of_queues_in_no_view_as_well(
    cluster: Cluster, clock: FakeClock
) -> None:
    cluster.set_queue_lengths({"mail": 7, "empty": 0, "unknown": None}, NOW)
    clock.advance(10.0)
    assert cluster.backlogs() == {"mail": 7, "empty": 0, "unknown": None}
    clock.advance(0.125)
    assert cluster.backlogs() == {}


def test_backlogs_that_are_not_read_any_more_are_forgotten_and_the_others_stay(
    cluster: Cluster, clock: FakeClock
) -> None:
    cluster.set_queue_lengths({"old": 1}, NOW)
    cluster.set_queue_lengths({"young": 2}, NOW + 5)
    cluster.set_queue_lengths({}, NOW + 10)
    assert cluster._queue_lengths.keys() == {"old", "young"}
    cluster.set_queue_lengths({"young": 4}, NOW + 10.125)
    assert cluster._queue_lengths == {"young": (4, NOW + 10.125)}


def test_queues_are_listed_by_name(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(checks=(a_check("b"), a_check("a"), a_check("c"))), NOW)
    assert [queue.queue for queue in cluster.queues()] == ["a", "b", "c"]


def test_a_view_of_nobody_is_empty(cluster: Cluster) -> None:
    assert (cluster.workers(), cluster.queues(), cluster.expire_silent_workers(NOW)) == ((), (), [])


# Snapshots.


def test_a_snapshot_says_how_old_it_is(cluster: Cluster, clock: FakeClock) -> None:
    cluster.apply_gossip(a_gossip(), NOW)
    clock.advance(2.5)
    assert cluster.workers()[0].age == 2.5


def test_a_snapshot_does_not_change_when_the_view_does(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(seq=1), NOW)
    workers, queues = cluster.workers(), cluster.queues()
    cluster.apply_gossip(a_gossip(seq=2, state="offline", checks=(a_check("new"),)), NOW + 1)
    assert [worker.state for worker in workers] == ["online"]
    assert [queue.queue for queue in queues] == ["default"]


@pytest.mark.parametrize("field", ["state", "age", "gossip"])
def test_a_snapshot_cannot_be_changed(cluster: Cluster, field: str) -> None:
    cluster.apply_gossip(a_gossip(), NOW)
    with pytest.raises(AttributeError, match="immutable"):
        setattr(cluster.workers()[0], field, None)
    assert isinstance(cluster.workers(), tuple) and isinstance(cluster.queues(), tuple)


def test_snapshots_may_be_read_on_one_thread_while_another_changes_the_view(cluster: Cluster) -> None:
    is_over = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not is_over.is_set():
                for worker in cluster.workers():
                    assert worker.gossip.active == worker.gossip.seq, "a torn snapshot"
                cluster.queues()
        except BaseException as exc:
            failures.append(exc)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n in range(2000):
        gossip = a_gossip(hostname=f"w{n % 50}", boot=f"{n % 100:016x}", seq=n + 1, active=n + 1, interval=0.5)
        cluster.apply_gossip(gossip, NOW + n)
        cluster.expire_silent_workers(NOW + n)
    is_over.set()
    for reader in readers:
        reader.join(10)
    assert failures == []


HOSTS = st.sampled_from(["a", "b", "c", "d", "e"])


TOLD = ("online", "stalled", "draining", "offline")
#: `{state: states that may follow}`, of the same instance.
LEGAL = {
    "online": {"stalled", "draining", "offline", "suspect", "conflict"},
    "stalled": {"online", "draining", "offline", "suspect", "conflict"},
    "draining": {"online", "stalled", "offline", "suspect", "conflict"},
    "conflict": {"online", "stalled", "draining", "offline", "suspect"},
    "suspect": {*TOLD, "lost", "conflict"},
    "lost": {*TOLD, "conflict"},
    "offline": {"online", "stalled", "draining", "suspect", "conflict"},
}


def test_a_farewell_that_was_none_does_not_make_a_worker_suspect_without_grace(
    cluster: Cluster, clock: FakeClock
) -> None:
    cluster.apply_gossip(a_gossip(state="offline"), clock.now)
    clock.advance(30.0)
    cluster.expire_silent_workers(clock.now)
    cluster.set_isolated(clock.now)
    cluster.apply_gossip(a_gossip(seq=2), clock.now)
    cluster.clear_isolated(clock.now)
    clock.advance(0.3)
    assert states(cluster.expire_silent_workers(clock.now)) == []


class ViewOfAFleet(RuleBasedStateMachine):
    """For any reports in any order, every transition is legal, and timeouts depend on the reports alone."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock(NOW)
        self.most = membership.MAX_WORKERS
        membership.MAX_WORKERS = 4  # type: ignore[misc]
        self.cluster = Cluster(self.clock)
        self.told: dict[str, tuple[str, str]] = {}  # by hostname: the instance and its state
        self.heard: dict[tuple[str, str], tuple[int, float, float]] = {}  # by instance: seq, time, interval
        self.is_isolated = False
        self.healed_at = float("-inf")

    def teardown(self) -> None:
        membership.MAX_WORKERS = self.most  # type: ignore[misc]

    def note(self, transitions: list[Transition]) -> None:
        for transition in transitions:
            gossip = transition.worker.gossip
            boot, state = self.told.get(gossip.hostname, (gossip.boot, ""))
            if state and boot == gossip.boot:
                assert transition.state in LEGAL[state], f"{state} to {transition.state}"
            self.told[gossip.hostname] = (gossip.boot, transition.state)

    @rule(
        host=HOSTS,
        seq=st.integers(1, 30),
        state=st.sampled_from(["online", "online", "draining", "offline"]),
        stalled_for=st.sampled_from([0.0, 2.0]),
        interval=st.sampled_from([0.1, 1.0, 5.0]),
    )
    def hear(self, host: str, seq: int, state: str, stalled_for: float, interval: float) -> None:
        boot = BOOT  # the simulation tests several instances of a hostname
        gossip = a_gossip(hostname=host, boot=boot, seq=seq, state=state, stalled_for=stalled_for, interval=interval)
        before = {view.gossip.hostname: view for view in self.cluster.workers()}
        transitions = self.cluster.apply_gossip(gossip, self.clock.now)
        after = {view.gossip.hostname: view for view in self.cluster.workers()}
        assert {name for name, view in before.items() if not view.is_gone} <= set(after), "a live worker was dropped"
        for name in set(before) - set(after):
            del self.told[name]
            self.heard = {key: value for key, value in self.heard.items() if key[0] != name}
        known = self.heard.get((host, boot))
        if host in after and (known is None or seq > known[0]):
            is_late = self.is_isolated and known is not None
            self.heard[host, boot] = (seq, known[1] if is_late and known else self.clock.now, interval)
        elif host not in after:
            assert len(after) == 4, "a worker was refused though there was room"
        self.note(transitions)

    @rule(seconds=st.sampled_from([0.3, 1.0, 2.0, 6.0, 30.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        transitions = self.cluster.expire_silent_workers(self.clock.now)
        assert not (self.is_isolated and transitions), "an isolated view is frozen"
        for transition in transitions:
            _, at, interval = self.heard[transition.worker.gossip.hostname, transition.worker.gossip.boot]
            counted_from = max(at, self.healed_at + max(3.0, 3 * interval))
            limit = {"suspect": 3.5, "lost": 10.0}[transition.state] * interval
            assert self.clock.now - counted_from > max(0.5, limit), f"called {transition.state} too soon"
        self.note(transitions)
        present = {view.gossip.hostname for view in self.cluster.workers()}
        for name in set(self.told) - present:
            assert self.told.pop(name)[1] in ("offline", "lost"), "a live worker was forgotten"
            self.heard = {key: value for key, value in self.heard.items() if key[0] != name}

    @rule()
    def isolate(self) -> None:
        self.cluster.set_isolated(self.clock.now)
        self.is_isolated = True

    @rule()
    def heal(self) -> None:
        if self.cluster.clear_isolated(self.clock.now):
            self.healed_at = self.clock.now
        self.is_isolated = False

    @invariant()
    def agrees(self) -> None:
        views = self.cluster.workers()
        assert len(views) <= 4
        assert {view.gossip.hostname: (view.gossip.boot, view.state) for view in views} == self.told
        for view in views:
            seq, at, _ = self.heard[view.gossip.hostname, view.gossip.boot]
            assert view.gossip.seq == seq and view.age == pytest.approx(self.clock.now - at)


TestViewOfAFleet = ViewOfAFleet.TestCase


# Statistics.


def counted(succeeded: int, age: float, task: str = "send") -> TaskSeries:
    return TaskSeries(queue="mail", task=task, age=age, succeeded=succeeded)


def test_throughput_is_told_by_queue_task_and_worker(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    for second in range(1, 71):
        clock.advance(1.0)
        series = (counted(2 * second, second), counted(second, second, task="file"))
        cluster.apply_gossip(a_gossip(seq=second, series=series), clock.now)
    assert cluster.throughput("queue", 10.0)["mail"].succeeded == pytest.approx(30, abs=3)
    assert cluster.throughput("worker", 10.0).keys() == {"celery@web1"}
    by_task = cluster.throughput("task", 10.0)
    assert by_task["send"].succeeded == 2 * by_task["file"].succeeded
    pace = cluster.throughput("queue", 60.0)["mail"]
    assert pace.per_second(pace.ended) == pytest.approx(3.0, rel=0.05)


def test_a_rate_is_right_from_the_second_word_on(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    clock.advance(0.5)
    cluster.apply_gossip(a_gossip(seq=500, series=(counted(5000, age=500.0),)), clock.now)
    clock.advance(1.0)
    cluster.apply_gossip(a_gossip(seq=501, series=(counted(5010, age=501.0),)), clock.now)
    clock.advance(0.7)
    pace = cluster.throughput("queue", 60.0)["mail"]
    assert (pace.succeeded, pace.seconds) == (10, pytest.approx(1.0))


def test_a_series_is_told_step_by_step(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    for second, succeeded in ((1, 4), (2, 4), (3, 9)):
        clock.advance(1.0)
        cluster.apply_gossip(a_gossip(seq=second, series=(counted(succeeded, second),)), clock.now)
    steps = cluster.series("queue", "mail", 60.0)
    assert [(step.since - NOW, step.succeeded) for step in steps] == [(1.0, 4), (3.0, 5)]


def test_steps_of_a_series_are_alike_where_the_finest_is_named(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    for second in range(1, 301):
        clock.advance(1.0)
        cluster.apply_gossip(a_gossip(seq=second, series=(counted(second, second),)), clock.now)
    steps = cluster.series("queue", "mail", 600.0, least=10.0)
    assert [step.since - NOW for step in steps] == [10.0 * number for number in range(31)]
    assert [step.succeeded for step in steps] == [9, *[10] * 29, 1]
    assert [step.seconds for step in steps] == [*[10.0] * 30, 0.0]
    steps = cluster.series("queue", "mail", 10_800.0, least=60.0)
    assert {step.since % 60 for step in steps} == {0.0}
    assert sum(step.succeeded for step in steps) == 300
    assert len(cluster.series("queue", "mail", 120.0, least=2.0)) == 60


def test_steps_that_are_told_together_leave_those_that_are_kept_as_they_were(
    cluster: Cluster, clock: FakeClock
) -> None:
    cluster.statistics.start(clock.now)
    for second in (1, 2, 3):
        clock.advance(1.0)
        cluster.apply_gossip(a_gossip(seq=second, series=(counted(second, second),)), clock.now)
        for _ in range(2):
            assert sum(step.succeeded for step in cluster.series("queue", "mail", least=10.0)) == second
    assert [step.succeeded for step in cluster.series("queue", "mail")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("least", "window"), [(0.0, 120.0), (-1.0, 120.0), (7.0, 120.0), (120.0, 600.0), (10.0, 9.0), (2.0, 1.5)]
)
def test_steps_that_go_into_nothing_evenly_are_refused(cluster: Cluster, least: float, window: float) -> None:
    with pytest.raises(
        ValueError, match=r"least: expected one of \(1, 2, 5, 10, 20, 30, 60\), and no more seconds than"
    ):
        cluster.series("queue", "mail", window, least=least)


def test_the_first_step_has_the_seconds_in_which_somebody_listened(cluster: Cluster, clock: FakeClock) -> None:
    clock.advance(53.0 - NOW % 60)
    cluster.statistics.start(clock.now)
    for second in range(1, 6):
        clock.advance(1.0)
        cluster.apply_gossip(a_gossip(seq=second, series=(counted(10 * second, second),)), clock.now)
    (step,) = cluster.series("queue", "mail", 10_800.0, least=60.0)
    assert (step.succeeded, step.seconds) == (50, 5.0)


def test_totals_grow_over_restarts_and_go_with_their_worker(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    clock.advance(5.0)
    cluster.apply_gossip(a_gossip(series=(counted(4, age=1.0),)), clock.now)
    cluster.apply_gossip(a_gossip(boot=OTHER_BOOT, series=(counted(2, age=1.0),)), clock.now)
    assert cluster.totals()["celery@web1", "mail", "send"].succeeded == 6
    cluster.apply_gossip(a_gossip(boot=OTHER_BOOT, seq=2, state="offline"), clock.now)
    cluster.expire_silent_workers(clock.now + GONE_RETENTION + 1.0)
    assert cluster.totals() == {}
    assert cluster.statistics.fleet_totals()["mail", "send"].succeeded == 6


def test_only_the_first_beginning_counts(cluster: Cluster, clock: FakeClock) -> None:
    assert cluster.totals() == {}
    cluster.statistics.start(clock.now)
    clock.advance(100.0)
    cluster.statistics.start(clock.now)
    cluster.apply_gossip(a_gossip(series=(counted(4, age=50.0),)), clock.now)
    clock.advance(20.0)
    (total,) = cluster.totals().values()
    (fleet_total,) = cluster.statistics.fleet_totals().values()
    assert (total.succeeded, total.seconds) == (fleet_total.succeeded, fleet_total.seconds) == (4, 120.0)


def test_who_never_began_begins_with_the_first_word(cluster: Cluster, clock: FakeClock) -> None:
    cluster.apply_gossip(a_gossip(series=(counted(4, age=50.0),)), clock.now)
    clock.advance(2.0)
    cluster.apply_gossip(a_gossip(seq=2, series=(counted(6, age=52.0),)), clock.now)
    (total,) = cluster.totals().values()
    assert (total.succeeded, total.seconds) == (2, 2.0)


def test_figures_that_are_too_many_are_counted(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.cluster.counters.MAX_SERIES", 1)
    cluster.statistics.start(NOW)
    assert cluster.statistics.dropped_series == 0
    cluster.apply_gossip(a_gossip(series=(counted(1, age=0.0), counted(1, age=0.0, task="file"))), NOW)
    assert cluster.statistics.dropped_series == 1


@pytest.mark.parametrize(
    ("heard", "window", "seconds"), [(9.0, 60.0, 9.0), (10.0, 60.0, 10.0), (80.0, 60.0, 59.5), (8.0, 3.0, 2.5)]
)
def test_the_seconds_of_a_rate_are_those_that_were_heard_and_no_more_than_the_window(
    cluster: Cluster, clock: FakeClock, heard: float, window: float, seconds: float
) -> None:
    clock.advance(0.5)
    cluster.statistics.start(clock.now)
    for second in range(int(heard) + 1):
        cluster.apply_gossip(a_gossip(seq=1 + second, series=(counted(second, age=second),)), clock.now + second)
    clock.advance(heard)
    assert cluster.throughput("queue", window)["mail"].seconds == seconds


def test_a_worker_that_joins_later_does_not_shorten_the_seconds_of_a_rate(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    for second in range(80):
        clock.advance(1.0)
        cluster.apply_gossip(a_gossip(seq=1 + second, series=(counted(1 + second, age=second),)), clock.now)
        if second >= 75:
            cluster.apply_gossip(a_gossip(hostname="late", seq=second), clock.now)
    assert cluster.throughput("queue", 60.0)["mail"].seconds == 59.0


@pytest.mark.parametrize("window", [1e-9, 10_800.0])
def test_a_window_within_its_bounds_is_taken(cluster: Cluster, window: float) -> None:
    assert cluster.throughput("queue", window) == {} and cluster.series("queue", "mail", window) == ()


def test_a_step_that_is_not_over_has_the_seconds_that_have_passed(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    cluster.apply_gossip(a_gossip(series=(counted(4, age=0.0),)), clock.now)
    assert [(step.seconds, step.since) for step in cluster.series("queue", "mail")] == [(0.0, NOW)]
    clock.advance(0.25)
    assert [(step.seconds, step.since) for step in cluster.series("queue", "mail")] == [(0.25, NOW)]
    clock.advance(5.0)
    assert [(step.seconds, step.since) for step in cluster.series("queue", "mail")] == [(1.0, NOW)]


def test_steps_of_the_latest_two_minutes_are_told_where_no_window_is_named(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    cluster.apply_gossip(a_gossip(series=(counted(4, age=0.0),)), clock.now)
    clock.advance(119.0)
    assert len(cluster.series("queue", "mail")) == 1
    clock.advance(2.0)
    assert cluster.series("queue", "mail") == ()


def test_the_latest_minute_and_two_are_told_where_no_window_is_named(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    for second in range(200):
        cluster.apply_gossip(a_gossip(seq=1 + second, series=(counted(1 + second, age=second),)), clock.now)
        clock.advance(1.0)
    assert cluster.throughput()["mail"] == cluster.throughput("queue", 60.0)["mail"]
    assert cluster.throughput()["mail"].seconds == 59.0, "without the bucket that is half in it"
    assert cluster.counts() == cluster.counts("worker", 60.0) and cluster.counts()["celery@web1"].seconds == 59.0
    assert len(cluster.series("queue", "mail")) == len(cluster.series("queue", "mail", 120.0)) == 119
    statistics = cluster.statistics
    assert (statistics.throughput(), statistics.counts()) == (cluster.throughput(), cluster.counts())
    assert statistics.series("queue", "mail") == cluster.series("queue", "mail")


def test_where_nothing_was_before_a_trend_says_so(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    clock.advance(600.0)
    cluster.apply_gossip(a_gossip(series=(counted(4, age=0.0),)), clock.now)
    clock.advance(20.0)
    windows = cluster.statistics.windows_by_queue()["mail"]
    assert (windows.last_15_seconds.seconds, windows.previous_ten_minutes.seconds) == (0.0, 0.0)
    assert windows.last_minute.succeeded == 4


def test_trust_is_told_by_hostname(cluster: Cluster) -> None:
    cluster.apply_gossip(a_gossip(hostname="signs"), NOW, is_verified=True)
    cluster.apply_gossip(a_gossip(hostname="does not"), NOW, is_verified=False)
    cluster.apply_gossip(a_gossip(hostname="unknown"), NOW)
    told = {name: cluster.is_verified(name) for name in ("signs", "does not", "unknown", "nobody")}
    assert told == {"signs": True, "does not": False, "unknown": None, "nobody": None}


def test_an_older_gossip_does_not_count(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    cluster.apply_gossip(a_gossip(seq=2, series=(counted(4, age=0.0),)), clock.now)
    cluster.apply_gossip(a_gossip(seq=1, series=(counted(9, age=0.0),)), clock.now)
    assert cluster.totals()["celery@web1", "mail", "send"].succeeded == 4


@pytest.mark.parametrize(
    ("by", "window", "told"),
    [
        ("colour", 60.0, "by: expected one of queue, task, worker, fleet, got 'colour'"),
        ("queue", 0.0, "window: expected seconds above 0 and at most 10800, got 0.0"),
        ("queue", -1.0, "window: expected seconds above 0 and at most 10800, got -1.0"),
        ("queue", float("nan"), "window: expected seconds above 0 and at most 10800, got nan"),
        ("queue", 1e9, "window: expected seconds above 0 and at most 10800, got 1000000000.0"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(cluster: Cluster, by: str, window: float, told: str) -> None:
    for ask in (lambda: cluster.throughput(by, window), lambda: cluster.series(by, "mail", window)):
        with pytest.raises(ValueError) as refused:
            ask()
        assert str(refused.value) == told


def test_trends_compare_the_last_minute_with_what_was_before(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(clock.now)
    for second in range(1, 301):
        clock.advance(1.0)
        failed = {"KeyError": max(0, second - 240)}
        series = TaskSeries(queue="mail", task="send", age=second, succeeded=second, failed=failed)
        cluster.apply_gossip(a_gossip(seq=second, series=(series,)), clock.now)
    windows = cluster.statistics.windows_by_queue()["mail"]
    latest, recent, previous = windows.last_15_seconds, windows.last_minute, windows.previous_ten_minutes
    assert previous.failed == 0 and previous.succeeded > 200
    assert (latest.since, latest.seconds) == (NOW + 286, 14.0), "15 s without the bucket that is half in it"
    assert (recent.since, recent.seconds) == (NOW + 241, 59.0)
    assert (previous.since, previous.seconds) == (NOW - 340, 580.0), "the same for 11 minutes with buckets of a minute"
    assert recent.failure_rate == pytest.approx(0.5, abs=0.02)
    assert 14 <= latest.succeeded <= 16


def test_counts_are_those_of_the_throughput(cluster: Cluster, clock: FakeClock) -> None:
    for seq in range(1, 100):
        clock.now = NOW + seq
        for name in ("a", "b"):
            series = (
                a_series(age=float(seq), received=3 * seq, started=2 * seq, succeeded=seq, failed={"KeyError": seq}),
            )
            cluster.apply_gossip(a_gossip(hostname=name, seq=seq, series=series), clock.now)
    for by in ("queue", "task", "worker", "fleet"):
        whole = cluster.throughput(by, 30.0)
        counted = cluster.counts(by, 30.0)
        assert counted.keys() == whole.keys() and whole
        for name, told in whole.items():
            assert counted[name] == dataclasses.replace(told, failures={}, runtime=Distribution(), wait=Distribution())


def test_the_fleet_is_the_sum_of_its_workers(cluster: Cluster, clock: FakeClock) -> None:
    cluster.statistics.start(NOW)
    for seq in range(1, 5):
        for name in ("a", "b"):
            series = (a_series(age=float(seq), received=3 * seq, succeeded=seq),)
            cluster.apply_gossip(a_gossip(hostname=name, seq=seq, series=series), NOW + seq)
    clock.now = NOW + 5
    (fleet,) = cluster.throughput("fleet").values()
    workers = cluster.throughput("worker").values()
    assert (fleet.received, fleet.succeeded) == (sum(w.received for w in workers), sum(w.succeeded for w in workers))
    assert [step.succeeded for step in cluster.series("fleet", "")] == [2, 2, 2, 2]
