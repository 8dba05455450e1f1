"""PoolProcessCounts: counts the processes of a prefork pool that started and ended. Owned by the ResourceReader.

read() is called on the sender thread. billiard's pool reports each end on the worker's main thread.
"""

from collections import Counter
from functools import partial
from typing import Any, Literal
from weakref import WeakSet

from celery_gossip.wire.resources import PoolProcesses
from celery_gossip.worker import _compat as compat

__all__ = ["PoolProcessCounts"]

_RECYCLED = 0x9B  #: exit code of a process that reached max_tasks_per_child or max_memory_per_child
_SIGTERM = 15

_How = Literal["exited", "recycled", "terminated", "lost"]


class PoolProcessCounts:
    """Counts since the first read(): what happened to the pool before is not known."""

    def __init__(self) -> None:
        self._pool: Any = None  # billiard's; another one if Celery has replaced the pool
        self._pools = 0  # seen so far
        self._is_counted = False  # False on a release of billiard that does not report ends
        self._ends = Counter[_How]()
        self._noted = WeakSet[Any]()
        self._timed_out = WeakSet[Any]()  # to be killed because their task has reached its time limit
        self._last_loss: int | None = None
        self._started = 0

    @property
    def has_processes(self) -> bool:
        """True if the pool has, or had, processes."""
        return self._pool is not None

    def read(self, pool: Any) -> tuple[PoolProcesses | None, list[int]]:
        """Return the counts, and the ids of the processes alive; `(None, [])` for a pool without processes."""
        processes = compat.process_pool(pool)
        if processes is None:
            return None, []
        if processes is not self._pool:
            self._watch(processes)
        # Ends first: a process that ends meanwhile is missing until the next reading, and never counted twice.
        ends = self._ends.copy()
        living = compat.living_processes(processes)
        if not self._is_counted:
            return None, living
        self._started = max(self._started, ends.total() + len(living))
        up = compat.processes_up(pool)
        counts = PoolProcesses(
            started=self._started,
            exited=ends["exited"],
            recycled=ends["recycled"],
            terminated=ends["terminated"],
            lost=ends["lost"],
            starting=0 if up is None else max(0, len(living) - up),
            last_loss=self._last_loss,
        )
        return counts, living

    def _watch(self, processes: Any) -> None:
        """Begin to count the ends of this pool's processes."""
        self._pool = processes
        self._pools += 1
        self._ends["exited"] += max(0, self._started - self._ends.total())  # with the former pool
        self._is_counted = compat.watch_ends(processes, partial(self._note, self._pools), self._timed_out.add)

    def _note(self, pool_number: int, process: Any) -> None:
        end = compat.end_of_process(process)
        if end is None or process in self._noted or pool_number < self._pools:
            return
        self._noted.add(process)
        how: _How = "terminated" if process in self._timed_out else _how_it_ended(end)
        if how == "lost":
            self._last_loss = max(-255, min(255, end.exit_code))
        self._ends[how] += 1


def _how_it_ended(end: compat.ProcessEnd) -> _How:
    if end.is_terminated:
        return "terminated"
    if end.is_controlled or end.exit_code == 0:
        return "exited"
    if end.exit_code == _RECYCLED:
        return "recycled"
    return "terminated" if end.exit_code == -_SIGTERM else "lost"
