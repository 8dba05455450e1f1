"""Observer: notes when a scheduler ticks, what it sends and what it cannot send, by wrapping methods of the instance.

The wrappers run on beat's own thread. They read the clock and change a few attributes, take no lock, do nothing that
depends on the number of entries, and let no exception of their own out. The user's class is not changed.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery_gossip.beat import _compat as compat

__all__ = ["MAX_COUNTED", "EntryCounts", "Observer", "Sighting"]

MAX_COUNTED = 2000  #: entries whose sends are counted; beyond, the one that was sent first is forgotten


class EntryCounts:
    """Sends and errors of one entry by this process. Times are monotonic."""

    __slots__ = ("error", "error_at", "errors", "sends", "sent_at")

    def __init__(self) -> None:
        self.sends = self.errors = 0
        self.sent_at: float | None = None
        self.error_at: float | None = None
        self.error = ""


class Sighting:
    """An entry that the scheduler has considered."""

    __slots__ = ("due_at", "entry", "tick")

    def __init__(self, entry: Any, due_at: float | None, tick: int) -> None:
        self.entry = entry
        self.due_at = due_at  #: monotonic seconds; None if unknown
        self.tick = tick  #: number of the tick


class Observer:
    """Facts about one scheduler. Written on beat's thread, read on the sender's thread."""

    def __init__(self, scheduler: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._scheduler = scheduler
        self._clock = clock
        self.started_at = clock()
        self.ticks = 0  #: that have ended
        self.is_in_tick = False
        self.tick_began_at: float | None = None
        self.tick_ended_at: float | None = None
        self.completed_tick_began_at: float | None = None  #: beginning of the latest tick that has ended
        self.sleep = 0.0  #: seconds until the next tick, as the latest one has asked
        self.has_crashed = False  #: a tick has raised an exception, which ends beat
        self.reloads = 0  #: times that the heap was filled
        self.is_reloading = False
        self.sends = self.errors = 0
        self.counts: dict[str, EntryCounts] = {}  #: by name; those that were sent first are first
        self.sightings: dict[str, Sighting] = {}  #: since the reader has replaced the dictionary
        self.notes_sightings = False  #: only of schedulers without a heap
        self.failures: list[Exception] = []  #: of this class; at most one
        self.on_tick: Callable[[], object] = lambda: None  #: called after each tick
        self.on_close: Callable[[], object] = lambda: None  #: called after the scheduler was closed

    def attach(self) -> None:
        """Wrap the methods. Raises AttributeError if the scheduler does not allow that; nothing is wrapped then."""
        wrappers = {
            "tick": self._wrap_tick,
            "apply_async": self._wrap_apply_async,
            "close": self._wrap_close,
            "populate_heap": self._wrap_populate_heap,
            "maybe_due": self._wrap_maybe_due,
        }
        for name, wrap in wrappers.items():
            original = getattr(self._scheduler, name, None)
            if callable(original):
                setattr(self._scheduler, name, wrap(original))

    def standing_still(self, now: float) -> float:
        """Return the seconds for which the next tick is overdue, or for which the present one takes; 0.0 at first."""
        if self.is_in_tick:
            return now - (self.tick_began_at or now)
        expected = self.started_at if self.tick_ended_at is None else self.tick_ended_at + self.sleep
        return max(0.0, now - expected)

    def _guard(self, note: Callable[..., object], *arguments: Any) -> None:
        """Call one of the following functions, and keep what it raises."""
        try:
            note(*arguments)
        except Exception as exc:
            self.failures[:] = [exc]

    def _wrap_tick(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def tick(*args: Any, **kwargs: Any) -> Any:
            self._guard(self._tick_began)
            try:
                interval = original(*args, **kwargs)
            except Exception:
                self._guard(self._tick_failed)
                raise
            self._guard(self._tick_ended, interval)
            self._guard(self.on_tick)
            return interval

        return tick

    def _wrap_apply_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def apply_async(*args: Any, **kwargs: Any) -> Any:
            began = self._clock()
            try:
                result = original(*args, **kwargs)
            except Exception as exc:
                self._guard(self._not_sent, args, kwargs, exc)
                raise
            self._guard(self._sent, args, kwargs, began)
            return result

        return apply_async

    def _wrap_close(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def close(*args: Any, **kwargs: Any) -> Any:
            try:
                return original(*args, **kwargs)
            finally:
                self._guard(self.on_close)

        return close

    def _wrap_populate_heap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def populate_heap(*args: Any, **kwargs: Any) -> Any:
            self.is_reloading = True
            try:
                return original(*args, **kwargs)
            finally:
                self.reloads += 1
                self.is_reloading = False

        return populate_heap

    def _wrap_maybe_due(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def maybe_due(*args: Any, **kwargs: Any) -> Any:
            due_in = original(*args, **kwargs)
            self._guard(self._sighted, args, kwargs, due_in)
            return due_in

        return maybe_due

    def _tick_began(self) -> None:
        self.tick_began_at = self._clock()
        self.is_in_tick = True

    def _tick_failed(self) -> None:
        self.is_in_tick = False
        self.has_crashed = True

    def _tick_ended(self, interval: Any) -> None:
        self.sleep = float(interval) if isinstance(interval, (int, float)) and interval > 0 else 0.0
        self.completed_tick_began_at, self.tick_ended_at = self.tick_began_at, self._clock()
        self.ticks += 1
        self.is_in_tick = False

    def _sent(self, args: tuple[Any, ...], kwargs: dict[str, Any], began: float) -> None:
        self.sends += 1
        counts = self._counts_of(args, kwargs)
        counts.sent_at = began
        counts.sends += 1

    def _not_sent(self, args: tuple[Any, ...], kwargs: dict[str, Any], exc: Exception) -> None:
        self.errors += 1
        counts = self._counts_of(args, kwargs)
        cause = exc.__cause__ or exc.__context__  # Celery raises SchedulingError for any cause
        counts.error, counts.error_at = type(cause or exc).__name__, self._clock()
        counts.errors += 1

    def _sighted(self, args: tuple[Any, ...], kwargs: dict[str, Any], due_in: Any) -> None:
        entry = args[0] if args else kwargs.get("entry")
        self._note_sighting(entry, self._clock() + due_in if isinstance(due_in, (int, float)) else None)

    def _note_sighting(self, entry: Any, due_at: float | None) -> None:
        if len(self.sightings) < MAX_COUNTED:
            self.sightings[str(compat.entry_field(entry, "name", ""))] = Sighting(entry, due_at, self.ticks)

    def _counts_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> EntryCounts:
        entry = args[0] if args else kwargs.get("entry")
        name = str(compat.entry_field(entry, "name", ""))
        if self.notes_sightings and name not in self.sightings:
            self._note_sighting(entry, None)
        counts = self.counts.get(name)
        if counts is None:
            while len(self.counts) >= MAX_COUNTED:
                with suppress(KeyError):
                    del self.counts[next(iter(self.counts))]
            counts = self.counts[name] = EntryCounts()
        return counts
