"""The throttle processes messages of every worker, and limits those of a client that sends too many."""

import pytest

from celery_gossip.errors import RejectedGossip
from celery_gossip.listener.throttle import Throttle
from celery_gossip.wire.encoding import encode, encode_beat, encode_echo
from celery_gossip.wire.messages import Echo, Gossip, decode
from celery_gossip.wire.signing import Delivery
from tests.unit.build import BOOT, OTHER_BOOT, a_beat, a_gossip

NOW = 100.0
ME = "0" * 15 + "1"
UNCHECKED, PER_HOSTNAME, UNKNOWN, REJECTED, STALE = 64, 10, 500, 64, 64  #: for an interval of one second
KNOWN = "celery@web1"


@pytest.fixture
def throttle() -> Throttle:
    throttle = Throttle(lambda hostname: hostname.startswith(KNOWN), ME)
    throttle.begin_window(NOW)
    return throttle


JUNK = Delivery(b"junk")


def a_message(*, is_verified: bool | None = None, **fields: object) -> Delivery:
    return Delivery(encode(a_gossip(**fields)), is_verified)


def gossip_in(message: Delivery | RejectedGossip) -> Gossip:
    assert isinstance(message, Delivery)
    gossip = decode(message.body)
    assert isinstance(gossip, Gossip)
    return gossip


def messages(count: int, first: int = 1, **fields: object) -> list[Delivery | RejectedGossip]:
    return [a_message(seq=seq, **fields) for seq in range(first, first + count)]


def seqs(messages: list[Delivery | RejectedGossip]) -> list[int]:
    return [gossip_in(one).seq for one in messages if isinstance(one, Delivery)]


def exhaust_unchecked(throttle: Throttle) -> None:
    """Use up the messages of this window that pass without being read."""
    list(throttle.admit([RejectedGossip("malformed")] * UNCHECKED, NOW))


def test_one_message_of_each_worker_of_a_large_fleet_passes(throttle: Throttle) -> None:
    fleet = [a_message(hostname=f"{KNOWN}-{n}") for n in range(2000)]
    assert list(throttle.admit(fleet, NOW)) == fleet
    assert throttle.throttled == 0


def test_a_few_messages_pass_without_being_read(throttle: Throttle) -> None:
    junk: list[Delivery | RejectedGossip] = [JUNK] * UNCHECKED
    assert list(throttle.admit(junk, NOW)) == junk


def test_of_a_worker_that_sends_too_much_the_newest_passes_when_the_window_ends(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    assert seqs(list(throttle.admit(messages(1000), NOW))) == list(range(1, PER_HOSTNAME + 1))
    assert seqs(list(throttle.admit([], NOW + 0.2))) == []
    assert seqs(list(throttle.admit(messages(1, first=1001), NOW + 0.3))) == [1000, 1001]
    assert throttle.throttled == 1000 - PER_HOSTNAME - 1


def test_a_worker_with_a_short_interval_may_send_more(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    assert len(list(throttle.admit(messages(1000, interval=0.1), NOW))) == 28
    assert len(list(throttle.admit(messages(1000, interval=1e-300, hostname=f"{KNOWN}-2"), NOW))) == UNCHECKED


def test_messages_of_other_workers_pass_in_between(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    flood = messages(1000)
    other = a_message(hostname=f"{KNOWN}-2", seq=7)
    assert other in list(throttle.admit([*flood, other, *flood], NOW))


def test_the_newest_message_of_each_instance_is_kept_so_that_a_conflict_is_detected(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    list(throttle.admit(messages(100, boot=BOOT), NOW))
    list(throttle.admit([*messages(1, boot=OTHER_BOOT), *messages(100, first=101, boot=BOOT)], NOW))
    held = [gossip_in(one) for one in throttle.admit([], NOW + 0.3)]
    assert [(one.boot, one.seq) for one in held] == [(BOOT, 200), (OTHER_BOOT, 1)]


def test_of_a_flood_of_instances_a_few_are_kept(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    list(throttle.admit([a_message(boot=f"{n:016x}") for n in range(1000)], NOW))
    assert len(list(throttle.admit([], NOW + 0.3))) == 8


def test_unsigned_messages_under_its_name_do_not_use_the_budget_of_a_signed_worker(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    forged = [a_message(boot=f"{n:016x}", is_verified=False) for n in range(1000)]
    signed = a_message(seq=7, is_verified=True)
    assert signed in list(throttle.admit([*forged, signed], NOW))


def test_a_signed_worker_does_not_count_as_unknown(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    unknown = [a_message(hostname=f"celery@x{n}", is_verified=False) for n in range(UNKNOWN)]
    signed = [a_message(hostname=f"celery@y{n}", is_verified=True) for n in range(UNKNOWN)]
    assert set(signed) <= set(throttle.admit([*unknown, *signed], NOW))


def test_messages_of_unknown_hostnames_are_limited_in_total(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    unknown = [a_message(hostname=f"celery@x{n}") for n in range(2000)]
    assert list(throttle.admit(unknown, NOW)) == unknown[:UNKNOWN]
    assert throttle.throttled == 2000 - UNKNOWN
    assert list(throttle.admit([], NOW + 0.3)) == [], "none of them waits"
    assert len(list(throttle.admit(unknown, NOW + 0.3))) >= UNKNOWN, "the next window is new"


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
def test_some_messages_that_are_no_gossip_pass(throttle: Throttle, message: Delivery | RejectedGossip) -> None:
    exhaust_unchecked(throttle)
    assert len(list(throttle.admit([message] * 1000, NOW))) == REJECTED
    assert throttle.throttled == 1000 - REJECTED


def test_the_listeners_own_ping_always_passes(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    mine = Delivery(encode_echo(Echo(echo=ME, number=7)))
    assert list(throttle.admit([*[JUNK] * 1000, mine], NOW))[-1] == mine


def test_the_hostname_with_the_most_dropped_messages_is_known(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    assert throttle.most_throttled == ""
    list(throttle.admit([*messages(1000), *[JUNK] * 200], NOW))
    assert throttle.most_throttled == KNOWN


def test_held_messages_are_dropped_when_a_new_connection_begins(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    list(throttle.admit(messages(100), NOW))
    throttle.begin_window(NOW + 60)
    assert list(throttle.admit([], NOW + 61)) == []


# Replays.


def test_of_an_instance_the_highest_seq_is_kept_and_not_the_latest_arrival(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    list(throttle.admit([*messages(PER_HOSTNAME), *messages(1, first=900), *messages(100, first=500)], NOW))
    assert seqs(list(throttle.admit([], NOW + 0.3))) == [900]


def following(**known: int) -> Throttle:
    """A throttle of a listener that has taken these numbers of boots of KNOWN; `{boot: seq}`."""
    throttle = Throttle(
        lambda hostname: True, ME, lambda hostname, boot, _: (known.get(f"b{boot}", 0), f"b{boot}" in known)
    )
    throttle.begin_window(NOW)
    exhaust_unchecked(throttle)
    return throttle


@pytest.mark.parametrize("is_verified", [True, None])
def test_a_replay_uses_none_of_the_budget_of_its_worker(is_verified: bool | None) -> None:
    throttle = following(**{f"b{BOOT}": 7})
    replayed: list[Delivery | RejectedGossip] = [a_message(seq=7, is_verified=is_verified)] * 2000
    fresh = a_message(seq=8, is_verified=is_verified)
    assert list(throttle.admit([*replayed, fresh, *replayed], NOW)) == [fresh]
    assert throttle.throttled == 4000 - STALE and throttle.most_throttled == KNOWN


def test_a_worker_passes_although_many_instances_of_its_name_are_replayed() -> None:
    throttle = following(**{f"b{BOOT}": 7})
    others = [a_message(boot=f"{n:016x}", is_verified=True) for n in range(1000)]
    fresh = a_message(seq=8, is_verified=True)
    assert fresh in list(throttle.admit([*others, fresh], NOW)), "unknown instances share another budget"
    assert len(list(throttle.admit(others, NOW))) == 0


def test_instances_that_the_view_does_not_follow_share_one_budget() -> None:
    throttle = Throttle(lambda hostname: True, ME, lambda hostname, boot, _: (1, False))
    throttle.begin_window(NOW)
    exhaust_unchecked(throttle)
    assert len(list(throttle.admit([a_message(boot=f"{n:016x}", seq=9) for n in range(1000)], NOW))) == PER_HOSTNAME


def test_replays_of_several_hostnames_use_no_budget() -> None:
    throttle = following(**{f"b{BOOT}": 7})
    names = [f"{KNOWN}-{n}" for n in range(20)]
    replayed = [a_message(hostname=name, seq=seq) for seq in range(1, 8) for name in names] * 10
    fresh = [a_message(hostname=name, seq=8) for name in names]
    assert list(throttle.admit([*replayed, *fresh, *replayed], NOW)) == fresh


def test_an_invalid_seq_does_not_displace_a_valid_one(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    forged = Delivery(a_message(seq=5).body.replace(b'"seq":5', b'"seq":99999999999999999999'))
    list(throttle.admit([*messages(PER_HOSTNAME + 1), *[forged] * (2 * REJECTED)], NOW))
    assert seqs(list(throttle.admit([], NOW + 0.3))) == [PER_HOSTNAME + 1]


def test_messages_that_overtook_each_other_are_dropped_but_not_counted_as_throttled() -> None:
    throttle = following(**{f"b{BOOT}": 7})
    assert list(throttle.admit(messages(7) * 9, NOW)) == [] and throttle.throttled == 0


class KnownBeat:
    """A view that follows one instance of one beat process."""

    def has_beat(self, hostname: str, app: str) -> bool:
        return (hostname, app) == ("celerybeat@web1", "shop")

    def highest_beat_seq(self, hostname: str, app: str, boot: str, is_verified: bool | None) -> tuple[int, bool]:
        return (5, True) if self.has_beat(hostname, app) and boot == BOOT else (0, False)


def a_beat_message(**fields: object) -> Delivery:
    return Delivery(encode_beat(a_beat(**fields)))


def test_a_beat_that_sends_too_much_does_not_use_the_budget_of_another_instance_or_of_workers() -> None:
    throttle = Throttle(lambda hostname: True, ME, beats=KnownBeat())
    throttle.begin_window(NOW)
    exhaust_unchecked(throttle)
    flood: list[Delivery | RejectedGossip] = [a_beat_message(boot=OTHER_BOOT, seq=seq) for seq in range(1, 101)]
    assert len(list(throttle.admit(flood, NOW))) == PER_HOSTNAME
    mine: list[Delivery | RejectedGossip] = [a_beat_message(seq=6), a_message(hostname="celerybeat@web1")]
    assert list(throttle.admit(mine, NOW)) == mine
    assert len(list(throttle.admit([], NOW + 0.3))) == 1, "the newest of the others"


def test_an_old_report_of_a_beat_is_a_replay() -> None:
    throttle = Throttle(lambda hostname: True, ME, beats=KnownBeat())
    throttle.begin_window(NOW)
    exhaust_unchecked(throttle)
    assert list(throttle.admit([a_beat_message(seq=seq) for seq in range(1, 6)], NOW)) == []


def test_unknown_beats_share_the_budget_of_unknown_workers(throttle: Throttle) -> None:
    exhaust_unchecked(throttle)
    strangers: list[Delivery | RejectedGossip] = [a_beat_message(hostname=f"b{n}") for n in range(UNKNOWN + 100)]
    assert len(list(throttle.admit(strangers, NOW))) == UNKNOWN
