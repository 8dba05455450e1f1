"""Cost of a health probe as a command."""

import statistics

from benchmarks import health
from benchmarks.report.result import Cell, Result, Scale, Section, Table
from tests.support.brokers import REDIS_URL, require

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    spent = health.measure(require(REDIS_URL), calls=scale.pick(full=15, quick=4))
    ratios = health.ratios_of(spent)
    columns = ("command", "CPU, ms: median", "min", "max", "wall, ms: median")
    return Result(
        tables=(Table(columns, tuple(_row(name, calls) for name, calls in spent.items())),),
        notes=(
            f"In pairs of consecutive calls `inspect ping` takes {statistics.median(ratios):.1f} times the CPU "
            f"({min(ratios):.1f} to {max(ratios):.1f}).",
        ),
    )


def _row(name: str, calls: list[tuple[float, float]]) -> tuple[Cell, ...]:
    cpu, wall = zip(*calls, strict=True)
    return f"`{name}`", statistics.median(cpu), min(cpu), max(cpu), statistics.median(wall)


SECTION = Section(
    name="health",
    title="Cost of a health probe",
    method="""\
The commands that an exec probe of Kubernetes could run, called in turn, with one idle worker running; CPU is user and
system time of the command. (`python -m benchmarks.health`)""",
    measure=measure,
    caveats="""\
`celery inspect ping` also imports the project, which is very small here, and causes work in the broker and in the
worker. Most of the cost of the health probe is the start of Python.""",
)
