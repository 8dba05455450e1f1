"""How fresh what one sees is."""

from benchmarks import freshness
from benchmarks.figure import Quantiles
from benchmarks.price.result import Cell, Result, Scale, Section, Table
from tests.support.brokers import REDIS_URL, require

__all__ = ["SECTION"]


def measure(scale: Scale) -> Result:
    tasks, switches = scale.pick(full=(60, 16), quick=(10, 3))
    seen = freshness.measure(require(REDIS_URL), tasks, switches)
    rows = (
        _row("a task starts → it is in the view", seen.started),
        _row("a queue is cancelled or consumed again → the view says so", seen.paused),
        _row("a task starts → an answer of `inspect active` has it, asked without a pause", seen.asked),
        _row("one call of `inspect active` to everybody", seen.call),
        _row("one call of `inspect active` to one worker by name", seen.call_of_one),
    )
    return Result(
        tables=(Table(("", "times", "p50, s", "p95", "max"), rows),),
        notes=(
            "Asked every 5 s, as an exporter would, such an answer is as old as its call took when it comes, and "
            f"{5 + seen.call.p50:.1f} s when the next one does.",
        ),
    )


def _row(name: str, seen: Quantiles) -> tuple[Cell, ...]:
    return name, seen.count, seen.p50, seen.p95, seen.most


SECTION = Section(
    name="freshness",
    title="How fresh it is",
    method="""\
One prefork worker with the default interval of 1 s, on Redis. Tasks start at random moments, and the worker's child
notes when; the view of a listener is looked at every 2 ms, while a thread asks `inspect().active()` again and again.
Then a queue is cancelled and consumed again at random moments, timed from the sending of the command.
(`python -m benchmarks.freshness`)""",
    measure=measure,
    caveats="""\
A change waits for the next round: half an interval on average, 1.1 of one at most, and the loop. A shorter
`gossip_interval` makes it so much fresher. `inspect` to everybody waits a whole second for whoever may still answer,
so what it tells is a second old when it arrives; asked by name it returns at once, but then one has to know who is
there, and a dead worker costs the second again.""",
)
