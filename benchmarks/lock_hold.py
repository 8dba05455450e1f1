"""Time for which reading a Cluster blocks the listener: the longest hold of its lock, for each call that reads.

`python -m benchmarks.lock_hold [--workers 1000] [--queues 10] [--tasks-per-queue 10] [--rate 5] [--seconds 65]`

No broker: the gossip of a synthetic fleet is applied to a Cluster in this process, in virtual time, and then each call
is made several times. `hold` is the longest time for which one call held the lock, `call` how long the call took.
"""

import argparse
import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from threading import Lock
from typing import Any

from benchmarks.synthetic import Fleet, Plan
from celery_gossip.cluster.cluster import Cluster

CALLS = 5  #: calls of each kind


class TimedLock:
    """A lock that records its longest hold."""

    def __init__(self) -> None:
        self.longest = 0.0  #: seconds
        self._lock = Lock()
        self._since = 0.0

    def __enter__(self) -> None:
        self._lock.acquire()
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.longest = max(self.longest, time.perf_counter() - self._since)
        self._lock.release()


@dataclass(frozen=True)
class Held:
    """Milliseconds, the minimum of several calls: other processes can only make a call longer."""

    hold: float  #: longest single hold of the lock during the call
    call: float


def main() -> None:
    options = parse()
    plan = Plan(
        workers=options.workers, queues=options.queues, tasks_per_queue=options.tasks_per_queue, rate=options.rate
    )
    for name, held in measure(plan, options.seconds).items():
        print(f"{name:>24}: hold {held.hold:8.2f} ms, call {held.call:8.1f} ms", flush=True)


def measure(plan: Plan, seconds: float) -> Mapping[str, Held]:
    """Return `{call: Held}` after the fleet has reported for this long."""
    now = 1000.0
    cluster = Cluster(clock=lambda: now)
    cluster.statistics.start(now)
    for due, gossip in takewhile(lambda item: item[0] < seconds, Fleet(plan).schedule()):
        now = 1000.0 + due
        cluster.apply_gossip(gossip, now)
    queue = cluster.view().queues[0].queue
    gc.collect()
    gc.disable()  # a garbage collection stops every thread; here it would be long because of the fleet's objects
    calls: dict[str, Callable[[], Any]] = {
        "throughput queue 60 s": lambda: cluster.throughput("queue", 60.0),
        "throughput task 60 s": lambda: cluster.throughput("task", 60.0),
        "throughput worker 60 s": lambda: cluster.throughput("worker", 60.0),
        "throughput fleet 60 s": lambda: cluster.throughput("fleet", 60.0),
        "counts worker 60 s": lambda: cluster.counts("worker", 60.0),
        "windows_by_queue": cluster.statistics.windows_by_queue,
        "series queue 120 s": lambda: cluster.series("queue", queue, 120.0),
        "totals": cluster.totals,
        "fleet_totals": cluster.statistics.fleet_totals,
        "view": cluster.view,
        "queue_shares": cluster.queue_shares,
    }
    return {name: held_by(cluster, call) for name, call in calls.items()}


def held_by(cluster: Cluster, call: Callable[[], Any]) -> Held:
    lock: Any = TimedLock()
    kept = cluster._lock
    holders = [holder for holder in (cluster, getattr(cluster, "statistics", None)) if holder is not None]
    for holder in holders:
        holder._lock = lock
    try:
        holds, durations = [], []
        for _ in range(CALLS):
            lock.longest, began = 0.0, time.perf_counter()
            call()
            durations.append(time.perf_counter() - began)
            holds.append(lock.longest)
    finally:
        for holder in holders:
            holder._lock = kept
    return Held(hold=min(holds) * 1e3, call=min(durations) * 1e3)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.lock_hold", description="Time for which reads hold the Cluster's lock"
    )
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--queues", type=int, default=10, help="of each worker")
    parser.add_argument("--tasks-per-queue", type=int, default=10, help="task names that are counted")
    parser.add_argument("--rate", type=float, default=5.0, help="short tasks per second and worker")
    parser.add_argument("--seconds", type=float, default=65.0, help="virtual time for which the fleet reports")
    return parser.parse_args()


if __name__ == "__main__":
    main()
