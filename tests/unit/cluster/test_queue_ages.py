"""The age of the oldest message: the true one is always within the limits, whatever happens to workers and reports."""

from collections import deque
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.queue_ages import MAX_QUEUES, AgeLimits, QueueAges
from celery_gossip.cluster.view import QueueView
from celery_gossip.wire.messages import Gossip
from celery_gossip.worker.metrics import Meter
from tests.unit.build import FakeClock, a_check, a_gossip, a_series

START = 1_000.0
OTHER_UUID = "99999999-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("limits", "reported_at", "expected"),
    [
        (AgeLimits(None, 100.0, None), inf, (0.0, None)),  # nothing is known
        (AgeLimits(40.0, 98.0, None), inf, (58.0, None)),  # no worker: as of the latest read
        (AgeLimits(40.0, 98.0, None), 90.0, (50.0, None)),  # as of the oldest report
        (AgeLimits(40.0, 98.0, None), 30.0, (0.0, None)),  # a report from before
        (AgeLimits(None, 98.0, 70.0), 99.0, (0.0, 30.0)),
        (AgeLimits(None, 98.0, 170.0), 99.0, (0.0, 0.0)),  # a clock is ahead
        (AgeLimits(40.0, 99.0, 39.0), 99.0, (59.0, 61.0)),
        (AgeLimits(40.0, 99.0, 42.0), 99.0, (58.0, 58.0)),  # contradict each other by no more than the tolerance
        (AgeLimits(40.0, 99.0, 80.0), 99.0, (0.0, None)),  # one of the assumptions is wrong
    ],
)
def test_the_limits_of_an_age(limits: AgeLimits, reported_at: float, expected: tuple[float, float | None]) -> None:
    assert limits.ages(100.0, reported_at) == expected


# Single steps, through the Cluster: reports and lengths in, views out.


@dataclass
class Scene:
    """One queue of a Cluster. `seq` of the reports continues by itself."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    seq: int = 0

    def __post_init__(self) -> None:
        self.cluster = Cluster(self.clock)
        self.cluster.statistics.start(START)

    def report(self, newest: float | None = None, received: int = 0, at: float | None = None, **fields: Any) -> None:
        self.clock.now = START + at if at is not None else self.clock.now
        self.seq += fields.pop("skipped", 0) + 1
        values: dict[str, Any] = {
            "seq": self.seq,
            "checks": (a_check("mail"),),
            "newest": () if newest is None else (newest,),
            "series": (a_series("mail", received=received, age=self.clock.now - START),) if received else (),
        }
        self.cluster.apply_gossip(a_gossip(**{**values, **fields}), self.clock.now)

    def length(self, count: int | None, at: float) -> None:
        self.clock.now = START + at
        self.cluster.set_queue_lengths({"mail": count}, self.clock.now)

    def ages(self, at: float | None = None) -> tuple[float | None, float | None]:
        self.clock.now = START + at if at is not None else self.clock.now
        queue = self.cluster.view().queue("mail")
        assert queue is not None
        return queue.oldest_age_min, queue.oldest_age_max


def test_no_message_waits_in_an_empty_queue() -> None:
    scene = Scene()
    scene.report(newest=4000.0)
    scene.length(0, at=1)
    assert scene.ages() == (0.0, 0.0)


def test_an_unknown_length_makes_the_age_unknown() -> None:
    scene = Scene()
    scene.report(newest=3.0)
    scene.length(None, at=1)
    assert scene.ages() == (None, None)


def test_the_oldest_message_was_sent_after_the_newest_that_was_received() -> None:
    scene = Scene()
    scene.report(newest=3.0, at=1)
    scene.length(5, at=2)
    assert scene.ages(at=2) == (0.0, 4.0)
    assert scene.ages(at=7) == (0.0, 9.0)  # grows with the time of the view


def test_the_newest_of_several_workers_counts() -> None:
    scene = Scene()
    scene.report(newest=30.0, at=1)
    scene.report(newest=8.0, at=1, hostname="w2", boot="1" * 16, seq=1)
    scene.length(5, at=2)
    assert scene.ages() == (0.0, 9.0)


def test_the_newest_of_a_worker_that_has_left_still_counts() -> None:
    scene = Scene()
    scene.report(newest=8.0, at=1)
    scene.report(newest=9.0, at=2, state="offline")
    scene.length(5, at=3)
    assert scene.ages() == (0.0, 10.0)


def test_a_delayed_report_is_corrected_by_the_next() -> None:
    scene = Scene()
    scene.report(newest=1.0, at=4)  # two seconds late
    scene.report(newest=4.0, at=5)
    scene.length(5, at=6)
    assert scene.ages() == (0.0, 5.0)


def test_messages_that_may_have_returned_make_the_greatest_age_unknown_until_one_behind_them_is_received() -> None:
    scene = Scene()
    scene.report(newest=2.0, at=1)
    scene.length(50, at=2)
    scene.report(newest=3.0, at=2, checks=(a_check("mail", uuid=OTHER_UUID),))
    assert scene.ages() == (0.0, None)
    scene.report(newest=7.0, at=6, checks=(a_check("mail", uuid=OTHER_UUID),))
    assert scene.ages() == (0.0, None)
    scene.report(newest=6.0, at=11, checks=(a_check("mail", uuid=OTHER_UUID),))
    assert scene.ages() == (0.0, 6.0)


def test_an_empty_queue_holds_no_message_that_has_returned() -> None:
    scene = Scene()
    scene.report(newest=2.0, at=1)
    scene.report(newest=3.0, at=2, checks=(a_check("mail", uuid=OTHER_UUID),))
    for at in range(3, 12):
        scene.length(0, at=at)
    scene.length(1, at=12)
    assert scene.ages() == (0.0, 2.0)  # it was empty at a time after the second last read


@pytest.mark.parametrize(("held", "expected"), [(0, 3.0), (2, None)])
def test_a_worker_that_shuts_down_returns_what_it_holds(held: int, expected: float | None) -> None:
    scene = Scene()
    scene.report(newest=2.0, at=1, reserved=held)
    scene.report(newest=2.0, at=2, reserved=held, state="offline")
    scene.length(5, at=3)
    assert scene.ages() == (0.0, expected)


@pytest.mark.parametrize("silent_for", [4.0, 30.0])
def test_a_worker_that_stops_reporting_may_have_returned_messages(silent_for: float) -> None:
    scene = Scene()
    scene.report(newest=2.0, at=1)
    scene.clock.advance(silent_for)
    scene.cluster.expire_silent_workers(scene.clock.now)
    scene.length(5, at=1 + silent_for)
    assert scene.ages() == (0.0, None)


def test_a_message_waits_at_least_since_it_was_seen_if_nothing_was_received_since() -> None:
    scene = Scene()
    for at in range(0, 60, 2):
        scene.length(3 if at >= 10 else 0, at=at)
        scene.report(at=at + 1)
    assert scene.ages() == (48.0, 53.0)  # it was empty after the read before the last empty one


def test_a_message_waits_at_least_since_more_waited_than_were_received_since() -> None:
    scene = Scene()
    scene.length(0, at=0)
    for at in range(2, 100, 2):  # one message a second; a hundred at once at the beginning
        scene.length(100, at=at)
        scene.report(received=at, at=at + 0.5)
    least, _ = scene.ages()
    assert least is not None and 90 <= least <= 97
    for at in range(100, 200, 2):
        scene.length(100, at=at)
        scene.report(received=at, at=at + 0.5)
    least, _ = scene.ages()
    assert least is not None and 80 <= least <= 100


def test_removals_that_no_worker_reports_are_counted() -> None:
    """Ten messages a second leave, of which one is reported; none arrives."""
    scene = Scene()
    for at in range(0, 20, 2):
        scene.length(200 - 10 * at, at=at)
        scene.report(received=at + 1, at=at + 0.5)
    scene.length(10, at=20)
    scene.length(30, at=22)
    for received in range(1, 12):  # the last ten of the first messages
        scene.report(received=19 + received, at=22 + received)
        scene.length(30, at=22.5 + received)
    least, _ = scene.ages()
    assert least is not None and least <= 13.0


@pytest.mark.parametrize(
    "fields",
    [
        {"skipped": 3},
        {"deferred": 1},
        {"batched": 2},
        {"undecodable": 1},
        {"processed": 9},
        {"reserved": 1},
        {"series": (a_series("", received=4, age=1.0),)},
        {"series": (a_series("other", received=4, age=1.0),)},
        {"boot": "1" * 16, "seq": 90},
        {"hostname": "w2", "boot": "1" * 16, "seq": 90},
    ],
    ids="-".join,
)
def test_incomplete_counts_prove_nothing(fields: dict[str, Any]) -> None:
    scene = Scene()
    for at in range(0, 20, 2):
        scene.length(3, at=at)
        scene.report(at=at + 1)
    least, _ = scene.ages()
    assert least == 16.0
    scene.report(at=20, **fields)
    assert scene.ages()[0] == 0.0


def test_a_lost_worker_may_have_received_messages_that_it_did_not_report() -> None:
    scene = Scene()
    for at in range(0, 20, 2):
        scene.length(3, at=at)
        scene.report(at=at + 1)
    for at in range(20, 60):
        scene.length(3, at=at)
        scene.cluster.expire_silent_workers(scene.clock.now)
    least, _ = scene.ages()
    assert least is not None and 15 < least < 35


def test_a_new_worker_does_not_make_the_age_unknown() -> None:
    scene = Scene()
    for at in range(0, 20, 2):
        scene.length(3, at=at)
        scene.report(at=at + 1)
    scene.report(hostname="w2", boot="1" * 16, seq=1, at=20)
    assert scene.ages()[0] == 16.0


@pytest.mark.parametrize(("state", "expected"), [("online", 0.0), ("draining", 16.0), ("offline", 16.0)])
def test_a_restart_hides_what_the_former_instance_has_received_unless_it_still_reports_it(
    state: str, expected: float
) -> None:
    scene = Scene()
    for at in range(0, 20, 2):
        scene.length(3, at=at)
        scene.report(at=at + 1, newest=at + 1.0)
    scene.report(at=19.5, newest=19.5, state=state)
    scene.report(at=20, boot="1" * 16, seq=1)
    least, greatest = scene.ages()
    assert least == expected
    assert (greatest is None) == (state != "offline")


def test_the_old_series_of_a_worker_that_was_running_before_do_not_hide_the_age() -> None:
    """Each series that the listener does not know yet is a baseline: what it counts may be from before."""
    scene = Scene()
    for at in range(0, 20, 2):
        scene.length(30, at=at)
        scene.report(at=at + 1, series=(a_series("mail", f"task{at}", received=at, age=900.0),))
    least, _ = scene.ages()
    assert least == 16.0


def test_the_ages_of_a_broadcast_queue_are_not_compared() -> None:
    scene = Scene()
    scene.report(newest=3.0, at=1, checks=(a_check("mail", broadcast=True),))
    scene.length(5, at=2)
    assert scene.ages() == (0.0, None)


def test_queues_are_remembered_within_a_limit() -> None:
    ages = QueueAges()
    for number in range(MAX_QUEUES + 5):
        ages.set_lengths({f"q{number}": 1}, float(number))
    assert "q0" not in ages and f"q{MAX_QUEUES + 4}" in ages
    assert sum(f"q{number}" in ages for number in range(MAX_QUEUES + 5)) <= MAX_QUEUES


def test_the_number_of_times_that_are_kept_is_limited() -> None:
    ages = QueueAges()
    for number in range(10_000):
        ages.set_lengths({"mail": number + 1}, float(number))
    (limits,) = ages.limits(["mail"]).values()
    assert limits.waited_at == 1.0  # the first read has no count of what left before it
    assert len(ages._queues["mail"].levels) <= 48


# A model of a broker, workers and a network that loses reports.


@dataclass(frozen=True)
class Message:
    sent_at: float
    is_redelivered: bool = False


@dataclass
class Worker:
    number: int
    clock: FakeClock
    boot: str
    held: list[Message] = field(default_factory=list)
    seq: int = 0
    processed: int = 0
    uuid: str = "11111111-2222-3333-4444-555555555555"
    is_known: bool = False  #: the listener has received a report of it

    def __post_init__(self) -> None:
        self.meter = Meter(self.clock)

    def receive(self, message: Message) -> None:
        series = self.meter.get_series("mail", "shop.pack")
        series.count_received()
        if not message.is_redelivered:
            series.intake.newest_sent_at = max(series.intake.newest_sent_at, message.sent_at)
        self.held.append(message)

    def end(self) -> None:
        if self.held:
            self.held.pop(0)
            self.processed += 1
            self.meter.get_series("mail", "shop.pack").count_ended("succeeded", 0.1)

    def report(self, state: str = "online") -> Gossip:
        self.seq += 1
        delta = self.meter.collect()
        self.meter.commit(len(delta.series))
        return a_gossip(
            hostname=f"w{self.number}",
            boot=self.boot,
            seq=self.seq,
            state=state,
            reserved=len(self.held),
            processed=self.processed,
            checks=(a_check("mail", uuid=self.uuid),),
            series=delta.series,
            newest=self.meter.newest_ages(["mail"], self.clock.now),
        )


class Model:
    """A queue, its workers and a listener. Each second: messages, reports, and every other second a length."""

    def __init__(self) -> None:
        self.clock = FakeClock(START)
        self.cluster = Cluster(self.clock)
        self.cluster.statistics.start(START)
        self.queue: deque[Message] = deque()
        self.boots = 0
        self.workers = [self._start(0), self._start(1)]
        self.lost = 0  #: reports to lose
        self.is_certain = True  #: False: a worker has ended of which the listener never knew
        self.report_all()

    def _start(self, number: int) -> Worker:
        self.boots += 1
        return Worker(number, self.clock, f"{self.boots:016x}")

    def send(self, count: int) -> None:
        for _ in range(count):
            self.clock.advance(0.001)
            self.queue.append(Message(self.clock.now))

    def receive(self, at: int, count: int) -> None:
        for _ in range(min(count, len(self.queue))):
            self.workers[at].receive(self.queue.popleft())

    def end(self, at: int, count: int) -> None:
        for _ in range(count):
            self.workers[at].end()

    def give_back(self, worker: Worker) -> None:
        self.queue.extendleft(Message(one.sent_at, is_redelivered=True) for one in reversed(worker.held))
        worker.held.clear()

    def restart(self, at: int, is_clean: bool) -> None:
        worker = self.workers[at]
        self.is_certain = self.is_certain and worker.is_known
        if is_clean:
            self.apply(worker.report("offline"))
        self.give_back(worker)
        self.workers[at] = self._start(worker.number)
        self.report_all()

    def reconnect(self, at: int) -> None:
        worker = self.workers[at]
        self.give_back(worker)
        worker.uuid = f"{self.boots:08x}-{int(self.clock.now):04x}-3333-4444-555555555555"
        self.report_all()

    def wait(self, seconds: int) -> None:
        for second in range(seconds):
            self.clock.advance(1.0)
            self.report_all()
            self.cluster.expire_silent_workers(self.clock.now)
            if second % 2:
                self.read_length()

    def report_all(self) -> None:
        for worker in self.workers:
            if self.lost:
                self.lost -= 1
                worker.report()
            else:
                self.apply(worker.report())
                worker.is_known = True

    def apply(self, gossip: Gossip) -> None:
        self.cluster.apply_gossip(gossip, self.clock.now)

    def read_length(self) -> None:
        self.cluster.set_queue_lengths({"mail": len(self.queue)}, self.clock.now)

    def view(self) -> QueueView:
        """Return the queue, as of a moment at which every worker has reported and the length was read."""
        self.report_all()
        self.read_length()
        queue = self.cluster.view().queue("mail")
        assert queue is not None
        return queue


ACTIONS = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 30)),
    st.tuples(st.just("receive"), st.integers(0, 1), st.integers(1, 12)),
    st.tuples(st.just("end"), st.integers(0, 1), st.integers(1, 12)),
    st.tuples(st.just("restart"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("reconnect"), st.integers(0, 1)),
    st.tuples(st.just("wait"), st.integers(1, 9)),
    st.tuples(st.just("wait"), st.integers(1, 9)),
    st.tuples(st.just("read_length")),
    st.tuples(st.just("lose"), st.integers(1, 12)),
    st.tuples(st.just("view")),
)


@settings(max_examples=400, deadline=None)
@given(actions=st.lists(ACTIONS, max_size=80))
def test_the_true_age_is_always_within_the_limits(actions: list[tuple[Any, ...]]) -> None:
    model = Model()
    for name, *arguments in [*actions, ("view",)]:
        if name == "lose":
            model.lost = arguments[0]
        elif name != "view":
            getattr(model, name)(*arguments)
        elif not model.lost and model.is_certain:
            queue = model.view()
            truth = max((model.clock.now - one.sent_at for one in model.queue), default=0.0)
            assert queue.oldest_age_min is not None
            assert queue.oldest_age_min <= truth + 0.001
            if queue.oldest_age_max is not None:
                assert truth <= queue.oldest_age_max + 0.001
                event("both are known" if queue.oldest_age_min > 1 else "the greatest is known")
            elif queue.oldest_age_min > 1:
                event("the least is known")
