"""The balance of a cluster: what was sent, received and waits, and when it is unknown."""

from typing import Any

import pytest

from celery_gossip.cluster.balance import BalanceTracker
from celery_gossip.cluster.queue_balance import QueueBalance, TaskBalance
from celery_gossip.wire.messages import Echo, SentCount, SentReport
from tests.incidents.fleet import Fleet


def a_counted_fleet(rate: float = 4.0, **options: Any) -> Fleet:
    fleet = Fleet()
    fleet.add("w1", **options), fleet.add("w2", **options)
    fleet.add_sender()
    fleet.traffic(rate)
    return fleet


def the_row(fleet: Fleet, queue: str = "mail") -> QueueBalance:
    return next(row for row in fleet.cluster.balance() if row.queue == queue)


def test_without_a_process_that_counts_there_is_no_balance() -> None:
    fleet = Fleet()
    fleet.add("w1")
    fleet.traffic(3.0)
    fleet.run(60)
    assert fleet.cluster.balance() == () and fleet.cluster.sent_totals() == {}


def test_sent_is_received_and_what_waits_and_nothing_is_missing() -> None:
    fleet = a_counted_fleet()
    fleet.run(200)
    row = the_row(fleet)
    assert (row.missing, row.reason, row.is_route, row.is_missing_queue) == (0, "", False, False)
    assert 780 <= row.sent <= row.received + 10 <= 810 and row.waiting == 0 and row.window > 100
    assert row.tasks == {"shop.pack": TaskBalance(row.sent, row.received)}
    assert fleet.cluster.sent_totals() == {("mail", "shop.pack"): row.sent}


def test_received_tasks_are_counted_from_the_start_of_the_listener() -> None:
    fleet = Fleet()
    fleet.add("w1")
    fleet.send(count=30)
    fleet.run(30)
    fleet.add_sender()
    fleet.send(count=1)
    fleet.run(15)
    assert (the_row(fleet).sent, the_row(fleet).received) == (1, 31)


@pytest.mark.parametrize(
    "happens, reason",
    [
        (lambda fleet: fleet.unreadable.update(mail="refused"), "the number of waiting messages is unknown"),
        (lambda fleet: setattr(fleet.workers[0], "batched", 2), "in batches"),
        (lambda fleet: setattr(fleet.workers[0], "prefetch", 0), "is not limited"),
        (lambda fleet: setattr(fleet.workers[0], "is_reporting", False), "is suspect"),
        (lambda fleet: fleet.workers[0].kill(), "w1"),
        (lambda fleet: fleet.add("w3", interval=60.0), "reports too rarely"),
        (lambda fleet: setattr(fleet.workers[0], "broadcast", True), "a queue of its own"),
        (lambda fleet: fleet.isolate(), "isolated"),
    ],
)
def test_the_balance_is_unknown_with_the_reason(happens: Any, reason: str) -> None:
    fleet = a_counted_fleet()
    fleet.run(150)
    assert the_row(fleet).missing == 0
    happens(fleet)
    reasons = set()
    for _ in range(80):
        fleet.run(1)
        row = the_row(fleet)
        assert row.missing is None or not row.reason
        reasons.add(row.reason)
    assert any(reason in one for one in reasons)


@pytest.mark.parametrize("queue", ["mail", "", "other"])
def test_counts_from_before_the_listener_make_the_balance_of_their_queue_unknown(queue: str) -> None:
    fleet = a_counted_fleet()
    fleet.run(150)
    fleet.cluster._balance.note_baseline(queue, fleet.clock.now)
    assert the_row(fleet).missing is None and "only now" in the_row(fleet).reason
    fleet.cluster._balance.note_baseline("slow", fleet.clock.now)
    fleet.run(100)
    fleet.cluster._balance.note_baseline("slow", fleet.clock.now)
    assert the_row(fleet).missing == 0


def test_what_the_listener_leaves_out_makes_the_balance_unknown() -> None:
    fleet = a_counted_fleet()
    fleet.run(150)
    fleet.cluster.statistics._counters.dropped += 1
    fleet.run(1)
    assert the_row(fleet).missing is None and "left out" in the_row(fleet).reason


def test_a_lost_worker_leaves_the_balance_unknown_while_it_may_still_run() -> None:
    fleet = a_counted_fleet()
    fleet.run(150)
    fleet.workers[0].is_reporting = False  # and it goes on to receive
    fleet.run(400)
    assert the_row(fleet).missing is None and "may run" in the_row(fleet).reason
    assert not [event for event in fleet.events if event.finding.kind == "sent_into_the_void"]


def test_a_worker_that_does_not_count_its_tasks_leaves_the_balance_unknown() -> None:
    fleet = a_counted_fleet()
    fleet.run(60)
    fleet.add("w3").processed = 5
    fleet.workers[-1].is_consuming = False
    fleet.run(60)
    assert "does not count" in the_row(fleet).reason


def test_undecodable_messages_and_unknown_queues_are_no_missing_tasks() -> None:
    fleet = a_counted_fleet(rate=0.0)
    fleet.vanishing["mail"] = 1.0
    fleet.traffic(2.0)
    for worker in fleet.workers:
        worker.meter.get_series("", "shop.pack").count_received()
    fleet.run(100)
    for _ in range(1000):
        fleet.workers[0].meter.get_series("", "shop.pack").count_received()
    fleet.run(200)
    assert the_row(fleet).missing == 0


def test_the_missing_tasks_are_never_more_than_have_vanished() -> None:
    fleet = a_counted_fleet(rate=20.0)
    fleet.run(150)
    fleet.vanishing["mail"] = 0.3
    fleet.run(240)
    missing = the_row(fleet).missing
    assert missing is not None and 200 < missing <= 0.35 * 20 * 240


def missing_while(fleet: Fleet, seconds: int) -> int:
    """Return the most tasks that were found missing."""
    most = 0
    for _ in range(seconds):
        fleet.run(1)
        most = max([most, *(row.missing or 0 for row in fleet.cluster.balance())])
    return most


def test_tasks_of_lost_reports_are_not_taken_for_recent_ones() -> None:
    fleet = a_counted_fleet(rate=20.0, prefetch=1)
    fleet.run(120)
    fleet.senders[0].is_reporting = False
    fleet.run(60)
    fleet.restart_listener()
    fleet.add_sender().count("mail", "shop.pack")  # another process keeps the balance going
    fleet.run(60)
    fleet.senders[0].is_reporting = True
    assert missing_while(fleet, 120) == 0


def test_workers_may_report_late_and_rarely() -> None:
    fleet = a_counted_fleet(rate=20.0, prefetch=1, interval=10.0)
    for worker in fleet.workers:
        worker.delay = 3.0
    fleet.run(200)
    fleet.send(count=400)
    assert missing_while(fleet, 300) == 0
    assert the_row(fleet).missing == 0


def test_counts_that_a_new_listener_has_not_seen_are_not_missing() -> None:
    """Each worker has counts of many names; a listener that started later cannot know their first increase."""
    fleet = Fleet()
    for number in range(4):
        fleet.add(f"w{number}", prefetch=1)
    fleet.add_sender()
    for _ in range(8):
        for number in range(60):
            fleet.send(name=f"task{number}")
        fleet.run(5)
    fleet.restart_listener()
    fleet.run(30)
    most = 0
    for number in range(60):
        fleet.send(name=f"task{number}", count=2)
        most = max(most, missing_while(fleet, 3))
    assert max(most, missing_while(fleet, 60)) == 0


def test_what_a_killed_worker_received_before_it_could_report_is_not_missing() -> None:
    fleet = a_counted_fleet(rate=30.0, prefetch=1, concurrency=16)
    fleet.run(120)
    fleet.workers[0].is_reporting = False
    fleet.run(9)
    fleet.workers[0].kill()
    fleet.add("w1", prefetch=1)
    assert missing_while(fleet, 200) == 0


def test_messages_in_the_socket_of_a_busy_worker_are_not_missing() -> None:
    fleet = a_counted_fleet(rate=0.0, prefetch=16)
    fleet.run(60)
    fleet.vanishing["mail"] = 1.0  # 30 messages are delivered to two workers that do not read them
    for _ in range(30):
        fleet.send()
        fleet.run(4)
    assert missing_while(fleet, 60) == 0
    fleet.traffic(1.0)
    assert missing_while(fleet, 120) > 0


def test_unsigned_or_isolated_reports_are_not_counted() -> None:
    fleet = a_counted_fleet()
    fleet.run(60)
    fleet.isolate()
    before = the_row(fleet).sent
    fleet.run(30)
    assert the_row(fleet).sent == before


def test_the_queues_that_tasks_are_sent_to_are_read() -> None:
    fleet = a_counted_fleet()
    fleet.missing.add("lost")
    fleet.send("lost", 3)
    fleet.run(15)
    shares = {share.owner: share.queues for share in fleet.cluster.queue_shares()}
    assert set(shares["\0sent"]) == {"mail", "lost"}
    assert fleet.cluster.queue_shares()[-1] is fleet.cluster.queue_shares()[-1]


def test_a_queue_that_tasks_are_sent_to_takes_the_place_of_another() -> None:
    tracker = BalanceTracker()
    tracker.start((f"q{number}", "shop.pack", 5, 5) for number in range(1000))
    report = SentReport(app="x", period=0.0, names=("mail", "shop.pack"), counts=(SentCount(0, 1, 3, 3, 0.0),))
    tracker.add_sent(Echo(echo="0" * 16, number=1, sent=report), report, 10.0, 0.0)
    assert tracker.queue_names() == ("mail",) and len(tracker._entries) == 1000


def test_a_hostile_process_cannot_fill_the_memory() -> None:
    tracker = BalanceTracker()
    tracker.start(())
    for number in range(400):
        names = tuple(f"{kind}{number}-{at}" for at in range(50) for kind in ("q", "t"))
        counts = tuple(SentCount(2 * at, 2 * at + 1, 2**53, 2**53, 0.0) for at in range(50))
        report = SentReport(app="x", period=0.0, names=names, counts=counts)
        echo = Echo(echo=f"{number:016x}", number=1, sent=report)
        tracker.add_sent(echo, report, 10.0, 0.0)
    assert len(tracker.sent_totals()) <= 10_001
    assert len(tracker._entries) == 1000
    assert sum(len(entry.tasks) for entry in tracker._entries.values()) <= 10_000
