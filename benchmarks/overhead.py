"""Cost of gossip in a worker: CPU of its main process per 1000 no-op tasks, with and without the bootstep.

`python -m benchmarks.overhead [--tasks 5000] [--pairs 7] [--idle 20] [--interval 1.0] [--pool prefork] [--broker URL]`

Each pair runs one worker without and one with the bootstep, in alternating order, with queues of its own on the broker;
the ratio is computed for each pair, because machines drift. The cost of gossip does not depend on the tasks, so the CPU
of two idle workers shows it with less noise. Needs the requirements of the tests, which `make test` installs.
"""

import argparse
import statistics
import time
from dataclasses import dataclass

from benchmarks.events import cost
from benchmarks.workload import WITHOUT, WORKER, add_broker, in_turn, project_on


@dataclass(frozen=True)
class Idle:
    """CPU milliseconds per second of two idle main processes."""

    without: float
    gossiping: float


def main() -> None:
    options = parse()
    ratios = []
    print(f"{'pair':>4}  {'without':>10}  {'with':>10}  ratio   (main-process CPU ms per 1000 tasks)", flush=True)
    for pair in range(options.pairs):
        cost = {flags: measure(options, flags) for flags in in_turn(pair)}
        ratios.append(cost[()] / cost[WITHOUT])
        print(f"{pair + 1:>4}  {cost[WITHOUT]:>10.1f}  {cost[()]:>10.1f}  {ratios[-1]:.3f}", flush=True)
    print(f"ratio with/without: median {statistics.median(ratios):.3f}, min {min(ratios):.3f}, max {max(ratios):.3f}")
    idle = measure_idle(options.broker, options.idle, options.interval, options.pool)
    print(
        f"idle, CPU ms per second: without {idle.without:.2f}, with {idle.gossiping:.2f}; "
        "the difference is the cost of gossip"
    )


def measure_idle(broker: str, seconds: float, interval: float = 1.0, pool: str = "prefork") -> Idle:
    """Measure two idle workers in the same seconds, one without the bootstep."""
    with (
        project_on(broker, interval) as project,
        project.worker(*WORKER, *WITHOUT, pool=pool, name="without") as without,
        project.worker(*WORKER, pool=pool, name="with") as gossiping,
    ):
        time.sleep(3.0)  # work that is left from the start
        before = without.cpu_seconds, gossiping.cpu_seconds
        time.sleep(seconds)
        after = without.cpu_seconds, gossiping.cpu_seconds
    return Idle(*((then - now) / seconds * 1e3 for now, then in zip(before, after, strict=True)))


def measure(options: argparse.Namespace, flags: tuple[str, ...]) -> float:
    """Return the CPU milliseconds of the main process per 1000 no-op tasks, of a new worker."""
    with (
        project_on(options.broker, options.interval) as project,
        project.worker(*WORKER, *flags, pool=options.pool) as worker,
    ):
        cost(project, worker, 500)
        return cost(project, worker, options.tasks)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.overhead", description="CPU cost of gossip in a worker")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds of the idle comparison")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds")
    parser.add_argument("--pool", default="prefork")
    add_broker(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
