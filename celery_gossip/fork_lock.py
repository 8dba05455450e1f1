"""Locks and objects that need attention when the process forks: `os.register_at_fork` hooks for both.

The hooks run on the thread that forks. A forked child has only that thread. If another thread of the parent holds a
lock during the fork (of a stream, of the import system), the child waits for that lock without end, so threads that
use such locks are paused at forks by a ForkLock.
"""

import os
import threading
import time
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet

__all__ = ["SLEEP_TIMEOUT", "ForkLock", "ResetAfterFork", "reset_after_forks"]

SLEEP_TIMEOUT = 0.1  #: default of ForkLock, in seconds; a publish to a healthy broker takes 0.5 ms
_POLL_INTERVAL = 0.01  #: seconds between two checks of the holder of a lock
_MAX_WAIT = 1.0  #: seconds that a fork waits for one lock, whatever its holder does


class ResetAfterFork(Protocol):
    """An object whose threads, locks or sockets cannot be used in a forked child (see listener.supervised_thread)."""

    def reset_after_fork(self) -> None:
        """Called in the child, on its only thread. Must neither block nor raise."""


_locks: "WeakSet[ForkLock]" = WeakSet()
_resettables: WeakSet[ResetAfterFork] = WeakSet()
_acquired = threading.local()  # `.locks`: those acquired by the fork in progress on this thread
_hooks_are_set = False


def reset_after_forks(resettable: ResetAfterFork) -> None:
    """Call `reset_after_fork()` of this object in every forked child, as long as the object exists."""
    _set_hooks()
    _resettables.add(resettable)


def _set_hooks() -> None:
    global _hooks_are_set  # noqa: PLW0603 - fork hooks can be set only once per process, and cannot be removed
    if not _hooks_are_set and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_acquire_locks, after_in_parent=_release_locks, after_in_child=_reset_child)
        _hooks_are_set = True


class ForkLock:
    """Context manager around each unit of work of a thread. After acquire_at_forks() no fork happens in between.

    A fork waits until the thread has left the context. It does not wait for a thread that sleeps there for longer than
    `sleep_timeout` seconds in total: such a thread is in a system call on a socket, where it holds no lock that a child
    needs. It waits for up to 1 s for a thread that runs, or is ready to run but gets no CPU, because that thread may
    hold any lock. On systems without /proc (all but Linux) every thread counts as sleeping.
    """

    def __init__(self, sleep_timeout: float = SLEEP_TIMEOUT) -> None:
        self._sleep_timeout = self._sleep_left = sleep_timeout
        self._lock = threading.Lock()
        self._native_id: int | None = None

    def __enter__(self) -> None:
        self._sleep_left = self._sleep_timeout  # before the lock is held, so that no fork sees the last unit's rest
        self._lock.acquire()
        self._native_id = threading.get_native_id()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def acquire_at_forks(self) -> None:
        """Acquire this lock before every fork and release it afterwards, as long as the lock exists."""
        _set_hooks()
        _locks.add(self)

    def acquire_before_fork(self) -> bool:
        """Acquire the lock on the forking thread; return False if its holder sleeps for too long and keeps it."""
        give_up_at = time.monotonic() + _MAX_WAIT
        while self._sleep_left > 0 and time.monotonic() < give_up_at:
            if self._lock.acquire(timeout=min(_POLL_INTERVAL, self._sleep_left)):
                return True
            if not _wants_cpu(self._native_id):
                self._sleep_left -= _POLL_INTERVAL
        return self._lock.acquire(blocking=False)

    def release_after_fork(self) -> None:
        """Release the lock in the parent, after acquire_before_fork() returned True."""
        self._lock.release()


def _wants_cpu(native_id: int | None) -> bool:
    """Return True if this thread runs or is ready to run; False if it sleeps, has ended, or the state is unknown."""
    if native_id in (None, threading.get_native_id()):  # the holder is another greenlet of the forking thread
        return False
    try:
        with open(f"/proc/self/task/{native_id}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].startswith(b"R")
    except OSError:
        return False


def _acquire_locks() -> None:
    """Run before a fork: acquire every registered lock, except those whose holder hangs."""
    acquired = _acquired.locks = []
    for lock in tuple(_locks):
        with suppress(Exception):  # the locks acquired so far must still be released after the fork
            if lock.acquire_before_fork():
                acquired.append(lock)


def _release_locks() -> None:
    """Run after a fork in the parent."""
    for lock in _acquired.__dict__.pop("locks", ()):
        lock.release_after_fork()


def _reset_child() -> None:
    """Run after a fork in the child, which has none of the threads, and shares the parent's sockets."""
    _locks.clear()
    _acquired.__dict__.pop("locks", None)
    for resettable in tuple(_resettables):
        with suppress(Exception):  # the other objects must still be reset
            resettable.reset_after_fork()
