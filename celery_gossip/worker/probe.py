"""Probe: reads a consumer's queues and requests, and returns queue checks and totals.

Called by the reporter, on the worker's event loop or on the sender thread, never on both at the same time. It changes
nothing and waits for nothing. During a reconnect or a shutdown, parts of the worker are missing.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from celery_gossip.wire.messages import QueueCheck, TaskCount, WaitingState, WaitingTask, clamp_seconds, sanitize_name
from celery_gossip.worker import _compat as compat
from celery_gossip.worker.batches import Batches
from celery_gossip.worker.bindings import Bindings, QueueCounter
from celery_gossip.worker.queue_label import assign_labels, is_server_named
from celery_gossip.worker.task_details import TaskDetails
from celery_gossip.worker.totals import Attempts, Totals, WorkerStats
from celery_gossip.worker.waiting_list import list_waiting

__all__ = ["Probe", "Reading"]

_MAX_TAGS = 4096  #: consumer tags that are remembered; each reconnect adds new ones
_MAX_PAUSED = 1024  #: paused queues that are remembered; the least recently consumed are dropped first


@dataclass(frozen=True)
class Reading:
    """The state of a worker at one moment; every count is exact."""

    checks: tuple[QueueCheck, ...]
    active: int
    reserved: int
    scheduled: int
    limited: int  #: tasks that wait for their rate limit, which `celery inspect` does not show
    processed: int  #: tasks accepted since the process started
    unattributed: int  #: active tasks whose queue is unknown
    pool: str
    concurrency: int
    prefetch_count: int | None
    batched: int = 0  #: messages held by tasks with a custom strategy
    names: tuple[str, ...] = ()  #: that the details of tasks refer to
    reserved_tasks: tuple[TaskCount, ...] = ()
    scheduled_tasks: tuple[TaskCount, ...] = ()
    waiting: tuple[WaitingTask, ...] = ()  #: those that the reading before found waiting as well, as far as they fit
    failures: tuple[Exception, ...] = ()  #: errors of values that could not be read: checks are missing, totals are 0


@dataclass
class _KnownQueue:
    """A queue that this worker consumes or has consumed."""

    queue: Any
    uuid: str
    started_at: float
    is_paused: bool = False


@dataclass
class _RequestsByQueue:
    """Requests by their queue; the key None stands for an unknown queue."""

    reserved: Counter[str | None]
    scheduled: Counter[str | None]
    active: dict[str | None, list[Any]] = field(default_factory=dict)


class Probe:
    """Reads one `celery.worker.consumer.Consumer`. Remembers its queues, so that paused ones stay in the report.

    `wall` returns Unix seconds, `clock` monotonic ones.
    """

    def __init__(
        self,
        consumer: Any,
        active_limit: int,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._consumer = consumer
        self._active_limit = active_limit
        self._wall = wall
        self._clock = clock
        self._known: dict[str, _KnownQueue] = {}
        self._tags: dict[str, str] = {}
        self._labels: dict[str, str] = {}
        self._bindings = Bindings(())
        states: tuple[WaitingState, ...] = ("reserved", "scheduled", "limited")
        self._waiting = {state: QueueCounter(self.queue_of) for state in states}
        self._stats = WorkerStats(consumer)
        self._batches = Batches(consumer)
        self._select_active: Callable[[list[Any]], list[Any]] | None = None

    @property
    def is_shutting_down(self) -> bool:
        """True once the worker shuts down. During a reconnect no hook of the step is called for that."""
        return compat.is_shutting_down(self._consumer)

    @property
    def is_consuming(self) -> bool:
        """True if the worker is connected and consumes at least one queue, as far as it knows."""
        consumer = self._consumer.task_consumer
        if consumer is None or self._consumer.connection is None:
            return False
        return any(consumer.consuming_from(queue) for queue in compat.copied(consumer.queues))

    def read(self, shutdown_started_at: float | None = None) -> Reading:
        """Read the worker. While it drains, the queues are not read again: it cancelled them only to shut down.

        Raises what reading Celery's lists of requests raises: without them there is nothing to report.
        """
        attempts = Attempts()
        if shutdown_started_at is None:
            attempts.call(self._update_queues, None)
        active = sorted(compat.requests_in("active_requests"), key=compat.time_started)
        running = set(active)
        reserved = [request for request in compat.requests_in("reserved_requests") if request not in running]
        if self._select_active is not None:
            active = self._select_active(active)
        totals = self._stats.read(attempts, is_draining=shutdown_started_at is not None)
        details = TaskDetails(self._wall, self._clock)
        by_queue = self._group_by_queue(active, reserved, totals, details.now)
        checks = self._checks(by_queue, shutdown_started_at, attempts, details)
        listed = [*running, *reserved, *totals.scheduled, *totals.limited]
        return Reading(
            checks=checks,
            active=len(active),
            reserved=len(reserved),
            scheduled=len(totals.scheduled),
            limited=len(totals.limited),
            processed=totals.processed,
            unattributed=len(by_queue.active.get(None, ())),
            pool=totals.pool,
            concurrency=totals.concurrency,
            prefetch_count=totals.prefetch_count,
            batched=attempts.call(partial(self._batches.count, listed), 0),
            reserved_tasks=details.most_waiting(self._waiting["reserved"].by_task),
            scheduled_tasks=details.most_waiting(self._waiting["scheduled"].by_task),
            waiting=attempts.call(lambda: list_waiting(details, self._waiting, self._active_limit), ()),
            names=details.names,
            failures=tuple(attempts.failures),
        )

    def filter_active(self, select: Callable[[list[Any]], list[Any]]) -> None:
        """Report as active only the tasks that `select(active requests)` returns, from the next reading on."""
        self._select_active = select

    def on_consumer_start(self) -> None:
        """Note that the worker consumes its queues again, after a reconnect: each gets a new uuid."""
        for known in self._known.values():
            if not known.is_paused:
                self._renew(known)
        self._batches.on_consumer_start()

    def remember_tags(self) -> None:
        """Remember the queue of each consumer tag: Celery drops it when it cancels a queue or reconnects."""
        for queue, tag in compat.tags_by_queue(self._consumer.task_consumer):
            self._tags[tag] = queue
        while len(self._tags) > _MAX_TAGS:
            self._tags.pop(next(iter(self._tags)), None)

    def queue_of(self, request: Any) -> str | None:
        """Return the queue of this request by its reported name; None if it is not known. Any thread."""
        name = self._queue_name_of(request)
        if name is None:
            return None
        if name in self._known:
            return self._labels.get(name, name)
        try:
            return self._label_new_queue(name)
        except Exception:  # the worker is reconnecting
            return name

    def _queue_name_of(self, request: Any) -> str | None:
        try:
            delivery = request.message.delivery_info
            tag = delivery.get("consumer_tag")
            if tag is not None and tag not in self._tags:  # the first since a reconnect, before the first tick
                self.remember_tags()
            if tag in self._tags:
                return self._tags[tag]
            origin = delivery.get("exchange"), delivery.get("routing_key")
            return self._bindings.queue_of(*origin) or self._updated_bindings().queue_of(*origin)
        except Exception:  # a request of the user's own class: counted as unattributed
            return None

    def _label_new_queue(self, name: str) -> str:
        """Return the label of a queue that the worker has begun to consume since the last report."""
        consumed = [
            queue for queue in compat.copied(self._consumer.task_consumer.queues) if queue.name not in self._known
        ]
        known = [known.queue for known in compat.copied(self._known.values())]
        return assign_labels(self._labels, [*known, *consumed]).get(name, name)

    def _updated_bindings(self) -> Bindings:
        """Return the bindings, with the queues that were added since the last report."""
        consumed = {queue.name: queue for queue in compat.queues_to_consume(self._consumer)}
        if not consumed.keys() <= self._bindings.names:
            known = {name: known.queue for name, known in compat.copied(self._known.items())}
            self._bindings = Bindings({**known, **consumed}.values())
        return self._bindings

    def _update_queues(self) -> None:
        if self._consumer.task_consumer is None or self._consumer.connection is None:
            return
        self.remember_tags()
        consumed = {queue.name: queue for queue in compat.copied(self._consumer.task_consumer.queues)}
        is_new = [self._add_consumed(name, queue) for name, queue in consumed.items()]
        for name, known in self._known.items():
            known.is_paused = name not in consumed
        if any(is_new):
            self._drop_earliest_paused()
            self._labels = assign_labels(self._labels, [known.queue for known in self._known.values()])
            self._bindings = Bindings(known.queue for known in self._known.values())
            for counter in self._waiting.values():
                counter.reset()

    def _add_consumed(self, name: str, queue: Any) -> bool:
        """Return True if the queue is new, or was paused until now."""
        known = self._known.get(name)
        if known is not None and not known.is_paused:
            return False
        self._known.pop(name, None)  # to the end: the order is that of consumption
        self._known[name] = self._renew(_KnownQueue(queue=queue, uuid="", started_at=0.0))
        return True

    def _renew(self, known: _KnownQueue) -> _KnownQueue:
        known.uuid = str(uuid4())
        known.started_at = clamp_seconds(self._wall())
        return known

    def _drop_earliest_paused(self) -> None:
        paused = [name for name, known in self._known.items() if known.is_paused]
        gone = [name for name in paused if is_server_named(name)]  # declared again under another name
        for name in {*gone, *paused[: max(0, len(paused) - _MAX_PAUSED)]}:
            del self._known[name]

    def _group_by_queue(self, active: list[Any], reserved: list[Any], totals: Totals, now: float) -> _RequestsByQueue:
        waiting = self._waiting
        by_queue = _RequestsByQueue(
            waiting["reserved"].count(reserved, now), waiting["scheduled"].count(totals.scheduled, now)
        )
        waiting["limited"].count(totals.limited, now)
        for request in active:
            by_queue.active.setdefault(self.queue_of(request), []).append(request)
        return by_queue

    def _checks(
        self,
        by_queue: _RequestsByQueue,
        shutdown_started_at: float | None,
        attempts: Attempts,
        details: TaskDetails,
    ) -> tuple[QueueCheck, ...]:
        known = list(self._known.items())
        checks = [
            attempts.call(partial(self._check, *one, by_queue, shutdown_started_at, details), None) for one in known
        ]
        return tuple(check for check in checks if check is not None)

    def _check(
        self,
        name: str,
        known: _KnownQueue,
        by_queue: _RequestsByQueue,
        shutdown_started_at: float | None,
        details: TaskDetails,
    ) -> QueueCheck:
        label = self._labels.get(name, name)
        active = by_queue.active.get(label, ())
        listed = active[: self._active_limit]
        return QueueCheck(
            queue=sanitize_name(label),
            uuid=known.uuid,
            paused=known.is_paused,
            active=tuple([sanitize_name(request.id) for request in listed]) if listed else (),
            active_count=len(active),
            reserved=by_queue.reserved[label],
            scheduled=by_queue.scheduled[label],
            started_at=known.started_at,
            updated_at=clamp_seconds(self._wall()),
            shutdown_started_at=shutdown_started_at,
            broadcast=name in self._labels,
            tasks=tuple([details.running(request) for request in listed]) if listed else (),
        )
