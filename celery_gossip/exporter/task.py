"""The metrics of tasks: counters and histograms by task, queue and, if asked, worker. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.samples import Sample

from celery_gossip.exporter.family import Family
from celery_gossip.exporter.reading import Key
from celery_gossip.exporter.scale import Scale
from celery_gossip.throughput import Distribution, Throughput

__all__ = ["FAMILIES", "Choice", "task_families"]

#: In the order of the keys of Cluster.totals().
_LABELS = ("hostname", "queue_name", "name")

_RECEIVED = Family("celery_task_received_total", "Tasks that workers received.", _LABELS)
_COUNTERS: tuple[tuple[Family, Callable[[Throughput], int]], ...] = (
    (_RECEIVED, lambda told: told.received),
    (Family("celery_task_started_total", "Tasks that began to run.", _LABELS), lambda told: told.started),
    (Family("celery_task_succeeded_total", "Tasks that ended well.", _LABELS), lambda told: told.succeeded),
    (Family("celery_task_retried_total", "Runs that ended in a retry.", _LABELS), lambda told: told.retried),
    (Family("celery_task_revoked_total", "Tasks that were revoked.", _LABELS), lambda told: told.revoked),
    (Family("celery_task_rejected_total", "Tasks that were rejected.", _LABELS), lambda told: told.rejected),
)
_FAILED = Family(
    "celery_task_failed_total", "Tasks that failed, by the class of the exception.", (*_LABELS, "exception")
)
_HISTOGRAMS: tuple[tuple[Family, Callable[[Throughput], Distribution]], ...] = (
    (
        Family("celery_task_runtime", "Seconds for which tasks ran, whatever became of them.", _LABELS),
        lambda told: told.runtime,
    ),
    (
        Family("celery_task_queue_wait_time", "Seconds from being sent, or due, to being started.", _LABELS),
        lambda told: told.wait,
    ),
)

FAMILIES = (*(family for family, _ in _COUNTERS), _FAILED, *(family for family, _ in _HISTOGRAMS))


@dataclass(frozen=True)
class Choice:
    """The figures that fit into a scrape: the first known stay, so a series does not come and go."""

    kept: tuple[tuple[Key, Throughput], ...]
    dropped: int  #: time series that would be too many

    @classmethod
    def of(cls, totals: Iterable[tuple[Key, Throughput]], most: int, scale: Scale) -> "Choice":
        kept, size, dropped = [], 0, 0
        for key, told in totals:
            needed = _size(told, scale)
            if size + needed > most:
                dropped += needed
                continue
            size += needed
            kept.append((key, told))
        return cls(tuple(kept), dropped)


def task_families(kept: tuple[tuple[Key, Throughput], ...], scale: Scale, *, by_hostname: bool) -> Iterator[Metric]:
    for family, read in _COUNTERS:
        counter = family.counter(by_hostname=by_hostname)
        for key, told in kept:
            counter.add_metric(key, read(told))
        yield counter
    failed = _FAILED.counter(by_hostname=by_hostname)
    for key, told in kept:
        for kind, count in _failures(told).items():
            failed.add_metric((*key, kind), count)
    yield failed
    for family, read_distribution in _HISTOGRAMS:
        histogram, names = family.histogram(by_hostname=by_hostname), family.labels_for(by_hostname=by_hostname)
        for key, told in kept:
            distribution = read_distribution(told)
            if distribution.count:
                labels = dict(zip(names, key, strict=True))
                histogram.samples += _samples(family.name, labels, scale.buckets(distribution), distribution.total)
        yield histogram


def _samples(name: str, labels: dict[str, str], buckets: list[tuple[str, float]], total: float) -> Iterator[Sample]:
    """What the client's add_metric() would add, in half of its time: most of a page are these."""
    bucket = f"{name}_bucket"
    for bound, count in buckets:
        yield Sample(bucket, {**labels, "le": bound}, count)
    yield Sample(f"{name}_count", labels, buckets[-1][1])
    yield Sample(f"{name}_sum", labels, total)


def _failures(told: Throughput) -> dict[str, int]:
    """With a zero under no exception: a ratio of failures needs something to find where there was none."""
    return {"": 0, **told.failures}


def _size(told: Throughput, scale: Scale) -> int:
    """Time series in a scrape."""
    histogram = len(scale.names) + 2
    timings = bool(told.runtime.count) + bool(told.wait.count)
    return len(_COUNTERS) + len(_failures(told)) + histogram * timings
