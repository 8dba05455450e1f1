"""Callbacks and streams get each event once, in order; names are checked; a failing callback hurts no other."""

import gc
import threading
from typing import Any

import pytest

from celery_gossip import signals
from celery_gossip.cluster.beat_view import BEAT_STATES
from celery_gossip.cluster.cluster import Transition
from celery_gossip.cluster.view import STATES, WorkerView
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.errors import GossipError, UnknownEvent
from celery_gossip.listener.events import (
    DEFAULT_EVENTS,
    EventDispatcher,
    FindingEvent,
    GossipEvent,
    RejectionEvent,
    WorkerEvent,
    event_name,
)
from celery_gossip.listener.waiting import ChangeNotifier
from tests.unit.build import a_gossip

APP = object()
WORKER = WorkerView(a_gossip(), "lost", 0.0)
FINDING = Finding("stalled", "warning", "celery@web1", 0.0, "It is stalled.")


@pytest.fixture
def dispatcher() -> EventDispatcher:
    return EventDispatcher(APP, ChangeNotifier())


@pytest.mark.parametrize("state", STATES)
def test_a_state_stands_for_the_event_of_entering_it(state: str) -> None:
    assert event_name(state) == event_name(f"worker_{state}") == f"worker_{state}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("worker_lots", "did you mean 'worker_lost'?"),
        ("onlin", "did you mean 'online'?"),
        ("finding_rised", "did you mean 'finding_raised'?"),
        ("zzz", "known are worker_online, worker_stalled"),
        ("gossip_start", "celery_gossip.signals.gossip_start is not sent by a listener"),
        ("emit", "known are"),
    ],
)
def test_an_unknown_name_is_an_error_that_names_the_nearest(dispatcher: EventDispatcher, name: str, hint: str) -> None:
    for use in (lambda: dispatcher.add_callback(name, print), lambda: dispatcher.open_stream([name], 10)):
        with pytest.raises(UnknownEvent) as raised:
            use()
        assert hint in str(raised.value) and repr(name) in str(raised.value)
        assert isinstance(raised.value, ValueError) and isinstance(raised.value, GossipError)


def test_a_callback_gets_the_subject_of_its_events_until_it_is_disconnected(dispatcher: EventDispatcher) -> None:
    got: list[Any] = []
    callback = dispatcher.add_callback("lost", got.append)
    dispatcher.emit("worker_lost", WORKER)
    dispatcher.emit("worker_online", WORKER)
    assert got == [WORKER]
    callback.disconnect()
    callback.disconnect()
    dispatcher.emit("worker_lost", WORKER)
    assert got == [WORKER]


def test_a_callback_may_be_a_context_manager(dispatcher: EventDispatcher) -> None:
    got: list[Any] = []
    with dispatcher.add_callback("finding_raised", got.append):
        dispatcher.emit("finding_raised", FINDING)
    dispatcher.emit("finding_raised", FINDING)
    assert got == [FINDING]


def test_a_callback_that_nothing_else_refers_to_is_kept(dispatcher: EventDispatcher) -> None:
    got: list[Any] = []

    def connect() -> None:
        class Collector:
            def take(self, reason: str) -> None:
                got.append(reason)

        dispatcher.add_callback("gossip_rejected", Collector().take)

    connect()
    gc.collect()
    dispatcher.emit("gossip_rejected", "malformed")
    assert got == ["malformed"]


@pytest.mark.parametrize("raised", [ValueError("a bug"), SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_raises_is_logged_and_the_others_are_called(
    dispatcher: EventDispatcher, raised: BaseException, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr(signals, "_log", type(signals._log)())
    got: list[Any] = []

    def fail(worker: Any) -> None:
        raise raised

    dispatcher.add_callback("worker_lost", fail)
    dispatcher.add_callback("worker_lost", got.append)
    thread = threading.Thread(target=dispatcher.emit, args=("worker_lost", WORKER))  # as on the listener's
    thread.start()
    thread.join()
    assert got == [WORKER]
    assert "a receiver of worker_lost raised" in caplog.text


def test_a_callback_may_disconnect_itself_and_connect_another(dispatcher: EventDispatcher) -> None:
    got: list[str] = []

    def once(worker: Any) -> None:
        got.append("once")
        callback.disconnect()
        dispatcher.add_callback("worker_lost", lambda worker: got.append("next"))

    callback = dispatcher.add_callback("worker_lost", once)
    for _ in range(2):
        dispatcher.emit("worker_lost", WORKER)
    assert got == ["once", "next"]


def test_the_signal_of_an_event_is_sent_too(dispatcher: EventDispatcher) -> None:
    got: list[tuple[Any, Any]] = []
    receiver = lambda sender, finding: got.append((sender, finding))  # noqa: E731 - a weak reference is held to it
    with signals.finding_cleared.connected_to(receiver, sender=APP):
        dispatcher.emit("finding_cleared", FINDING)
    assert got == [(APP, FINDING)]


def test_a_stream_without_names_is_of_states_and_findings() -> None:
    states = (*(f"worker_{state}" for state in STATES), *(f"beat_{state}" for state in BEAT_STATES))
    assert set(DEFAULT_EVENTS) == {*states, "finding_raised", "finding_cleared"}


def test_a_stream_gets_the_typed_events_of_its_names(dispatcher: EventDispatcher) -> None:
    chosen = dispatcher.open_stream(["lost", "gossip_received", "gossip_rejected"], 10)
    default = dispatcher.open_stream([], 10)
    gossip = a_gossip()
    dispatcher.emit("gossip_received", gossip)
    dispatcher.emit_transitions([Transition("lost", WORKER), Transition("online", WORKER)])
    dispatcher.emit("gossip_rejected", "malformed")
    dispatcher.emit("finding_raised", FINDING)
    assert list(chosen._buffer) == [
        GossipEvent(gossip),
        WorkerEvent("worker_lost", WORKER),
        RejectionEvent("malformed"),
    ]
    assert list(default._buffer) == [
        WorkerEvent("worker_lost", WORKER),
        WorkerEvent("worker_online", WORKER),
        FindingEvent("finding_raised", FINDING),
    ]


def test_a_stream_that_nothing_refers_to_any_more_costs_nothing(dispatcher: EventDispatcher) -> None:
    stream = dispatcher.open_stream([], 10)
    del stream
    gc.collect()
    dispatcher.emit("worker_lost", WORKER)
    other = dispatcher.open_stream([], 10)
    assert [one() for one in dispatcher._streams] == [other]


def test_an_event_wakes_who_waits_for_a_change() -> None:
    changes = ChangeNotifier()
    EventDispatcher(APP, changes).emit("worker_lost", WORKER)
    assert changes._changes == 1
