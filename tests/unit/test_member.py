"""One hostname: which of its boots stands for it, which rival it, and when silence means something."""

import pytest

from celery_gossip.errors import InvalidOption
from celery_gossip.member import Member, Patience
from celery_gossip.messages import Gossip
from tests.unit.build import a_gossip

NOW = 1000.0
A, B, C = "a" * 16, "b" * 16, "c" * 16
PATIENCE = Patience()


class Host:
    """A Member that hears boots by name, numbers what they say, and judges after each word."""

    def __init__(self, boot: str, **fields: object) -> None:
        self._seqs = {boot: 1}
        self.member = Member(a_gossip(boot=boot, **fields), NOW)
        self.told = self.member.judge(NOW, PATIENCE)

    def hear(self, boot: str, at: float, **fields: object) -> list[str]:
        """The states that are entered by a word at NOW + at."""
        seq = self._seqs[boot] = self._seqs.get(boot, 0) + 1
        assert self.member.hear(a_gossip(boot=boot, seq=seq, **fields), NOW + at, is_late=False)
        return self.member.judge(NOW + at, PATIENCE)

    def wait(self, until: float) -> list[str]:
        return self.member.judge(NOW + until, PATIENCE)

    @property
    def holder(self) -> str:
        return self.member.gossips[0].boot

    @property
    def rivals(self) -> list[str]:
        return [gossip.boot for gossip in self.member.gossips[1:]]

    @property
    def replaced(self) -> Gossip | None:
        return self.member.view("online", NOW).replaced


# Patience.


@pytest.mark.parametrize(
    ("patience", "interval", "suspect", "lost"),
    [
        (Patience(), 1.0, 3.5, 10.0),
        (Patience(), 0.01, 0.5, 0.5),
        (Patience(lag=2.0), 1.0, 5.5, 12.0),
        (Patience(suspect=2.0, lost=4.0), 8.0, 16.0, 32.0),
        (Patience(healed_at=NOW), 1.0, 6.5, 13.0),
        (Patience(healed_at=NOW), 0.5, 4.75, 8.0),
        (Patience(healed_at=NOW - 1), 8.0, 51.0, 103.0),
        (Patience(healed_at=NOW - 60), 1.0, 3.5, 10.0),
    ],
)
def test_silence_is_suspect_and_lost_after_its_limit_and_not_at_it(
    patience: Patience, interval: float, suspect: float, lost: float
) -> None:
    assert not patience.is_suspect(interval, NOW, NOW + suspect) and not patience.is_lost(interval, NOW, NOW + lost)
    later = 2**-10
    assert patience.is_suspect(interval, NOW, NOW + suspect + later)
    assert patience.is_lost(interval, NOW, NOW + lost + later)


@pytest.mark.parametrize(("suspect", "lost"), [(0.5, 1e6), (1e-9, 1), (3, 10)])
def test_limits_within_their_bounds_are_taken(suspect: float, lost: float) -> None:
    assert Patience(suspect=suspect, lost=lost).limit(1000.0) == max(0.5, suspect * 1000.0)


@pytest.mark.parametrize(("suspect", "lost"), [(0.0, 10.0), (True, 10.0), (3.5, 3.5), (3.5, 1e6 + 1), (3.5, None)])
def test_limits_beyond_them_are_refused(suspect: float, lost: float) -> None:
    with pytest.raises(InvalidOption):
        Patience(suspect=suspect, lost=lost)


# Who stands for the hostname.


def test_a_new_boot_takes_over_at_once_and_the_old_one_is_no_rival_before_it_speaks_again() -> None:
    host = Host(A)
    assert host.hear(B, 1.0) == ["online"]
    assert (host.holder, host.rivals) == (B, [])
    assert host.hear(A, 1.5) == []
    assert (host.holder, host.rivals) == (B, [A])


@pytest.mark.parametrize(
    ("old", "silence", "holder"), [("online", 1.0, A), ("draining", 1.0, B), ("online", 4.0, B), ("offline", 1.0, B)]
)
def test_a_boot_that_is_leaving_when_it_is_first_heard_is_new_only_after_one_that_leaves_or_is_silent(
    old: str, silence: float, holder: str
) -> None:
    host = Host(A, state=old)
    host.wait(silence)
    host.hear(B, silence, state="draining")
    assert host.holder == holder


def test_two_are_in_conflict_once_both_were_heard_for_longer_than_a_message_may_be_late() -> None:
    host = Host(A)
    host.hear(B, 1.0)
    assert host.hear(A, 4.5) + host.hear(B, 4.5) == []
    assert host.hear(A, 4.75) + host.hear(B, 4.75) == ["conflict"]


def test_while_the_new_one_leaves_an_old_one_takes_over_again_once_it_lives_for_certain() -> None:
    host = Host(A)
    host.hear(B, 1.0)
    host.hear(A, 2.0)
    assert host.hear(B, 2.5, state="draining") == ["draining"]
    for at in (3.0, 4.0, 4.5):
        assert host.hear(A, at) == []
        assert host.holder == B
    assert host.hear(A, 4.75) == ["online"]
    assert host.holder == A


@pytest.mark.parametrize("before", [2.5, 3.0])
def test_after_a_goodbye_an_old_one_takes_over_that_was_heard_since(before: float) -> None:
    host = Host(A)
    host.hear(B, 1.0)
    host.hear(A, before)
    assert host.hear(B, 3.0, state="offline") == ["offline"]
    assert host.holder == B, "what was heard in the same moment may have been said before"
    assert host.hear(A, 3.5) == ["online"]
    assert host.holder == A


@pytest.mark.parametrize(("state", "heir"), [("draining", A), ("online", C)])
def test_of_several_the_one_that_stays_takes_over_and_else_the_one_that_began_last(state: str, heir: str) -> None:
    host = Host(A)
    host.hear(C, 1.0)
    host.hear(B, 2.0)
    host.hear(B, 3.0, state="offline")
    host.member.hear(a_gossip(boot=A, seq=50), NOW + 3.5, is_late=False)
    host.hear(C, 3.5, state=state)
    assert host.holder == heir


def test_one_that_is_leaving_takes_over_only_from_one_that_is_gone() -> None:
    host = Host(A)
    host.hear(B, 1.0)
    host.hear(B, 1.5, state="draining")
    for at in range(2, 9):
        host.hear(A, at, state="draining")
        assert host.holder == B
        host.hear(B, at, state="draining")
    assert host.holder == B
    assert host.hear(B, 9.0, state="offline") == ["draining"]
    assert host.holder == A


def test_in_a_conflict_whoever_is_left_takes_over_at_once() -> None:
    host = Host(A)
    for at in range(1, 6):
        host.hear(B, at)
        host.hear(A, at)
    assert host.member.state == "conflict" and host.holder == B
    assert host.hear(B, 5.5, state="draining") == ["online"]
    assert host.holder == A


def test_a_conflict_ends_by_silence_alone() -> None:
    host = Host(A, interval=60.0)
    for at in range(1, 300, 2):
        host.hear(B, at)
        host.hear(A, at, interval=60.0)
    assert host.member.state == "conflict"
    assert host.wait(302.5) == []
    assert host.wait(302.625) == ["online"]
    assert (host.holder, host.rivals) == (A, [])


# What a restart left behind.


def test_tasks_that_were_left_behind_are_told_once_the_old_one_is_silent_and_for_ten_minutes() -> None:
    host = Host(A, active=2)
    host.hear(B, 1.0, interval=1000.0)
    host.wait(3.5)
    assert host.replaced is None
    host.wait(3.625)
    assert host.replaced is not None and host.replaced.active == 2
    host.wait(601.0)
    assert host.replaced is not None
    host.wait(601.125)
    assert host.replaced is None


def test_tasks_of_one_that_still_drains_or_has_said_goodbye_are_not_left_behind() -> None:
    host = Host(A)
    host.hear(B, 1.0, interval=1000.0)
    for at in range(2, 9):
        host.hear(A, at, state="draining", active=2)
        assert host.replaced is None
    host.hear(A, 9.0, state="offline", active=2)
    host.wait(60.0)
    assert host.replaced is None


def test_one_that_had_no_tasks_left_none_behind() -> None:
    host = Host(A, active=0)
    host.hear(B, 1.0, interval=1000.0)
    host.wait(60.0)
    assert host.replaced is None


# Memory.


def test_of_one_name_eight_boots_are_followed_and_one_more_only_when_one_is_silent() -> None:
    member = Member(a_gossip(boot=f"{0:016x}"), NOW)
    for n in range(1, 8):
        assert member.hear(a_gossip(boot=f"{n:016x}"), NOW + n / 8, is_late=False)
    assert not member.hear(a_gossip(boot=A), NOW + 1.0, is_late=False)
    assert member.gossips[0].boot == f"{7:016x}"
    member.judge(NOW + 3.75, PATIENCE)  # the first ones are silent by now
    assert member.hear(a_gossip(boot=A), NOW + 3.75, is_late=False)
    assert member.gossips[0].boot == A
    assert member.hear(a_gossip(boot=f"{0:016x}"), NOW + 3.75, is_late=False), "the longest silent one was forgotten"


def test_a_boot_that_is_over_is_forgotten_after_ten_minutes_and_the_holder_never() -> None:
    host = Host(A)
    host.hear(B, 1.0, interval=1000.0)
    host.wait(601.0)
    assert not host.member.hear(a_gossip(boot=A, seq=1), NOW + 601.0, is_late=False), "an older word of one known"
    host.wait(601.125)
    host.wait(9000.0)
    assert not host.member.hear(a_gossip(boot=B, seq=1), NOW + 9000.0, is_late=False)
    assert host.member.hear(a_gossip(boot=A, seq=1), NOW + 9000.0, is_late=False), "as new as any"


def test_an_older_word_of_a_boot_is_not_taken() -> None:
    member = Member(a_gossip(seq=5), NOW)
    assert not member.hear(a_gossip(seq=5), NOW + 1, is_late=False)
    assert not member.hear(a_gossip(seq=4), NOW + 1, is_late=False)
    assert member.hear(a_gossip(seq=6), NOW + 1, is_late=False)
