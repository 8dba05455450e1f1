"""Slots: how many tasks a pool can run now. Owned by the probe, read on the event loop or on the sender thread."""

import time
from collections.abc import Callable
from typing import Any

from celery_gossip.worker import _compat as compat

__all__ = ["Slots"]


class Slots:
    """Reads the number of slots of a pool, and keeps the last number after the pool was stopped."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = 0
        self._first_read_at: float | None = None
        self._were_up = False

    def read(self, pool: Any, is_draining: bool = False) -> int:
        """Return how many tasks the pool can run now; while the worker drains, the number before.

        On prefork this is the number of processes that are ready. The configured number (`num_processes`) is used until
        one process has reported itself ready, which a worker notices only when its event loop runs.
        """
        if is_draining and self._last:
            return self._last
        configured = _configured_size(pool)
        if configured is not None:
            up = self._processes_up(pool)
            self._last = configured if up is None else min(up, configured)
        return self._last

    def _processes_up(self, pool: Any) -> int | None:
        up = compat.processes_up(pool)
        if up:
            self._were_up = True
        elif not self._were_up:
            now = self._clock()
            self._first_read_at = now if self._first_read_at is None else self._first_read_at
            return None if now - self._first_read_at < compat.process_start_timeout(pool) else up
        return up


def _configured_size(pool: Any) -> int | None:
    """Return the configured size of a pool; None after it was stopped.

    Before Celery 5.7 gevent's `num_processes` is the number of running greenlets, so the size of the pool is read.
    """
    size = compat.green_pool_size(pool)
    if size is not None:
        return size
    try:
        return int(pool.num_processes)
    except (AttributeError, TypeError):
        return None
