"""Snapshot: the state of a source at one moment, immutable. One scrape is built from one snapshot.

The source is a Listener, or a stand-in in a test.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.cluster.statistics import TaskStatistics
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.diagnosis import Finding

__all__ = ["Key", "Snapshot", "Source", "Totals"]


Key = tuple[str, ...]  #: hostname (if exported), queue, task


class Totals(Protocol):
    """The part of a Cluster that the exporter reads."""

    @property
    def isolated_since(self) -> float | None: ...
    @property
    def statistics(self) -> TaskStatistics: ...
    def balance(self, view: View | None = None) -> tuple[QueueBalance, ...]: ...
    def sent_totals(self) -> dict[tuple[str, str], int]: ...


class Source(Protocol):
    """The part of a Listener that the exporter reads. No member blocks on a worker or a broker."""

    @property
    def cluster(self) -> Totals: ...
    @property
    def connected_at(self) -> float | None: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...
    @property
    def rejected(self) -> Counter[str]: ...
    def view(self) -> View: ...


@dataclass(frozen=True)
class Snapshot:
    """State of a source at one moment."""

    view: View
    findings: tuple[Finding, ...] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)  #: `{reason: messages}`
    totals: tuple[tuple[Key, Throughput], ...] = ()
    is_connected: bool = True  #: to the broker
    sent: Mapping[tuple[str, str], int] = field(default_factory=dict)  #: `{(queue, task): tasks sent}`
    balance: tuple[QueueBalance, ...] = ()
    dropped: int = 0  #: updates of task series that the listener dropped

    @classmethod
    def read(cls, source: Source, *, by_hostname: bool) -> "Snapshot":
        """Read the source, with the totals of each worker (`by_hostname`) or of all workers together."""
        cluster, statistics, view = source.cluster, source.cluster.statistics, source.view()
        return cls(
            view=view,
            findings=source.findings,
            rejected=source.rejected.copy(),
            totals=tuple((statistics.totals() if by_hostname else statistics.fleet_totals()).items()),
            is_connected=source.connected_at is not None,
            sent=cluster.sent_totals(),
            balance=cluster.balance(view),
            dropped=statistics.dropped_series,
        )
