"""What a broken gossip broker costs the tasks."""

from collections.abc import Iterator
from math import isinf

from benchmarks import broker_faults
from benchmarks.price.result import Cell, Result, Scale, Section, Table
from tests.support.brokers import REDIS_URL, require

__all__ = ["SECTION"]

QUICK = [("frozen", "redis")]


def measure(scale: Scale) -> Result:
    every = [(fault, kind) for fault, kinds in broker_faults.FAULTS.items() for kind in kinds]
    chosen, seconds = scale.pick(full=(every, 8.0), quick=(QUICK, 4.0))
    rows = tuple(_rows(chosen, seconds))
    columns = ("fault", "gossip broker", "without, tasks/s", "with", "ratio", "stop without, s", "stop with, s")
    return Result(tables=(Table(columns, rows, f"One window of {seconds:.0f} s each:"),))


def _rows(chosen: list[tuple[str, str]], seconds: float) -> Iterator[tuple[Cell, ...]]:
    require(REDIS_URL)
    for fault, kind in chosen:
        seen = broker_faults.compare(REDIS_URL, fault, kind, tasks=int(800 * seconds), seconds=seconds)
        stops = ["not within 30" if isinf(stop) else stop for stop in seen.stops]
        yield fault, kind, *seen.rates, f"{seen.ratio:.3f}", *stops


SECTION = Section(
    name="fault",
    title="What a broken gossip broker costs the tasks",
    method="""\
Two workers side by side, one without the step; tasks on Redis, gossip on a broker of its own that is then killed
(refused), frozen by SIGSTOP, or blocked by RabbitMQ's memory alarm. At the end both are stopped warmly. "none" is
what two such workers show where nothing is wrong. (`python -m benchmarks.broker_faults`; each fault at its full
length, with its target: [faults.md](faults.md))""",
    measure=measure,
    caveats="""\
A worker that does not end within 30 s is Celery 5.7's own prefork pool: stopped while no-op tasks flow, it can wait
for ever in billiard's `Pool.join`. The worker without the step does so too, with the same stack, in 1 of 5 stops of a
run made for it, as did 1 of 5 with the step; our sender was idle. On gevent and eventlet a frozen gossip broker may
add a second to a warm stop, the wait for the last word.""",
)
