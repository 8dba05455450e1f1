"""Registry of the rules. Each rule yields a PendingFinding for every condition that holds now. Pure.

The Diagnosis decides whether a condition has held for long enough. docs/reference/findings.md explains each kind of
finding.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from celery_gossip.diagnosis import (
    age_rules,
    balance_rules,
    beat_rules,
    entry_rules,
    listener_rules,
    queue_rules,
    rate_rules,
    resource_rules,
    software_rules,
    task_rules,
    worker_rules,
)
from celery_gossip.diagnosis.inputs import FindingKind, PendingFinding, RuleInput

__all__ = ["BEAT_KINDS", "KINDS", "QUEUE_KINDS", "pending_findings"]


def pending_findings(inputs: RuleInput) -> Iterator[PendingFinding]:
    """Yield the results of all rules; for an isolated view only that it is isolated."""
    if inputs.view.isolated_since is not None:
        yield from listener_rules.isolated(inputs)
        return
    for rule in _RULES:
        yield from rule(inputs)


_RULES: tuple[Callable[[RuleInput], Iterable[PendingFinding]], ...] = (
    listener_rules.nobody_heard,
    queue_rules.backlog_without_consumer,
    queue_rules.consumes_nothing,
    worker_rules.stalled,
    worker_rules.lost_with_tasks,
    worker_rules.worker_lost,
    rate_rules.failing,
    task_rules.slots_pinned,
    task_rules.pool_dead,
    resource_rules.pool_thrashes,
    task_rules.poison,
    queue_rules.all_paused,
    worker_rules.duplicate_hostname,
    queue_rules.prefetch_hoarding,
    queue_rules.eta_hoarding,
    rate_rules.failures_rise,
    rate_rules.wait_grows,
    age_rules.oldest_waits,
    task_rules.task_runs_long,
    task_rules.limit_not_enforced,
    task_rules.runs_twice,
    software_rules.will_be_redelivered,
    software_rules.unregistered_task,
    software_rules.mixed_releases,
    software_rules.release_fails,
    resource_rules.near_memory_limit,
    resource_rules.memory_climbs,
    balance_rules.sent_into_the_void,
    beat_rules.no_beat,
    beat_rules.two_beats,
    beat_rules.beat_stalled,
    entry_rules.entry_overdue,
    entry_rules.entry_fails,
    entry_rules.sent_never_started,
    queue_rules.backlog_unknown,
    listener_rules.mixed_versions,
    listener_rules.wrong_signature,
)

#: Every kind of finding, in the order of docs/reference/findings.md.
KINDS: tuple[FindingKind, ...] = get_args(FindingKind)

#: Kinds whose subject is a queue (or `listener`, if many queues or an unknown one are concerned).
QUEUE_KINDS = frozenset[FindingKind](
    {
        "backlog_without_consumer",
        "failing",
        "slots_pinned",
        "poison",
        "all_paused",
        "prefetch_hoarding",
        "failures_rise",
        "wait_grows",
        "oldest_waits",
        "runs_twice",
        "will_be_redelivered",
        "unregistered_task",
        "mixed_releases",
        "release_fails",
        "sent_into_the_void",
        "backlog_unknown",
    }
)

#: Kinds whose subject is the hostname of a beat process or the name of an entry of its schedule (or `listener`).
BEAT_KINDS = frozenset[FindingKind](
    {"no_beat", "two_beats", "beat_stalled", "entry_overdue", "entry_fails", "sent_never_started"}
)
