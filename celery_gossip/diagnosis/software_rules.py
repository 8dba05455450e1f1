"""Rules about what workers run: unknown tasks, several releases, and messages held beyond the visibility timeout. Pure.

Called through rules.py. What a worker does not report (an older version, no release) is unknown and no finding.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from celery_gossip.cluster.release_outcomes import ReleaseOutcome
from celery_gossip.cluster.unknown_tasks import UnknownTask
from celery_gossip.cluster.view import WorkerView
from celery_gossip.diagnosis.inputs import WARNING, PendingFinding, RuleInput
from celery_gossip.units import format_duration, join_names
from celery_gossip.wire.messages import OTHER, HeldMessage, Software

__all__ = ["mixed_releases", "release_fails", "unregistered_task", "visibility_timeout", "will_be_redelivered"]

_MIXED_FOR = 900.0  #: seconds; longer than a rolling deployment usually takes
_MAX_CHANCE = 1e-5  #: of so many failures if the releases do not differ: 130 periods of a day are compared per queue
_MIN_MINUTES = 3  #: with more failures than under other releases: failures may come in bursts
_FAILS_FOR = 10.0  #: seconds
_MAX_MIXED = 3  #: queues with workers of different releases that have a finding each
_MAX_LISTED = 3  #: tasks, releases or hostnames in one text


def unregistered_task(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues with messages of tasks that the workers which receive them have not registered."""
    by_queue: dict[str, list[UnknownTask]] = defaultdict(list)
    for one in inputs.unknown_tasks:
        by_queue[one.queue].append(one)
    for queue, tasks in by_queue.items():
        tasks.sort(key=lambda one: (one.task == OTHER, -one.count, one.task))
        hostnames = sorted({name for one in tasks for name in one.hostnames})
        names = join_names([_task_text(one) for one in tasks], _MAX_LISTED)
        period = format_duration(max(inputs.view.taken_at - min(one.since for one in tasks), 1.0))
        receivers = join_names(hostnames, _MAX_LISTED)
        text = (
            f"In the last {period} {receivers} received messages of {_queue(queue)} with tasks that are not registered "
            f"there: {names}. Celery discards such messages, so these tasks are lost."
            f"{_who_knows(queue, tasks, inputs)} Deploy the code that defines the task to all workers of the queue, "
            "check `imports`, `include` and autodiscovery, or correct the name or the route that senders use."
        )
        yield PendingFinding("unregistered_task", WARNING, queue or "listener", text)


def mixed_releases(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues whose workers run different releases, or have registered different tasks, for a long time.

    If that concerns many queues, one finding names them together.
    """
    mixed: dict[str, list[WorkerView]] = {}
    running = [worker for worker in inputs.view.workers if not worker.is_gone]
    if len(_releases(running)) <= 1 and len(_registries(running)) <= 1:
        return
    for queue, consumers in inputs.consumers.items():
        known = [one.worker for one in consumers if one.can_receive and one.worker.software is not None]
        is_mixed = any(len(groups) > 1 for groups in (_releases(known), _registries(known)))
        if is_mixed and "mixed_releases" not in inputs.settings.of(queue).mute:
            mixed[queue] = known
    if len(mixed) > _MAX_MIXED:
        names = join_names([repr(queue) for queue in sorted(mixed)], _MAX_LISTED)
        workers = {worker.hostname: worker for known in mixed.values() for worker in known}
        yield _mixed("listener", f"{len(mixed)} queues ({names})", list(workers.values()))
    else:
        yield from (_mixed(queue, _queue(queue), known) for queue, known in mixed.items())


def release_fails(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues whose tasks fail more often under one release than under others at the same time."""
    for queue, outcomes in inputs.release_outcomes.items():
        limits = inputs.settings.of(queue or "listener").thresholds
        worst = next((one for one in outcomes if _is_worse(one, limits.release_tasks, limits.release_by)), None)
        if worst is None:
            continue
        running = sorted(
            {one.worker.hostname for one in inputs.consumers.get(queue, []) if one.worker.release == worst.release}
        )
        workers = f" It runs on {join_names(running, _MAX_LISTED)}." if running else ""
        most = f" Most of its failures are of the task {worst.task!r}." if worst.task else ""
        text = (
            f"Under release {worst.release!r}, {worst.rate:.0%} of the tasks of {_queue(queue)} failed ({worst.failed} "
            f"of {worst.ended}), compared with {worst.other_rate:.0%} ({worst.other_failed} of {worst.other_ended}) "
            f"under other releases in the same minutes.{most}{workers} Roll this release back, or search its workers' "
            "logs for the exception; if it runs on one host only, check that host, too."
        )
        yield PendingFinding(
            "release_fails", WARNING, queue or "listener", text, for_seconds=_FAILS_FOR, reset_key=worst.release
        )


def will_be_redelivered(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues with messages that are held for about as long as the visibility timeout of their broker."""
    for queue, found in _held_by_queue(inputs).items():
        workers = [*(one.worker for one in inputs.consumers.get(queue, [])), *(one.worker for one in found)]
        timeout = visibility_timeout(workers)
        share = inputs.settings.of(queue or "listener").thresholds.redelivery_share
        late = [one for one in found if timeout and one.seconds >= share * timeout]
        if not late:
            continue
        first = max(late, key=lambda one: one.seconds)
        more = f" At least {_counted(len(late) - 1, 'more message')} of this queue, too." if len(late) > 1 else ""
        text = (
            f"{_held_text(first)}. The visibility timeout of the broker is {format_duration(timeout)}: a message that "
            f"is not acknowledged by then is delivered again, and its task runs twice.{more} Set `visibility_timeout` "
            "in broker_transport_options to more than the longest task and the longest ETA, on all workers."
            f"{_HELD_FIXES[first.held.state]}"
        )
        yield PendingFinding("will_be_redelivered", WARNING, queue or "listener", text)


def visibility_timeout(workers: Iterable[WorkerView]) -> float | None:
    """Return the shortest visibility timeout that these workers report; None if none does.

    On Redis each worker returns the messages of all others that are older than its own timeout.
    """
    timeouts = [one.software.settings.visibility_timeout for one in workers if one.software is not None]
    return min((timeout for timeout in timeouts if timeout), default=None)


_HELD_FIXES = {
    "running": " Make the task idempotent, or split it.",
    "reserved": " Set worker_prefetch_multiplier to 1, so that tasks do not wait behind long ones.",
    "scheduled": " Do not use an ETA for tasks that are due much later: keep them in a database or a schedule of beat.",
}


@dataclass(frozen=True)
class _Held:
    """A message that a worker holds."""

    worker: WorkerView
    held: HeldMessage

    @property
    def seconds(self) -> float:
        """Seconds for which it is held at least."""
        return self.held.age + self.held.remaining


def _held_by_queue(inputs: RuleInput) -> dict[str, list[_Held]]:
    """Return the messages that live workers hold for long; not of queues of which each worker has a copy."""
    by_queue: dict[str, list[_Held]] = defaultdict(list)
    for worker in inputs.view.workers:
        if worker.is_gone or worker.state == "suspect":
            continue
        for gossip in worker.gossips:
            private = {check.queue for check in gossip.checks if check.broadcast} if gossip.held else ()
            for held in gossip.held:
                if held.queue not in private:
                    by_queue[held.queue].append(_Held(worker, held))
    return by_queue


def _held_text(one: _Held) -> str:
    held, hostname = one.held, one.worker.hostname
    name, age = f"{held.task} ({held.id})" if held.task else held.id, format_duration(held.age)
    if held.state == "running":
        return f"{name} runs on {hostname}, and its message, received {age} ago, is not acknowledged (acks_late)"
    if held.state == "reserved":
        return f"{name} has waited for a slot on {hostname} for {age}"
    return f"{hostname} has held {name} for {age}, and will hold it for {format_duration(held.remaining)} until its ETA"


def _is_worse(outcome: ReleaseOutcome, min_tasks: float, difference: float) -> bool:
    has_enough = outcome.ended >= min_tasks and outcome.other_ended >= min_tasks
    is_significant = outcome.chance <= _MAX_CHANCE and outcome.minutes >= _MIN_MINUTES
    return has_enough and is_significant and outcome.rate - outcome.other_rate >= difference


def _mixed(subject: str, queues: str, workers: list[WorkerView]) -> PendingFinding:
    releases, registries = _releases(workers), _registries(workers)
    if len(releases) > 1:
        text = (
            f"The workers of {queues} run different releases: {_groups(releases)}. Whether a task behaves as before or "
            "as intended depends on the worker that receives it. Finish the deployment, or restart the workers that "
            "were left out."
        )
    else:
        counts = sorted({worker.software.tasks for worker in workers if worker.software and worker.software.registry})
        text = (
            f"The workers of {queues} have registered different tasks, although no difference of their releases is "
            f"known: {_groups(registries, 'tasks ')}; {join_names([str(one) for one in counts], _MAX_LISTED)} in "
            "number. A task that only some of them know is lost if another one receives it. Deploy the same code to "
            "all of them, or check imports that depend on the host."
        )
    key = frozenset(releases if len(releases) > 1 else registries)
    return PendingFinding("mixed_releases", WARNING, subject, text, for_seconds=_MIXED_FOR, reset_key=key)


def _releases(workers: Iterable[WorkerView]) -> Mapping[str, list[str]]:
    return _hostnames_by(workers, lambda software: software.release)


def _registries(workers: Iterable[WorkerView]) -> Mapping[str, list[str]]:
    return _hostnames_by(workers, lambda software: software.registry)


def _hostnames_by(workers: Iterable[WorkerView], read: Callable[[Software], str]) -> Mapping[str, list[str]]:
    """Return `{value: hostnames}` of a value of their software that is not empty."""
    groups: dict[str, list[str]] = defaultdict(list)
    for worker in workers:
        value = "" if worker.software is None else read(worker.software)
        if value:
            groups[value].append(worker.hostname)
    return groups


def _groups(groups: Mapping[str, list[str]], prefix: str = "") -> str:
    """Return the groups with their workers, the largest first."""
    ordered = sorted(groups.items(), key=lambda one: (-len(one[1]), one[0]))
    texts = [f"{prefix}{name} on {_workers_text(hostnames)}" for name, hostnames in ordered]
    return join_names(texts, _MAX_LISTED)


def _workers_text(hostnames: list[str]) -> str:
    names = join_names(sorted(set(hostnames)), 2)
    return names if len(hostnames) <= 2 else f"{len(hostnames)} workers ({names})"


def _who_knows(queue: str, tasks: list[UnknownTask], inputs: RuleInput) -> str:
    """Return a sentence on the other workers of the queue, as far as it is known whether they know the tasks."""
    workers = [one.worker for one in inputs.consumers.get(queue, [])]
    receivers = {name for one in tasks for name in one.hostnames}
    serving = {worker.hostname for worker in workers} - receivers
    knowing = sorted({name for one in tasks if one.task != OTHER for name in one.known_by} & serving)
    if knowing:
        names = join_names(knowing, _MAX_LISTED)
        return f" Other workers of this queue have run such tasks ({names}), so the workers run different code."
    registries = [worker.software.registry for worker in workers if worker.software is not None]
    if len(registries) < len(workers) or not all(registries) or not serving:
        return ""
    if len(set(registries)) > 1:
        return " The workers of this queue have registered different tasks, so they run different code."
    return " All workers of this queue have registered the same tasks, so none of them knows it."


def _task_text(one: UnknownTask) -> str:
    return f"others ({one.count})" if one.task == OTHER else f"{one.task!r} ({one.count})"


def _queue(name: str) -> str:
    return f"queue {name!r}" if name else "unknown queues"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
