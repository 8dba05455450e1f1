"""Counts the instructions that a worker executes for a report and for a task, in this version and an older one.

`python -m benchmarks.worker_instructions [--before COMMIT] [--queues 10] [--reserved 24] [--active 8] [--tasks 800]`

Needs valgrind, and Redis at REDIS_URL. Reports are built in one process, with Celery's own requests and a fake
consumer. Tasks are no-ops of a real solo worker, which is compared with one without this package; it reports once per
day, so that reports do not count. Each figure is the difference of two runs, so that the start of the process does not
count either. The garbage collector is off: what it costs depends on everything else that is alive in the process.
"""

import argparse
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from celery import Celery

from benchmarks.hot_paths import unpack
from benchmarks.instructions import BEFORE, REPOSITORY
from benchmarks.valgrind import count_instructions
from tests.support.brokers import REDIS_URL

__all__ = ["ReportCost", "TaskCost", "report_costs", "task_costs"]

_FEW, _MANY = 20, 220  #: reports
_MIN_TASKS = 200

_REPORTS = """
from benchmarks import probing
if {is_loop}:  # without the part of the sender thread
    for name in ("fitted", "encode_bounded"):
        if hasattr(probing, name):
            setattr(probing, name, lambda gossip: (gossip, b""))
print(probing.measure(probing.Held({queues}, {reserved}, {active}), "redis", {rounds}).size)
"""

_WORKER = """
import gc
from celery import Celery
from celery.worker import state
gc.disable()
app = Celery("counted", broker={url!r}, set_as_current=False)
app.conf.update(task_default_queue={queue!r}, gossip_exchange={queue!r}, gossip_interval=86400)
@app.task(name="counted.nothing")
def nothing():
    pass
@app.task(name="counted.stop")
def stop():
    state.should_stop = 0
if {is_installed}:
    import celery_gossip
    celery_gossip.install(app)
app.worker_main("worker -P solo --without-mingle --without-gossip --without-heartbeat -l ERROR".split())
"""


@dataclass(frozen=True)
class ReportCost:
    """Instructions of one report."""

    on_loop: float  #: reading the worker and building the report
    on_sender_thread: float  #: encoding it, without the task counts
    size: int  #: bytes


@dataclass(frozen=True)
class TaskCost:
    """Instructions of one task in the main process of a solo worker."""

    plain: float  #: without this package
    counted: float

    @property
    def ratio(self) -> float:
        return self.counted / self.plain


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        unpack(options.before, folder)
        trees = {"before": folder, "now": str(REPOSITORY)}
        for name, tree in trees.items():
            cost = report_costs(tree, options.queues, options.reserved, options.active)
            print(
                f"report, {name}: {cost.on_loop:,.0f} on the event loop, {cost.on_sender_thread:,.0f} to encode, "
                f"{cost.size} bytes",
                flush=True,
            )
        for name, tree in trees.items():
            task = task_costs(tree, options.tasks)
            print(
                f"task, {name}: {task.counted:,.0f}; {task.plain:,.0f} without the package: {task.ratio:.4f}",
                flush=True,
            )


def report_costs(tree: str, queues: int, reserved: int, active: int) -> ReportCost:
    """Return the cost of a report of the package in this folder, which has the benchmarks of its version."""

    def count(rounds: int, *, is_loop: bool) -> tuple[int, str]:
        code = _REPORTS.format(queues=queues, reserved=reserved, active=active, rounds=rounds, is_loop=is_loop)
        return count_instructions(tree, code)

    (few, _), (many, _) = count(_FEW, is_loop=True), count(_MANY, is_loop=True)
    (all_few, _), (all_many, size) = count(_FEW, is_loop=False), count(_MANY, is_loop=False)
    reports = _MANY - _FEW
    return ReportCost((many - few) / reports, (all_many - all_few - many + few) / reports, int(size))


def task_costs(tree: str, tasks: int) -> TaskCost:
    """Return the cost of a task with the package in this folder."""

    def count(number: int, *, is_installed: bool) -> int:
        with _queued_tasks(number) as queue:
            code = _WORKER.format(url=REDIS_URL, queue=queue, is_installed=is_installed)
            return count_instructions(tree, code)[0]

    def per_task(*, is_installed: bool) -> float:
        few, many = (count(number, is_installed=is_installed) for number in (_MIN_TASKS, _MIN_TASKS + tasks))
        return (many - few) / tasks

    return TaskCost(plain=per_task(is_installed=False), counted=per_task(is_installed=True))


@contextmanager
def _queued_tasks(number: int) -> Iterator[str]:
    """Yield the name of a queue with so many tasks, and one more that stops the worker."""
    queue = f"counted_{uuid.uuid4().hex}"
    with Celery("sender", broker=REDIS_URL, set_as_current=False) as app, app.connection_for_write() as connection:
        with app.amqp.Producer(connection) as producer:
            for name in ("counted.nothing",) * number + ("counted.stop",):
                headers = {"gossip_sent_at": time.time()}
                app.send_task(name, queue=queue, producer=producer, headers=headers, ignore_result=True)
        try:
            yield queue
        finally:
            channel = connection.default_channel
            channel.queue_delete(queue)
            keys = list(channel.client.scan_iter(f"*{queue}*"))
            if keys:
                channel.client.delete(*keys)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.worker_instructions", description="Instructions of a worker per report and per task"
    )
    parser.add_argument("--before", default=BEFORE, metavar="COMMIT")
    parser.add_argument("--queues", type=int, default=10)
    parser.add_argument("--reserved", type=int, default=24)
    parser.add_argument("--active", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=800)
    return parser.parse_args()


if __name__ == "__main__":
    main()
