"""Part of a report about resources: memory and CPU time of a worker, and the processes of its pool. Pure.

Read by messages.py, which re-exports it. Both structs are arrays on the wire, at most some 200 bytes together.
"""

from typing import Annotated

import msgspec

from celery_gossip.wire.limits import Count, TotalSeconds

__all__ = ["RESOURCE_PERIOD", "PoolProcesses", "Resources"]

RESOURCE_PERIOD = 5  #: reports, of which the first contains the resources

ExitCode = Annotated[int, msgspec.Meta(ge=-255, le=255)]


class PoolProcesses(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Processes of a prefork pool, cumulative since the first report of the instance, but for `starting`.

    Each process that ended is in one of the four counts of ends: `started` less all of them are those alive.
    """

    started: Count  #: with those that were alive at the first report
    exited: Count  #: ended normally: the pool shrank, was restarted or shut down
    recycled: Count  #: ended because of max_tasks_per_child or max_memory_per_child
    terminated: Count  #: ended by a time limit, by `revoke(terminate=True)`, or by another SIGTERM
    lost: Count  #: ended by another signal, or with another exit code
    starting: Count  #: alive, but not ready for tasks yet
    last_loss: ExitCode | None = None  #: exit code of the process lost last, negative for a signal; None if none was

    @property
    def alive(self) -> int:
        """Number of processes that have not ended."""
        return max(0, self.started - self.exited - self.recycled - self.terminated - self.lost)


class Resources(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Memory in bytes, CPU time in seconds; None where the worker cannot read it."""

    rss: Count | None = None  #: resident memory of the main process
    #: Sum of the resident memory of the pool's processes. Pages that they share with the main process since their fork
    #: count in each of them. None for a pool without processes.
    children_rss: Count | None = None
    largest_child_rss: Count | None = None
    cpu_seconds: TotalSeconds | None = None  #: used by the main process and its children, ended ones included
    #: Lowest memory limit of the cgroup of the main process and the cgroups around it. None without a limit.
    memory_limit: Count | None = None
    #: Memory that counts towards that limit, of all processes in the cgroup, without what the kernel frees first
    #: (caches of files). None without a limit.
    memory_used: Count | None = None
    processes: PoolProcesses | None = None  #: None for a pool without processes

    @property
    def total_rss(self) -> int | None:
        """Resident memory of the main process and the pool's processes; None if unknown."""
        return None if self.rss is None else self.rss + (self.children_rss or 0)
