"""Abilities: what a worker cannot do, by its pool and its settings. Pure; called before a command is sent.

Read from celery/concurrency and celery/worker/control.py of Celery 5.4 to 5.7. Nothing is assumed of custom pools.
"""

from celery_gossip.cluster.view import WorkerView
from celery_gossip.control.command import (
    AddConsumer,
    Autoscale,
    Command,
    Grow,
    Pause,
    PoolRestart,
    Resume,
    Shrink,
    Terminate,
    TimeLimit,
)

__all__ = ["can_terminate", "find_obstacle"]

#: These pools have no terminate_job().
_CANNOT_TERMINATE = frozenset({"solo", "threads"})
#: `(commands, pools, what they lack)`. Grow and shrink are what autoscaling calls, too. Pools without restart() make
#: their worker answer "reload started" nevertheless. Pools without time limits ignore those that Celery passes to them.
_LACKS: tuple[tuple[tuple[type[Command], ...], frozenset[str], str], ...] = (
    ((Grow, Shrink, Autoscale), frozenset({"solo", "threads"}), "has a fixed size"),
    ((PoolRestart,), frozenset({"eventlet", "gevent", "solo", "threads"}), "cannot be restarted"),
    ((TimeLimit,), frozenset({"eventlet", "solo", "threads"}), "has no time limits"),
)


def can_terminate(worker: WorkerView) -> bool:
    """Return False if the worker's pool cannot end a task that runs."""
    return worker.pool not in _CANNOT_TERMINATE


def find_obstacle(command: Command, worker: WorkerView) -> str:
    """Return why this worker cannot obey the command; empty if nothing is known against it."""
    software = worker.software
    if software is not None and software.settings.worker_enable_remote_control is False:
        return "its remote control is off (worker_enable_remote_control)"
    if isinstance(command, Pause | Resume | AddConsumer):
        return _consumer_obstacle(command, worker)
    return _pool_obstacle(command, worker)


def _consumer_obstacle(command: Pause | Resume | AddConsumer, worker: WorkerView) -> str:
    # The others would begin to consume a queue that is resumed.
    if (command.queue in worker.queues) is not isinstance(command, AddConsumer):
        return ""
    return "it serves this queue already" if isinstance(command, AddConsumer) else "it does not serve this queue"


def _pool_obstacle(command: Command, worker: WorkerView) -> str:
    pool = worker.pool
    for commands, pools, lack in _LACKS:
        if isinstance(command, commands) and pool in pools:
            return f"its pool, {pool}, {lack}"
    if isinstance(command, TimeLimit) and pool == "gevent" and command.soft is not None:
        return "its pool, gevent, has no soft time limits"
    if isinstance(command, Shrink) and worker.concurrency - command.slots < 1:
        return f"one of its slots ({worker.concurrency}) must be left"
    if isinstance(command, Terminate) and not can_terminate(worker):
        running = {task.id for task in worker.tasks()}.intersection(command.ids)
        return f"its pool, {pool}, cannot end a task that runs: {min(running)}" if running else ""
    return ""
