"""Which beats are reported, and that nothing of ours can keep one from starting, ticking and ending."""

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.beat import Service
from celery.signals import beat_init
from celery.utils.dispatch import Signal

import celery_gossip
from celery_gossip.beat import _compat as compat
from celery_gossip.beat import embedding, hook, process
from celery_gossip.beat.embedding import Worker
from celery_gossip.beat.observer import Observer
from celery_gossip.beat.process import BeatProcess
from celery_gossip.beat.reporter import Reporter
from celery_gossip.transport.publisher import Publisher
from celery_gossip.wire.messages import Beat, decode
from tests.support.waiting import eventually
from tests.unit.beat.schedulers import LocalScheduler


@pytest.fixture(autouse=True)
def _no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_worker", Worker())


@pytest.fixture(autouse=True)
def _ended_threads() -> Iterator[None]:
    """End the threads that a test has left, after it has undone what it had replaced."""
    build, senders = process._Sender.__init__, list[process._Sender]()

    def note(self: process._Sender, *args: Any, **options: Any) -> None:
        senders.append(self)
        build(self, *args, **options)

    process._Sender.__init__ = note  # type: ignore[method-assign]
    yield
    process._Sender.__init__ = build  # type: ignore[method-assign]
    for sender in senders:
        sender._is_stopping = sender._has_ended = True
        sender._wake.set()
        if sender._thread is not None:
            sender._thread.join(10.0)
            assert not sender.is_alive


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Beat]:
    """The reports that reach the broker."""
    beats: list[Beat] = []

    def publish(self: Publisher, body: bytes) -> bool:
        beat = decode(body)
        assert isinstance(beat, Beat)
        beats.append(beat)
        return True

    monkeypatch.setattr(Publisher, "publish", publish)
    return beats


def an_app(**conf: Any) -> Celery:
    app = Celery("shop", broker="redis://127.0.0.1:1/0", set_as_current=False)
    app.conf.update(beat_schedule={"often": {"task": "shop.often", "schedule": 0.0}}, gossip_interval=0.02, **conf)
    app.conf.result_expires = None
    return app


class Started:
    """A service whose beat_init was sent, and what became of it."""

    def __init__(self, app: Celery) -> None:
        self.service = Service(app, scheduler_cls=LocalScheduler)
        self.scheduler = self.service.scheduler
        hook.on_beat_init(sender=self.service)

    @property
    def is_observed(self) -> bool:
        return "tick" in vars(self.scheduler)


@pytest.fixture
def installed() -> Iterator[Celery]:
    app = an_app()
    celery_gossip.install(app)
    yield app


def test_a_beat_of_an_app_with_install_reports_until_it_is_closed(installed: Celery, published: list[Beat]) -> None:
    beat = Started(installed)
    beat.scheduler.tick()
    eventually(lambda: _require(published and published[-1].sends == 1))
    assert published[0].seq == 1 and published[0].hostname.startswith("celerybeat@")
    beat.scheduler.close()
    beat.scheduler.close()
    assert [one.state for one in published[-3:]] == ["online", "offline", "offline"]
    assert [one.seq for one in published] == list(range(1, len(published) + 1))


def _require(condition: object) -> None:
    assert condition


@pytest.mark.parametrize(
    "conf, is_wanted",
    [
        ({}, False),
        ({"worker_bootsteps": ["celery_gossip:GossipStep"]}, True),
        ({"worker_bootsteps": ["other:Step", "celery_gossip.worker.bootstep:GossipStep"]}, True),
        ({"worker_bootsteps": ["other:Step"]}, False),
        ({"worker_bootsteps": "celery_gossip:GossipStep"}, False),
        ({"worker_bootsteps": [5]}, False),
        ({"worker_bootsteps": ["celery_gossip:GossipStep"], "gossip_beat": False}, False),
        ({"worker_bootsteps": ["celery_gossip:GossipStep"], "gossip_enabled": False}, False),
    ],
)
def test_the_setting_alone_is_enough(published: list[Beat], conf: dict[str, Any], is_wanted: bool) -> None:
    beat = Started(an_app(**conf))
    assert beat.is_observed is is_wanted
    beat.scheduler.close()


def test_the_step_in_the_steps_of_the_app_is_enough(published: list[Beat]) -> None:
    class Mine(celery_gossip.GossipStep):  # type: ignore[misc]
        """A user's own."""

    app = an_app()
    app.steps["consumer"].add(Mine)
    beat = Started(app)
    assert beat.is_observed
    beat.scheduler.close()


def test_an_embedded_beat_names_its_worker(installed: Celery, published: list[Beat]) -> None:
    embedding.note_worker("celery@web1", "0" * 16)
    beat = Started(installed)
    beat.scheduler.close()
    assert {(one.hostname, one.worker, one.worker_boot) for one in published} == {
        ("celery@web1", "celery@web1", "0" * 16)
    }


def test_the_beat_of_a_worker_that_reports_nothing_reports_nothing(installed: Celery) -> None:
    embedding.switch_off()
    assert not Started(installed).is_observed


@pytest.mark.parametrize(
    "conf, text",
    [
        ({"gossip_interval": -1}, "gossip_interval: expected"),
        ({"gossip_broker_url": "sqs://"}, "sqs"),
        ({"gossip_intervall": 1}, "did you mean 'gossip_interval'"),
    ],
)
def test_what_would_stop_a_worker_is_one_line_of_beat(
    caplog: pytest.LogCaptureFixture, conf: dict[str, Any], text: str
) -> None:
    app = an_app()
    celery_gossip.install(app)
    app.conf.update(conf)
    assert not Started(app).is_observed
    (record,) = [one for one in caplog.records if one.levelno >= logging.WARNING and one.name == "celery_gossip"]
    assert "beat is not reported" in record.getMessage() and text in record.getMessage()


SABOTAGED = [
    (compat, "scheduler_of"),
    (compat, "configured_entries"),
    (compat, "beat_hostname"),
    (compat, "has_heap"),
    (compat, "heap_events"),
    (compat, "entry_field"),
    (compat, "holds_lock"),
    (hook, "_is_wanted"),
    (hook, "embedding_worker"),
    (process, "resolve"),
    (process, "open_broker"),
    (process.BeatIdentity, "create"),
    (BeatProcess, "start"),
    (BeatProcess, "_send_first"),
    (BeatProcess, "_log_start"),
    (BeatProcess, "_report_events"),
    (Observer, "attach"),
    (Observer, "_tick_began"),
    (Observer, "_tick_ended"),
    (Observer, "_sent"),
    (Observer, "_not_sent"),
    (Reporter, "compose"),
    (Reporter, "compose_final"),
    (Publisher, "__init__"),
    (Publisher, "publish"),
    (Publisher, "close"),
    (process._Sender, "start"),
    (process._Sender, "stop"),
    (process._Sender, "submit"),
    (process._Sender, "pop_events"),
    (process._Sender, "_run_once"),
    (process._Sender, "_wait_for_work"),
]


AT_THE_END = {"compose_final", "stop", "close"}


@pytest.mark.parametrize("owner, name", SABOTAGED, ids=lambda one: getattr(one, "__name__", one))
@pytest.mark.parametrize("error", [OSError, KeyError, MemoryError])
def test_a_beat_starts_ticks_and_ends_whatever_fails(
    installed: Celery, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: type[Exception]
) -> None:
    calls: list[str] = []

    def blow_up(*_: Any, **__: Any) -> None:
        calls.append(name)
        raise error("sabotage")

    monkeypatch.setattr(Publisher, "publish", lambda self, body: True)
    monkeypatch.setattr(owner, name, blow_up)
    monkeypatch.setattr("celery_gossip.transport.report_sender._ERROR_PAUSE", 0.001)
    beat = Started(installed)
    beat.scheduler.error = ValueError()
    assert beat.scheduler.tick() == 0 and beat.scheduler.sent == []
    beat.scheduler.error = None
    assert [beat.scheduler.tick() for _ in range(3)] == [0, 0, 0]
    if name not in AT_THE_END:
        eventually(lambda: _require(calls))
    beat.scheduler.close()
    assert beat.scheduler.sent == ["shop.often"] * 3
    eventually(lambda: _require(calls))


def test_an_end_is_quick_although_the_broker_hangs(installed: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_FINAL_TIMEOUT", 0.01)
    begun: list[Any] = []
    monkeypatch.setattr(process._Sender, "_run_once", lambda self: begun.append(self) or self._wake.wait(5.0))
    beat = Started(installed)
    eventually(lambda: _require(begun))
    beat.scheduler.close()
    for sender in begun[:1]:
        sender._has_ended = True
        sender._wake.set()


def test_a_beat_that_crashes_does_not_say_that_it_has_ended(installed: Celery, published: list[Beat]) -> None:
    beat = Started(installed)
    beat.scheduler.schedules_equal = lambda *_: 1 / 0
    beat.scheduler._heap = []
    with pytest.raises(ZeroDivisionError):
        beat.scheduler.tick()
    beat.scheduler.close()
    assert {one.state for one in published} == {"online"}


def test_a_receiver_that_blocks_does_not_keep_a_beat_from_being_reported() -> None:
    """redbeat waits for its lock in such a receiver."""
    signal, called = Signal(name="beat_init"), []

    def wait(**_: Any) -> None:
        called.append("redbeat")

    def ours(**_: Any) -> None:
        called.append("ours")

    signal.connect(wait, weak=False)
    signal.connect(ours, dispatch_uid="ours", weak=False)
    compat.put_first(signal, ours)
    compat.put_first(signal, ours)
    signal.send(sender=None)
    assert called == ["ours", "redbeat"]
    compat.put_first(SimpleNamespace(), ours)


def test_the_receiver_is_connected_once() -> None:
    hook.connect()
    hook.connect()
    receivers = [receiver for _, receiver in beat_init.receivers]
    assert receivers.count(hook.on_beat_init) == 1
