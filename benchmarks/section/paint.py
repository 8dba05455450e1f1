"""Load time and smoothness of the dashboard's pages in a browser."""

from collections.abc import Iterator

from benchmarks import painting
from benchmarks.figure import quantile
from benchmarks.report.result import Cell, Result, Scale, Section, Table

__all__ = ["SECTION"]

_COLUMNS = (
    "server",
    "page",
    "load time, p50, s",
    "max, s",
    "CPU of the open tab, % of a core",
    "tasks above 50 ms",
    "longest task, ms",
)


def measure(scale: Scale) -> Result:
    opens = scale.pick(full=9, quick=3)
    seconds = scale.pick(full=20.0, quick=5.0)
    rows = tuple(_rows(opens, seconds))
    return Result(
        tables=(Table(_COLUMNS, rows, f"Each page opened {opens} times, then left open for {seconds:.0f} s:"),)
    )


def _rows(opens: int, seconds: float) -> Iterator[tuple[Cell, ...]]:
    for server, page, one in painting.measure(1000, 10, opens, seconds):
        longest = round(max(one.held, default=0.0) * 1000)
        yield server, page, quantile(one.drawn, 0.5), one.drawn[-1], one.busy * 100, len(one.held), longest


SECTION = Section(
    name="paint",
    title="Load time of the dashboard's pages",
    method="""\
1,000 synthetic workers with 10 queues each on a separate Redis, as in the section on viewers. Debian's headless
Chromium, on the same two cores as the server and the fleet, opens each page with an empty cache. The load time is
measured from the start of the navigation to the second frame after the first row of a table exists. Then the page is
left open: the CPU time of its tab is a share of a core, and a task above 50 ms can be noticeable. Flower's page of
workers is measured for comparison. (`python -m benchmarks.painting`)""",
    measure=measure,
    caveats="""\
Flower's workers have no queues and no tasks here; its page requests the whole table every second.""",
)
