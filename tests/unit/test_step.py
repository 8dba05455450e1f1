"""The bootstep: no exception leaves its hooks, there is one timer, and it is added once."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from celery import Celery
from celery.exceptions import CeleryCommandException
from celery.signals import before_task_publish
from celery.worker import strategy
from celery.worker.request import Request

import celery_gossip
from celery_gossip import broker, signals
from celery_gossip import step as room
from celery_gossip.exchange import Publisher
from celery_gossip.probe import Probe
from celery_gossip.pulse import Pulse
from celery_gossip.reporter import Reporter
from celery_gossip.sender import Notice, Sender
from celery_gossip.step import GossipStep, install
from celery_gossip.tap import Tap
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
    """The thread is not started: its turns are taken by the tests of the sender."""
    monkeypatch.setattr(Sender, "start", lambda self: None)


def consumer_of(app: Celery, *queues: str) -> Any:
    return a_consumer(*(queues or ("default",)), app=app)


@pytest.fixture
def consumer(app: Celery) -> Any:
    return consumer_of(app)


def submitted(step: GossipStep) -> Any:
    return step._sender._slot


def raising(error: Exception) -> Callable[..., Any]:
    def blow_up(*args: Any, **kwargs: Any) -> Any:
        raise error

    return blow_up


# The life of a step.


def test_a_step_says_itself_how_it_is_configured(app: Celery, telemetry: Telemetry) -> None:
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
    tick = Reporter.tick

    def watching(self: Reporter, lag: float) -> Any:
        armed_during_round.append(len(consumer.timer.live))
        return tick(self, lag)

    monkeypatch.setattr(Reporter, "tick", watching)
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


def test_a_round_is_told_by_its_signals(consumer: Any, telemetry: Telemetry) -> None:
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


def test_a_worker_without_queues_says_nothing(app: Celery, telemetry: Telemetry) -> None:
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


def test_a_shutdown_says_draining_and_then_offline(consumer: Any) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    said = []
    step.close(consumer)
    said.append(submitted(step).state)
    step.stop(consumer)
    step.shutdown(consumer)
    said.append(submitted(step).state)
    assert said == ["draining", "offline"]
    assert consumer.timer.live == []


def test_stop_alone_does_not_mean_leaving(consumer: Any) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    step.stop(consumer)
    step.start(consumer)
    assert submitted(step).state == "online"


def test_a_reconnect_pokes_the_sender(consumer: Any) -> None:
    step = GossipStep(consumer)
    step._sender._retry_at = 1e12
    step.start(consumer)
    assert step._sender._retry_at == 0.0


def test_inspect_stats_shows_the_step_without_a_password(app: Celery) -> None:
    app.conf.gossip_broker_url = "redis://user:s3cret@localhost:1/0"
    consumer = consumer_of(app)
    info = GossipStep(consumer).info(consumer)
    assert info["queue_gossip"]["interval"] == 1.0 and info["queue_gossip"]["errors"] == 0
    assert "s3cret" not in repr(info) and "localhost" in info["queue_gossip"]["broker_url"]


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


def test_a_worker_that_is_not_told_when_it_begins_to_leave_removes_it_at_last(consumer: Any, health: Path) -> None:
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
def test_a_broker_in_doubt_keeps_the_health_file_from_being_written_where_tasks_come_from_it(
    app: Celery, health: Path, own: str | None, is_written: bool
) -> None:
    app.conf.gossip_broker_url = own
    consumer = consumer_of(app)
    step = GossipStep(consumer, gossip_health_file=str(health))
    step._sender.is_in_doubt = True
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
def test_whatever_the_pulse_raises_no_round_is_lost(
    consumer: Any, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pulse, "beat", raising(error))
    step = GossipStep(consumer)
    step.start(consumer)
    consumer.timer.fire()
    assert submitted(step) is not None and len(consumer.timer.live) == 1


def test_a_health_file_in_no_folder_refuses_the_start_with_one_line(consumer: Any, tmp_path: Path) -> None:
    with pytest.raises(CeleryCommandException, match="gossip_health_file: expected .* got .*nowhere") as refused:
        GossipStep(consumer, gossip_health_file=str(tmp_path / "nowhere" / "health"))
    assert "\n" not in str(refused.value)


def test_without_gossip_a_worker_says_that_it_writes_no_health_file(
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
    assert not hasattr(made_of(counted_consumer, app), "_gossip_run")
    GossipStep(counted_consumer)
    assert hasattr(made_of(counted_consumer, app), "_gossip_run")


@pytest.mark.parametrize("how", ["option", "setting"])
def test_a_step_that_is_switched_off_counts_nothing(counted_consumer: Any, app: Celery, how: str) -> None:
    app.conf.gossip_enabled = how == "option"
    GossipStep(counted_consumer, without_queue_gossip=how == "option")
    assert not hasattr(made_of(counted_consumer, app), "_gossip_run")


def test_after_the_shutdown_nothing_is_counted(counted_consumer: Any, app: Celery) -> None:
    step = GossipStep(counted_consumer)
    step.start(counted_consumer)
    step.shutdown(counted_consumer)
    assert not hasattr(made_of(counted_consumer, app), "_gossip_run")


def test_a_pool_that_is_gone_at_the_shutdown_takes_no_last_word(consumer: Any) -> None:
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
    assert [(told["phase"], type(told["exception"])) for told in telemetry.of("gossip_exception")] == [
        ("count", TypeError)
    ]


def test_what_could_not_be_counted_is_told_once(consumer: Any, telemetry: Telemetry) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    error = KeyError("uncounted")
    step._tap.note(error)
    for _ in range(3):
        consumer.timer.fire()
    assert [(told["phase"], told["exception"]) for told in telemetry.of("gossip_exception")] == [("count", error)]


def test_installing_stamps_the_tasks_that_are_sent(app: Celery) -> None:
    before_task_publish.disconnect(dispatch_uid="celery_gossip.stamp")
    headers: dict[str, Any] = {}
    install(app)
    before_task_publish.send(sender="shop.pack", headers=headers)
    before_task_publish.disconnect(dispatch_uid="celery_gossip.stamp")
    before_task_publish.send(sender="shop.pack", headers={})
    assert headers.keys() == {"gossip_sent_at"}


# What goes wrong.


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
        "reporter": (Reporter, ("tick", "drain", "last_word", "restart", "remember_tags")),
        "sender": (Sender, ("submit", "poke", "notices", "finish", "start")),
        "timer": (FakeTimer, ("call_after", "cancel")),
    }
    owner, names = targets[broken]
    for name in names:
        monkeypatch.setattr(owner, name, blow_up)
    getattr(step, hook)(consumer)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_probe_that_raises_is_told_and_the_next_round_still_comes(
    consumer: Any, error: Exception, monkeypatch: pytest.MonkeyPatch, telemetry: Telemetry
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    monkeypatch.setattr(Probe, "read", raising(error))
    consumer.timer.fire()
    (told,) = telemetry.of("gossip_exception")
    assert (told["phase"], told["exception"]) == ("probe", error) and told["duration"] >= 0
    assert len(consumer.timer.live) == 1
    assert step.info(consumer)["queue_gossip"]["errors"] == 1


def test_a_check_that_raises_is_told_and_the_round_goes_on(
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


def test_what_the_sender_has_to_say_is_told_on_the_loop(
    consumer: Any, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    error = ConnectionRefusedError("refused")
    for notice in (Notice("failed", "publish", error, 1.5), Notice("blocked"), Notice("recovered")):
        step._sender._notices.append(notice)
    consumer.timer.fire()
    (told,) = telemetry.of("gossip_exception")
    assert (told["phase"], told["exception"]) == ("publish", error) and told["duration"] >= 1.5
    said = [record.message for record in caplog.records if record.name == "celery_gossip"]
    assert ["cannot deliver" in said[0], "has blocked" in said[1], "again" in said[2]] == [True] * 3
    assert all("memory://" in line for line in said) and len(said) == 3


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


@pytest.mark.parametrize("broken", [(Reporter, "restart"), (Sender, "poke"), (Sender, "start"), (Pulse, "beat")])
def test_whatever_fails_at_the_start_the_rounds_begin(
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


def test_a_timer_that_took_no_round_is_asked_again_by_the_sender(
    consumer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    with monkeypatch.context() as patch:
        patch.setattr(FakeTimer, "call_after", raising(MemoryError("x")))
        consumer.timer.fire()
        assert step._sender._speak_up() is not None
        assert consumer.timer.live == []
    step._sender._speak_up()
    assert len(consumer.timer.live) == 1
    step._sender._speak_up()
    assert len(consumer.timer.live) == 1, "a second line of ticks"


def test_a_lost_timer_is_not_asked_again_once_the_worker_leaves(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    with monkeypatch.context() as patch:
        patch.setattr(FakeTimer, "call_after", raising(MemoryError("x")))
        consumer.timer.fire()
    step.close(consumer)
    step._sender._speak_up()
    assert consumer.timer.live == []


@pytest.mark.parametrize("broken", [(Pulse, "end"), (Tap, "close"), (Reporter, "last_word")])
def test_whatever_fails_at_the_shutdown_the_sender_is_told_to_finish(
    consumer: Any, broken: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GossipStep(consumer)
    step.start(consumer)
    monkeypatch.setattr(*broken, raising(MemoryError("x")))
    step.shutdown(consumer)
    assert step._sender._is_finishing and consumer.timer.live == []


def test_a_broker_that_cannot_even_be_named_is_one_line(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "open_broker", raising(OSError("no broker")))
    assert not GossipStep(consumer).enabled
    assert "init failed: OSError('no broker')" in caplog.text


def test_a_shutdown_asked_for_during_a_round_passes(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery.exceptions import WorkerShutdown

    step = GossipStep(consumer)

    def leave(*_: Any) -> None:
        raise WorkerShutdown(0)

    monkeypatch.setattr(Reporter, "tick", leave)
    with pytest.raises(WorkerShutdown):
        step.start(consumer)


def test_what_fails_while_the_step_is_built_leaves_the_worker_without_gossip(
    consumer: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(room, "Sender", raising(OSError("no threads")))
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


def test_options_of_other_steps_are_no_concern(consumer: Any) -> None:
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
    assert "'memory'" in line and "cannot fan out" in line and "gossip_broker_url" in line and "\n" not in line


def test_the_address_of_the_broker_is_shown_without_its_password(app: Celery) -> None:
    app.conf.gossip_broker_url = "redis://user:s3cret@localhost:1/0"
    step = GossipStep(consumer_of(app))
    assert "s3cret" not in step._broker_uri and "localhost" in step._broker_uri


def test_a_broker_of_its_own_takes_no_credentials_of_the_apps() -> None:
    app = Celery("shop", broker="amqp://app:s3cret@tasks:5672//", set_as_current=False)
    app.conf.broker_transport_options = {"region": "eu"}
    step = GossipStep(consumer_of(app), gossip_interval=1.0)
    assert "tasks" in step._broker_uri
    app.conf.gossip_broker_url = "redis://gossip:1/0"
    own = broker.open_broker(app, GossipStep(consumer_of(app)).options)
    with own.connection() as connection:
        assert (connection.hostname, connection.userid, connection.password) == ("gossip", None, None)
        assert "region" not in connection.transport_options


# Installing.


def flags_of(app: Celery) -> list[str]:
    return sorted(flag for option in app.user_options["worker"] for flag in option.opts)


def test_install_adds_the_step_and_the_flags(app: Celery) -> None:
    install(app)
    assert GossipStep in app.steps["consumer"]
    assert flags_of(app) == ["--gossip-health-file", "--gossip-interval", "--without-queue-gossip"]


def test_installing_twice_changes_nothing(app: Celery) -> None:
    install(app, interval=2.0)
    before = (set(app.steps["consumer"]), list(app.user_options["worker"]))
    install(app, interval=2.0)
    install(app)
    assert (set(app.steps["consumer"]), list(app.user_options["worker"])) == before
    assert GossipStep(consumer_of(app)).options.interval == 2.0


def test_installing_again_with_other_options_says_that_they_are_left_out(
    app: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    install(app, interval=2.0)
    install(app, interval=3.0)
    assert "left out: ['interval']" in caplog.text
    assert GossipStep(consumer_of(app)).options.interval == 2.0


@pytest.mark.parametrize("options", [{"interval": 0}, {"intervall": 1}, {"exchange": "A"}, {"gossip_interval": 1.0}])
def test_install_refuses_a_bad_option_at_once(app: Celery, options: dict[str, Any]) -> None:
    with pytest.raises(celery_gossip.InvalidOption):
        install(app, **options)
    assert GossipStep not in app.steps["consumer"]


def test_inside_the_celery_program_a_bad_option_waits_for_the_worker(app: Celery) -> None:
    with click.Context(click.Command("celery")):
        install(app, interval=0)
    with pytest.raises(CeleryCommandException, match="gossip_interval"):
        GossipStep(consumer_of(app))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--gossip-interval", "2.5"], {"gossip_interval": 2.5}),
        (["--gossip-health-file", "run/%n"], {"gossip_health_file": "run/%n"}),
        (["--without-queue-gossip"], {"without_queue_gossip": True}),
    ],
)
def test_the_flags_are_the_arguments_of_the_step(app: Celery, arguments: list[str], expected: dict[str, Any]) -> None:
    install(app)
    command = click.Command("worker", params=list(app.user_options["worker"]))
    defaults = {"gossip_interval": None, "gossip_health_file": None, "without_queue_gossip": False}
    assert command.make_context("worker", list(arguments)).params == {**defaults, **expected}


def test_the_step_needs_the_consumer_of_tasks_and_takes_no_name_of_celerys() -> None:
    assert GossipStep.requires == ("celery.worker.consumer.tasks:Tasks",)
    assert GossipStep.label == "QueueGossip"
    assert GossipStep.name == "celery_gossip.step.GossipStep"


def test_the_event_loop_never_publishes(consumer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    published = []
    monkeypatch.setattr(Publisher, "publish", lambda self, body: published.append(body))
    step = GossipStep(consumer)
    step.start(consumer)
    consumer.timer.fire()
    step.close(consumer)
    step.stop(consumer)
    step.shutdown(consumer)
    assert (published, step._errors) == ([], 0)
