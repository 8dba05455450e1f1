"""Suspicions ripen into findings when they last, and clear when they end."""

from typing import Any

import pytest

from celery_gossip import diagnosis as room
from celery_gossip.diagnosis import Diagnosis, Finding
from celery_gossip.evidence import CRITICAL, WARNING, Evidence, Suspicion
from celery_gossip.view import View

CALM = Evidence(View((), (), taken_at=0.0), listening_for=0.0)
ISOLATED = Evidence(View((), (), taken_at=0.0, isolated_since=0.0), listening_for=0.0)


def a_suspicion(**fields: Any) -> Suspicion:
    values: dict[str, Any] = {"kind": "stalled", "severity": CRITICAL, "subject": "w1", "text": "It hangs."}
    return Suspicion(**{**values, **fields})


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Suspicion]:
    """What the rules find just now; the test changes it."""
    now: list[Suspicion] = []
    monkeypatch.setattr(room, "suspicions", lambda evidence: list(now))
    return now


def subjects(findings: Any) -> list[str]:
    return [finding.subject for finding in findings]


def test_what_needs_no_time_is_a_finding_at_once(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    seen.append(a_suspicion())
    assert diagnosis.review(CALM, 10.0) == ([Finding("stalled", CRITICAL, "w1", 10.0, "It hangs.")], [])
    assert diagnosis.review(CALM, 11.0) == ([], []), "told once"
    assert diagnosis.findings == (Finding("stalled", CRITICAL, "w1", 10.0, "It hangs."),)


def test_what_must_last_is_pending_until_it_has(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    seen.append(a_suspicion(hold=5.0))
    assert diagnosis.review(CALM, 10.0) == ([], []) and diagnosis.is_pending and diagnosis.findings == ()
    assert diagnosis.review(CALM, 14.9) == ([], [])
    (raised,), _ = diagnosis.review(CALM, 15.0)
    assert raised.since == 10.0 and not diagnosis.is_pending


def test_a_break_begins_anew(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    for now, is_seen in ((10.0, True), (12.0, False), (14.0, True), (18.0, True)):
        seen[:] = [a_suspicion(hold=5.0)] if is_seen else []
        assert diagnosis.review(CALM, now) == ([], [])


def test_a_witness_that_changes_begins_anew(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    for now in (10.0, 13.0, 16.0, 19.0):
        seen[:] = [a_suspicion(hold=5.0, witness=now)]
        assert diagnosis.review(CALM, now) == ([], [])


def test_what_ends_is_cleared_once(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    seen.append(a_suspicion())
    diagnosis.review(CALM, 10.0)
    seen.clear()
    raised, cleared = diagnosis.review(CALM, 20.0)
    assert (raised, subjects(cleared)) == ([], ["w1"])
    assert diagnosis.review(CALM, 21.0) == ([], []) and diagnosis.findings == ()


def test_the_text_is_the_latest_and_the_time_the_first(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    for now, text in ((10.0, "5 wait"), (11.0, "6 wait")):
        seen[:] = [a_suspicion(text=text)]
        diagnosis.review(CALM, now)
    assert [(finding.text, finding.since) for finding in diagnosis.findings] == [("6 wait", 10.0)]


def test_what_grows_worse_is_cleared_and_raised(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    seen.append(a_suspicion(severity=WARNING))
    diagnosis.review(CALM, 10.0)
    seen[:] = [a_suspicion(severity=CRITICAL)]
    raised, cleared = diagnosis.review(CALM, 11.0)
    assert ([one.severity for one in raised], [one.severity for one in cleared]) == ([CRITICAL], [WARNING])


def test_the_critical_come_first_and_then_the_oldest(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    seen.append(a_suspicion(subject="a", severity=WARNING))
    diagnosis.review(CALM, 10.0)
    seen += [a_suspicion(subject="b"), a_suspicion(subject="c", severity=WARNING)]
    diagnosis.review(CALM, 11.0)
    seen.append(a_suspicion(subject="d"))
    diagnosis.review(CALM, 12.0)
    assert subjects(diagnosis.findings) == ["b", "d", "a", "c"]


def test_an_isolated_view_keeps_its_findings_and_forgets_what_was_pending(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    seen += [a_suspicion(), a_suspicion(subject="w2", hold=5.0)]
    diagnosis.review(CALM, 10.0)
    seen[:] = [a_suspicion(kind="isolated", subject="listener")]
    raised, cleared = diagnosis.review(ISOLATED, 20.0)
    assert (subjects(raised), cleared) == (["listener"], [])
    assert subjects(diagnosis.findings) == ["w1", "listener"] and not diagnosis.is_pending
    seen[:] = [a_suspicion(), a_suspicion(subject="w2", hold=5.0)]
    raised, cleared = diagnosis.review(CALM, 30.0)
    assert (raised, subjects(cleared)) == ([], ["listener"])
    assert diagnosis.is_pending


def test_findings_are_bounded(seen: list[Suspicion]) -> None:
    diagnosis = Diagnosis()
    seen += [a_suspicion(subject=f"w{n}") for n in range(room.MAX_FINDINGS + 5)]
    diagnosis.review(CALM, 10.0)
    assert len(diagnosis.findings) == room.MAX_FINDINGS
