"""Rejected messages of a listener: counts by reason, the latest text of each reason, and limited log lines.

Owned by a Listener. Changed on its thread only; `counts` may be read on any thread.
"""

from collections import Counter

from celery_gossip.errors import RejectedGossip
from celery_gossip.log import LimitedLogger
from celery_gossip.wire.messages import sanitize_name

__all__ = ["Rejections"]

_RECENT = 60.0  #: seconds for which the text of a rejected message is kept


class Rejections:
    """Counts rejected and throttled messages of one exchange."""

    def __init__(self, exchange: str) -> None:
        self.counts: Counter[str] = Counter()  #: reason → messages
        self.exchange = exchange
        self._latest: dict[str, tuple[str, float]] = {}
        self._log = LimitedLogger()

    def clear(self) -> None:
        """Forget everything. `counts` stays the same object."""
        self.counts.clear()
        self._latest = {}

    def add(self, error: RejectedGossip, now: float) -> None:
        """Count and log a rejected message."""
        self.counts[error.reason] += 1
        self._latest[error.reason] = (str(error), now)
        self._log.warning(error.reason, "celery-gossip: rejected a message on exchange %s: %s", self.exchange, error)

    def add_throttled(self, count: int, hostname: str) -> None:
        """Count and log messages that were dropped by the throttle, most of them from this hostname."""
        self.counts["throttled"] += count
        text = (
            "celery-gossip: more messages arrive on exchange %s than a listener can use, most of them from %s; "
            "only the newest of each worker are used"
        )
        self._log.warning("throttled", text, self.exchange, sanitize_name(hostname))

    def recent(self, now: float) -> dict[str, str]:
        """Return `{reason: latest text}` of the messages rejected in the last minute."""
        return {reason: text for reason, (text, at) in self._latest.items() if now - at < _RECENT}
