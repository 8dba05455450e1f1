"""Delay until a change is visible."""

from benchmarks import freshness
from benchmarks.figure import Quantiles
from benchmarks.report.result import Cell, Result, Scale, Section, Table
from tests.support.brokers import REDIS_URL, require

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    tasks, switches = scale.pick(full=(60, 16), quick=(10, 3))
    seen = freshness.measure(require(REDIS_URL), tasks, switches)
    rows = (
        _row("a task starts → the view contains it", seen.started),
        _row("a queue is cancelled or consumed again → the view shows it", seen.paused),
        _row("a task starts → a reply of `inspect active` contains it, called without a pause", seen.asked),
        _row("one call of `inspect active` to all workers", seen.call),
        _row("one call of `inspect active` to one worker by name", seen.call_of_one),
    )
    return Result(
        tables=(Table(("", "times", "p50, s", "p95", "max"), rows),),
        notes=(
            "If it is called every 5 s, as by an exporter, a reply is as old as its call took when it arrives, and "
            f"{5 + seen.call.p50:.1f} s old when the next one arrives.",
        ),
    )


def _row(name: str, seen: Quantiles) -> tuple[Cell, ...]:
    return name, seen.count, seen.p50, seen.p95, seen.most


SECTION = Section(
    name="freshness",
    title="Delay until a change is visible",
    method="""\
One prefork worker with the default interval of 1 s, on Redis. Tasks start at random moments, which the pool process
records; the view of a listener is read every 2 ms, while a thread calls `inspect().active()` in a loop. Then a queue is
cancelled and consumed again at random moments, measured from the sending of the command.
(`python -m benchmarks.freshness`)""",
    measure=measure,
    caveats="""\
A change is reported at the next tick: after half an interval on average, 1.1 intervals at most, plus the delay of the
event loop. A shorter `gossip_interval` shortens it in proportion. `inspect` to all workers waits a full second for
further replies, so its result is a second old when it arrives. With names of workers it returns at once, but the names
have to be known, and a dead worker costs the full second.""",
)
