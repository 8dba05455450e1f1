"""What the dashboard watches in these tests: a listener's place is taken by a Cluster that the test feeds."""

from collections import Counter
from typing import Any

from celery_gossip.cluster import Cluster
from celery_gossip.diagnosis import Finding
from celery_gossip.view import View
from celery_gossip.web.look import Watch
from tests.unit.build import FakeClock, a_gossip

NOW = 1000.0
WALL = 1_800_000_000.0  #: Unix seconds at monotonic 0


class Fleet:
    """A source with a clock of its own."""

    def __init__(self, now: float = NOW) -> None:
        self.clock = FakeClock(now)
        self.cluster = Cluster(self.clock)
        self.cluster.begin(now - 1)
        self.connected_at: float | None = now
        self.error: Exception | None = None
        self.findings: tuple[Finding, ...] = ()
        self.rejected: Counter[str] = Counter()
        self.uri = "redis://127.0.0.1/0"
        self._seqs: Counter[str] = Counter()

    def view(self) -> View:
        return self.cluster.view()

    def say(self, hostname: str = "celery@web1", **fields: Any) -> None:
        """A gossip, numbered by boot."""
        boot = fields.get("boot", "")
        self._seqs[boot + hostname] += 1
        gossip = a_gossip(**{"hostname": hostname, "seq": self._seqs[boot + hostname], **fields})
        self.cluster.apply(gossip, self.clock.now)

    def watch(self, source: str = "0") -> Watch:
        return Watch(source, "shop", self, self.clock, lambda: self.clock.now + WALL)
