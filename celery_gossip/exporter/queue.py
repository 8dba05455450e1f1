"""The metrics of queues. Pure.

A queue that only workers serve who are gone is told with zeros for as long as those are in the view: an alert on
"nobody consumes this" needs a zero to find.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric

from celery_gossip.exporter.family import Family
from celery_gossip.messages import plain
from celery_gossip.view import QueueView, View

__all__ = ["FAMILIES", "queue_families"]

_QUEUE = ("queue_name",)


@dataclass
class _Service:
    """Who takes messages from one queue: neither gone, nor draining, nor paused there."""

    workers: int = 0
    consumers: int = 0
    processes: int = 0
    paused: int = 0


_SERVED: tuple[tuple[Family, Callable[[_Service], float]], ...] = (
    (
        Family("celery_active_worker_count", "Workers that take messages from a queue.", _QUEUE),
        lambda service: service.workers,
    ),
    (
        Family("celery_active_process_count", "Slots of these workers: processes, threads or greenlets.", _QUEUE),
        lambda service: service.processes,
    ),
    (
        Family("celery_active_consumer_count", "Consumers of a queue that gossip.", _QUEUE),
        lambda service: service.consumers,
    ),
    (
        Family("celery_gossip_queue_paused_consumers", "Consumers that have stopped, by cancel_consumer.", _QUEUE),
        lambda service: service.paused,
    ),
)
_TOLD: tuple[tuple[Family, Callable[[QueueView], float]], ...] = (
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
        Family(
            "celery_gossip_queue_slots", "Slots of the workers that would take its tasks; shared by queues.", _QUEUE
        ),
        lambda queue: queue.slots,
    ),
    (
        Family("celery_gossip_queue_free_slots", "Those of them without a task; shared by queues.", _QUEUE),
        lambda queue: queue.free_slots,
    ),
    (
        Family("celery_gossip_queue_load", "(active + reserved + backlog) / slots; slots count as 1 at least.", _QUEUE),
        lambda queue: queue.load,
    ),
)
_LENGTH = Family("celery_queue_length", "Messages that wait on the broker; absent where that is not known.", _QUEUE)

FAMILIES = (_LENGTH, *(family for family, _ in (*_SERVED, *_TOLD)))


def queue_families(view: View) -> Iterator[Metric]:
    length = _LENGTH.gauge()
    for queue in view.queues:
        if queue.backlog is not None:
            length.add_metric((plain(queue.queue),), queue.backlog)
    yield length
    services = _services(view)
    for family, read_service in _SERVED:
        metric = family.gauge()
        for name, service in services.items():
            metric.add_metric((plain(name),), read_service(service))
        yield metric
    for family, read_queue in _TOLD:
        metric = family.gauge()
        for queue in view.queues:
            metric.add_metric((plain(queue.queue),), read_queue(queue))
        yield metric


def _services(view: View) -> dict[str, _Service]:
    services = {queue.queue: _Service() for queue in view.queues}
    for worker in view.workers:
        served: dict[str, None] = {}
        for gossip in worker.gossips:
            for check in {check.queue: check for check in gossip.checks}.values():  # whoever says a queue twice
                service = services.setdefault(check.queue, _Service())
                if worker.is_gone or gossip.state != "online":
                    continue
                service.paused += check.paused
                if not check.paused:
                    service.consumers += 1
                    service.processes += gossip.concurrency
                    served[check.queue] = None
        for name in served:
            services[name].workers += 1
    return services
