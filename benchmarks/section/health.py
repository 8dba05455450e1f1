"""What a health probe costs as a command."""

import statistics

from benchmarks import health
from benchmarks.price.result import Cell, Result, Scale, Section, Table
from tests.support.brokers import REDIS_URL, require

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    spent = health.measure(require(REDIS_URL), calls=scale.pick(full=15, quick=4))
    ratios = health.ratios_of(spent)
    columns = ("command", "CPU, ms: median", "min", "max", "wall, ms: median")
    return Result(
        tables=(Table(columns, tuple(_row(name, calls) for name, calls in spent.items())),),
        notes=(
            f"Turn by turn `inspect ping` takes {statistics.median(ratios):.1f} times the CPU "
            f"({min(ratios):.1f} to {max(ratios):.1f}).",
        ),
    )


def _row(name: str, calls: list[tuple[float, float]]) -> tuple[Cell, ...]:
    cpu, wall = zip(*calls, strict=True)
    return f"`{name}`", statistics.median(cpu), min(cpu), max(cpu), statistics.median(wall)


SECTION = Section(
    name="health",
    title="What a health probe costs",
    method="""\
The command that an exec probe of Kubernetes runs, one of each in turn, beside one idle worker; CPU is the command's
own, user and system. (`python -m benchmarks.health`)""",
    measure=measure,
    caveats="""\
`celery inspect ping` also imports the project, which here has next to nothing to import, and makes the broker and the
worker work. Most of what the health probe costs is Python's own start.""",
)
