"""Receivers of telemetry cannot hurt anyone, each other least."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from blinker import NamedSignal, Namespace

from celery_gossip import signals
from celery_gossip.log import LimitedLogger
from celery_gossip.signals import emit

DOCUMENTED = {
    *("gossip_init", "gossip_start", "gossip_stop", "gossip_exception", "gossip_received", "gossip_rejected"),
    *("worker_online", "worker_stalled", "worker_draining", "worker_offline", "worker_suspect", "worker_lost"),
    *("beat_online", "beat_stalled", "beat_offline", "beat_suspect", "beat_lost", "beat_conflict"),
    *("worker_conflict", "finding_raised", "finding_cleared", "control_asked", "control_settled"),
}


@pytest.fixture
def signal() -> Any:
    return Namespace().signal("something")


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_log", LimitedLogger())


def test_the_signals_are_those_documented() -> None:
    assert set(signals.__all__) == {"emit", *DOCUMENTED}
    assert {getattr(signals, name).name for name in DOCUMENTED} == DOCUMENTED


def test_every_receiver_is_called_with_sender_and_data(signal: Any) -> None:
    heard = []
    receivers = [lambda sender, n=n, **data: heard.append((n, sender, data)) for n in range(3)]
    for receiver in receivers:
        signal.connect(receiver)
    emit(signal, "app", colour="red")
    assert sorted(heard) == [(n, "app", {"colour": "red"}) for n in range(3)]


@pytest.mark.parametrize(
    "error",
    [OSError(), TimeoutError(), KeyError("x"), AssertionError(), MemoryError(), RecursionError(), StopIteration()],
    ids=repr,
)
def test_a_receiver_that_raises_hurts_neither_the_sender_nor_the_others(
    signal: Any, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    heard = []

    def bad(sender: Any, **data: Any) -> None:
        heard.append("bad")
        raise error

    receivers = [lambda sender: heard.append("good"), bad, lambda sender: heard.append("good")]
    for receiver in receivers:
        signal.connect(receiver)
    emit(signal, "app")
    assert sorted(heard) == ["bad", "good", "good"]
    assert "a receiver of something raised" in caplog.text and caplog.records[0].exc_info is not None


def test_a_receiver_that_takes_other_arguments_is_only_logged(signal: Any, caplog: pytest.LogCaptureFixture) -> None:
    def takes_nothing() -> None: ...

    signal.connect(takes_nothing)
    emit(signal, "app", colour="red")
    assert "TypeError" in caplog.text


def test_a_receiver_that_always_raises_is_logged_at_a_limited_rate(
    signal: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def bad(sender: Any) -> None:
        raise ValueError

    signal.connect(bad)
    for _ in range(100):
        emit(signal, "app")
    assert len(caplog.records) == 1 and caplog.records[0].levelno == logging.ERROR


def test_a_receiver_may_listen_to_one_app_alone(signal: Any) -> None:
    class App:
        pass

    mine, other, heard = App(), App(), []

    def on_signal(sender: Any) -> None:
        heard.append(sender)

    signal.connect(on_signal, sender=mine)
    emit(signal, other)
    emit(signal, mine)
    assert heard == [mine]


def test_a_receiver_that_disconnects_itself_does_not_disturb_the_others(signal: Any) -> None:
    heard = []

    def once(sender: Any) -> None:
        signal.disconnect(once)
        heard.append("once")

    def always(sender: Any) -> None:
        heard.append("always")

    signal.connect(once)
    signal.connect(always)
    emit(signal, "app")
    emit(signal, "app")
    assert sorted(heard) == ["always", "always", "once"]


def test_a_shutdown_asked_for_by_a_receiver_is_not_swallowed(signal: Any) -> None:
    def leave(sender: Any) -> None:
        raise SystemExit(0)

    signal.connect(leave)
    with pytest.raises(SystemExit):
        emit(signal, "app")


def test_a_signal_without_receivers_costs_nothing(signal: Any) -> None:
    emit(signal, object())
    assert not signal.receivers


def on_another_thread(work: Callable[[], None]) -> list[BaseException]:
    """Return what `work` raises there."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as exc:
            raised.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


class GreenletExit(BaseException):
    """As gevent and eventlet raise it."""


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_what_would_end_a_thread_is_logged_there_and_passes_on_the_main_thread(
    kind: type[BaseException], signal: NamedSignal, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def end(sender: str) -> None:
        raise kind

    def hear(sender: str) -> None:
        heard.append(sender)

    signal.connect(end)
    signal.connect(hear)
    assert on_another_thread(lambda: emit(signal, "app")) == []
    assert heard == ["app"] and f"raised {kind()!r}" in caplog.text
    with pytest.raises(kind):  # it may be Ctrl-C, or a worker's shutdown
        emit(signal, "app")


def test_the_end_of_a_greenlet_passes_on_every_thread(signal: NamedSignal) -> None:
    def end(sender: str) -> None:
        raise GreenletExit

    signal.connect(end)
    assert list(map(type, on_another_thread(lambda: emit(signal, "app")))) == [GreenletExit]
