"""Cost of a listener to a large fleet, and of its steps."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from benchmarks.listening import Heard
from benchmarks.process import python
from benchmarks.report.result import Cell, Result, Scale, Section, Table
from tests.support.brokers import RABBITMQ_URL, REDIS_URL, require
from tests.support.workers import REPOSITORY

__all__ = ["SECTION", "figures_of"]


@dataclass(frozen=True)
class Size:
    workers: int
    interval: float = 1.0
    tasks_per_queue: int = 0
    rate: float = 0.0
    broker: str = REDIS_URL

    @property
    def name(self) -> str:
        return f"{self.workers:,} at {self.interval:g} s"

    @property
    def tasks(self) -> str:
        return "counted" if self.tasks_per_queue else "not counted"


FLEETS = (
    Size(100),
    Size(1_000),
    Size(1_000, broker=RABBITMQ_URL),
    Size(1_000, tasks_per_queue=1),
    Size(1_000, tasks_per_queue=1, rate=10.0),
    Size(5_000, interval=5.0),
    Size(5_000, interval=5.0, tasks_per_queue=1),
)
QUICK = (Size(100), Size(1_000, tasks_per_queue=1), Size(5_000, interval=5.0))


def measure(scale: Scale) -> Result:
    seconds = scale.pick(full=12.0, quick=4.0)
    seen = {size: listened(size, seconds) for size in scale.pick(full=FLEETS, quick=QUICK)}
    ages = ("age p50, s", "p99", "max")
    return Result(
        tables=(
            Table(
                ("fleet", "broker", "tasks", "KB per gossip", "CPU, % of a core", "memory, MB", *ages, "refused"),
                tuple(_row(size, heard) for size, heard in seen.items()),
                f"Ten queues each, {seconds:.0f} s of listening, then {seconds:.0f} s of reading the view:",
            ),
            Table(
                ("fleet", "tasks", *_steps(next(iter(seen.values())))),
                tuple(_pure_row(size, heard) for size, heard in seen.items() if size.broker == REDIS_URL),
                "CPU time of single steps, in one process without a broker; the first two are per message, the others "
                "per call for the whole fleet:",
            ),
        ),
        notes=tuple(_anomalies(seen)),
    )


def listened(size: Size, seconds: float) -> Heard:
    """Measure in a separate process, so that its memory is not shared."""
    require(size.broker)
    names = ("workers", "interval", "tasks_per_queue", "rate", "broker")
    options = [f"--{name.replace('_', '-')}={getattr(size, name)}" for name in names]
    options += [f"--seconds={seconds}", f"--cap={max(2_000, size.workers)}"]
    return msgspec.json.decode(figures_of("benchmarks.listening", *options), type=Heard)


def figures_of(module: str, *options: str) -> bytes:
    """Run a benchmark with --json in a separate process and return the last line that it prints."""
    done = subprocess.run(
        python(module, *options, "--json"), cwd=REPOSITORY, stdout=subprocess.PIPE, timeout=300, check=True
    )
    return done.stdout.splitlines()[-1]


def _row(size: Size, heard: Heard) -> tuple[Cell, ...]:
    ages, broker = heard.since_sent, "RabbitMQ" if size.broker == RABBITMQ_URL else "Redis"
    rate = f", {size.rate:g} more per second" if size.rate else ""
    return (
        size.name, broker, size.tasks + rate, heard.pure.size / 1e3, heard.cpu * 100, round(heard.memory),
        ages.p50, ages.p99, ages.most, heard.refused,
    )  # fmt: skip


def _steps(heard: Heard) -> Iterator[str]:
    for name in heard.pure.per_message:
        if name != "encode()":
            yield f"`{name}`, µs"
    for name in heard.pure.per_look:
        yield f"`{name}`, ms"


def _pure_row(size: Size, heard: Heard) -> tuple[Cell, ...]:
    per_message = [cost for name, cost in heard.pure.per_message.items() if name != "encode()"]
    rate = f", {size.rate:g} more per second" if size.rate else ""
    return size.name, size.tasks + rate, *per_message, *heard.pure.per_look.values()


def _anomalies(seen: dict[Size, Heard]) -> Iterator[str]:
    for size, heard in seen.items():
        if heard.states != "online 100.00%":
            yield f"{size.name}, tasks {size.tasks}: states {heard.states}; output of the fleet: {heard.fleet}."


SECTION = Section(
    name="fleet",
    title="Cost of a listener to a large fleet",
    method="""\
A fleet of synthetic workers (`benchmarks.fleet`, a separate process) publishes the same bytes as real workers. CPU and
memory are those of a process that only listens (34 MB of it before it starts to listen). The age is the time since the
latest gossip of each worker was *sent*, read every 50 ms. Where tasks are counted, each worker has one task per queue
and starts up to three per interval, with a `Meter` as in real workers; "10 more per second" are additional short tasks.
Fleet, broker and listener share the cores. (`python -m benchmarks.listening`)""",
    measure=measure,
    caveats="""\
The synthetic fleet publishes evenly. Real workers add 10 % jitter to their interval, so their gossip is up to 1.1
intervals old when the next one arrives. A view keeps 2,000 hostnames; for larger fleets this bound was raised for the
measurement.

**10,000 workers** need a longer interval, or several exchanges with a few thousand workers and a listener each: at 1 s
the messages alone would need more than the one core that a Python process can use. Measured manually at commit f5196d6,
without tasks, on Redis: 2,000 workers at 1 s took 28 % of a core and 58 MB, 3,000 took 41 % and 65 MB, 10,000 at 10 s
took 35 % and 96 MB. A fit through such rows gave 110 µs per message and 23 µs per worker and second, half of it in
Kombu and redis-py. With a longer interval the states suspect and lost are entered later, because they are 3.5 and 10
intervals. Memory, a few KB per worker without tasks, is not a limit.""",
)
