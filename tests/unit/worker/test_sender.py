"""Sender and Delivery: send the newest gossip, back off, probe if ticks stop, pause at forks, never raise.

Most tests call the thread's unit of work directly, so that only the fake clock decides.
"""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from celery_gossip.fork_lock import SLEEP_TIMEOUT
from celery_gossip.transport import body_delivery
from celery_gossip.transport.backoff import BACKOFF_MAX, BACKOFF_MAX_REFUSED
from celery_gossip.transport.body_delivery import SenderEvent
from celery_gossip.transport.report_sender import MAX_EVENTS
from celery_gossip.wire.messages import Gossip, Resources, decode
from celery_gossip.worker import delivery, metrics
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.sender import Sender
from tests.support import eventually
from tests.unit.build import FakeClock, a_check, a_gossip


class FakePublisher:
    """Records bodies; fails, blocks or hangs as the test sets it."""

    def __init__(self) -> None:
        self.sent: list[Gossip] = []
        self.calls: list[str] = []
        self.error: BaseException | None = None
        self.is_blocked = False
        self.refuses = False
        self.is_lost = True
        self.during: Any = None

    def publish(self, body: bytes) -> bool:
        self.calls.append("publish")
        if self.during is not None:
            self.during()
        if self.error is not None:
            raise self.error
        if self.is_blocked:
            return False
        self.sent.append(decode(body))
        return True

    def close(self) -> None:
        self.calls.append("close")

    def fail_over(self) -> None:
        self.calls.append("fail_over")

    def is_amqp_refusal(self, exc: Exception) -> bool:
        return self.refuses

    def is_outage(self, exc: Exception) -> bool:
        return self.is_lost

    def assert_called(self) -> None:
        assert self.calls, "nothing was published"

    def assert_sent(self) -> None:
        assert self.sent, "nothing was sent"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def sender(publisher: FakePublisher, clock: FakeClock) -> Sender:
    return Sender(publisher, lambda: None, interval=1.0, clock=clock)


@pytest.fixture(autouse=True)
def longest_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff at its longest."""
    monkeypatch.setattr(body_delivery.random, "random", lambda: 1.0)


@pytest.fixture
def running() -> Iterator[list[Sender]]:
    """Senders whose threads end with the test."""
    senders: list[Sender] = []
    yield senders
    for sender in senders:
        assert sender.stop(None, timeout=5)


def submit_and_send(sender: Sender, **fields: Any) -> None:
    sender.submit(a_gossip(seq=0, **fields))
    sender._run_once()


def kinds(pop_events: list[SenderEvent]) -> list[str]:
    return [event.kind for event in pop_events]


# Sending.


def test_submitted_gossip_is_sent_once(sender: Sender, publisher: FakePublisher) -> None:
    submit_and_send(sender, active=3)
    sender._run_once()
    assert [gossip.active for gossip in publisher.sent] == [3]


def test_the_newest_wins(sender: Sender, publisher: FakePublisher) -> None:
    for active in (1, 2, 3):
        sender.submit(a_gossip(active=active))
    sender._run_once()
    assert [gossip.active for gossip in publisher.sent] == [3]


def test_a_tick_with_nothing_to_report_sends_nothing(sender: Sender, publisher: FakePublisher) -> None:
    sender.submit(None)
    sender._run_once()
    assert publisher.calls == []


def test_gossip_is_numbered_from_one_and_dated_when_it_is_sent(sender: Sender, publisher: FakePublisher) -> None:
    before = time.time()
    for _ in range(3):
        submit_and_send(sender, sent_at=0.0)
    assert [gossip.seq for gossip in publisher.sent] == [1, 2, 3]
    assert all(before <= gossip.sent_at <= time.time() for gossip in publisher.sent)


def test_the_latest_is_the_gossip_as_it_was_sent(sender: Sender, publisher: FakePublisher) -> None:
    assert sender.latest is None
    submit_and_send(sender, active=3)
    assert sender.latest == publisher.sent[0]


# Resources.


def test_the_first_report_and_every_fifth_after_it_contain_the_resources(
    sender: Sender, publisher: FakePublisher
) -> None:
    reads = itertools.count(1)
    sender.report_resources(lambda: Resources(rss=next(reads)))
    for _ in range(12):
        submit_and_send(sender)
    sent = [gossip.resources and gossip.resources.rss for gossip in publisher.sent]
    assert sent == [1, None, None, None, None, 2, None, None, None, None, 3, None]
    assert next(reads) == 4


def test_the_final_report_contains_no_resources(sender: Sender, publisher: FakePublisher) -> None:
    sender.report_resources(lambda: Resources(rss=1))
    assert sender.stop(a_gossip(state="offline"), timeout=1)
    sender._run_once()
    assert [gossip.resources for gossip in publisher.sent] == [None, None]


def test_resources_that_cannot_be_read_cost_only_themselves(sender: Sender, publisher: FakePublisher) -> None:
    def read() -> Resources:
        raise RuntimeError("no /proc")

    sender.report_resources(read)
    submit_and_send(sender, active=3)
    assert [(gossip.active, gossip.resources) for gossip in publisher.sent] == [(3, None)]
    (event,) = sender.pop_events()
    assert (event.kind, event.phase) == ("failed", "resources")


# Task counts.


@pytest.fixture
def meter(clock: FakeClock) -> Meter:
    return Meter(clock)


@pytest.fixture
def counting(publisher: FakePublisher, clock: FakeClock, meter: Meter) -> Sender:
    return Sender(publisher, lambda: None, interval=1.0, clock=clock, meter=meter)


def receive(meter: Meter, *tasks: str) -> None:
    for task in tasks or ("shop.pack",):
        meter.get_series("default", task).count_received()


def received(gossip: Gossip) -> dict[str, int]:
    return {one.task: one.received for one in gossip.series}


def test_series_are_as_they_stand_when_the_gossip_is_sent(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    counting.submit(a_gossip())
    receive(meter)
    counting._run_once()
    assert received(publisher.sent[0]) == {"shop.pack": 1}


def test_overflowed_and_skewed_are_sent(
    counting: Sender, publisher: FakePublisher, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MAX_SERIES", 1)
    receive(meter, "one", "two", "three")
    meter.get_series("default", "one").count_started(-1.0)
    submit_and_send(counting)
    assert (publisher.sent[0].overflowed, publisher.sent[0].skewed) == (2, 1)


def commits(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    monkeypatch.setattr(meter, "commit", made.append)
    return made


def test_only_counts_that_were_sent_are_committed(
    counting: Sender, publisher: FakePublisher, meter: Meter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commits(meter, monkeypatch)
    receive(meter)
    publisher.is_blocked = True
    submit_and_send(counting)
    publisher.is_blocked, publisher.error = False, OSError()
    submit_and_send(counting)
    submit_and_send(counting, hostname="\ud800")
    assert made == []
    publisher.error = None
    clock.advance(60)
    submit_and_send(counting)
    assert made == [1]


def test_series_that_did_not_fit_into_the_message_are_not_committed(
    counting: Sender, publisher: FakePublisher, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commits(meter, monkeypatch)
    receive(meter, *(f"task-{n}" for n in range(40)))
    checks = tuple(a_check(f"queue-{n}-{'x' * 75}") for n in range(225))
    submit_and_send(counting, checks=checks)
    assert 0 < len(publisher.sent[0].series) < 40
    assert made == [len(publisher.sent[0].series)]
    assert counting.latest == publisher.sent[0]


@pytest.mark.parametrize("queues", [1, 225])
def test_every_series_is_sent_however_few_bytes_the_checks_leave(
    counting: Sender, publisher: FakePublisher, meter: Meter, queues: int
) -> None:
    receive(meter, *(f"task-{n}" for n in range(300)))
    checks = tuple(a_check(f"queue-{n}-{'x' * 75}") for n in range(queues))
    rounds = 0
    while meter.changed:
        submit_and_send(counting, checks=checks)
        rounds += 1
    told = [task for gossip in publisher.sent for task in received(gossip)]
    assert len(set(told)) == 300 and min(map(told.count, told)) >= 3
    assert rounds < 100


def test_a_report_has_the_ages_of_the_newest_messages_of_its_queues(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    meter.get_series("default", "send").intake.newest_sent_at = time.time() - 20.0
    submit_and_send(counting, checks=(a_check("other"), a_check("default"), a_check("last")))
    (gossip,) = publisher.sent
    assert gossip.newest[0] is None and len(gossip.newest) == 2
    assert gossip.newest[1] == pytest.approx(20.0, abs=1.0)


@pytest.mark.parametrize("method", ["collect", "commit", "has_unreported", "newest_ages"])
def test_an_error_of_the_meter_costs_only_the_counts(
    counting: Sender, publisher: FakePublisher, meter: Meter, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    error = MemoryError("broken")

    def blow_up(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Meter, method, property(blow_up) if method == "has_unreported" else blow_up)
    receive(meter)
    submit_and_send(counting, active=3)
    counting.stop(a_gossip(state="offline"), timeout=0)
    counting._run_once()
    assert [(gossip.active, gossip.state) for gossip in publisher.sent][:2] == [(3, "online"), (0, "offline")]
    assert publisher.calls[-1] == "close"
    assert {(event.phase, event.exception) for event in counting.pop_events()} <= {("count", error)}


def test_the_final_gossip_is_repeated_until_all_counts_were_sent_twice(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    receive(meter, *(f"task-{n}" for n in range(300)))
    counting.stop(a_gossip(state="offline"), timeout=0)
    counting._run_once()
    told = [task for gossip in publisher.sent for task in received(gossip)]
    assert len(set(told)) == 300 and min(map(told.count, told)) >= 2
    assert {gossip.state for gossip in publisher.sent} == {"offline"}


def test_the_final_gossip_is_repeated_a_bounded_number_of_times(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    publisher.during = lambda: receive(meter)
    counting.stop(a_gossip(state="offline"), timeout=0)
    counting._run_once()
    assert publisher.calls.count("publish") == delivery._MAX_FINAL_COPIES
    assert publisher.calls[-1] == "close"


def test_the_final_gossip_is_not_repeated_after_a_failure(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    receive(meter, *(f"task-{n}" for n in range(300)))

    def fail_soon() -> None:
        publisher.error = OSError() if len(publisher.sent) == 2 else None

    publisher.during = fail_soon
    counting.stop(a_gossip(state="offline"), timeout=0)
    counting._run_once()
    assert publisher.calls == ["publish", "publish", "publish", "fail_over", "close"]


# Failing.


def test_a_failure_drops_the_connection_and_is_an_event(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error = ConnectionRefusedError("refused")
    submit_and_send(sender)
    (event,) = sender.pop_events()
    assert (event.kind, event.phase, event.exception) == ("failed", "publish", publisher.error)
    assert publisher.calls == ["publish", "fail_over"]
    assert sender.pop_events() == []


def test_the_event_of_a_failure_has_its_duration(sender: Sender, publisher: FakePublisher, clock: FakeClock) -> None:
    publisher.error, publisher.during = TimeoutError(), lambda: clock.advance(1.0)
    submit_and_send(sender)
    assert sender.pop_events()[0].duration == 1.0


@pytest.mark.parametrize(
    "error",
    [
        OSError(),
        TimeoutError(),
        KeyError("x"),
        AssertionError(),
        MemoryError(),
        RecursionError(),
        ValueError(),
        Exception(),
    ],
    ids=repr,
)
def test_no_failure_of_the_broker_escapes(sender: Sender, publisher: FakePublisher, error: Exception) -> None:
    publisher.error = error
    submit_and_send(sender)
    assert [event.exception for event in sender.pop_events()] == [error]


def gaps_between_tries(sender: Sender, publisher: FakePublisher, clock: FakeClock) -> list[float]:
    publisher.error = OSError()
    tries = []
    for _ in range(300):
        submit_and_send(sender)
        tries.append(publisher.calls.count("publish"))
        clock.advance(0.5)
    return [tries.count(n) * 0.5 for n in range(1, 8)]


def test_an_absent_broker_is_asked_again_after_a_growing_while(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    assert gaps_between_tries(sender, publisher, clock) == [1.0, *[BACKOFF_MAX] * 6]


def test_a_broker_that_refuses_is_tried_rarely(sender: Sender, publisher: FakePublisher, clock: FakeClock) -> None:
    publisher.refuses = True
    gaps = gaps_between_tries(sender, publisher, clock)
    assert gaps == [1.0, 2.0, 4.0, 8.0, 16.0, *[BACKOFF_MAX_REFUSED] * 2]


def test_what_could_not_be_sent_is_tried_again_when_nothing_newer_came(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = OSError()
    submit_and_send(sender, active=1)
    publisher.error = None
    clock.advance(1.0)
    sender._run_once()
    assert [gossip.active for gossip in publisher.sent] == [1]


def test_what_came_during_a_failure_replaces_what_failed(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error, publisher.during = OSError(), lambda: sender.submit(a_gossip(active=2))
    submit_and_send(sender, active=1)
    publisher.error = publisher.during = None
    clock.advance(1.0)
    sender._run_once()
    assert [gossip.active for gossip in publisher.sent] == [2]


def test_retry_now_ends_the_backoff(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error = OSError()
    submit_and_send(sender, active=1)
    publisher.error = None
    sender.retry_now()
    sender._run_once()
    assert [gossip.active for gossip in publisher.sent] == [1]


def test_a_recovery_is_an_event_and_resets_the_backoff(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = OSError()
    for _ in range(5):
        submit_and_send(sender)
        clock.advance(30)
    publisher.error = None
    submit_and_send(sender)
    submit_and_send(sender)
    assert kinds(sender.pop_events()) == ["failed"] * 5 + ["recovered"]
    publisher.error = OSError()
    submit_and_send(sender)
    clock.advance(1.0)
    submit_and_send(sender)
    assert kinds(sender.pop_events()) == ["failed", "failed"]


def test_a_broker_that_blocks_is_one_event_and_its_recovery_another(sender: Sender, publisher: FakePublisher) -> None:
    publisher.is_blocked = True
    for _ in range(3):
        submit_and_send(sender, active=1)
    publisher.is_blocked = False
    for _ in range(2):
        submit_and_send(sender, active=2)
    assert kinds(sender.pop_events()) == ["blocked", "recovered"]
    assert [gossip.active for gossip in publisher.sent] == [2, 2]


def test_what_a_blocked_broker_did_not_take_is_not_sent_late(sender: Sender, publisher: FakePublisher) -> None:
    publisher.is_blocked = True
    submit_and_send(sender, active=1)
    publisher.is_blocked = False
    sender._run_once()
    assert publisher.sent == []


def test_a_gossip_that_cannot_be_encoded_is_given_up_and_the_connection_kept(
    sender: Sender, publisher: FakePublisher
) -> None:
    submit_and_send(sender, hostname="\ud800")
    (event,) = sender.pop_events()
    assert (event.phase, isinstance(event.exception, UnicodeEncodeError)) == ("encode", True)
    sender._run_once()
    submit_and_send(sender)
    assert publisher.calls == ["publish"]


def test_a_gossip_too_large_for_the_wire_is_given_up(sender: Sender, publisher: FakePublisher) -> None:
    submit_and_send(sender, hostname="x" * 100_000)
    assert [event.phase for event in sender.pop_events()] == ["encode"]
    assert publisher.calls == []


def test_events_are_bounded_and_the_newest_stay(sender: Sender, publisher: FakePublisher) -> None:
    for n in range(500):
        publisher.error = OSError(n)
        sender.retry_now()
        submit_and_send(sender)
    pop_events = sender.pop_events()
    assert len(pop_events) == MAX_EVENTS
    assert repr(pop_events[-1].exception) == "OSError(499)"


# Probes of the thread while ticks stop.


class FakeThreadProbe:
    """Reporter.probe_from_thread()."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None

    def __call__(self) -> Gossip | None:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return a_gossip(stalled_for=float(self.calls))


@pytest.fixture
def probe_from_thread() -> FakeThreadProbe:
    return FakeThreadProbe()


@pytest.fixture
def stalled_sender(publisher: FakePublisher, probe_from_thread: FakeThreadProbe, clock: FakeClock) -> Sender:
    return Sender(publisher, probe_from_thread, interval=2.0, clock=clock)


def run_for(sender: Sender, clock: FakeClock, seconds: float, step: float = 0.125) -> None:
    for _ in range(round(seconds / step)):
        clock.advance(step)
        sender._run_once()


def test_it_probes_by_itself_after_one_and_a_half_intervals(
    stalled_sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    clock.advance(2.9)
    stalled_sender._run_once()
    assert publisher.sent == []
    clock.advance(0.1)
    stalled_sender._run_once()
    assert [gossip.stalled_for for gossip in publisher.sent] == [1.0]


def test_it_goes_on_probing_once_per_interval(
    stalled_sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    run_for(stalled_sender, clock, seconds=13.0)
    assert [gossip.stalled_for for gossip in publisher.sent] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_a_tick_postpones_the_threads_own_probe(
    stalled_sender: Sender, probe_from_thread: FakeThreadProbe, clock: FakeClock
) -> None:
    for _ in range(5):
        clock.advance(2.0)
        submit_and_send(stalled_sender)
    assert probe_from_thread.calls == 0


def test_a_tick_with_nothing_to_report_postpones_it_too(
    stalled_sender: Sender, probe_from_thread: FakeThreadProbe, clock: FakeClock
) -> None:
    for _ in range(5):
        clock.advance(2.0)
        stalled_sender.submit(None)
        stalled_sender._run_once()
    assert probe_from_thread.calls == 0


def test_a_probe_that_fails_is_an_event_and_tried_again_an_interval_later(
    stalled_sender: Sender, probe_from_thread: FakeThreadProbe, publisher: FakePublisher, clock: FakeClock
) -> None:
    probe_from_thread.error = KeyError("probe")
    run_for(stalled_sender, clock, seconds=7.0)
    assert [(event.phase, event.exception) for event in stalled_sender.pop_events()] == [
        ("probe", probe_from_thread.error)
    ] * 3
    probe_from_thread.error = None
    run_for(stalled_sender, clock, seconds=2.0)
    assert len(publisher.sent) == 1


def test_it_does_not_probe_while_the_broker_is_away(
    stalled_sender: Sender, probe_from_thread: FakeThreadProbe, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = OSError()
    run_for(stalled_sender, clock, seconds=120, step=0.5)
    assert probe_from_thread.calls <= publisher.calls.count("publish")


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 3.0), (1.0, 2.0), (2.9, 0.1), (3.0, 0.0), (50.0, 0.0)])
def test_the_thread_sleeps_until_its_own_probe_is_due(
    stalled_sender: Sender, clock: FakeClock, seconds: float, expected: float
) -> None:
    clock.advance(seconds)
    assert stalled_sender._time_to_wait() == pytest.approx(expected)


def test_the_thread_sleeps_until_the_backoff_is_over(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = OSError()
    submit_and_send(sender)
    assert sender._time_to_wait() == 1.0
    clock.advance(1.0)
    sender._run_once()
    clock.advance(1.9)
    assert sender._time_to_wait() == pytest.approx(0.1)


@pytest.mark.parametrize("interval", [1e-9, 0.001, 1e12, 1e308])
def test_any_interval_gives_a_wait_that_the_system_can_take(
    publisher: FakePublisher, clock: FakeClock, interval: float
) -> None:
    sender = Sender(publisher, lambda: None, interval=interval, clock=clock)
    assert 0.0 <= sender._time_to_wait() <= 60.0


# The end.


def test_the_final_gossip_is_sent_even_during_a_backoff(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error = OSError()
    submit_and_send(sender)
    publisher.error = None
    sender.stop(a_gossip(state="offline"), timeout=0)
    sender._run_once()
    assert [gossip.state for gossip in publisher.sent] == ["offline", "offline"]
    assert publisher.calls[-1] == "close"


def test_the_final_gossip_replaces_pending_gossip(sender: Sender, publisher: FakePublisher) -> None:
    sender.submit(a_gossip(state="draining"))
    sender.stop(a_gossip(state="offline"), timeout=0)
    sender._run_once()
    assert [gossip.state for gossip in publisher.sent] == ["offline", "offline"]


def test_the_final_gossip_is_sent_twice(sender: Sender, publisher: FakePublisher) -> None:
    sender.stop(a_gossip(state="offline"), timeout=0)
    sender._run_once()
    assert [(gossip.state, gossip.seq) for gossip in publisher.sent] == [("offline", 1), ("offline", 2)]


def test_a_final_gossip_that_cannot_be_sent_is_not_tried_twice(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error = OSError()
    sender.stop(a_gossip(state="offline"), timeout=0)
    sender._run_once()
    assert publisher.calls == ["publish", "fail_over", "close"]


def test_the_final_gossip_is_sent_if_it_comes_during_a_publish(publisher: FakePublisher, running: list[Sender]) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    began, may_end = threading.Event(), threading.Event()
    publisher.during = lambda: (began.set(), may_end.wait(10))
    sender.start()
    sender.submit(a_gossip(state="draining"))
    assert began.wait(10)
    sender.stop(a_gossip(state="offline"), timeout=0)
    may_end.set()
    assert sender.stop(None, timeout=10)
    assert [gossip.state for gossip in publisher.sent] == ["draining", "offline", "offline"]


def test_the_thread_ends_after_the_final_gossip(publisher: FakePublisher) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    sender.start()
    assert sender.is_alive
    assert sender.stop(a_gossip(state="offline"), timeout=10) is True
    assert not sender.is_alive
    assert (publisher.sent[-1].state, publisher.calls) == ("offline", ["publish", "publish", "close"])


def test_it_ends_without_a_final_gossip_too(publisher: FakePublisher) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    sender.start()
    assert sender.stop(None, timeout=10) is True
    assert publisher.calls == ["close"]


def test_the_thread_tries_a_final_gossip_that_cannot_be_sent_once(publisher: FakePublisher) -> None:
    publisher.error = OSError()
    sender = Sender(publisher, lambda: None, interval=60.0)
    sender.start()
    assert sender.stop(a_gossip(state="offline"), timeout=10) is True
    assert publisher.calls == ["publish", "fail_over", "close"]


def test_stop_does_not_wait_longer_than_its_timeout_for_a_broker_that_hangs(
    publisher: FakePublisher, running: list[Sender]
) -> None:
    may_end = threading.Event()
    publisher.during = lambda: may_end.wait(10)
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    sender.start()
    began = time.monotonic()
    assert sender.stop(a_gossip(state="offline"), timeout=0.1) is False
    assert time.monotonic() - began < 2
    may_end.set()


def test_a_sender_that_never_started_ends_at_once(sender: Sender) -> None:
    assert sender.stop(a_gossip(), timeout=0.1) is True


def test_it_starts_once(publisher: FakePublisher, running: list[Sender]) -> None:
    before = threading.active_count()
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    for _ in range(3):
        sender.start()
    assert threading.active_count() == before + 1


def test_the_thread_lives_through_a_hundred_failures(publisher: FakePublisher, running: list[Sender]) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    sender.start()
    for n in range(100):
        publisher.error = OSError(n)
        sender.submit(a_gossip(checks=(a_check(),)))
        sender.retry_now()
    publisher.error = None
    sender.retry_now()
    eventually(publisher.assert_sent)
    assert sender.is_alive


def test_a_thread_that_cannot_be_started_may_be_later(
    publisher: FakePublisher, running: list[Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", raising(RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError):
            sender.start()
        assert not sender.is_alive
    sender.start()
    sender.submit(a_gossip())
    eventually(publisher.assert_sent)


def test_a_thread_that_was_stopped_is_not_started_again(publisher: FakePublisher) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    sender.start()
    assert sender.stop(None, timeout=5)
    sender.start()
    assert not sender.is_alive


@pytest.mark.parametrize("part", ["_run_once", "_time_to_wait", "_wait_for_work"])
def test_the_thread_outlives_every_error_and_keeps_no_cpu_busy(
    publisher: FakePublisher, running: list[Sender], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(publisher, lambda: None, interval=0.001)
    running.append(sender)
    calls = []

    def blow_up(*_: Any) -> Any:
        calls.append(part)
        raise MemoryError(part)

    with monkeypatch.context() as patch:
        patch.setattr(sender, part, blow_up)
        sender.start()
        eventually(lambda: _assert_more(calls, than=2))
        assert len(calls) < 50
    sender.submit(a_gossip())
    eventually(publisher.assert_sent)
    assert "turn" in [event.phase for event in sender.pop_events()]


def _assert_more(calls: list[str], than: int) -> None:
    assert len(calls) > than


def raising(error: Exception) -> Any:
    def blow_up(*_: Any, **__: Any) -> Any:
        raise error

    return blow_up


# Forking.


def forked(in_child: Any) -> int:
    """Fork as Celery's pool does; the child's exit code, -1 if it hung."""
    pid = os.fork()
    if pid == 0:
        try:
            in_child()
            os._exit(0)
        finally:
            os._exit(1)
    give_up_at = time.monotonic() + 10
    while time.monotonic() < give_up_at:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return -1


def codes_of_forks(count: int, publisher: FakePublisher, lock: threading.Lock, running: list[Sender]) -> list[int]:
    """Exit codes of children that are forked during a publish and take this lock: 0 where it is free."""
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    sender.start()
    codes = []
    for _ in range(count):
        sender.submit(a_gossip())
        eventually(publisher.assert_called, every=0.001)
        publisher.calls.clear()
        codes.append(forked(lambda: lock.acquire(timeout=5) or os._exit(3)))
    return codes


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_no_child_is_born_while_a_publish_holds_a_lock(publisher: FakePublisher, running: list[Sender]) -> None:
    lock = threading.Lock()  # as the lock of a stream, or of the import system

    def publish_slowly() -> None:
        with lock:
            time.sleep(0.05)

    publisher.during = publish_slowly
    assert codes_of_forks(20, publisher, lock, running) == [0] * 20


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="Linux tells what a thread does")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_waits_for_a_thread_that_works_however_long_a_busy_machine_lets_it_take(
    publisher: FakePublisher, running: list[Sender]
) -> None:
    lock = threading.Lock()

    def work() -> None:
        end = time.monotonic() + 4 * SLEEP_TIMEOUT
        with lock:
            while time.monotonic() < end:
                pass

    publisher.during = work
    assert codes_of_forks(3, publisher, lock, running) == [0] * 3


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_does_not_wait_for_a_broker_that_hangs(publisher: FakePublisher, running: list[Sender]) -> None:
    may_end = threading.Event()
    publisher.during = lambda: may_end.wait(10)
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    sender.start()
    sender.submit(a_gossip())
    eventually(publisher.assert_called)
    began = time.monotonic()
    code = forked(lambda: None)
    may_end.set()
    assert code == 0
    assert time.monotonic() - began < SLEEP_TIMEOUT + 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_the_thread_works_on_after_a_fork_and_a_child_can_fork_again(
    publisher: FakePublisher, running: list[Sender]
) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    sender.start()
    assert forked(lambda: forked(lambda: None)) == 0
    sender.submit(a_gossip())
    eventually(publisher.assert_sent)


# What a delivery shows about the broker.


def test_the_broker_is_unconfirmed_until_it_has_answered(sender: Sender, publisher: FakePublisher) -> None:
    seen = []
    publisher.during = lambda: seen.append(sender.is_broker_unconfirmed)
    assert not sender.is_broker_unconfirmed, "nothing was asked of it yet"
    submit_and_send(sender)
    assert (seen, sender.is_broker_unconfirmed) == ([True], False)


def test_a_broker_that_cannot_be_reached_is_unconfirmed_until_a_delivery_succeeds(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = ConnectionRefusedError("refused")
    submit_and_send(sender)
    assert sender.is_broker_unconfirmed
    publisher.error = None
    clock.advance(BACKOFF_MAX)
    sender._run_once()
    assert not sender.is_broker_unconfirmed


def test_a_broker_that_answers_with_an_error_is_confirmed(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error, publisher.is_lost = PermissionError("no right"), False
    submit_and_send(sender)
    assert not sender.is_broker_unconfirmed


def test_a_broker_that_blocks_publishers_is_confirmed(sender: Sender, publisher: FakePublisher) -> None:
    publisher.is_blocked = True
    submit_and_send(sender)
    assert not sender.is_broker_unconfirmed
