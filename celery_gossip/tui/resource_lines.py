"""Lines of the detail pane about the memory, the CPU time and the processes of a worker. Pure."""

from collections.abc import Iterator

from celery_gossip.cluster.recording import Recording
from celery_gossip.cluster.view import WorkerView
from celery_gossip.tui.fact import fact, facts
from celery_gossip.tui.sparkline import SAMPLES, sparkline
from celery_gossip.tui.text import Cell, Line
from celery_gossip.units import format_bytes, format_duration
from celery_gossip.wire.messages import PoolProcesses, Resources

__all__ = ["resource_lines"]


def resource_lines(worker: WorkerView, width: int) -> Iterator[Line]:
    """Yield the latest resources; nothing if the worker has reported none."""
    resources = worker.resources
    if resources is None:
        return
    used, limit = resources.memory_used, resources.memory_limit
    if used is not None and limit:
        text = f"{format_bytes(used)} of {format_bytes(limit)} ({used / limit:.0%})"
    else:
        text = f"{format_bytes(resources.total_rss)}, no limit known"
    yield (*fact("memory", text), Cell(f" {_bars(worker.recording)}", "info"))
    yield from facts("", _breakdown(resources), width)
    yield fact("CPU time", format_duration(resources.cpu_seconds))
    if resources.processes is not None:
        yield from facts("processes", _processes(resources.processes), width)


def _bars(recording: Recording) -> str:
    """Return the memory in the last reports that contain it."""
    sizes = (sample.rss if sample.memory_used is None else sample.memory_used for sample in recording.samples)
    known = [size >> 20 for size in sizes if size is not None]
    return sparkline(known, SAMPLES, len(known)).lstrip()


def _breakdown(resources: Resources) -> str:
    text = f"main process {format_bytes(resources.rss)}"
    if resources.children_rss is None:
        return text
    largest = format_bytes(resources.largest_child_rss)
    return f"{text}, processes {format_bytes(resources.children_rss)}, largest {largest}"


def _processes(processes: PoolProcesses) -> str:
    counts = ((processes.recycled, "recycled"), (processes.terminated, "terminated"), (processes.exited, "exited"))
    ended = "".join(f", {count:,} {how}" for count, how in counts if count)
    starting = f", {processes.starting:,} starting" if processes.starting else ""
    last = "" if processes.last_loss is None else f" (the last one with {processes.last_loss})"
    return f"{processes.alive:,} alive{starting}; {processes.started:,} started{ended}, {processes.lost:,} lost{last}"
