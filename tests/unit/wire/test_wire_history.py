"""Messages of workers of former commits are decoded, and they decode messages of today."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.task_view import tasks_of
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import RuleInput
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.encoding import encode, encode_echo
from celery_gossip.wire.messages import (
    Echo,
    Gossip,
    HeldMessage,
    PoolProcesses,
    Profile,
    Resources,
    RunningTask,
    Setting,
    Settings,
    Software,
    TaskNames,
    WaitingTask,
    as_dict,
    decode,
)
from celery_gossip.wire.sent import SentCount, SentReport
from celery_gossip.wire.tasks import TaskCount
from tests import wire
from tests.support.past import BEFORE_DETAILS, BEFORE_SERIES, FIRST, source_of
from tests.unit.build import BOOT, FakeClock, a_check, a_gossip, a_histogram, a_series

KEPT = sorted(Path(wire.__file__).parent.glob("*/*.json"))
STATES = {"idle": "online", "busy": "online", "draining": "draining", "offline": "offline"}
every_body = pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.stem}")


def test_bytes_of_every_state_are_kept_for_each_commit() -> None:
    assert {folder: {path.stem for path in KEPT if path.parent.name == folder} for folder in _folders()} == {
        FIRST[:7]: set(STATES),
        BEFORE_SERIES[:7]: set(STATES),
        "639adac": set(STATES),
        BEFORE_DETAILS[:7]: set(STATES),
    }


@every_body
def test_what_a_former_worker_said_is_told_as_it_was_meant(path: Path) -> None:
    said = json.loads(path.read_bytes())
    gossip = decode(path.read_bytes())
    assert isinstance(gossip, Gossip)
    assert as_json(as_dict(gossip)) == said
    assert gossip.state == STATES[path.stem]
    if path.stem == "busy":
        assert (gossip.active, gossip.reserved, gossip.scheduled) == (2, 3, 1)
        assert [(len(check.active), check.reserved, check.scheduled) for check in gossip.checks] == [
            (2, 2, 0),
            (0, 1, 1),
        ]


@every_body
def test_the_same_in_a_version_to_come_is_refused_as_such(path: Path) -> None:
    said = {**json.loads(path.read_bytes()), "v": 2, "checks": {"another": "shape"}}
    with pytest.raises(RejectedGossip) as refused:
        decode(json.dumps(said).encode())
    assert (refused.value.reason, said["hostname"] in str(refused.value)) == ("version", True)


@every_body
def test_fields_that_are_yet_to_come_are_ignored(path: Path) -> None:
    said: dict[str, Any] = json.loads(path.read_bytes())
    more = {**said, "mood": {"of": "tomorrow"}, "checks": [{**check, "mood": [1]} for check in said["checks"]]}
    assert decode(json.dumps(more).encode()) == decode(path.read_bytes())


DETAILS = {
    "profile",
    *("resources", "deferred", "newest", "software", "held", "stack"),
    *("reserved_tasks", "scheduled_tasks", "waiting", "names"),
}
COUNTS = {"limited", "overflowed", "skewed", "series", "undecodable", "batched"}


@pytest.mark.parametrize(
    ("commit", "new"),
    [
        (FIRST, COUNTS | DETAILS),
        (BEFORE_SERIES, COUNTS | DETAILS),
        (BEFORE_DETAILS, {*DETAILS, "undecodable", "batched"}),
    ],
)
def test_a_former_listener_understands_all_that_is_said_today_but_what_is_new(commit: str, new: set[str]) -> None:
    past = _messages_of(commit)
    task = RunningTask(0, 61.5, retries=2, is_redelivered=True, soft_time_limit=30.0, time_limit=60.0)
    gossip = a_gossip(
        checks=(
            a_check(active=("one",), active_count=1, scheduled=3, tasks=(task,)),
            a_check("slow", paused=True),
        ),
        active=1,
        scheduled=3,
        limited=2,
        overflowed=1,
        skewed=1,
        undecodable=4,
        batched=5,
        resources=Resources(1, 2, 2, 0.5, 9, 5, PoolProcesses(4, 0, 0, 0, 1, 0, -9)),
        deferred=6,
        newest=(0.4, None),
        names=("shop.pack",),
        software=Software(release="v42", registry="ab" * 8, tasks=3, settings=Settings(visibility_timeout=60.0)),
        profile=Profile(
            pid=7, age=1.5, settings=(Setting("timezone", "UTC"),), tasks=TaskNames("ab" * 8, 1, 0, ("a",))
        ),
        held=(HeldMessage("slow", "shop.pack", "two", "reserved", 50.0),),
        stack=("shop.signals:wait:7",),
        reserved_tasks=(TaskCount(0, 0, 2),),
        scheduled_tasks=(TaskCount(0, 0, 3),),
        waiting=(WaitingTask("three", 0, 0, "scheduled", 7.0, 0, 60.0),),
        series=(a_series(failed={"ValueError": 2}, runtime=a_histogram((3, 1, 1)), wait=a_histogram((4, 1, 0))),),
    )
    told = as_json(as_dict(gossip))
    told["checks"] = [{key: value for key, value in check.items() if key != "tasks"} for check in told["checks"]]
    understood = as_json(past.as_dict(past.decode(encode(gossip))))
    assert understood == {name: told[name] for name in understood}
    assert told.keys() - understood.keys() == new


@pytest.mark.parametrize("commit", [BEFORE_SERIES, BEFORE_DETAILS])
def test_the_echo_of_a_sender_that_counts_is_one_as_any_other_for_a_former_listener(commit: str) -> None:
    past = _messages_of(commit)
    report = SentReport(app="shop", period=10.0, names=("mail", "shop.pack"), counts=(SentCount(0, 1, 3, 3, 9.0),))
    plain, counting = Echo(echo=BOOT, number=4), Echo(echo=BOOT, number=4, sent=report)
    assert as_json(past.as_dict(past.decode(encode_echo(counting)))) == as_json(
        past.as_dict(past.decode(encode_echo(plain)))
    )


@pytest.mark.parametrize("state", STATES)
def test_what_a_former_worker_leaves_out_is_unknown_and_nothing_is_found_by_it(state: str) -> None:
    clock = FakeClock(1000.0)
    cluster, diagnosis = Cluster(clock), Diagnosis()
    report = decode((Path(wire.__file__).parent / BEFORE_DETAILS[:7] / f"{state}.json").read_bytes())
    assert isinstance(report, Gossip)
    for second in range(600):
        clock.advance(1.0)
        cluster.apply_gossip(msgspec.structs.replace(report, seq=second + 1, series=()), clock.now)
        cluster.set_queue_lengths(dict.fromkeys((check.queue for check in report.checks), 0), clock.now)
        diagnosis.evaluate(RuleInput(cluster.view(), listening_for=float(second)), clock.now)
        assert [finding.kind for finding in diagnosis.findings] == []
    (worker,) = cluster.view().workers
    assert (worker.software, worker.release, worker.resources, worker.resources_age) == (None, "", None, None)
    assert {(task.name, task.age, task.retries, task.is_redelivered) for task in tasks_of(worker.gossip)} <= {
        ("", None, None, None)
    }
    assert {queue.oldest_age_max for queue in cluster.view().queues} <= {0.0}
    cluster.set_queue_lengths(dict.fromkeys((check.queue for check in report.checks), 5), clock.now)
    clock.advance(1.0)
    known = {(queue.oldest_age_min, queue.oldest_age_max) for queue in cluster.view().queues}
    assert all((low or 0.0) <= 1.0 and high is not None for low, high in known), "since the queue was seen empty"


@pytest.mark.parametrize("commit", [FIRST, BEFORE_SERIES])
@pytest.mark.parametrize("path", [path for path in KEPT if path.parent.name == "639adac"], ids=lambda path: path.stem)
def test_a_former_listener_understands_what_a_worker_says_now(commit: str, path: Path) -> None:
    past = _messages_of(commit)
    understood = as_json(past.as_dict(past.decode(path.read_bytes())))
    said = json.loads(path.read_bytes())
    assert understood == {name: said[name] for name in understood}
    assert said.keys() - understood.keys() <= {"series"}


def as_json(fields: dict[str, Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(json.dumps(fields))
    return parsed


def _folders() -> set[str]:
    return {path.parent.name for path in KEPT}


def _messages_of(commit: str) -> ModuleType:
    """Return the module of the wire format of this commit, with today's errors."""
    name = f"messages_of_{commit[:7]}"
    with patch.dict(sys.modules):
        if "celery_gossip.histogram" in (source := source_of(commit, "celery_gossip/messages.py")):
            histogram = sys.modules["celery_gossip.histogram"] = ModuleType("celery_gossip.histogram")
            exec(source_of(commit, "celery_gossip/histogram.py"), histogram.__dict__)
        module = ModuleType(name)
        exec(compile(source, name, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("commit", [FIRST, BEFORE_SERIES, BEFORE_DETAILS])
def test_a_former_listener_takes_a_broadcast_queue_as_any_other(commit: str) -> None:
    past = _messages_of(commit)
    gossip = a_gossip(checks=(a_check("news", broadcast=True),))
    (check,) = past.decode(encode(gossip)).checks
    assert check.queue == "news"
