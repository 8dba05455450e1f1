"""WorkerStats: the totals of a worker, each read separately, so that an unreadable one costs only its own value.

Owned by the probe; read on the event loop or on the sender thread, never on both at the same time.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from celery_gossip.wire.messages import clamp_count, sanitize_name
from celery_gossip.worker import _compat as compat
from celery_gossip.worker.slots import Slots

__all__ = ["Attempts", "Totals", "WorkerStats"]

_T = TypeVar("_T")


class Attempts:
    """Calls functions that may fail, returns a default for each that does, and collects their exceptions."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []

    def call(self, read: Callable[[], _T], default: _T) -> _T:
        """Return what `read` returns, or `default` if it raises."""
        try:
            return read()
        except Exception as exc:
            self.failures.append(exc)
            return default


@dataclass(frozen=True)
class Totals:
    """The totals of a worker at one moment."""

    scheduled: tuple[Any, ...]  #: requests that wait for their ETA
    limited: tuple[Any, ...]  #: requests that wait for their rate limit
    processed: int
    pool: str
    concurrency: int
    prefetch_count: int | None


class WorkerStats:
    """Reads the totals of one `celery.worker.consumer.Consumer`."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._slots = Slots()
        self._pool_name: tuple[type, str] | None = None  # of the pool that was read last

    def read(self, attempts: Attempts, is_draining: bool) -> Totals:
        """Return the totals. An unreadable one is 0, None or empty, and its exception is added to `attempts`."""
        consumer = self._consumer
        timer = attempts.call(lambda: compat.timer_contents(consumer.timer), compat.TimerContents())
        buckets: list[Any] = attempts.call(lambda: compat.task_buckets(consumer), [])
        distinct = {id(bucket): bucket for bucket in (*buckets, *timer.buckets)}.values()
        limited: Iterator[list[Any]] = (
            attempts.call(partial(compat.bucket_requests, bucket), []) for bucket in distinct
        )
        return Totals(
            scheduled=timer.requests,
            limited=tuple(chain.from_iterable(limited)),
            processed=attempts.call(compat.accepted_count, 0),
            pool=attempts.call(self._read_pool_name, ""),
            concurrency=clamp_count(attempts.call(lambda: self._slots.read(consumer.pool, is_draining), 0)),
            prefetch_count=attempts.call(lambda: _prefetch_count(consumer), None),
        )

    def _read_pool_name(self) -> str:
        pool = self._consumer.pool
        if self._pool_name is None or self._pool_name[0] is not type(pool):
            self._pool_name = type(pool), sanitize_name(compat.pool_name(pool))
        return self._pool_name[1]


def _prefetch_count(consumer: Any) -> int | None:
    count = compat.prefetch_count(consumer)
    return None if count is None else clamp_count(count)
