"""Tasks that a worker received without having registered them."""

from threading import Lock
from typing import Any

import pytest

from celery_gossip.cluster import unknown_tasks as module
from celery_gossip.cluster.statistics import TaskStatistics
from celery_gossip.cluster.unknown_tasks import UnknownTasks
from tests.unit.build import FakeClock, a_gossip, a_series


class Listened:
    """Statistics of workers whose reports the test makes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.statistics = TaskStatistics(self.clock, Lock())
        self.statistics.start(self.clock.now)
        self._seq = 0

    def report(self, hostname: str = "w1", task: str = "shop.new", **counts: Any) -> None:
        self._seq += 1
        series = a_series("mail", task, age=0.0, **{"received": 1, **counts})
        self.statistics.add_report(a_gossip(hostname=hostname, seq=self._seq, series=(series,)), self.clock.now)

    def found(self) -> list[tuple[str, int, tuple[str, ...], tuple[str, ...]]]:
        return [(one.task, one.count, one.hostnames, one.known_by) for one in self.statistics.unknown_tasks()]


@pytest.fixture
def listened() -> Listened:
    return Listened()


def test_messages_of_a_task_that_was_never_started_are_those_of_an_unknown_one(listened: Listened) -> None:
    listened.report(failed={"NotRegistered": 3})
    listened.report(failed={"NotRegistered": 5})
    assert listened.found() == [("shop.new", 5, ("w1",), ())]


def test_a_task_that_raises_not_registered_is_known(listened: Listened) -> None:
    listened.report(started=3, failed={"NotRegistered": 3})
    assert listened.found() == []


def test_workers_that_have_run_the_task_are_named(listened: Listened) -> None:
    listened.report("w1", failed={"NotRegistered": 3})
    listened.report("w2", started=2, succeeded=2)
    listened.report("w3", task="shop.other", started=2, succeeded=2)
    assert listened.found() == [("shop.new", 3, ("w1",), ("w2",))]


def test_what_was_before_the_listener_is_no_news(listened: Listened) -> None:
    listened.clock.advance(10.0)
    series = a_series("mail", "shop.new", age=3600.0, failed={"NotRegistered": 7})
    listened.statistics.add_report(a_gossip(seq=1, series=(series,)), listened.clock.now)
    assert listened.found() == []


def test_messages_are_forgotten_eleven_minutes_after_the_last_one(listened: Listened) -> None:
    listened.report(failed={"NotRegistered": 1})
    listened.clock.advance(600.0)
    listened.report(failed={"NotRegistered": 2})
    listened.clock.advance(659.0)
    assert listened.found() == [("shop.new", 2, ("w1",), ())]
    listened.clock.advance(2.0)
    assert listened.found() == []


def test_the_number_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_ENTRIES", 10)
    unknown = UnknownTasks()
    for number in range(100):
        unknown.add("w1", "mail", f"t{number}", 1, float(number))
    assert [task for _, task in unknown.recent(100.0)] == [f"t{number}" for number in range(90, 100)]
