"""What a monitor costs beside busy workers."""

from collections.abc import Iterator

from benchmarks import monitors
from benchmarks.price.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    rates = scale.pick(full=[50.0, 200.0, 500.0], quick=[200.0])
    seconds = scale.pick(full=25.0, quick=5.0)
    points = list(monitors.measure(rates, seconds))
    without = () if monitors.has_flower() else ("Flower is left out: it is not installed here.",)
    return Result(
        tables=(
            Table(
                ("tasks/s", "monitor", "CPU, % of a core", "of ours", "memory, MB"),
                tuple(row for point in points for row in _rows(point)),
                f"All over the same {seconds:.0f} s:",
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
            yield f"At {point.rate:.0f} tasks a second the workers were behind: {point.waiting} waited at the end."
        for name, count in point.missed.items():
            yield f"At {point.rate:.0f} tasks a second {name} did not answer {count} scrapes within 10 s."


SECTION = Section(
    name="monitor",
    title="What a monitor costs",
    method="""\
Three solo workers with gossip and with `-E` on a Redis of their own, and everybody who watches them at once:
`celery gossip exporter` and Flower, both scraped every 5 s, `celery events --dump` (what `celery events` and every
consumer of events must do at least), and a program that asks `inspect` for active, reserved and stats every 5 s.
(`python -m benchmarks.monitors`)""",
    measure=measure,
    caveats="""\
Ours does not depend on the task rate. Flower's memory is that of the first half minute: it keeps 100,000 tasks. The
program that polls `inspect` spends little itself, for it waits; it makes each worker answer three times in 5 s, on
the loop that takes tasks, each question takes it a second, and what it knows is up to 8 s old (see "How fresh it
is"). The screen of `celery events` needs a terminal and was not measured. Nor was
[celery-exporter](https://github.com/danihodovic/celery-exporter): it is not on PyPI, where that name is another,
older project, and container images could not be had here. It consumes every event, as Flower and the dump do, and
asks `inspect` twice in each scrape.""",
)
