"""Metric families of memory, CPU time and pool processes: one value for each worker, or for all together. Pure.

A worker that is offline or lost, or that does not report a value, has no sample of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import Metric

from celery_gossip.cluster.view import WorkerView
from celery_gossip.exporter.family import Family
from celery_gossip.wire.messages import PoolProcesses, Resources

__all__ = ["FAMILIES", "resource_families"]

_HOSTNAME = ("hostname",)


@dataclass(frozen=True)
class _ResourceMetric:
    """A family, its value (None if unknown), and the aggregate over all workers; a counter is never aggregated."""

    family: Family
    value: Callable[[Resources], float | None]
    aggregate: Callable[[Iterable[float]], float] = sum


def _gauge(name: str, text: str, value: Callable[[Resources], float | None]) -> _ResourceMetric:
    return _ResourceMetric(Family(f"celery_gossip_worker_{name}", text, _HOSTNAME), value)


def _processes(name: str, text: str, value: Callable[[PoolProcesses], float]) -> _ResourceMetric:
    family = Family(f"celery_gossip_worker_pool_processes{name}", text, _HOSTNAME)
    return _ResourceMetric(family, lambda one: None if one.processes is None else value(one.processes))


_METRICS = (
    _gauge("rss_bytes", "Resident memory of the main process of a worker.", lambda one: one.rss),
    _gauge(
        "children_rss_bytes",
        "Resident memory of the processes of a pool; shared pages count in each.",
        lambda one: one.children_rss,
    ),
    _ResourceMetric(
        Family("celery_gossip_worker_largest_child_rss_bytes", "Resident memory of the largest of them.", _HOSTNAME),
        lambda one: one.largest_child_rss,
        aggregate=max,
    ),
    _gauge(
        "memory_used_bytes",
        "Memory that counts towards the limit of a worker's cgroup, without caches of files.",
        lambda one: one.memory_used,
    ),
    _gauge(
        "memory_limit_bytes",
        "Memory limit of a worker's cgroup; absent without a limit.",
        lambda one: one.memory_limit,
    ),
    _gauge(
        "cpu_seconds_total",
        "CPU time of a worker and its processes, including those that ended.",
        lambda one: one.cpu_seconds,
    ),
    _processes("", "Processes of a pool that are alive.", lambda one: one.alive),
    _processes("_starting", "Processes of a pool that are not ready yet.", lambda one: one.starting),
    _processes("_started_total", "Processes of a pool that were started.", lambda one: one.started),
    _processes("_exited_total", "Processes that ended because the pool shrank or stopped.", lambda one: one.exited),
    _processes(
        "_recycled_total",
        "Processes that ended after their number of tasks or at their memory limit.",
        lambda one: one.recycled,
    ),
    _processes(
        "_terminated_total",
        "Processes that ended by a time limit, with a task that was revoked, or by SIGTERM.",
        lambda one: one.terminated,
    ),
    _processes("_lost_total", "Processes that were killed, crashed or exited with an error.", lambda one: one.lost),
)

FAMILIES = tuple(metric.family for metric in _METRICS)


def resource_families(workers: Sequence[WorkerView], *, by_hostname: bool) -> Iterator[Metric]:
    """Yield the families of this module that are exported with, or without, the label `hostname`."""
    known = [
        (worker.gossip.hostname, worker.resources)
        for worker in workers
        if not worker.is_gone and worker.resources is not None
    ]
    for metric in _METRICS:
        is_counter = metric.family.name.endswith("_total")
        if is_counter and not by_hostname:
            continue  # the sum would decrease whenever a worker leaves the view
        family = metric.family.counter() if is_counter else metric.family.gauge(by_hostname=by_hostname)
        values = [(name, value) for name, one in known if (value := metric.value(one)) is not None]
        if by_hostname:
            for name, value in values:
                family.add_metric((name,), float(value))
        elif values:
            family.add_metric((), float(metric.aggregate(value for _, value in values)))
        yield family
