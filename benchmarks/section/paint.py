"""How soon the dashboard's pages stand in a browser, and whether they move smoothly."""

from collections.abc import Iterator

from benchmarks import painting
from benchmarks.figure import quantile
from benchmarks.price.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]

_COLUMNS = (
    "server",
    "page",
    "drawn after, p50, s",
    "at most, s",
    "then busy, % of a core",
    "tasks above 50 ms",
    "the longest, ms",
)


def measure(scale: Scale) -> Result:
    opens = scale.pick(full=9, quick=3)
    seconds = scale.pick(full=20.0, quick=5.0)
    rows = tuple(_rows(opens, seconds))
    return Result(tables=(Table(_COLUMNS, rows, f"Opened {opens} times, then watched for {seconds:.0f} s:"),))


def _rows(opens: int, seconds: float) -> Iterator[tuple[Cell, ...]]:
    for server, page, one in painting.measure(1000, 10, opens, seconds):
        longest = round(max(one.held, default=0.0) * 1000)
        yield server, page, quantile(one.drawn, 0.5), one.drawn[-1], one.busy * 100, len(one.held), longest


SECTION = Section(
    name="paint",
    title="How soon the dashboard's pages stand",
    method="""\
1,000 synthetic workers with 10 queues each, on a Redis of their own, as for its viewers. Debian's Chromium, headless,
on the same two cores as the server and the fleet, opens each page with an empty cache; "drawn" is the second frame
after a table's first row was there, from the navigation's start. Then it is left open: what its tab does is a part
of a core, and a task above 50 ms is what a reader may feel. Flower's page of workers beside it.
(`python -m benchmarks.painting`)""",
    measure=measure,
    caveats="""\
Flower's workers have no queues and no tasks here; its page asks for the whole table again every second.""",
)
