"""Metric families of tasks: counters and histograms by task, queue and (unless switched off) worker. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.samples import Sample

from celery_gossip.cluster.throughput import Distribution, Throughput
from celery_gossip.exporter.buckets import BucketMapping
from celery_gossip.exporter.family import Family
from celery_gossip.exporter.snapshot import Key

__all__ = ["FAMILIES", "SeriesSelection", "task_families"]

#: In the order of the keys of Cluster.totals().
_LABELS = ("hostname", "queue_name", "name")

_COUNTERS: tuple[tuple[Family, Callable[[Throughput], int]], ...] = (
    (Family("celery_task_received_total", "Tasks that workers received.", _LABELS), lambda total: total.received),
    (Family("celery_task_started_total", "Tasks that were started.", _LABELS), lambda total: total.started),
    (Family("celery_task_succeeded_total", "Tasks that succeeded.", _LABELS), lambda total: total.succeeded),
    (Family("celery_task_retried_total", "Runs that ended in a retry.", _LABELS), lambda total: total.retried),
    (Family("celery_task_revoked_total", "Tasks that were revoked.", _LABELS), lambda total: total.revoked),
    (Family("celery_task_rejected_total", "Tasks that were rejected.", _LABELS), lambda total: total.rejected),
)
_FAILED = Family("celery_task_failed_total", "Tasks that failed, by exception class.", (*_LABELS, "exception"))
_HISTOGRAMS: tuple[tuple[Family, Callable[[Throughput], Distribution]], ...] = (
    (
        Family("celery_task_runtime", "Seconds that tasks ran, whatever their outcome.", _LABELS),
        lambda total: total.runtime,
    ),
    (
        Family("celery_task_queue_wait_time", "Seconds from sending, or from the ETA, to the start.", _LABELS),
        lambda total: total.wait,
    ),
)

FAMILIES = (*(family for family, _ in _COUNTERS), _FAILED, *(family for family, _ in _HISTOGRAMS))


@dataclass(frozen=True)
class SeriesSelection:
    """Totals that fit into a scrape. Those known longest are kept, so that no series appears and disappears."""

    kept: tuple[tuple[Key, Throughput], ...]
    dropped: int  #: time series that did not fit

    @classmethod
    def within(
        cls, totals: Iterable[tuple[Key, Throughput]], max_series: int, mapping: BucketMapping
    ) -> "SeriesSelection":
        """Select totals in their order while they need at most `max_series` time series."""
        kept, size, dropped = [], 0, 0
        for key, total in totals:
            needed = _series_count(total, mapping)
            if size + needed > max_series:
                dropped += needed
                continue
            size += needed
            kept.append((key, total))
        return cls(tuple(kept), dropped)


def task_families(
    kept: tuple[tuple[Key, Throughput], ...], mapping: BucketMapping, *, by_hostname: bool
) -> Iterator[Metric]:
    """Yield the families of this module."""
    for family, read in _COUNTERS:
        counter = family.counter(by_hostname=by_hostname)
        for key, total in kept:
            counter.add_metric(key, read(total))
        yield counter
    failed = _FAILED.counter(by_hostname=by_hostname)
    for key, total in kept:
        for exception, count in _failures(total).items():
            failed.add_metric((*key, exception), count)
    yield failed
    for family, read_distribution in _HISTOGRAMS:
        histogram, names = family.histogram(by_hostname=by_hostname), family.labels_for(by_hostname=by_hostname)
        for key, total in kept:
            distribution = read_distribution(total)
            if distribution.count:
                labels = dict(zip(names, key, strict=True))
                histogram.samples += _samples(family.name, labels, mapping.cumulative(distribution), distribution.total)
        yield histogram


def _samples(name: str, labels: dict[str, str], buckets: list[tuple[str, float]], total: float) -> Iterator[Sample]:
    """Yield the samples that the client's add_metric() would add.

    It takes half of the time, and these are most samples of an exposition.
    """
    bucket = f"{name}_bucket"
    for bound, count in buckets:
        yield Sample(bucket, {**labels, "le": bound}, count)
    yield Sample(f"{name}_count", labels, buckets[-1][1])
    yield Sample(f"{name}_sum", labels, total)


def _failures(total: Throughput) -> dict[str, int]:
    """Return failures by exception, and 0 for the empty exception: a failure ratio needs a series if nothing failed."""
    return {"": 0, **total.failures}


def _series_count(total: Throughput, mapping: BucketMapping) -> int:
    histogram = len(mapping.names) + 2
    timings = bool(total.runtime.count) + bool(total.wait.count)
    return len(_COUNTERS) + len(_failures(total)) + histogram * timings
