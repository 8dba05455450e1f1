"""Metric families of tasks that processes with `gossip_count_sent` have sent. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric

from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.exporter.family import Family

__all__ = ["FAMILIES", "sent_families"]

_SENT = Family("celery_task_sent_total", "Tasks that were sent by processes that count them.", ("queue_name", "name"))
_MISSING = Family(
    "celery_gossip_queue_tasks_missing",
    "Tasks sent in the last minutes that neither wait nor were received, at least; absent if unknown.",
    ("queue_name",),
)

FAMILIES = (_SENT, _MISSING)


def sent_families(sent: Mapping[tuple[str, str], int], balance: Iterable[QueueBalance]) -> Iterator[Metric]:
    """Yield the families of this module."""
    counter = _SENT.counter()
    for key, count in sent.items():
        counter.add_metric(key, count)
    yield counter
    gauge = _MISSING.gauge()
    for row in balance:
        if row.missing is not None:
            gauge.add_metric((row.queue,), row.missing)
    yield gauge
