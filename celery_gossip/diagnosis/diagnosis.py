"""Diagnosis: turns conditions that have held for long enough into findings. Pure; time is passed in.

Called by the listener on its thread, about once a second. The rules are in rules.py.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, FindingKind, PendingFinding, RuleInput, Severity
from celery_gossip.diagnosis.rules import KINDS, pending_findings

__all__ = ["CRITICAL", "KINDS", "WARNING", "Diagnosis", "Finding", "FindingKind", "Severity"]

MAX_FINDINGS = 1000  #: pending and raised findings that are kept

_Key = tuple[FindingKind, str, Severity]  #: kind, subject, severity


@dataclass(frozen=True)
class Finding:
    """A problem of a queue, a worker or the listener."""

    kind: FindingKind
    severity: Severity
    subject: str  #: name of a queue, a hostname, or "listener"
    since: float  #: listener's monotonic time since when the condition holds
    text: str  #: description of the problem and what to do


@dataclass(frozen=True)
class _Tracked:
    """A pending finding, and since when its condition holds without interruption."""

    pending: PendingFinding
    since: float
    is_raised: bool = False

    @property
    def finding(self) -> Finding:
        pending = self.pending
        return Finding(pending.kind, pending.severity, pending.subject, self.since, pending.text)


class Diagnosis:
    """Findings of one view over time. One thread calls evaluate(); any thread may read `findings`."""

    def __init__(self) -> None:
        self._tracked: dict[_Key, _Tracked] = {}
        self.findings: tuple[Finding, ...] = ()  #: critical ones first, then by age, the oldest first
        self.has_pending = False  #: True while a condition holds that has not lasted long enough

    def evaluate(self, inputs: RuleInput, now: float) -> tuple[list[Finding], list[Finding]]:
        """Evaluate all rules. Return the findings that were raised and those that were cleared.

        While the view is isolated, it is frozen: raised findings stay, and only `isolated` is added.
        """
        pending = (inputs.adjusted(one) for one in pending_findings(inputs))
        before, self._tracked = self._tracked, self._track([one for one in pending if one is not None], now)
        if inputs.view.isolated_since is not None:
            self._tracked = {key: one for key, one in before.items() if one.is_raised} | self._tracked
        self.has_pending = not all(one.is_raised for one in self._tracked.values())
        raised = [one.finding for key, one in self._tracked.items() if one.is_raised and not _is_raised(before, key)]
        # A condition whose time starts again is still tracked, but its finding has ended.
        cleared = [one.finding for key, one in before.items() if one.is_raised and not _is_raised(self._tracked, key)]
        findings = (one.finding for one in self._tracked.values() if one.is_raised)
        self.findings = tuple(sorted(findings, key=_sort_key))
        return raised, cleared

    def _track(self, pending_now: Iterable[PendingFinding], now: float) -> dict[_Key, _Tracked]:
        tracked: dict[_Key, _Tracked] = {}
        for pending in pending_now:
            if len(tracked) >= MAX_FINDINGS:
                break
            key = (pending.kind, pending.subject, pending.severity)
            known = self._tracked.get(key)
            if known is None or known.pending.reset_key != pending.reset_key:
                known = _Tracked(pending, since=now)
            is_raised = known.is_raised or now - known.since >= pending.for_seconds
            tracked[key] = replace(known, pending=pending, is_raised=is_raised)
        raised = {(one.pending.kind, one.pending.subject) for one in tracked.values() if one.is_raised}
        return {
            key: one
            for key, one in tracked.items()
            if not any((kind, key[1]) in raised for kind in one.pending.suppressed_by)
        }


def _is_raised(tracked: dict[_Key, _Tracked], key: _Key) -> bool:
    return key in tracked and tracked[key].is_raised


def _sort_key(finding: Finding) -> tuple[bool, float, str, str]:
    return finding.severity != CRITICAL, finding.since, finding.kind, finding.subject
