"""TaskView and WaitingView: one running or waiting task as its worker reports it. Pure; created by a View."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from celery_gossip.wire.messages import Gossip, WaitingState

__all__ = ["TaskView", "WaitingView", "tasks_of", "unlisted_tasks", "waiting_of"]


@dataclass(frozen=True)
class TaskView:
    """A running task. What its worker does not report (an older release, a long list) is empty or None."""

    id: str
    name: str
    queue: str
    hostname: str
    age: float | None = None  #: seconds since it started, when the snapshot was taken
    retries: int | None = None
    is_redelivered: bool | None = None  #: True if its message was delivered before, to this or another worker
    soft_time_limit: float | None = None  #: seconds; None if there is none
    time_limit: float | None = None  #: seconds; None if there is none


def tasks_of(gossip: Gossip, silent_for: float = 0.0, *, text: str = "", queue: str = "") -> Iterator[TaskView]:
    """Yield the running tasks that a report lists, by queue, the longest running first.

    `silent_for` is the number of seconds since the report, during which the tasks have continued to run. `text` selects
    the tasks with this id or this name, `queue` those of a queue.
    """
    names, hostname = gossip.names, gossip.hostname
    for check in gossip.checks:
        if queue not in ("", check.queue):
            continue
        for task_id, details in zip_longest(check.active, check.tasks):
            if text not in ("", task_id, "" if details is None else names[details.name]):
                continue
            if details is None:
                yield TaskView(id=task_id, name="", queue=check.queue, hostname=hostname)
            else:
                yield TaskView(
                    id=task_id,
                    name=names[details.name],
                    queue=check.queue,
                    hostname=hostname,
                    age=None if details.age is None else details.age + silent_for,
                    retries=details.retries,
                    is_redelivered=details.is_redelivered,
                    soft_time_limit=details.soft_time_limit,
                    time_limit=details.time_limit,
                )


@dataclass(frozen=True)
class WaitingView:
    """A task that waits in a worker: for a slot, for its ETA or for its rate limit."""

    id: str
    name: str
    queue: str  #: empty if it is not known
    hostname: str
    state: WaitingState
    age: float  #: seconds for which it has waited in the worker at least, when the snapshot was taken
    retries: int = 0
    due_in: float | None = None  #: seconds until its ETA, negative if that has passed; None unless it is scheduled


def waiting_of(
    gossip: Gossip, silent_for: float = 0.0, *, text: str = "", queue: str = "", state: str = ""
) -> Iterator[WaitingView]:
    """Yield the waiting tasks that a report lists, by the same arguments as tasks_of(); `state` selects one state."""
    names, hostname = gossip.names, gossip.hostname
    for one in gossip.waiting:
        name = names[one.task]
        if text in ("", one.id, name) and queue in ("", names[one.queue]) and state in ("", one.state):
            due_in = None if one.due_in is None else one.due_in - silent_for
            age = one.age + silent_for
            yield WaitingView(one.id, name, names[one.queue], hostname, one.state, age, one.retries, due_in)


def unlisted_tasks(gossip: Gossip) -> tuple[int, int]:
    """Return how many running and how many waiting tasks a report counts without listing them."""
    running = gossip.active - sum([len(check.active) for check in gossip.checks])
    waiting = gossip.reserved + gossip.scheduled + gossip.limited - len(gossip.waiting)
    return max(0, running), max(0, waiting)
