"""Foreground: what a command changes of the whole process while it runs, put back when it ends. On the main thread.

Used by the commands that serve or draw until a signal ends them.
"""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["ENDING", "handled", "handlers_kept", "switching"]

ENDING = (signal.SIGINT, signal.SIGTERM)  #: what ends a command


@contextmanager
def handlers_kept(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Afterwards these signals mean what they meant before, whoever has set a handler meanwhile."""
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def handled(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """What ends a command calls this handler instead."""
    with handlers_kept(ENDING):
        for number in ENDING:
            signal.signal(number, handler)
        yield


@contextmanager
def switching(seconds: float) -> Iterator[None]:
    """The interpreter switches threads this often; else every 0.005 s."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
