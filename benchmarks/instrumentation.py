"""Isolated cost of counting a task in the worker's main process: Celery's Request class and the counting one.

Used by benchmarks.events, whose workers are too noisy for such a small difference: here everything around the class is
a fake, and both classes are called in this process, in short turns. Both are those that Celery builds for a task.
"""

import gc
import statistics
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from celery import Celery
from celery.worker import state, strategy
from celery.worker.request import Request, create_request_cls

from benchmarks.delivery import delivery_from, message_of
from celery_gossip.worker.instrumentation import RequestInstrumentation
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.probe import Probe
from tests.unit.fakes import a_consumer

__all__ = ["Pure", "pure_cost"]

QUEUE = "jobs"
EVENTER = SimpleNamespace(
    enabled=True, send=lambda *_, **__: None
)  #: as without -E: called, but sends nothing about tasks
TURN = 500  #: requests in one turn


@dataclass(frozen=True)
class Pure:
    """CPU microseconds of the calls that Celery makes on one request: built, accepted, succeeded."""

    plain: float
    counted: float
    added: float  #: median of the differences of the turns

    def __str__(self) -> str:
        return f"{self.plain:.1f} us plain, {self.counted:.1f} us counted: {self.added:.1f} us added"


class Course:
    """Create and run requests of one class from one kind of delivery."""

    def __init__(self, cls: Any, app: Celery, task: Any, delivery_info: dict[str, Any]) -> None:
        self._cls = cls
        self._app, self._task = app, task
        self._message = message_of(task, "1", delivery_info)

    def run(self) -> float:
        """Return the CPU seconds per request of one turn."""
        message, app, task = self._message, self._app, self._task
        began = time.thread_time()
        for _ in range(TURN):
            request = self._cls(
                message, on_ack=_ignore, on_reject=_ignore, app=app, hostname="celery@web1", eventer=EVENTER, task=task,
                connection_errors=(), body=message.body, headers=message.headers, decoded=False, utc=True,
            )  # fmt: skip
            request.on_accepted(1, time.monotonic())
            request.on_success((False, None, 0.01))
        return (time.thread_time() - began) / TURN


def pure_cost(transport: str, turns: int = 40) -> Pure:
    """Measure deliveries of `redis` (exchange, routing key) or `rabbitmq` (a consumer tag)."""
    app = Celery("tapping", set_as_current=False)
    app.task(_ignore, name="tapping.nothing")
    task = app.tasks["tapping.nothing"]  # the task itself, as in a worker; the decorator returns a proxy
    consumer = a_consumer(QUEUE, pool=Pool())
    probe = Probe(consumer, active_limit=100)
    probe.read()  # the queues of the worker
    delivery = delivery_from(transport, consumer, QUEUE)
    instrumentation = RequestInstrumentation(Meter(), probe.queue_of)
    instrumentation.attach(consumer.pool)
    try:
        named = (Request, task, consumer.pool, "celery@web1", EVENTER)
        counted = Course(strategy.create_request_cls(*named, app=app), app, task, delivery)
        plain = Course(create_request_cls(*named, app=app), app, task, delivery)
        return _compare(plain, counted, turns)
    finally:
        strategy.create_request_cls = create_request_cls
        state.reset_state()


def _compare(plain: Course, counted: Course, turns: int) -> Pure:
    pairs = []
    gc.collect()
    gc.disable()  # collections would start at arbitrary points
    try:
        for turn in range(turns + 1):
            spent = {course: course.run() for course in ((plain, counted) if turn % 2 else (counted, plain))}
            pairs.append((spent[plain] * 1e6, spent[counted] * 1e6))
    finally:
        gc.enable()
    pairs = pairs[1:]  # the first turn builds objects that are built once
    return Pure(
        plain=statistics.median(one for one, _ in pairs),
        counted=statistics.median(other for _, other in pairs),
        added=statistics.median(other - one for one, other in pairs),
    )


class Pool:
    """A pool that runs nothing."""

    def apply_async(self, *args: Any, **kwargs: Any) -> None:
        """Accept the task and do nothing."""


def _ignore(*args: Any, **kwargs: Any) -> None:
    """Nothing."""
