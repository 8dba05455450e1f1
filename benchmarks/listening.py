"""Cost of a listener, and age of its view, while a synthetic fleet publishes.

`python -m benchmarks.listening [--workers 1000] [--queues 10] [--interval 1] [--tasks-per-queue 1] [--rate N]
[--broker URL] [--seconds 30] [--warmup 5] [--cap 2000] [--exchange NAME] [--json]`

With --json it prints the results in one line, as `python -m benchmarks` uses it, with a process for each fleet.

The fleet runs in a process of its own, on an exchange of its own. There are two windows: in the first nothing reads the
view, so CPU and memory are those of the listener alone; in the second the view is read every 50 ms to measure the age
of its data. In addition, single steps are measured with the same kind of messages, in the same process, without a
broker.
"""

import argparse
import contextlib
import subprocess
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from uuid import uuid4

import msgspec
from celery import Celery
from kombu import Exchange

from benchmarks.figure import Quantiles, quantiles
from benchmarks.fleet import add_size
from benchmarks.process import Process, python
from benchmarks.synthetic import Fleet, Plan
from celery_gossip import GossipOptions, Listener
from celery_gossip.cluster import cluster, membership
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import RuleInput
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import decode
from tests.support.workers import REPOSITORY

LOOK_EVERY = 0.05  #: seconds


@dataclass(frozen=True)
class Pure:
    """CPU time of single steps, in this process, without a broker."""

    messages: int
    size: float  #: bytes of a message, on average
    per_message: dict[str, float]  #: µs, by step
    per_look: dict[str, float]  #: ms for the whole fleet, by step; a front end reads once per second


@dataclass(frozen=True)
class Heard:
    """Cost of listening to the fleet, and age of the view."""

    cpu: float  #: share of a core, while nothing reads the view
    memory: float  #: MB, maximum
    memory_before: float  #: MB, before it listened
    cpu_looked_at: float  #: share of a core, with reads
    looks: int
    look: float  #: ms per read
    states: str  #: states of workers in the view
    since_sent: Quantiles  #: seconds, of the latest gossip of every worker
    since_heard: Quantiles
    refused: int
    heard: float  #: messages per second that the listener applied
    fleet: str  #: statistics that the fleet printed
    pure: Pure


def main() -> None:
    options = parse()
    membership.MAX_WORKERS = options.cap
    app = Celery("bottle", broker=options.broker, set_as_current=False)
    try:
        heard = measure(app, options)
    finally:
        clean(app, options.exchange)
    print(msgspec.json.encode(heard).decode() if options.json else told(heard, options.interval), flush=True)


def measure(app: Celery, options: argparse.Namespace) -> Heard:
    """Measure the cost of listening to a fleet, then the age of the view."""
    process = Process()
    before, said = process.memory, Said()
    with fleet(options, said), Listener(app, GossipOptions(exchange=options.exchange)) as listener:
        listener.wait(workers=min(options.workers, options.cap), timeout=30 + 3 * options.interval)
        time.sleep(options.warmup)
        spent, peak = cost(options.seconds)
        looked = watch(listener, options.seconds)
        refused = sum(listener.rejected.values())
    return Heard(
        cpu=spent,
        memory=peak,
        memory_before=before,
        cpu_looked_at=looked.cpu,
        looks=looked.looks,
        look=looked.look,
        states=looked.freshness.shares(),
        since_sent=quantiles(looked.freshness.since_sent),
        since_heard=quantiles(looked.freshness.since_heard),
        refused=refused,
        heard=options.workers / options.interval,
        fleet=said.text,
        pure=pure(options),
    )


def told(heard: Heard, interval: float) -> str:
    per_message = "  ".join(f"{name} {1e6 / cost:,.0f} per second" for name, cost in heard.pure.per_message.items())
    per_look = "  ".join(f"{name} {cost:.1f} ms" for name, cost in heard.pure.per_look.items())
    return (
        f"listener's process: CPU {heard.cpu:.1%} of a core, memory {heard.memory:.0f} MB at most, "
        f"{heard.memory_before:.0f} MB before it listened\n"
        f"{heard.looks} reads of {heard.look:.1f} ms: CPU with them {heard.cpu_looked_at:.1%}; "
        f"states: {heard.states}\n"
        f"age since the latest gossip was sent, s: {heard.since_sent}; interval {interval}\n"
        f"age since it was received, s: {heard.since_heard}\n"
        f"refused {heard.refused}\nfleet: {heard.fleet}\n"
        f"single steps, {heard.pure.messages} messages of {heard.pure.size:.0f} bytes:  {per_message}\n"
        f"per call: {per_look}"
    )


def cost(seconds: float) -> tuple[float, float]:
    """Return the CPU share of this process and its maximum memory in MB, while its main thread sleeps."""
    process = Process()
    cpu, began, peak = process.cpu_seconds, time.monotonic(), 0.0
    while time.monotonic() - began < seconds:
        time.sleep(0.5)
        peak = max(peak, process.memory)
    return (process.cpu_seconds - cpu) / (time.monotonic() - began), peak


class Freshness:
    """Age of the view by the clocks of the fleet and of the listener, which are comparable on one machine."""

    def __init__(self) -> None:
        self.since_heard = array("d")  #: seconds since the listener received the latest gossip of a worker
        self.since_sent = array("d")  #: seconds since it was sent, including the time on the way
        self.states: Counter[str] = Counter()

    def look(self, listener: Listener) -> None:
        """Record the age of every worker that is neither offline nor lost."""
        workers = listener.cluster.workers()
        now = time.time()
        self.states.update(worker.state for worker in workers)
        here = [worker for worker in workers if not worker.is_gone]
        self.since_heard.extend(worker.age for worker in here)
        self.since_sent.extend(now - worker.gossip.sent_at for worker in here)

    def shares(self) -> str:
        """States of workers in all reads."""
        return ", ".join(f"{state} {count / self.states.total():.2%}" for state, count in self.states.most_common())


@dataclass(frozen=True)
class Looked:
    freshness: Freshness
    cpu: float  #: share of a core
    looks: int
    look: float  #: ms


def watch(listener: Listener, seconds: float) -> Looked:
    """Read the view repeatedly; measure its age and the cost of reading."""
    freshness, looks, spent = Freshness(), 0, time.thread_time()
    cpu, began = time.process_time(), time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        freshness.look(listener)
        looks += 1
        time.sleep(LOOK_EVERY)
    spent, cpu = time.thread_time() - spent, time.process_time() - cpu
    return Looked(freshness, cpu / passed, looks, spent / looks * 1e3)


def pure(options: argparse.Namespace) -> Pure:
    names = ("workers", "queues", "interval", "tasks_per_queue", "rate")
    plan = Plan(**{name: getattr(options, name) for name in names})
    scheduled = list(islice(Fleet(plan).schedule(), 5 * options.workers))
    gossips = [gossip for _, gossip in scheduled]
    bodies = [encode(gossip) for gossip in gossips]
    view = cluster.Cluster(clock=lambda: scheduled[-1][0])
    view.statistics.start(0.0)
    steps: dict[str, Iterator[object]] = {
        "encode()": map(encode, gossips),
        "decode()": map(decode, bodies),
        "Cluster.apply_gossip()": (
            view.apply_gossip(gossip, due, size=len(body))
            for (due, gossip), body in zip(scheduled, bodies, strict=True)
        ),
    }
    return Pure(
        messages=len(bodies),
        size=sum(map(len, bodies)) / len(bodies),
        per_message={
            name: milliseconds(lambda step=step: deque(step, maxlen=0)) * 1e3 / len(bodies)
            for name, step in steps.items()
        },
        per_look=looks(view),
    )


def looks(view: cluster.Cluster) -> dict[str, float]:
    """Measure reading the view and diagnosing it."""
    evidence = RuleInput(view.view(), listening_for=60.0)
    steps: dict[str, Callable[[], object]] = {
        "Cluster.view()": view.view,
        "Diagnosis.evaluate()": lambda: Diagnosis().evaluate(evidence, evidence.view.taken_at),
        "Cluster.throughput()": view.throughput,
        "Cluster.totals()": view.totals,
    }
    return {name: milliseconds(step) for name, step in steps.items()}


def milliseconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


class Said:
    """A line of text that is set later."""

    text = ""


@contextlib.contextmanager
def fleet(options: argparse.Namespace, said: Said) -> Iterator[None]:
    """Run the fleet in a process of its own; its statistics are set when it has ended."""
    names = ("workers", "queues", "interval", "tasks_per_queue", "rate", "broker", "exchange")
    size = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names]
    limit = 2 * options.seconds + options.warmup + 60  # so that it ends if this process is killed
    command = python("benchmarks.fleet", *size, f"--seconds={limit}")
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        process.terminate()
        line, _ = process.communicate(timeout=30)
        said.text = line.strip()


def clean(app: Celery, exchange: str) -> None:
    """Delete the exchange: on RabbitMQ it is not deleted automatically."""
    with app.connection_for_write() as connection:
        if connection.transport.driver_type == "amqp":
            Exchange(exchange)(connection.default_channel).delete()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.listening", description="Cost of a listener to a large fleet")
    add_size(parser)
    parser.add_argument("--cap", type=int, default=cluster.MAX_WORKERS, help="maximum of workers in the view")
    parser.add_argument("--exchange", default=f"gossip_listening_{uuid4().hex[:8]}", help="deleted afterwards")
    parser.add_argument("--seconds", type=float, default=30.0, help="duration of each of the two windows")
    parser.add_argument("--warmup", type=float, default=5.0, help="seconds after every worker has reported")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
