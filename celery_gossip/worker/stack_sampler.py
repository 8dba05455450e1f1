"""StackSampler: what the thread of the event loop does while it is blocked. Owned by the reporter.

note_loop_thread() is called at each tick, on the event loop; read() on the sender thread, while ticks are missing.
A frame is `module:function:line`: no path, no argument and no value of a variable.
"""

import sys
import threading
from types import FrameType

from celery_gossip.wire.messages import MAX_FRAMES, sanitize_name

__all__ = ["StackSampler"]

_MIN_STALL = 5.0  #: seconds without a tick after which the stack is sampled, in about 10 µs
_REPEATS = 3  #: reports that contain a stack after it has changed: messages may be lost
_REFRESH = 10  #: afterwards every tenth report contains it, for listeners that started later


class StackSampler:
    """Samples the stack of the thread on which the event loop ticks."""

    def __init__(self, *, is_enabled: bool) -> None:
        self._is_enabled = is_enabled
        self._thread_id: int | None = None
        self._latest: tuple[str, ...] = ()
        self._reports = 0  # that could have contained the latest stack

    def note_loop_thread(self) -> None:
        """Note that the event loop ticks on the current thread: the stall, if there was one, is over."""
        self._thread_id = threading.get_ident()
        self._latest = ()

    def read(self, stalled_for: float) -> tuple[str, ...]:
        """Return the frames, innermost first, if the report of this moment is to contain them; else nothing.

        Nothing on gevent and eventlet either: while their hub is blocked, no greenlet can look at it.
        """
        if not self._is_enabled or stalled_for < _MIN_STALL:
            return ()
        stack = self._sample()
        if stack != self._latest:
            self._latest, self._reports = stack, 0
        self._reports += 1
        return stack if self._reports <= _REPEATS or self._reports % _REFRESH == 0 else ()

    def _sample(self) -> tuple[str, ...]:
        if self._thread_id is None:
            return ()
        frame, frames = sys._current_frames().get(self._thread_id), list[str]()
        while frame is not None and len(frames) < MAX_FRAMES:
            frames.append(_describe(frame))
            frame = frame.f_back
        return tuple(frames)


def _describe(frame: FrameType) -> str:
    code = frame.f_code
    function = getattr(code, "co_qualname", code.co_name)  # qualified from Python 3.11 on
    return sanitize_name(f"{frame.f_globals.get('__name__', '?')}:{function}:{frame.f_lineno}")
