"""The failures that a listener keeps: each once, dated on its own clock, and fairly shared among workers."""

from collections import Counter
from typing import Any

import pytest

from celery_gossip.cluster import failures as module
from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.failures import MAX_KEPT, TREND_STEP, TREND_STEPS, FailureView
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.messages import TaskFailure
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_gossip

NAMES = ("shop.pay", "mail", "KeyError", "shop.tasks:pay:41", "json:loads:9", "shop.send")


class Fleet:
    """A cluster, and workers that report failures to it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self._seqs: Counter[tuple[str, str]] = Counter()

    def report(
        self, *numbers: int, hostname: str = "w1", boot: str = BOOT, is_verified: bool | None = None, **fields: Any
    ) -> None:
        """Report failures with these numbers, the newest first."""
        values = {"task": 0, "queue": 1, "exception": 2, "id": "id", "age": 0.0, **fields}
        failures = tuple(TaskFailure(number=number, **values) for number in numbers)
        self._seqs[hostname, boot] += 1
        gossip = a_gossip(hostname=hostname, boot=boot, seq=self._seqs[hostname, boot], names=NAMES, failures=failures)
        self.cluster.apply_gossip(gossip, self.clock.now, is_verified=is_verified)

    def view(self) -> FailureView:
        return self.cluster.failures()

    def numbers(self, hostname: str = "w1") -> list[int]:
        return [one.number for one in self.view().failures if one.hostname == hostname]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def test_a_failure_is_dated_by_its_age_and_has_its_names(fleet: Fleet) -> None:
    fleet.report(1, age=2.5, runtime=0.5, retries=1, message="m", frames=(3, 4), own_frame=0, id="id-1")
    (one,) = fleet.view().failures
    assert (one.at, one.runtime, one.retries, one.id) == (997.5, 0.5, 1, "id-1")
    assert (one.task, one.queue, one.exception, one.hostname, one.boot) == ("shop.pay", "mail", "KeyError", "w1", BOOT)
    assert (one.message, one.traceback, one.line) == ("m", ("shop.tasks:pay:41", "json:loads:9"), "shop.tasks:pay:41")


def test_a_failure_in_several_reports_is_kept_once(fleet: Fleet) -> None:
    for _ in range(3):
        fleet.report(2, 1)
        fleet.clock.advance(1)
    assert fleet.numbers() == [2, 1]
    assert fleet.view().failures[0].at == 1000.0


def test_a_message_that_fails_twice_with_the_same_id_is_kept_twice(fleet: Fleet) -> None:
    fleet.report(1, id="same")
    fleet.report(2, 1, id="same")
    assert fleet.numbers() == [2, 1]


def test_an_older_failure_that_did_not_fit_is_accepted_later(fleet: Fleet) -> None:
    fleet.report(9, 8)
    fleet.report(9, 7, 3)
    assert fleet.numbers() == [9, 8, 7, 3]
    assert fleet.view().unlisted == 3  # 4, 5 and 6


def test_a_new_instance_counts_from_one_again(fleet: Fleet) -> None:
    fleet.report(2, 1)
    fleet.report(1, boot=OTHER_BOOT)
    assert sorted((one.boot, one.number) for one in fleet.view().failures) == [(BOOT, 1), (BOOT, 2), (OTHER_BOOT, 1)]


def test_numbers_that_never_arrive_are_unlisted(fleet: Fleet) -> None:
    fleet.report(11, 10)
    assert fleet.view().unlisted == 0  # the failures before this listener began are not its own
    fleet.report(15)
    assert fleet.view().unlisted == 3
    fleet.report(15 + module._WINDOW * 3)
    fleet.report(14)  # too far below the highest to be told from a repetition
    assert 14 not in fleet.numbers()


def test_a_report_that_is_old_or_refused_adds_nothing(fleet: Fleet) -> None:
    fleet.report(1)
    fleet._seqs["w1", BOOT] -= 1
    fleet.report(2)
    assert fleet.numbers() == [1]
    fleet.report(1, hostname="signed", is_verified=True)
    with pytest.raises(RejectedGossip):
        fleet.report(2, hostname="signed")
    assert fleet.numbers("signed") == [1]


def test_a_verified_report_removes_what_was_reported_without_a_signature(fleet: Fleet) -> None:
    fleet.report(5, hostname="w1", is_verified=False)
    fleet.report(5, hostname="w2", is_verified=False)
    fleet.report(hostname="w1", is_verified=True)
    assert (fleet.numbers("w1"), fleet.numbers("w2")) == ([], [5])
    fleet.report(1, hostname="w1", is_verified=True)
    assert fleet.numbers("w1") == [1]


def test_the_report_in_the_view_has_neither_failures_nor_their_names(fleet: Fleet) -> None:
    fleet.report(1, frames=(3,), own_frame=0)
    (worker,) = fleet.cluster.workers()
    assert (worker.gossip.failures, worker.gossip.names) == ((), ())


def test_a_noisy_worker_displaces_its_own_failures_only(fleet: Fleet) -> None:
    for number in range(1, 6):
        fleet.report(number, hostname="quiet")
    for number in range(1, MAX_KEPT + 500):
        fleet.report(number, hostname="noisy")
    view = fleet.view()
    assert len(view.failures) == MAX_KEPT and view.displaced == 504
    assert fleet.numbers("quiet") == [5, 4, 3, 2, 1]
    assert fleet.numbers("noisy")[-1] == 505
    fleet.report(6, hostname="quiet")
    assert len(fleet.numbers("quiet")) == 6 and len(fleet.numbers("noisy")) == MAX_KEPT - 6


def test_many_noisy_workers_share_what_there_is(fleet: Fleet) -> None:
    for number in range(1, 300):
        for worker in range(10):
            fleet.report(number, hostname=f"w{worker}")
    counts = Counter(one.hostname for one in fleet.view().failures)
    assert sum(counts.values()) == MAX_KEPT and max(counts.values()) - min(counts.values()) <= 1


def test_unverified_workers_do_not_displace_verified_ones(fleet: Fleet) -> None:
    for number in range(1, 1500):
        fleet.report(number, hostname="signed", is_verified=True)
    for number in range(1, 1500):
        fleet.report(number, hostname="forged", is_verified=False)
    counts = Counter(one.hostname for one in fleet.view().failures)
    assert counts == {"signed": 1499, "forged": 501}
    for number in range(1500, 2200):
        fleet.report(number, hostname="signed", is_verified=True)
    assert Counter(one.hostname for one in fleet.view().failures) == {"signed": 2000}


def test_the_memory_of_all_failures_is_bounded(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100_000)
    fleet.report(1, hostname="quiet")
    for number in range(1, 200):
        fleet.report(number, hostname="large", message="x" * 500, frames=(3,) * 40)
    view = fleet.view()
    assert fleet.numbers("quiet") == [1] and 10 < len(view.failures) < 80
    assert sum(map(module._memory_size, view.failures)) <= 100_000
    assert view.displaced == 200 - len(view.failures)


def test_instances_without_end_are_forgotten(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_INSTANCES", 10)
    for number in range(1, 40):
        fleet.report(9, 5, boot=f"{number:016x}", hostname=f"w{number}")
    assert len(fleet.cluster._failures._instances) == 10
    assert fleet.view().unlisted == 39 * 3


@pytest.mark.parametrize("age", [0.0, 86_400.0, 9e10])
def test_an_age_without_bound_is_a_day(fleet: Fleet, age: float) -> None:
    fleet.report(1, age=age)
    assert fleet.view().failures[0].at == 1000.0 - min(age, 86_400.0)
    assert sum(fleet.view().groups()[0].trend) == (1 if age == 0.0 else 0)


def test_a_number_without_bound_costs_no_memory(fleet: Fleet) -> None:
    fleet.report(1)
    fleet.report(2**53)
    assert fleet.numbers() == [2**53, 1]


def test_failures_that_look_alike_are_a_group(fleet: Fleet) -> None:
    fleet.report(1, frames=(3, 4), own_frame=0, message="first")
    fleet.clock.advance(10)
    fleet.report(1, hostname="w2", frames=(3,), own_frame=0, queue=4, message="second")
    fleet.clock.advance(10)
    fleet.report(2, task=5)
    other, group = fleet.view().groups()
    assert (other.task, other.exception, other.line, other.count) == ("shop.send", "KeyError", "", 1)
    assert (group.task, group.line, group.count) == ("shop.pay", "shop.tasks:pay:41", 2)
    assert (group.first_at, group.last_at) == (1000.0, 1010.0)
    assert (group.queues, group.hostnames) == (("json:loads:9", "mail"), ("w1", "w2"))
    assert group.latest.message == "second"


def test_the_latest_failure_of_a_group_is_one_with_details_if_there_is_one(fleet: Fleet) -> None:
    fleet.report(1, message="why")
    fleet.clock.advance(10)
    fleet.report(1, hostname="w2")
    (group,) = fleet.view().groups()
    assert (group.last_at, group.latest.message) == (1010.0, "why")


def test_the_trend_of_a_group_covers_an_hour_in_steps_that_stay(fleet: Fleet) -> None:
    fleet.clock.now = 10 * TREND_STEP
    fleet.report(1)
    fleet.clock.advance(TREND_STEP * 5)
    fleet.report(3, 2)
    (group,) = fleet.view().groups()
    assert group.trend[-1] == 2 and group.trend[-6] == 1 and len(group.trend) == TREND_STEPS
    fleet.clock.advance(TREND_STEP - 1)
    assert fleet.view().groups()[0].trend == group.trend
    fleet.clock.advance(TREND_STEP * TREND_STEPS)
    assert sum(fleet.view().groups()[0].trend) == 0
