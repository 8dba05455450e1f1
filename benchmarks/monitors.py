"""Cost of monitoring busy workers: CPU and memory of our exporter and of other monitors at the same time.

`python -m benchmarks.monitors [--rates 50 200 500] [--seconds 25] [--workers 3]`

A separate Redis, solo workers with gossip and with `-E`, and all monitors in the same seconds: `celery gossip exporter`
and Flower, both scraped at /metrics every 5 s, `celery events --dump`, and a program that polls `inspect` every 5 s.
Flower (PyPI: flower) is skipped if it is not installed; `make test` does not install it.
"""

import argparse
import contextlib
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

from benchmarks import process
from benchmarks.load import driven
from benchmarks.process import Cost, Process
from benchmarks.workload import project_on, remaining
from tests.support import brokers
from tests.support.brokers import free_port
from tests.support.waiting import eventually
from tests.support.workers import Project

OURS, FLOWER, DUMP, POLLING = "celery gossip exporter", "Flower", "celery events --dump", "polling inspect"
WARM_UP = 8.0  #: seconds at the task rate before the measurement
SCRAPE_EVERY = 5.0  #: seconds
FLAGS = ("--without-mingle", "-E", "-l", "WARNING")


@dataclass(frozen=True)
class Point:
    """Costs of all monitors at one task rate."""

    rate: float
    waiting: int  #: tasks left on the broker; if more than a few, the workers were too slow
    costs: dict[str, Cost]
    missed: Counter[str]  #: scrapes without a response in time


@dataclass(frozen=True)
class Monitor:
    """A process that monitors the project's workers, and may serve /metrics."""

    process: Process
    url: str | None = None

    def scrape(self) -> None:
        if self.url is not None:
            with urllib.request.urlopen(self.url, timeout=10) as answer:
                answer.read()

    def assert_answers(self) -> None:
        try:
            self.scrape()
        except OSError as exc:
            raise AssertionError(f"{self.url} does not answer") from exc


Starting = Callable[[Project], contextlib.AbstractContextManager[Monitor]]


def main() -> None:
    options = parse()
    for point in measure(options.rates, options.seconds, options.workers):
        ours = point.costs[OURS].cpu
        costs = "; ".join(
            f"{name} {cost}, {cost.cpu / max(ours, 1e-6):.1f} times" for name, cost in point.costs.items()
        )
        print(f"{point.rate:.0f} tasks/s, {point.waiting} left waiting: {costs}", flush=True)


def measure(rates: list[float], seconds: float, workers: int = 3) -> Iterator[Point]:
    """Measure one point after another, on one private Redis."""
    with brokers.running(brokers.private("redis")) as broker:
        for rate in rates:
            yield _measure(broker.url, rate, seconds, workers)


def _measure(url: str, rate: float, seconds: float, workers: int) -> Point:
    with contextlib.ExitStack() as stack:
        project = stack.enter_context(project_on(url))
        for number in range(workers):
            stack.enter_context(project.worker(*FLAGS, pool="solo", name=f"w{number + 1}", concurrency=1))
        monitors = {name: stack.enter_context(start(project)) for name, start in starts().items()}
        with driven(project, rate) as load:
            time.sleep(WARM_UP)
            missed: Counter[str] = Counter()
            turns = scraping(monitors, seconds, missed)
            costs = process.cost_over([monitor.process for monitor in monitors.values()], turns)
            waiting = remaining(project)
    return Point(load.rate, waiting, dict(zip(monitors, costs, strict=True)), missed)


def scraping(monitors: dict[str, Monitor], seconds: float, missed: Counter[str]) -> Iterator[None]:
    """Scrape all of them periodically, for this time."""
    began = time.monotonic()
    for turn in range(max(1, round(seconds / SCRAPE_EVERY))):
        for name, monitor in monitors.items():
            try:
                monitor.scrape()
            except OSError:
                missed[name] += 1
        time.sleep(max(0.0, began + (turn + 1) * SCRAPE_EVERY - time.monotonic()))
        yield


def has_flower() -> bool:
    return find_spec("flower") is not None


def starts() -> dict[str, Starting]:
    """Return the command of each monitor by name, ours first."""
    return {
        OURS: our_monitor,
        **({FLOWER: flower_monitor} if has_flower() else {}),
        DUMP: lambda project: running(project, "celery", "-A", project.module, "events", "--dump"),
        POLLING: lambda project: running(project, "benchmarks.polling"),
    }


def our_monitor(project: Project) -> contextlib.AbstractContextManager[Monitor]:
    port = free_port()
    command = ("celery", "-A", project.module, "gossip", "exporter", "--port", str(port))
    return running(project, *command, url=f"http://127.0.0.1:{port}/metrics")


def flower_monitor(project: Project) -> contextlib.AbstractContextManager[Monitor]:
    port = free_port()
    options = ("--address=127.0.0.1", f"--port={port}", "--logging=warning")
    command = ("celery", "-A", project.module, "flower", *options)
    return running(project, *command, url=f"http://127.0.0.1:{port}/metrics")


@contextlib.contextmanager
def running(project: Project, module: str, *arguments: str, url: str | None = None) -> Iterator[Monitor]:
    """Start a monitor and wait until it responds."""
    with process.running(project, process.python(module, *arguments)) as started:
        monitor = Monitor(started, url)
        eventually(monitor.assert_answers, timeout=30, every=0.2)
        yield monitor


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.monitors", description="Our exporter and other monitors")
    parser.add_argument("--rates", type=float, nargs="+", default=[50.0, 200.0, 500.0], help="tasks per second")
    parser.add_argument("--seconds", type=float, default=25.0, help="per point")
    parser.add_argument("--workers", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
