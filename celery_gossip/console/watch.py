"""The lines of `celery gossip watch`: reports and events as they arrive. Called by the command, on its thread."""

import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from celery_gossip import signals
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import WorkerView
from celery_gossip.console.json_object import finding_json, throughput_json, worker_json
from celery_gossip.console.line import clock, finding_line, gossip_line, throughput_line, worker_line
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.errors import NotRunning
from celery_gossip.listener.listener import Listener
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Gossip, as_dict

__all__ = ["watch_lines"]

#: Events beside the reports themselves.
_EVENTS = ("worker_suspect", "worker_lost", "worker_conflict", "finding_raised", "finding_cleared")
_THROUGHPUT_EVERY = 10.0  #: seconds between two lines on the throughput of a queue
_THROUGHPUT_WINDOW = 60.0  #: seconds over which it is measured


@dataclass(frozen=True)
class _Received:
    gossip: Gossip
    is_verified: bool | None  #: as in WorkerView, when it arrived


def watch_lines(listener: Listener, *, as_json: bool) -> Generator[str, None, None]:
    """Yield a line per report, per worker that is suspect, lost or in conflict, per finding raised or cleared.

    Every ten seconds also one per queue whose tasks were counted in the last minute. Starts the listener, and closes it
    when the iterator is closed. Raises NotRunning, with the reason, when the listener has failed.
    """
    events: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    line_of = _json_line if as_json else _text_line
    is_verified = listener.cluster.is_verified
    with ExitStack() as stack:
        for name in ("gossip_received", *_EVENTS):
            receiver = _receiver(events, name, is_verified)
            stack.enter_context(getattr(signals, name).connected_to(receiver, sender=listener.app))
        stack.enter_context(listener)
        yield from _lines(listener, events, line_of)


def _lines(
    listener: Listener, events: "SimpleQueue[tuple[str, Any]]", line_of: Callable[[str, Any], str]
) -> Iterator[str]:
    due_at = time.monotonic() + _THROUGHPUT_EVERY
    while True:
        with suppress(Empty):
            yield line_of(*events.get(timeout=max(0.0, due_at - time.monotonic())))
        if listener.failure:
            raise NotRunning(f"this listener has failed: {listener.failure}")
        if time.monotonic() >= due_at:
            due_at = time.monotonic() + _THROUGHPUT_EVERY
            for item in sorted(listener.throughput(window=_THROUGHPUT_WINDOW).items()):
                yield line_of("throughput", item)


def _receiver(
    events: "SimpleQueue[tuple[str, Any]]", name: str, is_verified: Callable[[str], bool | None]
) -> Callable[..., None]:
    """Return a receiver that puts `(name, subject)` of each signal into the queue."""

    def receive(sender: Any, **data: Any) -> None:
        (subject,) = data.values()
        if isinstance(subject, Gossip):
            subject = _Received(subject, is_verified(subject.hostname))
        events.put((name, subject))

    return receive


def _text_line(name: str, subject: Any) -> str:
    at = time.time()
    if isinstance(subject, _Received):
        return gossip_line(subject.gossip, at, subject.is_verified)
    if isinstance(subject, WorkerView):
        return worker_line(subject, at)
    if isinstance(subject, tuple):
        queue, throughput = subject
        return throughput_line(queue, throughput, at)
    verb = "raised" if name == "finding_raised" else "cleared"
    return f"{clock(at)}  {verb}  {finding_line(subject, time.monotonic())}"


def _json_line(name: str, subject: _Received | WorkerView | Finding | tuple[str, Throughput]) -> str:
    """Return a report as sent, with "is_verified" where the listener has a secret; or an object for an event.

    That is `{"event": …}` with "worker", "finding", or "queue" and "throughput".
    """
    if isinstance(subject, _Received):
        if subject.is_verified is None:
            return encode(subject.gossip).decode()
        return json.dumps({**as_dict(subject.gossip), "is_verified": subject.is_verified})
    if isinstance(subject, WorkerView):
        return json.dumps({"event": name, "worker": worker_json(subject)})
    if isinstance(subject, tuple):
        return json.dumps({"event": name, "queue": subject[0], "throughput": throughput_json(subject[1])})
    return json.dumps({"event": name, "finding": finding_json(subject, time.monotonic())})
