"""QueueShare: queues of one worker whose lengths are to be read from the broker. Pure; created by the Cluster."""

from collections.abc import Iterable
from typing import NamedTuple

from celery_gossip.wire.messages import Gossip

__all__ = ["CONFIGURED", "SENDERS", "QueueShare", "QueueShareCache"]

CONFIGURED = "\0"  #: owner of the queues that this listener was configured with; not a valid hostname
SENDERS = "\0sent"  #: owner of the queues that tasks are sent to, whether or not a worker consumes them


class QueueShare(NamedTuple):
    """Queue names of one worker. All shares get the same number of reads, however many names they have."""

    owner: str  #: a hostname, or CONFIGURED
    queues: tuple[str, ...]
    is_trusted: bool = False  #: configured, or named by a worker whose reports are signed


class QueueShareCache:
    """Derives the shares from the reports of all workers, and reuses those that did not change. Used on one thread."""

    def __init__(self) -> None:
        self._shares: dict[str, tuple[tuple[Gossip, ...], QueueShare]] = {}
        self._senders = QueueShare(SENDERS, ())

    def update(self, reports: Iterable[tuple[str, tuple[Gossip, ...], bool]]) -> list[QueueShare]:
        """Return the shares of these `(hostname, reports, is_trusted)`.

        Broadcast queues are left out: the broker has no queue with the name that is reported for them.
        """
        previous, shares = self._shares, {}
        for hostname, gossips, is_trusted in reports:
            known = previous.get(hostname)
            if known is None or known[0] != gossips or known[1].is_trusted != is_trusted:
                names = [check.queue for gossip in gossips for check in gossip.checks if not check.broadcast]
                share = QueueShare(hostname, tuple(names), is_trusted)
                # Keep the object if it is equal: the read schedule detects by identity that nothing has changed.
                known = gossips, known[1] if known is not None and known[1] == share else share
            shares[hostname] = known
        self._shares = shares
        return [share for _, share in shares.values()]

    def of_senders(self, queues: tuple[str, ...]) -> QueueShare:
        """Return the share of the queues that tasks are sent to."""
        if queues != self._senders.queues:
            self._senders = QueueShare(SENDERS, queues)
        return self._senders
