"""The only reader of Celery's worker internals: a consumer's queues and requests, as queue checks.

Called by the reporter, on the worker's event loop or on the sender's thread, never on both at once. It changes nothing,
waits for nothing, and takes the worker as it is: during a reconnect or a shutdown half of it is missing.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from celery.bootsteps import CLOSE, TERMINATE
from celery.concurrency import ALIASES
from celery.worker import state as worker_state
from celery.worker.request import Request

from celery_gossip.bindings import Bindings, Origins
from celery_gossip.messages import QueueCheck, plain

__all__ = ["Probe", "Reading"]

_MOST_TAGS = 4096  #: consumer tags remembered; each reconnect brings new ones
_MOST_PAUSED = 1024  #: paused queues remembered, those consumed earliest dropped first
_COPY_TRIES = 10

_POOL_NAMES = {path: alias for alias, path in reversed(ALIASES.items())}


@dataclass(frozen=True)
class Reading:
    """What one pass over a worker found; every count is exact."""

    checks: tuple[QueueCheck, ...]
    active: int
    reserved: int
    scheduled: int
    limited: int  #: tasks that wait for their rate limit; inspect does not show them
    processed: int  #: tasks accepted since the process started
    unattributed: int  #: active tasks whose queue could not be told
    pool: str
    concurrency: int
    prefetch_count: int | None
    failures: tuple[Exception, ...] = ()  #: of the checks that were dropped


@dataclass
class _Known:
    """A queue that this worker consumes or has consumed."""

    queue: Any
    uuid: str
    started_at: float
    is_paused: bool = False


@dataclass
class _Tally:
    """Requests by the queue that they came from; the key None is for those that could not be told."""

    reserved: Counter[str | None]
    scheduled: Counter[str | None]
    active: dict[str | None, list[str]] = field(default_factory=dict)


class Probe:
    """Takes readings of one `celery.worker.consumer.Consumer`. Remembers its queues, so that paused ones stay listed.

    `wall` gives Unix seconds.
    """

    def __init__(self, consumer: Any, active_limit: int, wall: Callable[[], float] = time.time) -> None:
        self._consumer = consumer
        self._active_limit = active_limit
        self._wall = wall
        self._known: dict[str, _Known] = {}
        self._tags: dict[str, str] = {}
        self._bindings = Bindings(())
        self._reserved, self._scheduled = Origins(self.queue_of), Origins(self.queue_of)
        self._concurrency = 0

    @property
    def is_leaving(self) -> bool:
        """Whether the worker shuts down; the step is not told when that happens during a reconnect."""
        blueprint = getattr(getattr(self._consumer, "controller", None), "blueprint", None)
        return getattr(blueprint, "state", None) in (CLOSE, TERMINATE) or _is_told_to_stop()

    @property
    def is_consuming(self) -> bool:
        """Whether the worker believes itself connected and consuming one queue at least."""
        consumer = self._consumer.task_consumer
        if consumer is None or self._consumer.connection is None:
            return False
        return any(consumer.consuming_from(queue) for queue in _copied(consumer.queues))

    def read(self, shutdown_started_at: float | None = None) -> Reading:
        """One pass. While draining the queues stay as they were: the worker has cancelled them only to leave."""
        if shutdown_started_at is None:
            self._follow_queues()
        active = sorted(_copied(worker_state.active_requests), key=_time_start)
        running = set(active)
        reserved = [request for request in _copied(worker_state.reserved_requests) if request not in running]
        scheduled = list(_waiting_for_eta(self._consumer.timer))
        tally = self._tally(active, reserved, scheduled)
        checks, failures = self._checks(tally, shutdown_started_at)
        return Reading(
            checks=checks,
            active=len(active),
            reserved=len(reserved),
            scheduled=len(scheduled),
            limited=_waiting_for_rate_limit(self._consumer),
            processed=worker_state.all_total_count[0],
            unattributed=len(tally.active.get(None, ())),
            pool=plain(_pool_name(self._consumer.pool)),
            concurrency=self._read_concurrency(),
            prefetch_count=_prefetch_count(self._consumer),
            failures=failures,
        )

    def restart(self) -> None:
        """The worker consumes its queues anew, after a reconnect: each is a new consumer with a uuid of its own."""
        for known in self._known.values():
            if not known.is_paused:
                self._consume(known)

    def remember_tags(self) -> None:
        """Keep which consumer tag stands for which queue: Celery forgets it when it cancels a queue or reconnects."""
        tags = getattr(self._consumer.task_consumer, "_active_tags", None) or {}
        for queue, tag in _copied_items(tags):
            self._tags[tag] = queue
        while len(self._tags) > _MOST_TAGS:
            self._tags.pop(next(iter(self._tags)), None)

    def queue_of(self, request: Any) -> str | None:
        """The name of the queue that this request came from; None where it cannot be told. Any thread."""
        try:
            delivery = request.message.delivery_info
            tag = delivery.get("consumer_tag")
            if tag is not None and tag not in self._tags:  # the first since a reconnect, before the first tick
                self.remember_tags()
            if tag in self._tags:
                return self._tags[tag]
            where = delivery.get("exchange"), delivery.get("routing_key")
            return self._bindings.queue_of(*where) or self._newly_bound().queue_of(*where)
        except Exception:  # a request of the user's own class: counted as unattributed
            return None

    def _newly_bound(self) -> Bindings:
        """With the queues that the worker consumes since the last round."""
        consumed = {queue.name: queue for queue in _copied(self._consumer.task_consumer.queues)}
        if not consumed.keys() <= self._bindings.names:
            known = {name: known.queue for name, known in _copied(self._known.items())}
            self._bindings = Bindings({**known, **consumed}.values())
        return self._bindings

    def _follow_queues(self) -> None:
        if self._consumer.task_consumer is None or self._consumer.connection is None:
            return
        self.remember_tags()
        consumed = {queue.name: queue for queue in _copied(self._consumer.task_consumer.queues)}
        is_new = [self._start_or_keep(name, queue) for name, queue in consumed.items()]
        for name, known in self._known.items():
            known.is_paused = name not in consumed
        if any(is_new):
            self._forget_earliest_paused()
            self._bindings = Bindings(known.queue for known in self._known.values())
            self._reserved.forget()
            self._scheduled.forget()

    def _start_or_keep(self, name: str, queue: Any) -> bool:
        known = self._known.get(name)
        if known is not None and not known.is_paused:
            return False
        self._known.pop(name, None)  # consumed again: to the end of the line
        self._known[name] = self._consume(_Known(queue=queue, uuid="", started_at=0.0))
        return True

    def _consume(self, known: _Known) -> _Known:
        known.uuid = str(uuid4())
        known.started_at = self._wall()
        return known

    def _forget_earliest_paused(self) -> None:
        paused = [name for name, known in self._known.items() if known.is_paused]
        for name in paused[: max(0, len(paused) - _MOST_PAUSED)]:
            del self._known[name]

    def _tally(self, active: list[Any], reserved: list[Any], scheduled: list[Any]) -> _Tally:
        tally = _Tally(self._reserved.count(reserved), self._scheduled.count(scheduled))
        for request in active:
            tally.active.setdefault(self.queue_of(request), []).append(request.id)
        return tally

    def _checks(
        self, tally: _Tally, shutdown_started_at: float | None
    ) -> tuple[tuple[QueueCheck, ...], tuple[Exception, ...]]:
        checks, failures = [], []
        for name, known in list(self._known.items()):
            try:
                checks.append(self._check(name, known, tally, shutdown_started_at))
            except Exception as exc:
                failures.append(exc)
        return tuple(checks), tuple(failures)

    def _check(self, name: str, known: _Known, tally: _Tally, shutdown_started_at: float | None) -> QueueCheck:
        active = tally.active.get(name, [])
        return QueueCheck(
            queue=plain(name),
            uuid=known.uuid,
            paused=known.is_paused,
            active=tuple(plain(task_id) for task_id in active[: self._active_limit]),
            active_count=len(active),
            reserved=tally.reserved[name],
            scheduled=tally.scheduled[name],
            started_at=known.started_at,
            updated_at=self._wall(),
            shutdown_started_at=shutdown_started_at,
        )

    def _read_concurrency(self) -> int:
        with suppress(AttributeError, TypeError):  # a pool that has been stopped: what it was
            self._concurrency = int(self._consumer.pool.num_processes)
        return self._concurrency


def _is_told_to_stop() -> bool:
    """Whether a signal has asked the worker to shut down, begun or not. An exit code of 0 is a yes."""
    flags = (worker_state.should_stop, worker_state.should_terminate)
    return any(flag is not None and flag is not False for flag in flags)


def _copied(collection: Iterable[Any]) -> list[Any]:
    """A copy of a collection that other threads change, Celery's WeakSets above all; RuntimeError after many tries."""
    for _ in range(_COPY_TRIES - 1):
        try:
            return list(collection)
        except RuntimeError:  # changed size during iteration
            continue
    return list(collection)


def _copied_items(mapping: dict[str, str]) -> list[Any]:
    return _copied(mapping.items())


def _time_start(request: Any) -> float:
    return request.time_start or float("inf")


def _waiting_for_eta(timer: Any) -> Iterator[Any]:
    """Requests on the worker's timer, as `celery inspect scheduled` finds them, without those that were cancelled.

    Read from the timer on every version: Celery 5.7's `scheduled_requests` also holds rate-limited tasks whose ETA has
    passed, which inspect does not show. `timer.queue` would sort a copy of it; its raw list is enough to count.
    """
    for waiting in _copied(timer.schedule._queue):
        entry = waiting.entry
        if entry.args and not entry.canceled and isinstance(entry.args[0], Request):
            yield entry.args[0]


def _waiting_for_rate_limit(consumer: Any) -> int:
    buckets = getattr(consumer, "task_buckets", None) or {}
    return sum(len(bucket.contents) for bucket in _copied(buckets.values()) if bucket is not None)


def _pool_name(pool: Any) -> str:
    path = f"{type(pool).__module__}:{type(pool).__qualname__}"
    return str(_POOL_NAMES.get(path, path))


def _prefetch_count(consumer: Any) -> int | None:
    value = getattr(consumer.qos, "value", None)
    return max(value, 0) if isinstance(value, int) else None
