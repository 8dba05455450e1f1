"""HeldMessages: messages that the worker holds for so long that the broker may deliver them again.

Read on the sender thread, once a minute or more often, and only of a broker with a visibility timeout. Such a broker
delivers a message again if it is not acknowledged in time: while it waits for its ETA or for a slot, or while its task
runs, if that has `acks_late`.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from celery_gossip.wire.limits import clamp_seconds, sanitize_name
from celery_gossip.wire.software import MAX_HELD, HeldMessage, HeldState
from celery_gossip.worker import _compat as compat
from celery_gossip.worker.task_outcome import received_at

__all__ = ["HeldMessages"]

_REPORTED_FROM = 0.5  #: share of the visibility timeout from which a message is reported
_READINGS = 60  #: per visibility timeout
_MIN_INTERVAL, _MAX_INTERVAL = 1.0, 60.0  #: seconds between two readings: 10,000 requests take 10 ms

_Held = tuple[float, Any, HeldState, float, float]  # seconds in all, request, state, age, remaining


class HeldMessages:
    """Finds the messages of one consumer that are held for longest. `wall` returns Unix seconds."""

    def __init__(
        self,
        consumer: Any,
        queue_of: Callable[[Any], str | None],
        timeout: float | None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._consumer = consumer
        self._queue_of = queue_of
        self._timeout = timeout
        self._clock = clock
        self._wall = wall
        self._due_at = 0.0
        self._latest: tuple[HeldMessage, ...] = ()

    @property
    def is_enabled(self) -> bool:
        """True if the broker has a visibility timeout that is known."""
        return bool(self._timeout)

    def read(self) -> tuple[HeldMessage, ...]:
        """Return up to MAX_HELD messages, those held for longest first. Raises what reading Celery's lists raises."""
        if not self._timeout or self._clock() < self._due_at:
            return self._latest
        now = self._clock()
        self._due_at = now + min(max(self._timeout / _READINGS, _MIN_INTERVAL), _MAX_INTERVAL)
        self._latest = ()  # if reading fails
        held = (one for one in self._held(now) if one[0] >= _REPORTED_FROM * self._timeout)
        longest = heapq.nlargest(MAX_HELD, held, key=lambda one: one[0])
        self._latest = tuple(self._describe(*one[1:]) for one in longest)
        return self._latest

    def _held(self, now: float) -> Iterator[_Held]:
        """Yield each message that is not acknowledged."""
        running = {id(request): request for request in compat.requests_in("active_requests")}
        reserved = [one for one in compat.requests_in("reserved_requests") if id(one) not in running]
        unacknowledged = [one for one in running.values() if not compat.is_acknowledged(one)]
        yield from _with_ages(unacknowledged, "running", now)
        yield from _with_ages(reserved, "reserved", now)
        wall_now = self._wall()
        for request in compat.timer_contents(self._consumer.timer).requests:
            age, remaining = _age(request, now), max(0.0, compat.eta(request, wall_now) - wall_now)
            yield age + remaining, request, "scheduled", age, remaining

    def _describe(self, request: Any, state: HeldState, age: float, remaining: float) -> HeldMessage:
        return HeldMessage(
            queue=sanitize_name(self._queue_of(request) or ""),
            task=sanitize_name(compat.task_name(request)),
            id=sanitize_name(request.id),
            state=state,
            age=round(clamp_seconds(age), 1),
            remaining=round(clamp_seconds(remaining), 1),
        )


def _with_ages(requests: Iterable[Any], state: HeldState, now: float) -> Iterator[_Held]:
    for request in requests:
        age = _age(request, now)
        yield age, request, state, age, 0.0


def _age(request: Any, now: float) -> float:
    """Return the seconds since the request was received; 0.0 if that is not known."""
    received = received_at(request)
    return 0.0 if received is None else max(0.0, now - received)
