"""CPU of a worker's main process: plain, with this package, and with `-E`."""

import statistics
from collections.abc import Iterator

from benchmarks import events, overhead
from benchmarks.instrumentation import Pure, pure_cost
from benchmarks.report.result import Cell, Result, Scale, Section, Table
from benchmarks.workload import kind_of
from tests.support.brokers import RABBITMQ_URL, REDIS_URL, require

__all__ = ["SECTION"]

TARGET_RATIO = 1.03  #: ratio to plain Celery
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
                ("broker", "worker", "ms per 1000 tasks", "ratio to plain, median", "interquartile range", "all"),
                tuple(row for kind in rounds for row in _rows(kind, rounds[kind])),
                f"{plan.pairs * plan.restarts} rounds of {plan.tasks:,} no-op tasks on each broker:",
            ),
            Table(
                ("transport", "Celery's Request, µs", "counted, µs", "added, µs", "share of plain Celery's CPU"),
                tuple(_pure_row(kind, pure[kind], rounds[kind]) for kind in rounds),
                "Cost of counting a task, with both classes called in turn in one process with fakes around them:",
            ),
        ),
        notes=(
            f"Of two idle workers, the one without gossip uses {idle.without:.2f} ms of CPU per second, the one with "
            f"it {idle.gossiping:.2f}: {idle.gossiping - idle.without:.2f} ms per second more, "
            f"{(idle.gossiping - idle.without) / 1e3:.2%} of a core, independent of the tasks.",
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
    """Compare with the noise of the machine, the ratio of plain Celery to itself."""
    verdicts = []
    for kind, summary in seen.items():
        verdict = "met" if summary["gossip"].ratio <= TARGET_RATIO else "**not shown**"
        ratios = f"{summary['gossip'].ratio:.3f}, where the second plain worker has {summary['again'].ratio:.3f}"
        verdicts.append(f"{verdict} on {kind}: {ratios}")
    return f"The target, a ratio of {TARGET_RATIO}, is {'; it is '.join(verdicts)}."


SECTION = Section(
    name="worker",
    title="Cost in a worker",
    method="""\
CPU time of the worker's main process per 1000 no-op tasks, prefork. Four workers run at the same time and process a
batch each in turn: plain Celery twice, with this package, and plain with `-E` (task events). Ratios are computed within
a round, to the mean of the two plain workers; "plain, again" is the ratio of the second plain worker to the first,
which shows the noise of this machine. All workers are restarted several times, because no two processes are equal.
(`python -m benchmarks.events`, `benchmarks.overhead`)""",
    measure=measure,
    caveats="""\
These tasks do nothing and arrive as fast as the worker can take them, which is the worst case for counting: a real task
costs its worker more, and this package the same. On RabbitMQ plain Celery needs a third of the CPU per task, so the
same microseconds are a larger share. Workers with parts of the package switched off showed that neither the gossip
itself (1.00) nor the cyclic garbage collector has a measurable cost: the cost is the counting. In a worker it is higher
than in the isolated measurement, because the CPU caches are cold between Celery's own steps. A variant that records
events without a lock and counts them when a report is made has a lower isolated cost and the same ratios within the
noise, but it counts in bursts that delay the event loop; it was rejected.""",
)
