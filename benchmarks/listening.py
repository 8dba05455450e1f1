"""What a listener costs, and how fresh its view is, while a fleet in a bottle speaks.

`python -m benchmarks.listening [--workers 1000] [--queues 10] [--interval 1] [--tasks-per-queue 1] [--rate N]
[--broker URL] [--seconds 30] [--warmup 5] [--cap 2000] [--exchange NAME]`

The fleet runs in a process of its own, on an exchange of its own. Two windows follow each other: in the first nobody
looks, so CPU and memory are the listener's alone; in the second the view is looked at every 50 ms for the age of what
it says. Beside them stand the pure figures: the same kind of messages, in the same process, without a broker.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from uuid import uuid4

import psutil
from celery import Celery
from kombu import Exchange

from benchmarks.fleet import add_size
from benchmarks.synthetic import Fleet, Plan
from celery_gossip import GossipOptions, Listener, cluster
from celery_gossip.diagnosis import Diagnosis
from celery_gossip.evidence import Evidence
from celery_gossip.messages import decode, encode

LOOK_EVERY = 0.05  #: seconds
REPOSITORY = Path(__file__).parents[1]


def main() -> None:
    options = parse()
    cluster.MAX_WORKERS = options.cap
    app = Celery("bottle", broker=options.broker, set_as_current=False)
    try:
        measure(app, options)
    finally:
        clean(app, options.exchange)
    print_pure(options)


def measure(app: Celery, options: argparse.Namespace) -> None:
    """Print what listening to a fleet costs, nobody looking, and then how fresh the view is."""
    before = memory()
    with fleet(options), Listener(app, GossipOptions(exchange=options.exchange)) as listener:
        listener.wait(workers=min(options.workers, options.cap), timeout=30 + 3 * options.interval)
        time.sleep(options.warmup)
        cpu, peak = cost(options.seconds)
        print(
            f"listener's process: CPU {cpu:.1%} of a core, "
            f"memory {peak:.0f} MB at most, {before:.0f} MB before it began"
        )
        watch(listener, options)
        print(f"refused {sum(listener.rejected.values())}", flush=True)


def cost(seconds: float) -> tuple[float, float]:
    """CPU of this process as a part of a core, and its memory at most in MB, while its main thread sleeps."""
    cpu, began, peak = time.process_time(), time.monotonic(), 0.0
    while time.monotonic() - began < seconds:
        time.sleep(0.5)
        peak = max(peak, memory())
    return (time.process_time() - cpu) / (time.monotonic() - began), peak


def memory() -> float:
    return float(psutil.Process().memory_info().rss) / 2**20


class Freshness:
    """How old the view is, by the fleet's clock and by the listener's: on one machine they can be compared."""

    def __init__(self) -> None:
        self.since_heard = array("d")  #: seconds since the listener took the worker's latest gossip
        self.since_sent = array("d")  #: seconds since that was sent: what waits on the way is in it
        self.states: Counter[str] = Counter()

    def look(self, listener: Listener) -> None:
        """Note the age of every worker that is thought to be there."""
        workers = listener.cluster.workers()
        now = time.time()
        self.states.update(worker.state for worker in workers)
        here = [worker for worker in workers if not worker.is_gone]
        self.since_heard.extend(worker.age for worker in here)
        self.since_sent.extend(now - worker.gossip.sent_at for worker in here)

    def shares(self) -> str:
        """In which states workers were seen, over all looks."""
        return ", ".join(f"{state} {count / self.states.total():.2%}" for state, count in self.states.most_common())


def watch(listener: Listener, options: argparse.Namespace) -> None:
    """Look at the view again and again, and print how fresh it was and what the looks cost."""
    freshness, looks, spent = Freshness(), 0, time.thread_time()
    cpu, began = time.process_time(), time.monotonic()
    while (passed := time.monotonic() - began) < options.seconds:
        freshness.look(listener)
        looks += 1
        time.sleep(LOOK_EVERY)
    spent, cpu = time.thread_time() - spent, time.process_time() - cpu
    print(
        f"{looks} looks of {spent / looks * 1e3:.1f} ms: CPU with them {cpu / passed:.1%}, "
        f"without their own {(cpu - spent) / passed:.1%}; states seen: {freshness.shares()}"
    )
    for name, ages in (("sent", freshness.since_sent), ("heard", freshness.since_heard)):
        print(f"seconds since a worker's latest was {name}: {quantiles(ages)}; interval {options.interval}", flush=True)


def quantiles(ages: Iterable[float]) -> str:
    """Of many figures, in words."""
    ordered = sorted(ages) or [float("nan")]
    p50, p99 = (ordered[int(len(ordered) * part)] for part in (0.5, 0.99))
    return f"p50 {p50:.3f}, p99 {p99:.3f}, max {ordered[-1]:.3f}"


def print_pure(options: argparse.Namespace) -> None:
    """How many messages a second each step takes by itself, on one core."""
    names = ("workers", "queues", "interval", "tasks_per_queue", "rate")
    plan = Plan(**{name: getattr(options, name) for name in names})
    scheduled = list(islice(Fleet(plan).schedule(), 5 * options.workers))
    gossips = [gossip for _, gossip in scheduled]
    bodies = [encode(gossip) for gossip in gossips]
    view = cluster.Cluster(clock=lambda: scheduled[-1][0])
    view.begin(0.0)
    steps: dict[str, Iterator[object]] = {
        "encode()": map(encode, gossips),
        "decode()": map(decode, bodies),
        "Cluster.apply()": (view.apply(gossip, due) for due, gossip in scheduled),
    }
    print(f"pure, {len(bodies)} messages of {sum(map(len, bodies)) / len(bodies):.0f} bytes:", end="")
    for name, step in steps.items():
        began = time.process_time()
        deque(step, maxlen=0)
        print(f"  {name} {len(bodies) / (time.process_time() - began):,.0f} a second", end="")
    print(f"\nonce a second: {'  '.join(looks(view))}", flush=True)


def looks(view: cluster.Cluster) -> Iterator[str]:
    """What it takes to look at the view and to diagnose it, in words."""
    began = time.process_time()
    evidence = Evidence(view.view(), listening_for=60.0)
    yield f"Cluster.view() {(time.process_time() - began) * 1e3:.1f} ms"
    began = time.process_time()
    Diagnosis().review(evidence, evidence.view.taken_at)
    yield f"Diagnosis.review() {(time.process_time() - began) * 1e3:.1f} ms"
    began = time.process_time()
    view.throughput()
    yield f"Cluster.throughput() {(time.process_time() - began) * 1e3:.1f} ms"
    began = time.process_time()
    view.totals()
    yield f"Cluster.totals() {(time.process_time() - began) * 1e3:.1f} ms"


@contextlib.contextmanager
def fleet(options: argparse.Namespace) -> Iterator[None]:
    """The fleet in a process of its own; its line of statistics is printed when it has ended."""
    names = ("workers", "queues", "interval", "tasks_per_queue", "rate", "broker", "exchange")
    size = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names]
    limit = 2 * options.seconds + options.warmup + 60  # should this process be killed
    command = [sys.executable, "-m", "benchmarks.fleet", *size, f"--seconds={limit}"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=30)
        print(f"fleet: {said.strip()}", flush=True)


def clean(app: Celery, exchange: str) -> None:
    """On RabbitMQ an exchange outlives those who use it."""
    with app.connection_for_write() as connection:
        if connection.transport.driver_type == "amqp":
            Exchange(exchange)(connection.default_channel).delete()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.listening", description="What a listener to a large fleet costs")
    add_size(parser)
    parser.add_argument("--cap", type=int, default=cluster.MAX_WORKERS, help="workers that the view keeps")
    parser.add_argument("--exchange", default=f"gossip_listening_{uuid4().hex[:8]}", help="deleted afterwards")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each of the two windows")
    parser.add_argument("--warmup", type=float, default=5.0, help="seconds after every worker was heard")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
