"""GossipStep: no exception leaves its hooks, one tick is scheduled at a time, and options are checked."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import CeleryCommandException
from celery.worker import strategy
from celery.worker.request import Request

from celery_gossip import signals
from celery_gossip.transport import broker
from celery_gossip.transport.body_delivery import SenderEvent
from celery_gossip.transport.publisher import Publisher
from celery_gossip.worker import bootstep, components
from celery_gossip.worker.bootstep import GossipStep
from celery_gossip.worker.instrumentation import RequestInstrumentation
from celery_gossip.worker.liveness import LivenessReporter
from celery_gossip.worker.probe import Probe
from celery_gossip.worker.reporter import Reporter
from celery_gossip.worker.sender import Sender
from tests.unit.conftest import Telemetry
from tests.unit.fakes import FakeTimer, a_consumer

ERRORS = [
    OSError("x"),
    ConnectionResetError("x"),
    TimeoutError("x"),
    KeyError("x"),
    AttributeError("x"),
    AssertionError("x"),
    MemoryError("x"),
    RecursionError("x"),
    RuntimeError("x"),
    UnicodeEncodeError("utf-8", "x", 0, 1, "x"),
    StopIteration("x"),
    Exception("x"),
]


@pytest.fixture
def app() -> Celery:
    return Celery("shop", broker="memory://", set_as_current=False)


@pytest.fixture(autouse=True)
def quiet_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is not started: test_sender tests its work."""
    monkeypatch.setattr(Sender, "start", lambda self: None)


def consumer_of(app: Celery, *queues: str) -> Any:
    return a_consumer(*(queues or ("default",)), app=app)


@pytest.fixture
def consumer(app: Celery) -> Any:
    return consumer_of(app)


def submitted(step: GossipStep) -> Any:
    return step._components.sender._pending


def raising(error: Exception) -> Callable[..., Any]:
    def blow_up(*args: Any, **kwargs: Any) -> Any:
        raise error

    return blow_up


# The life of a step.


def test_a_step_signals_its_options(app: Celery, telemetry: Telemetry) -> None:
    app.conf.gossip_interval = 2.0
    consumer = consumer_of(app)
    step = GossipStep(consumer, gossip_interval=0.5)
    assert step.enabled and consumer.queue_gossip is step
    assert [data["options"].interval for data in telemetry.of("gossip_init")] == [0.5]


def test_the_first_round_runs_at_once(consumer: Any) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    assert [check.queue for check in submitted(step).checks] == ["default"]


def test_the_next_round_is_armed_when_one_has_finished(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    armed_during_round = []
    probe = Reporter.probe_from_loop

    def watching(self: Reporter, lag: float) -> Any:
        armed_during_round.append(len(consumer.timer.live))
        return probe(self, lag)

    monkeypatch.setattr(Reporter, "probe_from_loop", watching)
    GossipStep(consumer).start(consumer)
    for _ in range(5):
        consumer.timer.fire()
    assert armed_during_round == [0] * 6
    assert len(consumer.timer.live) == 1


def test_rounds_jitter_by_a_tenth_around_the_interval(consumer: Any) -> None:
    step = GossipStep(consumer, gossip_interval=2.0)
    step.start(consumer)
    delays = []
    for _ in range(200):
        delays += [entry.delay for entry in consumer.timer.live]
        consumer.timer.fire()
    assert 1.8 <= min(delays) < 1.9 and 2.1 < max(delays) <= 2.2


def test_a_report_sends_its_signals(consumer: Any, telemetry: Telemetry) -> None:
    GossipStep(consumer).start(consumer)
    assert telemetry.names == ["gossip_init", "gossip_start", "gossip_stop"]
    assert telemetry.of("gossip_start")[0]["system_time"] > 1e9
    stop = telemetry.of("gossip_stop")[0]
    assert (stop["gossip_count"], 0 <= stop["duration"] < 5) == (1, True)


def test_the_sender_of_a_signal_is_the_app(consumer: Any, app: Celery) -> None:
    senders: list[Any] = []

    def on_signal(sender: Any, **_: Any) -> None:
        senders.append(sender)

    with signals.gossip_stop.connected_to(on_signal):
        GossipStep(consumer).start(consumer)
    assert senders == [app]


def test_a_round_counts_its_queues(app: Celery, telemetry: Telemetry) -> None:
    consumer = consumer_of(app, "a", "b", "c")
    GossipStep(consumer).start(consumer)
    assert telemetry.of("gossip_stop")[0]["gossip_count"] == 3


def test_a_worker_without_queues_reports_nothing(app: Celery, telemetry: Telemetry) -> None:
    consumer = consumer_of(app)
    consumer.task_consumer.cancel("default")
    step = GossipStep(consumer)
    step.start(consumer)
    assert submitted(step) is None
    assert telemetry.of("gossip_stop")[0]["gossip_count"] == 0


def test_a_reconnect_leaves_one_timer(consumer: Any) -> None:
    step = GossipStep(consumer)
    for _ in range(20):
        step.start(consumer)
        step.stop(consumer)
    step.start(consumer)
    assert len(consumer.timer.live) == 1


def test_a_reconnect_without_a_stop_leaves_one_line_of_ticks(consumer: Any, telemetry: Telemetry) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    step.start(consumer)
    telemetry.clear()
    for _ in range(5):
        consumer.timer.fire()
    assert telemetry.names.count("gossip_start") == 5


def test_a_tick_armed_before_a_reconnect_does_nothing(consumer: Any, telemetry: Telemetry) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    (stale,) = consumer.timer.live
    step.stop(consumer)
    step.start(consumer)
    telemetry.clear()
    armed = len(consumer.timer.live)
    stale.canceled = False
    stale()
    assert telemetry == []
    assert len([entry for entry in consumer.timer.live if entry is not stale]) == armed


def test_the_entry_of_a_greenlet_timer_is_cancelled_too(app: Celery) -> None:
    class Greenlet:
        def __init__(self, entry: Any) -> None:
            self.entry = entry

        def cancel(self) -> None:
            """As gevent's: without effect once it has fired."""

    class GreenletTimer(FakeTimer):
        def call_after(self, delay: float, callback: Any, args: Any = ()) -> Any:
            return Greenlet(super().call_after(delay, callback, args))

    consumer = consumer_of(app)
    consumer.timer = GreenletTimer()
    step = GossipStep(consumer)
    step.start(consumer)
    step.stop(consumer)
    assert consumer.timer.live == []


def test_a_shutdown_reports_draining_and_then_offline(consumer: Any) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    lines = []
    step.close(consumer)
    lines.append(submitted(step).state)
    step.stop(consumer)
    step.shutdown(consumer)
    lines.append(submitted(step).state)
    assert lines == ["draining", "offline"]
    assert consumer.timer.live == []


def test_stop_alone_does_not_mean_leaving(consumer: Any) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    step.stop(consumer)
    step.start(consumer)
    assert submitted(step).state == "online"


def test_a_reconnect_ends_the_backoff_of_the_sender(consumer: Any) -> None:
    step = GossipStep(consumer)
    step._components.sender._delivery.retry_at = 1e12
    step.start(consumer)
    assert step._components.sender._delivery.retry_at == 0.0


def test_inspect_stats_shows_the_step_without_a_password(app: Celery) -> None:
    app.conf.gossip_broker_url = "redis://user:s3cret@localhost:1/0"
    consumer = consumer_of(app)
    info = GossipStep(consumer).info(consumer)
    assert info["queue_gossip"]["interval"] == 1.0 and info["queue_gossip"]["errors"] == 0
    assert "s3cret" not in repr(info) and "localhost" in info["queue_gossip"]["broker_url"]


def test_a_dead_pool_is_logged_once_a_minute(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Reporter, "is_pool_dead", True)
    step = GossipStep(consumer)
    step.start(consumer)
    for _ in range(3):
        consumer.timer.fire()
    lines = [record.message for record in caplog.records if "started no task for a minute" in record.message]
    assert len(lines) == 1
    step.shutdown(consumer)


def test_only_the_first_start_logs_where_reports_go(app: Celery, caplog: pytest.LogCaptureFixture) -> None:
    app.conf.gossip_broker_url = "redis://user:s3cret@localhost:1/0"
    consumer = consumer_of(app)
    with caplog.at_level(logging.INFO, "celery_gossip"):
        step = GossipStep(consumer, gossip_interval=2.5)
        for _ in range(3):
            step.start(consumer)
            step.stop(consumer)
    (line,) = [record.message for record in caplog.records if record.name == "celery_gossip"]
    assert "'celery_gossip' of redis://" in line and "localhost:1" in line and "every 2.5 s" in line
    assert "s3cret" not in line


def test_without_celerys_lists_of_requests_gossip_is_off_with_one_line(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr("celery.worker.state.active_requests")
    step = GossipStep(consumer)
    assert not step.enabled and consumer.queue_gossip is None
    (record,) = caplog.records
    assert "celery.worker.state:active_requests" in record.message


def test_a_soft_shutdown_is_reported_as_draining_by_the_sender(app: Celery) -> None:
    waited: list[Any] = []
    consumer = consumer_of(app)
    consumer.controller = SimpleNamespace(
        blueprint=SimpleNamespace(state=1),
        wait_for_soft_shutdown=lambda: waited.append(step._components.reporter.probe_from_thread()),
    )
    step = GossipStep(consumer)
    step.start(consumer)
    assert submitted(step).state == "online"
    consumer.controller.wait_for_soft_shutdown()
    assert [(report.state, report.stalled_for) for report in waited] == [("draining", 0.0)]


# The health file.


@pytest.fixture
def health(tmp_path: Path) -> Path:
    return tmp_path / "health"


def test_a_worker_with_a_health_file_keeps_it_fresh_until_it_leaves(consumer: Any, health: Path) -> None:
    step = GossipStep(consumer, gossip_health_file=str(health))
    step.start(consumer)
    consumer.timer.fire()
    assert health.exists()
    health.unlink()
    consumer.timer.fire()
    assert health.exists()
    step.close(consumer)
    assert not health.exists()


def test_a_worker_without_the_hook_close_removes_the_file_at_shutdown(consumer: Any, health: Path) -> None:
    step = GossipStep(consumer, gossip_health_file=str(health))
    step.start(consumer)
    consumer.timer.fire()
    step.shutdown(consumer)
    assert not health.exists()


def test_the_health_file_is_kept_fresh_though_the_probe_fails(
    consumer: Any, health: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Probe, "read", raising(KeyError("x")))
    GossipStep(consumer, gossip_health_file=str(health)).start(consumer)
    consumer.timer.fire()
    assert health.exists()


@pytest.mark.parametrize(("own", "is_written"), [(None, False), ("redis://localhost:1/0", True)])
def test_an_unconfirmed_broker_prevents_the_health_file_only_if_tasks_come_from_it(
    app: Celery, health: Path, own: str | None, is_written: bool
) -> None:
    app.conf.gossip_broker_url = own
    consumer = consumer_of(app)
    step = GossipStep(consumer, gossip_health_file=str(health))
    step._components.sender._delivery.is_unconfirmed = True
    step.start(consumer)
    consumer.timer.fire()
    assert health.exists() is is_written


def test_a_health_file_that_cannot_be_written_is_one_line_a_minute_and_the_rounds_go_on(
    consumer: Any, tmp_path: Path, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    step = GossipStep(consumer, gossip_health_file=str(folder / "health"))
    folder.rmdir()
    step.start(consumer)
    for _ in range(5):
        consumer.timer.fire()
    (line,) = (record.message for record in caplog.records if record.name == "celery_gossip")
    assert "cannot write the health file: FileNotFoundError" in line and str(folder) in line and "\n" not in line
    assert telemetry.names.count("gossip_stop") == 6 and len(consumer.timer.live) == 1
    assert {data["phase"] for data in telemetry.of("gossip_exception")} == {"health"}
    folder.mkdir()
    consumer.timer.fire()
    assert (folder / "health").exists()


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_an_error_of_the_health_file_prevents_no_report(
    consumer: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LivenessReporter, "update", raising(error))
    step = GossipStep(consumer)
    step.start(consumer)
    consumer.timer.fire()
    assert submitted(step) is not None and len(consumer.timer.live) == 1


def test_a_health_file_in_no_folder_refuses_the_start_with_one_line(consumer: Any, tmp_path: Path) -> None:
    with pytest.raises(CeleryCommandException, match="gossip_health_file: expected .* got .*nowhere") as refused:
        GossipStep(consumer, gossip_health_file=str(tmp_path / "nowhere" / "health"))
    assert "\n" not in str(refused.value)


def test_without_gossip_a_worker_logs_that_it_writes_no_health_file(
    consumer: Any, health: Path, caplog: pytest.LogCaptureFixture
) -> None:
    GossipStep(consumer, gossip_health_file=str(health), without_queue_gossip=True)
    assert "no health file is written" in caplog.text


# Counting.


def made_of(consumer: Any, app: Celery) -> Any:
    """The request class that Celery would build for a task of this worker."""
    task = SimpleNamespace(name="shop.pack", time_limit=None, soft_time_limit=None, acks_late=False)
    return strategy.create_request_cls(Request, task, consumer.pool, "celery@web1", None, app=app)


@pytest.fixture
def counted_consumer(app: Celery, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(strategy, "create_request_cls", strategy.create_request_cls)
    consumer = consumer_of(app)
    type(consumer.pool).apply_async = lambda *_, **__: None
    return consumer


def test_a_step_counts_what_its_pool_runs(counted_consumer: Any, app: Celery) -> None:
    assert not hasattr(made_of(counted_consumer, app), "_gossip_outcome")
    GossipStep(counted_consumer)
    assert hasattr(made_of(counted_consumer, app), "_gossip_outcome")


@pytest.mark.parametrize("how", ["option", "setting"])
def test_a_step_that_is_switched_off_counts_nothing(counted_consumer: Any, app: Celery, how: str) -> None:
    app.conf.gossip_enabled = how == "option"
    GossipStep(counted_consumer, without_queue_gossip=how == "option")
    assert not hasattr(made_of(counted_consumer, app), "_gossip_outcome")


def test_after_the_shutdown_nothing_is_counted(counted_consumer: Any, app: Celery) -> None:
    step = GossipStep(counted_consumer)
    step.start(counted_consumer)
    step.shutdown(counted_consumer)
    assert not hasattr(made_of(counted_consumer, app), "_gossip_outcome")


def test_a_pool_that_is_gone_at_the_shutdown_does_not_prevent_the_final_report(consumer: Any) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    consumer.pool = None
    step.shutdown(consumer)
    assert submitted(step).state == "offline"


def test_a_pool_that_cannot_be_known_again_costs_the_counting_alone(consumer: Any, telemetry: Telemetry) -> None:
    class Slotted:
        __slots__ = ()
        num_processes = 1

    consumer.pool = Slotted()
    step = GossipStep(consumer)
    step.start(consumer)
    assert step.enabled and submitted(step) is not None
    assert [(event["phase"], type(event["exception"])) for event in telemetry.of("gossip_exception")] == [
        ("count", TypeError)
    ]


def test_an_error_of_the_counting_is_reported_once(consumer: Any, telemetry: Telemetry) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    error = KeyError("uncounted")
    step._components.instrumentation.record_error(error)
    for _ in range(3):
        consumer.timer.fire()
    assert [(event["phase"], event["exception"]) for event in telemetry.of("gossip_exception")] == [("count", error)]


# Errors.


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("hook", ["start", "close", "stop", "terminate", "shutdown", "info"])
@pytest.mark.parametrize("broken", ["reporter", "sender", "timer"])
def test_no_exception_leaves_a_hook(
    consumer: Any, error: Exception, hook: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    blow_up = raising(error)
    targets = {
        "reporter": (
            Reporter,
            ("probe_from_loop", "probe_draining", "probe_offline", "on_consumer_start", "remember_tags"),
        ),
        "sender": (Sender, ("submit", "retry_now", "pop_events", "stop", "start")),
        "timer": (FakeTimer, ("call_after", "cancel")),
    }
    owner, names = targets[broken]
    for name in names:
        monkeypatch.setattr(owner, name, blow_up)
    getattr(step, hook)(consumer)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_probe_that_raises_is_reported_and_the_next_tick_is_scheduled(
    consumer: Any, error: Exception, monkeypatch: pytest.MonkeyPatch, telemetry: Telemetry
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    monkeypatch.setattr(Probe, "read", raising(error))
    consumer.timer.fire()
    (event,) = telemetry.of("gossip_exception")
    assert (event["phase"], event["exception"]) == ("probe", error) and event["duration"] >= 0
    assert len(consumer.timer.live) == 1
    assert step.info(consumer)["queue_gossip"]["errors"] == 1


def test_a_check_that_raises_is_reported_and_the_others_are_sent(
    app: Celery, monkeypatch: pytest.MonkeyPatch, telemetry: Telemetry
) -> None:
    take = Probe._check
    monkeypatch.setattr(Probe, "_check", lambda self, name, *rest: take(self, name, *rest) if name != "bad" else 1 / 0)
    consumer = consumer_of(app, "good", "bad")
    step = GossipStep(consumer)
    step.start(consumer)
    assert [data["phase"] for data in telemetry.of("gossip_exception")] == ["check"]
    assert telemetry.of("gossip_stop")[0]["gossip_count"] == 1
    assert [check.queue for check in submitted(step).checks] == ["good"]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_receivers_that_raise_stop_no_round(consumer: Any, error: Exception) -> None:
    blow_up = raising(error)
    names = ("gossip_init", "gossip_start", "gossip_stop", "gossip_exception")
    for name in names:
        getattr(signals, name).connect(blow_up)
    try:
        step = GossipStep(consumer)
        step.start(consumer)
        consumer.timer.fire()
    finally:
        for name in names:
            getattr(signals, name).disconnect(blow_up)
    assert submitted(step) is not None and len(consumer.timer.live) == 1


def test_events_of_the_sender_are_reported_on_the_event_loop(
    consumer: Any, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    error = ConnectionRefusedError("refused")
    for event in (SenderEvent("failed", "publish", error, 1.5), SenderEvent("blocked"), SenderEvent("recovered")):
        step._components.sender._events.append(event)
    consumer.timer.fire()
    (event,) = telemetry.of("gossip_exception")
    assert (event["phase"], event["exception"]) == ("publish", error) and event["duration"] >= 1.5
    lines = [record.message for record in caplog.records if record.name == "celery_gossip"]
    assert ["cannot deliver" in lines[0], "has blocked" in lines[1], "again" in lines[2]] == [True] * 3
    assert all("memory://" in line for line in lines) and len(lines) == 3


def test_a_logger_that_raises_stops_no_worker(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    logger = logging.getLogger("celery_gossip")
    angry = raising(OSError("no log for you"))
    logger.addFilter(angry)
    try:
        monkeypatch.setattr(Probe, "read", raising(KeyError("x")))
        consumer.timer.fire()
        step.close(consumer)
        step.stop(consumer)
        step.shutdown(consumer)
    finally:
        logger.removeFilter(angry)


@pytest.mark.parametrize(
    "broken", [(Reporter, "on_consumer_start"), (Sender, "retry_now"), (Sender, "start"), (LivenessReporter, "update")]
)
def test_an_error_at_the_start_does_not_prevent_ticks(
    consumer: Any, broken: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GossipStep(consumer)
    monkeypatch.setattr(*broken, raising(MemoryError("x")))
    step.start(consumer)
    assert submitted(step) is not None and len(consumer.timer.live) == 1


def test_a_thread_that_could_not_be_started_is_tried_again_in_each_round(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = []

    def start(self: Sender) -> None:
        tries.append(self)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Sender, "start", start)
    step = GossipStep(consumer)
    step.start(consumer)
    for _ in range(3):
        consumer.timer.fire()
    assert len(tries) == 4
    (line,) = (record.message for record in caplog.records if record.name == "celery_gossip")
    assert "cannot start a thread: RuntimeError: can't start new thread" in line and "\n" not in line


def test_a_timer_that_did_not_accept_a_tick_is_tried_again_by_the_sender(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    with monkeypatch.context() as patch:
        patch.setattr(FakeTimer, "call_after", raising(MemoryError("x")))
        consumer.timer.fire()
        assert step._components.sender._probe_from_thread() is not None
        assert consumer.timer.live == []
    step._components.sender._probe_from_thread()
    assert len(consumer.timer.live) == 1
    step._components.sender._probe_from_thread()
    assert len(consumer.timer.live) == 1, "a second line of ticks"


def test_a_lost_timer_is_not_tried_again_after_the_shutdown_began(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    with monkeypatch.context() as patch:
        patch.setattr(FakeTimer, "call_after", raising(MemoryError("x")))
        consumer.timer.fire()
    step.close(consumer)
    step._components.sender._probe_from_thread()
    assert consumer.timer.live == []


@pytest.mark.parametrize(
    "broken", [(LivenessReporter, "stop"), (RequestInstrumentation, "close"), (Reporter, "probe_offline")]
)
def test_an_error_during_the_shutdown_does_not_prevent_the_sender_from_stopping(
    consumer: Any, broken: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    monkeypatch.setattr(*broken, raising(MemoryError("x")))
    step.shutdown(consumer)
    assert step._components.sender._is_stopping and consumer.timer.live == []


def test_an_error_of_the_broker_url_is_one_line(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bootstep, "open_broker", raising(OSError("no broker")))
    assert not GossipStep(consumer).enabled
    assert "init failed: OSError('no broker')" in caplog.text


def test_a_shutdown_asked_for_during_a_round_passes(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery.exceptions import WorkerShutdown

    step = GossipStep(consumer)

    def leave(*_: Any) -> None:
        raise WorkerShutdown(0)

    monkeypatch.setattr(Reporter, "probe_from_loop", leave)
    with pytest.raises(WorkerShutdown):
        step.start(consumer)


def test_what_fails_while_the_step_is_built_leaves_the_worker_without_gossip(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(components, "Sender", raising(OSError("no threads")))
    step = GossipStep(consumer)
    assert not step.enabled and consumer.queue_gossip is None
    assert "no threads" in caplog.text


# Options.


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("gossip_interval", "soon"),
        ("gossip_intervall", 1.0),
        ("gossip_exchange", "a.b"),
        ("gossip_enabled", "no"),
        ("gossip_broker_url", "nowhere"),
        ("gossip_broker_url", "nosuch://localhost"),
        ("gossip_broker_url", "redis://localhost/0?master=gossip"),
        ("gossip_broker_url", "sentinel://localhost:26379/0"),
        ("gossip_broker_url", "redis://localhost:port/0"),
        ("gossip_broker_url", "redis://user:s3/cret@localhost/0"),
    ],
)
def test_a_bad_option_refuses_the_start_with_one_line(app: Celery, setting: str, value: Any) -> None:
    app.conf[setting] = value
    with pytest.raises(CeleryCommandException) as refused:
        GossipStep(consumer_of(app))
    assert refused.value.exit_code == 1
    assert setting in str(refused.value) and "\n" not in str(refused.value)
    assert "cret" not in str(refused.value)


def test_a_bad_flag_refuses_the_start(consumer: Any) -> None:
    with pytest.raises(CeleryCommandException, match="gossip_interval: expected .*, got -1.0"):
        GossipStep(consumer, gossip_interval=-1.0)


@pytest.mark.parametrize("how", ["flag", "setting"])
def test_a_step_that_is_switched_off_is_left_out(app: Celery, how: str, telemetry: Telemetry) -> None:
    if how == "setting":
        app.conf.gossip_enabled = False
    consumer = consumer_of(app)
    step = GossipStep(consumer, without_queue_gossip=how == "flag")
    assert not step.enabled and not step.include_if(consumer) and consumer.queue_gossip is None
    assert telemetry == []


def test_a_bad_option_is_refused_even_when_switched_off(app: Celery) -> None:
    app.conf.gossip_interval = "soon"
    with pytest.raises(CeleryCommandException):
        GossipStep(consumer_of(app), without_queue_gossip=True)


def test_options_of_other_steps_are_ignored(consumer: Any) -> None:
    assert GossipStep(consumer, without_gossip=True, without_mingle=True, interval="theirs", hostname="x").enabled


def test_a_transport_that_cannot_fan_out_is_one_line_in_the_log_and_no_gossip(
    app: Celery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from kombu import Connection

    monkeypatch.setattr(Connection, "supports_exchange_type", lambda self, kind: False)
    consumer = consumer_of(app)
    step = GossipStep(consumer)
    assert not step.enabled and consumer.queue_gossip is None
    (line,) = caplog.messages
    assert "'memory'" in line and "has no fanout exchanges" in line and "gossip_broker_url" in line and "\n" not in line


def test_the_address_of_the_broker_is_shown_without_its_password(app: Celery) -> None:
    app.conf.gossip_broker_url = "redis://user:s3cret@localhost:1/0"
    step = GossipStep(consumer_of(app))
    assert "s3cret" not in step._components.publisher.uri and "localhost" in step._components.publisher.uri


def test_a_separate_broker_gets_no_credentials_of_the_app() -> None:
    app = Celery("shop", broker="amqp://app:s3cret@tasks:5672//", set_as_current=False)
    app.conf.broker_transport_options = {"region": "eu"}
    step = GossipStep(consumer_of(app), gossip_interval=1.0)
    assert "tasks" in step._components.publisher.uri
    app.conf.gossip_broker_url = "redis://gossip:1/0"
    own = broker.open_broker(app, GossipStep(consumer_of(app)).options)
    with own.kombu_connection() as connection:
        assert (connection.hostname, connection.userid, connection.password) == ("gossip", None, None)
        assert "region" not in connection.transport_options


def test_the_step_needs_the_consumer_of_tasks_and_takes_no_name_of_celerys() -> None:
    assert GossipStep.requires == ("celery.worker.consumer.tasks:Tasks",)
    assert GossipStep.label == "QueueGossip"
    assert GossipStep.name == "celery_gossip.worker.bootstep.GossipStep"


def test_the_event_loop_never_publishes(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    published = []
    monkeypatch.setattr(Publisher, "publish", lambda self, body: published.append(body))
    step = GossipStep(consumer)
    step.start(consumer)
    consumer.timer.fire()
    step.close(consumer)
    step.stop(consumer)
    step.shutdown(consumer)
    assert (published, step._failures.count) == ([], 0)
