"""What the benchmarks have in common: a worker on a broker's corner of its own, and no-op tasks for it."""

import time
from typing import Any

from kombu import Queue

from tests.support.waiting import eventually
from tests.support.workers import Project

WORKER = ("--without-mingle", "-l", "WARNING", "--prefetch-multiplier", "64")
WITHOUT = ("--without-queue-gossip",)


def run_tasks(project: Project, count: int) -> float:
    """Let the worker run `count` no-op tasks that are waiting already; gives the seconds from first to last."""
    with project.app() as app, app.connection_for_write() as connection:
        project.control("cancel_consumer", f"w1@{project.prefix}", queue=project.queues[0])
        with app.amqp.Producer(connection) as producer:
            for _ in range(count):
                app.send_task("tests.support.project.nothing", queue=project.queues[0], producer=producer)
        began = time.monotonic()
        project.control("add_consumer", f"w1@{project.prefix}", queue=project.queues[0])
        eventually(lambda: _assert_empty(connection, project), timeout=300, every=0.02)
        return time.monotonic() - began


def _assert_empty(connection: Any, project: Project) -> None:
    assert Queue(project.queues[0])(connection.default_channel).queue_declare().message_count == 0


def in_turn(pair: int) -> list[tuple[str, ...]]:
    """Flags of the two workers of a pair, the first of one pair being the second of the next."""
    flags: list[tuple[str, ...]] = [WITHOUT, ()]
    return flags if pair % 2 == 0 else flags[::-1]
