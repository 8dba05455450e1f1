"""Diagnosis: what is wrong, since when, and what to do about it. Pure: evidence in, findings out; no clock inside.

Called by the listener on its thread, about once a second. The rules are in rule.py; here their suspicions ripen.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from celery_gossip.evidence import CRITICAL, WARNING, Evidence, Suspicion
from celery_gossip.rule import KINDS, suspicions

__all__ = ["CRITICAL", "KINDS", "WARNING", "Diagnosis", "Finding"]

MAX_FINDINGS = 1000  #: suspicions kept, whatever a fleet looks like


@dataclass(frozen=True)
class Finding:
    """Something that is wrong with a subject: a queue, a worker or the listener."""

    kind: str  #: one of KINDS
    severity: str  #: CRITICAL or WARNING
    subject: str  #: a queue's name, a hostname, or "listener"
    since: float  #: the listener's monotonic seconds
    text: str  #: what is wrong, and what to do


@dataclass(frozen=True)
class _Case:
    """A suspicion and since when it holds without a break."""

    suspicion: Suspicion
    since: float
    is_raised: bool = False

    @property
    def finding(self) -> Finding:
        told = self.suspicion
        return Finding(told.kind, told.severity, told.subject, self.since, told.text)


class Diagnosis:
    """The findings of one view as it changes. One thread calls review(); `findings` may be read on any."""

    def __init__(self) -> None:
        self._cases: dict[tuple[str, str, str], _Case] = {}
        self.findings: tuple[Finding, ...] = ()  #: critical ones first, then the oldest
        self.is_pending = False  #: whether something looks wrong that has not lasted long enough yet

    def review(self, evidence: Evidence, now: float) -> tuple[list[Finding], list[Finding]]:
        """Take the view as it is `now`; the findings that were raised and those that were cleared by it.

        While the view is isolated it is frozen: its findings stay, no other is raised but that it is isolated.
        """
        before, self._cases = self._cases, self._followed(suspicions(evidence), now)
        if evidence.view.isolated_since is not None:
            self._cases = {key: case for key, case in before.items() if case.is_raised} | self._cases
        self.is_pending = not all(case.is_raised for case in self._cases.values())
        raised = [case.finding for key, case in self._cases.items() if case.is_raised and not _was_raised(before, key)]
        cleared = [case.finding for key, case in before.items() if case.is_raised and key not in self._cases]
        self.findings = tuple(sorted((case.finding for case in self._cases.values() if case.is_raised), key=_urgency))
        return raised, cleared

    def _followed(self, found: Iterable[Suspicion], now: float) -> dict[tuple[str, str, str], _Case]:
        cases: dict[tuple[str, str, str], _Case] = {}
        for suspicion in found:
            if len(cases) >= MAX_FINDINGS:
                break
            key = (suspicion.kind, suspicion.subject, suspicion.severity)
            case = self._cases.get(key)
            if case is None or case.suspicion.witness != suspicion.witness:
                case = _Case(suspicion, since=now)
            is_raised = case.is_raised or now - case.since >= suspicion.hold
            cases[key] = replace(case, suspicion=suspicion, is_raised=is_raised)
        return cases


def _was_raised(cases: dict[tuple[str, str, str], _Case], key: tuple[str, str, str]) -> bool:
    return key in cases and cases[key].is_raised


def _urgency(finding: Finding) -> tuple[bool, float, str, str]:
    return finding.severity != CRITICAL, finding.since, finding.kind, finding.subject
