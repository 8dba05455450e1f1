"""Rules about the throughput of a queue over time: failures and waiting times. Pure. Called through rules.py.

A fleet at its limit is not a finding: its tasks wait because every slot is busy.
"""

from collections import Counter
from collections.abc import Iterator

from celery_gossip.cluster.throughput import Throughput, ThroughputWindows
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput
from celery_gossip.diagnosis.rule_settings import Thresholds
from celery_gossip.units import join_names

__all__ = ["failing", "failures_rise", "wait_grows"]

_MIN_ALL_FAILED = 5  #: finished tasks if none succeeded: one every two minutes, in eleven minutes
_MIN_RECENT_FEW = 3  #: finished tasks of the last minute for which eleven minutes count although some succeeded
_FAILING_FOR = 5.0  #: seconds; the input is already a sum over a minute or more
_MIN_RETRIED = 20  #: attempts that ended in a retry, if no task of the queue finished
_RETRIED_FOR = 660.0  #: seconds of listening before retries are judged: tasks that poll may retry for minutes
_MIN_RECENT, _MIN_PREVIOUS = 20, 50  #: tasks that succeeded or failed, for which two rates can be compared
_RATE_FOR = 10.0  #: seconds
_MIN_WAITS = 5  #: tasks started in the last 15 seconds
_COMPARED_AFTER = 660.0  #: seconds of listening from which it is known that no task was started before
_WAIT_FOR = 20.0  #: seconds; longer than the 15 s window, so tasks that waited while all slots were busy have left it
_MAX_TASKS = 3  #: task names in one text
_UNREGISTERED = "NotRegistered"  #: exception of tasks whose name the worker does not know


def failing(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues of which half of the tasks fail, or none succeeds, whatever the previous failure rate was.

    The last minute decides. If too few tasks finished in it, the last eleven minutes do, but not for a queue that has
    recovered. A task that raises Reject did not succeed either. Retries are not failures, but a queue of which all
    attempts end in a retry is reported as well.
    """
    for queue, windows in inputs.throughput.items():
        limits = inputs.settings.of(queue).thresholds
        found = [_failing_in(queue, windows.last_minute, "minute", windows, limits)]
        if _ended(windows.last_minute) < limits.failing_tasks:
            found.append(_failing_slowly(queue, windows, limits))
        if inputs.listening_for >= _RETRIED_FOR:
            found.append(_only_retried(queue, _eleven_minutes(windows)))
        pending = [one for one in found if one is not None]
        if pending:  # the most severe: else the severity would alternate between minutes with nine and ten tasks
            yield min(pending, key=lambda one: one.severity != CRITICAL)


def failures_rise(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues with a higher failure rate than before."""
    for queue, windows in inputs.throughput.items():
        recent, previous = windows.last_minute, windows.previous_ten_minutes
        if recent.succeeded + recent.failed < _MIN_RECENT or previous.succeeded + previous.failed < _MIN_PREVIOUS:
            continue
        rate, previous_rate = recent.failure_rate or 0.0, previous.failure_rate or 0.0
        limits = inputs.settings.of(queue).thresholds
        if rate < max(limits.rise_factor * previous_rate, previous_rate + limits.rise_by):
            continue
        exception, count = max(recent.failures.items(), key=lambda one: one[1], default=("", 0))
        text = (
            f"{rate:.0%} of the tasks of {_queue(queue)} failed in the last minute ({recent.failed} of "
            f"{recent.succeeded + recent.failed}, {count} of them with {exception}), compared with "
            f"{previous_rate:.0%} in the ten minutes before.{_failing_tasks(windows)} Check recent deployments and "
            "outages, and the workers' logs."
        )
        yield PendingFinding(
            "failures_rise", WARNING, queue or "listener", text, for_seconds=_RATE_FOR, suppressed_by=("failing",)
        )


def wait_grows(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues whose tasks wait longer than before although slots are free."""
    for queue in inputs.view.queues:
        windows = inputs.throughput.get(queue.queue)
        if windows is None or not _waits_longer(windows, inputs.settings.of(queue.queue).thresholds):
            continue
        before = windows.previous_ten_minutes.wait
        if not before.count and inputs.listening_for < _COMPARED_AFTER:
            continue
        consumers = inputs.consumers.get(queue.queue, [])
        # Includes workers that are stalled for a moment: without their slots the time would start again.
        # Not the slots of a worker that consumes nothing: no task of this queue can start there.
        free = sum(
            max(0, one.gossip.concurrency - one.gossip.active)
            for one in consumers
            if one.can_receive and not (queue.backlog and one.is_idle)
        )
        if not free:
            continue
        text = (
            f"Tasks of queue {queue.queue!r} that started in the last 15 s had waited for "
            f"{windows.last_15_seconds.wait.p50:.0f} s (median){_compared(before.p50)}, although {free} slots are "
            "free. Check for a rate limit, for tasks reserved behind a long one (worker_prefetch_multiplier), and for "
            "clocks that differ between hosts."
        )
        yield PendingFinding("wait_grows", WARNING, queue.queue, text, for_seconds=_WAIT_FOR)


def _failing_in(
    queue: str, counts: Throughput, period: str, windows: ThroughputWindows, limits: Thresholds
) -> PendingFinding | None:
    ended, unsuccessful, has_success = _ended(counts), _unsuccessful(counts), counts.succeeded > 0
    least = limits.failing_tasks if has_success else min(limits.failing_tasks, _MIN_ALL_FAILED)
    if ended < least or unsuccessful < limits.failing_rate * ended:
        return None
    outcome = "failed or were rejected" if counts.rejected else "failed"
    details = [f"{count} with {exception}" for exception, count in Counter(counts.failures).most_common(2)]
    if counts.rejected:
        details.append(f"{counts.rejected} rejected")
    text = (
        f"{unsuccessful} of the {ended} tasks of {_queue(queue)} that finished in the last {period} {outcome} "
        f"({', '.join(details)}).{_failing_tasks(windows)} Check the workers' logs for the exception, and recent "
        "deployments and outages."
    )
    is_critical = not has_success and counts.failed > 0 and ended >= limits.failing_tasks
    severity = CRITICAL if is_critical else WARNING
    return PendingFinding("failing", severity, queue or "listener", text, for_seconds=_FAILING_FOR)


def _failing_slowly(queue: str, windows: ThroughputWindows, limits: Thresholds) -> PendingFinding | None:
    """Judge eleven minutes: none succeeded, or a few tasks of the last minute failed as often as those before."""
    whole, recent = _eleven_minutes(windows), windows.last_minute
    if whole.succeeded and (_ended(recent) < _MIN_RECENT_FEW or _is_below(recent, limits)):
        return None
    return _failing_in(queue, whole, "eleven minutes", windows, limits)


def _is_below(counts: Throughput, limits: Thresholds) -> bool:
    return _unsuccessful(counts) < limits.failing_rate * _ended(counts)


def _only_retried(queue: str, counts: Throughput) -> PendingFinding | None:
    if counts.retried < _MIN_RETRIED or _ended(counts):
        return None
    text = (
        f"No task of {_queue(queue)} finished in the last eleven minutes: all {counts.retried} attempts ended in a "
        "retry. Check the workers' logs for the reason, and max_retries of these tasks."
    )
    return PendingFinding("failing", WARNING, queue or "listener", text, for_seconds=_FAILING_FOR)


def _eleven_minutes(windows: ThroughputWindows) -> Throughput:
    """Return the sum of the last minute and the ten before, without durations."""
    one, other = windows.previous_ten_minutes, windows.last_minute
    return Throughput(
        seconds=one.seconds + other.seconds,
        succeeded=one.succeeded + other.succeeded,
        failed=one.failed + other.failed,
        retried=one.retried + other.retried,
        rejected=one.rejected + other.rejected,
        failures=Counter(one.failures) + Counter(other.failures),
    )


def _queue(name: str) -> str:
    return f"queue {name!r}" if name else "unknown queues"


def _ended(counts: Throughput) -> int:
    return counts.succeeded + _unsuccessful(counts)


def _unsuccessful(counts: Throughput) -> int:
    return counts.failed + counts.rejected


def _failing_tasks(windows: ThroughputWindows) -> str:
    """Return sentences on tasks that the workers do not know, and on the task with most of the failures."""
    tasks = windows.failing_tasks
    sentences = ""
    unregistered = [task for task, failures in tasks.items() if _UNREGISTERED in failures]
    if unregistered:
        names = join_names([repr(task) for task in unregistered], _MAX_TASKS)
        sentences = f" The workers do not know the task {names}: deploy or import the module that defines it."
    counts = {task: sum(failures.values()) for task, failures in tasks.items()}
    task = max(counts, key=lambda name: counts[name], default="")
    if task and task not in unregistered and 2 * counts[task] >= sum(counts.values()):
        subject = "All failures are" if len(counts) == 1 else "Most failures are"
        sentences += f" {subject} of the task {task!r}."
    return sentences


def _compared(before: float | None) -> str:
    return "" if before is None else f", compared with {before:.0f} s before"


def _waits_longer(windows: ThroughputWindows, limits: Thresholds) -> bool:
    wait = windows.last_15_seconds.wait
    if wait.count < _MIN_WAITS or wait.p50 is None:
        return False
    return wait.p50 >= max(limits.wait_seconds, limits.wait_factor * (windows.previous_ten_minutes.wait.p50 or 0.0))
