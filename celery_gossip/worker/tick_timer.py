"""TickTimer: calls the step about once per interval, by the timer of the worker. Owned by the step.

start() and stop() are called on the event loop; restore() also on the sender thread.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["TickTimer"]

_JITTER = 0.1  #: fraction of the interval, in both directions: workers started together do not report together


class TickTimer:
    """Calls `on_tick(due)` at once and then every interval; `due` is the time of the tick in monotonic seconds.

    Each tick schedules the next one when it has finished. An error of the timer is passed to `on_error`. Releases of
    Celery differ in which timers they cancel at a reconnect, so each start has a generation number, and a tick of an
    earlier generation does nothing.
    """

    def __init__(
        self,
        timer: Any,
        interval: float,
        on_tick: Callable[[float], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._timer = timer
        self._interval = interval
        self._on_tick = on_tick
        self._on_error = on_error
        self._generation = 0
        self._entry: Any = None
        self._is_lost = False  # the timer did not accept the next tick

    def start(self) -> None:
        """Call `on_tick` now, and again every interval until stop()."""
        self._generation += 1
        self._tick(self._generation, time.monotonic())

    def stop(self) -> None:
        """Cancel the next tick."""
        self._generation += 1
        self._is_lost = False
        entry, self._entry = self._entry, None
        if entry is None:
            return
        # On gevent and eventlet the timer returns a greenlet: cancelling that leaves its entry scheduled.
        with suppress(Exception):  # a tick that cannot be cancelled ends by its generation
            getattr(entry, "entry", entry).cancel()
            self._timer.cancel(entry)

    def restore(self) -> None:
        """Schedule the next tick again if the timer did not accept it: otherwise no tick would ever follow."""
        if self._is_lost:
            with suppress(Exception):  # the sender thread calls again after an interval
                self._schedule(self._generation)

    def _tick(self, generation: int, due: float) -> None:
        if generation != self._generation:
            return
        try:
            self._on_tick(due)
        finally:
            self._schedule_next(generation)

    def _schedule_next(self, generation: int) -> None:
        if generation != self._generation:
            return
        try:
            self._schedule(generation)
        except Exception as exc:
            self._is_lost = True
            self._on_error(exc)

    def _schedule(self, generation: int) -> None:
        delay = self._interval * random.uniform(1 - _JITTER, 1 + _JITTER)
        self._entry = self._timer.call_after(delay, self._tick, (generation, time.monotonic() + delay))
        self._is_lost = False
