"""Rules about single running tasks: pinned slots, long runs, time limits, duplicates, poison. Pure.

Called through rules.py. Workers list their running tasks with an age, the longest running first, up to a limit; tasks
of workers of an older release have no age and are not judged.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations

from celery_gossip.cluster.task_view import TaskView, tasks_of
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, QueueConsumer, RuleInput, TaskRun
from celery_gossip.diagnosis.software_rules import visibility_timeout
from celery_gossip.units import format_duration, join_names
from celery_gossip.wire.messages import Gossip

__all__ = [
    "describe_task",
    "limit_not_enforced",
    "poison",
    "pool_dead",
    "runs_twice",
    "slots_pinned",
    "task_runs_long",
]

MIN_RUNS = 20  #: runs of a task name for which its 99th percentile is meaningful
_PINNED_FOR = 60.0  #: seconds without a start of a task, with every slot taken
_LIMIT_GRACE = 10.0  #: seconds beyond a hard time limit; billiard checks it once per second, and then kills
_SOFT_GRACE = 60.0  #: seconds beyond a soft limit, in which the task may clean up
_MIN_OVERLAP = 2.0  #: seconds for which two instances must have run the same task
_DEAD_FOR = 15.0  #: seconds without a start of a task although tasks are reserved and no slot is taken
_STARTING_FOR = 60.0  #: the same while the pool may still start its processes, which may load models or connect
_MAX_LISTED = 3  #: tasks in one text


def slots_pinned(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues with waiting tasks where tasks that run unusually long occupy every slot of every worker."""
    for queue in inputs.view.queues if inputs.long_runs else ():
        waiting = queue.reserved + (queue.backlog or 0)
        consumers = [one for one in inputs.consumers.get(queue.queue, []) if one.can_receive]
        runs = _pinning_runs(consumers, inputs) if waiting and consumers else []
        if not runs:
            continue
        text = (
            f"All slots of the workers that serve queue {queue.queue!r} are taken by tasks that run unusually long, "
            f"nothing starts, and {waiting} {'task waits' if waiting == 1 else 'tasks wait'}: {_listed(runs)}. Find "
            "out what they wait for (a lock, a remote service without a time-out), end them with `celery control "
            "terminate SIGKILL ID`, and give these tasks a time limit."
        )
        is_known = all(_usual_runtime(run, inputs) is not None for run in runs)
        key = tuple(sorted((one.gossip.boot, one.gossip.processed) for one in consumers))
        severity = CRITICAL if is_known else WARNING
        yield PendingFinding("slots_pinned", severity, queue.queue, text, for_seconds=_PINNED_FOR, reset_key=key)


def task_runs_long(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report workers with tasks that run for three times the 99th percentile of their name, and for a minute."""
    for runs in inputs.long_runs.values():
        long = [run for run in runs if _is_long(run, inputs)]
        if not long:
            continue
        first = long[0].task
        usual = inputs.usual_runtimes[first.name].p99
        more = "" if len(long) == 1 else f" So do {len(long) - 1} more: {_listed(long[1:])}."
        text = (
            f"{describe_task(first)} on {first.hostname} runs for much longer than usual: 99% of the tasks "
            f"of this name end within {format_duration(usual)}.{more} Check what it waits for; a time limit "
            "(`time_limit`, `soft_time_limit`) ends such tasks."
        )
        yield PendingFinding("task_runs_long", WARNING, first.hostname, text)


def limit_not_enforced(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report workers with tasks that run for longer than their time limit."""
    for runs in inputs.long_runs.values():
        beyond = [run for run in runs if _exceeds_limit(run)]
        if not beyond:
            continue
        first, pool = beyond[0].task, beyond[0].gossip.pool
        kind, limit = "soft time limit", first.soft_time_limit
        if first.time_limit is not None:
            kind, limit = "time limit", first.time_limit
        more = "" if len(beyond) == 1 else f" So do {len(beyond) - 1} more of its tasks."
        if pool == "prefork":
            cause = "The task catches the exception of the soft limit, or its process cannot be killed."
        else:
            cause = f"The pool {pool} does not end a task that does not yield; only prefork enforces every limit."
        text = (
            f"{describe_task(first)} on {first.hostname} runs beyond its {kind} of {format_duration(limit)}.{more} "
            f"{cause} Use the prefork pool for tasks with limits, or time-outs inside the task."
        )
        yield PendingFinding("limit_not_enforced", WARNING, first.hostname, text)


def pool_dead(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report workers that hold reserved tasks, run none, and start none."""
    for worker in inputs.view.workers:
        gossip = worker.gossip
        if worker.state != "online" or gossip.active or gossip.limited or gossip.batched or not gossip.reserved:
            continue
        text = (
            f"{gossip.hostname} holds {gossip.reserved} reserved {'task' if gossip.reserved == 1 else 'tasks'} but "
            f"starts none, although it runs no task: its {gossip.pool} pool does not work"
            f"{'' if gossip.concurrency else ', because none of its processes is ready'}. Check that its processes can "
            "start (memory, an error at import, a stopped process), and restart this worker; the tasks return to the "
            "queue."
        )
        may_be_starting = not gossip.processed or not gossip.concurrency
        yield PendingFinding(
            "pool_dead",
            CRITICAL,
            gossip.hostname,
            text,
            for_seconds=_STARTING_FOR if may_be_starting else _DEAD_FOR,
            reset_key=(gossip.boot, gossip.processed),
        )


def runs_twice(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues of which a task runs on two instances at the same time."""
    by_queue: dict[str, list[tuple[TaskRun, TaskRun]]] = defaultdict(list)
    for runs in inputs.repeated_runs:
        pairs = combinations(sorted(runs, key=lambda run: run.started_at), 2)
        pair = next((pair for pair in pairs if _overlap(*pair) > _MIN_OVERLAP), None)
        if pair is not None:
            by_queue[pair[1].task.queue].append(pair)
    for queue, found in by_queue.items():
        one, other = (run.task for run in found[0])
        more = f" So do {len(found) - 1} more tasks of this queue." if len(found) > 1 else ""
        timeout = visibility_timeout(consumer.worker for consumer in inputs.consumers.get(queue, []))
        after = "one hour by default" if timeout is None else f"here {format_duration(timeout)}"
        text = (
            f"The same task runs twice at the same time: {describe_task(one)} on {one.hostname}, and for "
            f"{format_duration(other.age)} on {other.hostname}.{more} Its message was delivered again while it ran (on "
            f"Redis, after visibility_timeout, {after}; after a lost connection with acks_late), or it was "
            "sent twice with one id. Set a visibility_timeout that is longer than any task and its ETA, and make the "
            "task idempotent."
        )
        yield PendingFinding("runs_twice", WARNING, queue, text)


def poison(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report tasks that were running on two workers when these were lost."""
    ends: dict[str, dict[tuple[str, str], tuple[Gossip, TaskView]]] = defaultdict(dict)
    for gossip in _lost_reports(inputs):
        for task in tasks_of(gossip):
            ends[task.id][gossip.hostname, gossip.boot] = (gossip, task)
    for task_id, by_instance in ends.items():
        if len(by_instance) < 2:
            continue
        hostnames = sorted({gossip.hostname for gossip, _ in by_instance.values()})
        task = next(iter(by_instance.values()))[1]
        name = f"{task.name} ({task_id})" if task.name else task_id
        text = (
            f"The task {name} was running when {len(by_instance)} instances of workers were lost "
            f"({join_names(hostnames, _MAX_LISTED)}): it may be what kills them, and its message is delivered again, "
            f"because of acks_late. Revoke it (`celery control revoke {task_id}`), and check how much memory it needs."
        )
        yield PendingFinding("poison", CRITICAL, task.queue, text)


def describe_task(task: TaskView) -> str:
    """Return name, id and age of a task, as in `shop.pack (0a1b…, running for 83s)`."""
    if not task.name:
        return task.id
    age = "" if task.age is None else f", running for {format_duration(task.age)}"
    return f"{task.name} ({task.id}{age})"


def _pinning_runs(consumers: list[QueueConsumer], inputs: RuleInput) -> list[TaskRun]:
    """Return the tasks in all slots of these consumers, if all of them seem to be stuck; else none."""
    pinning: list[TaskRun] = []
    for one in consumers:
        gossip, is_suspect = one.gossip, one.worker.state == "suspect"
        runs = [run for run in inputs.long_runs.get((gossip.hostname, gossip.boot), ()) if _is_stuck(run, inputs)]
        if is_suspect or not gossip.concurrency or len(runs) < max(gossip.active, gossip.concurrency):
            return []
        pinning += runs
    return sorted(pinning, key=lambda run: -run.age)


def _usual_runtime(run: TaskRun, inputs: RuleInput) -> float | None:
    """Return the 99th percentile of the runtime of this task's name; None if too few have run."""
    usual = inputs.usual_runtimes.get(run.task.name)
    return usual.p99 if usual is not None and usual.count >= MIN_RUNS else None


def _is_long(run: TaskRun, inputs: RuleInput) -> bool:
    usual, limits = _usual_runtime(run, inputs), inputs.settings.of(run.task.queue).thresholds
    return usual is not None and run.age > max(limits.long_seconds, limits.long_factor * usual)


def _is_stuck(run: TaskRun, inputs: RuleInput) -> bool:
    """Return True for a long run; if its usual runtime is unknown, for one of several minutes."""
    is_known = _usual_runtime(run, inputs) is not None
    return _is_long(run, inputs) if is_known else run.age > inputs.settings.of(run.task.queue).thresholds.stuck_seconds


def _exceeds_limit(run: TaskRun) -> bool:
    limit, soft_limit = run.task.time_limit, run.task.soft_time_limit
    if limit is not None:
        return run.age > limit + _LIMIT_GRACE
    return soft_limit is not None and run.age > soft_limit + _SOFT_GRACE


def _overlap(one: TaskRun, other: TaskRun) -> float:
    """Return the seconds for which both instances certainly ran the task."""
    return min(one.seen_at, other.seen_at) - max(one.started_at, other.started_at)


def _lost_reports(inputs: RuleInput) -> Iterator[Gossip]:
    """Yield the last reports of workers that were lost, and of those that another instance has replaced."""
    for worker in inputs.view.workers:
        if worker.state == "lost":
            yield worker.gossip
        if worker.replaced is not None and worker.replaced.state != "offline":
            yield worker.replaced
        yield from worker.earlier_losses


def _listed(runs: Iterable[TaskRun]) -> str:
    return join_names([describe_task(run.task) for run in runs], _MAX_LISTED)
