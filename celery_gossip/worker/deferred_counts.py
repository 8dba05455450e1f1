"""DeferredCounts: holds the lock of a Meter while a series counts, and defers counts when the lock is not free in time.

Called on any thread or greenlet on which Celery reports a task. Deferred counts are applied on the sender thread.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["DeferredCounts"]

_LOCK_TIMEOUT = 0.1  #: seconds; the lock is held for a few milliseconds at most, while 500 series are collected
_MAX_DEFERRED = 10_000  #: counts that are kept; the oldest are dropped


class DeferredCounts:
    """Context manager over the lock. Raises TimeoutError if the lock is not free in time; then call defer().

    A cold shutdown stops the pool inside a signal handler of the main thread. That thread may hold the lock at that
    moment, and in the handler it waits for pool threads that want the lock. Without a timeout this is a deadlock.
    """

    __slots__ = ("_acquire", "_deferred", "_release")

    def __init__(self, lock: Any) -> None:
        self._acquire, self._release = lock.acquire, lock.release
        self._deferred: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque(maxlen=_MAX_DEFERRED)

    def __enter__(self) -> None:
        if not self._acquire(timeout=_LOCK_TIMEOUT):
            raise TimeoutError("a task could not be counted: the lock was not free in time")

    def __exit__(self, *_: object) -> None:
        self._release()

    def defer(self, count: Callable[..., None], *args: Any) -> None:
        """Keep this call for the next apply(). Never blocks."""
        self._deferred.append((count, args))

    def apply(self) -> None:
        """Make the deferred calls, on a thread that holds the lock."""
        for _ in range(len(self._deferred)):
            count, args = self._deferred.popleft()
            count(*args)
