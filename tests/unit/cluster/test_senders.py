"""Increments of the counts of processes that send tasks: never too high, whatever is lost, repeated or forged."""

import pytest

from celery_gossip.cluster import senders
from celery_gossip.cluster.senders import SenderTracker, SentIncrease
from celery_gossip.wire.messages import Echo, SentCount, SentReport

ID = "0123456789abcdef"


def a_report(*counts: SentCount, period: float = 10.0, is_last: bool = False) -> SentReport:
    return SentReport(
        app="shop", period=period, names=("mail", "shop.pack", "shop.wrap"), counts=counts, is_last=is_last
    )


def a_count(count: int, recent: int | None = None, age: float = 5.0, task: int = 1) -> SentCount:
    return SentCount(0, task, count, count if recent is None else recent, age)


class Tracker(SenderTracker):
    """One that has listened since 1000.0, at 1100.0."""

    def add(self, number: int, *counts: SentCount, sender: str = ID, **fields: object) -> list[SentIncrease]:
        report = a_report(*counts, **fields)  # type: ignore[arg-type]
        return list(self.increases(Echo(echo=sender, number=number, sent=report), report, 1100.0, 1000.0))

    def sent(self, number: int, *counts: SentCount, **fields: object) -> int:
        return sum(one.sent for one in self.add(number, *counts, **fields))  # type: ignore[arg-type]


def test_a_process_that_began_while_the_listener_listened_counts_from_zero() -> None:
    tracker = Tracker()
    assert tracker.add(1, a_count(7)) == [SentIncrease("mail", "shop.pack", False, 7, 7, 10.0)]
    assert tracker.add(2, a_count(9, 2)) == [SentIncrease("mail", "shop.pack", False, 2, 2, 10.0)]
    assert tracker.add(3, a_count(9, 0)) == []


def test_of_an_older_process_only_the_recent_tasks_count() -> None:
    assert Tracker().sent(1, a_count(1000, 3, age=5000.0)) == 3
    assert Tracker().sent(1, a_count(1000, 3, age=5000.0), period=200.0) == 0
    tracker = Tracker()
    tracker.add(1, a_count(1000, 0, age=5000.0))
    assert tracker.sent(2, a_count(1004, 4, age=5010.0)) == 4


def test_what_a_lost_report_contained_is_counted_but_is_not_recent() -> None:
    tracker = Tracker()
    tracker.add(1, a_count(5))
    assert tracker.add(9, a_count(25, 4)) == [SentIncrease("mail", "shop.pack", False, 20, 4, 10.0)]


@pytest.mark.parametrize("number", [1, 2])
def test_a_report_that_is_repeated_or_late_changes_nothing(number: int) -> None:
    tracker = Tracker()
    tracker.add(2, a_count(5))
    assert tracker.add(number, a_count(50)) == []


def test_a_count_that_shrinks_changes_nothing() -> None:
    tracker = Tracker()
    tracker.add(1, a_count(5))
    assert tracker.sent(2, a_count(3)) == 0
    assert tracker.sent(3, a_count(6)) == 1


def test_reports_of_a_process_that_has_ended_are_ignored() -> None:
    tracker = Tracker()
    assert tracker.sent(2, a_count(5), is_last=True) == 5
    assert len(tracker) == 0
    assert tracker.sent(1, a_count(5)) == tracker.sent(2, a_count(5), is_last=True) == 0


def test_a_process_that_was_forgotten_counts_from_its_next_report_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "MAX_SENDERS", 2)
    tracker = Tracker()
    for name in "abc":
        tracker.add(1, a_count(5), sender=name * 16)
    assert len(tracker) == 2
    assert tracker.sent(2, a_count(8, 3), sender="a" * 16) == 0
    assert tracker.sent(3, a_count(9, 1), sender="a" * 16) == 1


def test_everything_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "_MAX_SERIES", 3)
    monkeypatch.setattr(senders, "_MAX_SERIES_OF_ONE", 1)
    monkeypatch.setattr(senders, "_MAX_FORGOTTEN", 2)
    tracker = Tracker()
    assert tracker.sent(1, a_count(1, task=1), a_count(1, task=2)) == 1
    assert tracker.dropped == 1
    for name in "bcd":
        tracker.add(1, a_count(1), sender=name * 16)
    assert tracker.dropped == 2
    for name in "bcd":
        tracker.add(2, sender=name * 16, is_last=True)
    assert len(tracker._forgotten) == 2 and tracker._series == 1
