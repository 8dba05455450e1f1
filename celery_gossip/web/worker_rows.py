"""Rows of the page of one worker: its configuration, and how it ended. Called on any thread."""

from collections.abc import Iterable
from itertools import islice

from celery_gossip.cluster.recording import Recording
from celery_gossip.cluster.task_view import TaskView, tasks_of
from celery_gossip.cluster.view import WorkerView
from celery_gossip.web import resource_rows, schema
from celery_gossip.web.schema import Ending, RunningTask, Sample
from celery_gossip.web.snapshot import Snapshot
from celery_gossip.wire.messages import Gossip, settings_of

__all__ = ["MAX_LAST_TASKS", "configuration", "ending", "last_reports", "last_tasks"]

MAX_LAST_TASKS = 500
_RECENTLY = 60.0  #: seconds before its last report in which a finding of a worker counts as one of its end


def configuration(view: WorkerView) -> dict[str, bool | float | str]:
    """Return the settings that a worker reports, `{name: value}`, sorted."""
    settings: dict[str, bool | float | str] = {} if view.software is None else dict(settings_of(view.software))
    settings.update((one.name, one.value) for one in view.configuration)
    return dict(sorted(settings.items()))


def ending(snapshot: Snapshot, hostname: str) -> Ending | None:
    """Return the last report of a worker that is gone, or of the instance before it that ended while tasks ran."""
    view = snapshot.view.worker(hostname)
    end = None if view is None else _end_of(view)
    if view is None or end is None:
        return None
    gossip, at, _ = end
    return Ending(
        source=snapshot.source,
        hostname=hostname,
        boot=gossip.boot,
        state=view.state if view.is_gone else "replaced",
        at=snapshot.unix(at),
        concurrency=gossip.concurrency,
        active=gossip.active,
        listed=sum(len(check.active) for check in gossip.checks),
        reserved=gossip.reserved,
        scheduled=gossip.scheduled,
        loop_lag=round(gossip.loop_lag, 2),
        stalled_for=round(gossip.stalled_for, 1),
        queues=tuple(dict.fromkeys(check.queue for check in gossip.checks)),
        findings=tuple(_findings(snapshot, hostname, at)),
    )


def last_reports(snapshot: Snapshot, hostname: str) -> dict[str, Sample]:
    """Return `{time: row}` of the last reports of an instance that ended, oldest first; see ending()."""
    view = snapshot.view.worker(hostname)
    end = None if view is None else _end_of(view)
    return {} if end is None else {f"{row.at:.1f}": row for row in resource_rows.sample_rows(snapshot, end[2])}


def last_tasks(snapshot: Snapshot, hostname: str) -> dict[str, RunningTask]:
    """Return `{id: row}` of the tasks that ran in the last report of an instance that ended, the oldest first."""
    view = snapshot.view.worker(hostname)
    end = None if view is None else _end_of(view)
    if end is None:
        return {}
    gossip, at, _ = end
    rows = [_last_task(snapshot, one, at) for one in islice(tasks_of(gossip), MAX_LAST_TASKS)]
    return {row.id: row for row in sorted(rows, key=lambda row: (row.since, row.id))}


def _end_of(view: WorkerView) -> tuple[Gossip, float, Recording] | None:
    """Return the last report of an instance that ended, the time of it, and its recording; None if none has."""
    if view.is_gone:
        return view.gossip, view.heard_at, view.recording
    if view.replaced is None or view.replaced_heard_at is None:
        return None
    return view.replaced, view.replaced_heard_at, view.replaced_recording


def _findings(snapshot: Snapshot, hostname: str, at: float) -> Iterable[schema.Finding]:
    for finding, seen_at in snapshot.worker_findings.get(hostname, ()):
        if finding.since <= at and seen_at >= at - _RECENTLY:
            yield schema.Finding(
                source=snapshot.source,
                kind=finding.kind,
                severity=finding.severity,
                subject=hostname,
                subject_kind="worker",
                since=snapshot.unix(finding.since),
                text=finding.text,
            )


def _last_task(snapshot: Snapshot, view: TaskView, at: float) -> RunningTask:
    return RunningTask(
        source=snapshot.source,
        id=view.id,
        name=view.name,
        hostname=view.hostname,
        queue=view.queue,
        since=snapshot.unix(at - (view.age or 0.0)),
        is_older=view.age is None,
        retries=view.retries,
        is_redelivered=view.is_redelivered,
        soft_time_limit=view.soft_time_limit,
        time_limit=view.time_limit,
    )
