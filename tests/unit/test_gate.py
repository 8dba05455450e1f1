"""The gate lets everybody be heard, and nobody be all that is heard."""

import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.gate import Gate
from celery_gossip.messages import Echo, decode, encode, encode_echo
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


def said(count: int, first: int = 1, **fields: object) -> list[bytes | RejectedGossip]:
    return [encode(a_gossip(seq=seq, **fields)) for seq in range(first, first + count)]


def seqs(messages: list[bytes | RejectedGossip]) -> list[int]:
    return [decode(one).seq for one in messages if isinstance(one, bytes)]  # type: ignore[union-attr]


def busy(gate: Gate) -> None:
    """So much was said in this window that the gate looks at each message."""
    list(gate.sift([RejectedGossip("malformed")] * FREE, NOW))


def test_what_a_fleet_says_passes_untouched(gate: Gate) -> None:
    fleet = [encode(a_gossip(hostname=f"{KNOWN}-{n}")) for n in range(2000)]
    assert list(gate.sift(fleet, NOW)) == fleet
    assert gate.throttled == 0


def test_few_messages_pass_unread_whatever_they_are(gate: Gate) -> None:
    junk: list[bytes | RejectedGossip] = [b"junk"] * FREE
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
    other = encode(a_gossip(hostname=f"{KNOWN}-2", seq=7))
    assert other in list(gate.sift([*flood, other, *flood], NOW))


def test_the_newest_of_each_boot_is_kept_so_that_a_conflict_is_seen(gate: Gate) -> None:
    busy(gate)
    list(gate.sift(said(100, boot=BOOT), NOW))
    list(gate.sift([*said(1, boot=OTHER_BOOT), *said(100, first=101, boot=BOOT)], NOW))
    held = [decode(one) for one in gate.sift([], NOW + 0.3)]  # type: ignore[arg-type]
    assert [(one.boot, one.seq) for one in held] == [(BOOT, 200), (OTHER_BOOT, 1)]  # type: ignore[union-attr]


def test_of_a_flood_of_boots_a_handful_is_kept(gate: Gate) -> None:
    busy(gate)
    list(gate.sift([encode(a_gossip(boot=f"{n:016x}")) for n in range(1000)], NOW))
    assert len(list(gate.sift([], NOW + 0.3))) == 8


def test_of_strangers_so_many_pass_and_no_more(gate: Gate) -> None:
    busy(gate)
    strangers = [encode(a_gossip(hostname=f"celery@x{n}")) for n in range(2000)]
    assert list(gate.sift(strangers, NOW)) == strangers[:STRANGERS]  # type: ignore[comparison-overlap]
    assert gate.throttled == 2000 - STRANGERS
    assert list(gate.sift([], NOW + 0.3)) == [], "none of them waits"
    assert len(list(gate.sift(strangers, NOW + 0.3))) >= STRANGERS, "the next window is new"


@pytest.mark.parametrize(
    "message",
    [
        RejectedGossip("transport"),
        b"junk",
        b'{"hostname": 1}',
        b"[" * 10_000,
        b"{}",
        encode_echo(Echo(echo="f" * 16, number=1)),
    ],
    ids=repr,
)
def test_of_what_is_no_gossip_some_is_taken_to_be_refused(gate: Gate, message: bytes | RejectedGossip) -> None:
    busy(gate)
    assert len(list(gate.sift([message] * 1000, NOW))) == REFUSED
    assert gate.throttled == 1000 - REFUSED


def test_its_own_echo_always_passes(gate: Gate) -> None:
    busy(gate)
    mine = encode_echo(Echo(echo=ME, number=7))
    assert list(gate.sift([*[b"junk"] * 1000, mine], NOW))[-1] == mine


def test_the_loudest_is_told_by_name(gate: Gate) -> None:
    busy(gate)
    assert gate.loudest == ""
    list(gate.sift([*said(1000), *[b"junk"] * 200], NOW))
    assert gate.loudest == KNOWN


def test_what_waited_is_forgotten_when_the_listener_begins_anew(gate: Gate) -> None:
    busy(gate)
    list(gate.sift(said(100), NOW))
    gate.begin(NOW + 60)
    assert list(gate.sift([], NOW + 61)) == []
