"""Rules about the age of the oldest message of a queue. Pure. Called through rules.py."""

from collections.abc import Iterator

from celery_gossip.cluster.task_view import tasks_of
from celery_gossip.cluster.view import QueueView
from celery_gossip.diagnosis.inputs import WARNING, PendingFinding, QueueConsumer, RuleInput
from celery_gossip.diagnosis.task_rules import describe_task
from celery_gossip.units import format_duration

__all__ = ["oldest_waits"]

_HOLDS_FOR = 15.0  #: seconds; a queue length is read every 2 s
_MIN_RUNS = 5  #: tasks of which the median runtime is known
_MIN_AGE = 1.0  #: seconds from which a running task is listed
_MAX_LISTED = 3  #: running tasks in one text


def oldest_waits(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues whose oldest message has certainly waited for long although workers consume the queue.

    Time before a worker began to consume the queue does not count: a new worker first works off what has piled up.
    Nor does a queue whose last message will be started soon: what arrives there waits for less than the oldest message.
    Workers whose state explains the wait, and has a finding of its own where it is wrong, do not count as consumers.
    """
    for queue in inputs.view.queues:
        limit = _limit(queue, inputs) if queue.oldest_age_min else 0.0
        if (queue.oldest_age_min or 0.0) <= limit:
            continue
        consumers = [one for one in inputs.consumers.get(queue.queue, []) if _takes_messages(one)]
        # Both times are of the same worker's clock.
        consumed_for = max((one.check.updated_at - one.check.started_at for one in consumers), default=0.0)
        if consumed_for > limit and not _is_working_it_off(queue, inputs, limit):
            yield PendingFinding(
                "oldest_waits",
                WARNING,
                queue.queue,
                _text(queue, consumers),
                for_seconds=_HOLDS_FOR,
                suppressed_by=("slots_pinned", "wait_grows", "all_paused", "backlog_without_consumer"),
            )


def _limit(queue: QueueView, inputs: RuleInput) -> float:
    """Return the age from which a message waits for too long: longer where tasks take long."""
    thresholds = inputs.settings.of(queue.queue).thresholds
    return max(thresholds.oldest_seconds, thresholds.oldest_factor * (_median_runtime(queue, inputs) or 0.0))


def _is_working_it_off(queue: QueueView, inputs: RuleInput, limit: float) -> bool:
    """Return True if all messages will be started within the limit, at the pace of the last minute."""
    windows = inputs.throughput.get(queue.queue)
    if windows is None:
        return False
    pace = windows.last_minute.per_second(windows.last_minute.started)
    return (queue.backlog or 0) <= pace * limit


def _median_runtime(queue: QueueView, inputs: RuleInput) -> float | None:
    windows = inputs.throughput.get(queue.queue)
    if windows is None:
        return None
    recent, previous = windows.last_minute.runtime, windows.previous_ten_minutes.runtime
    known = previous if previous.count >= _MIN_RUNS else recent
    return known.p50 if known.count >= _MIN_RUNS else None


def _takes_messages(one: QueueConsumer) -> bool:
    """Return True for a consumer that takes messages as soon as it can, as far as is known."""
    gossip, state = one.gossip, one.worker.state
    is_running = state in ("online", "conflict") or (state == "stalled" and gossip.pool == "solo" and gossip.active > 0)
    if not one.can_receive or not is_running or one.has_full_prefetch_window or gossip.batched:
        return False
    has_free_slot = gossip.active < gossip.concurrency
    # Idle: consumes_nothing. Only reserved tasks: pool_dead. Limited: the user's own rate limit.
    return bool(gossip.active) and not (gossip.limited and has_free_slot)


def _text(queue: QueueView, consumers: list[QueueConsumer]) -> str:
    slots = sum(one.gossip.concurrency for one in consumers)
    free = sum(max(0, one.gossip.concurrency - one.gossip.active) for one in consumers)
    workers = "1 worker consumes" if len(consumers) == 1 else f"{len(consumers)} workers consume"
    count = "1 message waits" if queue.backlog == 1 else f"{queue.backlog} messages wait"
    text = (
        f"The oldest message in queue {queue.queue!r} has waited for {format_duration(queue.oldest_age_min)} at least"
        f"{_condition(queue)}, although {workers} the queue; {count}. "
    )
    if free:
        return text + (
            f"{free} of {slots} slots are free: check for tasks that are reserved behind a long one "
            "(worker_prefetch_multiplier), for a rate limit, and for another queue that the workers prefer."
        )
    busy = "The only slot is" if slots == 1 else f"All {slots} slots are"
    return text + (
        f"{busy} busy{_longest(consumers)}. Add workers or slots, or route long tasks to a queue of their own. If this "
        "wait is acceptable, raise oldest_seconds for this queue (`--rules`)."
    )


def _condition(queue: QueueView) -> str:
    """Return the assumption that nothing confirms if no message says when it was sent."""
    return " (if all its workers report)" if queue.oldest_age_max is None else ""


def _longest(consumers: list[QueueConsumer]) -> str:
    """Return the tasks that have run for longest on these workers, of any queue."""
    runs = [task for one in consumers for task in tasks_of(one.gossip) if (task.age or 0.0) >= _MIN_AGE]
    longest = sorted(runs, key=lambda task: -(task.age or 0.0))[:_MAX_LISTED]
    return f", longest with {', '.join(map(describe_task, longest))}" if longest else ""
