"""The gate lets everybody be heard, and nobody be all that is heard."""

import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.gate import Gate
from celery_gossip.messages import Echo, Gossip, decode, encode, encode_echo
from celery_gossip.signature import Delivery
from tests.unit.build import BOOT, OTHER_BOOT, a_gossip

NOW = 100.0
ME = "0" * 15 + "1"
FREE, EACH, STRANGERS, REFUSED = 64, 10, 500, 64  #: of a worker that speaks once a second
KNOWN = "celery@web1"


@pytest.fixture
def gate() -> Gate:
    gate = Gate(lambda hostname: hostname.startswith(KNOWN), ME)
    gate.begin(NOW)
    return gate


JUNK = Delivery(b"junk")


def heard(*, is_verified: bool | None = None, **fields: object) -> Delivery:
    return Delivery(encode(a_gossip(**fields)), is_verified)


def gossip_in(message: Delivery | RejectedGossip) -> Gossip:
    assert isinstance(message, Delivery)
    gossip = decode(message.body)
    assert isinstance(gossip, Gossip)
    return gossip


def said(count: int, first: int = 1, **fields: object) -> list[Delivery | RejectedGossip]:
    return [heard(seq=seq, **fields) for seq in range(first, first + count)]


def seqs(messages: list[Delivery | RejectedGossip]) -> list[int]:
    return [gossip_in(one).seq for one in messages if isinstance(one, Delivery)]


def busy(gate: Gate) -> None:
    """So much was said in this window that the gate looks at each message."""
    list(gate.sift([RejectedGossip("malformed")] * FREE, NOW))


def test_what_a_fleet_says_passes_untouched(gate: Gate) -> None:
    fleet = [heard(hostname=f"{KNOWN}-{n}") for n in range(2000)]
    assert list(gate.sift(fleet, NOW)) == fleet
    assert gate.throttled == 0


def test_few_messages_pass_unread_whatever_they_are(gate: Gate) -> None:
    junk: list[Delivery | RejectedGossip] = [JUNK] * FREE
    assert list(gate.sift(junk, NOW)) == junk


def test_of_who_says_too_much_the_newest_is_taken_when_the_window_ends(gate: Gate) -> None:
    busy(gate)
    assert seqs(list(gate.sift(said(1000), NOW))) == list(range(1, EACH + 1))
    assert seqs(list(gate.sift([], NOW + 0.2))) == []
    assert seqs(list(gate.sift(said(1, first=1001), NOW + 0.3))) == [1000, 1001]
    assert gate.throttled == 1000 - EACH - 1


def test_who_promises_to_speak_often_may(gate: Gate) -> None:
    busy(gate)
    assert len(list(gate.sift(said(1000, interval=0.1), NOW))) == 28
    assert len(list(gate.sift(said(1000, interval=1e-300, hostname=f"{KNOWN}-2"), NOW))) == FREE


def test_the_others_are_heard_in_between(gate: Gate) -> None:
    busy(gate)
    flood = said(1000)
    other = heard(hostname=f"{KNOWN}-2", seq=7)
    assert other in list(gate.sift([*flood, other, *flood], NOW))


def test_the_newest_of_each_boot_is_kept_so_that_a_conflict_is_seen(gate: Gate) -> None:
    busy(gate)
    list(gate.sift(said(100, boot=BOOT), NOW))
    list(gate.sift([*said(1, boot=OTHER_BOOT), *said(100, first=101, boot=BOOT)], NOW))
    held = [gossip_in(one) for one in gate.sift([], NOW + 0.3)]
    assert [(one.boot, one.seq) for one in held] == [(BOOT, 200), (OTHER_BOOT, 1)]


def test_of_a_flood_of_boots_a_handful_is_kept(gate: Gate) -> None:
    busy(gate)
    list(gate.sift([heard(boot=f"{n:016x}") for n in range(1000)], NOW))
    assert len(list(gate.sift([], NOW + 0.3))) == 8


def test_what_others_say_in_its_name_does_not_keep_back_who_signs(gate: Gate) -> None:
    busy(gate)
    forged = [heard(boot=f"{n:016x}", is_verified=False) for n in range(1000)]
    signed = heard(seq=7, is_verified=True)
    assert signed in list(gate.sift([*forged, signed], NOW))


def test_who_signs_is_no_stranger(gate: Gate) -> None:
    busy(gate)
    strangers = [heard(hostname=f"celery@x{n}", is_verified=False) for n in range(STRANGERS)]
    signed = [heard(hostname=f"celery@y{n}", is_verified=True) for n in range(STRANGERS)]
    assert set(signed) <= set(gate.sift([*strangers, *signed], NOW))


def test_of_strangers_so_many_pass_and_no_more(gate: Gate) -> None:
    busy(gate)
    strangers = [heard(hostname=f"celery@x{n}") for n in range(2000)]
    assert list(gate.sift(strangers, NOW)) == strangers[:STRANGERS]
    assert gate.throttled == 2000 - STRANGERS
    assert list(gate.sift([], NOW + 0.3)) == [], "none of them waits"
    assert len(list(gate.sift(strangers, NOW + 0.3))) >= STRANGERS, "the next window is new"


@pytest.mark.parametrize(
    "message",
    [
        RejectedGossip("transport"),
        Delivery(b"junk"),
        Delivery(b'{"hostname": 1}'),
        Delivery(b"[" * 10_000),
        Delivery(b"{}"),
        Delivery(encode_echo(Echo(echo="f" * 16, number=1))),
    ],
    ids=repr,
)
def test_of_what_is_no_gossip_some_is_taken_to_be_refused(gate: Gate, message: Delivery | RejectedGossip) -> None:
    busy(gate)
    assert len(list(gate.sift([message] * 1000, NOW))) == REFUSED
    assert gate.throttled == 1000 - REFUSED


def test_its_own_echo_always_passes(gate: Gate) -> None:
    busy(gate)
    mine = Delivery(encode_echo(Echo(echo=ME, number=7)))
    assert list(gate.sift([*[JUNK] * 1000, mine], NOW))[-1] == mine


def test_the_loudest_is_told_by_name(gate: Gate) -> None:
    busy(gate)
    assert gate.loudest == ""
    list(gate.sift([*said(1000), *[JUNK] * 200], NOW))
    assert gate.loudest == KNOWN


def test_what_waited_is_forgotten_when_the_listener_begins_anew(gate: Gate) -> None:
    busy(gate)
    list(gate.sift(said(100), NOW))
    gate.begin(NOW + 60)
    assert list(gate.sift([], NOW + 61)) == []
