"""What gossip costs a worker: CPU of its main process per 1000 no-op tasks, with and without the step.

`python -m benchmarks.overhead [--tasks 5000] [--pairs 7] [--idle 20] [--interval 1.0] [--pool prefork] [--broker URL]`

Each pair runs one worker without and one with the step, in turned order, with queues of its own on the broker; the
ratio is taken pair by pair, because machines drift. What gossip costs does not depend on the tasks, so the CPU of two
idle workers side by side shows it with less noise. Needs what the tests need: `make test` has installed it.
"""

import argparse
import os
import statistics
import time

from benchmarks.workload import WITHOUT, WORKER, in_turn, run_tasks
from tests.support.workers import Project


def main() -> None:
    options = parse()
    ratios = []
    print(f"{'pair':>4}  {'without':>10}  {'with':>10}  ratio   (main-process CPU ms per 1000 tasks)", flush=True)
    for pair in range(options.pairs):
        cost = {flags: measure(options, flags) for flags in in_turn(pair)}
        ratios.append(cost[()] / cost[WITHOUT])
        print(f"{pair + 1:>4}  {cost[WITHOUT]:>10.1f}  {cost[()]:>10.1f}  {ratios[-1]:.3f}", flush=True)
    print(f"ratio with/without: median {statistics.median(ratios):.3f}, min {min(ratios):.3f}, max {max(ratios):.3f}")
    idle = measure_idle(options)
    print(f"idle, CPU ms per second: without {idle[WITHOUT]:.2f}, with {idle[()]:.2f}; the difference is gossip's cost")


def measure_idle(options: argparse.Namespace) -> dict[tuple[str, ...], float]:
    """CPU milliseconds per second of two idle main processes, measured over the same seconds."""
    project = Project(options.broker)
    project.install = {"interval": options.interval}
    try:
        with (
            project.worker(*WORKER, *WITHOUT, pool=options.pool, name="without") as without,
            project.worker(*WORKER, pool=options.pool, name="with") as with_gossip,
        ):
            time.sleep(3.0)  # what starting leaves to do
            before = without.cpu_seconds, with_gossip.cpu_seconds
            time.sleep(options.idle)
            after = without.cpu_seconds, with_gossip.cpu_seconds
        spent = [(then - now) / options.idle * 1e3 for now, then in zip(before, after, strict=True)]
        return {WITHOUT: spent[0], (): spent[1]}
    finally:
        project.clean()


def measure(options: argparse.Namespace, flags: tuple[str, ...]) -> float:
    """CPU milliseconds of the main process per 1000 no-op tasks."""
    project = Project(options.broker)
    project.install = {"interval": options.interval}
    try:
        with project.worker(*WORKER, *flags, pool=options.pool) as worker:
            run_tasks(project, 500)
            time.sleep(0.5)
            before = worker.cpu_seconds
            run_tasks(project, options.tasks)
            time.sleep(0.5)  # the last prefetched ones
            return (worker.cpu_seconds - before) / options.tasks * 1e6
    finally:
        project.clean()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.overhead", description="CPU cost of gossip in the worker")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds of the idle comparison")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--pool", default="prefork")
    parser.add_argument("--broker", default=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
