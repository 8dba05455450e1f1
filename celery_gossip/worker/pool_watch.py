"""PoolWatch: notices a pool that starts no task although tasks are reserved for it. Owned by the reporter.

update() is called with each reading, on the event loop or on the sender thread; `is_dead` may be read on any thread.
"""

import time
from collections.abc import Callable

from celery_gossip.worker.probe import Reading

__all__ = ["PoolWatch"]

#: Seconds for which a pool may start no task: a new process may load a model or connect before it is ready.
_DEAD_AFTER = 60.0


class PoolWatch:
    """Remembers since when the pool has been idle although tasks are reserved, with no task started in between."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._processed = -1
        self._idle_since: float | None = None

    @property
    def is_dead(self) -> bool:
        """True if the pool has started no reserved task for a minute."""
        since = self._idle_since
        return since is not None and self._clock() - since >= _DEAD_AFTER

    def update(self, reading: Reading) -> None:
        """Note the state of the pool."""
        is_waiting = reading.reserved and not (reading.active or reading.limited or reading.batched)
        if not is_waiting or reading.processed != self._processed:
            self._idle_since = None
        if is_waiting and self._idle_since is None:
            self._idle_since = self._clock()
        self._processed = reading.processed
