"""Cost of a monitor of busy workers."""

from collections.abc import Iterator

from benchmarks import monitors
from benchmarks.report.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    rates = scale.pick(full=[50.0, 200.0, 500.0], quick=[200.0])
    seconds = scale.pick(full=25.0, quick=5.0)
    points = list(monitors.measure(rates, seconds))
    without = () if monitors.has_flower() else ("Flower was not installed, so it was not measured.",)
    return Result(
        tables=(
            Table(
                ("tasks/s", "monitor", "CPU, % of a core", "ratio to the exporter", "memory, MB"),
                tuple(row for point in points for row in _rows(point)),
                f"All in the same {seconds:.0f} s:",
            ),
        ),
        notes=(*without, *_behind(points)),
    )


def _rows(point: monitors.Point) -> Iterator[tuple[Cell, ...]]:
    ours = point.costs[monitors.OURS].cpu
    for name, cost in point.costs.items():
        yield round(point.rate), name, cost.cpu * 100, f"{cost.cpu / ours:.1f}" if ours else None, round(cost.memory)


def _behind(points: list[monitors.Point]) -> Iterator[str]:
    for point in points:
        if point.waiting > point.rate:
            rate = f"At {point.rate:.0f} tasks per second"
            yield f"{rate} the workers could not keep up: {point.waiting} tasks waited at the end."
        for name, count in point.missed.items():
            yield f"At {point.rate:.0f} tasks per second {name} did not answer {count} scrapes within 10 s."


SECTION = Section(
    name="monitor",
    title="Cost of a monitor",
    method="""\
Three solo workers with gossip and with `-E` on a separate Redis, and all monitors at the same time: `celery gossip
exporter` and Flower, both scraped every 5 s; `celery events --dump`, the minimum that `celery events` and every other
consumer of events has to do; and a program that calls `inspect` for active, reserved and stats every 5 s. (`python -m
benchmarks.monitors`)""",
    measure=measure,
    caveats="""\
The cost of the exporter does not depend on the task rate. Flower's memory is that of the first half minute: it keeps
100,000 tasks. The program that polls `inspect` uses little CPU itself because it mostly waits; but each worker has to
reply three times in 5 s, on the event loop that receives tasks, each call takes a second, and its data are up to 8 s
old (see "Delay until a change is visible"). The screen of `celery events` needs a terminal and was not measured.
[celery-exporter](https://github.com/danihodovic/celery-exporter) was not measured either: on PyPI it is called
`prometheus-exporter-celery`, which was not known at the time. It consumes every event, as Flower and the dump do, and
calls `inspect` twice in each scrape.""",
)
