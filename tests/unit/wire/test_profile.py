"""The profile on the wire: limits, and its absence where it is not due."""

from typing import Any

import msgspec
import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.encoding import encode, encode_bounded
from celery_gossip.wire.messages import MAX_BYTES, Profile, Setting, TaskNames, decode
from tests.unit.build import a_check, a_gossip, wire

DIGEST = "0123456789abcdef"


def test_a_profile_is_decoded_as_it_was_encoded() -> None:
    profile = Profile(
        pid=17,
        age=3.5,
        settings=(Setting("task_acks_late", True), Setting("broker_heartbeat", 120), Setting("timezone", "UTC")),
        tasks=TaskNames(DIGEST, 3, 1, ("shop.a", "shop.größe")),
    )
    found = decode(encode(a_gossip(profile=profile)))
    assert found == a_gossip(profile=profile)
    assert b"profile" not in encode(a_gossip())


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({"pid": -1}, "invalid"),
        ({"age": -1.0}, "invalid"),
        ({"age": 1e11}, "invalid"),
        ({"settings": [["x", None]]}, "invalid"),
        ({"settings": [["x", 1e11]]}, "invalid"),
        ({"settings": [["x", "y" * 65]]}, "invalid"),
        ({"settings": [["", 1]]}, "invalid"),
        ({"settings": [["x", 1]] * 101}, "invalid"),
        ({"settings": [["x", "a\x1bb"]]}, "text"),
        ({"settings": [["x\n", 1]]}, "text"),
        ({"tasks": [DIGEST, 2, 1, ["a", "b"]]}, "invalid"),
        ({"tasks": [DIGEST, 2, 0, []]}, "invalid"),
        ({"tasks": [DIGEST, 10_001, 0, ["a"]]}, "invalid"),
        ({"tasks": [DIGEST, 600, 0, ["a"] * 501]}, "invalid"),
        ({"tasks": ["no digest", 2, 0, ["a"]]}, "invalid"),
        ({"tasks": [DIGEST, 2, 0, ["a\u202e"]]}, "text"),
        ({"tasks": [DIGEST, 2, 0, ["a" * 256]]}, "invalid"),
    ],
)
def test_a_profile_beyond_its_limits_is_refused(profile: dict[str, Any], reason: str) -> None:
    with pytest.raises(RejectedGossip) as refused:
        decode(wire(profile=profile))
    assert refused.value.reason == reason


def test_fields_of_a_profile_that_are_yet_to_come_are_ignored() -> None:
    gossip = decode(wire(profile={"pid": 3, "mood": {"of": "tomorrow"}}))
    assert gossip.profile == Profile(pid=3)


def test_a_report_that_is_too_long_is_sent_without_the_profile() -> None:
    names = tuple(f"{number:03d}{'x' * 200}" for number in range(300))
    checks = tuple(a_check(f"queue-{number}-{'x' * 200}") for number in range(40))
    long = a_gossip(checks=checks, profile=Profile(tasks=TaskNames(DIGEST, 300, 0, names)))
    assert len(msgspec.json.encode(long)) > MAX_BYTES
    gossip, body = encode_bounded(long)
    assert len(body) <= MAX_BYTES and gossip.profile is None and gossip.checks == checks
