"""A fleet in a bottle speaks as its plan says, in time, and says so when it cannot."""

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice, pairwise, takewhile
from typing import Any

import pytest

from benchmarks.fleet import FleetPublisher
from benchmarks.synthetic import SILENCE, Fleet, Plan
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Gossip, decode
from tests.unit.build import FakeClock, a_gossip

PLAN = Plan(workers=20, queues=3, interval=0.5)
BUSY = replace(PLAN, churn=60, restarts=60, silences=20)


def spoken(plan: Plan, seconds: float = 60) -> list[tuple[float, Gossip]]:
    return list(takewhile(lambda item: item[0] < seconds, Fleet(plan).schedule()))


def by_hostname(plan: Plan, seconds: float = 60) -> dict[str, list[tuple[float, Gossip]]]:
    speeches = defaultdict(list)
    for due, gossip in spoken(plan, seconds):
        speeches[gossip.hostname].append((due, gossip))
    return speeches


def by_boot(plan: Plan, seconds: float = 60) -> dict[str, list[tuple[float, Gossip]]]:
    speeches = defaultdict(list)
    for due, gossip in spoken(plan, seconds):
        speeches[gossip.boot].append((due, gossip))
    return speeches


def test_every_worker_speaks_once_in_each_interval_at_its_own_even_share_of_it() -> None:
    assert [due for due, _ in spoken(PLAN, 5)] == pytest.approx([n * 0.025 for n in range(200)])
    for speeches in by_hostname(PLAN, 5).values():
        assert [due - speeches[0][0] for due, _ in speeches] == pytest.approx([n * 0.5 for n in range(10)])


def test_the_same_seed_gives_the_same_fleet() -> None:
    assert spoken(BUSY) == spoken(BUSY)


def test_another_seed_gives_other_boots() -> None:
    assert not set(by_boot(BUSY)) & set(by_boot(replace(BUSY, seed=1)))


@pytest.mark.parametrize("names", ["plain", "hostile"])
def test_what_it_says_passes_the_wire_unchanged(names: str) -> None:
    for _, gossip in spoken(replace(BUSY, names=names, queues=15), 20):
        assert decode(encode(gossip)) == gossip


def test_hostile_names_tell_workers_and_queues_apart() -> None:
    plan = replace(PLAN, workers=30, names="hostile", queues=30)
    gossips = [gossip for _, gossip in spoken(plan, 0.5)]
    assert len({gossip.hostname for gossip in gossips}) == 30
    assert all(len({check.queue for check in gossip.checks}) == 30 for gossip in gossips)
    assert max(len(gossip.hostname) for gossip in gossips) == 255


def test_totals_are_the_sums_of_the_checks_within_what_the_worker_can_hold() -> None:
    for _, gossip in spoken(BUSY):
        assert gossip.active == sum(check.active_count for check in gossip.checks) <= gossip.concurrency
        assert [len(check.active) for check in gossip.checks] == [check.active_count for check in gossip.checks]
        assert gossip.reserved == sum(check.reserved for check in gossip.checks)
        assert gossip.scheduled == sum(check.scheduled for check in gossip.checks)


def test_counts_move_and_processed_grows() -> None:
    for speeches in by_boot(PLAN).values():
        processed = [gossip.processed for _, gossip in speeches]
        assert processed == sorted(processed)
        assert processed[-1] > len(processed) / 4
        assert len({gossip.active for _, gossip in speeches}) > 1
        assert len({gossip.scheduled for _, gossip in speeches}) > 1


def test_a_healthy_worker_is_never_idle_and_never_hoards() -> None:
    for _, gossip in spoken(PLAN):
        assert gossip.active >= 1
        assert gossip.reserved == 0 or gossip.active == gossip.concurrency


def test_seq_counts_from_one_without_a_gap_in_each_boot() -> None:
    for speeches in by_boot(BUSY).values():
        assert [gossip.seq for _, gossip in speeches] == list(range(1, len(speeches) + 1))


def test_nothing_befalls_a_fleet_of_which_nothing_is_asked() -> None:
    assert len(by_boot(PLAN)) == PLAN.workers
    assert {gossip.state for _, gossip in spoken(PLAN)} == {"online"}


def test_churn_ends_in_a_goodbye_and_a_new_hostname_takes_the_place() -> None:
    plan = replace(PLAN, churn=60)
    speeches = by_hostname(plan)
    left = [heard for heard in speeches.values() if heard[-1][1].state == "offline"]
    assert 40 < len(left) < 80  # 60 a minute, in one minute
    for heard in left:
        assert [gossip.state for _, gossip in heard[:-1]] == ["online"] * (len(heard) - 1)
        assert all(check.shutdown_started_at and not check.active for check in heard[-1][1].checks)
    assert len(speeches) in (PLAN.workers + len(left), PLAN.workers + len(left) - 1)
    assert len(spoken(plan)) == len(spoken(PLAN))


def test_nothing_befalls_a_worker_that_has_not_spoken_yet_or_is_leaving() -> None:
    for speeches in by_boot(replace(PLAN, churn=1200, restarts=1200)).values():
        assert speeches[0][1].state == "online"


def test_a_restart_is_a_new_boot_without_a_goodbye() -> None:
    speeches = by_hostname(replace(PLAN, restarts=60))
    boots = [len({gossip.boot for _, gossip in heard}) for heard in speeches.values()]
    assert len(speeches) == PLAN.workers
    assert 40 < sum(boots) - PLAN.workers < 80
    assert {gossip.state for heard in speeches.values() for _, gossip in heard} == {"online"}


def test_a_silence_lasts_as_long_as_it_says_and_the_same_boot_goes_on() -> None:
    speeches = by_boot(replace(PLAN, silences=20))
    gaps = Counter(
        round((after - before) / PLAN.interval)
        for heard in speeches.values()
        for (before, _), (after, _) in pairwise(heard)
    )
    assert set(gaps) == {1, SILENCE + 1}
    assert 10 < gaps[SILENCE + 1] < 30
    assert len(speeches) == PLAN.workers


def test_at_the_end_everyone_who_speaks_says_goodbye() -> None:
    fleet = Fleet(PLAN)
    last = {gossip.hostname: gossip for _, gossip in islice(fleet.schedule(), 3 * PLAN.workers)}
    goodbyes = list(fleet.last_reports(due=1.5))
    assert {gossip.hostname for gossip in goodbyes} == set(last)
    assert all(gossip.state == "offline" for gossip in goodbyes)
    assert all((gossip.boot, gossip.seq) == (last[gossip.hostname].boot, 4) for gossip in goodbyes)


def test_who_is_silent_or_has_not_spoken_says_no_goodbye() -> None:
    fleet = Fleet(PLAN)
    assert list(fleet.last_reports(due=0.0)) == []
    fleet = Fleet(replace(PLAN, silences=600))
    for _ in takewhile(lambda item: item[0] < 5, fleet.schedule()):
        pass
    assert len(list(fleet.last_reports(due=5.0))) < PLAN.workers


class FakePublisher:
    """A publisher that takes a given time for each gossip, and raises a given error."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.needs = 0.0
        self.error: Exception | None = None
        self.is_blocked = False
        self.drops = 0
        self.sent: list[tuple[float, Any]] = []

    def publish(self, body: bytes) -> bool:
        self.clock.advance(self.needs)
        if self.error is not None:
            raise self.error
        self.sent.append((self.clock() - 1000, decode(body)))
        return not self.is_blocked

    def fail_over(self) -> None:
        self.drops += 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def publisher(clock: FakeClock) -> FakePublisher:
    return FakePublisher(clock)


@pytest.fixture
def fleet_publisher(clock: FakeClock, publisher: FakePublisher) -> FleetPublisher:
    return FleetPublisher(publisher, clock, sleep=clock.advance)


def test_each_gossip_is_sent_when_it_is_due(fleet_publisher: FleetPublisher, publisher: FakePublisher) -> None:
    assert fleet_publisher.run(Fleet(PLAN).schedule(), seconds=2.0) == pytest.approx(2.0)
    assert [at for at, _ in publisher.sent] == pytest.approx([n * 0.025 for n in range(80)])
    assert (fleet_publisher.published, fleet_publisher.unsent, fleet_publisher.late) == (80, 0, 0)
    assert fleet_publisher.bytes == pytest.approx(80 * 1200, rel=0.5)


def test_a_gossip_carries_the_time_at_which_it_was_sent(
    fleet_publisher: FleetPublisher, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.fleet.time.time", lambda: 1234.5)
    fleet_publisher.publish(a_gossip(sent_at=1.0))
    assert [gossip.sent_at for _, gossip in publisher.sent] == [1234.5]


def test_a_fleet_that_keeps_its_schedule_does_not_complain(
    fleet_publisher: FleetPublisher, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet_publisher.run(Fleet(PLAN).schedule(), seconds=20.0)
    assert capsys.readouterr().err == ""


def test_falling_behind_is_counted_and_said_now_and_then(
    fleet_publisher: FleetPublisher, publisher: FakePublisher, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.needs = 0.05  # twice what there is
    passed = fleet_publisher.run(Fleet(PLAN).schedule(), seconds=10.0)
    lines = capsys.readouterr().err.splitlines()
    assert passed == pytest.approx(20.0)
    assert fleet_publisher.late > 300
    assert fleet_publisher.most_behind == pytest.approx(10.0, abs=0.1)
    assert 3 <= len(lines) <= 5
    assert all("behind its schedule" in line for line in lines)


def test_while_the_broker_is_away_nothing_piles_up(
    fleet_publisher: FleetPublisher, publisher: FakePublisher, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.error = ConnectionRefusedError("nobody there")
    fleet_publisher.run(Fleet(PLAN).schedule(), seconds=2.0)
    assert (fleet_publisher.published, fleet_publisher.unsent) == (0, 80)
    assert 3 <= publisher.drops <= 5  # it does not try for each gossip
    assert "nobody there" in capsys.readouterr().err


def test_it_goes_on_when_the_broker_is_back(
    fleet_publisher: FleetPublisher, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = ConnectionRefusedError()
    fleet_publisher.publish(a_gossip())
    publisher.error = None
    fleet_publisher.publish(a_gossip())
    clock.advance(1.0)
    fleet_publisher.publish(a_gossip())
    assert (fleet_publisher.published, fleet_publisher.unsent) == (1, 2)


def test_what_an_alarm_holds_back_counts_as_unsent(fleet_publisher: FleetPublisher, publisher: FakePublisher) -> None:
    publisher.is_blocked = True
    fleet_publisher.publish(a_gossip())
    assert (fleet_publisher.published, fleet_publisher.unsent, fleet_publisher.bytes) == (0, 1, 0)


def test_stopping_ends_a_run_though_nothing_is_due_for_long(clock: FakeClock, publisher: FakePublisher) -> None:
    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        if clock() > 1003:
            stopping.stop()

    stopping = FleetPublisher(publisher, clock, sleep)
    assert stopping.run(Fleet(replace(PLAN, workers=1, interval=3600.0)).schedule()) == pytest.approx(3.0, abs=0.2)
    assert stopping.published == 1
