"""Effect of a failed gossip broker on the tasks."""

from collections.abc import Iterator
from math import isinf

from benchmarks import broker_faults
from benchmarks.report.result import Cell, Result, Scale, Section, Table
from tests.support.brokers import REDIS_URL, require

__all__ = ["SECTION"]

QUICK = [("frozen", "redis")]


def measure(scale: Scale) -> Result:
    every = [(fault, kind) for fault, kinds in broker_faults.FAULTS.items() for kind in kinds]
    chosen, seconds = scale.pick(full=(every, 8.0), quick=(QUICK, 4.0))
    rows = tuple(_rows(chosen, seconds))
    columns = ("fault", "gossip broker", "without, tasks/s", "with", "ratio", "shutdown without, s", "shutdown with, s")
    return Result(tables=(Table(columns, rows, f"One window of {seconds:.0f} s each:"),))


def _rows(chosen: list[tuple[str, str]], seconds: float) -> Iterator[tuple[Cell, ...]]:
    require(REDIS_URL)
    for fault, kind in chosen:
        seen = broker_faults.compare(REDIS_URL, fault, kind, tasks=int(800 * seconds), seconds=seconds)
        stops = ["not within 30" if isinf(stop) else stop for stop in seen.stops]
        yield fault, kind, *seen.rates, f"{seen.ratio:.3f}", *stops


SECTION = Section(
    name="fault",
    title="Effect of a failed gossip broker on the tasks",
    method="""\
Two workers run at the same time, one without the bootstep. Tasks are on Redis, gossip is on a separate broker that is
then killed (refused), stopped by SIGSTOP (frozen), or blocked by RabbitMQ's memory alarm (alarm). At the end both
workers shut down warmly. "none" is the same comparison without a fault. (`python -m benchmarks.broker_faults`; each
fault in full length, with its target: [faults.md](faults.md))""",
    measure=measure,
    caveats="""\
A worker that does not end within 30 s is caused by Celery 5.7's own prefork pool: if it is stopped while no-op tasks
are arriving, it can wait forever in billiard's `Pool.join`. In a run made to check this, 1 of 5 shutdowns without the
bootstep and 1 of 5 with it had the same stack; the sender thread was idle. On gevent and eventlet a frozen gossip
broker can add one second to a warm shutdown, the wait for the last report.""",
)
