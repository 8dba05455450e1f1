"""Every rule names what is wrong and what to do, and is silent about the healthy neighbour."""

from typing import Any

import pytest

from celery_gossip.evidence import CRITICAL, WARNING, Evidence, Suspicion
from celery_gossip.rule import KINDS, suspicions
from celery_gossip.view import View, WorkerView, gather_queues
from tests.unit.build import OTHER_BOOT, a_check, a_gossip


def a_worker(hostname: str = "w1", state: str = "online", queue: str = "mail", **fields: Any) -> WorkerView:
    check = {name: fields.pop(name) for name in ("paused", "reserved", "active_count") if name in fields}
    extra = {name: fields.pop(name) for name in ("rivals", "replaced") if name in fields}
    totals = {"reserved": check.get("reserved", 0), "active": check.get("active_count", 0)}
    ids = tuple(f"id-{n}" for n in range(totals["active"]))
    gossip = a_gossip(hostname=hostname, checks=(a_check(queue, active=ids, **check),), **{**totals, **fields})
    return WorkerView(gossip, state, heard_at=1000.0, **extra)


def found(*workers: WorkerView, backlog: int | None = 0, isolated: bool = False, **fields: Any) -> list[Suspicion]:
    queues = gather_queues(workers, {"mail": backlog})
    view = View(workers, queues, taken_at=1000.0, isolated_since=990.0 if isolated else None)
    return list(suspicions(Evidence(view, **{"listening_for": 60.0, "where": "exchange 'e' of redis://h", **fields})))


def kinds(*workers: WorkerView, **fields: Any) -> list[tuple[str, str, str]]:
    return [(one.kind, one.severity, one.subject) for one in found(*workers, **fields)]


BUSY = {"active_count": 4, "reserved": 8}


@pytest.mark.parametrize(
    "workers",
    [
        [a_worker()],
        [a_worker(**BUSY), a_worker("w2", **BUSY)],
        [a_worker(**BUSY), a_worker("w2", active_count=1)],
        [a_worker(pool="solo", state="stalled", stalled_for=600.0, active_count=1)],
        [a_worker(), a_worker("w2", "offline")],
        [a_worker(state="stalled", stalled_for=4.9)],
        [a_worker(), a_worker("w2", "lost")],
        [a_worker(paused=True), a_worker("w2")],
    ],
)
def test_what_a_healthy_fleet_does_is_no_suspicion(workers: list[WorkerView]) -> None:
    assert kinds(*workers) == []


def test_a_worker_that_waits_for_a_rate_limit_has_not_stopped_consuming() -> None:
    assert [kind for kind, *_ in kinds(a_worker(), backlog=10)] == ["consumes_nothing"]
    assert kinds(a_worker(limited=4), backlog=10) == []


def test_busy_workers_with_a_backlog_are_no_suspicion() -> None:
    assert kinds(a_worker(**BUSY), a_worker("w2", **BUSY), backlog=1000) == []


def test_a_backlog_that_no_worker_takes() -> None:
    (one,) = found(a_worker(queue="other"), backlog=3)
    assert (one.kind, one.severity, one.subject, one.hold) == ("backlog_without_consumer", CRITICAL, "mail", 5.0)
    assert "3 messages wait in queue 'mail'" in one.text and "-Q mail" in one.text


@pytest.mark.parametrize("worker", [a_worker(state="lost"), a_worker(queue="other")])
def test_a_lost_worker_or_one_of_another_queue_does_not_serve(worker: WorkerView) -> None:
    assert ("backlog_without_consumer", CRITICAL, "mail") in kinds(worker, backlog=1)


def test_a_suspect_worker_has_the_benefit_of_the_doubt() -> None:
    assert kinds(a_worker(state="suspect"), backlog=1) == []


@pytest.mark.parametrize("backlog", [0, None])
def test_without_a_known_backlog_nothing_is_missed(backlog: int | None) -> None:
    assert kinds(a_worker(queue="other"), backlog=backlog) == []


def test_an_idle_worker_beside_a_backlog() -> None:
    (one,) = found(a_worker(processed=7), backlog=5)
    assert (one.kind, one.severity, one.subject, one.hold) == ("consumes_nothing", CRITICAL, "w1", 10.0)
    assert "restart" in one.text and "'mail'" in one.text
    (later,) = found(a_worker(processed=8), backlog=5)
    assert one.witness != later.witness, "one that works on begins anew"


def test_an_idle_worker_beside_a_backlog_that_others_work_on_may_stand_by() -> None:
    assert kinds(a_worker(), a_worker("w2", **BUSY), backlog=5) == [("consumes_nothing", WARNING, "w1")]


@pytest.mark.parametrize(
    ("interval", "stalled_for", "is_told"), [(1.0, 5.0, True), (1.0, 4.9, False), (4.0, 19.0, False)]
)
def test_a_stalled_event_loop(interval: float, stalled_for: float, is_told: bool) -> None:
    told = kinds(a_worker(state="stalled", stalled_for=stalled_for, interval=interval))
    assert told == ([("stalled", CRITICAL, "w1")] if is_told else [])


def test_a_solo_worker_that_is_stalled_without_a_task_is_told() -> None:
    assert kinds(a_worker(state="stalled", stalled_for=9.0, pool="solo")) == [("stalled", CRITICAL, "w1")]


def test_reserved_tasks_wait_on_one_worker_while_another_is_idle() -> None:
    (one,) = found(a_worker(**BUSY), a_worker("w2"))
    assert (one.kind, one.severity, one.subject, one.hold) == ("prefetch_hoarding", WARNING, "mail", 10.0)
    assert "w1 holds 8 reserved" in one.text and "w2" in one.text and "worker_prefetch_multiplier" in one.text


def test_reserved_tasks_are_not_hoarded_while_a_slot_is_free() -> None:
    assert kinds(a_worker(active_count=3, reserved=1), a_worker("w2")) == []


@pytest.mark.parametrize(("backlog", "severity"), [(0, WARNING), (None, WARNING), (2, CRITICAL)])
def test_a_queue_that_everybody_has_paused(backlog: int | None, severity: str) -> None:
    told = kinds(a_worker(paused=True), a_worker("w2", paused=True), backlog=backlog)
    assert told == [("all_paused", severity, "mail")]


def test_two_live_workers_of_one_name() -> None:
    rival = a_gossip(hostname="w1", boot=OTHER_BOOT)
    (one,) = found(a_worker(state="conflict", rivals=(rival,)))
    assert (one.kind, one.severity, one.subject, one.hold) == ("duplicate_hostname", WARNING, "w1", 0.0)
    (doubtful,) = found(a_worker(rivals=(rival,)))
    assert doubtful.hold == float("inf"), "a message may be late"
    assert kinds(a_worker(rivals=(a_gossip(hostname="w1", boot=OTHER_BOOT, state="draining"),))) == []


def test_tasks_lost_with_their_worker_are_named() -> None:
    (one,) = found(a_worker(state="lost", active_count=2))
    assert (one.kind, one.severity, one.subject) == ("lost_with_tasks", CRITICAL, "w1")
    assert "id-0, id-1" in one.text


def test_many_lost_tasks_are_named_in_part() -> None:
    (one,) = found(a_worker(state="lost", active_count=15))
    assert "id-9 and 5 more" in one.text and "id-10" not in one.text


def test_tasks_left_behind_by_a_restart_are_named() -> None:
    (one,) = found(a_worker(replaced=a_worker(active_count=1).gossip))
    assert (one.kind, one.severity) == ("lost_with_tasks", WARNING)
    assert "started again" in one.text and "id-0" in one.text


@pytest.mark.parametrize(("listening_for", "is_told"), [(5.0, True), (4.9, False), (0.0, False)])
def test_nobody_at_all(listening_for: float, is_told: bool) -> None:
    told = found(listening_for=listening_for)
    assert [one.kind for one in told] == (["nobody_heard"] if is_told else [])
    assert all("install(app)" in one.text and "exchange 'e'" in one.text for one in told)


def test_a_stranger_of_another_version() -> None:
    (one,) = found(a_worker(), refusals={"version": "version: 2 of 'w9'"})
    assert (one.kind, one.severity) == ("mixed_versions", WARNING) and "'w9'" in one.text


def test_of_an_isolated_view_nothing_else_is_told() -> None:
    (one,) = found(a_worker(state="lost", active_count=1), backlog=9, isolated=True, trouble="ConnectionError: refused")
    assert (one.kind, one.severity, one.subject) == ("isolated", CRITICAL, "listener")
    assert "refused" in one.text and "frozen" in one.text


def test_every_kind_has_its_rule_and_its_page() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
    assert all(f"### `{kind}`" in page for kind in KINDS)


def test_gossip_with_a_wrong_signature() -> None:
    (one,) = found(a_worker(), refusals={"signature": "signature: none of this listener's keys has signed it"})
    assert (one.kind, one.severity, one.subject) == ("wrong_signature", WARNING, "listener")
    assert "Bring gossip_secret to one value" in one.text and "SECURITY.md" in one.text


@pytest.mark.parametrize("reason", ["unsigned", "malformed", "text"])
def test_what_was_refused_for_other_reasons_is_no_finding(reason: str) -> None:
    assert kinds(a_worker(), refusals={reason: "why"}, rejected={reason: 3}) == []


def test_where_nobody_is_heard_it_is_told_what_was_refused() -> None:
    (one,) = found(rejected={"unsigned": 12, "malformed": 1})
    assert "refused: malformed 1, unsigned 12. Give the workers this listener's gossip_secret." in one.text
    (other,) = found(rejected={"malformed": 1})
    assert "refused: malformed 1." in other.text and "gossip_secret" not in other.text
    (silence,) = found()
    assert "refused" not in silence.text
