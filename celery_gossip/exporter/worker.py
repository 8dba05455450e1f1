"""The metrics of workers: one value for each, or one for all of them. Pure.

A worker that is gone has `up` 0, no active tasks, its state and its age, and nothing else; the rivals of a conflict
count under their one hostname.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import Metric

from celery_gossip.exporter.family import Family
from celery_gossip.messages import Gossip
from celery_gossip.view import STATES, WorkerView

__all__ = ["FAMILIES", "worker_families"]

_HOSTNAME = ("hostname",)


@dataclass(frozen=True)
class _Told:
    """A family and its value: of each worker, and of all of them from those."""

    family: Family
    value: Callable[[WorkerView], float]
    together: Callable[[Iterable[float]], float] = sum
    is_of_the_gone: bool = False
    is_counter: bool = False


def _sum(read: Callable[[Gossip], float]) -> Callable[[WorkerView], float]:
    """Of every boot that speaks under the hostname."""
    return lambda worker: sum(map(read, worker.gossips))


def _most(read: Callable[[Gossip], float]) -> Callable[[WorkerView], float]:
    return lambda worker: max(map(read, worker.gossips))


def _largest(values: Iterable[float]) -> float:
    return max(values, default=0.0)


_TOLD = (
    _Told(
        Family("celery_worker_up", "1 while a worker is neither offline nor lost.", _HOSTNAME),
        lambda worker: not worker.is_gone,
        is_of_the_gone=True,
    ),
    _Told(
        Family("celery_worker_tasks_active", "Tasks that a worker runs; 0 of one that is gone.", _HOSTNAME),
        lambda worker: 0 if worker.is_gone else sum(gossip.active for gossip in worker.gossips),
        is_of_the_gone=True,
    ),
    _Told(
        Family("celery_gossip_worker_age_seconds", "Seconds since a worker was last heard.", _HOSTNAME),
        lambda worker: worker.age,
        together=_largest,
        is_of_the_gone=True,
    ),
    _Told(
        Family("celery_gossip_worker_loop_lag_seconds", "By how much a worker's last tick was late.", _HOSTNAME),
        _most(lambda gossip: gossip.loop_lag),
        together=_largest,
    ),
    _Told(
        Family(
            "celery_gossip_worker_stalled_seconds",
            "For how long a worker's event loop has not ticked; 0 while it ticks.",
            _HOSTNAME,
        ),
        _most(lambda gossip: gossip.stalled_for),
        together=_largest,
    ),
    _Told(
        Family("celery_gossip_worker_slots", "Tasks that a worker can run at once, in any pool.", _HOSTNAME),
        _sum(lambda gossip: gossip.concurrency),
    ),
    _Told(
        Family("celery_gossip_worker_tasks_reserved", "Tasks prefetched that wait for a slot.", _HOSTNAME),
        _sum(lambda gossip: gossip.reserved),
    ),
    _Told(
        Family("celery_gossip_worker_tasks_scheduled", "Tasks that a worker holds until their ETA.", _HOSTNAME),
        _sum(lambda gossip: gossip.scheduled),
    ),
    _Told(
        Family("celery_gossip_worker_tasks_unattributed", "Active tasks whose queue could not be told.", _HOSTNAME),
        _sum(lambda gossip: gossip.unattributed),
    ),
    _Told(
        Family(
            "celery_gossip_worker_overflowed_tasks_total",
            "Tasks received that a worker counts under the name 'other', for it has too many names.",
            _HOSTNAME,
        ),
        lambda worker: worker.gossip.overflowed,
        is_counter=True,
    ),
    _Told(
        Family(
            "celery_gossip_worker_skewed_waits_total",
            "Waits that count as 0, for they were negative: the clocks of sender and worker disagree.",
            _HOSTNAME,
        ),
        lambda worker: worker.gossip.skewed,
        is_counter=True,
    ),
)
_UNVERIFIED = Family("celery_gossip_unverified_workers", "Workers whose gossip is not signed, where a secret is set.")
_STATE = Family("celery_gossip_worker_state", "1 for the state that a worker is in.", (*_HOSTNAME, "state"))
_WORKERS = Family("celery_gossip_workers", "Workers in each state.", ("state",))

FAMILIES = (*(told.family for told in _TOLD), _STATE, _WORKERS, _UNVERIFIED)


def worker_families(workers: Sequence[WorkerView], *, by_hostname: bool) -> Iterator[Metric]:
    here = [worker for worker in workers if not worker.is_gone]
    for told in _TOLD:
        yield from _family(told, workers if told.is_of_the_gone else here, by_hostname=by_hostname)
    if by_hostname:
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


def _family(told: _Told, workers: Sequence[WorkerView], *, by_hostname: bool) -> Iterator[Metric]:
    if told.is_counter and not by_hostname:
        return  # the sum would fall whenever a worker leaves
    family = told.family.counter() if told.is_counter else told.family.gauge(by_hostname=by_hostname)
    if by_hostname:
        for worker in workers:
            family.add_metric((worker.gossip.hostname,), float(told.value(worker)))
    else:
        family.add_metric((), float(told.together(map(told.value, workers))))
    yield family
