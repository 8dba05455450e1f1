"""Process-wide settings that a command changes while it runs: signal handlers, switch interval, output encoding.

Context managers that restore the previous setting. Called on the main thread by the commands.
"""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["EXIT_SIGNALS", "escape_unencodable", "on_exit_signal", "restore_signal_handlers", "switch_interval"]

EXIT_SIGNALS = (signal.SIGINT, signal.SIGTERM)  #: signals that end a command


@contextmanager
def restore_signal_handlers(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Restore the present handlers of these signals at the end, even if other code has replaced them."""
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def on_exit_signal(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Call this handler for the signals that end a command."""
    with restore_signal_handlers(EXIT_SIGNALS):
        for number in EXIT_SIGNALS:
            signal.signal(number, handler)
        yield


@contextmanager
def switch_interval(seconds: float) -> Iterator[None]:
    """Let the interpreter switch threads after this many seconds; its default is 0.005 s."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def escape_unencodable(*streams: Any) -> Iterator[None]:
    """Write characters that an encoding lacks (latin-1, ASCII) as escapes, instead of raising UnicodeEncodeError."""
    strict = [one for one in streams if getattr(one, "errors", None) == "strict" and hasattr(one, "reconfigure")]
    for stream in strict:
        stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        for stream in strict:
            with suppress(ValueError):  # closed in between
                stream.reconfigure(errors="strict")
