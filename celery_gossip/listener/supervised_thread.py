"""The life of a listener's thread: start, protection against errors, end, restart, and loss in a forked child.

Base class of the Listener. Public methods may be called on any thread; the hooks name the thread that they run on.
"""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from celery_gossip.errors import NotRunning, is_greenlet_exit
from celery_gossip.fork_lock import ForkLock, reset_after_forks
from celery_gossip.log import describe_error, logger

__all__ = ["CLOSE_TIMEOUT", "SupervisedThread", "ThreadControl"]

CLOSE_TIMEOUT = 5.0  #: seconds that close() waits for a broker that hangs
_PAUSE = 1.0  #: seconds between an error that _run_once() did not handle and the next call

_Self = TypeVar("_Self", bound="SupervisedThread")


@dataclass
class ThreadControl:
    """Objects by which a thread is asked to end, and is paused while the process forks. Replaced at each start."""

    closing: threading.Event = field(default_factory=threading.Event)
    fork_lock: ForkLock = field(default_factory=ForkLock)


class SupervisedThread:
    """Owns a daemon thread that calls `_run_once()` until close(), whatever exception that raises.

    The thread ends early only if a greenlet is killed (gevent and eventlet run threads as greenlets) or if the handling
    of an error fails too; `ended_by` is the reason then, and start() starts a new thread.

    A forked child has none of its parent's threads. The child starts the thread again at the first use
    (`_restart_in_child()`), not at the fork: most children (pool processes, multiprocessing) never use a listener that
    they inherit, and must not open two broker connections each. The child closes its copies of the parent's sockets
    without notifying the broker, and replaces the locks. While the process forks, the thread is paused, so that it does
    not hold a lock of a stream or of the import system that a child needs.
    """

    _thread_name = "celery-gossip"

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._lifecycle = threading.RLock()
        self._control = ThreadControl()
        self._thread: threading.Thread | None = None
        self._is_inherited = False
        self.ended_by: BaseException | None = None  #: error that ended the thread; None while it runs, or was closed
        reset_after_forks(self)

    @property
    def is_alive(self) -> bool:
        """True while the thread runs: not before start(), after close(), or in a forked child that has not used it."""
        return self._pid == os.getpid() and self._thread is not None and self._thread.is_alive()

    @property
    def is_closed(self) -> bool:
        """True from close() to the next start()."""
        return self._control.closing.is_set()

    def __enter__(self: _Self) -> _Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self: _Self) -> _Self:
        """Start the threads; do nothing while they run. A start after close() begins with an empty view.

        Does not wait for the broker. Raises NotRunning if the thread that was closed has not ended yet, RuntimeError if
        no thread can be started.
        """
        self._detect_fork()
        with self._lifecycle:
            if self.is_alive and self.is_closed:
                self._await_end()
            if not self.is_alive:
                self._stop_other_threads()  # those of a thread that ended without close()
                self._join_other_threads(CLOSE_TIMEOUT)
                self._control = ThreadControl(fork_lock=self._control.fork_lock)
                self._prepare()
                self._is_inherited, self.ended_by = False, None
                self._control.fork_lock.acquire_at_forks()
                thread = threading.Thread(target=self._run, name=self._thread_name, daemon=True)
                thread.start()
                self._thread = thread
                self._start_other_threads()
        return self

    def close(self) -> None:
        """End the threads and delete the queue; return when that is done, or after 5 s if the broker hangs."""
        self._detect_fork()
        self._is_inherited = False
        self._control.closing.set()
        give_up_at = time.monotonic() + CLOSE_TIMEOUT
        self._stop_other_threads()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(CLOSE_TIMEOUT)
        self._join_other_threads(give_up_at - time.monotonic())

    def reset_after_fork(self) -> None:
        """Run in a forked child: forget the thread and replace the locks. Neither blocks nor raises."""
        was_closed = self.is_closed
        self._is_inherited = self._is_inherited or (self._thread is not None and not was_closed)
        self._pid = os.getpid()
        self._thread = None
        self._lifecycle = threading.RLock()
        self._control = ThreadControl()
        if was_closed:
            self._control.closing.set()
        with suppress(Exception):
            self._reset_in_child()

    def _restart_in_child(self) -> None:
        """Start again in a forked child, if the thread ran in the parent. Never raises; `ended_by` is the error."""
        self._detect_fork()
        if self._is_inherited:
            try:
                self.start()
            except Exception as exc:  # no thread can be started: the next use tries again
                self.ended_by = exc
                self._reset_in_child()

    def _require_running(self) -> None:
        """Raise NotRunning, with the reason, unless the thread runs."""
        self._restart_in_child()
        error = self._end_error()
        if error is not None:
            raise error from self.ended_by
        if self.is_closed:
            raise NotRunning("the listener is closed; start() starts it again")
        if not self.is_alive:
            raise NotRunning("the listener is not started: call start(), or use it as a context manager")

    def _end_error(self) -> NotRunning | None:
        """Return the error for users of a thread that has ended by itself; None if it has not."""
        if self.ended_by is None:
            return None
        return NotRunning(f"the listener's thread has ended: {describe_error(self.ended_by)}")

    def _detect_fork(self) -> None:
        """Reset this object if it is in a child whose fork did not run Python's hooks (servers written in C)."""
        if self._pid != os.getpid():
            self.reset_after_fork()

    def _await_end(self) -> None:
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_TIMEOUT)
        if self.is_alive:
            raise NotRunning("the listener is closed, and its thread has not ended yet: it cannot be started again now")

    def _run(self) -> None:
        closing = self._control.closing
        try:
            while not closing.is_set():
                try:
                    self._run_once()
                except BaseException as exc:  # an error in the handling of an error, or SystemExit
                    if is_greenlet_exit(exc):
                        raise
                    self._handle_crash(exc)
                    closing.wait(_PAUSE)
        except BaseException as exc:
            self.ended_by = exc
            with suppress(Exception):
                logger.error("celery-gossip: the listener's thread has ended: %s", describe_error(exc), exc_info=exc)
        finally:
            self._on_thread_end()

    def _run_once(self) -> None:
        """Work until close(), or until the work has to start again. Runs on the thread."""
        raise NotImplementedError

    def _handle_crash(self, exc: BaseException) -> None:
        """Handle an exception of _run_once(). Runs on the thread."""
        raise NotImplementedError

    def _on_thread_end(self) -> None:
        """Clean up, whatever ended the thread. Runs on the thread; must not raise."""

    def _prepare(self) -> None:
        """Reset everything that belongs to one start. Runs on the thread that calls start()."""

    def _reset_in_child(self) -> None:
        """Close the child's copies of the sockets and replace the locks. Runs in a forked child."""

    def _start_other_threads(self) -> None:
        """Start further threads. Runs after the thread was started."""

    def _stop_other_threads(self) -> None:
        """Ask the further threads to end; do not wait."""

    def _join_other_threads(self, timeout: float) -> None:
        """Wait until the further threads have ended, `timeout` seconds at most."""
