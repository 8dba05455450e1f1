"""What a worker pays: CPU of its main process, plain, with this package, and with `-E`."""

import statistics
from collections.abc import Iterator

from benchmarks import events, overhead
from benchmarks.price.result import Cell, Result, Scale, Section, Table
from benchmarks.tapping import Pure, pure_cost
from benchmarks.workload import kind_of
from tests.support.brokers import RABBITMQ_URL, REDIS_URL, require

__all__ = ["SECTION"]

AIM = 1.03  #: ratio to plain Celery
LABELS = {"plain": "plain", "again": "plain, again", "gossip": "this package", "-E": "`-E`"}


def measure(scale: Scale) -> Result:
    plan = scale.pick(
        full=events.Plan(tasks=1500, pairs=3, restarts=2), quick=events.Plan(tasks=1000, pairs=2, restarts=1)
    )
    rounds = {kind_of(url): list(events.measure(plan, require(url))) for url in (REDIS_URL, RABBITMQ_URL)}
    pure = {kind: pure_cost(kind, turns=scale.pick(full=40, quick=10)) for kind in rounds}
    idle = overhead.measure_idle(REDIS_URL, seconds=scale.pick(full=20.0, quick=5.0))
    return Result(
        tables=(
            Table(
                ("broker", "worker", "ms per 1000 tasks", "ratio to plain, median", "middle half", "all"),
                tuple(row for kind in rounds for row in _rows(kind, rounds[kind])),
                f"{plan.pairs * plan.restarts} rounds of {plan.tasks:,} no-op tasks on each broker:",
            ),
            Table(
                ("deliveries of", "Celery's Request, µs", "counted, µs", "added, µs", "of what plain Celery spends"),
                tuple(_pure_row(kind, pure[kind], rounds[kind]) for kind in rounds),
                "The pure cost of counting a task, both classes driven in turns in one process with fakes around them:",
            ),
        ),
        notes=(
            f"Two idle workers side by side spend {idle.without:.2f} ms of CPU a second without gossip and "
            f"{idle.gossiping:.2f} with it: {idle.gossiping - idle.without:.2f} ms a second, "
            f"{(idle.gossiping - idle.without) / 1e3:.2%} of a core, whatever the tasks are.",
            _verdict({kind: events.summarised(each) for kind, each in rounds.items()}),
        ),
    )


def _rows(kind: str, rounds: list[events.Costs]) -> Iterator[tuple[Cell, ...]]:
    for name, seen in events.summarised(rounds).items():
        halves, extremes = f"{seen.low:.3f} to {seen.high:.3f}", f"{seen.least:.3f} to {seen.most:.3f}"
        yield kind, LABELS[name], seen.cost, f"{seen.ratio:.3f}", halves, extremes


def _pure_row(kind: str, pure: Pure, rounds: list[events.Costs]) -> tuple[Cell, ...]:
    plain = statistics.median(map(events.plain_of, rounds))  # ms per 1000 tasks: µs per task
    return kind, pure.plain, pure.counted, pure.added, f"{pure.added / plain:.1%}"


def _verdict(seen: dict[str, dict[str, events.Summary]]) -> str:
    """Beside what the machine can tell: the ratio of plain Celery to itself."""
    said = [
        f"{'met' if summary['gossip'].ratio <= AIM else '**not shown**'} on {kind}: {summary['gossip'].ratio:.3f}, "
        f"where plain Celery beside itself was {summary['again'].ratio:.3f}"
        for kind, summary in seen.items()
    ]
    return f"The aim, a ratio of {AIM}, is {'; it is '.join(said)}."


SECTION = Section(
    name="worker",
    title="What it costs a worker",
    method="""\
CPU of the worker's main process per 1000 no-op tasks, prefork. Four workers stand side by side and take turns at a
batch each: plain Celery twice, with this package, and plain with `-E` (task events). A ratio is taken within a round,
to the mean of the two plain ones; "plain, again" is the second by the first, so it tells what this machine can tell.
All are started anew now and then, for no two processes are equal. (`python -m benchmarks.events`,
`benchmarks.overhead`)""",
    measure=measure,
    caveats="""\
These tasks do nothing and come as fast as the worker takes them, which is where counting weighs most: a real task
costs its worker more, and this package the same. On RabbitMQ, where plain Celery needs a third of the CPU per task,
the same microseconds are a larger part. Leaving parts out in workers showed that the gossip itself cannot be seen
(1.00), nor can the cyclic collector: what there is is the counting. Between Celery's own steps its code finds the
caches cold, so in workers it is somewhat more than the pure cost. A variant that notes without a lock and counts when
it is told has a lower pure cost and the same ratios within the noise, and it counts in bursts that hold up the event
loop; it was not taken.""",
)
