"""The reporter puts identity and reading together; event loop and sender's thread never wait for each other in it."""

import threading
from typing import Any

import pytest
from celery import Celery

from celery_gossip.probe import Reading
from celery_gossip.reporter import Identity, Reporter
from tests.unit.build import BOOT, FakeClock, a_check

IDENTITY = Identity(app="shop", hostname="celery@web1", interval=1.0, boot=BOOT)


class FakeProbe:
    """Gives the reading that the test wants, and notes what it was asked."""

    def __init__(self, *queues: str, failures: tuple[Exception, ...] = ()) -> None:
        self.queues, self.failures = queues, failures
        self.asked: list[float | None] = []
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.is_leaving = False

    def read(self, shutdown_started_at: float | None = None) -> Reading:
        self.asked.append(shutdown_started_at)
        if self.error is not None:
            raise self.error
        return Reading(
            checks=tuple(a_check(queue) for queue in self.queues),
            active=1,
            reserved=2,
            scheduled=3,
            processed=4,
            limited=8,
            unattributed=5,
            pool="prefork",
            concurrency=6,
            prefetch_count=7,
            failures=self.failures,
        )

    def restart(self) -> None:
        self.calls.append("restart")

    def remember_tags(self) -> None:
        self.calls.append("remember_tags")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def probe() -> FakeProbe:
    return FakeProbe("default", "mail")


@pytest.fixture
def reporter(probe: FakeProbe, clock: FakeClock) -> Reporter:
    return Reporter(IDENTITY, probe, clock=clock)  # type: ignore[arg-type]


def gossip_of(report: Any) -> Any:
    assert report is not None and report.gossip is not None
    return report.gossip


def test_a_tick_tells_who_speaks_and_what_was_read(reporter: Reporter) -> None:
    gossip = gossip_of(reporter.tick(lag=0.25))
    assert (gossip.v, gossip.app, gossip.hostname, gossip.boot, gossip.interval) == (
        1,
        "shop",
        "celery@web1",
        BOOT,
        1.0,
    )
    assert (gossip.state, gossip.stalled_for, gossip.loop_lag, gossip.pool) == ("online", 0.0, 0.25, "prefork")
    assert (gossip.active, gossip.reserved, gossip.scheduled, gossip.processed) == (1, 2, 3, 4)
    assert (gossip.unattributed, gossip.concurrency, gossip.prefetch_count, gossip.limited) == (5, 6, 7, 8)
    assert [check.queue for check in gossip.checks] == ["default", "mail"]


def test_a_tick_before_its_time_has_no_lag(reporter: Reporter) -> None:
    assert gossip_of(reporter.tick(lag=-0.3)).loop_lag == 0.0


def test_nothing_is_said_where_there_is_no_check(clock: FakeClock) -> None:
    report = Reporter(IDENTITY, FakeProbe(), clock=clock).tick(lag=0.0)  # type: ignore[arg-type]
    assert report is not None and report.gossip is None


def test_failures_of_checks_come_with_the_report(clock: FakeClock) -> None:
    failure = LookupError("gone")
    report = Reporter(IDENTITY, FakeProbe("a", failures=(failure,)), clock=clock).tick(0.0)  # type: ignore[arg-type]
    assert report is not None and report.failures == (failure,)


def test_speaking_up_says_for_how_long_the_loop_has_not_ticked(reporter: Reporter, clock: FakeClock) -> None:
    reporter.tick(lag=0.1)
    clock.advance(1.5)
    first = reporter.speak_up()
    clock.advance(1.0)
    second = reporter.speak_up()
    assert first is not None and second is not None
    assert (first.stalled_for, second.stalled_for) == (1.5, 2.5)
    assert (first.state, first.loop_lag) == ("online", 0.1)


def test_a_tick_ends_a_stall(reporter: Reporter, clock: FakeClock) -> None:
    clock.advance(5)
    reporter.speak_up()
    assert gossip_of(reporter.tick(lag=4.0)).stalled_for == 0.0


def test_a_restart_ends_a_stall_too(reporter: Reporter, probe: FakeProbe, clock: FakeClock) -> None:
    clock.advance(5)
    reporter.restart()
    clock.advance(1.5)
    spoken = reporter.speak_up()
    assert spoken is not None and spoken.stalled_for == 1.5
    assert probe.calls == ["restart"]


def test_draining_is_said_from_then_on_with_the_same_start(
    reporter: Reporter, probe: FakeProbe, clock: FakeClock
) -> None:
    reporter.tick(lag=0.0)
    assert not reporter.is_draining
    assert gossip_of(reporter.drain()).state == "draining"
    clock.advance(9)
    spoken = reporter.speak_up()
    assert spoken is not None and (spoken.state, spoken.stalled_for) == ("draining", 0.0)
    assert gossip_of(reporter.tick(lag=0.0)).state == "draining"
    assert reporter.is_draining
    assert probe.asked[0] is None and len(set(probe.asked[1:])) == 1 and probe.asked[1] is not None


def test_the_last_word_is_offline(reporter: Reporter) -> None:
    reporter.drain()
    assert gossip_of(reporter.last_word()).state == "offline"


def test_the_last_word_does_not_need_a_drain_before(reporter: Reporter, probe: FakeProbe) -> None:
    assert gossip_of(reporter.last_word()).state == "offline"
    assert probe.asked[-1] is not None


def test_a_probe_that_raises_does_not_leave_the_lock_taken(reporter: Reporter, probe: FakeProbe) -> None:
    probe.error = OSError("broken")
    with pytest.raises(OSError, match="broken"):
        reporter.tick(lag=0.0)
    probe.error = None
    assert reporter.tick(lag=0.0) is not None


def while_another_thread_probes(reporter: Reporter, probe: FakeProbe, act: Any) -> Any:
    began, may_end = threading.Event(), threading.Event()
    read = probe.read

    def slow_read(shutdown_started_at: float | None = None) -> Reading:
        began.set()
        assert may_end.wait(10)
        return read(shutdown_started_at)

    probe.read = slow_read  # type: ignore[method-assign]
    thread = threading.Thread(target=reporter.speak_up)
    thread.start()
    assert began.wait(10)
    try:
        return act()
    finally:
        may_end.set()
        thread.join(10)


def test_a_tick_does_not_wait_while_the_senders_thread_probes(reporter: Reporter, probe: FakeProbe) -> None:
    assert while_another_thread_probes(reporter, probe, lambda: reporter.tick(lag=0.0)) is None


def test_the_senders_thread_does_not_wait_while_a_tick_probes(reporter: Reporter, probe: FakeProbe) -> None:
    assert while_another_thread_probes(reporter, probe, reporter.speak_up) is None


def test_a_tick_that_found_no_turn_still_ends_the_stall(reporter: Reporter, probe: FakeProbe, clock: FakeClock) -> None:
    clock.advance(5)
    while_another_thread_probes(reporter, probe, lambda: reporter.tick(lag=5.0))
    clock.advance(1)
    del probe.read  # type: ignore[method-assign]
    spoken = reporter.speak_up()
    assert spoken is not None and spoken.stalled_for == 1.0


def test_last_words_wait_only_a_moment_for_a_probe_that_hangs(reporter: Reporter, probe: FakeProbe) -> None:
    assert while_another_thread_probes(reporter, probe, reporter.last_word) is None


def test_an_identity_is_plain_text_and_its_boot_new_each_time() -> None:
    app = Celery("sh\nop", set_as_current=False)
    one, two = (Identity.of(app, "celery@w\x1b1", 2.0) for _ in range(2))
    assert (one.app, one.hostname, one.interval) == ("sh\\nop", "celery@w\\x1b1", 2.0)
    assert one.boot != two.boot
    assert len(one.boot) == 16 and set(one.boot) <= set("0123456789abcdef")


def test_an_app_without_a_name_is_told_so() -> None:
    assert Identity.of(Celery(set_as_current=False), "celery@w1", 1.0).app == ""
