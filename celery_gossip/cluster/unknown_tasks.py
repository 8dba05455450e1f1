"""UnknownTasks: messages of tasks that the receiving worker has not registered, by queue, task name and worker. Pure.

Owned by TaskStatistics; called under the Cluster's lock. A worker counts such a message as failed with NotRegistered
without having started the task.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from celery_gossip.wire.messages import TaskSeries

__all__ = ["NOT_REGISTERED", "UnknownTask", "UnknownTasks", "is_unknown"]

NOT_REGISTERED = "NotRegistered"  #: exception class under which a worker counts such a message
_REMEMBERED_FOR = 660.0  #: seconds after the last such message: as long as the window of the rules about failures
_MAX_ENTRIES = 1_000  #: of queue, task and worker; beyond, the least recent are dropped


@dataclass(frozen=True)
class UnknownTask:
    """Messages of one task name from one queue, which these workers do not know."""

    queue: str
    task: str
    count: int  #: messages since `since`
    since: float  #: listener's monotonic time of the first of them
    hostnames: tuple[str, ...]  #: workers that received them
    known_by: tuple[str, ...] = ()  #: workers that have started tasks of this name


class UnknownTasks:
    """Recent messages of unregistered tasks."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str, str], tuple[int, float, float]] = OrderedDict()

    def add(self, hostname: str, queue: str, task: str, count: int, now: float) -> None:
        """Count messages that a worker has received."""
        key = (queue, task, hostname)
        known, since, _ = self._entries.pop(key, (0, now, now))
        self._entries[key] = (known + count, since, now)
        if len(self._entries) > _MAX_ENTRIES:
            self._entries.popitem(last=False)

    def recent(self, now: float) -> dict[tuple[str, str], UnknownTask]:
        """Return `{(queue, task): messages}` of names of which one arrived recently, and forget the others."""
        while self._entries:
            oldest = next(iter(self._entries))
            if now - self._entries[oldest][2] <= _REMEMBERED_FOR:
                break
            del self._entries[oldest]
        grouped: dict[tuple[str, str], dict[str, tuple[int, float]]] = {}
        for (queue, task, hostname), (count, since, _) in self._entries.items():
            grouped.setdefault((queue, task), {})[hostname] = (count, since)
        return {key: _sum_up(*key, by_hostname) for key, by_hostname in grouped.items()}


def _sum_up(queue: str, task: str, by_hostname: Mapping[str, tuple[int, float]]) -> UnknownTask:
    counts, starts = zip(*by_hostname.values(), strict=True)
    return UnknownTask(queue, task, sum(counts), min(starts), tuple(by_hostname))


def is_unknown(series: TaskSeries) -> bool:
    """Return True if the worker does not know the task of this series: no message of it was ever started.

    A task that raises NotRegistered itself, because it looks up another one, was started.
    """
    return not series.started and NOT_REGISTERED in series.failed
