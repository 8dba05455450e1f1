"""Findings about what workers run; what is not reported is unknown, and no finding."""

from typing import Any

import msgspec
import pytest

from celery_gossip.cluster.release_outcomes import ReleaseOutcome
from celery_gossip.cluster.unknown_tasks import UnknownTask
from celery_gossip.cluster.view import View, WorkerView, build_queue_views
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import PendingFinding, RuleInput
from celery_gossip.diagnosis.rule_settings import parse_rules
from celery_gossip.diagnosis.rules import pending_findings
from celery_gossip.diagnosis.software_rules import visibility_timeout
from celery_gossip.wire.messages import OTHER, HeldMessage, RunningTask, Settings, Software
from tests.unit.build import OTHER_BOOT, a_check, a_gossip

V41, V42 = Software(release="v41", registry="41" * 8, tasks=4), Software(release="v42", registry="42" * 8, tasks=5)


def a_worker(
    hostname: str = "w1", software: Software | None = V41, state: str = "online", queue: str = "mail", **fields: Any
) -> WorkerView:
    check = {name: fields.pop(name) for name in ("paused", "broadcast", "active", "tasks") if name in fields}
    gossip = a_gossip(hostname=hostname, checks=(a_check(queue, **check),), **fields)
    return WorkerView(gossip, state, heard_at=1000.0, software=software)


def inputs(*workers: WorkerView, taken_at: float = 1000.0, **fields: Any) -> RuleInput:
    view = View(workers, build_queue_views(workers, {"mail": 0}), taken_at=taken_at)
    return RuleInput(view, **{"listening_for": 60.0, "source": "exchange 'e' of redis://h", **fields})


def found(*workers: WorkerView, **fields: Any) -> list[PendingFinding]:
    return list(pending_findings(inputs(*workers, **fields)))


def the(*workers: WorkerView, **fields: Any) -> PendingFinding:
    (one,) = found(*workers, **fields)
    return one


# Unregistered tasks.


def unknown(task: str = "shop.new", count: int = 3, **fields: Any) -> UnknownTask:
    return UnknownTask(**{"queue": "mail", "since": 940.0, "hostnames": ("w1",), **fields}, task=task, count=count)


def test_an_unregistered_task_is_named_with_its_number_and_worker() -> None:
    one = the(a_worker(), unknown_tasks=(unknown(),))
    assert (one.kind, one.severity, one.subject, one.for_seconds) == ("unregistered_task", "warning", "mail", 0.0)
    assert one.text.startswith(
        "In the last 60s w1 received messages of queue 'mail' with tasks that are not registered"
    )
    assert "'shop.new' (3)" in one.text and "these tasks are lost. Deploy" in one.text


def test_several_tasks_of_a_queue_share_a_finding_and_the_rest_comes_last() -> None:
    tasks = (unknown(OTHER, 900), unknown("shop.a", 1), unknown("shop.b", 7, hostnames=("w2", "w1")))
    one = the(a_worker(), unknown_tasks=tasks)
    assert "w1, w2 received" in one.text and ": 'shop.b' (7), 'shop.a' (1), others (900)." in one.text


def test_tasks_of_an_unknown_queue_are_the_listeners() -> None:
    assert the(a_worker(), unknown_tasks=(unknown(queue=""),)).subject == "listener"


SAME = "All workers of this queue have registered the same tasks, so none of them knows it."
DIFFERENT = "The workers of this queue have registered different tasks, so they run different code."
RUN = "Other workers of this queue have run such tasks (w2), so the workers run different code."


@pytest.mark.parametrize(
    ("workers", "known_by", "sentence"),
    [
        ([a_worker("w1", V41), a_worker("w2", V41)], (), SAME),
        ([a_worker("w1", V41), a_worker("w2", V42)], (), DIFFERENT),
        ([a_worker("w1", None), a_worker("w2", None)], ("w2",), RUN),
        ([a_worker("w1", V41), a_worker("w2", V41)], ("w2",), RUN),
        ([a_worker("w1", V41), a_worker("w2", None)], (), ""),
        ([a_worker("w1", V41), a_worker("w2", Software(release="v41"))], (), ""),
        ([a_worker("w1", V41)], (), ""),
        ([a_worker("w1", V41), a_worker("w2", V41, queue="other")], ("w2",), ""),
    ],
)
def test_whether_other_workers_know_the_task_is_said_if_it_is_known(
    workers: list[WorkerView], known_by: tuple[str, ...], sentence: str
) -> None:
    (one,) = [
        one for one in found(*workers, unknown_tasks=(unknown(known_by=known_by),)) if one.kind == "unregistered_task"
    ]
    expected = f"these tasks are lost. {sentence} Deploy" if sentence else "these tasks are lost. Deploy"
    assert expected in one.text


# Several releases.


def raised_after(seconds: float, *workers: WorkerView) -> list[str]:
    """Return the kinds that are raised if this state lasts for so long."""
    diagnosis = Diagnosis()
    for at in (0.0, seconds / 2, seconds):
        diagnosis.evaluate(inputs(*workers, taken_at=1000.0 + at), 1000.0 + at)
    return [finding.kind for finding in diagnosis.findings]


@pytest.mark.parametrize("other", [V42, Software(release="v42"), Software(release="v41", registry="42" * 8)], ids=repr)
def test_workers_that_run_different_code_are_a_finding_after_a_quarter_of_an_hour(other: Software) -> None:
    workers = (a_worker("w1"), a_worker("w2"), a_worker("w3", other))
    assert raised_after(890.0, *workers) == []
    assert raised_after(901.0, *workers) == ["mixed_releases"]


def test_releases_are_named_with_their_workers() -> None:
    one = the(*(a_worker(f"w{number}") for number in range(12)), a_worker("x1", V42))
    assert "v41 on 12 workers (w0, w1 and 10 more), v42 on x1." in one.text and one.subject == "mail"


def with_queues(hostname: str, software: Software, count: int) -> WorkerView:
    gossip = a_gossip(hostname=hostname, checks=tuple(a_check(f"q{number}") for number in range(count)))
    return WorkerView(gossip, "online", heard_at=1000.0, software=software)


def test_many_queues_share_a_finding_and_muted_ones_are_left_out() -> None:
    workers = (with_queues("w1", V41, 5), with_queues("w2", V42, 5))
    one = the(*workers)
    assert one.subject == "listener" and "workers of 5 queues ('q0', 'q1', 'q2' and 2 more) run" in one.text
    assert "v41 on w1, v42 on w2." in one.text
    rules = parse_rules({"subjects": {"q[01]": {"mute": ["mixed_releases"]}}}, "rules")
    assert [one.subject for one in found(*workers, settings=rules)] == ["q2", "q3", "q4"]


def test_different_tasks_are_named_with_their_numbers() -> None:
    other = msgspec.structs.replace(V41, registry="ab" * 8, tasks=9)
    one = the(a_worker("w1"), a_worker("w2", other))
    assert "tasks 4141414141414141 on w1, tasks abababababababab on w2; 4, 9 in number" in one.text


@pytest.mark.parametrize(
    "workers",
    [
        [a_worker("w1"), a_worker("w2")],
        [a_worker("w1"), a_worker("w2", None)],
        [a_worker("w1"), a_worker("w2", Software())],
        [a_worker("w1"), a_worker("w2", V42, queue="other")],
        [a_worker("w1"), a_worker("w2", V42, state="lost", active=())],
        [a_worker("w1"), a_worker("w2", V42, state="offline")],
        [a_worker("w1"), a_worker("w2", V42, state="draining")],
        [a_worker("w1"), a_worker("w2", V42, paused=True)],
        [a_worker("w1", Software(celery="5.4.0")), a_worker("w2", Software(celery="5.7.0"))],
    ],
)
def test_one_release_or_an_unknown_one_is_no_finding(workers: list[WorkerView]) -> None:
    if workers[1].state == "draining":
        gossip = msgspec.structs.replace(workers[1].gossip, state="draining")
        workers[1] = WorkerView(gossip, "draining", heard_at=1000.0, software=V42)
    assert [one.kind for one in found(*workers) if one.kind == "mixed_releases"] == []


def test_the_time_begins_again_with_another_pair_of_releases() -> None:
    keys = [the(a_worker("w1"), a_worker("w2", Software(release=name))).reset_key for name in ("v42", "v43", "v42")]
    assert keys[0] == keys[2] != keys[1]


# Failures by release.


def outcome(**fields: Any) -> ReleaseOutcome:
    values = {"ended": 200, "failed": 60, "other_ended": 800, "other_failed": 8, "chance": 1e-9, "minutes": 4}
    return ReleaseOutcome(**{"release": "v42", "task": "shop.pack", **values, **fields})


def test_a_release_that_fails_is_named_with_its_numbers_task_and_workers() -> None:
    workers = (a_worker("w1"), a_worker("w2", V42))
    (one,) = [one for one in found(*workers, release_outcomes={"mail": (outcome(),)}) if one.kind == "release_fails"]
    assert (one.severity, one.subject, one.for_seconds) == ("warning", "mail", 10.0)
    assert (
        "Under release 'v42', 30% of the tasks of queue 'mail' failed (60 of 200), compared with 1% (8 of 800)"
        in one.text
    )
    assert "'shop.pack'. It runs on w2. Roll this release back" in one.text


@pytest.mark.parametrize(
    "fields",
    [
        {"chance": 1.1e-5},
        {"minutes": 2},
        {"ended": 19, "failed": 19},
        {"other_ended": 19, "other_failed": 0},
        {"failed": 10},
    ],
    ids=repr,
)
def test_a_difference_that_may_be_chance_or_a_burst_or_small_is_none(fields: dict[str, Any]) -> None:
    assert found(a_worker(), release_outcomes={"mail": (outcome(**fields),)}) == []


def test_the_first_clear_one_is_reported() -> None:
    outcomes = (outcome(release="v1", minutes=1), outcome(release="v2"), outcome(release="v3"))
    assert "'v2'" in the(a_worker(), release_outcomes={"mail": outcomes}).text


def test_thresholds_of_releases_can_be_set_for_a_queue() -> None:
    rules = parse_rules({"subjects": {"mail": {"thresholds": {"release_by": 0.5, "release_tasks": 500}}}}, "rules")
    assert found(a_worker(), settings=rules, release_outcomes={"mail": (outcome(),)}) == []


# Redelivery.


def held(state: str = "running", age: float = 3000.0, remaining: float = 0.0, queue: str = "mail") -> HeldMessage:
    return HeldMessage(queue, "shop.report", "id-1", state, age, remaining)  # type: ignore[arg-type]


def redis(timeout: float | None = 3600.0) -> Software:
    return Software(settings=Settings(visibility_timeout=timeout))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (held(), "shop.report (id-1) runs on w1, and its message, received 50m ago, is not acknowledged (acks_late)."),
        (held("reserved"), "shop.report (id-1) has waited for a slot on w1 for 50m."),
        (
            held("scheduled", 60.0, 7200.0),
            "w1 has held shop.report (id-1) for 60s, and will hold it for 120m until its ETA.",
        ),
        (held("scheduled", 2000.0, 1000.0), "w1 has held shop.report (id-1) for 33m, and will hold it for 17m"),
    ],
    ids=lambda value: value.state if isinstance(value, HeldMessage) else "",
)
def test_a_message_that_is_held_for_long_is_named_with_the_timeout(message: HeldMessage, text: str) -> None:
    one = the(a_worker(software=redis(), held=(message,)))
    assert (one.kind, one.severity, one.subject) == ("will_be_redelivered", "warning", "mail")
    assert one.text.startswith(text) and "The visibility timeout of the broker is 60m" in one.text


@pytest.mark.parametrize(
    "worker",
    [
        a_worker(software=redis(), held=(held(age=2879.0),)),
        a_worker(software=redis(43_200.0), held=(held(),)),
        a_worker(software=redis(None), held=(held(),)),
        a_worker(software=redis(0.0), held=(held(),)),
        a_worker(software=None, held=(held(),)),
        a_worker(software=redis(), broadcast=True, held=(held(),)),
        a_worker(software=redis(), state="suspect", held=(held(),)),
    ],
)
def test_a_message_that_is_not_held_for_long_or_of_an_unknown_timeout_is_no_finding(worker: WorkerView) -> None:
    assert found(worker) == []


def test_the_shortest_timeout_of_the_workers_of_a_queue_counts() -> None:
    long, short = a_worker("w1", redis(43_200.0), held=(held(),)), a_worker("w2", redis(3600.0))
    assert the(long, short).kind == "will_be_redelivered"
    assert visibility_timeout([long, short, a_worker("w3", None)]) == 3600.0
    assert visibility_timeout([a_worker("w3", None), a_worker("w4", redis(None))]) is None


def test_more_messages_of_a_queue_share_the_finding() -> None:
    one = the(a_worker(software=redis(), held=(held(), held(age=3500.0), held("reserved", 2900.0))))
    assert "received 58m ago" in one.text and "At least 2 more messages of this queue, too." in one.text


def test_a_queue_that_is_unknown_is_the_listeners() -> None:
    assert the(a_worker(software=redis(), held=(held(queue=""),))).subject == "listener"


def test_the_share_of_the_timeout_can_be_set() -> None:
    rules = parse_rules({"thresholds": {"redelivery_share": 0.95}}, "rules")
    assert found(a_worker(software=redis(), held=(held(),)), settings=rules) == []


def running(hostname: str, software: Software | None, boot: str) -> WorkerView:
    details = {"names": ("t",), "active": ("id-1",), "tasks": (RunningTask(0, 60.0),)}
    return a_worker(hostname, software, boot=boot, **details)


@pytest.mark.parametrize(
    ("software", "text"), [(redis(1800.0), "after visibility_timeout, here 30m;"), (None, "one hour by default;")]
)
def test_a_task_that_runs_twice_names_the_timeout(software: Software | None, text: str) -> None:
    one = the(running("w1", software, "0123456789abcdef"), running("w2", software, OTHER_BOOT))
    assert one.kind == "runs_twice" and text in one.text
