"""Waiting tasks on the wire: short, bounded, and never a reference to something that is not there."""

import json
from typing import Any

import msgspec
import pytest

from celery_gossip.cluster.report_size import memory_size, strip_details
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.encoding import clear_unused_names, encode, encode_bounded
from celery_gossip.wire.messages import MAX_BYTES, MAX_WAITING_TASKS, Gossip, WaitingTask, decode
from tests.unit.build import a_check, a_gossip, wire

NAMES = ["shop.pay", "mail"]
TASK = WaitingTask("id-1", 0, 1, "scheduled", 12.5, 2, 60.0)


def test_a_waiting_task_survives_the_wire() -> None:
    gossip = a_gossip(names=tuple(NAMES), waiting=(TASK, WaitingTask("id-2", 0, 1, "limited", 0.0)))
    assert decode(encode(gossip)) == gossip


def test_a_report_in_which_nothing_waits_has_no_such_field() -> None:
    assert "waiting" not in json.loads(encode(a_gossip()))


def test_a_waiting_task_takes_less_than_80_bytes() -> None:
    assert len(msgspec.json.encode(WaitingTask("0" * 36, 10, 11, "scheduled", 1234.5, 3, 86_400.0))) < 80


def test_an_older_listener_ignores_the_field() -> None:
    fields = [field for field in msgspec.structs.fields(Gossip) if field.name != "waiting"]
    older = msgspec.defstruct("Older", [(one.name, Any, None) for one in fields], kw_only=True)
    read: Any = msgspec.json.decode(encode(a_gossip(names=tuple(NAMES), waiting=(TASK,))), type=older)
    assert read.hostname == "celery@web1"


@pytest.mark.parametrize(
    "task",
    [
        ["id", 0, 1, "reserved"],
        ["id", 2, 1, "reserved", 1.0],
        ["id", 0, 2, "reserved", 1.0],
        ["id", -1, 1, "reserved", 1.0],
        ["id", 0, 1, "running", 1.0],
        ["id", 0, 1, "", 1.0],
        ["id", 0, 1, 1, 1.0],
        ["id", 0, 1, "reserved", -1.0],
        ["id", 0, 1, "reserved", 1e11],
        ["id", 0, 1, "reserved", None],
        ["id", 0, 1, "reserved", 1.0, -1],
        ["id", 0, 1, "reserved", 1.0, 0, -1.0],
        ["i" * 256, 0, 1, "reserved", 1.0],
        [7, 0, 1, "reserved", 1.0],
        {"id": "id"},
        "id",
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_waiting_task_of_another_type_or_out_of_bounds_is_refused(task: Any) -> None:
    with pytest.raises(RejectedGossip, match="invalid"):
        decode(wire(names=NAMES, waiting=[task]))


def test_too_many_waiting_tasks_are_refused() -> None:
    one = ["id", 0, 1, "reserved", 1.0]
    gossip = decode(wire(names=NAMES, waiting=[one] * MAX_WAITING_TASKS))
    assert isinstance(gossip, Gossip) and len(gossip.waiting) == MAX_WAITING_TASKS
    with pytest.raises(RejectedGossip, match="invalid"):
        decode(wire(names=NAMES, waiting=[one] * (MAX_WAITING_TASKS + 1)))


def test_control_characters_in_an_id_are_refused() -> None:
    with pytest.raises(RejectedGossip, match="text"):
        decode(wire(names=NAMES, waiting=[["a\nb", 0, 1, "reserved", 1.0]]))


def test_a_waiting_task_of_a_newer_release_may_have_more_fields() -> None:
    gossip = decode(wire(names=NAMES, waiting=[["id", 0, 1, "reserved", 1.0, 0, None, "more"]]))
    assert isinstance(gossip, Gossip) and gossip.waiting[0].id == "id"


def test_names_of_waiting_tasks_are_in_use() -> None:
    gossip = a_gossip(names=("unused", *NAMES, "unused"), waiting=(WaitingTask("id", 1, 2, "reserved", 1.0),))
    assert clear_unused_names(gossip).names == ("", *NAMES)


def test_waiting_tasks_are_the_first_to_go_where_there_is_no_room() -> None:
    active = tuple(f"{number:036}" for number in range(1_600))
    checks = (a_check(active=active, active_count=len(active)),)
    gossip = a_gossip(checks=checks, names=tuple(NAMES), waiting=(TASK,) * MAX_WAITING_TASKS)
    kept, body = encode_bounded(gossip)
    assert len(body) <= MAX_BYTES
    assert (kept.waiting, len(kept.checks[0].active), kept.names) == ((), 1_600, ())


def test_a_listener_keeps_none_of_an_instance_that_is_not_the_current_one() -> None:
    gossip = a_gossip(names=tuple(NAMES), waiting=(TASK,))
    assert strip_details(gossip).waiting == () and strip_details(gossip).names == ()
    assert memory_size(gossip) > memory_size(strip_details(gossip)) + 190
