"""How late a worker's event loop is with the step and without: a timer of 5 ms on it, two workers side by side.

`python -m benchmarks.loop [--seconds 60] [--rate 0] [--broker URL]`

Both have the timer of tests.support.stall; the one with the step also tells for how long each tick held the loop. With
a rate both get so many no-op tasks a second.
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
    """Over the same seconds."""

    without: Lateness
    gossiping: Lateness


def main() -> None:
    options = parse()
    seen = measure(options.broker, options.rate, options.seconds)
    for name, histogram in (
        ("late, without the step", seen.without.late),
        ("late, with it", seen.gossiping.late),
        ("held by a tick", seen.gossiping.held),
    ):
        told = ", ".join(f"{share:.1%} {quantile(histogram, share):.2f}" for share in SHARES)
        print(f"{name}: {histogram.total()} times, ms: {told}", flush=True)


def measure(broker: str, rate: float, seconds: float) -> Stall:
    """Two prefork workers of two processes each."""
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
    parser = argparse.ArgumentParser(prog="benchmarks.loop", description="How late a worker's event loop is")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=0.0, help="no-op tasks a second for each worker")
    add_broker(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
