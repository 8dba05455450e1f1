"""A replacement for a listener: a Cluster with reports from the test."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.scaling import QueueDemand, demand_of
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.transport.oldest_message import ExactAge
from celery_gossip.web.snapshot import Sampler
from tests.unit.build import FakeClock, a_gossip

NOW = 1000.0
WALL = 1_800_000_000.0  #: Unix seconds at monotonic 0


class FakeFleet:
    """A source with its own clock."""

    def __init__(self, now: float = NOW) -> None:
        self.clock = FakeClock(now)
        self.cluster = Cluster(self.clock)
        self.cluster.statistics.start(now - 1)
        self.connected_at: float | None = now
        self.error: Exception | None = None
        self.findings: tuple[Finding, ...] = ()
        self.rejected: Counter[str] = Counter()
        self.uri = "redis://127.0.0.1/0"
        self.configured: set[str] = set()
        self.exact: dict[str, ExactAge] = {}
        self._seqs: Counter[str] = Counter()

    def view(self) -> View:
        return self.cluster.view()

    def demand(self, queue: str, *, slots_per_worker: float | None = None) -> QueueDemand:
        backlog, runtime = self.cluster.backlogs().get(queue), self.cluster.statistics.mean_runtime(queue)
        return demand_of(self.view(), queue, backlog, runtime, slots_per_worker)

    def knows_queue(self, queue: str) -> bool:
        return queue in self.configured or self.cluster.knows_queue(queue)

    def exact_ages(self, queues: Iterable[str]) -> dict[str, ExactAge]:
        return {queue: self.exact.get(queue, ExactAge(None, "it is not Redis")) for queue in queues}

    def report(self, hostname: str = "celery@web1", **fields: Any) -> None:
        """Apply a report of a worker; reports are numbered per instance."""
        boot = fields.get("boot", "")
        self._seqs[boot + hostname] += 1
        gossip = a_gossip(**{"hostname": hostname, "seq": self._seqs[boot + hostname], **fields})
        self.cluster.apply_gossip(gossip, self.clock.now)

    def sampler(self, source: str = "0") -> Sampler:
        return Sampler(source, "shop", self, self.clock, lambda: self.clock.now + WALL)
