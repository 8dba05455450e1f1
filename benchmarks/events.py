"""Cost of counting tasks and of task events in a worker: CPU of its main process per 1000 no-op tasks.

`python -m benchmarks.events [--broker URL] [--tasks 2000] [--pairs 8] [--restarts 3] [--pool prefork]`

Four workers run at the same time, each with its own queues: plain Celery twice, with this package, and plain with `-E`.
Each processes a batch in turn, in alternating order. Ratios are computed within each round, to the mean of the two
plain workers; the ratio of these two shows the noise. All workers are restarted several times, because no two processes
are equal. Without --broker it runs on Redis and on RabbitMQ. At the end it prints the isolated cost of counting, which
is too small to be measured in workers; see benchmarks.instrumentation.
"""

import argparse
import contextlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.instrumentation import pure_cost
from benchmarks.workload import WITHOUT, WORKER, drain, fill, kind_of, paused, project_on
from tests.support.brokers import RABBITMQ_URL, REDIS_URL
from tests.support.workers import Project, Worker

#: Kind of worker → its flags.
KINDS: dict[str, tuple[str, ...]] = {"plain": WITHOUT, "again": WITHOUT, "gossip": (), "-E": (*WITHOUT, "-E")}
SETTLE = 0.5  #: seconds for prefetched tasks after the queue is empty

Team = list[tuple[str, Project, Worker]]
Costs = dict[str, float]  #: kind: CPU milliseconds per 1000 tasks


@dataclass(frozen=True)
class Plan:
    """Amount of work on each broker."""

    tasks: int = 2000  #: in one batch
    pairs: int = 8  #: rounds per restart
    restarts: int = 3  #: restarts of all workers
    pool: str = "prefork"


@dataclass(frozen=True)
class Summary:
    """Summary of one kind over all rounds; ratios are to plain in the same round."""

    cost: float  #: ms per 1000 tasks, the median
    ratio: float  #: the median
    low: float  #: lower quartile of the ratios
    high: float  #: upper quartile
    least: float
    most: float
    cheap: float  #: ratio of the lower quartiles of the costs: disturbances can only add to them


def main() -> None:
    options = parse()
    plan = Plan(options.tasks, options.pairs, options.restarts, options.pool)
    for broker in [options.broker] if options.broker else [REDIS_URL, RABBITMQ_URL]:
        transport = kind_of(broker)
        print(f"{transport}: main-process CPU, ms per 1000 tasks, and ratios to plain in the same round", flush=True)
        rounds = list(measure(plan, broker))
        plain = statistics.median(plain_of(costs) for costs in rounds)
        for kind, summary in summarised(rounds).items():
            print(f"{kind:>7}: {told(summary)}", flush=True)
        pure = pure_cost(transport)
        print(f"isolated cost of counting a task: {pure}, {pure.added / plain:.2%} of plain Celery's CPU\n", flush=True)


def measure(plan: Plan, broker: str) -> Iterator[Costs]:
    """Yield the costs of each round, and print them."""
    number = 0
    for _ in range(plan.restarts):
        with team(plan, broker) as workers:
            for _ in range(plan.pairs):
                turn = number % len(workers)
                costs = {kind: cost(*of, plan.tasks) for kind, *of in workers[turn:] + workers[:turn]}
                number += 1
                print(f"{number:>4}  {line(costs)}", flush=True)
                yield costs


def line(costs: Costs) -> str:
    return "  ".join(f"{kind} {costs[kind]:.0f} ({ratio(costs, kind):.3f})" for kind in KINDS)


def plain_of(costs: Costs) -> float:
    return (costs["plain"] + costs["again"]) / 2


def ratio(costs: Costs, kind: str) -> float:
    """Return the ratio to plain; for plain, that of the second to the first."""
    return costs[kind] / (costs["plain"] if kind == "again" else plain_of(costs))


@contextlib.contextmanager
def team(plan: Plan, broker: str) -> Iterator[Team]:
    """Start a warmed-up worker of each kind, on a project of its own."""
    with contextlib.ExitStack() as stack:
        workers: Team = []
        for kind, flags in KINDS.items():
            project = stack.enter_context(project_on(broker))
            worker = stack.enter_context(project.worker(*WORKER, *flags, pool=plan.pool))
            workers.append((kind, project, worker))
            cost(project, worker, 300)
        yield workers


def cost(project: Project, worker: Worker, tasks: int) -> float:
    """Return the CPU milliseconds of the main process per 1000 tasks, for a batch that already waits."""
    paused(project)
    fill(project, tasks)
    before = worker.cpu_seconds  # measured from here on: idle seconds would add to the cost of gossip
    drain(project)
    time.sleep(SETTLE)
    return (worker.cpu_seconds - before) / tasks * 1e6


def summarised(rounds: list[Costs]) -> dict[str, Summary]:
    """Return the summaries by kind."""
    return {kind: _summary(kind, rounds) for kind in KINDS}


def _summary(kind: str, rounds: list[Costs]) -> Summary:
    ratios = sorted(ratio(costs, kind) for costs in rounds)
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Summary(
        cost=statistics.median(costs[kind] for costs in rounds),
        ratio=middle,
        low=low,
        high=high,
        least=ratios[0],
        most=ratios[-1],
        cheap=cheap(rounds, kind) / cheap(rounds, "plain"),
    )


def told(summary: Summary) -> str:
    return (
        f"{summary.cost:.0f} ms, ratio: median {summary.ratio:.3f}, interquartile range {summary.low:.3f} to "
        f"{summary.high:.3f}, all {summary.least:.3f} to {summary.most:.3f}; of the cheapest quarter "
        f"{summary.cheap:.3f}"
    )


def cheap(rounds: list[Costs], kind: str) -> float:
    """Return the lower quartile of the costs: disturbances can only add to them."""
    spent = sorted(costs[each] for costs in rounds for each in (("plain", "again") if kind == "plain" else (kind,)))
    return spent[len(spent) // 4]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.events", description="Cost of counting tasks and of task events")
    parser.add_argument("--broker", help="URL; Redis and RabbitMQ of REDIS_URL and RABBITMQ_URL by default")
    parser.add_argument("--tasks", type=int, default=Plan.tasks, help="of one batch")
    parser.add_argument("--pairs", type=int, default=Plan.pairs, help="rounds of each team")
    parser.add_argument("--restarts", type=int, default=Plan.restarts, help="teams that are started one after another")
    parser.add_argument("--pool", default=Plan.pool)
    return parser.parse_args()


if __name__ == "__main__":
    main()
