"""What a listener costs, and how fresh its view is, while a fleet in a bottle speaks.

`python -m benchmarks.listening [--workers 1000] [--queues 10] [--interval 1] [--tasks-per-queue 1] [--rate N]
[--broker URL] [--seconds 30] [--warmup 5] [--cap 2000] [--exchange NAME] [--json]`

With --json it prints the figures in one line; the price list runs it so, in a process for each fleet.

The fleet runs in a process of its own, on an exchange of its own. Two windows follow each other: in the first nobody
looks, so CPU and memory are the listener's alone; in the second the view is looked at every 50 ms for the age of what
it says. Beside them stand the pure figures: the same kind of messages, in the same process, without a broker.
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
from celery_gossip import GossipOptions, Listener, cluster
from celery_gossip.diagnosis import Diagnosis
from celery_gossip.evidence import Evidence
from celery_gossip.messages import decode, encode
from tests.support.workers import REPOSITORY

LOOK_EVERY = 0.05  #: seconds


@dataclass(frozen=True)
class Pure:
    """The steps by themselves, in this process, without a broker: CPU."""

    messages: int
    size: float  #: bytes of one, on average
    per_message: dict[str, float]  #: µs, by step
    per_look: dict[str, float]  #: ms for the whole fleet, by step; a front end looks once a second


@dataclass(frozen=True)
class Heard:
    """What listening to the fleet took, and how fresh the view was."""

    cpu: float  #: of a core, while nobody looks
    memory: float  #: MB, at most
    memory_before: float  #: MB, before it began
    cpu_looked_at: float  #: of a core, with the looks
    looks: int
    look: float  #: ms of one
    states: str  #: in which workers were seen
    since_sent: Quantiles  #: seconds, of every worker's latest gossip
    since_heard: Quantiles
    refused: int
    heard: float  #: messages a second that the listener took
    fleet: str  #: what the fleet says of itself
    pure: Pure


def main() -> None:
    options = parse()
    cluster.MAX_WORKERS = options.cap
    app = Celery("bottle", broker=options.broker, set_as_current=False)
    try:
        heard = measure(app, options)
    finally:
        clean(app, options.exchange)
    print(msgspec.json.encode(heard).decode() if options.json else told(heard, options.interval), flush=True)


def measure(app: Celery, options: argparse.Namespace) -> Heard:
    """What listening to a fleet costs, nobody looking, and then how fresh the view is."""
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
    per_message = "  ".join(f"{name} {1e6 / cost:,.0f} a second" for name, cost in heard.pure.per_message.items())
    per_look = "  ".join(f"{name} {cost:.1f} ms" for name, cost in heard.pure.per_look.items())
    return (
        f"listener's process: CPU {heard.cpu:.1%} of a core, memory {heard.memory:.0f} MB at most, "
        f"{heard.memory_before:.0f} MB before it began\n"
        f"{heard.looks} looks of {heard.look:.1f} ms: CPU with them {heard.cpu_looked_at:.1%}; "
        f"states seen: {heard.states}\n"
        f"seconds since a worker's latest was sent: {heard.since_sent}; interval {interval}\n"
        f"seconds since a worker's latest was heard: {heard.since_heard}\n"
        f"refused {heard.refused}\nfleet: {heard.fleet}\n"
        f"pure, {heard.pure.messages} messages of {heard.pure.size:.0f} bytes:  {per_message}\n"
        f"once a second: {per_look}"
    )


def cost(seconds: float) -> tuple[float, float]:
    """CPU of this process as a part of a core, and its memory at most in MB, while its main thread sleeps."""
    process = Process()
    cpu, began, peak = process.cpu_seconds, time.monotonic(), 0.0
    while time.monotonic() - began < seconds:
        time.sleep(0.5)
        peak = max(peak, process.memory)
    return (process.cpu_seconds - cpu) / (time.monotonic() - began), peak


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


@dataclass(frozen=True)
class Looked:
    freshness: Freshness
    cpu: float  #: of a core
    looks: int
    look: float  #: ms


def watch(listener: Listener, seconds: float) -> Looked:
    """Look at the view again and again, for how fresh it is and what the looks cost."""
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
    view.begin(0.0)
    steps: dict[str, Iterator[object]] = {
        "encode()": map(encode, gossips),
        "decode()": map(decode, bodies),
        "Cluster.apply()": (view.apply(gossip, due) for due, gossip in scheduled),
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
    """What it takes to look at the view and to diagnose it."""
    evidence = Evidence(view.view(), listening_for=60.0)
    steps: dict[str, Callable[[], object]] = {
        "Cluster.view()": view.view,
        "Diagnosis.review()": lambda: Diagnosis().review(evidence, evidence.view.taken_at),
        "Cluster.throughput()": view.throughput,
        "Cluster.totals()": view.totals,
    }
    return {name: milliseconds(step) for name, step in steps.items()}


def milliseconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1e3


class Said:
    """A line of text, known later."""

    text = ""


@contextlib.contextmanager
def fleet(options: argparse.Namespace, said: Said) -> Iterator[None]:
    """The fleet in a process of its own; its line of statistics is known when it has ended."""
    names = ("workers", "queues", "interval", "tasks_per_queue", "rate", "broker", "exchange")
    size = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in names]
    limit = 2 * options.seconds + options.warmup + 60  # should this process be killed
    command = python("benchmarks.fleet", *size, f"--seconds={limit}")
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        process.terminate()
        line, _ = process.communicate(timeout=30)
        said.text = line.strip()


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
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
