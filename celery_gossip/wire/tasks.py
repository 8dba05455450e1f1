"""Parts of a report about tasks: running ones, waiting ones, and counts and durations by name. Pure.

Read by messages.py, which re-exports them.
"""

from typing import Annotated

import msgspec

from celery_gossip.wire.histogram import MAX_BUCKETS
from celery_gossip.wire.limits import Bucket, Count, Name, Seconds, TotalSeconds

__all__ = [
    "MAX_EXCEPTION_CLASSES",
    "MAX_WAITING",
    "OTHER",
    "Histogram",
    "MostWaiting",
    "RunningTask",
    "TaskCount",
    "TaskSeries",
]

MAX_EXCEPTION_CLASSES = 20  #: exception classes that a series counts separately, OTHER included
MAX_WAITING = 10  #: pairs of queue and task name whose reserved (or scheduled) tasks are counted by name
OTHER = "other"  #: name under which tasks, queues and exception classes beyond a limit are counted


class RunningTask(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Details of a running task: `[name, age, retries, is_redelivered, soft_time_limit, time_limit]` on the wire."""

    name: Count  #: index of the task's name in Gossip.names
    age: Seconds | None  #: seconds since it started; None if unknown. An age, so that no clock has to agree
    retries: Count = 0
    is_redelivered: bool = False  #: its message was delivered before: another worker may have begun to run it
    soft_time_limit: Seconds | None = None
    time_limit: Seconds | None = None  #: seconds; pools without processes do not enforce the limits


class TaskCount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Number of waiting tasks of one name from one queue: `[queue, task, count]` on the wire."""

    queue: Count  #: index of the queue's name in Gossip.names; an empty name if the queue is unknown
    task: Count  #: index of the task's name in Gossip.names
    count: Count


MostWaiting = Annotated[tuple[TaskCount, ...], msgspec.Meta(max_length=MAX_WAITING)]


class Histogram(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Distribution of durations since the worker's start. See celery_gossip.wire.histogram."""

    count: Count
    total: TotalSeconds  #: sum of all durations
    #: `(bucket, count, recent)`, where `recent` of the count were added within the latest three reports of this series;
    #: either all buckets, or only those that changed in these reports.
    buckets: Annotated[tuple[tuple[Bucket, Count, Count], ...], msgspec.Meta(max_length=MAX_BUCKETS)]


class TaskSeries(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Cumulative counts of the tasks with one name from one queue, since the worker's start."""

    queue: Name  #: empty if unknown
    task: Name
    age: Seconds  #: seconds since the first of these tasks was received
    received: Count = 0
    started: Count = 0
    succeeded: Count = 0
    failed: Annotated[dict[Name, Count], msgspec.Meta(max_length=MAX_EXCEPTION_CLASSES)] = {}  # by exception class
    retried: Count = 0
    revoked: Count = 0
    rejected: Count = 0
    runtime: Histogram | None = None  #: of tasks that ran and finished, with any outcome
    wait: Histogram | None = None  #: from publishing (or the ETA) to the start, if known
