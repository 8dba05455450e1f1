"""Rows about the memory, the CPU time and the processes of workers, built from snapshots. Called on any thread."""

from celery_gossip.cluster.recording import Recording
from celery_gossip.cluster.view import WorkerView
from celery_gossip.web.schema import PoolProcesses, Resources, Sample
from celery_gossip.web.snapshot import Snapshot
from celery_gossip.wire import messages

__all__ = ["memory_spark", "recording_rows", "resource_row", "sample_rows"]


def resource_row(snapshot: Snapshot, view: WorkerView) -> Resources | None:
    """Return the latest resources of a worker; None if it has reported none."""
    resources, age = view.resources, view.resources_age
    if resources is None or age is None:
        return None
    return Resources(
        at=snapshot.unix(snapshot.view.taken_at - age),
        rss=resources.rss,
        children_rss=resources.children_rss,
        largest_child_rss=resources.largest_child_rss,
        cpu_seconds=resources.cpu_seconds,
        memory_limit=resources.memory_limit,
        memory_used=resources.memory_used,
        processes=None if resources.processes is None else _processes(resources.processes),
    )


def recording_rows(snapshot: Snapshot, hostname: str) -> list[Sample]:
    """Return the last reports of a worker, oldest first."""
    view = snapshot.view.worker(hostname)
    return [] if view is None else sample_rows(snapshot, view.recording)


def sample_rows(snapshot: Snapshot, recording: Recording) -> list[Sample]:
    """Return the reports of a recording, oldest first."""
    return [
        Sample(
            at=snapshot.unix(sample.at),
            memory_used=sample.memory_used,
            rss=sample.rss,
            active=sample.active,
            reserved=sample.reserved,
            lost=sample.lost,
            lag=round(sample.lag, 2),
        )
        for sample in recording.samples
    ]


def memory_spark(view: WorkerView) -> tuple[int, ...]:
    """Return the memory in the last reports that contain it, in MiB, oldest first.

    It is that which counts towards the limit, or resident memory if that is unknown.
    """
    sizes = (sample.rss if sample.memory_used is None else sample.memory_used for sample in view.recording.samples)
    return tuple(size >> 20 for size in sizes if size is not None)


def _processes(processes: messages.PoolProcesses) -> PoolProcesses:
    return PoolProcesses(
        alive=processes.alive,
        starting=processes.starting,
        started=processes.started,
        exited=processes.exited,
        recycled=processes.recycled,
        terminated=processes.terminated,
        lost=processes.lost,
        last_loss=processes.last_loss,
    )
