"""GossipCollector: build the client's metric families from the state of a listener at one moment.

Runs on the thread that collects the registry. All families are built again at each collection, so the series of a
worker or queue that has left the view disappear.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from celery_gossip.diagnosis.diagnosis import CRITICAL, KINDS, WARNING
from celery_gossip.exporter import beat, queue, resource, sent, task, worker
from celery_gossip.exporter.buckets import BucketMapping
from celery_gossip.exporter.family import Family
from celery_gossip.exporter.option import ExporterOptions
from celery_gossip.exporter.snapshot import Snapshot, Source
from celery_gossip.log import LimitedLogger
from celery_gossip.wire.messages import REASONS, sanitize_name

__all__ = ["FAMILIES", "GossipCollector", "build_families"]

_FINDINGS = Family("celery_gossip_findings", "Current findings.", ("kind", "severity"))
_FINDING_SECONDS = Family(
    "celery_gossip_finding_seconds", "Seconds since a finding was raised.", ("kind", "severity", "subject")
)
_REJECTED = Family("celery_gossip_rejected_messages_total", "Messages refused, by reason.", ("reason",))
_ISOLATED = Family("celery_gossip_isolated", "1 while the listener is cut off and all values are frozen.")
_UP = Family(
    "celery_gossip_listener_up",
    "1 while the listener receives reports; 0 while it is not connected, is isolated, or its thread has ended.",
)
_DROPPED = Family(
    "celery_gossip_dropped_series_total", "Updates that the listener dropped because it follows too many series."
)
_OMITTED = Family("celery_gossip_exporter_dropped_series", "Time series of tasks beyond --max-series.")

FAMILIES = (
    *worker.FAMILIES,
    *resource.FAMILIES,
    *queue.FAMILIES,
    *task.FAMILIES,
    *sent.FAMILIES,
    *beat.FAMILIES,
    _FINDINGS,
    _FINDING_SECONDS,
    _REJECTED,
    _ISOLATED,
    _UP,
    _DROPPED,
    _OMITTED,
)


class GossipCollector(Collector):
    """Export a listener through a registry of the official client: `REGISTRY.register(GossipCollector(listener))`."""

    def __init__(self, source: Source, options: ExporterOptions | None = None) -> None:
        self._source = source
        self._options = options or ExporterOptions()
        self._mapping = BucketMapping(self._options.buckets)
        self._log = LimitedLogger()

    def collect(self) -> Iterator[Metric]:
        snapshot = Snapshot.read(self._source, by_hostname=self._options.by_hostname)
        selection = task.SeriesSelection.within(snapshot.totals, self._options.max_series, self._mapping)
        if selection.dropped:
            text = "celery-gossip: %d time series of tasks are left out; see --max-series and --no-hostname"
            self._log.warning("dropped", text, selection.dropped)
        yield from build_families(snapshot, selection, self._mapping, by_hostname=self._options.by_hostname)


def build_families(
    snapshot: Snapshot, selection: task.SeriesSelection, mapping: BucketMapping, *, by_hostname: bool
) -> Iterator[Metric]:
    """Yield every family of FAMILIES that is exported with, or without, the label `hostname`."""
    yield from worker.worker_families(snapshot.view.workers, by_hostname=by_hostname)
    yield from resource.resource_families(snapshot.view.workers, by_hostname=by_hostname)
    yield from queue.queue_families(snapshot.view)
    yield from task.task_families(selection.kept, mapping, by_hostname=by_hostname)
    yield from sent.sent_families(snapshot.sent, snapshot.balance)
    yield from beat.beat_families(snapshot.view, by_hostname=by_hostname)
    yield from _finding_families(snapshot, by_hostname=by_hostname)
    yield from _listener_families(snapshot)
    omitted = _OMITTED.gauge()
    omitted.add_metric((), selection.dropped)
    yield omitted


def _finding_families(snapshot: Snapshot, *, by_hostname: bool) -> Iterator[Metric]:
    counts = Counter((finding.kind, finding.severity) for finding in snapshot.findings)
    findings = _FINDINGS.gauge()
    for kind in KINDS:
        for severity in (CRITICAL, WARNING):
            findings.add_metric((kind, severity), counts[kind, severity])
    yield findings
    if by_hostname:  # the subject of a finding can be a hostname
        seconds = _FINDING_SECONDS.gauge()
        for finding in snapshot.findings:
            labels = (finding.kind, finding.severity, sanitize_name(finding.subject))
            seconds.add_metric(labels, max(0.0, snapshot.view.taken_at - finding.since))
        yield seconds


def _listener_families(snapshot: Snapshot) -> Iterator[Metric]:
    rejected = _REJECTED.counter()
    for reason in REASONS:
        rejected.add_metric((reason,), snapshot.rejected.get(reason, 0))
    yield rejected
    isolated = _ISOLATED.gauge()
    isolated.add_metric((), snapshot.view.isolated_since is not None)
    yield isolated
    listener_up = _UP.gauge()
    listener_up.add_metric((), snapshot.is_connected and snapshot.view.isolated_since is None)
    yield listener_up
    dropped = _DROPPED.counter()
    dropped.add_metric((), snapshot.dropped)
    yield dropped
