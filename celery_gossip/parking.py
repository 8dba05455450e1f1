"""Threads that stand still while the process forks: `os.register_at_fork` hooks for whoever can be parked.

The hooks run on the forking thread. A child that is forked while another thread holds a lock that it needs (a stream's,
the import system's) hangs when it takes it.
"""

import os
import threading
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet

__all__ = ["Parkable", "park_at_forks"]


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
