"""Hot paths by themselves, this version beside an older one: what an improvement was worth.

`python -m benchmarks.hot_paths [--before COMMIT] [--turns 3]`

The package of that commit is taken out of git into a folder of its own, and this module runs on both in turn, each time
in a process of its own. In each process a path is driven some times, and the cheapest counts: what disturbs a machine
only adds. CPU of one thread, no broker.
"""

import argparse
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from types import SimpleNamespace

import msgspec
from prometheus_client import CollectorRegistry

from benchmarks import probing
from benchmarks.synthetic import Fleet, Plan
from celery_gossip import cluster, exporter
from celery_gossip.messages import Gossip
from tests.support.workers import REPOSITORY

__all__ = ["BEFORE", "Change", "compare"]

BEFORE = "639adac"  #: the last commit before any of these paths was improved
WORKERS = 300

Told = tuple[float, Gossip]  #: when, in seconds
Figures = dict[str, float]  #: `{path: ms}`, of a message µs


@dataclass(frozen=True)
class Change:
    """In milliseconds, or microseconds of a message."""

    path: str
    before: float
    after: float


def main() -> None:
    options = parse()
    if options.here:
        print(msgspec.json.encode(measure()).decode())
        return
    for change in compare(options.before, options.turns):
        print(f"{change.path}: {change.before:.2f}, then {change.after:.2f}: {change.after / change.before:.2f}")


def compare(before: str = BEFORE, turns: int = 3) -> list[Change]:
    """Each path on both versions; the median of the turns."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(before, folder)
        rounds = [(figures_in(folder), figures_in(str(REPOSITORY))) for _ in range(turns)]
    old, new = (list(each) for each in zip(*rounds, strict=True))
    return [Change(path, *(statistics.median(turn[path] for turn in each) for each in (old, new))) for path in old[0]]


def unpack(commit: str, folder: str) -> None:
    """The package as it was."""
    packed = subprocess.run(
        ["git", "archive", "--format=tar", commit, "celery_gossip"], cwd=REPOSITORY, stdout=subprocess.PIPE, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def figures_in(folder: str) -> Figures:
    """By the package of this folder, and the benchmarks of this one."""
    code = f"import sys; sys.path[:0] = [{folder!r}, {str(REPOSITORY)!r}]; sys.argv = ['hot_paths', '--here']"
    command = [sys.executable, "-c", f"{code}; from benchmarks.hot_paths import main; main()"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=Figures)


def measure() -> Figures:
    many = probing.Held(queues=64, reserved=10_000)
    figures = {
        f"a round with 64 queues and 10,000 reserved tasks, deliveries of {transport}, ms": probing.measure(
            many, transport, rounds=10
        ).loop_cpu.least
        for transport in ("redis", "rabbitmq")
    }
    for name, rate in (("4 series", 0.0), ("10 series", 10.0)):
        told = list(islice(Fleet(Plan(workers=WORKERS, rate=rate)).schedule(), 20 * WORKERS))
        figures[f"`Cluster.apply()` of a gossip with {name}, µs"] = applied(told)
    figures["the exporter's page, 300 workers with a task in each of 10 queues, ms"] = rendered()
    return figures


def applied(told: list[Told]) -> float:
    def apply_all() -> None:
        view = listening(told)
        for due, gossip in told:
            view.apply(gossip, due)

    return cheapest(apply_all, times=3) * 1e3 / len(told)


def rendered() -> float:
    told = list(islice(Fleet(Plan(workers=WORKERS)).schedule(), 30 * WORKERS))
    view = listening(told)
    for due, gossip in told:
        view.apply(gossip, due)
    source, registry = (
        SimpleNamespace(cluster=view, findings=(), rejected=Counter(), view=view.view),
        CollectorRegistry(),
    )
    registry.register(exporter.GossipCollector(source))
    return cheapest(lambda: exporter._render(registry), times=5)


def listening(told: list[Told]) -> cluster.Cluster:
    """As long as these messages last."""
    view = cluster.Cluster(clock=lambda: told[-1][0])
    view.begin(0.0)
    return view


def cheapest(work: Callable[[], object], times: int) -> float:
    """Milliseconds of CPU."""
    spent = []
    for _ in range(times):
        began = time.thread_time()
        work()
        spent.append(time.thread_time() - began)
    return min(spent) * 1e3


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.hot_paths", description="Hot paths before and after")
    parser.add_argument("--before", default=BEFORE, metavar="COMMIT")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--here", action="store_true", help="only the package that is imported, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
