"""Reading: everything that one scrape is built from, immutable; taken from a Source.

The Source is a Listener, or whatever a test puts in its place.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from celery_gossip.diagnosis import Finding
from celery_gossip.throughput import Throughput
from celery_gossip.view import View

__all__ = ["Key", "Reading", "Source", "Totals"]


Key = tuple[str, ...]  #: hostname, where that is asked for, queue, task


class Totals(Protocol):
    """What the exporter asks of a Cluster: sums that only grow, and whether it is cut off."""

    @property
    def dropped_series(self) -> int: ...
    @property
    def isolated_since(self) -> float | None: ...
    def totals(self) -> dict[tuple[str, str, str], Throughput]: ...
    def fleet_totals(self) -> dict[tuple[str, str], Throughput]: ...


class Source(Protocol):
    """What the exporter asks of a Listener. Nothing of it waits for a worker or a broker."""

    @property
    def cluster(self) -> Totals: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...
    @property
    def rejected(self) -> Counter[str]: ...
    def view(self) -> View: ...


@dataclass(frozen=True)
class Reading:
    """One moment."""

    view: View
    findings: tuple[Finding, ...] = ()
    rejected: Mapping[str, int] = field(default_factory=dict)  #: `{reason: messages}`
    totals: tuple[tuple[Key, Throughput], ...] = ()
    dropped: int = 0  #: times that the listener itself left figures of tasks out

    @classmethod
    def of(cls, source: Source, *, by_hostname: bool) -> "Reading":
        cluster = source.cluster
        return cls(
            view=source.view(),
            findings=source.findings,
            rejected=source.rejected.copy(),
            totals=tuple((cluster.totals() if by_hostname else cluster.fleet_totals()).items()),
            dropped=cluster.dropped_series,
        )
