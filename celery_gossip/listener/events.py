"""Events of a listener: their names, their typed values, and the EventDispatcher that sends them.

Events are sent on the listener's thread. Callbacks and streams may be added and removed on any thread.
"""

import difflib
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import ref

from blinker import NamedSignal

from celery_gossip import signals
from celery_gossip.cluster.beat_view import BEAT_STATES, BeatView
from celery_gossip.cluster.cluster import BeatTransition, Transition
from celery_gossip.cluster.view import STATES, WorkerState, WorkerView
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.errors import UnknownEvent
from celery_gossip.listener.event_stream import EventStream
from celery_gossip.listener.waiting import ChangeNotifier
from celery_gossip.wire.messages import Gossip

__all__ = [
    "BeatEvent",
    "BeatEventName",
    "DroppedEvents",
    "Event",
    "EventCallback",
    "EventDispatcher",
    "EventName",
    "FindingEvent",
    "FindingEventName",
    "GossipEvent",
    "GossipEventName",
    "RejectionEvent",
    "RejectionEventName",
    "WorkerEvent",
    "WorkerEventName",
    "event_name",
]

WorkerEventName = Literal[
    "worker_online",
    "worker_stalled",
    "worker_draining",
    "worker_suspect",
    "worker_conflict",
    "worker_offline",
    "worker_lost",
]
BeatEventName = Literal["beat_online", "beat_stalled", "beat_suspect", "beat_conflict", "beat_offline", "beat_lost"]
FindingEventName = Literal["finding_raised", "finding_cleared"]
GossipEventName = Literal["gossip_received"]
RejectionEventName = Literal["gossip_rejected"]
#: Names that Listener.events() takes. A worker state stands for the event of entering it.
EventName = Literal[WorkerEventName, WorkerState, BeatEventName, FindingEventName, GossipEventName, RejectionEventName]


@dataclass(frozen=True)
class WorkerEvent:
    """A worker entered a state."""

    name: WorkerEventName
    worker: WorkerView


@dataclass(frozen=True)
class BeatEvent:
    """A beat process entered a state."""

    name: BeatEventName
    beat: BeatView


@dataclass(frozen=True)
class FindingEvent:
    """A finding was raised or cleared."""

    name: FindingEventName
    finding: Finding


@dataclass(frozen=True)
class GossipEvent:
    """A gossip was received and applied to the view."""

    gossip: Gossip
    name: Literal["gossip_received"] = "gossip_received"


@dataclass(frozen=True)
class RejectionEvent:
    """A message was rejected."""

    reason: str  #: one of celery_gossip.wire.messages.REASONS
    name: Literal["gossip_rejected"] = "gossip_rejected"


@dataclass(frozen=True)
class DroppedEvents:
    """The consumer of a stream was too slow: events before the next one were dropped."""

    count: int
    name: Literal["events_dropped"] = "events_dropped"


Event = WorkerEvent | BeatEvent | FindingEvent | GossipEvent | RejectionEvent | DroppedEvents

_WORKER_EVENTS = tuple(f"worker_{state}" for state in STATES)
_BEAT_EVENTS = tuple(f"beat_{state}" for state in BEAT_STATES)
_FINDING_EVENTS = ("finding_raised", "finding_cleared")
#: Events of a stream that names none. Without gossip_received: a message per worker and interval.
DEFAULT_EVENTS = (*_WORKER_EVENTS, *_BEAT_EVENTS, *_FINDING_EVENTS)
_NAMES = (*DEFAULT_EVENTS, "gossip_received", "gossip_rejected")
#: Event name → signal, and the keyword under which its receivers get the subject.
_SIGNALS = {
    **{name: (getattr(signals, name), "worker") for name in _WORKER_EVENTS},
    **{name: (getattr(signals, name), "beat") for name in _BEAT_EVENTS},
    **{name: (getattr(signals, name), "finding") for name in _FINDING_EVENTS},
    "gossip_received": (signals.gossip_received, "gossip"),
    "gossip_rejected": (signals.gossip_rejected, "reason"),
}
_ELSEWHERE = "celery_gossip.signals.{name} is not sent by a listener; connect a receiver to that signal"


def event_name(name: str) -> str:
    """Return the full name of an event or a worker state: `lost` is `worker_lost`. Raises UnknownEvent."""
    if name in _NAMES:
        return name
    if name in STATES:
        return f"worker_{name}"
    if isinstance(getattr(signals, name, None), NamedSignal):
        raise UnknownEvent(f"unknown event {name!r} of a listener: {_ELSEWHERE.format(name=name)}")
    near = difflib.get_close_matches(str(name), (*_NAMES, *STATES), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_NAMES)}"
    raise UnknownEvent(f"unknown event {name!r} of a listener: {hint}")


class EventCallback:
    """A function that is called for each event of one name, until disconnect(). A context manager that disconnects."""

    def __init__(self, dispatcher: "EventDispatcher", name: str, function: Callable[[Any], object]) -> None:
        self.name = name
        self.function = function
        self._dispatcher = dispatcher

    def __enter__(self) -> "EventCallback":
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        """Stop calling the function. May be repeated, and may be called from within the function."""
        self._dispatcher.remove_callback(self)


class EventDispatcher:
    """Sends each event to its blinker signal, to the callbacks for its name, and to the streams that include it."""

    def __init__(self, app: Any, changes: ChangeNotifier) -> None:
        """`changes` is notified after each event."""
        self._app = app
        self._changes = changes
        self._lock = threading.Lock()
        # Both are replaced as a whole under the lock, so that they can be read without it.
        self._callbacks: dict[str, tuple[EventCallback, ...]] = {}
        self._streams: tuple[ref[EventStream[Event]], ...] = ()

    def emit(self, name: str, subject: Any) -> None:
        """Send an event with a worker, beat, finding, gossip or reason. An exception of a receiver is logged."""
        signal, keyword = _SIGNALS[name]
        signals.emit(signal, self._app, **{keyword: subject})
        for callback in self._callbacks.get(name, ()):
            signals.call_receiver(name, callback.function, subject)
        if self._streams:
            event = _event(name, subject)
            for stream in self._live_streams():
                stream.put(name, event)
        self._changes.notify()

    def emit_transitions(self, transitions: Sequence[Transition | BeatTransition]) -> None:
        """Send an event for each worker or beat process that entered a state."""
        for transition in transitions:
            if isinstance(transition, BeatTransition):
                self.emit(f"beat_{transition.state}", transition.beat)
            else:
                self.emit(f"worker_{transition.state}", transition.worker)

    def add_callback(self, name: str, function: Callable[[Any], object]) -> EventCallback:
        """Call this function for each event of this name; hold a strong reference to it. Raises UnknownEvent."""
        callback = EventCallback(self, event_name(name), function)
        with self._lock:
            present = self._callbacks.get(callback.name, ())
            self._callbacks = {**self._callbacks, callback.name: (*present, callback)}
        return callback

    def remove_callback(self, callback: EventCallback) -> None:
        """Stop calling this function."""
        with self._lock:
            left = tuple(one for one in self._callbacks.get(callback.name, ()) if one is not callback)
            self._callbacks = {**self._callbacks, callback.name: left}

    def open_stream(self, names: Iterable[str], max_buffered: int) -> "EventStream[Event]":
        """Return a stream of the events of these names. It is removed when it is garbage collected or closed."""
        chosen = frozenset(map(event_name, names)) or frozenset(DEFAULT_EVENTS)
        stream: EventStream[Event] = EventStream(chosen, max_buffered, DroppedEvents)
        with self._lock:
            self._streams = (*(one for one in self._streams if _is_open(one())), ref(stream))
        return stream

    def end_streams(self, error: BaseException | None = None) -> None:
        """End all streams, after the events that they have buffered; with `error`, raise it to their consumers."""
        with self._lock:
            streams, self._streams = self._streams, ()
        for one in streams:
            stream = one()
            if stream is not None:
                stream.end(error)

    def reset_in_child(self) -> None:
        """Forget the streams in a forked child, which does not run their event loop, and replace the lock."""
        self._lock = threading.Lock()
        self._streams = ()

    def _live_streams(self) -> "list[EventStream[Event]]":
        return [stream for stream in (one() for one in self._streams) if stream is not None]


def _is_open(stream: "EventStream[Event] | None") -> bool:
    return stream is not None and not stream.is_ended


def _event(name: Any, subject: Any) -> Event:
    if name in _WORKER_EVENTS:
        return WorkerEvent(name, subject)
    if name in _BEAT_EVENTS:
        return BeatEvent(name, subject)
    if name in _FINDING_EVENTS:
        return FindingEvent(name, subject)
    return GossipEvent(subject) if name == "gossip_received" else RejectionEvent(subject)
