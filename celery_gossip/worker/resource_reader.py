"""ResourceReader: memory and CPU time of the worker, and the processes of its pool. Owned by the delivery.

read() is called on the sender thread, for every fifth report. It reads files of /proc and of the cgroup, in about
0.2 ms and 20 µs for each process of the pool. No file stays open, and what cannot be read is unknown.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

from celery_gossip.wire.limits import clamp_count, clamp_total
from celery_gossip.wire.resources import PoolProcesses, Resources
from celery_gossip.worker.cgroup_memory import read_cgroup_memory
from celery_gossip.worker.pool_process_counts import PoolProcessCounts
from celery_gossip.worker.process_figures import ProcessFigures, cpu_seconds_without_proc, read_process

__all__ = ["ResourceReader"]

_MAX_CHILDREN = 1_000  #: processes of the pool that are read; the figures of more are unknown


class ResourceReader:
    """Reads the resources of one worker."""

    def __init__(self, read_pool: Callable[[], Any], root: str = "") -> None:
        """`read_pool` returns Celery's pool; `root` is put before the paths of all files."""
        self._read_pool = read_pool
        self._root = root
        self._processes = PoolProcessCounts()
        self._cpu_seconds = 0.0

    def read(self) -> Resources:
        """Return the resources of this moment. Never raises."""
        processes, pids = self._read_processes()
        main = read_process("self", self._root)
        children = None if pids is None else self._read_children(pids)
        memory = read_cgroup_memory(self._root)
        sizes = None if children is None or not self._processes.has_processes else [child.rss for child in children]
        return Resources(
            rss=None if main is None else clamp_count(main.rss),
            children_rss=None if sizes is None else clamp_count(sum(sizes)),
            largest_child_rss=None if sizes is None else clamp_count(max(sizes, default=0)),
            cpu_seconds=self._add_cpu(main, children),
            memory_limit=_clamped(memory.limit),
            memory_used=_clamped(memory.used),
            processes=processes,
        )

    def _read_processes(self) -> tuple[PoolProcesses | None, list[int] | None]:
        try:
            return self._processes.read(self._read_pool())
        except Exception:  # a name of billiard that does not exist in this release
            return None, None

    def _read_children(self, pids: list[int]) -> list[ProcessFigures] | None:
        """Return the figures of these processes, without those that ended meanwhile; None if there are too many."""
        if len(pids) > _MAX_CHILDREN:
            return None
        figures = (read_process(pid, self._root) for pid in pids)
        own = os.getpid()  # the id of a process that ended may belong to a stranger
        return [child for child in figures if child is not None and child.parent == own]

    def _add_cpu(self, main: ProcessFigures | None, children: Iterable[ProcessFigures] | None) -> float | None:
        """Return the CPU time since the start of the worker, which never decreases; None if it is unknown."""
        if children is None:
            return None
        if main is not None:
            # The main process was read first: a child that ends in between is missing, and in the next reading again.
            seconds = main.cpu_seconds + sum(child.cpu_seconds for child in children)
        elif self._processes.has_processes:
            return None  # the processes that have not ended are unknown
        else:
            seconds = cpu_seconds_without_proc()
        self._cpu_seconds = max(self._cpu_seconds, seconds)
        return clamp_total(round(self._cpu_seconds, 2))


def _clamped(value: int | None) -> int | None:
    return None if value is None else clamp_count(value)
