"""FailureLog: each failure is in three reports, the newest ones first, and nothing grows without bound."""

import threading
from typing import Any

import msgspec
import pytest

from celery_gossip.wire.encoding import encode, encode_bounded
from celery_gossip.wire.messages import (
    MAX_BYTES,
    MAX_FAILURES,
    MAX_MESSAGE,
    MAX_NAME,
    Gossip,
    RunningTask,
    TaskSeries,
    decode,
)
from celery_gossip.worker.failure_log import FailedTask, FailureLog
from tests.unit.build import FakeClock, a_check, a_gossip, a_series


class Log:
    """A log with a clock, whose reports are sent unless the test says otherwise."""

    def __init__(self, details: Any = "off") -> None:
        self.clock = FakeClock()
        self.log = FailureLog(details, self.clock)

    def add(self, count: int = 1, exc_info: Any = None, **fields: Any) -> None:
        for _ in range(count):
            values = {"task": "shop.pay", "queue": "mail", "exception": "KeyError", "id": "id-1", **fields}
            self.log.add(FailedTask(**values), exc_info)

    def report(self, *, is_sent: bool = True, **fields: Any) -> Gossip:
        gossip = self.log.add_to(a_gossip(**fields))
        if is_sent:
            self.log.commit(gossip.failures)
        return gossip

    def numbers(self, **options: Any) -> list[int]:
        return [failure.number for failure in self.report(**options).failures]


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_report_without_failures_is_unchanged(log: Log) -> None:
    gossip = a_gossip(names=("a",))
    assert log.log.add_to(gossip) is gossip


def test_a_failure_is_described_by_names_and_ages(log: Log) -> None:
    log.add(runtime=1.23456, retries=2)
    log.clock.advance(1.5)
    gossip = log.report(names=("mail", "shop.other"))
    (failure,) = gossip.failures
    assert gossip.names == ("mail", "shop.other", "shop.pay", "KeyError")
    assert (failure.task, failure.queue, failure.exception) == (2, 0, 3)
    assert (failure.number, failure.id, failure.age, failure.runtime, failure.retries) == (1, "id-1", 1.5, 1.235, 2)
    assert (failure.message, failure.frames, failure.own_frame) == (None, (), None)
    assert decode(encode(gossip)) == gossip


def test_each_failure_is_in_three_reports_that_were_sent(log: Log) -> None:
    log.add()
    assert log.numbers(is_sent=False) == log.numbers(is_sent=False) == [1]
    log.add()
    assert log.numbers() == log.numbers() == log.numbers() == [2, 1]
    assert log.numbers() == []


def test_the_oldest_are_left_out_and_their_numbers_missing(log: Log) -> None:
    log.add(MAX_FAILURES + 7)
    assert log.numbers() == list(range(MAX_FAILURES + 7, 7, -1))
    log.add(3)
    assert log.numbers() == list(range(MAX_FAILURES + 10, 10, -1))


def test_details_do_not_displace_failures_from_the_next_report() -> None:
    log = Log("message")
    for number in range(MAX_FAILURES):
        log.add(message=f"{number:03}" + "ä" * MAX_MESSAGE)
    first = log.report()
    assert 5 <= len(first.failures) < MAX_FAILURES
    assert len(encode(first)) < 18 * 1024
    reported = {failure.number for failure in first.failures}
    while len(reported) < MAX_FAILURES:  # those that no report has contained come before repetitions
        new = {failure.number for failure in log.report().failures} - reported
        assert new
        reported |= new


def test_equal_tracebacks_are_on_the_wire_once() -> None:
    log = Log("traceback")
    try:
        raise KeyError("k")
    except KeyError:
        from billiard.einfo import ExceptionInfo

        info = ExceptionInfo()
    log.add(10, exc_info=info)
    gossip = log.report()
    assert {failure.frames for failure in gossip.failures} == {gossip.failures[0].frames}
    assert sum(name.startswith(f"{__name__}:") for name in gossip.names) == 1
    assert gossip.failures[0].message == "'k'" and gossip.failures[0].own_frame == 0


@pytest.mark.parametrize("details", ["off", "message"])
def test_a_known_message_is_reported_if_messages_are(details: Any) -> None:
    log = Log(details)
    log.add(message="no.such.task")
    assert log.report().failures[0].message == ("no.such.task" if details == "message" else None)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": None, "retries": "many"},
        {"id": "\ud800\n" * 200, "task": "\x1b[2J" * 200, "queue": "", "exception": "\n"},
        {"runtime": float("nan"), "retries": 10**400},
        {"runtime": -5.0, "retries": -1},
        {"runtime": 1e300, "retries": True},
    ],
    ids=repr,
)
def test_what_a_client_can_choose_makes_a_valid_report(log: Log, fields: dict[str, Any]) -> None:
    log.add(**fields)
    gossip = log.report()
    assert decode(encode(gossip)) == gossip
    assert all(len(name) <= MAX_NAME for name in gossip.names)


def test_a_report_that_is_too_large_keeps_its_newest_failures_and_the_others_come_later(log: Log) -> None:
    log.add(8)
    series: list[TaskSeries] = []
    whole = log.report(is_sent=False)
    while len(msgspec.json.encode(whole)) <= MAX_BYTES:  # by less than a failure takes
        series.append(a_series(task=f"{len(series)}{'x' * 20}"))
        whole = log.report(is_sent=False, series=tuple(series))
    gossip, _ = encode_bounded(whole)
    kept = [failure.number for failure in gossip.failures]
    assert kept == [8, 7, 6, 5] and len(gossip.series) == len(series)
    log.log.commit(gossip.failures)
    assert log.numbers() == [8, 7, 6, 5, 4, 3, 2, 1]


def test_ids_of_running_tasks_are_left_out_before_failures(log: Log) -> None:
    log.add(2)
    ids = tuple(f"{number:04}{'x' * 200}" for number in range(400))
    check = a_check(active=ids, active_count=400, tasks=tuple(RunningTask(0, 1.0) for _ in ids))
    gossip, body = encode_bounded(log.report(is_sent=False, checks=(check,), names=("shop.slow",)))
    assert decode(body) == gossip and len(gossip.failures) == 2
    assert 0 < len(gossip.checks[0].active) < 400
    assert gossip.names[gossip.failures[0].task] == "shop.pay"


def test_a_worker_that_ends_repeats_its_last_report_until_failures_were_sent_twice(log: Log) -> None:
    assert not log.log.has_unreported
    log.add()
    assert log.log.has_unreported
    log.report()
    assert log.log.has_unreported
    log.report()
    assert not log.log.has_unreported


def test_failures_of_several_threads_have_different_numbers(log: Log) -> None:
    threads = [threading.Thread(target=log.add, args=(200,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    numbers: set[int] = set()
    while any(thread.is_alive() for thread in threads):
        numbers.update(log.numbers())
    for thread in threads:
        thread.join()
    latest = log.numbers()
    assert len(latest) == len(set(latest)) and max(latest) == 800
    assert len(numbers | set(latest)) <= 800
