"""What viewers cost the dashboard's server."""

from collections.abc import Iterator

from benchmarks import viewing
from benchmarks.price.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    viewers = scale.pick(full=[0, 1, 10, 50], quick=[0, 10])
    seconds = scale.pick(full=15.0, quick=5.0)
    rows = [row for point in viewing.measure(viewers, 1000, 10, seconds) for row in _rows(point)]
    columns = ("viewers", "server", "CPU, % of a core", "memory, MB", "sent to each, kB/s")
    return Result(tables=(Table(columns, tuple(rows), f"{seconds:.0f} s each:"),))


def _rows(point: viewing.Point) -> Iterator[tuple[Cell, ...]]:
    for name, cost in point.costs.items():
        yield point.viewers, name, cost.cpu * 100, round(cost.memory), round(point.bytes[name], 1)


SECTION = Section(
    name="viewer",
    title="What viewers of the dashboard cost",
    method="""\
1,000 synthetic workers with 10 queues each on a Redis of their own. For `celery gossip web` they gossip once a second,
and each viewer reads the live events of the page of all workers; for Flower they send heartbeats every two seconds, and
each viewer asks for the table of all workers every second, as Flower's own page does. One server at a time.
(`python -m benchmarks.viewing`)""",
    measure=measure,
    caveats="""\
Most of our server's CPU is the listener's, which hears a thousand messages a second with ten queues in each; what is
sent is differences, made once for all viewers. Flower's workers have no tasks and no queues here: with task events it
would have a message per task step to take, too.""",
)
