"""Delay of a worker's event loop with and without the bootstep: a timer of 5 ms in two workers at the same time.

`python -m benchmarks.loop [--seconds 60] [--rate 0] [--broker URL]`

Both have the timer of tests.support.stall; the one with the bootstep also records the duration of each of its ticks.
With a rate both receive so many no-op tasks per second.
"""

import argparse
import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import driven
from benchmarks.workload import add_broker, project_on
from tests.support.lateness import Lateness, quantile, read
from tests.support.waiting import eventually

SHARES = (0.5, 0.99, 0.999, 1.0)
WARM_UP = 4.0  #: seconds


@dataclass(frozen=True)
class Stall:
    """Histograms of both workers in the same seconds."""

    without: Lateness
    gossiping: Lateness


def main() -> None:
    options = parse()
    seen = measure(options.broker, options.rate, options.seconds)
    for name, histogram in (
        ("timer delay without the bootstep", seen.without.late),
        ("timer delay with it", seen.gossiping.late),
        ("duration of our tick", seen.gossiping.held),
    ):
        shares = ", ".join(f"{share:.1%} {quantile(histogram, share):.2f}" for share in SHARES)
        print(f"{name}: {histogram.total()} times, ms: {shares}", flush=True)


def measure(broker: str, rate: float, seconds: float) -> Stall:
    """Measure two prefork workers with two processes each."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        paths = [folder / "without", folder / "gossiping"]
        for path in paths:
            project = stack.enter_context(project_on(broker))
            if path.name == "without":
                project.install = None
            project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.stall", "GOSSIP_TEST_STALL": str(path)}
            stack.enter_context(project.worker("--without-mingle", "-l", "WARNING"))
            if rate:
                stack.enter_context(driven(project, rate))
        for path in paths:
            eventually(lambda path=path: _assert_written(path))
        time.sleep(WARM_UP)
        before = [read(path) for path in paths]
        time.sleep(seconds)
        return Stall(*(read(path) - earlier for path, earlier in zip(paths, before, strict=True)))


def _assert_written(path: Path) -> None:
    assert path.exists()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.loop", description="Delay of a worker's event loop")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=0.0, help="no-op tasks per second for each worker")
    add_broker(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
