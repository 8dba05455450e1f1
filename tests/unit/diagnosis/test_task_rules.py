"""Rules about single running tasks: what each reports, how soon, and what a healthy fleet does instead."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from celery_gossip.cluster.throughput import Distribution
from celery_gossip.cluster.view import View, WorkerView, build_queue_views
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput
from celery_gossip.diagnosis.rules import pending_findings
from celery_gossip.wire.histogram import bucket_index
from celery_gossip.wire.messages import RunningTask
from tests.unit.build import OTHER_BOOT, a_check, a_gossip

NOW = 1000.0
NAMES = ("shop.pack", "shop.send")


def a_worker(*ages: float | None, hostname: str = "w1", state: str = "online", **fields: Any) -> WorkerView:
    """Return a worker whose tasks `HOSTNAME-0`, … run for these seconds, the longest running first."""
    details = fields.pop("details", {})
    check = {name: fields.pop(name) for name in ("reserved", "broadcast", "queue", "ids", "paused") if name in fields}
    ids = check.pop("ids", tuple(f"{hostname}-{n}" for n in range(len(ages))))
    tasks = tuple(RunningTask(0, age, **details) for age in ages)
    placed = {name: fields.pop(name) for name in ("rivals", "replaced", "heard_at") if name in fields}
    reserved = check.get("reserved", 0)
    checks = (a_check(check.pop("queue", "mail"), active=ids, active_count=len(ages), tasks=tasks, **check),)
    totals = {"concurrency": max(1, len(ages)), "active": len(ages), "reserved": reserved, "names": NAMES}
    totals |= {"state": state} if state in ("draining", "offline") else {}
    gossip = a_gossip(hostname=hostname, checks=checks, **{**totals, **fields})
    return WorkerView(gossip, state, **{"heard_at": NOW, **placed})


def runtime(seconds: float, count: int = 1000) -> Distribution:
    return Distribution(count, seconds * count, {bucket_index(seconds): count})


def inputs(*workers: WorkerView, backlog: int = 0, usual: Distribution | None = None) -> RuleInput:
    view = View(workers, build_queue_views(workers, {"mail": backlog}), taken_at=NOW)
    runtimes = {} if usual is None else {"shop.pack": usual}
    return RuleInput(view, listening_for=60.0, source="exchange 'e'", usual_runtimes=runtimes)


def found(*workers: WorkerView, **fields: Any) -> list[PendingFinding]:
    return list(pending_findings(inputs(*workers, **fields)))


def kinds(*workers: WorkerView, **fields: Any) -> list[tuple[str, str, str]]:
    return [(one.kind, one.severity, one.subject) for one in found(*workers, **fields)]


# Long runs.


def test_a_task_that_runs_three_times_longer_than_its_usual_runs_is_reported() -> None:
    worker = a_worker(91.0, 20.0, concurrency=8)
    (one,) = found(worker, usual=runtime(30.0))
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("task_runs_long", WARNING, "w1", 0.0)
    assert "shop.pack (w1-0, running for 91s) on w1" in one.text and "end within 30" in one.text
    assert "So do" not in one.text


def test_several_long_runs_of_a_worker_share_a_finding() -> None:
    (one,) = found(a_worker(400.0, 300.0, 200.0, concurrency=8), usual=runtime(1.0))
    assert "So do 2 more: shop.pack (w1-1, running for 5m), shop.pack (w1-2, running for 3m)." in one.text


@pytest.mark.parametrize(
    ("age", "usual"),
    [
        (89.0, runtime(30.0)),  # less than three times as long
        (59.9, runtime(0.01)),  # less than a minute
        (5000.0, None),  # unknown
        (5000.0, runtime(1.0, count=19)),  # too few runs to know
        (None, runtime(1.0)),  # of unknown age
    ],
)
def test_a_run_that_may_be_usual_is_not_reported(age: float | None, usual: Distribution | None) -> None:
    assert kinds(a_worker(age, concurrency=8), usual=usual) == []


@pytest.mark.parametrize("state", ["suspect", "lost", "offline"])
def test_a_task_of_a_worker_that_does_not_report_is_not_judged(state: str) -> None:
    found_kinds = {
        kind for kind, *_ in kinds(a_worker(500.0, state=state, details={"time_limit": 10.0}), usual=runtime(1.0))
    }
    assert found_kinds <= {"lost_with_tasks"}


# Pinned slots.


def test_slots_that_are_all_taken_by_long_runs_while_tasks_wait_are_pinned() -> None:
    workers = a_worker(200.0, 190.0), a_worker(150.0, hostname="w2")
    one = next(one for one in found(*workers, backlog=7, usual=runtime(2.0)) if one.kind == "slots_pinned")
    assert (one.severity, one.subject, one.for_seconds) == (CRITICAL, "mail", 60.0)
    assert "7 tasks wait: shop.pack (w1-0, running for 3m), shop.pack (w1-1, running for 3m)" in one.text


def test_reserved_tasks_wait_too() -> None:
    assert ("slots_pinned", CRITICAL, "mail") in kinds(a_worker(200.0, reserved=1), usual=runtime(2.0))
    (text,) = [one.text for one in found(a_worker(200.0, reserved=1), usual=runtime(2.0)) if one.kind == "slots_pinned"]
    assert "1 task waits" in text


def test_tasks_whose_usual_runtime_is_unknown_pin_slots_after_five_minutes_as_a_warning() -> None:
    assert kinds(a_worker(301.0), backlog=1) == [("slots_pinned", WARNING, "mail")]
    assert kinds(a_worker(299.0), backlog=1) == []


def test_a_task_that_starts_ends_the_condition() -> None:
    diagnosis = Diagnosis()
    for second in range(59):
        diagnosis.evaluate(inputs(a_worker(400.0 + second), backlog=1), NOW + second)
    diagnosis.evaluate(inputs(a_worker(459.0, processed=1), backlog=1), NOW + 59)
    diagnosis.evaluate(inputs(a_worker(461.0, processed=1), backlog=1), NOW + 61)
    assert diagnosis.findings == ()
    for second in range(61, 120):
        diagnosis.evaluate(inputs(a_worker(400.0 + second, processed=1), backlog=1), NOW + second)
    assert [finding.kind for finding in diagnosis.findings] == ["slots_pinned"]


@pytest.mark.parametrize(
    "workers",
    [
        [a_worker(900.0, concurrency=2)],  # a free slot
        [a_worker(900.0), a_worker(hostname="w2")],  # another worker is idle
        [a_worker(900.0, 30.0)],  # one of its tasks has just started
        [a_worker(900.0, None)],  # one of its tasks has an unknown age
        [a_worker(900.0), a_worker(900.0, hostname="w2", state="suspect")],  # unknown
        [a_worker(900.0, state="draining")],  # it starts no task anyway
        [a_worker(900.0, paused=True), a_worker(5.0, hostname="w2")],
    ],
)
def test_a_queue_that_may_go_on_is_not_pinned(workers: list[WorkerView]) -> None:
    assert "slots_pinned" not in {kind for kind, *_ in kinds(*workers, backlog=9)}


def test_without_waiting_tasks_nothing_is_pinned() -> None:
    assert kinds(a_worker(900.0)) == []


def test_a_fleet_at_its_limit_whose_tasks_are_long_by_nature_is_not_pinned() -> None:
    assert kinds(a_worker(3000.0, 2000.0), backlog=100, usual=runtime(2400.0)) == []


# Time limits.


@pytest.mark.parametrize(
    ("limits", "age", "is_found"),
    [
        ({"time_limit": 20.0}, 31.0, True),
        ({"time_limit": 20.0}, 30.0, False),
        ({"time_limit": 100.0, "soft_time_limit": 5.0}, 90.0, False),
        ({"soft_time_limit": 20.0}, 81.0, True),
        ({"soft_time_limit": 20.0}, 80.0, False),
        ({}, 1e6, False),
    ],
)
def test_a_run_beyond_its_limit_is_reported(limits: dict[str, float], age: float, is_found: bool) -> None:
    worker = a_worker(age, concurrency=4, details=limits, pool="threads")
    assert kinds(worker) == ([("limit_not_enforced", WARNING, "w1")] if is_found else [])


@pytest.mark.parametrize(
    ("pool", "text"), [("threads", "The pool threads does not end"), ("prefork", "catches the exc")]
)
def test_a_limit_that_is_not_enforced_names_the_pool_and_the_limit(pool: str, text: str) -> None:
    (one,) = found(a_worker(300.0, 200.0, concurrency=4, details={"soft_time_limit": 30.0}, pool=pool))
    assert "shop.pack (w1-0, running for 5m) on w1 runs beyond its soft time limit of 30s. So do 1 more" in one.text
    assert text in one.text
    (one,) = found(a_worker(300.0, concurrency=4, details={"soft_time_limit": 30.0, "time_limit": 60.0}))
    assert "its time limit of 60s" in one.text


# Pools that do not work.


def test_reserved_tasks_that_no_slot_takes_mean_a_dead_pool() -> None:
    (one,) = found(a_worker(reserved=3, concurrency=4, processed=1, pool="prefork"))
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("pool_dead", CRITICAL, "w1", 15.0)
    assert "holds 3 reserved tasks but starts none" in one.text and "is ready" not in one.text
    (one,) = found(a_worker(reserved=1, concurrency=0, processed=1))
    assert "1 reserved task but" in one.text and "none of its processes is ready" in one.text
    assert one.for_seconds == 60.0


def test_a_worker_that_has_just_started_gets_more_time_to_start_its_processes() -> None:
    (one,) = found(a_worker(reserved=3, concurrency=4, processed=0))
    assert (one.kind, one.for_seconds) == ("pool_dead", 60.0)


@pytest.mark.parametrize(
    "worker",
    [
        a_worker(5.0, reserved=3, concurrency=4),
        a_worker(reserved=3, limited=1, concurrency=4),
        a_worker(reserved=3, batched=1, concurrency=4),
        a_worker(reserved=3, concurrency=4, state="stalled"),
        a_worker(reserved=3, concurrency=4, state="draining"),
        a_worker(scheduled=3, concurrency=4),
    ],
)
def test_tasks_that_wait_for_a_reason_do_not_mean_a_dead_pool(worker: WorkerView) -> None:
    assert kinds(worker) == []


def test_a_pool_that_starts_tasks_now_and_then_is_not_dead() -> None:
    diagnosis = Diagnosis()
    for second in range(60):
        diagnosis.evaluate(inputs(a_worker(reserved=3, processed=1 + second // 14)), NOW + second)
        assert diagnosis.findings == ()
    for second in range(60, 76):
        diagnosis.evaluate(inputs(a_worker(reserved=3, processed=5)), NOW + second)
    assert [finding.kind for finding in diagnosis.findings] == ["pool_dead"]


# The same task twice.


def a_twin(age: float, **fields: Any) -> WorkerView:
    return a_worker(age, hostname="w2", boot=OTHER_BOOT, ids=("w1-0",), **fields)


def test_a_task_that_two_workers_run_at_once_is_reported() -> None:
    (one,) = found(a_worker(3700.0, concurrency=4), a_twin(2.5, concurrency=4))
    assert (one.kind, one.severity, one.subject) == ("runs_twice", WARNING, "mail")
    assert "shop.pack (w1-0, running for 62m) on w1, and for 2.5s on w2." in one.text and "visibility" in one.text


def test_several_tasks_of_a_queue_share_a_finding() -> None:
    first = a_worker(3700.0, 3600.0, concurrency=4)
    second = a_worker(90.0, 80.0, hostname="w2", boot=OTHER_BOOT, concurrency=4, ids=("w1-0", "w1-1"))
    (one,) = found(first, second)
    assert "So do 1 more tasks of this queue" in one.text


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (a_worker(3700.0, concurrency=4), a_twin(1.9, concurrency=4)),  # not long enough
        (a_worker(3700.0, concurrency=4, heard_at=NOW - 30), a_twin(31.0, concurrency=4)),  # it died before
        (a_worker(3700.0, concurrency=4, state="lost"), a_twin(60.0, concurrency=4)),
        (a_worker(None, concurrency=4), a_twin(60.0, concurrency=4)),  # of unknown age
        (a_worker(9.0, broadcast=True, concurrency=4), a_twin(9.0, broadcast=True, concurrency=4)),
    ],
)
def test_a_task_that_may_have_ended_elsewhere_does_not_run_twice(first: WorkerView, second: WorkerView) -> None:
    assert "runs_twice" not in {kind for kind, *_ in kinds(first, second)}


def test_two_instances_under_one_hostname_run_a_task_twice() -> None:
    rival = a_worker(60.0, boot=OTHER_BOOT, concurrency=4).gossip
    worker = a_worker(60.0, concurrency=4, rivals=(rival,), state="conflict")
    assert ("runs_twice", WARNING, "mail") in kinds(worker)


def test_a_task_listed_twice_by_one_instance_does_not_run_twice() -> None:
    assert kinds(a_worker(60.0, 60.0, ids=("a", "a"), concurrency=4)) == []


# Poison.


def test_a_task_that_ran_when_two_workers_were_lost_may_kill_them() -> None:
    lost = a_worker(30.0, state="lost"), a_twin(20.0, state="lost")
    one = next(one for one in found(*lost) if one.kind == "poison")
    assert (one.severity, one.subject) == (CRITICAL, "mail")
    assert "The task shop.pack (w1-0) was running when 2 instances of workers were lost (w1, w2)" in one.text


def test_instances_that_were_replaced_count_as_lost_unless_they_shut_down() -> None:
    replaced = a_worker(30.0).gossip
    other = a_twin(20.0, replaced=msgspec.structs.replace(a_twin(5.0).gossip, boot="f" * 16))
    assert "poison" not in {kind for kind, *_ in kinds(replace(a_worker(), replaced=replaced), a_twin(20.0))}
    assert ("poison", CRITICAL, "mail") in kinds(replace(a_worker(), replaced=replaced), other)
    shut_down = msgspec.structs.replace(replaced, state="offline")
    assert "poison" not in {kind for kind, *_ in kinds(replace(a_worker(), replaced=shut_down), other)}


def test_instances_of_one_hostname_that_were_lost_one_after_the_other_count_each() -> None:
    """A container that is started again has the same hostname: it may never be missing for long."""
    lost = [msgspec.structs.replace(a_worker(30.0).gossip, boot=boot * 16) for boot in "bc"]
    assert ("poison", CRITICAL, "mail") in kinds(replace(a_worker(), earlier_losses=tuple(lost)))
    assert "poison" not in {kind for kind, *_ in kinds(replace(a_worker(), earlier_losses=(lost[0],)))}
    once = replace(a_worker(), earlier_losses=(lost[0],), replaced=lost[0])
    assert "poison" not in {kind for kind, *_ in kinds(once)}, "an instance counts once"


def test_a_task_of_one_lost_worker_is_no_poison() -> None:
    assert {kind for kind, *_ in kinds(a_worker(30.0, state="lost"), a_twin(20.0))} == {"lost_with_tasks"}
