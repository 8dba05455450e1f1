"""Tables: the rows of the page and of the API, built from snapshots. Called on any thread."""

from collections.abc import Iterable, Iterator

from msgspec.structs import asdict, replace

from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.cluster.task_view import TaskView
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import QueueView, WorkerView
from celery_gossip.units import round_age
from celery_gossip.web.rates import per_second, rounded_share, step, throughput_fields
from celery_gossip.web.resource_rows import memory_spark, resource_row
from celery_gossip.web.schema import Balance, Check, Queue, RunningTask, SentTask, Software, Step, Task, Worker
from celery_gossip.web.snapshot import Snapshot, ThroughputByName
from celery_gossip.web.task_tracking import TrackedTask
from celery_gossip.web.worker_rows import configuration
from celery_gossip.wire.messages import Gossip, QueueCheck, settings_of

__all__ = [
    "balance",
    "checks",
    "idle_queue",
    "queue",
    "queues",
    "running_tasks",
    "steps",
    "task",
    "tasks",
    "worker",
    "workers",
]

_NO_TASKS = Throughput(seconds=0.0)
_LATE_AFTER = 2.0  #: intervals without a report after which the row shows the time of the last one
_LATE_GRACE = 0.5  #: seconds added to that
_REASONS = {
    "stalled": "its event loop does not tick: something blocks it",
    "draining": "it is shutting down, and its last tasks are still running",
    "suspect": "it has not reported for longer than expected",
    "lost": "it stopped reporting without shutting down cleanly",
    "offline": "it shut down cleanly",
    "conflict": "two live workers have this name",
}


def queues(snapshots: Iterable[Snapshot]) -> dict[str, Queue]:
    """Return `{source/name: row}`."""
    return {
        f"{snapshot.source}/{view.queue}": _queue(snapshot, view, throughput)
        for snapshot in snapshots
        for throughput in (snapshot.throughput.queues(),)
        for view in snapshot.view.queues
    }


def workers(snapshots: Iterable[Snapshot], *, with_resources: bool = True) -> dict[str, Worker]:
    """Return `{source/hostname: row}`."""
    return {
        f"{snapshot.source}/{view.gossip.hostname}": _worker(snapshot, view, throughput, with_resources=with_resources)
        for snapshot in snapshots
        for throughput in (snapshot.throughput.workers(),)
        for view in snapshot.view.workers
    }


def tasks(snapshots: Iterable[Snapshot]) -> dict[str, Task]:
    """Return `{source/name: row}` of the tasks that run, wait or were counted in the last minute."""
    return {
        f"{snapshot.source}/{name}": _task(snapshot, name, throughput.get(name, _NO_TASKS))
        for snapshot in snapshots
        for throughput in (snapshot.throughput.tasks(),)
        for name in dict.fromkeys((*throughput, *snapshot.running_by_name, *snapshot.waiting_names))
    }


def balance(snapshots: Iterable[Snapshot]) -> dict[str, Balance]:
    """Return `{source/queue: row}` of the queues that tasks were sent to."""
    return {
        f"{snapshot.source}/{'route/' if one.is_route else 'queue/'}{one.queue}": _balance(snapshot, one)
        for snapshot in snapshots
        for one in snapshot.balance()
    }


def queue(snapshot: Snapshot, name: str) -> Queue | None:
    """Return the row of one queue; None if it is not in the view."""
    throughput = snapshot.throughput.queues()
    return next((_queue(snapshot, view, throughput) for view in snapshot.view.queues if view.queue == name), None)


def idle_queue(snapshot: Snapshot, name: str, backlog: int | None) -> Queue:
    """Return the row of a queue that is known, but not in the view: no worker serves it, and no message is seen."""
    age = None if backlog is None else 0.0
    view = QueueView(
        name,
        workers=0,
        active=0,
        reserved=0,
        scheduled=0,
        paused="no",
        backlog=backlog,
        oldest_age_min=age,
        oldest_age_max=None if backlog else age,
    )
    return _queue(snapshot, view, {})


def worker(snapshot: Snapshot, hostname: str) -> Worker | None:
    """Return the row of one worker; None if it is not in the view."""
    throughput = snapshot.throughput.workers()
    views = (view for view in snapshot.view.workers if view.gossip.hostname == hostname)
    rows = (
        replace(
            _worker(snapshot, view, throughput),
            software=_software(view),
            memory_spark=memory_spark(view),
            pid=view.pid,
            started_at=None if view.started_at is None else snapshot.unix(view.started_at),
            configuration=configuration(view),
            task_names=snapshot.task_names(hostname),
        )
        for view in views
    )
    return next(rows, None)


def task(snapshot: Snapshot, name: str) -> Task | None:
    """Return the row of one task name; None if no such task runs, waits or was counted in the last minute."""
    throughput = snapshot.throughput.tasks().get(name)
    if throughput is None and name not in snapshot.running_by_name and name not in snapshot.waiting_names:
        return None
    return _task(snapshot, name, throughput or _NO_TASKS)


def checks(snapshot: Snapshot, *, queue: str | None = None, hostname: str | None = None) -> dict[str, Check]:
    """Return the checks of one queue by hostname, or those of one worker by queue."""
    return {
        gossip.hostname if hostname is None else check.queue: _check(snapshot, worker, gossip, check)
        for worker, gossip, check in _matching_checks(snapshot, queue, hostname)
    }


def running_tasks(
    snapshots: Iterable[Snapshot], *, queue: str = "", hostname: str = "", task: str = ""
) -> dict[str, RunningTask]:
    """Return `{source/hostname/id: row}` of the running tasks, the longest running first.

    An argument that is not empty selects the tasks of a queue or a worker, or those with this id or name.
    """
    rows = [
        _running_task(snapshot, view)
        for snapshot in snapshots
        for view in snapshot.view.tasks(task, queue=queue, hostname=hostname)
    ]
    rows.sort(key=lambda row: (row.since, row.id))
    return {f"{row.source}/{row.hostname}/{row.id}": row for row in rows}


def steps(snapshot: Snapshot, series: Iterable[Throughput], size: float) -> dict[str, Step]:
    """Return `{size/start: step}`."""
    rows = [step(throughput, size, snapshot.unix(throughput.since)) for throughput in series]
    return {f"{size:.0f}/{row.start:.1f}": row for row in rows}


def _balance(snapshot: Snapshot, one: QueueBalance) -> Balance:
    return Balance(
        source=snapshot.source,
        queue=one.queue,
        is_route=one.is_route,
        sent=one.sent,
        received=one.received,
        ended=one.ended,
        waiting=one.waiting,
        reserved=one.reserved,
        scheduled=one.scheduled,
        active=one.active,
        missing=one.missing,
        window=round(one.window, 1),
        reason=one.reason,
        tasks={name: SentTask(task.sent, task.received) for name, task in one.tasks.items()},
    )


def _queue(snapshot: Snapshot, view: QueueView, throughput: ThroughputByName) -> Queue:
    return Queue(
        source=snapshot.source,
        name=view.queue,
        paused=view.paused,
        workers=view.workers,
        states=dict(view.states),
        active=view.active,
        reserved=view.reserved,
        scheduled=view.scheduled,
        slots=view.slots,
        free_slots=view.free_slots,
        backlog=view.backlog,
        oldest_age_min=round_age(view.oldest_age_min),
        oldest_age_max=round_age(view.oldest_age_max),
        load=round(view.load, 2),
        **throughput_fields(throughput.get(view.queue, _NO_TASKS)),
        spark=snapshot.sparklines.get(view.queue, ()),
    )


def _worker(
    snapshot: Snapshot, view: WorkerView, throughput: ThroughputByName, *, with_resources: bool = True
) -> Worker:
    gossip, start = view.gossip, snapshot.starts.get(view.gossip.hostname)
    counts = throughput.get(gossip.hostname, _NO_TASKS)
    started_at = start.started_at if start else None
    is_late = view.age > _LATE_AFTER * gossip.interval + _LATE_GRACE
    return Worker(
        source=snapshot.source,
        hostname=gossip.hostname,
        state=view.state,
        state_since=snapshot.unix(view.state_since),
        reason=_REASONS.get(view.state, ""),
        silent_since=snapshot.unix(view.heard_at) if is_late else None,
        interval=gossip.interval,
        pool=gossip.pool,
        concurrency=sum(each.concurrency for each in view.gossips),
        active=sum(each.active for each in view.gossips),
        reserved=sum(each.reserved for each in view.gossips),
        scheduled=sum(each.scheduled for each in view.gossips),
        processed=gossip.processed,
        loop_lag=round(gossip.loop_lag, 2),
        stalled_for=round(gossip.stalled_for, 1),
        queues=tuple(check.queue for check in gossip.checks),
        paused=tuple(check.queue for check in gossip.checks if check.paused),
        per_second=per_second(counts),
        failure_rate=rounded_share(counts.failure_rate),
        boot=gossip.boot,
        booted_at=None if started_at is None else snapshot.unix(started_at),
        restarts=start.restarts if start else 0,
        is_verified=view.is_verified,
        stack=view.stack,
        release=view.release,
        resources=resource_row(snapshot, view) if with_resources else None,
    )


def _software(view: WorkerView) -> Software | None:
    software = view.software
    return None if software is None else Software(**{**asdict(software), "settings": settings_of(software)})


def _task(snapshot: Snapshot, name: str, throughput: Throughput) -> Task:
    return Task(
        source=snapshot.source,
        name=name,
        running=snapshot.running_by_name[name],
        received=throughput.received,
        succeeded=throughput.succeeded,
        failed=throughput.failed,
        retried=throughput.retried,
        revoked=throughput.revoked,
        rejected=throughput.rejected,
        failures=dict(throughput.failures),
        **throughput_fields(throughput),
    )


def _running_task(snapshot: Snapshot, view: TaskView) -> RunningTask:
    tracked = snapshot.running.get((view.hostname, view.id)) or TrackedTask(snapshot.view.taken_at, is_older=True)
    return RunningTask(
        source=snapshot.source,
        id=view.id,
        name=view.name,
        hostname=view.hostname,
        queue=view.queue,
        since=snapshot.unix(tracked.since),
        is_older=tracked.is_older,
        retries=view.retries,
        is_redelivered=view.is_redelivered,
        soft_time_limit=view.soft_time_limit,
        time_limit=view.time_limit,
    )


def _matching_checks(
    snapshot: Snapshot, queue: str | None, hostname: str | None
) -> Iterator[tuple[WorkerView, Gossip, QueueCheck]]:
    """Yield the checks of this queue or this worker; None matches any."""
    for worker in snapshot.view.workers:
        if hostname in (None, worker.gossip.hostname):
            for gossip in worker.gossips:
                for check in gossip.checks:
                    if queue in (None, check.queue):
                        yield worker, gossip, check


def _check(snapshot: Snapshot, worker: WorkerView, gossip: Gossip, check: QueueCheck) -> Check:
    return Check(
        source=snapshot.source,
        hostname=gossip.hostname,
        queue=check.queue,
        state=worker.state,
        is_paused=check.paused,
        active=check.active_count,
        reserved=check.reserved,
        scheduled=check.scheduled,
        concurrency=gossip.concurrency,
        consuming_since=round(check.started_at, 1),
    )
