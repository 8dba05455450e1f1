"""Messages of workers of former commits are decoded, and they decode messages of today."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Gossip, PoolProcesses, Resources, as_dict, decode
from tests import wire
from tests.support.past import BEFORE_SERIES, FIRST, source_of
from tests.unit.build import a_check, a_gossip, a_histogram, a_series

KEPT = sorted(Path(wire.__file__).parent.glob("*/*.json"))
STATES = {"idle": "online", "busy": "online", "draining": "draining", "offline": "offline"}
every_body = pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.stem}")


def test_bytes_of_every_state_are_kept_for_each_commit() -> None:
    assert {folder: {path.stem for path in KEPT if path.parent.name == folder} for folder in _folders()} == {
        FIRST[:7]: set(STATES),
        BEFORE_SERIES[:7]: set(STATES),
        "639adac": set(STATES),
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


@pytest.mark.parametrize("commit", [FIRST, BEFORE_SERIES])
def test_a_former_listener_understands_all_that_is_said_today_but_what_is_new(commit: str) -> None:
    past = _messages_of(commit)
    gossip = a_gossip(
        checks=(a_check(active=("one",), active_count=1, scheduled=3), a_check("slow", paused=True)),
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
        series=(a_series(failed={"ValueError": 2}, runtime=a_histogram((3, 1, 1)), wait=a_histogram((4, 1, 0))),),
    )
    told = as_json(as_dict(gossip))
    understood = as_json(past.as_dict(past.decode(encode(gossip))))
    assert understood == {name: told[name] for name in understood}
    assert told.keys() - understood.keys() == {
        *("limited", "overflowed", "skewed", "series", "undecodable", "batched", "resources", "deferred", "newest"),
    }


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
    module = ModuleType(name)
    exec(compile(source_of(commit, "celery_gossip/messages.py"), name, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("commit", [FIRST, BEFORE_SERIES])
def test_a_former_listener_takes_a_broadcast_queue_as_any_other(commit: str) -> None:
    past = _messages_of(commit)
    gossip = a_gossip(checks=(a_check("news", broadcast=True),))
    (check,) = past.decode(encode(gossip)).checks
    assert check.queue == "news"
