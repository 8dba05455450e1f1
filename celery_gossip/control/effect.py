"""Effects: whether the reports of a worker show that it has obeyed a command. Pure; called for each view until they do.

A report shows state, not its cause: a task that a report no longer lists may also have ended by itself.
"""

from celery_gossip.cluster.view import WorkerView
from celery_gossip.control.ability import can_terminate
from celery_gossip.control.command import (
    AddConsumer,
    Autoscale,
    Command,
    Grow,
    Pause,
    Resume,
    Shrink,
    Shutdown,
    Terminate,
)
from celery_gossip.wire.messages import Gossip, QueueCheck

__all__ = ["is_effective", "is_observable"]


def is_observable(command: Command, before: WorkerView) -> bool:
    """Return True if reports of this worker can show the effect. `before`: the worker when the command was sent."""
    if isinstance(command, Autoscale):
        return not _is_within(command, before.gossip)
    if isinstance(command, Terminate):
        return can_terminate(before) and bool(_running(command, before.gossip))
    return isinstance(command, Pause | Resume | AddConsumer | Grow | Shrink | Shutdown)


def is_effective(command: Command, before: WorkerView, now: WorkerView | None) -> bool:
    """Return True if a report after `before` shows the effect. `now` is None if the worker is no longer in the view."""
    gossip = _report_of(before.gossip.boot, now)
    if isinstance(command, Shutdown):
        # An instance that is lost has not said that it ended; one that was replaced by another has ended.
        is_over = gossip is None and now is not None and not now.is_gone
        return is_over or (gossip is not None and gossip.state != "online")
    if gossip is None or now is None or gossip.seq <= before.gossip.seq:
        return False
    if isinstance(command, Terminate):
        return _have_ended(command, before, now, gossip)
    return _shows(command, before.gossip, gossip)


def _shows(command: Command, before: Gossip, gossip: Gossip) -> bool:
    if isinstance(command, Pause | Resume | AddConsumer):
        check = _check_of(command.queue, gossip)
        return check is not None and check.paused is isinstance(command, Pause)
    if isinstance(command, Grow):
        return gossip.concurrency >= before.concurrency + command.slots
    if isinstance(command, Shrink):
        return gossip.concurrency <= before.concurrency - command.slots
    return isinstance(command, Autoscale) and _is_within(command, gossip)


def _have_ended(command: Terminate, before: WorkerView, now: WorkerView, gossip: Gossip) -> bool:
    """Return True if the tasks that ran are no longer listed, and as many processes of the pool have ended.

    Celery takes a task off its list when it sends the signal, also if the process ignores it.
    """
    running = _running(command, before.gossip)
    # A list that is not complete may lack a task that runs.
    is_complete = not gossip.omitted and all(len(check.active) == check.active_count for check in gossip.checks)
    ended, ended_before = _ended_processes(now), _ended_processes(before)
    is_over = ended is None or ended_before is None or ended >= ended_before + len(running)
    return is_complete and is_over and not running & _running(command, gossip)


def _ended_processes(worker: WorkerView) -> int | None:
    """Return how many processes of the pool have ended; None if that is not known."""
    processes = None if worker.resources is None else worker.resources.processes
    return None if processes is None else processes.started - processes.alive


def _report_of(boot: str, worker: WorkerView | None) -> Gossip | None:
    """Return the latest report of this instance; None if another one reports in its place."""
    return next((gossip for gossip in (worker.gossips if worker else ()) if gossip.boot == boot), None)


def _check_of(queue: str, gossip: Gossip) -> QueueCheck | None:
    return next((check for check in gossip.checks if check.queue == queue), None)


def _running(command: Terminate, gossip: Gossip) -> set[str]:
    return {task_id for check in gossip.checks for task_id in check.active}.intersection(command.ids)


def _is_within(command: Autoscale, gossip: Gossip) -> bool:
    return command.min <= gossip.concurrency <= command.max
