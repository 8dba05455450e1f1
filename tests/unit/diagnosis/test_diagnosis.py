"""Conditions become findings when they last, and findings are cleared when they end."""

from typing import Any

import pytest

from celery_gossip.cluster.view import View
from celery_gossip.diagnosis import diagnosis as diagnosis_module
from celery_gossip.diagnosis.diagnosis import Diagnosis, Finding
from celery_gossip.diagnosis.inputs import CRITICAL, WARNING, PendingFinding, RuleInput

CALM = RuleInput(View((), (), taken_at=0.0), listening_for=0.0)
ISOLATED = RuleInput(View((), (), taken_at=0.0, isolated_since=0.0), listening_for=0.0)


def a_pending_finding(**fields: Any) -> PendingFinding:
    values: dict[str, Any] = {"kind": "stalled", "severity": CRITICAL, "subject": "w1", "text": "It hangs."}
    return PendingFinding(**{**values, **fields})


@pytest.fixture
def conditions(monkeypatch: pytest.MonkeyPatch) -> list[PendingFinding]:
    """Return the list of results of the rules, which the test changes."""
    now: list[PendingFinding] = []
    monkeypatch.setattr(diagnosis_module, "pending_findings", lambda inputs: list(now))
    return now


def subjects(findings: Any) -> list[str]:
    return [finding.subject for finding in findings]


def test_what_needs_no_time_is_a_finding_at_once(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    conditions.append(a_pending_finding())
    assert diagnosis.evaluate(CALM, 10.0) == ([Finding("stalled", CRITICAL, "w1", 10.0, "It hangs.")], [])
    assert diagnosis.evaluate(CALM, 11.0) == ([], []), "told once"
    assert diagnosis.findings == (Finding("stalled", CRITICAL, "w1", 10.0, "It hangs."),)


def test_what_must_last_is_pending_until_it_has(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    conditions.append(a_pending_finding(for_seconds=5.0))
    assert diagnosis.evaluate(CALM, 10.0) == ([], []) and diagnosis.has_pending and diagnosis.findings == ()
    assert diagnosis.evaluate(CALM, 14.9) == ([], [])
    (raised,), _ = diagnosis.evaluate(CALM, 15.0)
    assert raised.since == 10.0 and not diagnosis.has_pending


def test_a_break_begins_anew(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    for now, is_seen in ((10.0, True), (12.0, False), (14.0, True), (18.0, True)):
        conditions[:] = [a_pending_finding(for_seconds=5.0)] if is_seen else []
        assert diagnosis.evaluate(CALM, now) == ([], [])


def test_a_finding_whose_time_starts_again_is_cleared_until_it_has_lasted_again(
    conditions: list[PendingFinding],
) -> None:
    diagnosis = Diagnosis()
    events = []
    for now, key in ((10.0, 1), (15.0, 1), (16.0, 2), (20.9, 2), (21.0, 2)):
        conditions[:] = [a_pending_finding(for_seconds=5.0, reset_key=key)]
        raised, cleared = diagnosis.evaluate(CALM, now)
        events.append((len(raised), len(cleared), len(diagnosis.findings)))
    assert events == [(0, 0, 0), (1, 0, 1), (0, 1, 0), (0, 0, 0), (1, 0, 1)]
    conditions.clear()
    assert [len(one) for one in diagnosis.evaluate(CALM, 22.0)] == [0, 1]


def test_a_witness_that_changes_begins_anew(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    for now in (10.0, 13.0, 16.0, 19.0):
        conditions[:] = [a_pending_finding(for_seconds=5.0, reset_key=now)]
        assert diagnosis.evaluate(CALM, now) == ([], [])


def test_what_ends_is_cleared_once(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    conditions.append(a_pending_finding())
    diagnosis.evaluate(CALM, 10.0)
    conditions.clear()
    raised, cleared = diagnosis.evaluate(CALM, 20.0)
    assert (raised, subjects(cleared)) == ([], ["w1"])
    assert diagnosis.evaluate(CALM, 21.0) == ([], []) and diagnosis.findings == ()


def test_the_text_is_the_latest_and_the_time_the_first(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    for now, text in ((10.0, "5 wait"), (11.0, "6 wait")):
        conditions[:] = [a_pending_finding(text=text)]
        diagnosis.evaluate(CALM, now)
    assert [(finding.text, finding.since) for finding in diagnosis.findings] == [("6 wait", 10.0)]


def test_what_grows_worse_is_cleared_and_raised(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    conditions.append(a_pending_finding(severity=WARNING))
    diagnosis.evaluate(CALM, 10.0)
    conditions[:] = [a_pending_finding(severity=CRITICAL)]
    raised, cleared = diagnosis.evaluate(CALM, 11.0)
    assert ([one.severity for one in raised], [one.severity for one in cleared]) == ([CRITICAL], [WARNING])


def test_the_critical_come_first_and_then_the_oldest(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    conditions.append(a_pending_finding(subject="a", severity=WARNING))
    diagnosis.evaluate(CALM, 10.0)
    conditions += [a_pending_finding(subject="b"), a_pending_finding(subject="c", severity=WARNING)]
    diagnosis.evaluate(CALM, 11.0)
    conditions.append(a_pending_finding(subject="d"))
    diagnosis.evaluate(CALM, 12.0)
    assert subjects(diagnosis.findings) == ["b", "d", "a", "c"]


def test_an_isolated_view_keeps_its_findings_and_forgets_what_was_pending(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    conditions += [a_pending_finding(), a_pending_finding(subject="w2", for_seconds=5.0)]
    diagnosis.evaluate(CALM, 10.0)
    conditions[:] = [a_pending_finding(kind="isolated", subject="listener")]
    raised, cleared = diagnosis.evaluate(ISOLATED, 20.0)
    assert (subjects(raised), cleared) == (["listener"], [])
    assert subjects(diagnosis.findings) == ["w1", "listener"] and not diagnosis.has_pending
    conditions[:] = [a_pending_finding(), a_pending_finding(subject="w2", for_seconds=5.0)]
    raised, cleared = diagnosis.evaluate(CALM, 30.0)
    assert (raised, subjects(cleared)) == ([], ["listener"])
    assert diagnosis.has_pending


def test_findings_are_bounded(conditions: list[PendingFinding]) -> None:
    diagnosis = Diagnosis()
    conditions += [a_pending_finding(subject=f"w{n}") for n in range(diagnosis_module.MAX_FINDINGS + 5)]
    diagnosis.evaluate(CALM, 10.0)
    assert len(diagnosis.findings) == diagnosis_module.MAX_FINDINGS
