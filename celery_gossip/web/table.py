"""Tables: the rows of the page and of the API, made of looks. Called by the board and the API, on any thread."""

from collections.abc import Iterable, Iterator

from celery_gossip.messages import Gossip, QueueCheck
from celery_gossip.throughput import Throughput
from celery_gossip.view import QueueView, WorkerView
from celery_gossip.web.figure import fared, per_second, share, step
from celery_gossip.web.look import Figures, Look
from celery_gossip.web.row import Check, Queue, Run, Step, Task, Worker

__all__ = ["checks_of", "queue", "queues", "runs_of", "steps", "task", "tasks", "worker", "workers"]

MOST_RUNS = 500  #: of one queue or worker that are told one by one
_NOTHING = Throughput(seconds=0.0)
_NOBODY_HEARS = 2.0  #: intervals after which a worker counts as silent
_SPARE = 0.5  #: seconds more
_REASONS = {
    "stalled": "its event loop does not tick: something blocks it",
    "draining": "it shuts down, and its last tasks still run",
    "suspect": "it has been silent for longer than it should",
    "lost": "it fell silent without a goodbye",
    "offline": "it said goodbye",
    "conflict": "two live workers have this name",
}


def queues(looks: Iterable[Look]) -> dict[str, Queue]:
    return {
        f"{look.source}/{one.queue}": _queue(look, one, paces)
        for look in looks
        for paces in (look.paces.queues(),)
        for one in look.view.queues
    }


def workers(looks: Iterable[Look]) -> dict[str, Worker]:
    return {
        f"{look.source}/{one.gossip.hostname}": _worker(look, one, paces)
        for look in looks
        for paces in (look.paces.workers(),)
        for one in look.view.workers
    }


def tasks(looks: Iterable[Look]) -> dict[str, Task]:
    return {
        f"{look.source}/{name}": _task(look, name, pace) for look in looks for name, pace in look.paces.tasks().items()
    }


def queue(look: Look, name: str) -> Queue | None:
    """The row of this one alone; None where it is not in the view."""
    paces = look.paces.queues()
    return next((_queue(look, one, paces) for one in look.view.queues if one.queue == name), None)


def worker(look: Look, hostname: str) -> Worker | None:
    """See queue."""
    paces = look.paces.workers()
    return next((_worker(look, one, paces) for one in look.view.workers if one.gossip.hostname == hostname), None)


def task(look: Look, name: str) -> Task | None:
    """See queue."""
    pace = look.paces.tasks().get(name)
    return None if pace is None else _task(look, name, pace)


def checks_of(look: Look, *, queue: str | None = None, hostname: str | None = None) -> dict[str, Check]:
    """Of one of both, by the other."""
    return {
        gossip.hostname if hostname is None else check.queue: _check(look, worker, gossip, check)
        for worker, gossip, check in _checks(look, queue, hostname)
    }


def runs_of(look: Look, *, queue: str | None = None, hostname: str | None = None) -> dict[str, Run]:
    """By id, at most MOST_RUNS, those that have run for longest."""
    found = [
        (look.runs[task_id].seen_at, task_id, gossip.hostname, check.queue)
        for worker, gossip, check in _checks(look, queue, hostname)
        if not worker.is_gone
        for task_id in check.active
        if task_id in look.runs
    ]
    return {
        task_id: Run(
            source=look.source,
            id=task_id,
            hostname=host,
            queue=name,
            seen_since=look.unix(seen_at),
            is_older=look.runs[task_id].is_older,
        )
        for seen_at, task_id, host, name in sorted(found)[:MOST_RUNS]
    }


def steps(look: Look, series: Iterable[Throughput], size: float) -> dict[str, Step]:
    """By size and start."""
    made = [step(one, size, look.unix(one.since)) for one in series]
    return {f"{size:.0f}/{one.start:.1f}": one for one in made}


def _queue(look: Look, one: QueueView, paces: Figures) -> Queue:
    return Queue(
        source=look.source,
        name=one.queue,
        paused=one.paused,
        workers=one.workers,
        states=dict(one.states),
        active=one.active,
        reserved=one.reserved,
        scheduled=one.scheduled,
        slots=one.slots,
        free_slots=one.free_slots,
        backlog=one.backlog,
        load=round(one.load, 2),
        **fared(paces.get(one.queue, _NOTHING)),
        spark=look.sparks.get(one.queue, ()),
    )


def _worker(look: Look, one: WorkerView, paces: Figures) -> Worker:
    gossip, life = one.gossip, look.lives.get(one.gossip.hostname)
    pace = paces.get(gossip.hostname, _NOTHING)
    booted_at = life.booted_at if life else None
    is_silent = one.age > _NOBODY_HEARS * gossip.interval + _SPARE
    return Worker(
        source=look.source,
        hostname=gossip.hostname,
        state=one.state,
        state_since=look.unix(one.state_since),
        reason=_REASONS.get(one.state, ""),
        silent_since=look.unix(one.heard_at) if is_silent else None,
        interval=gossip.interval,
        pool=gossip.pool,
        concurrency=sum(each.concurrency for each in one.gossips),
        active=sum(each.active for each in one.gossips),
        reserved=sum(each.reserved for each in one.gossips),
        scheduled=sum(each.scheduled for each in one.gossips),
        processed=gossip.processed,
        loop_lag=round(gossip.loop_lag, 2),
        stalled_for=round(gossip.stalled_for, 1),
        queues=tuple(check.queue for check in gossip.checks),
        paused=tuple(check.queue for check in gossip.checks if check.paused),
        per_second=per_second(pace),
        failure_rate=share(pace.failure_rate),
        boot=gossip.boot,
        booted_at=None if booted_at is None else look.unix(booted_at),
        restarts=life.restarts if life else 0,
        is_verified=one.is_verified,
    )


def _task(look: Look, name: str, pace: Throughput) -> Task:
    return Task(
        source=look.source,
        name=name,
        received=pace.received,
        succeeded=pace.succeeded,
        failed=pace.failed,
        retried=pace.retried,
        revoked=pace.revoked,
        rejected=pace.rejected,
        failures=dict(pace.failures),
        **fared(pace),
    )


def _checks(look: Look, queue: str | None, hostname: str | None) -> Iterator[tuple[WorkerView, Gossip, QueueCheck]]:
    """Those of this queue or of this worker; None: of any."""
    for worker in look.view.workers:
        if hostname in (None, worker.gossip.hostname):
            for gossip in worker.gossips:
                for check in gossip.checks:
                    if queue in (None, check.queue):
                        yield worker, gossip, check


def _check(look: Look, worker: WorkerView, gossip: Gossip, check: QueueCheck) -> Check:
    return Check(
        source=look.source,
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
