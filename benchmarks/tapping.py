"""What counting adds to a task in the worker's main process: Celery's Request class driven beside the counted one.

Used by benchmarks.events, whose workers are too noisy to show so little: here everything around the class is a fake,
and all happens in this process, in short turns. Both classes are those that Celery builds for a task.
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
from celery_gossip.metrics import Meter
from celery_gossip.probe import Probe
from celery_gossip.tap import Tap
from tests.unit.fakes import a_consumer

__all__ = ["Pure", "pure_cost"]

QUEUE = "jobs"
EVENTER = SimpleNamespace(enabled=True, send=lambda *_, **__: None)  #: as without -E: asked, and silent on tasks
TURN = 500  #: requests in one turn


@dataclass(frozen=True)
class Pure:
    """Microseconds of CPU for what Celery calls of one request in its life: built, accepted, succeeded."""

    plain: float
    counted: float
    added: float  #: the median of the differences, turn by turn

    def __str__(self) -> str:
        return f"{self.plain:.1f} us plain, {self.counted:.1f} us counted: {self.added:.1f} us added"


class Course:
    """Drives requests of one class from one kind of delivery."""

    def __init__(self, cls: Any, app: Celery, task: Any, delivery_info: dict[str, Any]) -> None:
        self._cls = cls
        self._app, self._task = app, task
        self._message = message_of(task, "1", delivery_info)

    def run(self) -> float:
        """CPU seconds per request of one turn."""
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
    """Of a delivery as it comes from `redis` (exchange and routing key) or `rabbitmq` (a consumer tag)."""
    app = Celery("tapping", set_as_current=False)
    app.task(_ignore, name="tapping.nothing")
    task = app.tasks["tapping.nothing"]  # the task itself, as a worker has it; the decorator gives a proxy
    consumer = a_consumer(QUEUE, pool=Pool())
    probe = Probe(consumer, active_limit=100)
    probe.read()  # which queues there are
    delivery = delivery_from(transport, consumer, QUEUE)
    tap = Tap(Meter(), probe.queue_of)
    tap.open(consumer.pool)
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
    gc.disable()  # its pauses fall where they will
    try:
        for turn in range(turns + 1):
            spent = {course: course.run() for course in ((plain, counted) if turn % 2 else (counted, plain))}
            pairs.append((spent[plain] * 1e6, spent[counted] * 1e6))
    finally:
        gc.enable()
    pairs = pairs[1:]  # the first builds what is built once
    return Pure(
        plain=statistics.median(one for one, _ in pairs),
        counted=statistics.median(other for _, other in pairs),
        added=statistics.median(other - one for one, other in pairs),
    )


class Pool:
    """Of a worker: it runs nothing."""

    def apply_async(self, *args: Any, **kwargs: Any) -> None:
        """Take it, and forget it."""


def _ignore(*args: Any, **kwargs: Any) -> None:
    """Nothing."""
