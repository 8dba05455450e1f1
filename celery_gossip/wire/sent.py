"""Parts of a message about tasks that a process has sent: counts by queue and task name. Pure.

Read by messages.py, which re-exports them. They travel in an Echo: a listener that does not know the field ignores the
message, as it ignores the pings of other listeners.
"""

from typing import Annotated

import msgspec

from celery_gossip.wire.limits import Count, Name, Seconds

__all__ = ["MAX_SENT_COUNTS", "SentCount", "SentReport"]

MAX_SENT_COUNTS = 50  #: counts in one message


class SentCount(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tasks of one name that a process sent to one queue: `[queue, task, count, recent, age, is_route]` on the wire."""

    queue: Count  #: index of the queue's name in SentReport.names; an empty name if the queue is unknown
    task: Count  #: index of the task's name in SentReport.names
    count: Count  #: since the process began to count
    recent: Count  #: part of `count` that was sent within the latest `period`
    age: Seconds  #: seconds since the first of these tasks was sent
    is_route: bool = False  #: the name is `exchange/routing key`, to which the sender's settings bind no queue


class SentReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Tasks that one process has sent. Only counts that changed recently are listed."""

    app: Name
    period: Seconds  #: seconds before the report in which all `recent` tasks were sent
    names: Annotated[tuple[Name, ...], msgspec.Meta(max_length=2 * MAX_SENT_COUNTS)] = ()
    counts: Annotated[tuple[SentCount, ...], msgspec.Meta(max_length=MAX_SENT_COUNTS)] = ()
    is_last: bool = False  #: the process ends; absent if false
