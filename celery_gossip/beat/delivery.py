"""Delivery: numbers the reports of beat, encodes them and publishes them. Called on the sender's thread alone."""

import time
from collections.abc import Callable

import msgspec

from celery_gossip.transport.body_delivery import BodyDelivery, GossipPublisher, SenderEvent
from celery_gossip.wire.encoding import encode_beat
from celery_gossip.wire.messages import Beat

__all__ = ["Delivery"]

_FINAL_COPIES = 2  #: copies of the final report: no later report follows that could replace a lost one


class Delivery(BodyDelivery):
    """Sends reports with one publisher."""

    def __init__(
        self,
        publisher: GossipPublisher,
        record: Callable[[SenderEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(publisher, record, clock)
        self._seq = 0

    def send(self, report: Beat) -> bool:
        """Send this report; return False if it is to be sent again after `retry_at`.

        True also means that the broker blocks publishers, or that the report cannot be encoded.
        """
        began = self._clock()
        self._seq += 1
        try:
            body = encode_beat(msgspec.structs.replace(report, seq=self._seq))
        except Exception as exc:
            self._record(SenderEvent("failed", "encode", exc, self._clock() - began))
            return True
        return self._publish(body, began) is not None

    def send_final(self, report: Beat) -> None:
        """Send the final report twice; stop at the first failure."""
        for _ in range(_FINAL_COPIES):
            if not self.send(report) or self._is_blocked:
                return
