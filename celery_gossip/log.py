"""The package's logger, and a limit on how often one kind of line is written. Called on any thread but the sender's."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

__all__ = ["LimitedLogger", "described", "logger"]

logger = logging.getLogger("celery_gossip")


def described(exc: BaseException) -> str:
    """An exception in one line: its repr() alone may hide what happened (redis-py 8: `network:ConnectionError`)."""
    return f"{type(exc).__name__}: {exc}"


class LimitedLogger:
    """Writes at most one line per kind and `period` seconds, and says how many it kept back. Never raises.

    Kinds are a handful of literals chosen by the caller, never text from a message: the table does not grow.
    """

    def __init__(self, period: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._period = period
        self._clock = clock
        self._written_at: dict[str, float] = {}
        self._kept_back: dict[str, int] = {}

    def info(self, kind: str, message: str, *args: object) -> None:
        """Log what is good news likewise."""
        self._log(logging.INFO, kind, message, args)

    def warning(self, kind: str, message: str, *args: object) -> None:
        """Log `message % args` unless a line of this kind was written less than a period ago."""
        self._log(logging.WARNING, kind, message, args)

    def error(self, kind: str, message: str, *args: object, exc_info: BaseException | None = None) -> None:
        """Log an error likewise, with the traceback of `exc_info`."""
        self._log(logging.ERROR, kind, message, args, exc_info)

    def _log(
        self, level: int, kind: str, message: str, args: tuple[object, ...], exc_info: BaseException | None = None
    ) -> None:
        now = self._clock()
        written_at = self._written_at.get(kind)
        if written_at is not None and now - written_at < self._period:
            self._kept_back[kind] = self._kept_back.get(kind, 0) + 1
            return
        self._written_at[kind] = now
        kept_back = self._kept_back.pop(kind, 0)
        if kept_back:
            message, args = f"{message} (%d more like this were not logged)", (*args, kept_back)
        with suppress(Exception):  # a handler or filter of the user's own may raise
            logger.log(level, message, *args, exc_info=exc_info)
