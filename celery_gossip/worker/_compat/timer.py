"""Undocumented parts of a worker's timer and of its rate limits. Any thread."""

from dataclasses import dataclass
from typing import Any

from celery_gossip.worker._compat.names import require
from celery_gossip.worker._compat.state import copied

__all__ = ["TimerContents", "bucket_requests", "task_buckets", "timer_contents"]


@dataclass(frozen=True)
class TimerContents:
    """Entries of a worker's timer, without cancelled ones."""

    requests: tuple[Any, ...] = ()  #: tasks that wait for their ETA
    buckets: tuple[Any, ...] = ()  #: token buckets of rate-limited tasks; one may be listed several times


def timer_contents(timer: Any) -> TimerContents:
    """Return the requests and token buckets on the worker's timer, from one pass over it.

    Read from the timer on every release, as `celery inspect scheduled` does: `scheduled_requests` of Celery 5.7 also
    contains rate-limited tasks whose ETA has passed, which inspect does not show. `timer.queue` would sort a copy.
    """
    request_type = require("celery.worker.request:Request")
    requests, buckets = [], []
    queue = getattr(timer.schedule, "_queue", None)
    for waiting in copied(timer.schedule.queue if queue is None else queue):
        entry = waiting.entry
        if not entry.args or entry.canceled:
            continue
        held = entry.args[0]
        if isinstance(held, request_type):
            requests.append(held)
        elif getattr(getattr(entry, "fun", None), "__name__", "") == "_schedule_bucket_request":
            buckets.append(held)
    return TimerContents(tuple(requests), tuple(buckets))


def task_buckets(consumer: Any) -> list[Any]:
    """Return the token buckets of the tasks with a rate limit.

    `control rate_limit` replaces the buckets of all tasks. Tasks that wait in an old bucket stay there, and that bucket
    is found only on the timer.
    """
    buckets = getattr(consumer, "task_buckets", None) or {}
    return [bucket for bucket in copied(buckets.values()) if bucket is not None]


def bucket_requests(bucket: Any) -> list[Any]:
    """Return the requests that wait in a token bucket."""
    return [request for request, _ in copied(bucket.contents)]
