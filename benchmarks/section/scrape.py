"""Duration of a scrape of the exporter."""

import msgspec

from benchmarks.report.result import Cell, Result, Scale, Section, Table
from benchmarks.scraping import Scraped
from benchmarks.section.fleet import figures_of
from tests.support.brokers import REDIS_URL, require

__all__ = ["SECTION"]

#: `{fleet: options of benchmarks.scraping}`
FLEETS: dict[str, tuple[str, ...]] = {
    "1,000 workers, 10 queues, no tasks": ("--tasks-per-queue=0",),
    "1,000 workers, 10 queues, a task in each": (),
    "the same with `--no-hostname`": ("--no-hostname",),
    "100 workers, 10 queues, two tasks in each": ("--workers=100", "--tasks-per-queue=2"),
}


def measure(scale: Scale) -> Result:
    require(REDIS_URL)
    seconds = scale.pick(full=15.0, quick=5.0)
    chosen = scale.pick(full=list(FLEETS), quick=list(FLEETS)[1:2])
    rows = []
    for name in chosen:
        output = figures_of("benchmarks.scraping", "--every=0.1", f"--seconds={seconds}", *FLEETS[name])
        rows.append(_row(name, msgspec.json.decode(output, type=Scraped)))
    columns = ("fleet", "time series", "MB", "scrapes", "p50, ms", "p99", "max")
    return Result(
        tables=(
            Table((*columns, "rendering, s", "CPU, % of a core", "memory, MB"), tuple(rows), f"{seconds:.0f} s each:"),
        )
    )


def _row(name: str, seen: Scraped) -> tuple[Cell, ...]:
    took = seen.scrapes.took
    return (
        name, seen.lines, seen.size / 2**20, took.count, took.p50, took.p99, took.most,
        seen.own.get("render_seconds"), seen.cpu * 100, round(seen.memory),
    )  # fmt: skip


SECTION = Section(
    name="scrape",
    title="Duration of a scrape",
    method="""\
The same fleet on Redis, with `celery gossip exporter` as the listener. A separate process scrapes ten times per second
with compression; a scrape is measured from connecting to the last byte. (`python -m benchmarks.scraping`)""",
    measure=measure,
    caveats="""\
A scrape returns an exposition that is rendered in advance, so its duration does not grow with the fleet; its slowest
values are waits for the GIL and for a core. Rendering, on a thread of its own, grows with the fleet. Listening takes
most of the CPU. Two calls of `inspect`, as celery-exporter makes them in each scrape, take two seconds: each waits one
second for replies.""",
)
