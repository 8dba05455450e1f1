"""The sender's thread: newest wins, backs off, speaks for a blocked loop, is parked at a fork, and never raises.

Most tests call the thread's own turn directly, so that only the fake clock decides.
"""

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from celery_gossip import metrics
from celery_gossip import sender as room
from celery_gossip.backoff import BACKOFF_MOST, BACKOFF_MOST_REFUSED
from celery_gossip.messages import Gossip, decode
from celery_gossip.metrics import Meter
from celery_gossip.sender import FORK_PATIENCE, Notice, Sender
from tests.support import eventually
from tests.unit.build import FakeClock, a_check, a_gossip


class FakePublisher:
    """Takes bodies; fails, blocks or hangs as the test wants."""

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

    def drop(self) -> None:
        self.calls.append("drop")

    def is_refusal(self, exc: Exception) -> bool:
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
def without_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff at its longest."""
    monkeypatch.setattr(room.random, "random", lambda: 1.0)


@pytest.fixture
def running() -> Iterator[list[Sender]]:
    """Senders whose threads end with the test."""
    senders: list[Sender] = []
    yield senders
    for sender in senders:
        assert sender.finish(None, timeout=5)


def hand_over(sender: Sender, **fields: Any) -> None:
    sender.submit(a_gossip(seq=0, **fields))
    sender._turn()


def kinds(notices: list[Notice]) -> list[str]:
    return [notice.kind for notice in notices]


# Sending.


def test_what_is_handed_over_is_sent_once(sender: Sender, publisher: FakePublisher) -> None:
    hand_over(sender, active=3)
    sender._turn()
    assert [gossip.active for gossip in publisher.sent] == [3]


def test_the_newest_wins(sender: Sender, publisher: FakePublisher) -> None:
    for active in (1, 2, 3):
        sender.submit(a_gossip(active=active))
    sender._turn()
    assert [gossip.active for gossip in publisher.sent] == [3]


def test_a_round_with_nothing_to_say_sends_nothing(sender: Sender, publisher: FakePublisher) -> None:
    sender.submit(None)
    sender._turn()
    assert publisher.calls == []


def test_gossip_is_numbered_from_one_and_dated_when_it_is_sent(sender: Sender, publisher: FakePublisher) -> None:
    before = time.time()
    for _ in range(3):
        hand_over(sender, sent_at=0.0)
    assert [gossip.seq for gossip in publisher.sent] == [1, 2, 3]
    assert all(before <= gossip.sent_at <= time.time() for gossip in publisher.sent)


def test_the_latest_is_the_gossip_as_it_was_sent(sender: Sender, publisher: FakePublisher) -> None:
    assert sender.latest is None
    hand_over(sender, active=3)
    assert sender.latest == publisher.sent[0]


# Telling what was counted.


@pytest.fixture
def meter(clock: FakeClock) -> Meter:
    return Meter(clock)


@pytest.fixture
def counting(publisher: FakePublisher, clock: FakeClock, meter: Meter) -> Sender:
    return Sender(publisher, lambda: None, interval=1.0, clock=clock, meter=meter)


def receive(meter: Meter, *tasks: str) -> None:
    for task in tasks or ("shop.pack",):
        meter.series_of("default", task).receive()


def received(gossip: Gossip) -> dict[str, int]:
    return {one.task: one.received for one in gossip.series}


def test_series_are_as_they_stand_when_the_gossip_is_sent(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    counting.submit(a_gossip())
    receive(meter)
    counting._turn()
    assert received(publisher.sent[0]) == {"shop.pack": 1}


def test_what_overflowed_and_what_was_skewed_is_told(
    counting: Sender, publisher: FakePublisher, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MAX_SERIES", 1)
    receive(meter, "one", "two", "three")
    meter.series_of("default", "one").start(-1.0)
    hand_over(counting)
    assert (publisher.sent[0].overflowed, publisher.sent[0].skewed) == (2, 1)


def commits(meter: Meter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    monkeypatch.setattr(meter, "commit", made.append)
    return made


def test_only_what_was_sent_counts_as_told(
    counting: Sender, publisher: FakePublisher, meter: Meter, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commits(meter, monkeypatch)
    receive(meter)
    publisher.is_blocked = True
    hand_over(counting)
    publisher.is_blocked, publisher.error = False, OSError()
    hand_over(counting)
    hand_over(counting, hostname="\ud800")
    assert made == []
    publisher.error = None
    clock.advance(60)
    hand_over(counting)
    assert made == [1]


def test_what_was_cut_off_does_not_count_as_told(
    counting: Sender, publisher: FakePublisher, meter: Meter, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commits(meter, monkeypatch)
    receive(meter, *(f"task-{n}" for n in range(40)))
    checks = tuple(a_check(f"queue-{n}-{'x' * 75}") for n in range(225))
    hand_over(counting, checks=checks)
    assert 0 < len(publisher.sent[0].series) < 40
    assert made == [len(publisher.sent[0].series)]
    assert counting.latest == publisher.sent[0]


@pytest.mark.parametrize("queues", [1, 225])
def test_every_series_is_told_however_little_room_the_checks_leave(
    counting: Sender, publisher: FakePublisher, meter: Meter, queues: int
) -> None:
    receive(meter, *(f"task-{n}" for n in range(300)))
    checks = tuple(a_check(f"queue-{n}-{'x' * 75}") for n in range(queues))
    rounds = 0
    while meter.changed:
        hand_over(counting, checks=checks)
        rounds += 1
    told = [task for gossip in publisher.sent for task in received(gossip)]
    assert len(set(told)) == 300 and min(map(told.count, told)) >= 3
    assert rounds < 100


@pytest.mark.parametrize("method", ["tell", "commit", "is_behind"])
def test_a_meter_that_breaks_costs_the_figures_alone(
    counting: Sender, publisher: FakePublisher, meter: Meter, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    error = MemoryError("broken")

    def blow_up(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Meter, method, property(blow_up) if method == "is_behind" else blow_up)
    receive(meter)
    hand_over(counting, active=3)
    counting.finish(a_gossip(state="offline"), timeout=0)
    counting._turn()
    assert [(gossip.active, gossip.state) for gossip in publisher.sent][:2] == [(3, "online"), (0, "offline")]
    assert publisher.calls[-1] == "close"
    assert {(notice.phase, notice.exception) for notice in counting.notices()} <= {("count", error)}


def test_the_last_word_is_said_until_everything_is_told_twice(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    receive(meter, *(f"task-{n}" for n in range(300)))
    counting.finish(a_gossip(state="offline"), timeout=0)
    counting._turn()
    told = [task for gossip in publisher.sent for task in received(gossip)]
    assert len(set(told)) == 300 and min(map(told.count, told)) >= 2
    assert {gossip.state for gossip in publisher.sent} == {"offline"}


def test_the_last_word_has_an_end_though_the_tasks_have_none(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    publisher.during = lambda: receive(meter)
    counting.finish(a_gossip(state="offline"), timeout=0)
    counting._turn()
    assert publisher.calls.count("publish") == room._MOST_LAST_WORDS
    assert publisher.calls[-1] == "close"


def test_the_last_word_is_not_said_for_long_to_a_broker_that_fails(
    counting: Sender, publisher: FakePublisher, meter: Meter
) -> None:
    receive(meter, *(f"task-{n}" for n in range(300)))

    def fail_soon() -> None:
        publisher.error = OSError() if len(publisher.sent) == 2 else None

    publisher.during = fail_soon
    counting.finish(a_gossip(state="offline"), timeout=0)
    counting._turn()
    assert publisher.calls == ["publish", "publish", "publish", "drop", "close"]


# Failing.


def test_a_failure_drops_the_connection_and_is_noticed(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error = ConnectionRefusedError("refused")
    hand_over(sender)
    (notice,) = sender.notices()
    assert (notice.kind, notice.phase, notice.exception) == ("failed", "publish", publisher.error)
    assert publisher.calls == ["publish", "drop"]
    assert sender.notices() == []


def test_how_long_a_failure_took_is_noticed(sender: Sender, publisher: FakePublisher, clock: FakeClock) -> None:
    publisher.error, publisher.during = TimeoutError(), lambda: clock.advance(1.0)
    hand_over(sender)
    assert sender.notices()[0].duration == 1.0


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
    hand_over(sender)
    assert [notice.exception for notice in sender.notices()] == [error]


def gaps_between_tries(sender: Sender, publisher: FakePublisher, clock: FakeClock) -> list[float]:
    publisher.error = OSError()
    tries = []
    for _ in range(300):
        hand_over(sender)
        tries.append(publisher.calls.count("publish"))
        clock.advance(0.5)
    return [tries.count(n) * 0.5 for n in range(1, 8)]


def test_an_absent_broker_is_asked_again_after_a_growing_while(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    assert gaps_between_tries(sender, publisher, clock) == [1.0, *[BACKOFF_MOST] * 6]


def test_a_broker_that_says_no_is_asked_rarely(sender: Sender, publisher: FakePublisher, clock: FakeClock) -> None:
    publisher.refuses = True
    gaps = gaps_between_tries(sender, publisher, clock)
    assert gaps == [1.0, 2.0, 4.0, 8.0, 16.0, *[BACKOFF_MOST_REFUSED] * 2]


def test_what_could_not_be_sent_is_tried_again_when_nothing_newer_came(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = OSError()
    hand_over(sender, active=1)
    publisher.error = None
    clock.advance(1.0)
    sender._turn()
    assert [gossip.active for gossip in publisher.sent] == [1]


def test_what_came_during_a_failure_replaces_what_failed(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error, publisher.during = OSError(), lambda: sender.submit(a_gossip(active=2))
    hand_over(sender, active=1)
    publisher.error = publisher.during = None
    clock.advance(1.0)
    sender._turn()
    assert [gossip.active for gossip in publisher.sent] == [2]


def test_a_poke_ends_the_backoff(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error = OSError()
    hand_over(sender, active=1)
    publisher.error = None
    sender.poke()
    sender._turn()
    assert [gossip.active for gossip in publisher.sent] == [1]


def test_a_recovery_is_noticed_and_the_backoff_begins_anew(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = OSError()
    for _ in range(5):
        hand_over(sender)
        clock.advance(30)
    publisher.error = None
    hand_over(sender)
    hand_over(sender)
    assert kinds(sender.notices()) == ["failed"] * 5 + ["recovered"]
    publisher.error = OSError()
    hand_over(sender)
    clock.advance(1.0)
    hand_over(sender)
    assert kinds(sender.notices()) == ["failed", "failed"]


def test_a_broker_that_blocks_is_noticed_once_and_its_recovery_too(sender: Sender, publisher: FakePublisher) -> None:
    publisher.is_blocked = True
    for _ in range(3):
        hand_over(sender, active=1)
    publisher.is_blocked = False
    for _ in range(2):
        hand_over(sender, active=2)
    assert kinds(sender.notices()) == ["blocked", "recovered"]
    assert [gossip.active for gossip in publisher.sent] == [2, 2]


def test_what_a_blocked_broker_did_not_take_is_not_sent_late(sender: Sender, publisher: FakePublisher) -> None:
    publisher.is_blocked = True
    hand_over(sender, active=1)
    publisher.is_blocked = False
    sender._turn()
    assert publisher.sent == []


def test_a_gossip_that_cannot_be_encoded_is_given_up_and_the_connection_kept(
    sender: Sender, publisher: FakePublisher
) -> None:
    hand_over(sender, hostname="\ud800")
    (notice,) = sender.notices()
    assert (notice.phase, isinstance(notice.exception, UnicodeEncodeError)) == ("encode", True)
    sender._turn()
    hand_over(sender)
    assert publisher.calls == ["publish"]


def test_a_gossip_too_large_for_the_wire_is_given_up(sender: Sender, publisher: FakePublisher) -> None:
    hand_over(sender, hostname="x" * 100_000)
    assert [notice.phase for notice in sender.notices()] == ["encode"]
    assert publisher.calls == []


def test_notices_are_bounded_and_the_newest_stay(sender: Sender, publisher: FakePublisher) -> None:
    for n in range(500):
        publisher.error = OSError(n)
        sender.poke()
        hand_over(sender)
    notices = sender.notices()
    assert len(notices) == room._MOST_NOTICES
    assert repr(notices[-1].exception) == "OSError(499)"


# Speaking for a loop that does not tick.


class SpeakUp:
    """Answers as the reporter on the sender's thread."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None

    def __call__(self) -> Gossip | None:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return a_gossip(stalled_for=float(self.calls))


@pytest.fixture
def speak_up() -> SpeakUp:
    return SpeakUp()


@pytest.fixture
def speaker(publisher: FakePublisher, speak_up: SpeakUp, clock: FakeClock) -> Sender:
    return Sender(publisher, speak_up, interval=2.0, clock=clock)


def turns(sender: Sender, clock: FakeClock, seconds: float, step: float = 0.125) -> None:
    for _ in range(round(seconds / step)):
        clock.advance(step)
        sender._turn()


def test_it_speaks_by_itself_after_one_and_a_half_intervals(
    speaker: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    clock.advance(2.9)
    speaker._turn()
    assert publisher.sent == []
    clock.advance(0.1)
    speaker._turn()
    assert [gossip.stalled_for for gossip in publisher.sent] == [1.0]


def test_it_goes_on_speaking_once_per_interval(speaker: Sender, publisher: FakePublisher, clock: FakeClock) -> None:
    turns(speaker, clock, seconds=13.0)
    assert [gossip.stalled_for for gossip in publisher.sent] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_a_round_silences_it(speaker: Sender, speak_up: SpeakUp, clock: FakeClock) -> None:
    for _ in range(5):
        clock.advance(2.0)
        hand_over(speaker)
    assert speak_up.calls == 0


def test_a_round_with_nothing_to_say_silences_it_too(speaker: Sender, speak_up: SpeakUp, clock: FakeClock) -> None:
    for _ in range(5):
        clock.advance(2.0)
        speaker.submit(None)
        speaker._turn()
    assert speak_up.calls == 0


def test_a_probe_that_fails_is_noticed_and_tried_again_an_interval_later(
    speaker: Sender, speak_up: SpeakUp, publisher: FakePublisher, clock: FakeClock
) -> None:
    speak_up.error = KeyError("probe")
    turns(speaker, clock, seconds=7.0)
    assert [(notice.phase, notice.exception) for notice in speaker.notices()] == [("probe", speak_up.error)] * 3
    speak_up.error = None
    turns(speaker, clock, seconds=2.0)
    assert len(publisher.sent) == 1


def test_it_does_not_probe_while_the_broker_is_away(
    speaker: Sender, speak_up: SpeakUp, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = OSError()
    turns(speaker, clock, seconds=120, step=0.5)
    assert speak_up.calls <= publisher.calls.count("publish")


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, 3.0), (1.0, 2.0), (2.9, 0.1), (3.0, 0.0), (50.0, 0.0)])
def test_the_thread_sleeps_until_it_has_to_speak(
    speaker: Sender, clock: FakeClock, seconds: float, expected: float
) -> None:
    clock.advance(seconds)
    assert speaker._time_to_wait() == pytest.approx(expected)


def test_the_thread_sleeps_until_the_backoff_is_over(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = OSError()
    hand_over(sender)
    assert sender._time_to_wait() == 1.0
    clock.advance(1.0)
    sender._turn()
    clock.advance(1.9)
    assert sender._time_to_wait() == pytest.approx(0.1)


@pytest.mark.parametrize("interval", [1e-9, 0.001, 1e12, 1e308])
def test_any_interval_gives_a_wait_that_the_system_can_take(
    publisher: FakePublisher, clock: FakeClock, interval: float
) -> None:
    sender = Sender(publisher, lambda: None, interval=interval, clock=clock)
    assert 0.0 <= sender._time_to_wait() <= 60.0


# The end.


def test_the_last_word_is_sent_even_during_a_backoff(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error = OSError()
    hand_over(sender)
    publisher.error = None
    sender.finish(a_gossip(state="offline"), timeout=0)
    sender._turn()
    assert [gossip.state for gossip in publisher.sent] == ["offline", "offline"]
    assert publisher.calls[-1] == "close"


def test_the_last_word_replaces_what_was_not_sent_yet(sender: Sender, publisher: FakePublisher) -> None:
    sender.submit(a_gossip(state="draining"))
    sender.finish(a_gossip(state="offline"), timeout=0)
    sender._turn()
    assert [gossip.state for gossip in publisher.sent] == ["offline", "offline"]


def test_the_last_word_is_said_twice_for_nothing_could_make_good_its_loss(
    sender: Sender, publisher: FakePublisher
) -> None:
    sender.finish(a_gossip(state="offline"), timeout=0)
    sender._turn()
    assert [(gossip.state, gossip.seq) for gossip in publisher.sent] == [("offline", 1), ("offline", 2)]


def test_a_last_word_that_cannot_be_sent_is_not_tried_twice(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error = OSError()
    sender.finish(a_gossip(state="offline"), timeout=0)
    sender._turn()
    assert publisher.calls == ["publish", "drop", "close"]


def test_the_last_word_is_sent_when_it_comes_during_a_publish(publisher: FakePublisher, running: list[Sender]) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    began, may_end = threading.Event(), threading.Event()
    publisher.during = lambda: (began.set(), may_end.wait(10))
    sender.start()
    sender.submit(a_gossip(state="draining"))
    assert began.wait(10)
    sender.finish(a_gossip(state="offline"), timeout=0)
    may_end.set()
    assert sender.finish(None, timeout=10)
    assert [gossip.state for gossip in publisher.sent] == ["draining", "offline", "offline"]


def test_the_thread_ends_with_the_last_word(publisher: FakePublisher) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    sender.start()
    assert sender.is_alive
    assert sender.finish(a_gossip(state="offline"), timeout=10) is True
    assert not sender.is_alive
    assert (publisher.sent[-1].state, publisher.calls) == ("offline", ["publish", "publish", "close"])


def test_it_ends_without_a_last_word_too(publisher: FakePublisher) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    sender.start()
    assert sender.finish(None, timeout=10) is True
    assert publisher.calls == ["close"]


def test_a_last_word_that_cannot_be_sent_is_tried_once(publisher: FakePublisher) -> None:
    publisher.error = OSError()
    sender = Sender(publisher, lambda: None, interval=60.0)
    sender.start()
    assert sender.finish(a_gossip(state="offline"), timeout=10) is True
    assert publisher.calls == ["publish", "drop", "close"]


def test_the_end_does_not_wait_longer_than_told_for_a_broker_that_hangs(
    publisher: FakePublisher, running: list[Sender]
) -> None:
    may_end = threading.Event()
    publisher.during = lambda: may_end.wait(10)
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    sender.start()
    began = time.monotonic()
    assert sender.finish(a_gossip(state="offline"), timeout=0.1) is False
    assert time.monotonic() - began < 2
    may_end.set()


def test_a_sender_that_never_started_ends_at_once(sender: Sender) -> None:
    assert sender.finish(a_gossip(), timeout=0.1) is True


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
        sender.poke()
    publisher.error = None
    sender.poke()
    eventually(publisher.assert_sent)
    assert sender.is_alive


def test_a_thread_that_cannot_be_started_may_be_later(
    publisher: FakePublisher, running: list[Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    running.append(sender)
    with monkeypatch.context() as patch:
        patch.setattr(threading, "_start_new_thread", raising(RuntimeError("can't start new thread")))
        with pytest.raises(RuntimeError):
            sender.start()
        assert not sender.is_alive
    sender.start()
    sender.submit(a_gossip())
    eventually(publisher.assert_sent)


def test_a_thread_that_has_said_its_last_word_is_not_started_again(publisher: FakePublisher) -> None:
    sender = Sender(publisher, lambda: None, interval=60.0)
    sender.start()
    assert sender.finish(None, timeout=5)
    sender.start()
    assert not sender.is_alive


@pytest.mark.parametrize("part", ["_turn", "_time_to_wait", "_await_turn"])
def test_the_thread_outlives_whatever_fails_and_keeps_no_cpu_busy(
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
    assert "turn" in [notice.phase for notice in sender.notices()]


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
        end = time.monotonic() + 4 * FORK_PATIENCE
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
    assert time.monotonic() - began < FORK_PATIENCE + 2


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


# What a delivery tells of the broker.


def test_the_broker_is_in_doubt_until_it_has_answered(sender: Sender, publisher: FakePublisher) -> None:
    seen = []
    publisher.during = lambda: seen.append(sender.is_in_doubt)
    assert not sender.is_in_doubt, "nothing was asked of it yet"
    hand_over(sender)
    assert (seen, sender.is_in_doubt) == ([True], False)


def test_a_broker_that_cannot_be_reached_is_in_doubt_until_a_delivery_succeeds(
    sender: Sender, publisher: FakePublisher, clock: FakeClock
) -> None:
    publisher.error = ConnectionRefusedError("refused")
    hand_over(sender)
    assert sender.is_in_doubt
    publisher.error = None
    clock.advance(BACKOFF_MOST)
    sender._turn()
    assert not sender.is_in_doubt


def test_a_delivery_that_fails_for_another_reason_leaves_no_doubt(sender: Sender, publisher: FakePublisher) -> None:
    publisher.error, publisher.is_lost = PermissionError("no right"), False
    hand_over(sender)
    assert not sender.is_in_doubt


def test_a_broker_that_blocks_publishers_is_there(sender: Sender, publisher: FakePublisher) -> None:
    publisher.is_blocked = True
    hand_over(sender)
    assert not sender.is_in_doubt
