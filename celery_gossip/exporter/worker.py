"""Metric families of workers: one value for each worker, or one for all workers together. Pure.

A worker that is offline or lost has `celery_worker_up` 0, no active tasks, its state and its age, and no other metric.
Instances in a conflict are summed under the hostname that they share.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import Metric

from celery_gossip.cluster.view import STATES, WorkerView
from celery_gossip.exporter.family import Family
from celery_gossip.wire.messages import Gossip

__all__ = ["FAMILIES", "worker_families"]

_HOSTNAME = ("hostname",)


@dataclass(frozen=True)
class _WorkerMetric:
    """A family, its value for one worker, and the aggregate of these values over all workers."""

    family: Family
    value: Callable[[WorkerView], float]
    aggregate: Callable[[Iterable[float]], float] = sum
    includes_gone: bool = False  #: exported for offline and lost workers too
    is_counter: bool = False


def _sum(read: Callable[[Gossip], float]) -> Callable[[WorkerView], float]:
    """Sum over all instances that report under the hostname."""
    return lambda worker: sum(map(read, worker.gossips))


def _max(read: Callable[[Gossip], float]) -> Callable[[WorkerView], float]:
    """Take the maximum over all instances that report under the hostname."""
    return lambda worker: max(map(read, worker.gossips))


def _largest(values: Iterable[float]) -> float:
    return max(values, default=0.0)


_METRICS = (
    _WorkerMetric(
        Family("celery_worker_up", "1 unless a worker is offline or lost.", _HOSTNAME),
        lambda worker: not worker.is_gone,
        includes_gone=True,
    ),
    _WorkerMetric(
        Family("celery_worker_tasks_active", "Tasks that a worker runs; 0 if it is offline or lost.", _HOSTNAME),
        lambda worker: 0 if worker.is_gone else sum(gossip.active for gossip in worker.gossips),
        includes_gone=True,
    ),
    _WorkerMetric(
        Family("celery_gossip_worker_age_seconds", "Seconds since the last report of a worker.", _HOSTNAME),
        lambda worker: worker.age,
        aggregate=_largest,
        includes_gone=True,
    ),
    _WorkerMetric(
        Family("celery_gossip_worker_loop_lag_seconds", "Seconds by which the last timer tick was late.", _HOSTNAME),
        _max(lambda gossip: gossip.loop_lag),
        aggregate=_largest,
    ),
    _WorkerMetric(
        Family(
            "celery_gossip_worker_stalled_seconds",
            "Seconds since the event loop of a worker last ticked; 0 while it ticks.",
            _HOSTNAME,
        ),
        _max(lambda gossip: gossip.stalled_for),
        aggregate=_largest,
    ),
    _WorkerMetric(
        Family("celery_gossip_worker_slots", "Tasks that a worker can run at once, in any pool.", _HOSTNAME),
        _sum(lambda gossip: gossip.concurrency),
    ),
    _WorkerMetric(
        Family("celery_gossip_worker_tasks_reserved", "Prefetched tasks that wait for a slot.", _HOSTNAME),
        _sum(lambda gossip: gossip.reserved),
    ),
    _WorkerMetric(
        Family("celery_gossip_worker_tasks_scheduled", "Tasks that a worker holds until their ETA.", _HOSTNAME),
        _sum(lambda gossip: gossip.scheduled),
    ),
    _WorkerMetric(
        Family("celery_gossip_worker_tasks_limited", "Tasks that wait for their rate limit.", _HOSTNAME),
        _sum(lambda gossip: gossip.limited),
    ),
    _WorkerMetric(
        Family(
            "celery_gossip_worker_messages_batched",
            "Messages held by tasks with a custom strategy, buffered or running as a batch.",
            _HOSTNAME,
        ),
        _sum(lambda gossip: gossip.batched),
    ),
    _WorkerMetric(
        Family("celery_gossip_worker_tasks_unattributed", "Active tasks whose queue is unknown.", _HOSTNAME),
        _sum(lambda gossip: gossip.unattributed),
    ),
    _WorkerMetric(
        Family(
            "celery_gossip_worker_overflowed_tasks_total",
            "Tasks received that a worker counts as task 'other' because it has too many names.",
            _HOSTNAME,
        ),
        lambda worker: worker.gossip.overflowed,
        is_counter=True,
    ),
    _WorkerMetric(
        Family(
            "celery_gossip_worker_undecodable_messages_total",
            "Messages received that are not tasks: not decodable, of an unknown format, or invalid.",
            _HOSTNAME,
        ),
        lambda worker: worker.gossip.undecodable,
        is_counter=True,
    ),
    _WorkerMetric(
        Family(
            "celery_gossip_worker_skewed_waits_total",
            "Negative waits, counted as 0: the clocks of sender and worker differ.",
            _HOSTNAME,
        ),
        lambda worker: worker.gossip.skewed,
        is_counter=True,
    ),
)
_UNVERIFIED = Family("celery_gossip_unverified_workers", "Workers with unsigned reports, if a secret is set.")
_SOFTWARE = ("release", "celery", "kombu", "python", "gossip", "registry")
_INFO = Family("celery_gossip_worker_info", "1; the labels are what a worker runs.", (*_HOSTNAME, *_SOFTWARE))
_STATE = Family("celery_gossip_worker_state", "1 for the current state of a worker.", (*_HOSTNAME, "state"))
_WORKERS = Family("celery_gossip_workers", "Workers in each state.", ("state",))

FAMILIES = (*(metric.family for metric in _METRICS), _INFO, _STATE, _WORKERS, _UNVERIFIED)


def worker_families(workers: Sequence[WorkerView], *, by_hostname: bool) -> Iterator[Metric]:
    """Yield the families of this module that are exported with, or without, the label `hostname`."""
    present = [worker for worker in workers if not worker.is_gone]
    for metric in _METRICS:
        yield from _family(metric, workers if metric.includes_gone else present, by_hostname=by_hostname)
    if by_hostname:
        info = _INFO.gauge()
        for worker in present:
            if worker.software is not None:
                values = (getattr(worker.software, name) for name in _SOFTWARE)
                info.add_metric((worker.gossip.hostname, *values), 1.0)
        yield info
        state = _STATE.gauge()
        for worker in workers:
            state.add_metric((worker.gossip.hostname, worker.state), 1.0)
        yield state
    counts, states = Counter(worker.state for worker in workers), _WORKERS.gauge()
    for name in STATES:
        states.add_metric((name,), counts[name])
    yield states
    unverified = _UNVERIFIED.gauge()
    unverified.add_metric((), sum(worker.is_verified is False for worker in workers))
    yield unverified


def _family(metric: _WorkerMetric, workers: Sequence[WorkerView], *, by_hostname: bool) -> Iterator[Metric]:
    if metric.is_counter and not by_hostname:
        return  # the sum would decrease whenever a worker leaves the view
    family = metric.family.counter() if metric.is_counter else metric.family.gauge(by_hostname=by_hostname)
    if by_hostname:
        for worker in workers:
            family.add_metric((worker.gossip.hostname,), float(metric.value(worker)))
    else:
        family.add_metric((), float(metric.aggregate(map(metric.value, workers))))
    yield family
