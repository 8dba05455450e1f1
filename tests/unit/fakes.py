"""Stand-ins for the parts of a Celery worker that the probe and the step read."""

import itertools
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

from celery.worker.request import Request
from kombu import Queue

_numbers = itertools.count(1)


class FakeRequest(Request):
    """A task that a worker has received; told apart by identity, as Celery's own."""

    id = ""
    message = None
    time_start = None

    def __init__(self, task_id: Any = None, time_start: float | None = None, **delivery_info: Any) -> None:
        self.id = f"id-{next(_numbers)}" if task_id is None else task_id
        self.time_start = time_start
        self.message = SimpleNamespace(delivery_info=delivery_info)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<FakeRequest {self.id}>"


class FakeTaskConsumer:
    """What Celery keeps of a kombu Consumer, and what remote control does to it."""

    def __init__(self, queues: Iterable[Queue], tag_number: int = 0) -> None:
        self._queues = {queue.name: queue for queue in queues}
        self._tags = itertools.count(tag_number + 1)
        self._active_tags = {name: f"tag-{next(self._tags)}" for name in self._queues}

    @property
    def queues(self) -> list[Queue]:
        return list(self._queues.values())

    def consuming_from(self, queue: Queue) -> bool:
        return queue.name in self._active_tags

    def add(self, queue: Queue) -> None:
        self._queues[queue.name] = queue
        self._active_tags[queue.name] = f"tag-{next(self._tags)}"

    def cancel(self, name: str) -> None:
        del self._queues[name]
        del self._active_tags[name]

    def tag_of(self, name: str) -> str:
        return self._active_tags[name]


class FakeTimer:
    """Celery's timer as the step uses it: nothing fires unless the test fires it."""

    def __init__(self) -> None:
        self.armed: list[FakeEntry] = []
        self.schedule = SimpleNamespace(_queue=[])

    def call_after(self, delay: float, callback: Callable[..., Any], args: tuple[Any, ...] = ()) -> "FakeEntry":
        entry = FakeEntry(callback, args, delay)
        self.armed.append(entry)
        return entry

    def cancel(self, entry: Any) -> None:
        entry.cancel()

    @property
    def live(self) -> list["FakeEntry"]:
        return [entry for entry in self.armed if not entry.canceled]

    def fire(self) -> None:
        """Fire what is armed now, in turn; what it arms waits for the next call."""
        due, self.armed = self.live, []
        for entry in due:
            entry()

    def wait_for_eta(self, request: Any, is_canceled: bool = False) -> None:
        """As Celery holds an ETA task: in a heap of (eta, priority, entry)."""
        entry = FakeEntry(lambda *_: None, (request,), 60.0)
        entry.canceled = is_canceled
        self.schedule._queue.append(SimpleNamespace(eta=60.0, priority=6, entry=entry))


class FakeEntry:
    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], delay: float) -> None:
        self.callback, self.args, self.delay = callback, args, delay
        self.fun = callback  # as kombu's Entry calls it
        self.canceled = False

    def cancel(self) -> None:
        self.canceled = True

    def __call__(self) -> None:
        self.callback(*self.args)


def a_pool(name: str = "prefork", num_processes: int = 4) -> Any:
    pool = type("TaskPool", (), {"__module__": f"celery.concurrency.{name}", "num_processes": num_processes})
    return pool()


def a_consumer(*queues: Any, **parts: Any) -> Any:
    """A worker's consumer of these queues (names or kombu Queues)."""
    named = [Queue(queue) if isinstance(queue, str) else queue for queue in queues]
    values = {
        "task_consumer": FakeTaskConsumer(named),
        "connection": object(),
        "timer": FakeTimer(),
        "pool": a_pool(),
        "qos": SimpleNamespace(value=16),
        "hostname": "celery@web1",
    }
    return SimpleNamespace(**{**values, **parts})
