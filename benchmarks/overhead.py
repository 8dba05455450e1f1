"""What gossip costs a worker: CPU of its main process per 1000 no-op tasks, with and without the step.

`python -m benchmarks.overhead [--tasks 4000] [--pairs 5] [--interval 1.0] [--pool prefork]`

Each pair runs both workers one after the other in turned order, on the broker of REDIS_URL (or --broker), with queues
of its own; the ratio is taken pair by pair, because machines drift. Prints each pair, and the median of the ratios.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

from tests.support.waiting import eventually
from tests.support.workers import Project


def main() -> None:
    options = parse()
    ratios = []
    print(f"{'pair':>4}  {'without':>12}  {'with':>12}  ratio   (main-process CPU ms per 1000 tasks)")
    for pair in range(options.pairs):
        flags: list[tuple[str, ...]] = [("--without-queue-gossip",), ()]
        measured = {flag: measure(options, flag) for flag in (flags if pair % 2 == 0 else reversed(flags))}
        without, with_gossip = measured[flags[0]], measured[flags[1]]
        ratios.append(with_gossip / without)
        print(f"{pair + 1:>4}  {without:>12.1f}  {with_gossip:>12.1f}  {ratios[-1]:.3f}", flush=True)
    print(f"median ratio with/without: {statistics.median(ratios):.3f}  (min {min(ratios):.3f}, max {max(ratios):.3f})")


def measure(options: argparse.Namespace, flags: tuple[str, ...]) -> float:
    """CPU milliseconds of the main process per 1000 no-op tasks."""
    project = Project(options.broker)
    project.install = {"interval": options.interval}
    try:
        with project.worker(
            "--without-mingle", "-l", "WARNING", "--prefetch-multiplier", "64", *flags, pool=options.pool
        ) as worker:
            run(project, 500)
            before = worker.cpu_seconds
            run(project, options.tasks)
            return (worker.cpu_seconds - before) / options.tasks * 1e6
    finally:
        project.clean()


def run(project: Project, count: int) -> None:
    """Send `count` no-op tasks, and wait until the queue and the worker are empty."""
    app = project.app()
    with app.connection_for_write() as connection:
        with app.amqp.Producer(connection) as producer:
            for _ in range(count):
                app.send_task("tests.support.project.nothing", queue=project.queues[0], producer=producer)
        eventually(lambda: assert_empty(connection, project), timeout=120, every=0.1)
    time.sleep(1.0)  # the last prefetched ones


def assert_empty(connection: object, project: Project) -> None:
    waiting = connection.default_channel.queue_declare(project.queues[0], passive=True).message_count  # type: ignore[attr-defined]
    assert waiting == 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.overhead", description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--pool", default="prefork")
    parser.add_argument("--broker", default=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
    return parser.parse_args()


if __name__ == "__main__":
    assert Path("setup.cfg").exists(), "run it from the repository"
    main()
