"""Failures that rise and waits that grow are told; what is usual, or too little to tell, is not."""

from typing import Any

import pytest

from celery_gossip.evidence import WARNING, Evidence, Suspicion
from celery_gossip.histogram import bucket_of
from celery_gossip.throughput import Tally, Throughput, Trend
from celery_gossip.trend import failures_rise, wait_grows
from celery_gossip.view import View, WorkerView, gather_queues
from tests.unit.build import a_check, a_gossip


def fared(done: int = 0, failed: int = 0, waits: int = 0, wait: float = 0.0) -> Throughput:
    tally = Tally()
    tally.counts[2], tally.counts[3] = done - failed, failed
    tally.failures = {"KeyError": failed} if failed else {}
    tally.wait = {bucket_of(wait): waits} if waits else {}
    return tally.throughput(60.0)


def found(trend: Trend, active: int = 0, **check: Any) -> list[Suspicion]:
    gossip = a_gossip(active=active, checks=(a_check("mail", **check),))
    worker = WorkerView(gossip, "online", heard_at=1000.0)
    view = View((worker,), gather_queues([worker]), taken_at=1000.0)
    evidence = Evidence(view, listening_for=600.0, trends={"mail": trend})
    return [*failures_rise(evidence), *wait_grows(evidence)]


def of_failures(recent: Throughput, before: Throughput) -> Trend:
    return Trend(fared(), recent, before)


def of_waits(latest: Throughput, before: Throughput) -> Trend:
    return Trend(latest, fared(), before)


def test_failures_that_rise_are_told_with_what_was_raised_most() -> None:
    (one,) = found(of_failures(fared(100, failed=30), fared(1000, failed=10)))
    assert (one.kind, one.severity, one.subject) == ("failures_rise", WARNING, "mail")
    assert "30% of the tasks of queue 'mail' failed" in one.text
    assert "30 of 100, 30 of them with KeyError" in one.text and "1% before" in one.text


@pytest.mark.parametrize(
    ("recent", "before"),
    [
        (fared(100), fared(1000)),
        (fared(100, failed=30), fared(1000, failed=250)),  # as ever
        (fared(100, failed=5), fared(1000)),  # a few
        (fared(10, failed=10), fared(1000)),  # too few to tell
        (fared(100, failed=100), fared(10)),  # nothing to compare with
        (fared(), fared()),
    ],
)
def test_failures_as_ever_or_too_few_to_tell_are_none(recent: Throughput, before: Throughput) -> None:
    assert found(of_failures(recent, before)) == []


def test_a_wait_that_grows_while_slots_are_free_is_told() -> None:
    (one,) = found(of_waits(fared(waits=10, wait=30.0), fared(waits=100, wait=1.0)))
    assert (one.kind, one.severity, one.subject) == ("wait_grows", WARNING, "mail")
    assert "4 slots are free" in one.text and "and 1 s before" in one.text
    assert one.hold > 15.0, "or what waited for a full fleet would be told when that has just found time"


@pytest.mark.parametrize(
    ("latest", "before", "fields"),
    [
        (fared(waits=10, wait=30.0), fared(waits=100, wait=1.0), {"active": 4}),  # no slot is free
        (fared(waits=10, wait=30.0), fared(waits=100, wait=20.0), {}),  # as ever
        (fared(waits=10, wait=3.0), fared(waits=100, wait=0.1), {}),  # short
        (fared(waits=2, wait=30.0), fared(waits=100, wait=1.0), {}),  # too few to tell
        (fared(waits=10, wait=30.0), fared(), {"paused": True}),
        (fared(), fared(waits=100, wait=1.0), {}),
    ],
)
def test_a_wait_that_is_short_as_ever_or_for_want_of_slots_is_none(
    latest: Throughput, before: Throughput, fields: dict[str, Any]
) -> None:
    assert found(of_waits(latest, before), **fields) == []
