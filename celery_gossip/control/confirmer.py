"""Confirmer: follows the reports of the workers until they show the effect of each command, or time is up.

Its thread runs only while a command is pending. reset_after_fork() is called in a forked child, which has no threads.
"""

import threading
from collections.abc import Callable

from celery_gossip.cluster.view import View
from celery_gossip.control.activity import Activity
from celery_gossip.control.pending import Pending
from celery_gossip.log import LimitedLogger

__all__ = ["Confirmer"]

_PERIOD = 0.5  #: seconds between two looks at the view
_MAX_PENDING = 200  #: commands; beyond, the oldest are settled with what is known


class Confirmer:
    """Pending commands, and the thread that reviews them. `settle` is called with each new state of an activity."""

    def __init__(
        self,
        view_of: Callable[[str], View],
        on_change: Callable[[Pending, Activity], None],
        clock: Callable[[], float],
    ) -> None:
        self._view_of = view_of
        self._on_change = on_change
        self._clock = clock
        self._log = LimitedLogger()
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Forget the thread, the lock and the commands of the parent process."""
        self._lock = threading.Lock()
        self._pending: list[Pending] = []
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def add(self, pending: Pending) -> None:
        """Follow this command until it is settled. Any thread."""
        with self._lock:
            self._pending.append(pending)
            if self._thread is None:
                self._closing = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._closing,), name="celery-gossip-confirmer", daemon=True
                )
                self._thread.start()

    def close(self) -> None:
        """End the thread; what is still pending stays as it is."""
        with self._lock:
            thread, self._thread, self._pending = self._thread, None, []
            self._closing.set()
        if thread is not None:
            thread.join(timeout=5.0)

    def review(self) -> None:
        """Look at the reports once. Never raises."""
        views: dict[str, View | None] = {}
        with self._lock:
            pending = list(self._pending)
        late = max(0, len(pending) - _MAX_PENDING)
        for index, one in enumerate(pending):
            source = one.command.source
            if source not in views:
                views[source] = self._find_view(source)
            before = one.activity
            now = max(self._clock(), one.deadline) if index < late else self._clock()
            after = one.review(views[source], now)
            if after != before:
                self._notify(one, before)
        with self._lock:
            self._pending = [one for one in self._pending if not one.is_settled]

    def _run(self, closing: threading.Event) -> None:
        while not closing.wait(_PERIOD):
            self.review()
            with self._lock:
                if closing.is_set() or not self._pending:
                    if self._closing is closing:
                        self._thread = None
                    return

    def _find_view(self, source: str) -> View | None:
        try:
            return self._view_of(source)
        except Exception as exc:  # a listener that was closed
            self._log.error("view", "celery-gossip: cannot confirm commands: %r", exc, exc_info=exc)
            return None

    def _notify(self, pending: Pending, before: Activity) -> None:
        try:
            self._on_change(pending, before)
        except Exception as exc:  # a handler of the user's logging
            self._log.error("confirm", "celery-gossip: cannot report the outcome of a command: %r", exc, exc_info=exc)
