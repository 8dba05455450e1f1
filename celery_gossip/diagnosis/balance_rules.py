"""Rules about tasks that were sent and did not arrive. Pure. Called through rules.py.

Only processes with `gossip_count_sent` count what they send; without them nothing is reported here.
"""

from collections.abc import Iterator

from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput
from celery_gossip.units import format_duration

__all__ = ["sent_into_the_void"]

_HOLDS_FOR = 10.0  #: seconds
_FRESH_FOR = 300.0  #: seconds since more tasks were found missing
_SHARE = 0.01  #: of the tasks sent, below which missing ones are not reported
_MAX_TASKS = 3  #: task names in one text


def sent_into_the_void(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues to which tasks were sent that neither wait there nor were received by a worker."""
    for row in inputs.balance:
        if not row.missing or row.growing_at is None or inputs.view.taken_at - row.growing_at > _FRESH_FOR:
            continue
        least = 1 if row.is_missing_queue else inputs.settings.of(row.queue).thresholds.void_tasks
        if row.missing >= max(least, _SHARE * row.window_sent):
            severity = CRITICAL if row.is_missing_queue else WARNING
            yield PendingFinding("sent_into_the_void", severity, row.queue, _text(row, inputs), for_seconds=_HOLDS_FOR)


def _text(row: QueueBalance, inputs: RuleInput) -> str:
    if row.is_route:
        return _route_text(row)
    consumers = len(inputs.consumers.get(row.queue, ()))
    waiting = "an unknown number waits" if row.waiting is None else f"{row.waiting} wait"
    text = (
        f"At least {row.missing} of {row.window_sent} tasks that were sent to queue {row.queue!r} in the last "
        f"{format_duration(row.window)} have vanished: they neither wait there nor were received by a worker that "
        f"reports. In total {row.sent} were sent and {row.received} received, and {waiting}{_task_names(row)}. "
    )
    if row.is_missing_queue:
        return text + (
            "The broker has no queue of this name, so it drops them without an error. Correct the route, or start a "
            "worker that declares the queue. If the queue was deleted, restart the senders: they declare a queue only "
            "once. Check that senders and workers use the same virtual host."
        )
    if not consumers:
        return text + (
            "No worker that reports consumes this queue, and yet it is empty: a worker without gossip or another "
            "program consumes it, its messages expire (x-message-ttl) or exceed x-max-length, or it was purged. If "
            "senders and workers should meet there, check that they use the same broker and virtual host."
        )
    return text + (
        "Check whether another consumer without gossip takes them, whether its messages expire (x-message-ttl) or "
        "exceed x-max-length, and whether the queue was purged."
    )


def _route_text(row: QueueBalance) -> str:
    exchange, _, routing_key = row.queue.partition("/")
    return (
        f"At least {row.missing} of {row.window_sent} tasks that were sent to exchange {exchange!r} with routing key "
        f"{routing_key!r} in the last {format_duration(row.window)} have vanished: the settings of the sender bind no "
        "queue to this key, no worker that reports received them, and they wait in no queue that this listener "
        f"knows{_task_names(row)}. The broker drops messages without a queue and reports no error. Correct the route, "
        "or bind a queue to the key."
    )


def _task_names(row: QueueBalance) -> str:
    """Return the task names with the largest difference, in parentheses."""
    by_difference = sorted(row.tasks.items(), key=lambda one: one[1].received - one[1].sent)
    names = [f"{name}: {one.sent} sent, {one.received} received" for name, one in by_difference if one.sent]
    return f" ({'; '.join(names[:_MAX_TASKS])})" if names else ""
