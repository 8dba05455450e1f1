"""What it costs to watch busy workers: CPU and memory of our exporter and of Flower, side by side.

`python -m benchmarks.monitors [--rates 50 200 500] [--seconds 25] [--workers 3]`

A Redis of its own, solo workers with gossip and with `-E`, both monitors on them over the same seconds, and both asked
for /metrics every 5 s. Ours is `celery gossip exporter` where that is to be had, else a bare listener. Needs Flower
(PyPI: flower), which `make test` does not install.
"""

import argparse
import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from benchmarks.load import driven
from benchmarks.workload import remaining
from tests.support import brokers
from tests.support.brokers import free_port
from tests.support.waiting import eventually
from tests.support.workers import REPOSITORY, Project

WARM_UP = 8.0  #: seconds at the task rate, before anything is measured
SCRAPE_EVERY = 5.0  #: seconds
FLAGS = ("--without-mingle", "-E", "-l", "WARNING")


@dataclass(frozen=True)
class Cost:
    cpu: float  #: of a core
    memory: float  #: MB, at the end

    def __str__(self) -> str:
        return f"CPU {self.cpu:6.2%} of a core, {self.memory:4.0f} MB"


class Monitor:
    """A process that watches the project's workers, and may answer to /metrics."""

    def __init__(self, process: subprocess.Popen[bytes], url: str | None) -> None:
        self._process = psutil.Process(process.pid)
        self._url = url

    def scrape(self) -> None:
        if self._url is not None:
            with urllib.request.urlopen(self._url, timeout=10) as answer:
                answer.read()

    @property
    def cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    @property
    def memory(self) -> float:
        """MB."""
        return float(self._process.memory_info().rss) / 2**20


def main() -> None:
    options = parse()
    with brokers.running(brokers.private("redis")) as broker:
        for rate in options.rates:
            measure(broker.url, rate, options)


def measure(url: str, rate: float, options: argparse.Namespace) -> None:
    """Print one point: both monitors while so many tasks a second run."""
    project = Project(url)
    project.install = {"interval": 1.0}
    with contextlib.ExitStack() as stack:
        for number in range(options.workers):
            stack.enter_context(project.worker(*FLAGS, pool="solo", name=f"w{number + 1}", concurrency=1))
        is_exporter = has_exporter(project)
        ours = stack.enter_context(our_monitor(project) if is_exporter else bare_monitor(project))
        flower = stack.enter_context(flower_monitor(project))
        with driven(project, rate) as load:
            time.sleep(WARM_UP)
            costs = watch([ours, flower], options.seconds)
            waiting = remaining(project)
    name = "exporter" if is_exporter else "bare listener"
    print(
        f"{load.rate:.0f} tasks/s, {waiting} left waiting: {name} {costs[0]}; "
        f"Flower {costs[1]}; CPU 1 : {costs[1].cpu / max(costs[0].cpu, 1e-6):.1f}",
        flush=True,
    )


def watch(monitors: list[Monitor], seconds: float) -> list[Cost]:
    """What each costs over the same seconds, while it is scraped now and then."""
    began, before = time.monotonic(), [monitor.cpu_seconds for monitor in monitors]
    for turn in range(max(1, round(seconds / SCRAPE_EVERY))):
        for monitor in monitors:
            monitor.scrape()
        time.sleep(max(0.0, began + (turn + 1) * SCRAPE_EVERY - time.monotonic()))
    passed = time.monotonic() - began
    return [
        Cost((monitor.cpu_seconds - spent) / passed, monitor.memory)
        for monitor, spent in zip(monitors, before, strict=True)
    ]


def has_exporter(project: Project) -> bool:
    return project.celery("gossip", "exporter", "--help").returncode == 0


def our_monitor(project: Project) -> contextlib.AbstractContextManager[Monitor]:
    port = free_port()
    command = ["-m", "celery", "-A", project.module, "gossip", "exporter", "--port", str(port)]
    return running(project, command, f"http://127.0.0.1:{port}/metrics")


def bare_monitor(project: Project) -> contextlib.AbstractContextManager[Monitor]:
    return running(project, ["-m", "benchmarks.bare_monitor"], None)


def flower_monitor(project: Project) -> contextlib.AbstractContextManager[Monitor]:
    port = free_port()
    options = ["--address=127.0.0.1", f"--port={port}", "--logging=warning"]
    return running(
        project, ["-m", "celery", "-A", project.module, "flower", *options], f"http://127.0.0.1:{port}/metrics"
    )


@contextlib.contextmanager
def running(project: Project, command: list[str], url: str | None) -> Iterator[Monitor]:
    """The monitor, once it answers; killed afterwards."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=REPOSITORY,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    monitor = Monitor(process, url)

    def answers() -> None:
        try:
            monitor.scrape()
        except OSError as exc:
            raise AssertionError(f"{command} does not answer") from exc

    try:
        eventually(answers, timeout=30, every=0.2)
        yield monitor
    finally:
        process.kill()
        process.wait()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.monitors", description="Our exporter beside Flower")
    parser.add_argument("--rates", type=float, nargs="+", default=[50.0, 200.0, 500.0], help="tasks a second")
    parser.add_argument("--seconds", type=float, default=25.0, help="of each point")
    parser.add_argument("--workers", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
