"""Hot paths in isolation, on this version and on an older one: the effect of an improvement.

`python -m benchmarks.hot_paths [--before COMMIT] [--turns 3]`

The package and the benchmarks of that commit are extracted from git into a temporary folder, and both versions run in
turn, each time in a new process. Paths that only one of them measures are left out. Each process runs a path several
times and the lowest value counts, because disturbances can only add to it. CPU of one thread, no broker.
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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from types import SimpleNamespace

import msgspec
from prometheus_client import CollectorRegistry

from benchmarks import probing
from benchmarks.synthetic import Fleet, Plan
from celery_gossip import exporter
from celery_gossip.cluster import cluster
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Gossip
from tests.support.workers import REPOSITORY

__all__ = ["BEFORE", "Change", "compare"]

BEFORE = "b5bc2cd"  #: the last commit in which all modules were in one folder
RENAMED = {"Cluster.apply()": "Cluster.apply_gossip()"}  #: `{name in an older version's paths: name in this one's}`
WORKERS = 300

Told = tuple[float, Gossip]  #: (due in seconds, gossip)
Figures = dict[str, float]  #: `{path: ms}`; µs if it is per message


@dataclass(frozen=True)
class Change:
    """Milliseconds, or microseconds if it is per message."""

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
    """Measure each path on both versions; return the medians of the turns."""
    with tempfile.TemporaryDirectory() as folder:
        unpack(before, folder)
        rounds = [(renamed(figures_in(folder)), figures_in(str(REPOSITORY))) for _ in range(turns)]
    old, new = (list(each) for each in zip(*rounds, strict=True))
    return [
        Change(path, *(statistics.median(turn[path] for turn in each) for each in (old, new)))
        for path in old[0]
        if path in new[0]
    ]


def renamed(figures: Figures) -> Figures:
    """Return the figures of an older version under the names that its paths have in this one."""
    for before, now in RENAMED.items():
        figures = {path.replace(before, now): figure for path, figure in figures.items()}
    return figures


def unpack(commit: str, folder: str, paths: Iterable[str] = ("celery_gossip", "benchmarks", "tests")) -> None:
    """Extract these paths of a commit: by default the package, the benchmarks and the tests that they use."""
    packed = subprocess.run(
        ["git", "archive", "--format=tar", commit, *paths],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def figures_in(folder: str) -> Figures:
    """Run the benchmarks in this folder, on the package in this folder."""
    code = f"import sys; sys.path[:0] = [{folder!r}]; sys.argv = ['hot_paths', '--here']"
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
        figures[f"`Cluster.apply_gossip()` of a gossip with {name}, µs"] = applied(told)
    figures["the exporter's page, 300 workers with a task in each of 10 queues, ms"] = rendered()
    return figures


def applied(told: list[Told]) -> float:
    sizes = [len(encode(gossip)) for _, gossip in told]

    def apply_all() -> None:
        view = listening(told)
        for (due, gossip), size in zip(told, sizes, strict=True):
            view.apply_gossip(gossip, due, size=size)

    return cheapest(apply_all, times=3) * 1e3 / len(told)


def rendered() -> float:
    told = list(islice(Fleet(Plan(workers=WORKERS)).schedule(), 30 * WORKERS))
    view = listening(told)
    for due, gossip in told:
        view.apply_gossip(gossip, due)
    source, registry = (
        SimpleNamespace(cluster=view, connected_at=0.0, findings=(), rejected=Counter(), view=view.view),
        CollectorRegistry(),
    )
    registry.register(exporter.GossipCollector(source))
    return cheapest(lambda: exporter._render(registry), times=5)


def listening(told: list[Told]) -> cluster.Cluster:
    """Return a cluster that listens from the first of these messages on."""
    view = cluster.Cluster(clock=lambda: told[-1][0])
    view.statistics.start(0.0)
    return view


def cheapest(work: Callable[[], object], times: int) -> float:
    """Return the lowest CPU time in milliseconds."""
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
    parser.add_argument("--here", action="store_true", help="only the imported package, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
