"""oldest_waits: a message waits for long although workers consume the queue, and nothing else explains it."""

from typing import Any

import pytest
from msgspec.structs import replace

from celery_gossip.cluster.throughput import Distribution, Throughput, ThroughputWindows
from celery_gossip.cluster.view import View, WorkerView, build_queue_views
from celery_gossip.diagnosis.age_rules import oldest_waits
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import WARNING, RuleInput
from celery_gossip.diagnosis.rule_settings import parse_rules
from celery_gossip.wire.histogram import bucket_index
from celery_gossip.wire.messages import RunningTask
from tests.unit.build import a_check, a_gossip

NOW = 1000.0
NOTHING = Throughput(seconds=60.0)


def a_worker(state: Any = "online", consumed_for: float = 3600.0, paused: bool = False, **fields: Any) -> WorkerView:
    """Return a worker of the queue "mail", all of whose slots are busy."""
    active = fields.pop("active", 4)
    check = a_check(
        "mail",
        paused=paused,
        active=tuple(f"id-{n}" for n in range(active)),
        active_count=active,
        tasks=tuple(RunningTask(0, 100.0 - n) for n in range(active)),
        started_at=50_000.0 - consumed_for,
        updated_at=50_000.0,
    )
    gossip = a_gossip(active=active, checks=(check,), names=("shop.pack",), **fields)
    return WorkerView(gossip, state, heard_at=NOW)


def inputs(
    *workers: WorkerView,
    ages: tuple[float, float | None] = (400.0, 410.0),
    backlog: int = 50,
    median: float = 0.1,
    started: int = 0,
    rules: dict[str, Any] | None = None,
) -> RuleInput:
    (queue,) = build_queue_views(workers, {"mail": backlog})
    view = View(workers, (replace(queue, oldest_age_min=ages[0], oldest_age_max=ages[1]),), taken_at=NOW)
    runtime = Distribution(100, median * 100, {bucket_index(median): 100})
    windows = ThroughputWindows(
        last_15_seconds=NOTHING,
        last_minute=Throughput(seconds=60.0, started=started),
        previous_ten_minutes=Throughput(seconds=600.0, runtime=runtime),
    )
    settings = {} if rules is None else {"settings": parse_rules(rules, "rules")}
    return RuleInput(view, listening_for=60.0, throughput={"mail": windows}, **settings)


def texts(*workers: WorkerView, **options: Any) -> list[str]:
    return [one.text for one in oldest_waits(inputs(*workers, **options))]


def test_a_message_that_waits_for_long_is_reported() -> None:
    (one,) = oldest_waits(inputs(a_worker()))
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("oldest_waits", WARNING, "mail", 15.0)
    assert one.text == (
        "The oldest message in queue 'mail' has waited for 7m at least, although 1 worker consumes the queue; 50 "
        "messages wait. All 4 slots are busy, longest with shop.pack (id-0, running for 2m), shop.pack (id-1, running "
        "for 99s), shop.pack (id-2, running for 98s). Add workers or slots, or route long tasks to a queue of their "
        "own. If this wait is acceptable, raise oldest_seconds for this queue (`--rules`)."
    )


def test_free_slots_have_another_reason() -> None:
    (text,) = texts(a_worker(concurrency=8), a_worker(concurrency=4), backlog=1)
    assert "although 2 workers consume the queue; 1 message waits. 4 of 12 slots are free: check for tasks" in text


def test_an_age_that_no_header_confirms_is_conditional() -> None:
    (text,) = texts(a_worker(), ages=(400.0, None))
    assert "has waited for 7m at least (if all its workers report), although" in text


@pytest.mark.parametrize(
    "options",
    [
        {"ages": (300.0, 900.0)},  # only the least age counts
        {"ages": (0.0, None)},
        {"median": 20.0},  # 30 times as long as a task takes
        {"backlog": 50, "started": 10},  # the last message is started in five minutes
        {"rules": {"thresholds": {"oldest_seconds": 500}}},
        {"rules": {"subjects": {"m*": {"thresholds": {"oldest_factor": 1000.0}}}}, "median": 0.5},
    ],
    ids=repr,
)
def test_a_wait_that_is_not_long_is_no_finding(options: dict[str, Any]) -> None:
    assert texts(a_worker(), **options) == []


@pytest.mark.parametrize(
    "options",
    [
        {"median": 13.0},
        {"backlog": 51, "started": 10},
        {"rules": {"thresholds": {"oldest_seconds": 350, "oldest_factor": 0}}, "median": 50.0},
        {"ages": (310.0, 310.0)},
    ],
    ids=repr,
)
def test_a_wait_that_is_long_is_a_finding(options: dict[str, Any]) -> None:
    assert len(texts(a_worker(), **options)) == 1


@pytest.mark.parametrize(
    "worker",
    [
        a_worker(consumed_for=200.0),  # a new worker works off what has piled up before
        a_worker(paused=True),
        a_worker("stalled"),
        a_worker("suspect"),
        a_worker("lost"),
        a_worker(active=0),  # consumes_nothing
        a_worker(active=0, reserved=3),  # pool_dead
        a_worker(scheduled=16, prefetch_count=16),  # eta_hoarding
        a_worker(limited=2, concurrency=8),
        a_worker(batched=5),
    ],
    ids=lambda worker: worker.state,
)
def test_a_worker_whose_state_explains_the_wait_does_not_count(worker: WorkerView) -> None:
    assert texts(worker) == []
    assert len(texts(worker, a_worker())) == 1


def test_a_solo_worker_that_runs_a_task_counts_although_its_loop_is_blocked() -> None:
    assert "The only slot is busy" in texts(a_worker("stalled", pool="solo", active=1, concurrency=1))[0]


def test_rate_limited_tasks_do_not_excuse_full_slots() -> None:
    assert len(texts(a_worker(limited=2))) == 1


@pytest.mark.parametrize("kind", ["slots_pinned", "wait_grows", "all_paused", "backlog_without_consumer"])
def test_another_finding_on_the_queue_replaces_it(kind: str) -> None:
    (one,) = oldest_waits(inputs(a_worker()))
    assert kind in one.suppressed_by


def test_it_is_cleared_when_the_queue_is_empty() -> None:
    diagnosis = Diagnosis()
    diagnosis.evaluate(inputs(a_worker()), NOW)
    raised, _ = diagnosis.evaluate(inputs(a_worker()), NOW + 20)
    assert "oldest_waits" in [finding.kind for finding in raised]
    _, cleared = diagnosis.evaluate(inputs(a_worker(), ages=(0.0, 0.0), backlog=0), NOW + 30)
    assert "oldest_waits" in [finding.kind for finding in cleared]
