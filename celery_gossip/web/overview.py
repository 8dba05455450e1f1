"""Overview: the tables of the topic "fleet": sources, totals and findings, built from snapshots. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from celery_gossip.cluster.throughput import merge_throughputs
from celery_gossip.diagnosis import diagnosis
from celery_gossip.diagnosis.rules import BEAT_KINDS, QUEUE_KINDS
from celery_gossip.web.rates import throughput_fields
from celery_gossip.web.schema import Finding, Source, Totals
from celery_gossip.web.snapshot import Snapshot

__all__ = ["findings", "sources", "totals"]


def sources(snapshots: Sequence[Snapshot]) -> dict[str, Source]:
    """Return `{source: row}`."""
    labels = _labels(snapshots)
    return {snapshot.source: _source(snapshot, label) for snapshot, label in zip(snapshots, labels, strict=True)}


def totals(snapshots: Sequence[Snapshot]) -> dict[str, Totals]:
    """Return `{source: row}`, and the sum of all sources under the key ""."""
    by_source = {snapshot.source: _totals(snapshot.source, [snapshot]) for snapshot in snapshots}
    return {"": _totals("", snapshots), **by_source}


def findings(snapshots: Iterable[Snapshot]) -> dict[str, Finding]:
    """Return `{source/kind/subject/severity: row}`."""
    return {
        f"{snapshot.source}/{finding.kind}/{finding.subject}/{finding.severity}": Finding(
            source=snapshot.source,
            kind=finding.kind,
            severity=finding.severity,
            subject=finding.subject,
            subject_kind=_subject_kind(snapshot, finding),
            since=snapshot.unix(finding.since),
            text=finding.text,
        )
        for snapshot in snapshots
        for finding in snapshot.findings
    }


def _labels(snapshots: Sequence[Snapshot]) -> list[str]:
    """Return a unique label for each source: its URL, with the app and the number only if they are needed."""
    urls = Counter(snapshot.uri for snapshot in snapshots)
    labels = [one.uri if urls[one.uri] == 1 else f"{one.app} on {one.uri}" for one in snapshots]
    counts = Counter(labels)
    return [
        label if counts[label] == 1 else f"{label} ({snapshot.source})"
        for snapshot, label in zip(snapshots, labels, strict=True)
    ]


def _source(snapshot: Snapshot, label: str) -> Source:
    began_at, isolated_since = snapshot.began_at, snapshot.view.isolated_since
    return Source(
        source=snapshot.source,
        app=snapshot.app,
        broker=snapshot.uri,
        label=label,
        listening_since=None if began_at is None else snapshot.unix(began_at),
        is_connected=snapshot.is_connected,
        isolated_since=None if isolated_since is None else snapshot.unix(isolated_since),
        error=snapshot.error,
        rejected=snapshot.rejected,
    )


def _totals(source: str, snapshots: Sequence[Snapshot]) -> Totals:
    workers = [worker for snapshot in snapshots for worker in snapshot.view.workers]
    live = [gossip for worker in workers if not worker.is_gone for gossip in worker.gossips]
    queues = [queue for snapshot in snapshots for queue in snapshot.view.queues]
    backlogs = [queue.backlog for queue in queues if queue.backlog is not None]
    fleet = merge_throughputs([snapshot.fleet for snapshot in snapshots])
    return Totals(
        source=source,
        states=dict(Counter(worker.state for worker in workers)),
        slots=sum(gossip.concurrency for gossip in live),
        active=sum(gossip.active for gossip in live),
        reserved=sum(gossip.reserved for gossip in live),
        scheduled=sum(gossip.scheduled for gossip in live),
        backlog=sum(backlogs) if backlogs else None,
        **throughput_fields(fleet),
    )


def _subject_kind(snapshot: Snapshot, finding: diagnosis.Finding) -> str:
    subject = finding.subject
    if subject == "listener":
        return "listener"
    if finding.kind in BEAT_KINDS:
        return "schedule"
    is_queue = finding.kind in QUEUE_KINDS or any(queue.queue == subject for queue in snapshot.view.queues)
    return "queue" if is_queue else "worker"
