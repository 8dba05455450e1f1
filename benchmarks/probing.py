"""Cost of a report in a worker that holds many tasks: read, build, encode. In this process, without a broker.

`python -m benchmarks.probing [--queues 64] [--reserved 10000] [--active 16] [--rounds 50]`

The requests are Celery's own, in Celery's own lists; the consumer is a fake. A worker reads and builds a report on its
event loop, and completes and encodes it on the sender thread.
"""

import argparse
import gc
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from celery import Celery
from celery.worker import state
from celery.worker.request import Request

from benchmarks.delivery import delivery_from, message_of
from benchmarks.figure import Quantiles, quantiles
from celery_gossip.wire.encoding import encode_bounded
from celery_gossip.worker.probe import Probe
from celery_gossip.worker.reporter import Reporter, WorkerIdentity
from tests.unit.fakes import a_consumer, a_pool

__all__ = ["Held", "Round", "measure"]


@dataclass(frozen=True)
class Held:
    """Tasks of the worker, distributed evenly over its queues."""

    queues: int = 64
    reserved: int = 10_000
    active: int = 16  #: running tasks


@dataclass(frozen=True)
class Round:
    """Milliseconds."""

    loop_wall: Quantiles  #: Probe.read() and Reporter, on the event loop
    loop_cpu: Quantiles
    encode_wall: Quantiles  #: on the sender thread
    size: int  #: bytes of the gossip


def main() -> None:
    options = parse()
    held = Held(options.queues, options.reserved, options.active)
    for transport in ("redis", "rabbitmq"):
        seen = measure(held, transport, options.rounds)
        print(
            f"{transport}: on the event loop {seen.loop_wall} ms, CPU {seen.loop_cpu} ms; "
            f"encoding on the sender thread {seen.encode_wall} ms; {seen.size} bytes",
            flush=True,
        )


def measure(held: Held, transport: str, rounds: int = 50) -> Round:
    """Measure reports of a worker whose tasks came from `redis` (routing key) or `rabbitmq` (a consumer tag)."""
    queues = [f"queue{number:02d}" for number in range(held.queues)]
    consumer = a_consumer(*queues, pool=a_pool(num_processes=held.active or 1))
    kept = _requests(held, [delivery_from(transport, consumer, queue) for queue in queues])
    reporter = Reporter(WorkerIdentity("app", "celery@web1", 1.0, "0" * 16), Probe(consumer, active_limit=100))
    try:
        reporter.probe_from_loop(0.0)  # objects that are built once
        gc.collect()
        on_loop, encoding, size = [], [], 0
        for _ in range(rounds):
            report, *spent = _timed(lambda: reporter.probe_from_loop(0.0))
            on_loop.append(spent)
            (_, body), wall, _ = _timed(lambda gossip=report.gossip: encode_bounded(gossip))
            encoding.append(wall)
            size = len(body)
        assert report.gossip.reserved == held.reserved and report.gossip.unattributed == 0
        return Round(*(quantiles(each) for each in (*zip(*on_loop, strict=True), encoding)), size=size)
    finally:
        state.reset_state()
        del kept


def _timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return the result, and the milliseconds of wall and CPU time."""
    wall, cpu = time.perf_counter(), time.thread_time()
    done = work()
    return done, (time.perf_counter() - wall) * 1e3, (time.thread_time() - cpu) * 1e3


def _requests(held: Held, deliveries: list[dict[str, Any]]) -> list[Request]:
    """Add requests to Celery's lists, which are weak: the caller has to keep the result."""
    app = Celery("probing", set_as_current=False)
    app.task(_nothing, name="probing.nothing")
    task, numbers = app.tasks["probing.nothing"], itertools.count()
    requests = [
        _request(app, task, next(numbers), delivery)
        for _, delivery in zip(range(held.active + held.reserved), itertools.cycle(deliveries), strict=False)
    ]
    for request in requests:
        state.task_reserved(request)
    for request in requests[: held.active]:
        request.time_start = time.monotonic()
        state.task_accepted(request)
    return requests


def _request(app: Celery, task: Any, number: int, delivery: dict[str, Any]) -> Request:
    message = message_of(task, f"{number:036d}", dict(delivery))
    return Request(
        message, app=app, hostname="celery@web1", task=task, connection_errors=(), body=message.body,
        headers=message.headers, decoded=False, utc=True, on_ack=_nothing, on_reject=_nothing,
    )  # fmt: skip


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Nothing."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.probing", description="Cost of a report in a loaded worker")
    parser.add_argument("--queues", type=int, default=Held.queues)
    parser.add_argument("--reserved", type=int, default=Held.reserved, help="reserved tasks")
    parser.add_argument("--active", type=int, default=Held.active, help="running tasks")
    parser.add_argument("--rounds", type=int, default=50)
    return parser.parse_args()


if __name__ == "__main__":
    main()
