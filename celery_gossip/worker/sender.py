"""Sender: the thread between a worker's event loop and the broker of the gossip.

The event loop submits gossip and collects the thread's events. How the thread works is in ReportSender.
"""

import time
from collections import deque
from collections.abc import Callable

from celery_gossip.transport.body_delivery import GossipPublisher, SenderEvent
from celery_gossip.transport.report_sender import MAX_EVENTS, STALLED_AFTER, ReportSender
from celery_gossip.wire.messages import Gossip, Resources
from celery_gossip.worker.delivery import Delivery
from celery_gossip.worker.metrics import Meter
from celery_gossip.worker.supplement import Supplement

__all__ = ["STALLED_AFTER", "Sender"]


class Sender(ReportSender[Gossip]):
    """Sends the newest gossip submitted; probes by itself when ticks stop."""

    def __init__(
        self,
        publisher: GossipPublisher,
        probe_from_thread: Callable[[], Gossip | None],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        meter: Meter | None = None,
    ) -> None:
        events: deque[SenderEvent] = deque(maxlen=MAX_EVENTS)
        self._delivery = Delivery(publisher, meter or Meter(clock), events.append, clock)
        super().__init__(self._delivery, events, probe_from_thread, interval, clock)

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
