"""Kinds of findings, and their severities. Pure."""

from typing import Literal

__all__ = ["CRITICAL", "WARNING", "FindingKind", "Severity"]

Severity = Literal["critical", "warning"]

#: Every kind of finding, in the order of docs/reference/findings.md.
FindingKind = Literal[
    "nobody_heard",
    "isolated",
    "backlog_without_consumer",
    "consumes_nothing",
    "stalled",
    "lost_with_tasks",
    "worker_lost",
    "failing",
    "slots_pinned",
    "pool_dead",
    "pool_thrashes",
    "poison",
    "all_paused",
    "duplicate_hostname",
    "prefetch_hoarding",
    "eta_hoarding",
    "failures_rise",
    "wait_grows",
    "oldest_waits",
    "task_runs_long",
    "limit_not_enforced",
    "runs_twice",
    "will_be_redelivered",
    "unregistered_task",
    "mixed_releases",
    "release_fails",
    "near_memory_limit",
    "memory_climbs",
    "sent_into_the_void",
    "no_beat",
    "two_beats",
    "beat_stalled",
    "entry_overdue",
    "entry_fails",
    "sent_never_started",
    "backlog_unknown",
    "mixed_versions",
    "wrong_signature",
]

CRITICAL: Literal["critical"] = "critical"
WARNING: Literal["warning"] = "warning"
