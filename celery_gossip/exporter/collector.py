"""The collector: from what a listener knows at this moment to the client's metric families.

Called by whoever renders a registry, on its thread. Everything is built anew, so what is gone is gone here too.
"""

from collections import Counter
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.registry import Collector

from celery_gossip.diagnosis import CRITICAL, KINDS, WARNING
from celery_gossip.exporter import queue, task, worker
from celery_gossip.exporter.family import Family
from celery_gossip.exporter.option import ExporterOptions
from celery_gossip.exporter.reading import Reading, Source
from celery_gossip.exporter.scale import Scale
from celery_gossip.log import LimitedLogger
from celery_gossip.messages import REASONS, plain

__all__ = ["FAMILIES", "GossipCollector", "families"]

_FINDINGS = Family("celery_gossip_findings", "Findings that hold just now: what is wrong.", ("kind", "severity"))
_FINDING = Family("celery_gossip_finding_seconds", "For how long a finding holds.", ("kind", "severity", "subject"))
_REJECTED = Family("celery_gossip_rejected_messages_total", "Messages that were no gossip, by reason.", ("reason",))
_ISOLATED = Family("celery_gossip_isolated", "1 while the listener is cut off, and all figures are frozen.")
_DROPPED = Family("celery_gossip_dropped_series_total", "Times that the listener left figures out, for there are many.")
_LEFT_OUT = Family("celery_gossip_exporter_dropped_series", "Time series of tasks beyond --max-series.")

FAMILIES = (
    *worker.FAMILIES,
    *queue.FAMILIES,
    *task.FAMILIES,
    _FINDINGS,
    _FINDING,
    _REJECTED,
    _ISOLATED,
    _DROPPED,
    _LEFT_OUT,
)


class GossipCollector(Collector):
    """For a registry of the official client: `REGISTRY.register(GossipCollector(listener))`."""

    def __init__(self, source: Source, options: ExporterOptions | None = None) -> None:
        self._source = source
        self._options = options or ExporterOptions()
        self._scale = Scale(self._options.buckets)
        self._log = LimitedLogger()

    def collect(self) -> Iterator[Metric]:
        reading = Reading.of(self._source, by_hostname=self._options.by_hostname)
        choice = task.Choice.of(reading.totals, self._options.max_series, self._scale)
        if choice.dropped:
            text = "celery-gossip: %d time series of tasks are left out; see --max-series and --no-hostname"
            self._log.warning("dropped", text, choice.dropped)
        yield from families(reading, choice, self._scale, by_hostname=self._options.by_hostname)


def families(reading: Reading, choice: task.Choice, scale: Scale, *, by_hostname: bool) -> Iterator[Metric]:
    yield from worker.worker_families(reading.view.workers, by_hostname=by_hostname)
    yield from queue.queue_families(reading.view)
    yield from task.task_families(choice.kept, scale, by_hostname=by_hostname)
    yield from _finding_families(reading, by_hostname=by_hostname)
    yield from _listener_families(reading)
    left_out = _LEFT_OUT.gauge()
    left_out.add_metric((), choice.dropped)
    yield left_out


def _finding_families(reading: Reading, *, by_hostname: bool) -> Iterator[Metric]:
    counts = Counter((finding.kind, finding.severity) for finding in reading.findings)
    findings = _FINDINGS.gauge()
    for kind in KINDS:
        for severity in (CRITICAL, WARNING):
            findings.add_metric((kind, severity), counts[kind, severity])
    yield findings
    if by_hostname:  # a subject may be a hostname
        seconds = _FINDING.gauge()
        for one in reading.findings:
            labels = (one.kind, one.severity, plain(one.subject))
            seconds.add_metric(labels, max(0.0, reading.view.taken_at - one.since))
        yield seconds


def _listener_families(reading: Reading) -> Iterator[Metric]:
    rejected = _REJECTED.counter()
    for reason in REASONS:
        rejected.add_metric((reason,), reading.rejected.get(reason, 0))
    yield rejected
    isolated = _ISOLATED.gauge()
    isolated.add_metric((), reading.view.isolated_since is not None)
    yield isolated
    dropped = _DROPPED.counter()
    dropped.add_metric((), reading.dropped)
    yield dropped
