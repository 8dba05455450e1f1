"""BodyDelivery: publishes message bodies and decides when to try again after a failure. Logs nothing.

Base class of the Deliveries of a worker and of beat, called on their sender threads alone, which may block here: every
call to the broker has a timeout. Events are passed to `record`, for the main thread to log.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from celery_gossip.transport.backoff import backoff

__all__ = ["BodyDelivery", "GossipPublisher", "SenderEvent"]


class GossipPublisher(Protocol):
    """The part of a publisher that a delivery uses (`celery_gossip.transport.publisher.Publisher`)."""

    def publish(self, body: bytes) -> bool:
        """Send these bytes; return False if the broker has blocked publishers. May raise anything; has a timeout."""

    def close(self) -> None:
        """Close the connection; has a timeout. Never raises."""

    def fail_over(self) -> None:
        """Drop the connection without closing it at the broker. Never raises."""

    def is_amqp_refusal(self, exc: Exception) -> bool:
        """Return True if the broker refused the message and refusing is expensive for it, so that retries are rare."""

    def is_outage(self, exc: Exception) -> bool:
        """Return True if the broker is down, hangs or cannot be reached."""


@dataclass(frozen=True)
class SenderEvent:
    """Something that happened on the sender thread, for the main thread to log and signal."""

    kind: Literal["failed", "blocked", "recovered"]
    phase: str = ""  #: of a failure: probe, count, supplement, resources, encode, publish or turn
    exception: Exception | None = None
    duration: float = 0.0  #: seconds that the failed step took


class BodyDelivery:
    """Sends bodies with one publisher, which it drops after each failure. Retries with full-jitter backoff."""

    def __init__(
        self,
        publisher: GossipPublisher,
        record: Callable[[SenderEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._record = record
        self._clock = clock
        self._failures = 0
        self._is_blocked = False
        self.retry_at = 0.0  #: monotonic seconds; before that time nothing is sent
        self.is_unconfirmed = False  #: the broker was unreachable at the last attempt, or has not answered it yet

    def close(self) -> None:
        """Close the connection; has a timeout. Never raises."""
        self._publisher.close()

    def _publish(self, body: bytes, began: float) -> bool | None:
        """Return True if the body was sent, False if the broker blocks publishers, None for a failure.

        After a failure it is to be sent again after `retry_at`. `began`: monotonic seconds when the report began.
        """
        self.is_unconfirmed = True
        try:
            is_sent = self._publisher.publish(body)
        except Exception as exc:
            self._on_failure(exc, began)
            return None
        self._on_answer(is_sent)
        return is_sent

    def _on_failure(self, exc: Exception, began: float) -> None:
        now = self._clock()
        self.is_unconfirmed = self._publisher.is_outage(exc)
        self._publisher.fail_over()
        self._failures += 1
        self.retry_at = now + backoff(self._failures, random.random(), self._publisher.is_amqp_refusal(exc))
        self._record(SenderEvent("failed", "publish", exc, now - began))

    def _on_answer(self, is_sent: bool) -> None:
        self.is_unconfirmed = False
        if (self._is_blocked and is_sent) or self._failures:
            self._record(SenderEvent("recovered"))
        if not self._is_blocked and not is_sent:
            self._record(SenderEvent("blocked"))
        self._is_blocked = not is_sent
        self._failures = 0
        self.retry_at = 0.0
