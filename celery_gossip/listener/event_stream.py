"""A bounded buffer between a listener's thread and one asyncio task that iterates over events.

put() and end() are called on the listener's thread, the other methods on the thread of the event loop.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["EventStream"]

_Event = TypeVar("_Event")


class EventStream(Generic[_Event]):
    """An asynchronous iterator over events, for one task at a time.

    Buffers `max_buffered` events. If the task does not take them in time, the oldest are dropped, and the next event is
    `make_dropped(count)`. The listener never waits for the task. Iteration ends when the listener is closed, after the
    buffered events.
    """

    def __init__(self, names: frozenset[str], max_buffered: int, make_dropped: Callable[[int], _Event]) -> None:
        self._names = names
        self._make_dropped = make_dropped
        self._max_buffered = max_buffered
        self._lock = threading.Lock()
        self._buffer: deque[_Event] = deque()
        self._dropped = 0  #: events dropped that the task does not know of
        self._waiter: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None
        self._error: BaseException | None = None
        self.is_ended = False

    def __aiter__(self) -> "EventStream[_Event]":
        return self

    async def __anext__(self) -> _Event:
        """Return the next event. Raises StopAsyncIteration after close(), NotRunning if the thread ended by itself."""
        while True:
            with self._lock:
                if self._dropped:
                    dropped, self._dropped = self._dropped, 0
                    return self._make_dropped(dropped)
                if self._buffer:
                    return self._buffer.popleft()
                if self.is_ended:
                    raise self._error or StopAsyncIteration
                waiter = self._new_waiter()
            try:
                await waiter[1]
            finally:
                with self._lock:
                    if self._waiter is waiter:  # cancelled
                        self._waiter = None

    async def aclose(self) -> None:
        """End the stream and forget the buffered events. Other streams of the listener continue."""
        with self._lock:
            self._buffer.clear()
            self._dropped = 0
        self.end()

    def put(self, name: str, event: _Event) -> None:
        """Buffer an event if the stream includes its name. Never blocks and never raises."""
        if name not in self._names:
            return
        with self._lock:
            if self.is_ended:
                return
            if len(self._buffer) >= self._max_buffered:
                self._buffer.popleft()
                self._dropped += 1
            self._buffer.append(event)
            self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """End the iteration after the buffered events; raise `error` to the task if there is one."""
        with self._lock:
            if not self.is_ended:
                self.is_ended, self._error = True, error
            self._wake()

    def _new_waiter(self) -> "tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]":
        if self._waiter is not None:
            raise RuntimeError("another task already waits for an event of this stream; open one stream for each task")
        loop = asyncio.get_running_loop()
        self._waiter = (loop, loop.create_future())
        return self._waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            loop, future = waiter
            with suppress(RuntimeError):  # the event loop is closed
                loop.call_soon_threadsafe(_set_done, future)


def _set_done(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
