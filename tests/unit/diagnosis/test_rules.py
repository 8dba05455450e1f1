"""Every rule reports what is wrong and what to do, and nothing about a healthy worker beside it."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from celery_gossip.cluster.view import View, WorkerView, build_queue_views
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput
from celery_gossip.diagnosis.rules import KINDS, pending_findings
from celery_gossip.wire.messages import RunningTask
from tests.unit.build import OTHER_BOOT, a_check, a_gossip

TOTALS = {"reserved": "reserved", "active": "active_count", "scheduled": "scheduled"}


def a_worker(hostname: str = "w1", state: str = "online", queue: str = "mail", **fields: Any) -> WorkerView:
    names = ("paused", "reserved", "active_count", "scheduled", "broadcast")
    check = {name: fields.pop(name) for name in names if name in fields}
    names = ("rivals", "replaced", "state_since", "earlier_losses")
    extra = {name: fields.pop(name) for name in names if name in fields}
    totals = {name: check.get(key, 0) for name, key in TOTALS.items()}
    ids = tuple(f"id-{n}" for n in range(totals["active"]))
    gossip = a_gossip(hostname=hostname, checks=(a_check(queue, active=ids, **check),), **{**totals, **fields})
    return WorkerView(gossip, state, heard_at=1000.0, **extra)


def found(*workers: WorkerView, backlog: int | None = 0, isolated: bool = False, **fields: Any) -> list[PendingFinding]:
    queues = build_queue_views(workers, {"mail": backlog})
    view = View(workers, queues, taken_at=1000.0, isolated_since=990.0 if isolated else None)
    return list(
        pending_findings(RuleInput(view, **{"listening_for": 60.0, "source": "exchange 'e' of redis://h", **fields}))
    )


def kinds(*workers: WorkerView, **fields: Any) -> list[tuple[str, str, str]]:
    return [(one.kind, one.severity, one.subject) for one in found(*workers, **fields)]


BUSY = {"active_count": 4, "reserved": 8}


@pytest.mark.parametrize(
    "workers",
    [
        [a_worker()],
        [a_worker(**BUSY), a_worker("w2", **BUSY)],
        [a_worker(**BUSY), a_worker("w2", active_count=4)],
        [a_worker(**BUSY), a_worker("w2", active_count=2, reserved=2)],
        [a_worker(state="draining", stalled_for=60.0, active_count=1)],
        [a_worker(pool="solo", state="stalled", stalled_for=600.0, active_count=1)],
        [a_worker(), a_worker("w2", "offline")],
        [a_worker(state="stalled", stalled_for=4.9)],
        [a_worker(), a_worker("w2", "lost", state_since=699.0)],
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
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("backlog_without_consumer", CRITICAL, "mail", 5.0)
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
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("consumes_nothing", CRITICAL, "w1", 10.0)
    assert "restart" in one.text and "'mail'" in one.text
    (later,) = found(a_worker(processed=8), backlog=5)
    assert one.reset_key != later.reset_key, "one that works on begins anew"


def test_an_idle_worker_beside_a_backlog_that_others_work_on_may_stand_by() -> None:
    assert kinds(a_worker(), a_worker("w2", **BUSY), backlog=5) == [("consumes_nothing", WARNING, "w1")]


@pytest.mark.parametrize(
    ("interval", "stalled_for", "is_told"), [(1.0, 5.0, True), (1.0, 4.9, False), (4.0, 19.0, False)]
)
def test_a_stalled_event_loop(interval: float, stalled_for: float, is_told: bool) -> None:
    told = kinds(a_worker(state="stalled", stalled_for=stalled_for, interval=interval))
    assert told == ([("stalled", CRITICAL, "w1")] if is_told else [])


def test_a_stalled_worker_is_reported_with_the_call_that_blocks_it_and_the_users_own_code() -> None:
    stack = (
        "socket:connect:1",
        "redis.connection:connect:2",
        "redis.client:get:3",
        "kombu.x:y:4",
        "shop.hooks:on_task:5",
    )
    worker = a_worker(state="stalled", stalled_for=9.0, stack=(*stack, "celery.worker:start:6"))
    (one,) = found(worker)
    assert "is in socket:connect:1, called by redis.connection:connect:2, called by redis.client:get:3," in one.text
    assert "outside of libraries is shop.hooks:on_task:5." in one.text and "py-spy" not in one.text
    (one,) = found(a_worker(state="stalled", stalled_for=9.0, stack=("shop.hooks:on_task:5", "celery.x:y:1")))
    assert "is in shop.hooks:on_task:5, called by celery.x:y:1. Give" in one.text
    (one,) = found(a_worker(state="stalled", stalled_for=9.0, stack=("socket:connect:1",)))
    assert "outside of libraries" not in one.text


def test_a_solo_worker_that_is_stalled_without_a_task_is_told() -> None:
    assert kinds(a_worker(state="stalled", stalled_for=9.0, pool="solo")) == [("stalled", CRITICAL, "w1")]


def test_reserved_tasks_wait_on_one_worker_while_another_is_idle() -> None:
    (one,) = found(a_worker(**BUSY), a_worker("w2"))
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("prefetch_hoarding", WARNING, "mail", 10.0)
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
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("duplicate_hostname", WARNING, "w1", 0.0)
    (doubtful,) = found(a_worker(rivals=(rival,)))
    assert doubtful.for_seconds == float("inf"), "a message may be late"
    assert kinds(a_worker(rivals=(a_gossip(hostname="w1", boot=OTHER_BOOT, state="draining"),))) == []


def test_tasks_lost_with_their_worker_are_named() -> None:
    (one,) = found(a_worker(state="lost", active_count=2))
    assert (one.kind, one.severity, one.subject) == ("lost_with_tasks", CRITICAL, "w1")
    assert "id-0, id-1" in one.text


def test_a_lost_task_has_its_name_and_the_time_that_it_has_run_the_longest_running_first() -> None:
    details = tuple(RunningTask(n % 2, 10.0 * n) for n in range(3))
    checks = (a_check("mail", active=("id-0", "id-1", "id-2"), active_count=3, tasks=details),)
    left = a_gossip(hostname="w1", checks=checks, active=3, names=("shop.pack", "shop.send"))
    (one,) = found(WorkerView(left, "lost", heard_at=1000.0))
    assert "3 tasks were running: shop.pack (id-2, running for 20s), shop.send (id-1, running for 10s)," in one.text


def test_many_lost_tasks_are_named_in_part() -> None:
    (one,) = found(a_worker(state="lost", active_count=15))
    assert "id-9 and 5 more" in one.text and "id-10" not in one.text


def test_tasks_left_behind_by_a_restart_are_named() -> None:
    (one,) = found(a_worker(replaced=a_worker(active_count=1).gossip))
    assert (one.kind, one.severity) == ("lost_with_tasks", WARNING)
    assert "restarted since" in one.text and "id-0" in one.text


@pytest.mark.parametrize(("listening_for", "is_told"), [(5.0, True), (4.9, False), (0.0, False)])
def test_nobody_at_all(listening_for: float, is_told: bool) -> None:
    told = found(listening_for=listening_for)
    assert [one.kind for one in told] == (["nobody_heard"] if is_told else [])
    assert all("install(app)" in one.text and "exchange 'e'" in one.text for one in told)


def test_a_stranger_of_another_version() -> None:
    (one,) = found(a_worker(), recent_rejections={"version": "version: 2 of 'w9'"})
    assert (one.kind, one.severity) == ("mixed_versions", WARNING) and "'w9'" in one.text


def test_of_an_isolated_view_nothing_else_is_told() -> None:
    (one,) = found(
        a_worker(state="lost", active_count=1), backlog=9, isolated=True, broker_error="ConnectionError: refused"
    )
    assert (one.kind, one.severity, one.subject) == ("isolated", CRITICAL, "listener")
    assert "refused" in one.text and "frozen" in one.text


PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "findings.md").read_text()


def test_the_page_lists_every_kind_in_order_in_its_table_and_in_its_sections() -> None:
    assert re.findall(r"^\| `(\w+)` \| (?:critical|warning)", PAGE, re.MULTILINE) == list(KINDS)
    assert re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE) == list(KINDS)


def test_every_section_of_the_page_names_cause_and_fix() -> None:
    for kind in KINDS:
        section = PAGE.split(f"### `{kind}`\n")[1].split("\n### ")[0]
        assert "**Cause**" in section and "**Fix**" in section, kind


def test_gossip_with_a_wrong_signature() -> None:
    (one,) = found(a_worker(), recent_rejections={"signature": "signature: it does not match any key of this listener"})
    assert (one.kind, one.severity, one.subject) == ("wrong_signature", WARNING, "listener")
    assert "Set gossip_secret to the same value" in one.text and "SECURITY.md" in one.text


@pytest.mark.parametrize("reason", ["unsigned", "malformed", "text"])
def test_what_was_refused_for_other_reasons_is_no_finding(reason: str) -> None:
    assert kinds(a_worker(), recent_rejections={reason: "why"}, rejected_total={reason: 3}) == []


def test_where_nobody_is_heard_it_is_told_what_was_refused() -> None:
    (one,) = found(rejected_total={"unsigned": 12, "malformed": 1})
    assert "rejected: malformed 1, unsigned 12. Set this listener's gossip_secret on the workers, too." in one.text
    (other,) = found(rejected_total={"malformed": 1})
    assert "rejected: malformed 1." in other.text and "gossip_secret" not in other.text
    (silence,) = found()
    assert "rejected" not in silence.text


# Tasks that wait for their ETA.


ETA = {"scheduled": 4, "prefetch_count": 4}


def test_scheduled_tasks_that_fill_the_prefetch_window_are_no_stopped_consumer() -> None:
    """The setting worker_eta_task_limit is reached, and the backlog waits."""
    (one,) = found(a_worker(**ETA), backlog=9)
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("eta_hoarding", WARNING, "w1", 10.0)
    assert "4 scheduled tasks fill the prefetch window (4) of w1" in one.text and "9 messages wait" in one.text
    assert "worker_eta_task_limit" in one.text and "restart" not in one.text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"scheduled": 4, "prefetch_count": 4}, ["eta_hoarding"]),
        ({"scheduled": 9, "prefetch_count": 4}, ["eta_hoarding"]),
        ({"scheduled": 3, "prefetch_count": 4}, ["consumes_nothing"]),
        ({"scheduled": 3, "prefetch_count": 4, "batched": 1}, ["eta_hoarding"]),
        ({"scheduled": 3, "prefetch_count": 4, "limited": 1}, ["eta_hoarding"]),
        ({"scheduled": 1, "prefetch_count": 4, "limited": 3}, []),  # the rate limit holds it
        ({"scheduled": 3, "prefetch_count": 4, "reserved": 1}, ["pool_dead", "eta_hoarding"]),
        ({"scheduled": 4, "prefetch_count": 4, "active_count": 1}, ["eta_hoarding"]),
        ({"scheduled": 4, "prefetch_count": 4, "active_count": 4}, []),  # no slot is free
        ({"scheduled": 4, "prefetch_count": 0}, ["consumes_nothing"]),  # no limit
        ({"scheduled": 4, "prefetch_count": None}, ["consumes_nothing"]),
        ({"scheduled": 4, "prefetch_count": 4, "paused": True}, ["all_paused"]),
        ({"scheduled": 4, "prefetch_count": 4, "state": "suspect"}, []),
        ({"prefetch_count": 16}, ["consumes_nothing"]),
    ],
)
def test_what_holds_a_worker_beside_a_backlog(fields: dict[str, Any], told: list[str]) -> None:
    assert [kind for kind, *_ in kinds(a_worker(**fields), backlog=9)] == told


def test_one_worker_whose_window_is_full_is_one_finding_whatever_queues_it_serves() -> None:
    checks = (a_check("mail"), a_check("files", scheduled=4))
    gossip = a_gossip(hostname="w1", checks=checks, scheduled=4, prefetch_count=4)
    worker = WorkerView(gossip, "online", heard_at=1000.0)
    view = View((worker,), build_queue_views([worker], {"mail": 9, "files": 2}), taken_at=1000.0)
    (one,) = pending_findings(RuleInput(view, listening_for=60.0))
    assert (one.kind, one.subject) == ("eta_hoarding", "w1")
    assert "2 messages wait in queue 'files' and 9 messages wait in queue 'mail'" in one.text


def test_without_a_backlog_scheduled_tasks_hold_nothing_up() -> None:
    assert kinds(a_worker(**ETA)) == []


# Batches.


def test_a_worker_that_holds_a_batch_has_not_stopped_consuming() -> None:
    """The library celery-batches keeps its messages out of all other counts."""
    assert [kind for kind, *_ in kinds(a_worker(), backlog=10)] == ["consumes_nothing"]
    assert kinds(a_worker(batched=10), backlog=10) == []


def test_a_worker_that_runs_a_batch_works_on_the_queue_and_has_no_slots_for_others() -> None:
    assert kinds(a_worker(), a_worker("w2", batched=5), backlog=5) == [("consumes_nothing", WARNING, "w1")]
    assert kinds(a_worker(**BUSY), a_worker("w2", batched=5)) == []


# Hoarding.


@pytest.mark.parametrize(
    ("other", "is_told"),
    [
        ({"active_count": 1}, True),
        ({"active_count": 3}, True),
        ({"active_count": 4}, False),
        ({"active_count": 3, "reserved": 1}, False),  # its own reserved task takes the slot
        ({"active_count": 1, "limited": 1}, False),
        ({"active_count": 1, "paused": True}, False),
        ({"active_count": 1, "state": "stalled", "stalled_for": 2.0}, False),
        ({"active_count": 1, "state": "suspect"}, False),
        ({"active_count": 1, "queue": "files"}, False),
        ({"scheduled": 4, "prefetch_count": 4}, False),  # it could not receive them
    ],
)
def test_another_worker_with_free_slots_that_serves_the_queue(other: dict[str, Any], is_told: bool) -> None:
    """It may run tasks itself."""
    told = [one for one in found(a_worker(**BUSY), a_worker("w2", **other)) if one.kind == "prefetch_hoarding"]
    assert [one.subject for one in told] == (["mail"] if is_told else [])
    assert all("w2" in one.text and "of 4 slots free" in one.text for one in told)


def test_a_worker_that_goes_on_starting_tasks_hoards_nothing() -> None:
    (one,) = found(a_worker(**BUSY, processed=5), a_worker("w2", processed=7))
    (later,) = found(a_worker(**BUSY, processed=6), a_worker("w2", processed=7))
    (other_moved,) = found(a_worker(**BUSY, processed=5), a_worker("w2", processed=8))
    assert one.reset_key != later.reset_key and one.reset_key == other_moved.reset_key


@pytest.mark.parametrize("hoarder", [{"state": "suspect"}, {"state": "draining"}, {"broadcast": True}])
def test_reserved_tasks_that_no_other_worker_could_have_are_not_hoarded(hoarder: dict[str, Any]) -> None:
    worker = a_worker(**BUSY, **hoarder)
    if worker.state == "draining":
        worker = WorkerView(msgspec.structs.replace(worker.gossip, state="draining"), "draining", heard_at=1000.0)
    assert kinds(worker, a_worker("w2", broadcast="broadcast" in hoarder)) == []


# Workers that are gone.


def test_an_idle_worker_that_is_lost_is_told_for_five_minutes() -> None:
    (one,) = found(a_worker(), a_worker("w2", "lost", state_since=990.0, scheduled=3))
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("worker_lost", WARNING, "w2", 0.0)
    assert "w2 stopped reporting" in one.text and "3 scheduled" in one.text
    assert kinds(a_worker(), a_worker("w2", "lost", state_since=700.0)) == [("worker_lost", WARNING, "w2")]
    assert kinds(a_worker(), a_worker("w2", "lost", state_since=699.9)) == []


@pytest.mark.parametrize("state", ["offline", "suspect", "draining", "online"])
def test_a_worker_that_is_not_lost_is_not_told(state: str) -> None:
    assert kinds(a_worker(), a_worker("w2", state, state_since=990.0)) == []


def test_a_worker_that_is_lost_with_tasks_is_told_once() -> None:
    assert kinds(a_worker(), a_worker("w2", "lost", state_since=990.0, active_count=1)) == [
        ("lost_with_tasks", CRITICAL, "w2")
    ]


@pytest.mark.parametrize("count", [3, 4, 40])
def test_many_workers_that_are_lost_at_once_share_a_finding(count: int) -> None:
    lost = [a_worker(f"w{n:02d}", "lost", state_since=990.0) for n in range(count)]
    told = found(a_worker("z"), *lost)
    assert {one.kind for one in told} == {"worker_lost"} and len(told) == (3 if count == 3 else 1)
    if count == 40:
        assert told[0].subject == "listener" and "40 workers" in told[0].text and "w09 and 30 more" in told[0].text


def test_a_worker_that_is_lost_and_started_again_and_again_is_reported() -> None:
    lost = tuple(msgspec.structs.replace(a_worker().gossip, boot=boot * 16) for boot in "bcd")
    (one,) = found(a_worker(earlier_losses=lost))
    assert (one.kind, one.severity, one.subject) == ("worker_lost", WARNING, "w1")
    assert "w1 has ended 3 times within ten minutes without shutting down" in one.text
    assert one.suppressed_by == ("lost_with_tasks",)
    assert kinds(a_worker(earlier_losses=lost[:2])) == [], "someone has restarted it twice"
    assert kinds(a_worker(state="offline", earlier_losses=lost)) == []


def test_tasks_that_a_cold_shutdown_cut_off_are_named() -> None:
    left = msgspec.structs.replace(a_worker(active_count=2).gossip, state="offline")
    (one,) = found(a_worker("w2"), WorkerView(left, "offline", heard_at=1000.0))
    assert (one.kind, one.severity, one.subject) == ("lost_with_tasks", CRITICAL, "w1")
    assert "id-0, id-1" in one.text and "shut down cold" in one.text
    (again,) = found(a_worker(replaced=left))
    assert (again.kind, again.severity) == ("lost_with_tasks", WARNING)
    assert "shut down cold" in again.text and "id-0, id-1" in again.text


# Backlogs.


def test_a_queue_that_no_worker_ever_served() -> None:
    (one,) = found(a_worker(queue="other"), backlog=12)
    assert (one.severity, "has never seen a worker that serves the queue" in one.text) == (CRITICAL, True)
    (left,) = found(a_worker("w1", "offline"), a_worker("w2", queue="other"), backlog=12)
    assert "has never seen" not in left.text and "1 offline" in left.text


def test_a_backlog_that_cannot_be_read() -> None:
    (one,) = found(a_worker(), unreadable_queues={"mail": "NOPERM this user has no permissions"})
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("backlog_unknown", WARNING, "mail", 15.0)
    assert "queue 'mail'" in one.text and "NOPERM" in one.text
    (every,) = found(a_worker(), unreadable_queues={"": "ConnectionError: refused", "mail": "x"})
    assert (every.subject, "ConnectionError" in every.text) == ("listener", True)


@pytest.mark.parametrize("count", [3, 4, 40])
def test_many_backlogs_that_cannot_be_read_share_a_finding(count: int) -> None:
    told = found(a_worker(), unreadable_queues={f"q{n:02d}": "403" for n in range(count)})
    assert len(told) == (3 if count == 3 else 1)
    if count == 40:
        assert told[0].subject == "listener" and "40 queues" in told[0].text and "q09 and 30 more" in told[0].text
