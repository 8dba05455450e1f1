"""Sender: the thread between a worker's event loop and the broker of the gossip.

Blocking network work (DNS, TLS, sockets) happens on this thread, never on the event loop. The event loop submits gossip
and collects the thread's events. The thread runs no user code and logs nothing. It works only while it holds its
ForkLock, which a fork acquires first, so no child is forked while the thread holds a lock that the child needs.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

from celery_gossip.fork_lock import ForkLock
from celery_gossip.wire.messages import Gossip, Resources
from celery_gossip.worker.delivery import Delivery, GossipPublisher, SenderEvent
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.supplement import Supplement

__all__ = ["STALLED_AFTER", "Sender"]

STALLED_AFTER = 1.5  #: intervals without a tick after which the thread probes by itself
_ERROR_PAUSE = 0.1  #: seconds after an unexpected error, so that the thread does not use all CPU
_MAX_WAIT = 60.0  #: seconds; limits the timeout that a huge interval would pass to the operating system
_MAX_EVENTS = 64


class Sender:
    """Sends the newest gossip submitted; probes by itself when ticks stop. Reconnects until stop().

    `submit`, `retry_now`, `pop_events` and `stop` are called on the event loop. They never wait for the broker, except
    that `stop` waits up to its timeout. `probe_from_thread` is called on the thread.
    """

    def __init__(
        self,
        publisher: GossipPublisher,
        probe_from_thread: Callable[[], Gossip | None],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        meter: Meter | None = None,
    ) -> None:
        self._probe_from_thread = probe_from_thread
        self._interval = interval
        self._clock = clock
        self._events: deque[SenderEvent] = deque(maxlen=_MAX_EVENTS)
        self._delivery = Delivery(publisher, meter or Meter(clock), self._events.append, clock)
        self._fork_lock = ForkLock()
        self._wake = threading.Event()
        self._pending: Gossip | None = None
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._has_ended = False
        self._ticked_at = clock()

    @property
    def is_alive(self) -> bool:
        """True while the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def latest(self) -> Gossip | None:
        """The last gossip that was sent or attempted; None before the first. Any thread."""
        return self._delivery.latest

    @property
    def is_broker_unconfirmed(self) -> bool:
        """True while the broker has not answered the last attempt, or could not be reached by it. Any thread."""
        return self._delivery.is_unconfirmed

    def add_supplement(self, supplement: Supplement) -> None:
        """Let this add parts to each report. To be called before start()."""
        self._delivery.supplement = supplement

    def report_resources(self, read: Callable[[], Resources | None]) -> None:
        """Add what `read` returns, on the thread, to every fifth report. To be called before start()."""
        self._delivery.read_resources = read

    def start(self) -> None:
        """Start the thread, unless it runs or stop() was called. Raises RuntimeError if no thread can be started."""
        if self._is_stopping or self.is_alive:
            return
        self._fork_lock.acquire_at_forks()
        self._ticked_at = self._clock()
        thread = threading.Thread(target=self._run, name="celery-gossip-sender", daemon=True)
        thread.start()
        self._thread = thread

    def submit(self, gossip: Gossip | None) -> None:
        """Submit the gossip of a tick (None: nothing to report); it replaces gossip that was not sent yet."""
        self._ticked_at = self._clock()
        if gossip is not None:
            self._pending = gossip
        self._wake.set()

    def retry_now(self) -> None:
        """End the backoff: the worker's own connection is back, so try again at once."""
        self._delivery.retry_at = 0.0
        self._wake.set()

    def pop_events(self) -> list[SenderEvent]:
        """Return the events since the last call, oldest first."""
        events = []
        while self._events:
            events.append(self._events.popleft())
        return events

    def stop(self, final: Gossip | None, timeout: float) -> bool:
        """Send the final gossip and end the thread; return False if it did not end within `timeout` seconds.

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
        if self._pending is not None or self._delivery.retry_at > due:
            due = self._delivery.retry_at
        return min(max(0.0, due - now), _MAX_WAIT)

    def _own_probe_at(self) -> float:
        return self._ticked_at + STALLED_AFTER * self._interval

    def _run_once(self) -> None:
        # stop() sets the final gossip before the flag, so if the flag is seen, the gossip is there.
        if self._is_stopping:
            self._has_ended = True
            self._finish()
        elif self._clock() >= self._delivery.retry_at:
            gossip = self._next_gossip()
            if gossip is not None and not self._delivery.send(gossip):
                self._pending = self._pending or gossip  # unless newer gossip was submitted meanwhile

    def _finish(self) -> None:
        final, self._pending = self._pending, None
        if final is not None:
            self._delivery.send_final(final)
        self._delivery.close()

    def _next_gossip(self) -> Gossip | None:
        gossip, self._pending = self._pending, None
        if self._clock() < self._own_probe_at():
            return gossip
        return self._probe() or gossip  # pending gossip is older than the stall

    def _probe(self) -> Gossip | None:
        began = self._clock()
        # The next probe of the thread is due one interval from now, unless a tick comes first.
        self._ticked_at = began - (STALLED_AFTER - 1) * self._interval
        try:
            return self._probe_from_thread()
        except Exception as exc:
            self._events.append(SenderEvent("failed", "probe", exc, self._clock() - began))
            return None
