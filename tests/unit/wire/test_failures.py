"""Failures on the wire: short, bounded, and never a reference to something that is not there."""

import json
from typing import Any

import msgspec
import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.encoding import clear_unused_names, encode
from celery_gossip.wire.messages import MAX_FAILURES, MAX_MESSAGE, Gossip, TaskFailure, decode
from tests.unit.build import a_gossip, wire

NAMES = ["shop.pay", "mail", "KeyError", "shop.tasks:pay:41"]
FAILURE = TaskFailure(1, 0, 1, 2, "id-1", 1.5, 0.25, 2, "'k'", (3,), 0)


def test_a_failure_survives_the_wire() -> None:
    gossip = a_gossip(names=tuple(NAMES), failures=(FAILURE,))
    assert decode(encode(gossip)) == gossip


def test_a_report_without_failures_has_no_such_field() -> None:
    assert "failures" not in json.loads(encode(a_gossip()))


def test_a_failure_without_details_takes_less_than_100_bytes() -> None:
    plain = TaskFailure(1234, 10, 11, 12, "0" * 36, 1.25, 12.125)
    assert len(msgspec.json.encode(plain)) < 100


def test_an_older_listener_ignores_the_field() -> None:
    fields = [field for field in msgspec.structs.fields(Gossip) if field.name != "failures"]
    older = msgspec.defstruct("Older", [(one.name, Any, None) for one in fields], kw_only=True)
    read: Any = msgspec.json.decode(encode(a_gossip(names=tuple(NAMES), failures=(FAILURE,))), type=older)
    assert read.hostname == "celery@web1"


@pytest.mark.parametrize(
    "failure",
    [
        [0, 0, 1, 2, "id", 1.0],
        [1, 0, 1, 2, "id"],
        [1, 0, 1, 2, "id", -1.0],
        [1, 0, 1, 2, "id", 1e11],
        [1, 4, 1, 2, "id", 1.0],
        [1, 0, 4, 2, "id", 1.0],
        [1, 0, 1, 4, "id", 1.0],
        [1, 0, 1, -1, "id", 1.0],
        [2**53 + 1, 0, 1, 2, "id", 1.0],
        [1, 0, 1, 2, "i" * 256, 1.0],
        [1, 0, 1, 2, 7, 1.0],
        [1, 0, 1, 2, "id", 1.0, -1.0],
        [1, 0, 1, 2, "id", 1.0, None, -1],
        [1, 0, 1, 2, "id", 1.0, None, 0, "m" * (MAX_MESSAGE + 1)],
        [1, 0, 1, 2, "id", 1.0, None, 0, None, [4]],
        [1, 0, 1, 2, "id", 1.0, None, 0, None, [3] * 41],
        [1, 0, 1, 2, "id", 1.0, None, 0, None, [3], 1],
        [1, 0, 1, 2, "id", 1.0, None, 0, None, [], 0],
        {"number": 1},
        "failure",
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_failure_of_another_type_or_out_of_bounds_is_refused(failure: Any) -> None:
    with pytest.raises(RejectedGossip, match="invalid"):
        decode(wire(names=NAMES, failures=[failure]))


def test_too_many_failures_are_refused() -> None:
    one = [1, 0, 1, 2, "id", 1.0]
    assert len(decode(wire(names=NAMES, failures=[one] * MAX_FAILURES)).failures) == MAX_FAILURES  # type: ignore[union-attr]
    with pytest.raises(RejectedGossip, match="invalid"):
        decode(wire(names=NAMES, failures=[one] * (MAX_FAILURES + 1)))


@pytest.mark.parametrize("failure", [[1, 0, 1, 2, "a\nb", 1.0], [1, 0, 1, 2, "id", 1.0, None, 0, "\x1b[2J"]])
def test_control_characters_in_a_failure_are_refused(failure: list[Any]) -> None:
    with pytest.raises(RejectedGossip, match="text"):
        decode(wire(names=NAMES, failures=[failure]))


def test_a_failure_of_a_newer_release_may_have_more_fields() -> None:
    gossip = decode(wire(names=NAMES, failures=[[1, 0, 1, 2, "id", 1.0, None, 0, "m", [3], 0, "more"]]))
    assert isinstance(gossip, Gossip) and gossip.failures[0].message == "m"


def test_names_of_failures_are_in_use() -> None:
    gossip = a_gossip(names=("unused", *NAMES, "unused"), failures=(TaskFailure(1, 1, 2, 3, "id", 1.0, frames=(4,)),))
    assert clear_unused_names(gossip).names == ("", *NAMES)
