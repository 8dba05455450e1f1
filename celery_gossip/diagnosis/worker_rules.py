"""Rules about workers: stalled, lost, or with the same hostname as another. Pure. Called through rules.py."""

import math
import sys
from collections.abc import Iterator

from celery_gossip.cluster.task_view import tasks_of
from celery_gossip.cluster.view import WorkerView
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput
from celery_gossip.diagnosis.task_rules import describe_task
from celery_gossip.diagnosis.verdict import NO_CAUSE
from celery_gossip.units import join_names
from celery_gossip.wire.messages import Gossip

__all__ = ["duplicate_hostname", "lost_with_tasks", "stalled", "worker_lost"]

_STALLED_FOR = 5.0  #: seconds, and intervals, without a tick of the event loop
_MAX_LISTED = 10  #: task ids, or hostnames, in one text
_LOST_FOR = 300.0  #: seconds for which the loss of an idle worker is reported
_MIN_LOSSES = 3  #: instances of one hostname that were lost within ten minutes, each replaced by another
_MAX_FRAMES = 4  #: of a stack in one text
_LIBRARIES = frozenset({"amqp", "billiard", "celery", "celery_gossip", "click", "kombu", "redis", "vine"})
_MAX_LOST = 3  #: lost workers with a finding each; more share one, as when a whole deployment is killed
_REDELIVERY = "Tasks with acks_late return to the queue; the others have to be sent again."
_MORE_TIME = "A warm shutdown (SIGTERM) lets tasks finish: allow more time before the worker is stopped."
_CHECK_HOST = (
    "Check the host: the worker was killed (out of memory, `kill -9`), or the network is down. A worker that is "
    "stopped with SIGTERM, and has time to shut down, is not reported."
)


def stalled(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report workers whose event loop does not tick, except for a solo worker that runs a task."""
    for worker in inputs.view.workers:
        gossip = worker.gossip
        if worker.state != "stalled" or gossip.stalled_for < _STALLED_FOR * max(1.0, gossip.interval):
            continue
        if gossip.pool == "solo" and gossip.active:  # a solo pool runs its tasks on the event loop
            continue
        text = (
            f"{gossip.hostname} reports, but its event loop has been blocked for {gossip.stalled_for:.0f} s: it "
            f"receives no tasks and no remote control commands. {_blocking_call(gossip.stack)} "
            f"{_running_tasks(gossip)}"
        )
        yield PendingFinding("stalled", CRITICAL, gossip.hostname, text.rstrip())


def lost_with_tasks(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report tasks that were running when their worker was lost, shut down cold or replaced."""
    for worker in inputs.view.workers:
        hostname = worker.gossip.hostname
        if worker.is_gone and worker.gossip.active:
            ended, rest = worker.gossip, ""
        elif worker.replaced is not None:
            ended, rest = worker.replaced, " It has been restarted since."
        else:
            continue
        cause = _MORE_TIME if ended.state == "offline" else inputs.losses.explain(ended)
        text = f"{_end_of(hostname, ended)}{rest} {_running_tasks(ended)} {_REDELIVERY} {cause}"
        yield PendingFinding("lost_with_tasks", WARNING if rest else CRITICAL, hostname, text)


def worker_lost(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report idle workers that were lost in the last minutes, or that are lost and started again and again.

    lost_with_tasks reports those that ran tasks.
    """
    yield from _restarts(inputs)
    lost = [worker.gossip for worker in inputs.view.workers if _is_lost_idle(worker, inputs.view.taken_at)]
    if len(lost) > _MAX_LOST:
        hostnames = join_names([gossip.hostname for gossip in lost], _MAX_LISTED)
        text = f"{len(lost)} workers stopped reporting without shutting down: {hostnames}."
        yield PendingFinding("worker_lost", WARNING, "listener", f"{text} {_cause(inputs.losses.explain_all(lost))}")
        return
    for gossip in lost:
        text = f"{_end_of(gossip.hostname, gossip)} It ran no task{_held_tasks(gossip)}."
        cause = _cause(inputs.losses.explain(gossip))
        yield PendingFinding("worker_lost", WARNING, gossip.hostname, f"{text} {cause}")


def duplicate_hostname(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report hostnames that several running workers have."""
    for worker in inputs.view.workers:
        rivals = [gossip for gossip in worker.rivals if gossip.state == "online"]
        if rivals and not worker.is_gone:
            hostname = worker.gossip.hostname
            text = (
                f"{1 + len(rivals)} running workers have the hostname {hostname}. Remote control reaches all of them, "
                "and which one answers is undefined. Give each a unique name: `celery worker -n NAME@%h`."
            )
            # Messages may be delayed, so only the Cluster decides that it is a conflict; until then it stays pending.
            for_seconds = 0.0 if worker.state == "conflict" else math.inf
            yield PendingFinding("duplicate_hostname", WARNING, hostname, text, for_seconds=for_seconds)


def _blocking_call(stack: tuple[str, ...]) -> str:
    """Return sentences on the call that blocks the event loop, and on the first caller outside of libraries."""
    if not stack:
        return (
            "Something blocks its main process, such as a signal receiver, a DNS lookup or a broker that does not "
            "answer. Find it with `py-spy dump`, or restart the worker."
        )
    calls = ", called by ".join(stack[:_MAX_FRAMES])
    own = next((frame for frame in stack if not _is_library(frame)), None)
    caller = f" The first call outside of libraries is {own}." if own is not None and own not in stack[:1] else ""
    return f"Its main process is in {calls}.{caller} Give this call a time-out, or move it into a task."


def _is_library(frame: str) -> bool:
    package = frame.partition(":")[0].partition(".")[0]
    return package in _LIBRARIES or package in sys.stdlib_module_names


def _is_lost_idle(worker: WorkerView, now: float) -> bool:
    return worker.state == "lost" and not worker.gossip.active and now - worker.state_since <= _LOST_FOR


def _restarts(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Yield workers of which several instances were lost, and replaced before or soon after that was noticed."""
    for worker in inputs.view.workers:
        count, hostname = len(worker.earlier_losses), worker.gossip.hostname
        if count >= _MIN_LOSSES and not worker.is_gone:
            text = (
                f"{hostname} has ended {count} times within ten minutes without shutting down, and was started again "
                "each time. Search its log, and that of its supervisor or container, for how it ends: an exit code, a "
                "signal, or memory (`OOMKilled`)."
            )
            yield PendingFinding("worker_lost", WARNING, hostname, text, suppressed_by=("lost_with_tasks",))


def _cause(verdict: str) -> str:
    return f"{verdict} {_CHECK_HOST}" if verdict == NO_CAUSE else verdict


def _end_of(hostname: str, last: Gossip) -> str:
    if last.state == "offline":
        return f"{hostname} was shut down cold, before its tasks finished."
    if last.state == "draining":
        return f"{hostname} stopped reporting before its shutdown had ended."
    return f"{hostname} stopped reporting without shutting down."


def _held_tasks(gossip: Gossip) -> str:
    """Return the tasks that an idle worker held, which the broker delivers again."""
    counts = ((gossip.reserved, "reserved"), (gossip.scheduled, "scheduled"), (gossip.limited, "rate-limited"))
    held = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f" (tasks that return to the queue: {held})" if held else ""


def _running_tasks(gossip: Gossip) -> str:
    if not gossip.active:
        return ""
    tasks = sorted(tasks_of(gossip), key=lambda task: -(task.age or 0.0))
    listed = join_names([describe_task(task) for task in tasks[:_MAX_LISTED]], _MAX_LISTED, total=gossip.active)
    return f"1 task was running: {listed}." if gossip.active == 1 else f"{gossip.active} tasks were running: {listed}."
