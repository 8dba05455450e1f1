"""Rules about messages that wait in queues and the workers that should consume them. Pure. Called through rules.py."""

from collections.abc import Iterator

from celery_gossip.cluster.view import QueueView
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, QueueConsumer, RuleInput
from celery_gossip.units import join_names

__all__ = [
    "all_paused",
    "backlog_unknown",
    "backlog_without_consumer",
    "consumes_nothing",
    "eta_hoarding",
    "prefetch_hoarding",
]

_UNREADABLE_FOR = 15.0  #: seconds; longer than a broker restarts, and than a queue outlives its worker's view
_MAX_UNREADABLE = 3  #: queues with a finding each; more of them share one
_MAX_NAMES = 10  #: queues named in one text
_HOLDS_FOR = 10.0  #: seconds; ten reports with the default interval, so that a single sample decides nothing


def backlog_without_consumer(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues with waiting messages that no worker consumes."""
    for queue in inputs.view.queues:
        consumers = inputs.consumers.get(queue.queue, [])
        if not queue.backlog or queue.paused == "yes" or any(consumer.can_receive for consumer in consumers):
            continue
        text = (
            f"{_messages(queue.backlog)} in queue {queue.queue!r}, and no worker consumes it{_former_workers(queue)}. "
            f"Start a worker with `-Q {queue.queue}`, or let a running one consume the queue: "
            f"`celery control add_consumer {queue.queue}`."
        )
        if not queue.states:
            text += (
                " This listener has never seen a worker that serves the queue: if none should, correct the route that "
                "sends tasks to it."
            )
        yield PendingFinding("backlog_without_consumer", CRITICAL, queue.queue, text, for_seconds=5.0)


def consumes_nothing(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report idle workers that serve a queue with waiting messages but do not consume it."""
    for queue in inputs.view.queues:
        consumers = inputs.consumers.get(queue.queue, []) if queue.backlog else []
        others_work = any(one.check.active_count or one.check.reserved or one.gossip.batched for one in consumers)
        for consumer in (one for one in consumers if one.is_idle):
            hostname = consumer.gossip.hostname
            text = (
                f"{hostname} is online and idle, but consumes nothing from queue {queue.queue!r}, where "
                f"{_messages(queue.backlog or 0)}. Its consumer has stopped, as can happen after a reconnect to the "
                "broker: restart this worker."
            )
            severity = WARNING if others_work else CRITICAL
            reset_key = (consumer.gossip.boot, consumer.gossip.processed)
            yield PendingFinding(
                "consumes_nothing", severity, hostname, text, for_seconds=_HOLDS_FOR, reset_key=reset_key
            )


def eta_hoarding(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report workers with free slots that receive no messages, because tasks with an ETA fill their prefetch window."""
    blocked: dict[str, tuple[QueueConsumer, list[QueueView]]] = {}
    for queue in inputs.view.queues:
        for one in inputs.consumers.get(queue.queue, []) if queue.backlog else []:
            if one.is_reporting and one.has_full_prefetch_window and _is_blocked_by_etas(one):
                blocked.setdefault(one.gossip.hostname, (one, []))[1].append(queue)
    for hostname, (one, queues) in blocked.items():
        gossip = one.gossip
        waiting = " and ".join(f"{_messages(queue.backlog or 0)} in queue {queue.queue!r}" for queue in queues[:2])
        text = (
            f"{gossip.scheduled} scheduled tasks fill the prefetch window ({gossip.prefetch_count}) of {hostname}: it "
            f"receives no messages until one of them is due, although {gossip.concurrency - gossip.active} of its "
            f"{gossip.concurrency} slots are free and {waiting}. Raise worker_eta_task_limit, or route tasks with an "
            "ETA or countdown to a separate queue with its own worker."
        )
        yield PendingFinding("eta_hoarding", WARNING, hostname, text, for_seconds=_HOLDS_FOR, reset_key=gossip.boot)


def prefetch_hoarding(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report tasks that are reserved by a busy worker while another one has free slots.

    A worker that starts a task will soon start those that it reserved, so that resets the time.
    """
    slots = inputs.free_slots
    for queue in inputs.view.queues if slots else ():
        consumers = inputs.consumers.get(queue.queue, []) if queue.reserved and not queue.backlog else []
        idle = [one for one in consumers if id(one.gossip) in slots and one.is_reporting and not one.check.broadcast]
        busy = max(filter(_is_full, consumers), key=lambda one: one.check.reserved, default=None) if idle else None
        if busy is None:
            continue
        other = max(idle, key=lambda one: slots[id(one.gossip)])
        free = f"{slots[id(other.gossip)]} of {other.gossip.concurrency} slots free"
        text = (
            f"{busy.gossip.hostname} holds {busy.check.reserved} reserved tasks of queue {queue.queue!r} while all its "
            f"slots are busy, although {other.gossip.hostname}, which serves the same queue, has {free}. Set "
            "worker_prefetch_multiplier to 1 and task_acks_late to True, or route long tasks to a separate queue."
        )
        reset_key = (busy.gossip.hostname, busy.gossip.boot, busy.gossip.processed)
        yield PendingFinding(
            "prefetch_hoarding", WARNING, queue.queue, text, for_seconds=_HOLDS_FOR, reset_key=reset_key
        )


def all_paused(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues that all their workers have paused."""
    for queue in inputs.view.queues:
        if queue.paused != "yes":
            continue
        waiting = f", and {_messages(queue.backlog)}" if queue.backlog else ""
        text = (
            f"All workers that serve queue {queue.queue!r} have paused it{waiting}. Resume it with "
            f"`celery control add_consumer {queue.queue}`."
        )
        severity = CRITICAL if queue.backlog else WARNING
        yield PendingFinding("all_paused", severity, queue.queue, text, for_seconds=2.0)


def backlog_unknown(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Report queues whose length cannot be read; one finding if that concerns all of them, or many."""
    unreadable = inputs.unreadable_queues
    fix = (
        "Findings that need this number cannot be raised. Check that this listener can reach the broker of the tasks, "
        "and that its user may read the queue."
    )
    if "" in unreadable:
        text = f"The number of messages waiting in the queues is unknown: {unreadable['']}. {fix}"
        yield PendingFinding("backlog_unknown", WARNING, "listener", text, for_seconds=_UNREADABLE_FOR)
    elif len(unreadable) > _MAX_UNREADABLE:
        names = sorted(unreadable)
        text = (
            f"The number of messages waiting in {len(names)} queues ({join_names(names, _MAX_NAMES)}) is unknown: "
            f"{unreadable[names[0]]}. {fix}"
        )
        yield PendingFinding("backlog_unknown", WARNING, "listener", text, for_seconds=_UNREADABLE_FOR)
    else:
        for queue, error in sorted(unreadable.items()):
            text = f"The number of messages waiting in queue {queue!r} is unknown: {error}. {fix}"
            yield PendingFinding("backlog_unknown", WARNING, queue, text, for_seconds=_UNREADABLE_FOR)


def _is_blocked_by_etas(one: QueueConsumer) -> bool:
    """Return True if scheduled tasks occupy half of the prefetch window or more, and slots are free."""
    gossip = one.gossip
    return gossip.active < gossip.concurrency and 2 * gossip.scheduled >= (gossip.prefetch_count or 0)


def _is_full(one: QueueConsumer) -> bool:
    """Return True if its worker has reserved tasks of this queue but no free slot, and is not shutting down.

    A worker that shuts down returns its reserved tasks; of a broadcast queue each worker has its own copies.
    """
    gossip = one.gossip
    is_staying = gossip.state == "online" and one.worker.state != "suspect"
    has_reserved = bool(one.check.reserved) and not one.check.broadcast
    return has_reserved and gossip.active >= gossip.concurrency and is_staying


def _messages(count: int) -> str:
    return "1 message waits" if count == 1 else f"{count} messages wait"


def _former_workers(queue: QueueView) -> str:
    workers = [f"{count} {state}" for state, count in queue.states.items()]
    return f" (workers: {', '.join(workers)})" if workers else ""
