"""Evidence: what a listener has to go by when it judges a fleet, and the Suspicion that a rule makes of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from celery_gossip.messages import Gossip, QueueCheck
from celery_gossip.throughput import Trend
from celery_gossip.view import View, WorkerView

__all__ = ["CRITICAL", "WARNING", "Consumer", "Evidence", "Suspicion"]

CRITICAL, WARNING = "critical", "warning"


@dataclass(frozen=True)
class Suspicion:
    """What seems wrong just now."""

    kind: str
    severity: str
    subject: str
    text: str
    hold: float = 0.0  #: seconds for which it must last to be a finding
    witness: Any = None  #: it begins anew when this changes


class Consumer(msgspec.Struct, frozen=True, gc=False):
    """One queue consumer of one boot of a worker."""

    worker: WorkerView
    gossip: Gossip
    check: QueueCheck

    @property
    def is_open(self) -> bool:
        """Whether it would take a message. A silent worker has the benefit of the doubt."""
        return not self.check.paused and self.gossip.state == "online"

    @property
    def is_idle(self) -> bool:
        """Whether it is there for certain, and has nothing to do for any queue."""
        held = self.gossip.active + self.gossip.reserved + self.gossip.limited
        return self.is_open and self.worker.state == "online" and not held


@dataclass(frozen=True)
class Evidence:
    """What a listener has to go by."""

    view: View
    listening_for: float  #: seconds since it is connected; 0.0 while it is not
    where: str = ""  #: the exchange and the broker that it listens on, in words
    trouble: str = ""  #: what its broker said last, if it cannot be reached
    refusals: Mapping[str, str] = field(default_factory=dict)  #: `{reason: text}`, the latest of each in a minute
    rejected: Mapping[str, int] = field(default_factory=dict)  #: `{reason: messages}`, all that were ever refused
    trends: Mapping[str, Trend] = field(default_factory=dict)  #: by queue

    @cached_property
    def consumers(self) -> dict[str, list[Consumer]]:
        """`{queue: its consumers}`, of workers that are neither offline nor lost."""
        found: dict[str, list[Consumer]] = {}
        for worker in self.view.workers:
            if not worker.is_gone:
                for gossip in worker.gossips:
                    for check in gossip.checks:
                        found.setdefault(check.queue, []).append(Consumer(worker, gossip, check))
        return found
