"""What counting tasks costs a worker beside what task events cost it: CPU of its main process per 1000 no-op tasks.

`python -m benchmarks.events [--broker URL] [--tasks 1000] [--pairs 8] [--restarts 3] [--pool prefork]`

Four workers stand side by side, each with its own queues: plain Celery twice, with this package, and plain with `-E`.
They work one after another, a batch each in turned order. Ratios are taken within each round, to the mean of the plain
two, whose own ratio says how noisy it is; all are started anew now and then, for no two processes are equal. Without
--broker it runs on Redis and on RabbitMQ. At the end the pure cost of counting, which is too small to be seen in
workers; see benchmarks.tapping.
"""

import argparse
import contextlib
import statistics
import time
from collections.abc import Iterator

from benchmarks.tapping import pure_cost
from benchmarks.workload import WITHOUT, WORKER, run_tasks
from tests.support.brokers import RABBITMQ_URL, REDIS_URL
from tests.support.workers import Project, Worker

#: What is compared, by the flags of the worker.
KINDS: dict[str, tuple[str, ...]] = {"plain": WITHOUT, "again": WITHOUT, "gossip": (), "-E": (*WITHOUT, "-E")}
SETTLE = 1.0  #: seconds for what was prefetched, after the queue is empty

Team = list[tuple[str, Project, Worker]]
Costs = dict[str, float]  #: kind: CPU milliseconds per 1000 tasks


def main() -> None:
    options = parse()
    for broker in [options.broker] if options.broker else [REDIS_URL, RABBITMQ_URL]:
        transport = "redis" if broker.startswith("redis") else "rabbitmq"
        print(f"{transport}: main-process CPU, ms per 1000 tasks, and ratios to plain in the same round", flush=True)
        rounds = list(measure(options, broker))
        plain = statistics.median(plain_of(costs) for costs in rounds)
        summarise(rounds)
        pure = pure_cost(transport)
        print(
            f"pure cost of counting a task: {pure}, {pure.added / plain:.2%} of what plain Celery spends\n", flush=True
        )


def measure(options: argparse.Namespace, broker: str) -> Iterator[Costs]:
    """Each round's costs, printed as they come."""
    number = 0
    for _ in range(options.restarts):
        with team(options, broker) as workers:
            for _ in range(options.pairs):
                turn = number % len(workers)
                costs = {kind: cost(*of, options.tasks) for kind, *of in workers[turn:] + workers[:turn]}
                number += 1
                print(f"{number:>4}  {line(costs)}", flush=True)
                yield costs


def line(costs: Costs) -> str:
    return "  ".join(f"{kind} {costs[kind]:.0f} ({ratio(costs, kind):.3f})" for kind in KINDS)


def plain_of(costs: Costs) -> float:
    return (costs["plain"] + costs["again"]) / 2


def ratio(costs: Costs, kind: str) -> float:
    """To plain; of plain the second time, to the first."""
    return costs[kind] / (costs["plain"] if kind == "again" else plain_of(costs))


@contextlib.contextmanager
def team(options: argparse.Namespace, broker: str) -> Iterator[Team]:
    """A warm worker of each kind, on a project of its own."""
    with contextlib.ExitStack() as stack:
        workers: Team = []
        for kind, flags in KINDS.items():
            project = Project(broker)
            project.install = {"interval": 1.0}
            stack.callback(project.clean)
            worker = stack.enter_context(project.worker(*WORKER, *flags, pool=options.pool))
            workers.append((kind, project, worker))
            cost(project, worker, 300)
        yield workers


def cost(project: Project, worker: Worker, tasks: int) -> float:
    """CPU milliseconds of the main process per 1000 tasks, of a batch that is waiting when it begins."""
    before = worker.cpu_seconds
    run_tasks(project, tasks)
    time.sleep(SETTLE)
    return (worker.cpu_seconds - before) / tasks * 1e6


def summarise(rounds: list[Costs]) -> None:
    for kind in KINDS:
        ratios = sorted(ratio(costs, kind) for costs in rounds)
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        print(
            f"{kind:>7}: {statistics.median(costs[kind] for costs in rounds):.0f} ms, ratio: median {middle:.3f}, "
            f"middle half {low:.3f} to {high:.3f}, all {ratios[0]:.3f} to {ratios[-1]:.3f}; "
            f"of the cheapest quarter {cheap(rounds, kind) / cheap(rounds, 'plain'):.3f}",
            flush=True,
        )


def cheap(rounds: list[Costs], kind: str) -> float:
    """The cost that a quarter of the rounds stay below: what disturbs a machine only adds."""
    spent = sorted(costs[each] for costs in rounds for each in (("plain", "again") if kind == "plain" else (kind,)))
    return spent[len(spent) // 4]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.events", description="What counting costs, and what events cost")
    parser.add_argument("--broker", help="URL; Redis and RabbitMQ of REDIS_URL and RABBITMQ_URL by default")
    parser.add_argument("--tasks", type=int, default=1000, help="of one batch")
    parser.add_argument("--pairs", type=int, default=8, help="rounds of each team")
    parser.add_argument("--restarts", type=int, default=3, help="teams that are started one after another")
    parser.add_argument("--pool", default="prefork")
    return parser.parse_args()


if __name__ == "__main__":
    main()
