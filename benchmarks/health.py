"""Cost of a liveness probe: CPU of `python -m celery_gossip.health` and of `celery inspect ping`, both as commands.

`python -m benchmarks.health [--calls 20] [--broker URL]`

Both check the same idle worker, in turn, as an exec probe of Kubernetes would. CPU is user and system time of the
command; `celery inspect ping` also causes work in the broker and the worker. Python alone is the cost of any command.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.workload import add_broker, project_on
from celery_gossip.health import unhealthy_reason
from tests.support import eventually
from tests.support.workers import REPOSITORY, Project

PING, HEALTH, PYTHON = "celery inspect ping", "celery_gossip.health", "python -c pass"

Spent = dict[str, list[tuple[float, float]]]  #: `{command: CPU and wall milliseconds of each call}`


def main() -> None:
    options = parse()
    spent = measure(options.broker, options.calls)
    print(f"{'command':<20}  {'CPU ms: median':>14}  {'min':>6}  {'max':>6}  {'wall ms: median':>15}", flush=True)
    for name, calls in spent.items():
        cpu, wall = zip(*calls, strict=True)
        row = f"{statistics.median(cpu):>14.1f}  {min(cpu):>6.1f}  {max(cpu):>6.1f}  {statistics.median(wall):>15.1f}"
        print(f"{name:<20}  {row}")
    ratios = ratios_of(spent)
    print(f"CPU, ping / health: median {statistics.median(ratios):.1f}, min {min(ratios):.1f}, max {max(ratios):.1f}")


def ratios_of(spent: Spent) -> list[float]:
    """Return the CPU of the ping divided by that of the health probe, for each turn."""
    return [ping[0] / health[0] for ping, health in zip(spent[PING], spent[HEALTH], strict=True)]


def measure(broker: str, calls: int) -> Spent:
    """Call each command in turn, repeatedly."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "health"
        with project_on(broker, gossip_health_file=str(path)) as project, project.worker("--without-mingle") as worker:
            eventually(lambda: _assert_green(path))
            commands = commands_for(project, worker.node, path)
            for command in commands.values():
                call(project, command)  # loads files into the page cache
            turns = [[call(project, command) for command in commands.values()] for _ in range(calls)]
    return dict(zip(commands, map(list, zip(*turns, strict=True)), strict=True))


def commands_for(project: Project, node: str, path: Path) -> dict[str, list[str]]:
    ping = ["-m", "celery", "-A", project.module, "inspect", "ping", "-d", node]
    return {
        PING: [sys.executable, *ping],
        HEALTH: [sys.executable, "-m", "celery_gossip.health", str(path)],
        PYTHON: [sys.executable, "-c", "pass"],
    }


def call(project: Project, command: list[str]) -> tuple[float, float]:
    """Run the command as a probe would; return CPU and wall milliseconds."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=REPOSITORY, env=project.environment, stdout=subprocess.DEVNULL, check=True)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu * 1e3, wall * 1e3


def _assert_green(path: Path) -> None:
    assert unhealthy_reason(str(path), max_age=10.0) is None


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.health", description="CPU of a liveness probe")
    parser.add_argument("--calls", type=int, default=20, help="of each command")
    add_broker(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
