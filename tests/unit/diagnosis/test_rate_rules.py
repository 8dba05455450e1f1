"""Rising failures and growing waits are reported; usual ones, and samples that are too small, are not."""

from typing import Any

import pytest

from celery_gossip.cluster.throughput import COUNTS, Throughput, ThroughputSum, ThroughputWindows
from celery_gossip.cluster.view import View, WorkerView, build_queue_views
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput
from celery_gossip.diagnosis.rate_rules import failing, failures_rise, wait_grows
from celery_gossip.wire.histogram import bucket_index
from tests.unit.build import a_check, a_gossip


def a_throughput(done: int = 0, failed: int = 0, waits: int = 0, wait: float = 0.0, **counts: int) -> Throughput:
    total = ThroughputSum()
    total.counts = [counts.get(name, 0) for name in COUNTS]
    total.counts[2], total.counts[3] = done - failed, failed
    total.failures = {"KeyError": failed} if failed else {}
    total.wait = {bucket_index(wait): waits} if waits else {}
    return total.throughput(60.0)


def found(
    windows: ThroughputWindows, active: int = 0, listening_for: float = 700.0, **check: Any
) -> list[PendingFinding]:
    gossip = a_gossip(active=active, checks=(a_check("mail", **check),))
    worker = WorkerView(gossip, "online", heard_at=1000.0)
    view = View((worker,), build_queue_views([worker]), taken_at=1000.0)
    inputs = RuleInput(view, listening_for=listening_for, throughput={"mail": windows})
    return [*failing(inputs), *failures_rise(inputs), *wait_grows(inputs)]


def of_failures(recent: Throughput, before: Throughput) -> ThroughputWindows:
    return ThroughputWindows(a_throughput(), recent, before)


def of_waits(latest: Throughput, before: Throughput) -> ThroughputWindows:
    return ThroughputWindows(latest, a_throughput(), before)


def test_failures_that_rise_are_told_with_what_was_raised_most() -> None:
    (one,) = found(of_failures(a_throughput(100, failed=30), a_throughput(1000, failed=10)))
    assert (one.kind, one.severity, one.subject) == ("failures_rise", WARNING, "mail")
    assert "30% of the tasks of queue 'mail' failed" in one.text
    assert "30 of 100, 30 of them with KeyError" in one.text and "1% in the ten minutes before" in one.text


@pytest.mark.parametrize(
    ("recent", "before"),
    [
        (a_throughput(100), a_throughput(1000)),
        (a_throughput(100, failed=30), a_throughput(1000, failed=250)),  # as before
        (a_throughput(100, failed=5), a_throughput(1000)),  # a few
        (a_throughput(10, failed=4), a_throughput(1000)),  # too few
        (a_throughput(100, failed=49), a_throughput(10)),  # nothing to compare with
        (a_throughput(), a_throughput()),
    ],
)
def test_failures_as_ever_or_too_few_to_tell_are_none(recent: Throughput, before: Throughput) -> None:
    assert found(of_failures(recent, before)) == []


def test_a_wait_that_grows_while_slots_are_free_is_told() -> None:
    (one,) = found(of_waits(a_throughput(waits=10, wait=30.0), a_throughput(waits=100, wait=1.0)))
    assert (one.kind, one.severity, one.subject) == ("wait_grows", WARNING, "mail")
    assert "4 slots are free" in one.text and "compared with 1 s before" in one.text
    assert one.for_seconds > 15.0, "or what waited for a full fleet would be told when that has just found time"


@pytest.mark.parametrize(
    ("latest", "before", "fields"),
    [
        (a_throughput(waits=10, wait=30.0), a_throughput(waits=100, wait=1.0), {"active": 4}),  # no slot is free
        (a_throughput(waits=10, wait=30.0), a_throughput(waits=100, wait=20.0), {}),  # as before
        (a_throughput(waits=10, wait=3.0), a_throughput(waits=100, wait=0.1), {}),  # short
        (a_throughput(waits=2, wait=30.0), a_throughput(waits=100, wait=1.0), {}),  # too few
        (a_throughput(waits=10, wait=30.0), a_throughput(), {"paused": True}),
        (a_throughput(), a_throughput(waits=100, wait=1.0), {}),
    ],
)
def test_a_wait_that_is_short_as_ever_or_for_want_of_slots_is_none(
    latest: Throughput, before: Throughput, fields: dict[str, Any]
) -> None:
    assert found(of_waits(latest, before), **fields) == []


def test_nothing_is_compared_with_a_time_before_the_listener_started() -> None:
    windows = of_waits(a_throughput(waits=10, wait=30.0), a_throughput())
    assert found(windows, listening_for=659.0) == [], "clocks that always differed, or a rate limit as ever"
    (one,) = found(windows, listening_for=661.0)
    assert one.kind == "wait_grows" and "compared" not in one.text


def test_slots_of_a_worker_that_consumes_nothing_are_not_free() -> None:
    windows = of_waits(a_throughput(waits=10, wait=30.0), a_throughput(waits=100, wait=1.0))
    idle = WorkerView(a_gossip(hostname="w1", checks=(a_check("mail"),)), "online", heard_at=1000.0)
    busy = WorkerView(a_gossip(hostname="w2", active=4, checks=(a_check("mail"),)), "online", heard_at=1000.0)
    for backlog, kinds in ((5, []), (0, ["wait_grows"]), (None, ["wait_grows"])):
        view = View((idle, busy), build_queue_views([idle, busy], {"mail": backlog}), taken_at=1000.0)
        inputs = RuleInput(view, listening_for=700.0, throughput={"mail": windows})
        assert [one.kind for one in wait_grows(inputs)] == kinds


# For how long each must last; tests with real workers shorten it.


@pytest.mark.parametrize(
    ("windows", "kind", "seconds"),
    [
        (of_failures(a_throughput(100, failed=30), a_throughput(1000, failed=10)), "failures_rise", 10.0),
        (of_failures(a_throughput(10, failed=10), a_throughput()), "failing", 5.0),
        (of_waits(a_throughput(waits=10, wait=30.0), a_throughput(waits=100, wait=1.0)), "wait_grows", 20.0),
    ],
)
def test_a_rate_is_reported_after_it_has_lasted(windows: ThroughputWindows, kind: str, seconds: float) -> None:
    assert [(one.kind, one.for_seconds) for one in found(windows)] == [(kind, seconds)]


# Failing, whatever the previous rate was.


def failing_of(recent: Throughput, before: Throughput | None = None, **fields: Any) -> list[tuple[str, str]]:
    windows = ThroughputWindows(a_throughput(), recent, a_throughput() if before is None else before)
    return [(one.kind, one.severity) for one in found(windows, **fields) if one.kind == "failing"]


WARNED, ALL = [("failing", WARNING)], [("failing", CRITICAL)]


@pytest.mark.parametrize(
    ("recent", "before", "told"),
    [
        (a_throughput(10, failed=10), a_throughput(), ALL),
        (a_throughput(90, failed=90), a_throughput(), ALL),
        (a_throughput(10, failed=5), a_throughput(), WARNED),
        (a_throughput(100, failed=50), a_throughput(1000, failed=500), WARNED),  # as before
        (a_throughput(100, failed=49), a_throughput(), []),
        (a_throughput(9, failed=8), a_throughput(), []),
        (a_throughput(5, failed=5), a_throughput(), WARNED),  # all of a few
        (a_throughput(4, failed=4), a_throughput(), []),
        (a_throughput(9, failed=9), a_throughput(90, failed=90), ALL),
        (a_throughput(1, failed=1), a_throughput(4, failed=4), WARNED),  # one every two minutes
        (a_throughput(), a_throughput(5, failed=5), WARNED),
        (a_throughput(), a_throughput(10, failed=10), ALL),
        (a_throughput(1, failed=1), a_throughput(3, failed=3), []),
        (a_throughput(1, failed=1), a_throughput(9, failed=8), []),
        (a_throughput(1, failed=0), a_throughput(100, failed=100), []),  # recovered
        (a_throughput(), a_throughput(100, failed=90), []),  # it may have recovered already
        (a_throughput(8, failed=7), a_throughput(60, failed=50), WARNED),
        (a_throughput(8, failed=3), a_throughput(60, failed=50), []),
        (a_throughput(8, failed=7), a_throughput(600), []),
        (a_throughput(100), a_throughput(100, failed=100), []),
        (a_throughput(rejected=10), a_throughput(), WARNED),
        (a_throughput(5, failed=5, rejected=5), a_throughput(), ALL),
        (a_throughput(10, rejected=9), a_throughput(), []),
        (a_throughput(retried=50), a_throughput(retried=500), WARNED),
        (a_throughput(retried=19), a_throughput(), []),
        (a_throughput(1, retried=50), a_throughput(retried=500), []),
        (a_throughput(revoked=50), a_throughput(revoked=500), []),
        (a_throughput(), a_throughput(), []),
    ],
)
def test_a_queue_that_fails(recent: Throughput, before: Throughput, told: list[tuple[str, str]]) -> None:
    assert failing_of(recent, before) == told


def test_retries_alone_are_not_told_before_they_have_been_watched_for_long() -> None:
    """Tasks that poll by retrying may do so for minutes."""
    assert failing_of(a_throughput(retried=50), a_throughput(retried=500), listening_for=600.0) == []


def test_the_text_names_the_exception_the_count_and_the_task() -> None:
    windows = ThroughputWindows(
        a_throughput(), a_throughput(90, failed=90), a_throughput(), failing_tasks={"shop.send": {"KeyError": 90}}
    )
    (one,) = found(windows)
    assert (one.subject, one.for_seconds) == ("mail", 5.0)
    assert "90 of the 90 tasks of queue 'mail' that finished in the last minute failed (90 with KeyError)" in one.text
    assert "All failures are of the task 'shop.send'." in one.text


@pytest.mark.parametrize(
    ("tasks", "text"),
    [
        ({"a": {"KeyError": 9}, "b": {"OSError": 1}}, "Most failures are of the task 'a'."),
        ({"a": {"KeyError": 4}, "b": {"OSError": 3}, "c": {"OSError": 3}}, ""),
        ({"gone": {"NotRegistered": 9}}, "The workers do not know the task 'gone': deploy or import"),
        ({f"t{n}": {"NotRegistered": 1} for n in range(9)}, "do not know the task 't0', 't1', 't2' and 6 more"),
        ({}, ""),
    ],
)
def test_tasks_are_named_where_one_dominates_or_the_workers_do_not_know_them(
    tasks: dict[str, dict[str, int]], text: str
) -> None:
    (one,) = found(ThroughputWindows(a_throughput(), a_throughput(10, failed=10), a_throughput(), failing_tasks=tasks))
    assert text in one.text and ("of the task" in one.text or "know the task" in one.text) == bool(text)


def test_a_rise_yields_to_what_is_told_already() -> None:
    windows = of_failures(a_throughput(100, failed=60), a_throughput(1000, failed=10))
    inputs = RuleInput(View((), (), taken_at=0.0), listening_for=700.0, throughput={"mail": windows})
    diagnosis, told = Diagnosis(), []
    for now in (0.0, 4.0, 5.0, 12.0):
        diagnosis.evaluate(inputs, now)
        told.append([one.kind for one in diagnosis.findings if one.kind.startswith("fail")])
    assert told == [[], [], ["failing"], ["failing"]]


def test_a_rise_stays_until_it_is_replaced() -> None:
    diagnosis, told = Diagnosis(), []
    for now, failed in ((0.0, 20), (10.0, 20), (11.0, 60), (15.0, 60), (16.0, 60), (17.0, 60)):
        windows = of_failures(a_throughput(100, failed=failed), a_throughput(1000, failed=10))
        diagnosis.evaluate(RuleInput(View((), (), taken_at=0.0), listening_for=9.0, throughput={"mail": windows}), now)
        told.append([one.kind for one in diagnosis.findings if one.kind.startswith("fail")])
    assert told == [[], ["failures_rise"], ["failures_rise"], ["failures_rise"], ["failing"], ["failing"]]


def test_tasks_whose_queue_is_not_known_are_told_as_such() -> None:
    windows = ThroughputWindows(a_throughput(), a_throughput(100, failed=60), a_throughput(1000, failed=10))
    inputs = RuleInput(View((), (), taken_at=0.0), listening_for=700.0, throughput={"": windows})
    told = [*failing(inputs), *failures_rise(inputs)]
    assert [one.subject for one in told] == ["listener", "listener"]
    assert all("of unknown queues" in one.text for one in told)
