"""What monitoring puts on the broker: messages and bytes a second, of gossip and of task events, at the same task rate.

`python -m benchmarks.traffic [--rate 200] [--seconds 20]`

A Redis of its own, so that nothing else counts, and a worker on it: plain Celery, with gossip and one who listens
(`celery gossip watch`), with `-E` and one who does (`celery events --dump`). What the tasks themselves take is plain's,
and is subtracted. PUBLISH is every broadcast, the worker's own heartbeats among them.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from benchmarks.load import driven
from benchmarks.workload import WITHOUT, remaining
from tests.support import brokers
from tests.support.workers import REPOSITORY, Project

#: `{kind: (flags of the worker, command of who listens)}`
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "plain": (WITHOUT, ()),
    "gossip": ((), ("gossip", "watch", "--json")),
    "-E": ((*WITHOUT, "-E"), ("events", "--dump")),
}
WARM_UP = 5.0  #: seconds


@dataclass(frozen=True)
class Traffic:
    """Per second."""

    tasks: float
    published: float
    incoming: float  #: KB
    outgoing: float  #: KB
    waiting: int  #: tasks left on the broker at the end: more than a few, and the worker was too slow


def main() -> None:
    options = parse()
    plain = None
    with brokers.running(brokers.private("redis")) as broker:
        for kind in KINDS:
            seen = measure(broker.url, kind, options)
            plain = plain or seen
            print(
                f"{kind:>7}: {seen.tasks:.0f} tasks/s, {seen.published:.1f} PUBLISH/s, in {seen.incoming:.1f} KB/s, "
                f"out {seen.outgoing:.1f} KB/s; beyond plain: in {seen.incoming - plain.incoming:.1f}, "
                f"out {seen.outgoing - plain.outgoing:.1f}; out is {seen.outgoing / plain.outgoing:.2f} of plain's; "
                f"left waiting {seen.waiting}",
                flush=True,
            )


def measure(url: str, kind: str, options: argparse.Namespace) -> Traffic:
    flags, command = KINDS[kind]
    project = Project(url)
    project.install = {"interval": 1.0}
    with project.worker("--without-mingle", "-l", "WARNING", *flags), listening(project, command):
        with driven(project, options.rate) as load:
            time.sleep(WARM_UP)
            before, began = counters(url), time.monotonic()
            time.sleep(options.seconds)
            after, passed = counters(url), time.monotonic() - began
            waiting = remaining(project)
        published, incoming, outgoing = ((now - then) / passed for then, now in zip(before, after, strict=True))
    return Traffic(load.rate, published, incoming / 1e3, outgoing / 1e3, waiting)


@contextlib.contextmanager
def listening(project: Project, command: tuple[str, ...]) -> Iterator[None]:
    """Who listens, as `celery -A project COMMAND`; nobody where there is no command."""
    if not command:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", project.module, *command],
        cwd=REPOSITORY,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
        assert process.poll() is None, f"celery {' '.join(command)} has ended"
    finally:
        process.kill()
        process.wait()


def counters(url: str) -> tuple[int, int, int]:
    """PUBLISH commands, bytes in and bytes out since the server started."""
    with contextlib.closing(redis.Redis.from_url(url)) as client:
        stats: dict[str, Any] = client.info("stats")
        commands: dict[str, Any] = client.info("commandstats")
    published = commands.get("cmdstat_publish", {"calls": 0})
    return published["calls"], stats["total_net_input_bytes"], stats["total_net_output_bytes"]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.traffic", description="Messages and bytes on the broker")
    parser.add_argument("--rate", type=float, default=200.0, help="tasks a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    return parser.parse_args()


if __name__ == "__main__":
    main()
