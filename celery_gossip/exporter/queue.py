"""Metric families of queues. Pure.

A queue whose workers are all offline or lost is exported with zeros for as long as these workers are in the view: an
alert on queues without a consumer needs a series with the value 0.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric

from celery_gossip.cluster.view import QueueView, View
from celery_gossip.exporter.family import Family
from celery_gossip.wire.messages import sanitize_name

__all__ = ["FAMILIES", "queue_families"]

_QUEUE = ("queue_name",)


@dataclass
class _Consumers:
    """Consumers of one queue. Those of workers that are offline, lost or draining are not counted."""

    workers: int = 0
    consumers: int = 0
    slots: int = 0
    paused: int = 0  #: not in any of the other counts


_CONSUMER_METRICS: tuple[tuple[Family, Callable[[_Consumers], float]], ...] = (
    (
        Family("celery_active_worker_count", "Workers that take messages from a queue.", _QUEUE),
        lambda consumers: consumers.workers,
    ),
    (
        Family("celery_active_process_count", "Slots of these workers: processes, threads or greenlets.", _QUEUE),
        lambda consumers: consumers.slots,
    ),
    (
        Family("celery_active_consumer_count", "Consumers of a queue in workers that report.", _QUEUE),
        lambda consumers: consumers.consumers,
    ),
    (
        Family("celery_gossip_queue_paused_consumers", "Consumers that cancel_consumer has paused.", _QUEUE),
        lambda consumers: consumers.paused,
    ),
)
_QUEUE_METRICS: tuple[tuple[Family, Callable[[QueueView], float]], ...] = (
    (Family("celery_gossip_queue_tasks_active", "Tasks of a queue that run.", _QUEUE), lambda queue: queue.active),
    (
        Family("celery_gossip_queue_tasks_reserved", "Tasks of a queue that wait for a slot in a worker.", _QUEUE),
        lambda queue: queue.reserved,
    ),
    (
        Family("celery_gossip_queue_tasks_scheduled", "Tasks of a queue that workers hold until their ETA.", _QUEUE),
        lambda queue: queue.scheduled,
    ),
    (
        Family("celery_gossip_queue_slots", "Slots of the workers that serve a queue; shared by queues.", _QUEUE),
        lambda queue: queue.slots,
    ),
    (
        Family("celery_gossip_queue_free_slots", "Slots of these workers without a task; shared by queues.", _QUEUE),
        lambda queue: queue.free_slots,
    ),
    (
        Family("celery_gossip_queue_load", "(active + reserved + backlog) / slots; slots count as at least 1.", _QUEUE),
        lambda queue: queue.load,
    ),
)
_LENGTH = Family("celery_queue_length", "Messages that wait on the broker; absent if the number is unknown.", _QUEUE)

_OLDEST_METRICS: tuple[tuple[Family, Callable[[QueueView], float | None]], ...] = (
    (
        Family(
            "celery_gossip_queue_oldest_message_age_min_seconds",
            "Seconds for which the oldest waiting message has waited at least; 0 if none waits or nothing is known.",
            _QUEUE,
        ),
        lambda queue: queue.oldest_age_min,
    ),
    (
        Family(
            "celery_gossip_queue_oldest_message_age_max_seconds",
            "Seconds for which the oldest waiting message has waited at most; absent if not known.",
            _QUEUE,
        ),
        lambda queue: queue.oldest_age_max,
    ),
)

FAMILIES = (
    _LENGTH,
    *(family for family, _ in _OLDEST_METRICS),
    *(family for family, _ in (*_CONSUMER_METRICS, *_QUEUE_METRICS)),
)


def queue_families(view: View) -> Iterator[Metric]:
    """Yield the families of this module."""
    length = _LENGTH.gauge()
    for queue in view.queues:
        if queue.backlog is not None:
            length.add_metric((sanitize_name(queue.queue),), queue.backlog)
    yield length
    for oldest, read_age in _OLDEST_METRICS:
        metric = oldest.gauge()
        for queue in view.queues:
            age = read_age(queue)
            if age is not None:
                metric.add_metric((sanitize_name(queue.queue),), round(age, 1))
        yield metric
    by_queue = _consumers_by_queue(view)
    for family, read_consumers in _CONSUMER_METRICS:
        metric = family.gauge()
        for name, consumers in by_queue.items():
            metric.add_metric((sanitize_name(name),), read_consumers(consumers))
        yield metric
    for family, read_queue in _QUEUE_METRICS:
        metric = family.gauge()
        for queue in view.queues:
            metric.add_metric((sanitize_name(queue.queue),), read_queue(queue))
        yield metric


def _consumers_by_queue(view: View) -> dict[str, _Consumers]:
    by_queue = {queue.queue: _Consumers() for queue in view.queues}
    for worker in view.workers:
        consumed: dict[str, None] = {}
        for gossip in worker.gossips:
            for check in {check.queue: check for check in gossip.checks}.values():  # a report may name a queue twice
                consumers = by_queue.setdefault(check.queue, _Consumers())
                if worker.is_gone or gossip.state != "online":
                    continue
                consumers.paused += check.paused
                if not check.paused:
                    consumers.consumers += 1
                    consumers.slots += gossip.concurrency
                    consumed[check.queue] = None
        for name in consumed:
            by_queue[name].workers += 1
    return by_queue
