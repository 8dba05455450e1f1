"""Tasks by the ten thousand on a worker's queue on Redis, and how fast workers side by side take them."""

import statistics
import time
from dataclasses import dataclass
from uuid import uuid4

import redis

from tests.support.waiting import eventually
from tests.support.workers import Project

__all__ = ["Load", "Pace", "pace"]

_BATCH = 1000


class Load:
    """What waits on queue `a` of a project. Only for workers that take their tasks from Redis."""

    def __init__(self, project: Project, task: str = "nothing", *args: float) -> None:
        self._project = project
        self._task = (task, *args)
        self._client = redis.Redis.from_url(project.broker_url)
        self._queue = project.queues[0]

    def fill(self, count: int) -> None:
        """Copies of one message that Celery wrote itself, each with ids of its own."""
        model, task_id, tag = self._model()
        for begun in range(0, count, _BATCH):
            ids = [str(uuid4()) for _ in range(min(_BATCH, count - begun))]
            copies = [model.replace(task_id, one).replace(tag, one) for one in ids]
            self._client.lpush(self._queue, *copies)

    def left(self) -> int:
        return int(self._client.llen(self._queue))

    def purge(self) -> None:
        self._client.delete(self._queue)

    def close(self) -> None:
        self._client.close()

    def await_empty(self, timeout: float) -> None:
        def is_empty() -> None:
            assert self.left() == 0

        eventually(is_empty, timeout, every=0.1)

    def _model(self) -> tuple[str, str, str]:
        """A message, the task's id in it, and its delivery tag."""
        side = Project(self._project.broker_url)  # a queue that nobody consumes
        try:
            task_id = side.send(*self._task)
            raw = self._client.lindex(side.queues[0], 0).decode()
        finally:
            side.clean()
        text = raw.replace(side.prefix, self._project.prefix)
        tag = text.partition('"delivery_tag": "')[2].partition('"')[0]
        assert tag and task_id in text
        return text, task_id, tag


@dataclass(frozen=True)
class Pace:
    """Of two workers side by side."""

    rates: tuple[float, float]  #: tasks a second
    ratio: float  #: of the second to the first: the median of the windows
    windows: int


def pace(loads: tuple[Load, Load], seconds: float, window: float = 1.0) -> Pace:
    """Keep both queues full and see how fast each is emptied; the second worker's pace is held against the first's."""
    for load in loads:
        load.fill(4 * _BATCH)
    taken: list[tuple[int, int]] = []
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        for load in loads:
            if load.left() < 4 * _BATCH * window:
                load.fill(4 * _BATCH)
        before = [load.left() for load in loads]
        time.sleep(window)  # a pace can only be seen over time
        first, second = (earlier - load.left() for earlier, load in zip(before, loads, strict=True))
        taken.append((first, second))
    ratio = statistics.median(second / max(first, 1) for first, second in taken)
    sums = [sum(column) / (len(taken) * window) for column in zip(*taken, strict=True)]
    return Pace((sums[0], sums[1]), ratio, len(taken))
