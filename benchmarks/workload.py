"""Common parts of the benchmarks: a project on a broker, no-op tasks for its worker, options."""

import argparse
import contextlib
import time
from collections.abc import Iterator
from typing import Any

from kombu import Queue

from tests.support.brokers import REDIS_URL
from tests.support.waiting import eventually
from tests.support.workers import Project

WORKER = ("--without-mingle", "-l", "WARNING", "--prefetch-multiplier", "64")
WITHOUT = ("--without-queue-gossip",)


@contextlib.contextmanager
def project_on(broker: str, interval: float = 1.0, **conf: Any) -> Iterator[Project]:
    """Yield a project whose workers report, unless a flag disables it; clean up the broker afterwards."""
    project = Project(broker, **conf)
    project.install = {"interval": interval}
    try:
        yield project
    finally:
        project.clean()


def add_broker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--broker", default=REDIS_URL, help="URL; REDIS_URL by default")


def kind_of(broker: str) -> str:
    """Return `redis` or `rabbitmq`, from the URL."""
    return "redis" if broker.startswith("redis") else "rabbitmq"


def run_tasks(project: Project, count: int) -> float:
    """Let the worker run `count` no-op tasks that already wait; return the seconds from the first to the last."""
    paused(project)
    fill(project, count)
    began = time.monotonic()
    drain(project)
    return time.monotonic() - began


def drain(project: Project) -> None:
    """Let the worker run the waiting tasks; return when it has taken the last one."""
    resume(project)
    eventually(lambda: _assert_empty(project), timeout=300, every=0.05)


def paused(project: Project) -> None:
    """Pause the worker's consumer, so that tasks wait."""
    project.control("cancel_consumer", f"w1@{project.prefix}", queue=project.queues[0])


def resume(project: Project) -> None:
    project.control("add_consumer", f"w1@{project.prefix}", queue=project.queues[0])


def fill(project: Project, count: int) -> None:
    """Send this many no-op tasks."""
    with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(count):
            app.send_task("tests.support.project.nothing", queue=project.queues[0], producer=producer)


def remaining(project: Project) -> int:
    """Return the number of messages that wait on the broker."""
    with project.app() as app, app.connection_for_write() as connection:
        return int(Queue(project.queues[0])(connection.default_channel).queue_declare().message_count)


def _assert_empty(project: Project) -> None:
    assert remaining(project) == 0


def in_turn(pair: int) -> list[tuple[str, ...]]:
    """Return the flags of the two workers of a pair, in alternating order."""
    flags: list[tuple[str, ...]] = [WITHOUT, ()]
    return flags if pair % 2 == 0 else flags[::-1]
