"""Reporter: composes gossip from identity and reading; event loop and sender thread never wait for each other."""

import threading
from typing import Any

import pytest
from celery import Celery

from celery_gossip.worker.probe import Reading
from celery_gossip.worker.reporter import Reporter, WorkerIdentity
from celery_gossip.worker.stack_sampler import StackSampler
from tests.unit.build import BOOT, FakeClock, a_check

IDENTITY = WorkerIdentity(app="shop", hostname="celery@web1", interval=1.0, instance_id=BOOT)


class FakeProbe:
    """Returns the reading that the test sets, and records its calls."""

    def __init__(self, *queues: str, failures: tuple[Exception, ...] = ()) -> None:
        self.queues, self.failures = queues, failures
        self.asked: list[float | None] = []
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.is_shutting_down = False

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

    def on_consumer_start(self) -> None:
        self.calls.append("on_consumer_start")

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


def test_a_tick_reports_identity_and_reading(reporter: Reporter) -> None:
    gossip = gossip_of(reporter.probe_from_loop(lag=0.25))
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
    assert gossip_of(reporter.probe_from_loop(lag=-0.3)).loop_lag == 0.0


def test_without_checks_there_is_no_gossip(clock: FakeClock) -> None:
    report = Reporter(IDENTITY, FakeProbe(), clock=clock).probe_from_loop(lag=0.0)  # type: ignore[arg-type]
    assert report is not None and report.gossip is None


def test_failures_of_checks_come_with_the_report(clock: FakeClock) -> None:
    failure = LookupError("gone")
    report = Reporter(IDENTITY, FakeProbe("a", failures=(failure,)), clock=clock).probe_from_loop(0.0)  # type: ignore[arg-type]
    assert report is not None and report.failures == (failure,)


def test_a_probe_from_the_thread_reports_how_long_the_loop_has_not_ticked(reporter: Reporter, clock: FakeClock) -> None:
    reporter.probe_from_loop(lag=0.1)
    clock.advance(1.5)
    first = reporter.probe_from_thread()
    clock.advance(1.0)
    second = reporter.probe_from_thread()
    assert first is not None and second is not None
    assert (first.stalled_for, second.stalled_for) == (1.5, 2.5)
    assert (first.state, first.loop_lag) == ("online", 0.1)


def test_a_report_of_a_long_stall_contains_the_stack_of_the_thread_that_ticked(
    probe: FakeProbe, clock: FakeClock
) -> None:
    reporter = Reporter(IDENTITY, probe, clock, StackSampler(is_enabled=True))  # type: ignore[arg-type]
    reporter.probe_from_loop(lag=0.0)
    stacks = []
    for _ in range(3):
        clock.advance(3)
        report = reporter.probe_from_thread()
        assert report is not None
        stacks.append(report.stack)
    assert stacks[0] == () and f"{StackSampler.__module__}:" in "".join(stacks[1])
    assert gossip_of(reporter.probe_from_loop(lag=0.0)).stack == ()
    clock.advance(60)
    reporter.start_draining()
    draining = reporter.probe_from_thread()
    assert draining is not None and draining.stack == ()


def test_a_tick_ends_a_stall(reporter: Reporter, clock: FakeClock) -> None:
    clock.advance(5)
    reporter.probe_from_thread()
    assert gossip_of(reporter.probe_from_loop(lag=4.0)).stalled_for == 0.0


def test_a_restart_ends_a_stall_too(reporter: Reporter, probe: FakeProbe, clock: FakeClock) -> None:
    clock.advance(5)
    reporter.on_consumer_start()
    clock.advance(1.5)
    gossip = reporter.probe_from_thread()
    assert gossip is not None and gossip.stalled_for == 1.5
    assert probe.calls == ["on_consumer_start"]


def test_draining_is_reported_from_then_on_with_the_same_start(
    reporter: Reporter, probe: FakeProbe, clock: FakeClock
) -> None:
    reporter.probe_from_loop(lag=0.0)
    assert not reporter.is_draining
    assert gossip_of(reporter.probe_draining()).state == "draining"
    clock.advance(9)
    gossip = reporter.probe_from_thread()
    assert gossip is not None and (gossip.state, gossip.stalled_for) == ("draining", 0.0)
    assert gossip_of(reporter.probe_from_loop(lag=0.0)).state == "draining"
    assert reporter.is_draining
    assert probe.asked[0] is None and len(set(probe.asked[1:])) == 1 and probe.asked[1] is not None


def test_the_final_report_is_offline(reporter: Reporter) -> None:
    reporter.probe_draining()
    assert gossip_of(reporter.probe_offline()).state == "offline"


def test_the_final_report_does_not_need_a_draining_one_before(reporter: Reporter, probe: FakeProbe) -> None:
    assert gossip_of(reporter.probe_offline()).state == "offline"
    assert probe.asked[-1] is not None


def test_a_probe_that_raises_does_not_leave_the_lock_taken(reporter: Reporter, probe: FakeProbe) -> None:
    probe.error = OSError("broken")
    with pytest.raises(OSError, match="broken"):
        reporter.probe_from_loop(lag=0.0)
    probe.error = None
    assert reporter.probe_from_loop(lag=0.0) is not None


def while_another_thread_probes(reporter: Reporter, probe: FakeProbe, act: Any) -> Any:
    began, may_end = threading.Event(), threading.Event()
    read = probe.read

    def slow_read(shutdown_started_at: float | None = None) -> Reading:
        began.set()
        assert may_end.wait(10)
        return read(shutdown_started_at)

    probe.read = slow_read  # type: ignore[method-assign]
    thread = threading.Thread(target=reporter.probe_from_thread)
    thread.start()
    assert began.wait(10)
    try:
        return act()
    finally:
        may_end.set()
        thread.join(10)


def test_a_tick_does_not_wait_while_the_senders_thread_probes(reporter: Reporter, probe: FakeProbe) -> None:
    assert while_another_thread_probes(reporter, probe, lambda: reporter.probe_from_loop(lag=0.0)) is None


def test_the_senders_thread_does_not_wait_while_a_tick_probes(reporter: Reporter, probe: FakeProbe) -> None:
    assert while_another_thread_probes(reporter, probe, reporter.probe_from_thread) is None


def test_a_tick_that_could_not_probe_still_ends_the_stall(
    reporter: Reporter, probe: FakeProbe, clock: FakeClock
) -> None:
    clock.advance(5)
    while_another_thread_probes(reporter, probe, lambda: reporter.probe_from_loop(lag=5.0))
    clock.advance(1)
    del probe.read  # type: ignore[method-assign]
    gossip = reporter.probe_from_thread()
    assert gossip is not None and gossip.stalled_for == 1.0


def test_the_final_report_waits_only_briefly_for_a_probe_that_hangs(reporter: Reporter, probe: FakeProbe) -> None:
    assert while_another_thread_probes(reporter, probe, reporter.probe_offline) is None


def test_an_identity_has_sanitized_names_and_a_new_instance_id_each_time() -> None:
    app = Celery("sh\nop", set_as_current=False)
    one, two = (WorkerIdentity.create(app, "celery@w\x1b1", 2.0) for _ in range(2))
    assert (one.app, one.hostname, one.interval) == ("sh\\nop", "celery@w\\x1b1", 2.0)
    assert one.instance_id != two.instance_id
    assert len(one.instance_id) == 16 and set(one.instance_id) <= set("0123456789abcdef")


def test_the_name_of_an_unnamed_app_is_empty() -> None:
    assert WorkerIdentity.create(Celery(set_as_current=False), "celery@w1", 1.0).app == ""
