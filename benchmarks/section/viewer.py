"""Cost of viewers of the dashboard."""

from collections.abc import Iterator

from benchmarks import viewing
from benchmarks.report.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    viewers = scale.pick(full=[0, 1, 10, 50], quick=[0, 10])
    seconds = scale.pick(full=15.0, quick=5.0)
    rows = [row for point in viewing.measure(viewers, 1000, 10, seconds) for row in _rows(point)]
    columns = ("viewers", "server", "CPU, % of a core", "memory, MB", "sent to each viewer, kB/s")
    return Result(tables=(Table(columns, tuple(rows), f"{seconds:.0f} s each:"),))


def _rows(point: viewing.Point) -> Iterator[tuple[Cell, ...]]:
    for name, cost in point.costs.items():
        yield point.viewers, name, cost.cpu * 100, round(cost.memory), round(point.bytes[name], 1)


SECTION = Section(
    name="viewer",
    title="Cost of viewers of the dashboard",
    method="""\
1,000 synthetic workers with 10 queues each on a separate Redis. For `celery gossip web` they send gossip every second,
and each viewer reads the event stream of the page of all workers. For Flower they send heartbeats every two seconds,
and each viewer requests the table of all workers every second, as Flower's own page does. One server at a time.
(`python -m benchmarks.viewing`)""",
    measure=measure,
    caveats="""\
Most of the server's CPU is used by the listener, which receives a thousand messages per second with ten queues each.
Viewers receive differences, which are computed once for all viewers. Flower's workers have no tasks and no queues here:
with task events Flower would also have to process one message per step of each task.""",
)
