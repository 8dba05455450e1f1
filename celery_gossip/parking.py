"""Threads that stand still while the process forks: `os.register_at_fork` hooks for whoever can be parked.

The hooks run on the forking thread. A child that is forked while another thread holds a lock that it needs (a stream's,
the import system's) hangs when it takes it.
"""

import os
import threading
import time
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet

__all__ = ["Parkable", "Workplace", "park_at_forks"]

_GLANCE = 0.01  #: seconds between two looks at what a thread does
_MOST_PATIENCE = 1.0  #: seconds, whatever it does


class Parkable(Protocol):
    """Somebody with a thread (`celery_gossip.sender.Sender`)."""

    def park(self) -> bool:
        """Keep the thread from work, after a bounded wait; False if it goes on."""

    def unpark(self) -> None:
        """Let it work again, if park() was True."""


_parkables: WeakSet[Parkable] = WeakSet()
_held = threading.local()
_hooks_are_set = False


def park_at_forks(parkable: Parkable) -> None:
    """Park it at every fork from now on, for as long as it exists."""
    global _hooks_are_set  # noqa: PLW0603 - fork hooks can be set only once per process, and never be taken back
    if not _hooks_are_set and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_park, after_in_parent=_unpark, after_in_child=_forget)
        _hooks_are_set = True
    _parkables.add(parkable)


class Workplace:
    """Where a thread works, a turn at a time; a context manager for each turn. Forks keep the thread from it.

    A fork does not wait for one that sleeps: within a turn, for `patience` seconds of sleep in all, for then it is in a
    system call. It does wait for one that works, or would work if the machine had a CPU for it: that one may hold any
    lock. Where the system does not tell (Linux does), whoever is at it counts as asleep.
    """

    def __init__(self, patience: float) -> None:
        self._most_patience = self._patience = patience
        self._lock = threading.Lock()
        self._native_id: int | None = None

    def __enter__(self) -> None:
        self._patience = self._most_patience  # before it is at work, so that no fork takes it for stuck
        self._lock.acquire()
        self._native_id = threading.get_native_id()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def close(self) -> bool:
        """Before a fork: let nobody work; False if somebody sleeps there, and goes on."""
        give_up_at = time.monotonic() + _MOST_PATIENCE
        while self._patience > 0 and time.monotonic() < give_up_at:
            if self._lock.acquire(timeout=min(_GLANCE, self._patience)):
                return True
            if not _wants_cpu(self._native_id):
                self._patience -= _GLANCE
        return self._lock.acquire(blocking=False)

    def reopen(self) -> None:
        """After the fork, in the parent, if close() was True."""
        self._lock.release()


def _wants_cpu(native_id: int | None) -> bool:
    if native_id in (None, threading.get_native_id()):  # a greenlet of this very thread
        return False
    try:
        with open(f"/proc/self/task/{native_id}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2].startswith(b"R")
    except OSError:
        return False


def _park() -> None:
    """Before a fork: wait until nobody is at work, but not for a broker that hangs."""
    parked = _held.parked = []
    for parkable in tuple(_parkables):
        with suppress(Exception):  # or those that stand still already would never be told to go on
            if parkable.park():
                parked.append(parkable)


def _unpark() -> None:
    for parkable in _held.__dict__.pop("parked", ()):
        parkable.unpark()


def _forget() -> None:
    """In the child: it has none of these threads, and its copies of their sockets must not be closed politely."""
    _parkables.clear()
    _held.__dict__.pop("parked", None)
