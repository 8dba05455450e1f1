"""SentReporter: counts the tasks that this process sends, and reports the counts from a thread of its own.

note() is called on each thread that sends a task, after the task was sent; everything else happens on the thread. The
thread exists from the first task on, works only while it holds its ForkLock, logs nothing and runs no user code. A
forked child begins with no counts and another id. Ends with the process: stop() waits for the last report, a second at
most.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol

from celery_gossip.fork_lock import ForkLock, reset_after_forks
from celery_gossip.transport.backoff import backoff
from celery_gossip.wire.encoding import encode_echo
from celery_gossip.wire.messages import OTHER, Echo, SentReport
from celery_gossip.worker.sent_route import SentRoutes
from celery_gossip.worker.sent_table import SentTable

__all__ = ["INTERVAL", "STOP_TIMEOUT", "SentPublisher", "SentReporter"]

INTERVAL = 10.0  #: seconds between two reports
STOP_TIMEOUT = 1.0  #: seconds that the end of a process may wait for the last report
_JITTER = 0.1  #: share of the interval, so that processes that were started together do not report together
_IDLE_AFTER = 60.0  #: seconds without a task after which the connection is closed
_MAX_KEYS = 2000  #: different tasks and routes that are counted between two reports; beyond, all share one
_ERROR_PAUSE = 1.0  #: seconds after an unexpected error
_OVERFLOW = (None, None, OTHER)  #: exchange, routing key and task of the others


class SentPublisher(Protocol):
    """The part of `celery_gossip.transport.publisher.Publisher` that is used here."""

    def publish(self, body: bytes) -> bool: ...
    def close(self) -> None: ...
    def fail_over(self) -> None: ...
    def close_in_child(self) -> None: ...
    def is_amqp_refusal(self, exc: Exception) -> bool: ...


class SentReporter:
    """Counts and reports the tasks of one process. Never raises, and never waits for the broker except in stop()."""

    def __init__(  # noqa: PLR0913 - keywords for tests
        self,
        app: str,
        publisher: SentPublisher,
        queues: Callable[[], Iterable[Any]],
        is_foreign: Callable[[], bool] = lambda: False,
        *,
        clock: Callable[[], float] = time.monotonic,
        interval: float = INTERVAL,
    ) -> None:
        """`queues` returns the kombu Queues of the app; with `is_foreign()` True nothing is counted any more."""
        self._app = app
        self._publisher = publisher
        self._queues = queues
        self._is_foreign = is_foreign
        self._clock = clock
        self._interval = interval
        self.is_off = False  #: True once nothing is counted any more
        self._begin()
        reset_after_forks(self)

    def note(self, sender: Any = None, exchange: Any = "", routing_key: Any = "", **_: Any) -> None:
        """Count a task that was sent: takes the arguments of after_task_publish, where `sender` is the task's name."""
        try:
            if type(exchange) is not str:
                exchange = getattr(exchange, "name", exchange)
            key = (exchange, routing_key, sender)
            with self._lock:
                if key in self._counts:
                    self._counts[key] += 1
                else:
                    self._add(key)
        except Exception:  # Celery would log a traceback for every task
            return

    def stop(self, timeout: float = STOP_TIMEOUT) -> None:
        """Send the last report and end the thread; return after `timeout` seconds at most. Never raises."""
        with suppress(Exception):
            thread, self._is_stopping = self._thread, True
            if thread is not None and thread.is_alive():
                self._wake.set()
                self._pause.set()
                if not self._failures:  # else the broker is known not to answer
                    thread.join(timeout)

    def reset_after_fork(self) -> None:
        """Begin again in a forked child, which counts its own tasks. The parent keeps what it has counted."""
        was_open = self._is_open
        self._begin()
        if was_open:
            self._publisher.close_in_child()

    def _begin(self) -> None:
        # Reentrant: a signal handler may send a task on a thread that holds the lock.
        self._lock = threading.RLock()
        self._counts: dict[tuple[Any, Any, Any], int] = {}  #: since the latest report
        self._first_at = 0.0  #: when the first of these was sent
        self._id = os.urandom(8).hex()
        self._number = 0
        self._unreported_since: float | None = None  #: when the first task was sent that no report contains
        self._failures = 0
        self._retry_after = 0.0  #: seconds until the next attempt, at least
        self._is_open = False
        self._table = SentTable(self._app)
        self._routes = SentRoutes(self._queues)
        self._fork_lock = ForkLock()
        self._wake, self._pause = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    def _add(self, key: tuple[Any, Any, Any]) -> None:
        """Count the first task of this kind since the latest report. The lock is held."""
        if self.is_off:
            return
        if not self._counts:
            self._first_at = self._clock()
        key = key if len(self._counts) < _MAX_KEYS else _OVERFLOW
        self._counts[key] = self._counts.get(key, 0) + 1
        self._wake.set()
        # The interpreter starts no thread while it ends.
        if not self._is_stopping and (self._thread is None or not self._thread.is_alive()):
            self._fork_lock.acquire_at_forks()
            thread = threading.Thread(target=self._run, name="celery-gossip-sent", daemon=True)
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        while not self._is_stopping and not self.is_off:
            try:
                self._wait()
                with self._fork_lock:
                    if not self._is_stopping:
                        self._report()
            except Exception:  # the thread must not end; the counts are kept
                self._pause.wait(_ERROR_PAUSE)
        with self._fork_lock:
            self._finish()

    def _wait(self) -> None:
        """Wait until something is to be reported and the interval has passed; close the connection while idle."""
        if not self._table.has_pending and not self._wake.wait(_IDLE_AFTER):
            with self._fork_lock:
                self._close()
            self._wake.wait()
        self._pause.wait(max(self._interval * random.uniform(1 - _JITTER, 1 + _JITTER), self._retry_after))

    def _report(self) -> None:
        """Report what was sent until now. The ForkLock is held."""
        with self._lock:
            counts, self._counts = self._counts, {}
            self._wake.clear()
            first_at = self._first_at
        if self._is_foreign():
            self.is_off = True
            return
        if counts and self._unreported_since is None:
            self._unreported_since = first_at
        self._add_to_table(counts, first_at)
        now = self._clock()
        since = now if self._unreported_since is None else self._unreported_since
        self._send(list(self._table.reports(now, now - since, is_last=self._is_stopping)))

    def _add_to_table(self, counts: dict[tuple[Any, Any, Any], int], first_at: float) -> None:
        with suppress(Exception):  # another thread adds a queue; the known ones stay
            self._routes.refresh()
        for (exchange, routing_key, task), count in counts.items():
            queue, is_route = self._routes.find(exchange, routing_key)
            self._table.add(queue, task, count, first_at, is_route=is_route)

    def _send(self, reports: list[SentReport]) -> None:
        self._is_open = True
        try:
            is_sent = all(self._publish(report) for report in reports)
        except Exception as exc:
            self._publisher.fail_over()
            self._failures += 1
            self._retry_after = backoff(self._failures, random.random(), self._publisher.is_amqp_refusal(exc))
            return
        self._failures, self._retry_after = 0, 0.0
        if is_sent:
            self._table.commit()
            self._unreported_since = None

    def _publish(self, report: SentReport) -> bool:
        self._number += 1
        return self._publisher.publish(encode_echo(Echo(echo=self._id, number=self._number, sent=report)))

    def _finish(self) -> None:
        """Send the last report, if there is anything to report or the connection is open. Never raises."""
        with suppress(Exception):
            is_needed = bool(self._counts) or self._table.has_pending or self._is_open
            if is_needed and not self.is_off and not self._failures:
                self._report()
        self._close()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._publisher.close()
