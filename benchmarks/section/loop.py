"""How late a worker's event loop becomes."""

from collections import Counter
from collections.abc import Iterator

from benchmarks import loop
from benchmarks.price.result import Cell, Result, Scale, Section, Table
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
    yield kind, int(rate), "late, without the step", *_quantiles(seen.without.late)
    yield kind, int(rate), "late, with it", *_quantiles(seen.gossiping.late)
    yield kind, int(rate), "held by our tick", *_quantiles(seen.gossiping.held)


def _quantiles(histogram: Counter[int]) -> tuple[Cell, ...]:
    return histogram.total(), *(quantile(histogram, share) for share in loop.SHARES)


SECTION = Section(
    name="loop",
    title="How long it holds up a worker's event loop",
    method="""\
A timer of 5 ms on the event loops of two prefork workers side by side, one without the step: by how much it comes
late, which is what anything else on that loop would wait. Beside it, for how long each of our ticks held the loop, by
the wall clock. (`python -m benchmarks.loop`)""",
    measure=measure,
    caveats="""\
The lateness of a timer is that of the machine first: with two cores and some ten processes a millisecond or two is
what the scheduler does to anybody, so the two workers are to be compared, not read alone. A tick that is preempted
counts with the time for which others ran. Bounds of the histogram are 5 % apart.""",
)
