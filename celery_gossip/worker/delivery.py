"""Delivery: completes gossip, sends it to the broker and decides when to try again after a failure.

Called on the sender thread alone. Attempts and their failures are in BodyDelivery.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from celery_gossip.transport.body_delivery import BodyDelivery, GossipPublisher, SenderEvent
from celery_gossip.wire.encoding import encode_bounded
from celery_gossip.wire.messages import Gossip, Resources, clamp_seconds
from celery_gossip.wire.resources import RESOURCE_PERIOD
from celery_gossip.worker.metrics import Meter, MetricsDelta
from celery_gossip.worker.supplement import Supplement

__all__ = ["Delivery"]

_T = TypeVar("_T")
_FINAL_COPIES = 2  #: copies of the final gossip: no later gossip follows that could replace a lost one
_MAX_FINAL_COPIES = 100  #: if the task counts do not fit into fewer messages


class Delivery(BodyDelivery):
    """Sends gossip with one publisher."""

    def __init__(
        self,
        publisher: GossipPublisher,
        meter: Meter,
        record: Callable[[SenderEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(publisher, record, clock)
        self._meter = meter
        self._seq = 0
        self.latest: Gossip | None = None  #: the last gossip that was sent or attempted
        self.supplement: Supplement | None = None  #: adds parts to each report
        self.read_resources: Callable[[], Resources | None] | None = None  #: called for every fifth report

    def send(self, gossip: Gossip) -> bool:
        """Send this gossip; return False if it is to be sent again after `retry_at`.

        True also means that the broker blocks publishers, or that the gossip cannot be encoded.
        """
        began = self._clock()
        self._seq += 1
        try:
            self.latest = gossip = self._completed(gossip)
            self.latest, body = encode_bounded(gossip)
        except Exception as exc:
            self._record(SenderEvent("failed", "encode", exc, self._clock() - began))
            return True
        is_sent = self._publish(body, began)
        if is_sent:
            self._commit(self.latest)
        return is_sent is not None

    def send_final(self, gossip: Gossip) -> None:
        """Send the final gossip twice, and again until all task counts are sent; stop at the first failure."""
        for copies in range(_MAX_FINAL_COPIES):
            if copies >= _FINAL_COPIES and not self._has_unreported():
                return
            if not self.send(gossip) or self._is_blocked:
                return

    def _completed(self, gossip: Gossip) -> Gossip:
        """Return the gossip with its number, its time, the task counts up to now, and the parts that are due."""
        counts, now = self._collect(), clamp_seconds(time.time())
        if self.supplement is not None:
            gossip = self.supplement.complete(gossip, self._on_supplement_error)
        return msgspec.structs.replace(
            gossip,
            seq=self._seq,
            sent_at=now,
            newest=self._newest_ages(gossip, now),
            series=counts.series,
            overflowed=counts.overflowed,
            skewed=counts.skewed,
            undecodable=counts.undecodable,
            resources=self._resources(gossip),
            deferred=counts.deferred,
        )

    def _collect(self) -> MetricsDelta:
        return self._read_part("count", self._meter.collect, MetricsDelta())

    def _newest_ages(self, gossip: Gossip, now: float) -> tuple[float | None, ...]:
        queues = [check.queue for check in gossip.checks]
        return self._read_part("count", lambda: self._meter.newest_ages(queues, now), ())

    def _on_supplement_error(self, exc: Exception) -> None:
        self._record(SenderEvent("failed", "supplement", exc))

    def _resources(self, gossip: Gossip) -> Resources | None:
        """Return the resources for this report; None if they are not due, or the worker has ended."""
        read, is_due = self.read_resources, self._seq % RESOURCE_PERIOD == 1
        if read is None or not is_due or gossip.state == "offline":
            return None
        return self._read_part("resources", read, None)

    def _read_part(self, phase: str, read: Callable[[], _T], default: _T) -> _T:
        """Return a part of a report; `default`, so that the report is sent without it, if it cannot be read."""
        try:
            return read()
        except Exception as exc:
            self._record(SenderEvent("failed", phase, exc))
            return default

    def _commit(self, sent: Gossip) -> None:
        if self.supplement is not None:
            self.supplement.commit(sent)
        try:
            self._meter.commit(len(sent.series))
        except Exception as exc:
            self._record(SenderEvent("failed", "count", exc))

    def _has_unreported(self) -> bool:
        try:
            return self._meter.has_unreported or (self.supplement is not None and self.supplement.has_unreported)
        except Exception:
            return False
