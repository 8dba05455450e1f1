"""Delay of a worker's event loop."""

from collections import Counter
from collections.abc import Iterator

from benchmarks import loop
from benchmarks.report.result import Cell, Result, Scale, Section, Table
from benchmarks.workload import kind_of
from tests.support.brokers import RABBITMQ_URL, REDIS_URL, require
from tests.support.lateness import quantile

__all__ = ["SECTION"]

RATES = (0.0, 100.0)  #: no-op tasks a second, for each worker


def measure(scale: Scale) -> Result:
    seconds = scale.pick(full=30.0, quick=6.0)
    rows: list[tuple[Cell, ...]] = []
    for url in (REDIS_URL, RABBITMQ_URL):
        for rate in scale.pick(full=RATES, quick=RATES[1:]):
            rows += _rows(kind_of(url), rate, loop.measure(require(url), rate, seconds))
    columns = ("broker", "tasks/s", "", "times", "p50, ms", "p99", "p99.9", "max")
    return Result(tables=(Table(columns, tuple(rows), f"{seconds:.0f} s each:"),))


def _rows(kind: str, rate: float, seen: loop.Stall) -> Iterator[tuple[Cell, ...]]:
    yield kind, int(rate), "timer delay without the bootstep", *_quantiles(seen.without.late)
    yield kind, int(rate), "timer delay with it", *_quantiles(seen.gossiping.late)
    yield kind, int(rate), "duration of our tick", *_quantiles(seen.gossiping.held)


def _quantiles(histogram: Counter[int]) -> tuple[Cell, ...]:
    return histogram.total(), *(quantile(histogram, share) for share in loop.SHARES)


SECTION = Section(
    name="loop",
    title="Delay of the worker's event loop",
    method="""\
A timer of 5 ms on the event loops of two prefork workers that run at the same time, one without the bootstep. Its delay
is the time that any other event on that loop would wait. In addition, the wall time that each of our ticks takes on the
loop. (`python -m benchmarks.loop`)""",
    measure=measure,
    caveats="""\
The delay of a timer depends mostly on the machine: with two cores and about ten processes the scheduler delays every
process by a millisecond or two. Compare the two workers with each other. The duration of a tick includes the time for
which it was preempted. Bounds of the histogram are 5 % apart.""",
)
