"""Software and held messages on the wire: short, bounded, without any text of a configuration."""

import json
from typing import Any

import msgspec
import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import HeldMessage, Settings, Software, decode, settings_of
from tests.unit.build import a_gossip, a_series, wire

SOFTWARE = Software(
    release="v41",
    celery="5.7.0",
    kombu="5.7.0",
    python="3.11.7",
    gossip="0.1.0",
    registry="0123456789abcdef",
    tasks=12,
    settings=Settings(task_acks_late=True, worker_prefetch_multiplier=4, visibility_timeout=3600.0),
)
HELD = HeldMessage("mail", "shop.pack", "id-1", "scheduled", 1.5, 60.0)


def test_software_and_held_messages_survive_the_wire() -> None:
    gossip = a_gossip(software=SOFTWARE, held=(HELD,))
    assert decode(encode(gossip)) == gossip


def test_what_is_not_known_is_not_on_the_wire() -> None:
    assert not {"software", "held"} & json.loads(encode(a_gossip())).keys()
    assert json.loads(encode(a_gossip(software=Software(release="v1"))))["software"] == {"release": "v1"}
    assert json.loads(encode(a_gossip(held=(HELD,))))["held"] == [["mail", "shop.pack", "id-1", "scheduled", 1.5, 60.0]]


def test_software_with_every_setting_takes_less_than_900_bytes() -> None:
    fields = msgspec.structs.fields(Settings)
    largest = Settings(**{one.name: False if "bool" in repr(one.type) else 86400 for one in fields})
    whole = msgspec.structs.replace(SOFTWARE, release="x" * 40, settings=largest)
    assert len(encode(a_gossip(software=whole))) - len(encode(a_gossip())) < 900


def test_a_setting_is_a_number_or_a_flag() -> None:
    kinds = {repr(field.type) for field in msgspec.structs.fields(Settings)}
    assert not [kind for kind in kinds if "str" in kind or "object" in kind or "Any" in kind], kinds


@pytest.mark.parametrize(
    "software",
    [
        {"release": "x" * 65},
        {"release": 7},
        {"celery": "5" * 33},
        {"registry": "0123"},
        {"registry": "0123456789ABCDEF"},
        {"registry": "0123456789abcdef0"},
        {"tasks": -1},
        {"tasks": 2**53 + 1},
        {"settings": {"task_acks_late": "yes"}},
        {"settings": {"task_acks_late": 1}},
        {"settings": {"worker_prefetch_multiplier": -1}},
        {"settings": {"worker_prefetch_multiplier": 1.5}},
        {"settings": {"visibility_timeout": -1}},
        {"settings": {"visibility_timeout": 1e11}},
        {"settings": []},
        [],
        "v41",
    ],
)
def test_software_of_another_type_or_out_of_bounds_is_refused(software: Any) -> None:
    with pytest.raises(RejectedGossip, match="invalid"):
        decode(wire(software=software))


@pytest.mark.parametrize("field", ["release", "celery", "kombu", "python", "gossip"])
def test_control_characters_in_a_text_of_the_software_are_refused(field: str) -> None:
    with pytest.raises(RejectedGossip, match="text"):
        decode(wire(software={field: "a\x1b[2J"}))


@pytest.mark.parametrize(
    "held",
    [
        [["q", "t", "i", "running"]],
        [["q", "t", "i", "sleeping", 1.0]],
        [["q", "t", "i", "running", -1.0]],
        [["q", "t", "i", "running", 1.0, 1e11]],
        [["q" * 256, "t", "i", "running", 1.0]],
        [["q", "t", "i", "running", 1.0]] * 4,
        {},
    ],
)
def test_a_held_message_of_another_type_or_out_of_bounds_is_refused(held: Any) -> None:
    with pytest.raises(RejectedGossip, match="invalid"):
        decode(wire(held=held))


@pytest.mark.parametrize("at", range(3))
def test_control_characters_in_a_held_message_are_refused(at: int) -> None:
    texts = ["q", "t", "i"]
    texts[at] = "a\nb"
    with pytest.raises(RejectedGossip, match="text"):
        decode(wire(held=[[*texts, "running", 1.0]]))


def test_settings_and_details_of_a_newer_release_are_ignored() -> None:
    body = wire(software={"release": "v1", "colour": "red", "settings": {"task_acks_late": True, "new": "x"}})
    gossip = decode(body)
    assert gossip.software == Software(release="v1", settings=Settings(task_acks_late=True))
    assert decode(wire(held=[["q", "t", "i", "running", 1.0, 0.0, "more"]])).held[0].age == 1.0


def test_software_and_held_messages_go_before_the_series_where_there_is_no_room() -> None:
    series = tuple(a_series(task=f"{number}{'x' * 240}") for number in range(240))
    gossip = decode(encode(a_gossip(software=SOFTWARE, held=(HELD,), series=series)))
    assert (gossip.software, gossip.held) == (None, ()) and len(gossip.series) > 50


def test_settings_that_are_known_are_listed_by_name() -> None:
    expected = {"task_acks_late": True, "worker_prefetch_multiplier": 4, "visibility_timeout": 3600.0}
    assert settings_of(SOFTWARE) == expected
