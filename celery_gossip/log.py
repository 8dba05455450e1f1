"""The logger of the package, and a limit on how often one kind of line is written. Not used on the sender's thread."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

__all__ = ["LimitedLogger", "describe_error", "logger"]

logger = logging.getLogger("celery_gossip")


def describe_error(exc: BaseException) -> str:
    """Return an exception in one line; repr() alone may hide the cause (redis-py 8: `network:ConnectionError`)."""
    return f"{type(exc).__name__}: {exc}"


class LimitedLogger:
    """Writes at most one line per kind and `period` seconds, with the number of suppressed lines. Never raises.

    Kinds are a few literals of the caller, never text from a message, so that the table does not grow.
    """

    def __init__(self, period: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._period = period
        self._clock = clock
        self._written_at: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def info(self, kind: str, message: str, *args: object) -> None:
        """Log `message % args` with the level INFO, limited as in warning()."""
        self._log(logging.INFO, kind, message, args)

    def warning(self, kind: str, message: str, *args: object) -> None:
        """Log `message % args` unless a line of this kind was written less than `period` seconds ago."""
        self._log(logging.WARNING, kind, message, args)

    def error(self, kind: str, message: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Log an error, limited as in warning(), with the traceback of `exc_info`."""
        self._log(logging.ERROR, kind, message, args, exc_info)

    def _log(
        self, level: int, kind: str, message: str, args: tuple[object, ...], exc_info: BaseException | None = None
    ) -> None:
        now = self._clock()
        written_at = self._written_at.get(kind)
        if written_at is not None and now - written_at < self._period:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return
        self._written_at[kind] = now
        suppressed = self._suppressed.pop(kind, 0)
        if suppressed:
            message, args = f"{message} (%d more like this were not logged)", (*args, suppressed)
        with suppress(Exception):  # a handler or filter of the user may raise
            logger.log(level, message, *args, exc_info=exc_info)
