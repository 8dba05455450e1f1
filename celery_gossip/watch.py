"""The lines of `celery gossip watch`: what a listener is told, as it comes. Called by the command, on its thread."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from celery_gossip import signals
from celery_gossip.diagnosis import Finding
from celery_gossip.listener import Listener
from celery_gossip.messages import Gossip, as_dict, encode
from celery_gossip.report import (
    finding_json,
    finding_line,
    gossip_line,
    throughput_json,
    throughput_line,
    worker_json,
    worker_line,
)
from celery_gossip.throughput import Throughput
from celery_gossip.view import WorkerView

__all__ = ["watch_lines"]

#: What no gossip tells, beside the gossips themselves.
_EVENTS = ("worker_suspect", "worker_lost", "worker_conflict", "finding_raised", "finding_cleared")
_PACE_EVERY = 10.0  #: seconds between two lines on how the tasks of a queue fare
_PACE_WINDOW = 60.0  #: seconds over which they are told


@dataclass(frozen=True)
class _Told:
    gossip: Gossip
    is_verified: bool | None  #: as in WorkerView, when it was heard


def watch_lines(listener: Listener, *, as_json: bool) -> Iterator[str]:
    """A line per gossip, per worker that falls silent or into conflict, per finding raised or cleared; for ever.

    And every ten seconds one per queue whose tasks were counted in the last minute.

    Starts the listener, and closes it when the iterator is closed.
    """
    heard: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    line_of = _json_line if as_json else _text_line
    is_verified = listener.cluster.is_verified
    with ExitStack() as stack:
        for name in ("gossip_received", *_EVENTS):
            receiver = _taker(heard, name, is_verified)
            stack.enter_context(getattr(signals, name).connected_to(receiver, sender=listener.app))
        stack.enter_context(listener)
        yield from _lines(listener, heard, line_of)


def _lines(
    listener: Listener, heard: "SimpleQueue[tuple[str, Any]]", line_of: Callable[[str, Any], str]
) -> Iterator[str]:
    due_at = time.monotonic() + _PACE_EVERY
    while True:
        with suppress(Empty):
            yield line_of(*heard.get(timeout=max(0.0, due_at - time.monotonic())))
        if time.monotonic() >= due_at:
            due_at = time.monotonic() + _PACE_EVERY
            for pace in sorted(listener.throughput(window=_PACE_WINDOW).items()):
                yield line_of("throughput", pace)


def _taker(
    heard: "SimpleQueue[tuple[str, Any]]", name: str, is_verified: Callable[[str], bool | None]
) -> Callable[..., None]:
    def take(sender: Any, **data: Any) -> None:
        (subject,) = data.values()
        heard.put((name, _Told(subject, is_verified(subject.hostname)) if isinstance(subject, Gossip) else subject))

    return take


def _text_line(name: str, subject: Any) -> str:
    at = time.time()
    if isinstance(subject, _Told):
        return gossip_line(subject.gossip, at, subject.is_verified)
    if isinstance(subject, WorkerView):
        return worker_line(subject, at)
    if isinstance(subject, tuple):
        queue, throughput = subject
        return throughput_line(queue, throughput, at)
    verb = "raised" if name == "finding_raised" else "cleared"
    clock = time.strftime("%H:%M:%S", time.localtime(at))
    return f"{clock}  {verb}  {finding_line(subject, time.monotonic())}"


def _json_line(name: str, subject: _Told | WorkerView | Finding | tuple[str, Throughput]) -> str:
    """A gossip as on the wire; else `{"event": …}` with "worker", "finding", or "queue" and "throughput".

    With "is_verified" where the listener has a secret to tell by.
    """
    if isinstance(subject, _Told):
        if subject.is_verified is None:
            return encode(subject.gossip).decode()
        return json.dumps({**as_dict(subject.gossip), "is_verified": subject.is_verified})
    if isinstance(subject, WorkerView):
        return json.dumps({"event": name, "worker": worker_json(subject)})
    if isinstance(subject, tuple):
        return json.dumps({"event": name, "queue": subject[0], "throughput": throughput_json(subject[1])})
    return json.dumps({"event": name, "finding": finding_json(subject, time.monotonic())})
