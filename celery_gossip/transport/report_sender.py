"""ReportSender: the thread between a process that reports (a worker, beat) and the broker of the gossip.

Blocking network work (DNS, TLS, sockets) happens on this thread, never on the main thread. The main thread may submit
reports and collects the thread's events. The thread runs no user code and logs nothing. It works only while it holds
its ForkLock, which a fork acquires first, so no child is forked while the thread holds a lock that the child needs.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from celery_gossip.fork_lock import ForkLock
from celery_gossip.transport.body_delivery import SenderEvent

__all__ = ["MAX_EVENTS", "STALLED_AFTER", "ReportDelivery", "ReportSender"]

STALLED_AFTER = 1.5  #: intervals without a tick after which the thread probes by itself
_ERROR_PAUSE = 0.1  #: seconds after an unexpected error, so that the thread does not use all CPU
_MAX_WAIT = 60.0  #: seconds; limits the timeout that a huge interval would pass to the operating system
MAX_EVENTS = 64  #: events that are kept for the main thread


_Report = TypeVar("_Report")
_Sent_contra = TypeVar("_Sent_contra", contravariant=True)


class ReportDelivery(Protocol[_Sent_contra]):
    """Completes, encodes and publishes reports, on the thread."""

    retry_at: float

    def send(self, report: _Sent_contra, /) -> bool:
        """Send this report; return False if it is to be sent again after `retry_at`."""

    def send_final(self, report: _Sent_contra, /) -> None:
        """Send the final report."""

    def close(self) -> None:
        """Close the connection; has a timeout. Never raises."""


class ReportSender(Generic[_Report]):
    """Sends the newest report submitted; probes by itself when ticks stop. Reconnects until stop().

    `submit`, `retry_now`, `pop_events` and `stop` are called on the main thread. They never wait for the broker, except
    that `stop` waits up to its timeout. `probe_from_thread` is called on the thread. If nothing is ever submitted, the
    thread probes once per interval.
    """

    _thread_name = "celery-gossip-sender"

    def __init__(
        self,
        delivery: ReportDelivery[_Report],
        events: "deque[SenderEvent]",
        probe_from_thread: Callable[[], _Report | None],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`events` is the queue to which the delivery appends."""
        self._probe_from_thread = probe_from_thread
        self._interval = interval
        self._clock = clock
        self._events = events
        self._report_delivery = delivery
        self._fork_lock = ForkLock()
        self._wake = threading.Event()
        self._pending: _Report | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._has_ended = False
        self._ticked_at = clock()

    @property
    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, unless it runs or stop() was called. Raises RuntimeError if no thread can be started."""
        if self._is_stopping or self.is_alive:
            return
        self._fork_lock.acquire_at_forks()
        self._ticked_at = self._clock()
        thread = threading.Thread(target=self._run, name=self._thread_name, daemon=True)
        thread.start()
        self._thread = thread

    def submit(self, report: _Report | None) -> None:
        """Submit the report of a tick (None: nothing to report); it replaces a report that was not sent yet."""
        self._ticked_at = self._clock()
        if report is not None:
            self._pending = report
        self._wake.set()

    def retry_now(self) -> None:
        """End the backoff, so that the next attempt is made at once."""
        self._report_delivery.retry_at = 0.0
        self._wake.set()

    def pop_events(self) -> list[SenderEvent]:
        """Return the events since the last call, oldest first."""
        events = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def stop(self, final: _Report | None, timeout: float) -> bool:
        """Send the final report and end the thread; return False if it did not end within `timeout` seconds.

        It is a daemon thread and each of its calls to the broker has a timeout, so it ends soon after.
        """
        if final is not None:
            self._pending = final
        self._is_stopping = True
        self.retry_now()
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.is_alive

    def _run(self) -> None:
        while not self._has_ended:
            try:
                self._wait_for_work()
                with self._fork_lock:
                    self._run_once()
            except Exception as exc:  # the thread must not end before stop()
                self._events.append(SenderEvent("failed", "turn", exc))
                time.sleep(_ERROR_PAUSE)

    def _wait_for_work(self) -> None:
        self._wake.wait(self._time_to_wait())
        self._wake.clear()

    def _time_to_wait(self) -> float:
        now = self._clock()
        due = self._own_probe_at()
        if self._pending is not None or self._report_delivery.retry_at > due:
            due = self._report_delivery.retry_at
        return min(max(0.0, due - now), _MAX_WAIT)

    def _own_probe_at(self) -> float:
        return self._ticked_at + STALLED_AFTER * self._interval

    def _run_once(self) -> None:
        # stop() sets the final report before the flag, so if the flag is seen, the report is there.
        if self._is_stopping:
            self._has_ended = True
            self._finish()
        elif self._clock() >= self._report_delivery.retry_at:
            report = self._next_report()
            if report is not None and not self._report_delivery.send(report):
                self._pending = self._pending or report  # unless a newer report was submitted meanwhile

    def _finish(self) -> None:
        final, self._pending = self._pending, None
        if final is not None:
            self._report_delivery.send_final(final)
        self._report_delivery.close()

    def _next_report(self) -> _Report | None:
        report, self._pending = self._pending, None
        if self._clock() < self._own_probe_at():
            return report
        return self._probe() or report  # a pending report is older than the stall

    def _probe(self) -> _Report | None:
        began = self._clock()
        # The next probe of the thread is due one interval from now, unless a tick comes first.
        self._ticked_at = began - (STALLED_AFTER - 1) * self._interval
        try:
            return self._probe_from_thread()
        except Exception as exc:
            self._events.append(SenderEvent("failed", "probe", exc, self._clock() - began))
            return None
