"""No worker's names keep another's from being read; no name is read before it is due; reads are limited in all."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import pytest

from celery_gossip.cluster.queue_share import CONFIGURED, QueueShare
from celery_gossip.transport.read_schedule import AMQP_LIMITS, OTHER_LIMITS, ReadLimits, ReadSchedule

SLOW = ReadLimits(counted=20.0, uncounted=20.0, first=0)


def names(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{n}" for n in range(count))


class Reader:
    """Reads what the schedule chooses, four times a second, from a broker that has the queues in `there`."""

    def __init__(self, limits: ReadLimits = SLOW, there: Iterable[str] | None = None) -> None:
        self.schedule = ReadSchedule(limits)
        self.there = None if there is None else set(there)
        self.now = 1000.0
        self.reads: list[tuple[float, str]] = []

    def look(self, *shares: QueueShare, seconds: float = 0.25) -> list[str]:
        """Return what is read in the last look."""
        chosen: list[str] = []
        for _ in range(round(seconds / 0.25)):
            chosen = self.schedule.choose(shares, self.now)
            for queue in chosen:
                self.reads.append((self.now, queue))
                if self.there is None or queue in self.there:
                    self.schedule.counted(queue, self.now, 2.0)
                else:
                    self.schedule.failed(queue, self.now, 60.0, is_missing=True)
            self.now += 0.25
        return chosen

    def count(self, prefix: str = "") -> int:
        return sum(queue.startswith(prefix) for _, queue in self.reads)

    def times(self, queue: str) -> list[float]:
        return [at for at, name in self.reads if name == queue]


# One fair share per worker.


@pytest.mark.parametrize("is_first", [True, False])
def test_a_worker_that_names_2000_queues_does_not_keep_another_from_being_read(is_first: bool) -> None:
    reader, honest = Reader(OTHER_LIMITS), QueueShare("celery@honest", ("mail",))
    hostile = QueueShare("celery@hostile", names("x", 2100))
    reader.look(*((hostile, honest) if is_first else (honest, hostile)), seconds=20)
    assert len(reader.times("mail")) >= 9, "every 2 s"


def test_it_gets_as_many_turns_as_one_that_names_ten() -> None:
    reader = Reader(ReadLimits(counted=2.0, uncounted=2.0, first=0))
    reader.look(QueueShare("celery@a", names("a", 2000)), QueueShare("celery@b", names("b", 10)), seconds=20)
    assert reader.count("b") == pytest.approx(reader.count("a"), rel=0.1)


def test_turns_that_one_share_cannot_use_go_to_the_others() -> None:
    reader = Reader(OTHER_LIMITS)
    assert len(reader.look(QueueShare("celery@a", names("a", 450)), QueueShare("celery@b", names("b", 2)))) == 452


def test_within_a_share_the_longest_overdue_goes_first_and_all_are_read_in_turn() -> None:
    reader = Reader()
    share = QueueShare("celery@a", names("a", 100))
    reader.look(share, seconds=7)
    assert {queue for _, queue in reader.reads} == set(share.queues)
    reader.look(share, seconds=21)
    times = map(reader.times, share.queues)
    gaps = [late - early for reads in times for early, late in pairwise(reads)]
    assert max(gaps) <= 6.0, "100 queues at 20 reads a second"


def test_names_that_are_new_each_time_do_not_go_before_those_of_the_same_share_that_wait() -> None:
    reader = Reader()
    for n in range(40):
        fresh = names(f"x{n}_", 50)
        reader.look(QueueShare("celery@a", ("mail", *fresh)))
    assert reader.times("mail")


def test_new_hostnames_queue_behind_those_that_wait() -> None:
    reader = Reader(ReadLimits(counted=4.0, uncounted=4.0, first=0))
    honest = QueueShare("celery@honest", names("mail", 3))
    for n in range(30):
        flood = [QueueShare(f"celery@{n}_{m}", (f"x{n}_{m}",)) for m in range(20)]
        reader.look(*flood, honest)
    assert reader.count("mail") >= 1


def test_a_name_of_several_workers_is_read_once() -> None:
    shares = [QueueShare(f"celery@{n}", ("mail", f"own{n}")) for n in range(50)]
    reader = Reader()
    reader.look(*shares, seconds=1)
    reader.look(*shares, seconds=3)
    assert len(reader.times("mail")) <= 2
    assert reader.schedule.choose([], reader.now) == []


# Configured names and signed workers first.


@pytest.mark.parametrize("owner", [CONFIGURED, "celery@signed"])
def test_trusted_names_go_first(owner: str) -> None:
    strangers = [QueueShare(f"celery@x{n}", names(f"x{n}_", 300)) for n in range(100)]
    reader = Reader()
    reader.look(*strangers, seconds=1)
    reader.look(*strangers, QueueShare(owner, names("mail", 30), is_trusted=True), seconds=2)
    assert reader.count("mail") >= 30


def test_one_read_in_five_is_left_to_the_others() -> None:
    reader = Reader()
    reader.look(
        QueueShare("celery@signed", names("mail", 500), is_trusted=True),
        QueueShare("celery@b", names("b", 500)),
        seconds=20,
    )
    assert reader.count("b") / len(reader.reads) == pytest.approx(0.2, abs=0.05)


def test_queues_that_are_counted_are_read_whatever_is_named_that_is_not_there() -> None:
    reader = Reader(AMQP_LIMITS, there=names("mail", 100))
    honest = QueueShare("celery@honest", names("mail", 100))
    reader.look(honest, seconds=1)
    strangers = [QueueShare(f"celery@x{n}", names(f"x{n}_", 390)) for n in range(20)]
    reader.look(honest, *strangers, seconds=10)
    assert all(len(reader.times(queue)) >= 5 for queue in honest.queues)


# Limits.


@pytest.mark.parametrize("limits", [AMQP_LIMITS, OTHER_LIMITS], ids=["AMQP", "other"])
def test_two_sets_of_300_names_in_turn_are_not_read_before_they_are_due(limits: ReadLimits) -> None:
    reader = Reader(limits, there=())
    for n in range(240):
        reader.look(QueueShare("celery@a", names("ab"[n // 4 % 2], 300)))
    assert max(Counter(queue for _, queue in reader.reads).values()) <= 3, "and early once a minute"


@pytest.mark.parametrize(("limits", "rate"), [(AMQP_LIMITS, 50), (OTHER_LIMITS, 500)], ids=["AMQP", "other"])
def test_names_that_are_always_new_are_read_at_most_so_often(limits: ReadLimits, rate: int) -> None:
    reader = Reader(limits, there=())
    for n in range(60):
        reader.look(QueueShare(f"celery@{n}", names(f"x{n}_", 390)))
    assert len(reader.reads) <= limits.first + 15 * rate
    latest = [queue for at, queue in reader.reads if at > reader.now - 5]
    assert len(latest) <= 5 * rate + 1


def test_what_is_saved_up_while_nothing_is_due_is_one_second() -> None:
    reader = Reader(there=())
    reader.look(seconds=600)
    assert len(reader.look(QueueShare("celery@a", names("x", 390)))) == 20


def test_a_missing_queue_is_read_early_when_a_worker_begins_to_serve_it() -> None:
    reader, configured = Reader(AMQP_LIMITS, there=()), QueueShare(CONFIGURED, ("mail",), is_trusted=True)
    reader.look(configured, seconds=5)
    assert len(reader.times("mail")) == 1
    reader.there = {"mail"}
    assert reader.look(configured, QueueShare("celery@a", ("mail",))) == ["mail"]


def test_a_missing_queue_that_is_consumed_is_read_ever_more_rarely() -> None:
    reader, share = Reader(AMQP_LIMITS, there=()), QueueShare("celery@a", ("mail",))
    for _ in range(4 * 200):
        reader.look(share)
        reader.schedule.retry_early("mail", 10.0)
    times = reader.times("mail")
    assert [round(late - early) for early, late in pairwise(times)][:5] == [10, 20, 40, 60, 60]


def test_what_is_remembered_of_names_that_are_gone_is_bounded() -> None:
    reader = Reader(ReadLimits(counted=1e6, uncounted=1e6), there=())
    for n in range(30):
        reader.look(QueueShare("celery@a", names(f"x{n}_", 1000)))
    assert len(reader.schedule._states) <= 11_000
    reader.now += 200
    reader.look()
    assert not reader.schedule._states and not reader.schedule._last_read


# A name that cannot be asked for.


def test_names_that_are_gone_are_forgotten_also_while_those_that_are_left_do_not_change() -> None:
    reader, stays = Reader(OTHER_LIMITS), QueueShare("celery@a", ("mail",))
    reader.look(stays, QueueShare("celery@b", names("x", 50)))
    reader.look(stays, seconds=1)
    assert len(reader.schedule._states) == 51, "they are not due yet"
    reader.look(stays, seconds=3)
    assert list(reader.schedule._states) == ["mail"]
    assert len(reader.times("mail")) == 3


def test_a_name_that_cannot_be_asked_for_costs_no_read_and_is_checked_once_while_it_is_named() -> None:
    asked: list[str] = []

    def is_readable(queue: str) -> bool:
        asked.append(queue)
        return queue != "bad"

    schedule, share = ReadSchedule(SLOW, is_readable), QueueShare("celery@a", ("bad", "mail"))
    schedule.choose([share], 0.0)
    assert schedule.choose([share], 1.0) == ["mail"]
    assert schedule.choose([share], 2.0) == ["mail"] and sorted(asked) == ["bad", "mail"]
    schedule.choose([], 3.0)
    assert "bad" not in schedule._states
