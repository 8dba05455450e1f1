"""Overview: the tables of the topic "fleet": sources, totals and findings, made of looks. Pure, on any thread."""

from collections import Counter
from collections.abc import Iterable, Sequence

from celery_gossip.throughput import merged
from celery_gossip.web.figure import fared
from celery_gossip.web.look import Look
from celery_gossip.web.row import Finding, Source, Totals

__all__ = ["findings", "sources", "totals"]


def sources(looks: Iterable[Look]) -> dict[str, Source]:
    return {look.source: _source(look) for look in looks}


def totals(looks: Sequence[Look]) -> dict[str, Totals]:
    """Of each source, and under "" of all."""
    each = {look.source: _totals(look.source, [look]) for look in looks}
    return {"": _totals("", looks), **each}


def findings(looks: Iterable[Look]) -> dict[str, Finding]:
    return {
        f"{look.source}/{one.kind}/{one.subject}/{one.severity}": Finding(
            source=look.source,
            kind=one.kind,
            severity=one.severity,
            subject=one.subject,
            subject_kind=_subject_kind(look, one.subject),
            since=look.unix(one.since),
            text=one.text,
        )
        for look in looks
        for one in look.findings
    }


def _source(look: Look) -> Source:
    began_at, since = look.began_at, look.view.isolated_since
    return Source(
        source=look.source,
        app=look.app,
        broker=look.uri,
        listening_since=None if began_at is None else look.unix(began_at),
        is_connected=look.is_connected,
        isolated_since=None if since is None else look.unix(since),
        error=look.error,
        rejected=look.rejected,
    )


def _totals(source: str, looks: Sequence[Look]) -> Totals:
    views = [worker for look in looks for worker in look.view.workers]
    live = [gossip for worker in views if not worker.is_gone for gossip in worker.gossips]
    backlogs = [one.backlog for look in looks for one in look.view.queues if one.backlog is not None]
    fleet = merged([look.fleet for look in looks])
    return Totals(
        source=source,
        states=dict(Counter(worker.state for worker in views)),
        slots=sum(gossip.concurrency for gossip in live),
        active=sum(gossip.active for gossip in live),
        reserved=sum(gossip.reserved for gossip in live),
        scheduled=sum(gossip.scheduled for gossip in live),
        backlog=sum(backlogs) if backlogs else None,
        **fared(fleet),
    )


def _subject_kind(look: Look, subject: str) -> str:
    if subject == "listener":
        return "listener"
    return "queue" if any(one.queue == subject for one in look.view.queues) else "worker"
