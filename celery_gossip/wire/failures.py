"""Parts of a report about tasks that have failed. Pure. Read by messages.py, which re-exports them."""

from typing import Annotated

import msgspec

from celery_gossip.wire.limits import Count, Name, Seconds

__all__ = ["MAX_FAILURES", "MAX_MESSAGE", "MAX_TRACEBACK_FRAMES", "Failures", "TaskFailure", "have_references_below"]

MAX_FAILURES = 20  #: failures in a report
MAX_MESSAGE = 500  #: characters of an exception's message
MAX_TRACEBACK_FRAMES = 40


class TaskFailure(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A task that failed, as an array in the order of these fields on the wire."""

    #: Number of the failure since the worker's start, from 1: the same failure is in several reports. A number that no
    #: report contains was displaced by newer failures.
    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    task: Count  #: index of the task's name in Gossip.names
    queue: Count  #: index of the queue's name; an empty name if the queue is unknown
    exception: Count  #: index of the name of the exception's class
    id: Name  #: of the task
    age: Seconds  #: seconds since it failed
    runtime: Seconds | None = None
    retries: Count = 0  #: that preceded the failure
    #: Message of the exception; null unless `gossip_failure_details` asks for it, or if it is not known.
    message: Annotated[str, msgspec.Meta(max_length=MAX_MESSAGE)] | None = None
    #: Indexes of the frames of the traceback, `module:function:line`, outermost first; empty unless asked for.
    frames: Annotated[tuple[Count, ...], msgspec.Meta(max_length=MAX_TRACEBACK_FRAMES)] = ()
    own_frame: Count | None = None  #: position of the innermost frame that is not in a library; null if none is known


Failures = Annotated[tuple[TaskFailure, ...], msgspec.Meta(max_length=MAX_FAILURES)]


def have_references_below(failures: Failures, end: int) -> bool:
    """Return True if each index is below `end`, and that of an own frame is one of the failure's frames."""
    return all(
        (one.own_frame is None or one.own_frame < len(one.frames))
        and max(one.task, one.queue, one.exception, *one.frames) < end
        for one in failures
    )
