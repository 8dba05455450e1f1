"""Rows about failures, built from snapshots. Called on any thread."""

import hashlib
from collections.abc import Iterable
from itertools import islice

from celery_gossip.cluster import failures as cluster
from celery_gossip.web.schema import Failure, FailureGroup, FailureTotals
from celery_gossip.web.snapshot import Snapshot

__all__ = ["MAX_CASES", "MAX_GROUPS", "failure_cases", "failure_groups", "failure_totals", "group_key", "single_group"]

MAX_GROUPS = 500  #: groups in one table
MAX_CASES = 20  #: failures of a group in one table
_MAX_NAMES = 20  #: queues, and hostnames, in a row


def failure_groups(
    snapshots: Iterable[Snapshot], *, queue: str = "", hostname: str = "", task: str = ""
) -> dict[str, FailureGroup]:
    """Return `{source/key: row}` of the groups of failures; the one that failed last is first in each source.

    An argument that is not empty selects the failures of a queue or a worker, or those with this task id or name.
    """
    rows: dict[str, FailureGroup] = {}
    for snapshot in snapshots:
        found = snapshot.failures()
        selected = [one for one in found.failures if _matches(one, queue, hostname, task)]
        groups = cluster.FailureView(tuple(selected), taken_at=found.taken_at).groups()
        rows.update(
            (f"{snapshot.source}/{row.key}", row)
            for row in (_group(snapshot, group) for group in islice(groups, MAX_GROUPS))
        )
    return rows


def failure_totals(snapshots: Iterable[Snapshot]) -> dict[str, FailureTotals]:
    """Return `{source: row}`."""
    return {
        snapshot.source: FailureTotals(
            source=snapshot.source, kept=len(found.failures), displaced=found.displaced, unlisted=found.unlisted
        )
        for snapshot in snapshots
        for found in (snapshot.failures(),)
    }


def single_group(snapshot: Snapshot, key: str) -> FailureGroup | None:
    """Return the row of one group; None if no failure of it is kept."""
    group = _find(snapshot, key)
    return None if group is None else _group(snapshot, group)


def failure_cases(snapshot: Snapshot, key: str) -> dict[str, Failure]:
    """Return `{hostname/boot/number: row}` of the latest failures of one group, newest first."""
    group = _find(snapshot, key)
    if group is None:
        return {}
    alike = (
        one
        for one in snapshot.failures().failures
        if (one.task, one.exception, one.line) == (group.task, group.exception, group.line)
    )
    return {f"{one.hostname}/{one.boot}/{one.number}": _case(snapshot, one) for one in islice(alike, MAX_CASES)}


def _find(snapshot: Snapshot, key: str) -> cluster.FailureGroup | None:
    groups = snapshot.failures().groups()
    return next((one for one in groups if _key(one) == key), None)


def _matches(one: cluster.Failure, queue: str, hostname: str, task: str) -> bool:
    return queue in ("", one.queue) and hostname in ("", one.hostname) and task in ("", one.id, one.task)


def _key(group: cluster.FailureGroup) -> str:
    return group_key(group.task, group.exception, group.line)


def group_key(task: str, exception: str, line: str) -> str:
    """Return a short name of a group for addresses: names are printable, so none contains the separator."""
    text = "\n".join((task, exception, line))
    return hashlib.blake2s(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def _group(snapshot: Snapshot, group: cluster.FailureGroup) -> FailureGroup:
    return FailureGroup(
        source=snapshot.source,
        key=_key(group),
        task=group.task,
        exception=group.exception,
        line=group.line,
        message=group.latest.message,
        count=group.count,
        last_hour=sum(group.trend),
        first_at=snapshot.unix(group.first_at),
        last_at=snapshot.unix(group.last_at),
        trend=group.trend,
        queues=group.queues[:_MAX_NAMES],
        hostnames=group.hostnames[:_MAX_NAMES],
    )


def _case(snapshot: Snapshot, one: cluster.Failure) -> Failure:
    return Failure(
        source=snapshot.source,
        id=one.id,
        hostname=one.hostname,
        queue=one.queue,
        at=snapshot.unix(one.at),
        runtime=one.runtime,
        retries=one.retries,
        message=one.message,
        traceback=one.traceback,
    )
