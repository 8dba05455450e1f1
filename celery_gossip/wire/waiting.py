"""Parts of a report about single tasks that wait in a worker. Pure. Read by messages.py, which re-exports them."""

from typing import Annotated, Literal

import msgspec

from celery_gossip.wire.limits import Count, Name, Seconds

__all__ = ["MAX_WAITING_TASKS", "WaitingState", "WaitingTask", "WaitingTasks", "refer_below"]

MAX_WAITING_TASKS = 100  #: waiting tasks that a report lists

#: "reserved": waits for a slot; "scheduled": for its ETA; "limited": for its rate limit.
WaitingState = Literal["reserved", "scheduled", "limited"]


class WaitingTask(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A task that waits in a worker, as an array in the order of these fields on the wire."""

    id: Name
    task: Count  #: index of the task's name in Gossip.names
    queue: Count  #: index of the queue's name; an empty name if the queue is unknown
    state: WaitingState
    #: Seconds since it was received; if the worker does not note that, since the first report that counted it in this
    #: state. An age, so that no clock has to agree.
    age: Seconds
    retries: Count = 0
    due_in: Seconds | None = None  #: seconds until its ETA, 0.0 once that has passed; null unless it is scheduled


#: Tasks of each state in turn, the longest waiting first.
WaitingTasks = Annotated[tuple[WaitingTask, ...], msgspec.Meta(max_length=MAX_WAITING_TASKS)]


def refer_below(waiting: WaitingTasks, end: int) -> bool:
    """Return True if each index is below `end`."""
    return all(one.task < end and one.queue < end for one in waiting)
