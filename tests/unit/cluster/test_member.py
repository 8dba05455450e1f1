"""One hostname: which instance is current, which are rivals, and when missing reports matter."""

import pytest

from celery_gossip.cluster.instance import Instance, InstanceTable
from celery_gossip.cluster.member import Member, SilenceTimeouts
from celery_gossip.errors import InvalidOption
from celery_gossip.wire.messages import Gossip
from tests.unit.build import a_gossip

NOW = 1000.0
A, B, C = "a" * 16, "b" * 16, "c" * 16
TIMEOUTS = SilenceTimeouts()


class Host:
    """A Member that receives numbered reports of named instances, and updates its state after each."""

    def __init__(self, boot: str, **fields: object) -> None:
        self._seqs = {boot: 1}
        self.member = Member(a_gossip(boot=boot, **fields), NOW)
        self.told = self.member.update_state(NOW, TIMEOUTS)

    def update(self, boot: str, at: float, **fields: object) -> list[str]:
        """Return the states that are entered by a report at NOW + at."""
        seq = self._seqs[boot] = self._seqs.get(boot, 0) + 1
        assert self.member.update(a_gossip(boot=boot, seq=seq, **fields), NOW + at, is_late=False)
        return self.member.update_state(NOW + at, TIMEOUTS)

    def wait(self, until: float) -> list[str]:
        return self.member.update_state(NOW + until, TIMEOUTS)

    @property
    def current(self) -> str:
        return self.member.gossips[0].boot

    @property
    def rivals(self) -> list[str]:
        return [gossip.boot for gossip in self.member.gossips[1:]]

    @property
    def earlier_losses(self) -> list[str]:
        return [gossip.boot for gossip in self.member.view("online", NOW).earlier_losses]

    @property
    def replaced(self) -> Gossip | None:
        return self.member.view("online", NOW).replaced


# Stacks.


def test_a_stack_is_kept_until_the_event_loop_ticks_again_or_another_one_is_reported() -> None:
    host = Host(A, stalled_for=6.0, stack=("shop:wait:1",))

    def stack_after(at: float, **fields: object) -> tuple[str, ...]:
        host.update(A, at, **fields)
        return host.member.view("stalled", NOW + at).stack

    assert stack_after(1, stalled_for=7.0) == ("shop:wait:1",)
    assert stack_after(2, stalled_for=8.0, stack=("shop:wait:2",)) == ("shop:wait:2",)
    assert stack_after(3, stalled_for=9.0) == ("shop:wait:2",)
    assert stack_after(4) == ()
    assert stack_after(5, stalled_for=6.0) == ()


def test_a_stack_is_that_of_one_instance() -> None:
    host = Host(A, stalled_for=6.0, stack=("shop:wait:1",))
    host.update(B, 1, stalled_for=6.0)
    assert host.current == B and host.member.view("stalled", NOW + 1).stack == ()


# Timeouts.


@pytest.mark.parametrize(
    ("timeouts", "interval", "suspect", "lost"),
    [
        (SilenceTimeouts(), 1.0, 3.5, 10.0),
        (SilenceTimeouts(), 0.01, 0.5, 0.5),
        (SilenceTimeouts(lag=2.0), 1.0, 5.5, 12.0),
        (SilenceTimeouts(suspect=2.0, lost=4.0), 8.0, 16.0, 32.0),
        (SilenceTimeouts(isolation_ended_at=NOW), 1.0, 6.5, 13.0),
        (SilenceTimeouts(isolation_ended_at=NOW), 0.5, 4.75, 8.0),
        (SilenceTimeouts(isolation_ended_at=NOW - 1), 8.0, 51.0, 103.0),
        (SilenceTimeouts(isolation_ended_at=NOW - 60), 1.0, 3.5, 10.0),
    ],
)
def test_silence_is_suspect_and_lost_after_its_limit_and_not_at_it(
    timeouts: SilenceTimeouts, interval: float, suspect: float, lost: float
) -> None:
    assert not timeouts.is_suspect(interval, NOW, NOW + suspect) and not timeouts.is_lost(interval, NOW, NOW + lost)
    later = 2**-10
    assert timeouts.is_suspect(interval, NOW, NOW + suspect + later)
    assert timeouts.is_lost(interval, NOW, NOW + lost + later)


@pytest.mark.parametrize(("suspect", "lost"), [(0.5, 1e6), (1e-9, 1), (3, 10)])
def test_limits_within_their_bounds_are_taken(suspect: float, lost: float) -> None:
    assert SilenceTimeouts(suspect=suspect, lost=lost).suspect_timeout(1000.0) == max(0.5, suspect * 1000.0)


@pytest.mark.parametrize(("suspect", "lost"), [(0.0, 10.0), (True, 10.0), (3.5, 3.5), (3.5, 1e6 + 1), (3.5, None)])
def test_limits_beyond_them_are_refused(suspect: float, lost: float) -> None:
    with pytest.raises(InvalidOption):
        SilenceTimeouts(suspect=suspect, lost=lost)


# The current instance.


def test_a_new_boot_takes_over_at_once_and_the_old_one_is_no_rival_before_it_speaks_again() -> None:
    host = Host(A)
    assert host.update(B, 1.0) == ["online"]
    assert (host.current, host.rivals) == (B, [])
    assert host.update(A, 1.5) == []
    assert (host.current, host.rivals) == (B, [A])


@pytest.mark.parametrize(
    ("old", "silence", "current"), [("online", 1.0, A), ("draining", 1.0, B), ("online", 4.0, B), ("offline", 1.0, B)]
)
def test_a_boot_that_is_leaving_when_it_is_first_heard_is_new_only_after_one_that_leaves_or_is_silent(
    old: str, silence: float, current: str
) -> None:
    host = Host(A, state=old)
    host.wait(silence)
    host.update(B, silence, state="draining")
    assert host.current == current


def test_two_are_in_conflict_once_both_were_heard_for_longer_than_a_message_may_be_late() -> None:
    host = Host(A)
    host.update(B, 1.0)
    assert host.update(A, 4.5) + host.update(B, 4.5) == []
    assert host.update(A, 4.75) + host.update(B, 4.75) == ["conflict"]


def test_while_the_new_one_leaves_an_old_one_takes_over_again_once_it_lives_for_certain() -> None:
    host = Host(A)
    host.update(B, 1.0)
    host.update(A, 2.0)
    assert host.update(B, 2.5, state="draining") == ["draining"]
    for at in (3.0, 4.0, 4.5):
        assert host.update(A, at) == []
        assert host.current == B
    assert host.update(A, 4.75) == ["online"]
    assert host.current == A


@pytest.mark.parametrize("before", [2.5, 3.0])
def test_after_a_goodbye_an_old_one_takes_over_that_was_heard_since(before: float) -> None:
    host = Host(A)
    host.update(B, 1.0)
    host.update(A, before)
    assert host.update(B, 3.0, state="offline") == ["offline"]
    assert host.current == B, "what was heard in the same moment may have been said before"
    assert host.update(A, 3.5) == ["online"]
    assert host.current == A


@pytest.mark.parametrize(("state", "successor"), [("draining", A), ("online", C)])
def test_of_several_the_one_that_stays_takes_over_and_else_the_one_that_began_last(state: str, successor: str) -> None:
    host = Host(A)
    host.update(C, 1.0)
    host.update(B, 2.0)
    host.update(B, 3.0, state="offline")
    host.member.update(a_gossip(boot=A, seq=50), NOW + 3.5, is_late=False)
    host.update(C, 3.5, state=state)
    assert host.current == successor


def test_one_that_is_leaving_takes_over_only_from_one_that_is_gone() -> None:
    host = Host(A)
    host.update(B, 1.0)
    host.update(B, 1.5, state="draining")
    for at in range(2, 9):
        host.update(A, at, state="draining")
        assert host.current == B
        host.update(B, at, state="draining")
    assert host.current == B
    assert host.update(B, 9.0, state="offline") == ["draining"]
    assert host.current == A


def test_in_a_conflict_whoever_is_left_takes_over_at_once() -> None:
    host = Host(A)
    for at in range(1, 6):
        host.update(B, at)
        host.update(A, at)
    assert host.member.state == "conflict" and host.current == B
    assert host.update(B, 5.5, state="draining") == ["online"]
    assert host.current == A


def test_a_conflict_ends_by_silence_alone() -> None:
    host = Host(A, interval=60.0)
    for at in range(1, 300, 2):
        host.update(B, at)
        host.update(A, at, interval=60.0)
    assert host.member.state == "conflict"
    assert host.wait(302.5) == []
    assert host.wait(302.625) == ["online"]
    assert (host.current, host.rivals) == (A, [])


# Tasks that a restart interrupted.


def test_tasks_that_were_left_behind_are_told_once_the_old_one_is_silent_and_for_ten_minutes() -> None:
    host = Host(A, active=2)
    host.update(B, 1.0, interval=1000.0)
    host.wait(3.5)
    assert host.replaced is None
    host.wait(3.625)
    assert host.replaced is not None and host.replaced.active == 2
    host.wait(601.0)
    assert host.replaced is not None
    host.wait(601.125)
    assert host.replaced is None


@pytest.mark.parametrize("active", [0, 2])
def test_tasks_of_one_that_still_drains_are_not_left_behind_but_those_that_its_last_report_lists(active: int) -> None:
    """The last report of a cold shutdown lists the tasks that it cut off."""
    host = Host(A)
    host.update(B, 1.0, interval=1000.0)
    for at in range(2, 9):
        host.update(A, at, state="draining", active=2)
        assert host.replaced is None
    host.update(A, 9.0, state="offline", active=active)
    host.wait(60.0)
    assert (host.replaced and host.replaced.active) == (active or None)


def test_tasks_that_a_cold_shutdown_cut_off_are_left_behind_where_the_worker_is_started_again_at_once() -> None:
    host = Host(A, active=2)
    host.update(A, 1.0, state="offline", active=2)
    host.update(B, 1.5, interval=1000.0)
    assert (host.current, host.replaced and host.replaced.active) == (B, 2)
    host.wait(602.0)
    assert host.replaced is None


def test_reports_are_those_of_each_instance_and_of_the_previous_one_each_once() -> None:
    host = Host(A)
    assert [gossip.boot for gossip in host.member.reports] == [A]
    host.update(B, 1.0, interval=1000.0)
    assert [gossip.boot for gossip in host.member.reports] == [A, B]
    host.update(C, 1.5, interval=1000.0)
    assert [gossip.boot for gossip in host.member.reports] == [A, B, C]
    host.update(C, 2.0, state="offline")
    host.wait(600.0)
    host.update(B, 601.0, interval=1000.0)
    host.wait(1300.0)
    assert [gossip.boot for gossip in host.member.reports] == [B, C], "the previous one is kept, though it is removed"


def test_a_report_from_the_future_has_no_negative_age() -> None:
    assert Host(A).member.view("online", NOW - 0.5).age == 0.0


def test_instances_that_were_lost_are_told_for_ten_minutes_but_none_that_shut_down() -> None:
    host = Host(A, active=0)
    host.update(B, 1.0, interval=1000.0)
    assert host.earlier_losses == []
    host.wait(3.625)
    assert host.earlier_losses == [A]
    host.update(C, 5.0, interval=1000.0)
    host.update(B, 5.5, interval=1000.0, state="offline")
    host.wait(60.0)
    assert host.earlier_losses == [A]
    host.wait(700.0)
    assert host.earlier_losses == []


def test_one_that_had_no_tasks_left_none_behind() -> None:
    host = Host(A, active=0)
    host.update(B, 1.0, interval=1000.0)
    host.wait(60.0)
    assert host.replaced is None


# Limits.


def crowded() -> Host:
    """Return a host with eight instances that report once a second; the last one is current."""
    host = Host(f"{0:016x}")
    for n in range(1, 8):
        host.update(f"{n:016x}", n / 8)
    return host


def instances_of(host: Host) -> set[str]:
    return set(host.member._by_boot)


def test_of_one_name_eight_boots_are_followed_and_a_new_one_enters_in_place_of_the_longest_silent() -> None:
    host = crowded()
    host.wait(3.75)  # the first ones are overdue by now
    host.update(A, 3.75)
    assert host.current == A
    assert instances_of(host) == {f"{n:016x}" for n in range(1, 8)} | {A}


def test_a_new_boot_enters_although_eight_recorded_ones_report() -> None:
    host = crowded()
    for second in range(1, 60):
        for n in range(8):
            replay(host, f"{n:016x}", second + n / 8)
        if second > 10:
            host.update(A, second + 0.99)
            assert A in {host.current, *host.rivals}
    assert host.member.state == "conflict"
    assert len(instances_of(host)) == 8
    assert f"{0:016x}" not in instances_of(host), "the oldest rival left"


def replay(host: Host, boot: str, at: float) -> None:
    """Apply the next report of a recorded instance, whether or not it is accepted."""
    seq = host._seqs[boot] = host._seqs.get(boot, 0) + 1
    host.member.update(a_gossip(boot=boot, seq=seq), NOW + at, is_late=False)
    host.member.update_state(NOW + at, TIMEOUTS)


def test_what_a_boot_said_that_made_room_does_not_come_back() -> None:
    host = crowded()
    host.update(A, 1.5)
    first = f"{0:016x}"
    assert first not in instances_of(host)
    for seq in (1, 2, 3):
        assert not host.member.update(a_gossip(boot=first, seq=seq), NOW + 2.0, is_late=False), "no place is free"
    assert host.member.instances.highest_seq(first) == 3
    host.wait(30.0)
    assert not host.member.update(a_gossip(boot=first, seq=3), NOW + 30.0, is_late=False), "a replay"
    assert host.member.update(a_gossip(boot=first, seq=4), NOW + 30.0, is_late=False), "a silent one makes room"


def test_a_flood_of_boots_pushes_out_no_boot_that_reports_and_tells_few_transitions() -> None:
    host = Host(A)
    host.update(A, 0.5)
    told = []
    for n in range(3000):
        at = 1 + n / 300
        host.member.update(a_gossip(boot=f"{n:016x}"), NOW + at, is_late=False)
        told += host.member.update_state(NOW + at, TIMEOUTS)
        if n % 300 == 0:
            host.update(A, at)
        assert A in instances_of(host)
        assert len(instances_of(host)) <= 8 and len(host.member.instances._evicted) <= 200
    assert len(told) <= 8 + 32 * 11


def test_instances_are_evicted_by_their_last_report_if_overdue_and_else_by_their_first() -> None:
    def instance(boot: str, since: float, last_seen: float, *, is_overdue: bool, has_advanced: bool) -> Instance:
        return Instance(a_gossip(boot=boot), since, last_seen, is_overdue, has_advanced)

    expected = [
        instance(A, since=5.0, last_seen=6.0, is_overdue=True, has_advanced=False),
        instance(B, since=1.0, last_seen=7.0, is_overdue=True, has_advanced=True),
        instance(C, since=3.0, last_seen=9.0, is_overdue=False, has_advanced=False),
        instance("d" * 16, since=1.0, last_seen=9.0, is_overdue=False, has_advanced=True),
        instance("e" * 16, since=2.0, last_seen=8.0, is_overdue=False, has_advanced=True),
    ]
    shuffled = [expected[n] for n in (3, 1, 4, 0, 2)]
    assert sorted(shuffled, key=lambda one: one.eviction_order) == expected


def test_an_instance_that_was_never_seen_has_no_number() -> None:
    table = InstanceTable(Instance(a_gossip(boot=A, seq=7), since=NOW, last_seen=NOW))
    assert (table.highest_seq(A), table.highest_seq(B)) == (7, 0)


@pytest.mark.parametrize("start", [NOW, 0.25])
def test_of_a_full_hostname_32_instances_a_second_may_become_the_current_one(start: float) -> None:
    table = InstanceTable(Instance(a_gossip(), since=start, last_seen=start))
    assert [table.allow_takeover(start + n / 64) for n in range(64)] == [True] * 32 + [False] * 32
    assert [table.allow_takeover(start + 1.0) for _ in range(33)] == [True] * 32 + [False]
    assert table.allow_takeover(start + 2.5)


def test_a_new_boot_that_reports_twice_comes_back_in_place_of_a_newer_one_that_reported_once() -> None:
    host = Host(A)
    for n in range(1, 8):
        host.update(f"{n:016x}", n / 8)
        host.update(f"{n:016x}", n / 8)
    host.update(A, 1.0)
    host.member.update(a_gossip(boot=B), NOW + 1.1, is_late=False)
    for n in range(10, 20):
        host.member.update(a_gossip(boot=f"{n:016x}"), NOW + 1.1 + n / 100, is_late=False)
    assert B not in instances_of(host)
    assert host.member.update(a_gossip(boot=B, seq=2), NOW + 2.0, is_late=False)
    assert B in instances_of(host)


def test_the_instance_that_was_evicted_first_of_all_that_are_remembered_comes_back() -> None:
    """Its entry is the oldest one, which the eviction of another in its favour removes."""
    member = Member(a_gossip(boot=A), NOW)
    for n in range(207):
        assert member.update(a_gossip(boot=f"{n:016x}"), NOW + n / 128, is_late=False)
    assert len(member.instances._evicted) == 200 and next(iter(member.instances._evicted)) == A
    assert member.update(a_gossip(boot=A, seq=2), NOW + 3, is_late=False)
    assert A in member._by_boot and A not in member.instances._evicted


def test_a_boot_that_is_over_is_forgotten_after_ten_minutes_and_the_holder_never() -> None:
    host = Host(A)
    host.update(B, 1.0, interval=1000.0)
    host.wait(601.0)
    assert not host.member.update(a_gossip(boot=A, seq=1), NOW + 601.0, is_late=False), "an older word of one known"
    host.wait(601.125)
    host.wait(9000.0)
    assert not host.member.update(a_gossip(boot=B, seq=1), NOW + 9000.0, is_late=False)
    assert host.member.update(a_gossip(boot=A, seq=1), NOW + 9000.0, is_late=False), "as new as any"


def test_an_older_word_of_a_boot_is_not_taken() -> None:
    member = Member(a_gossip(seq=5), NOW)
    assert not member.update(a_gossip(seq=5), NOW + 1, is_late=False)
    assert not member.update(a_gossip(seq=4), NOW + 1, is_late=False)
    assert member.update(a_gossip(seq=6), NOW + 1, is_late=False)
