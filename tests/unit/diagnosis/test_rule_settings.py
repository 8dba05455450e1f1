"""Settings of findings: mute, time, severity and thresholds, in general and by subject; wrong files are refused."""

from typing import Any

import pytest
from msgspec.structs import replace

from celery_gossip.cluster.throughput import Distribution, Throughput, ThroughputWindows
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import CRITICAL, PendingFinding, RuleInput
from celery_gossip.diagnosis.rule_settings import RuleSettings, Thresholds, parse_rules
from celery_gossip.diagnosis.rules import pending_findings
from celery_gossip.errors import InvalidOption
from celery_gossip.listener import rules_file
from celery_gossip.wire.histogram import bucket_index
from tests.unit.diagnosis.test_task_rules import a_worker, inputs


def settings(text: str) -> RuleSettings:
    return parse_rules(rules_file.tomllib.loads(text), "rules.toml")


def with_settings(rules: RuleSettings, *workers: Any, **fields: Any) -> RuleInput:
    plain = inputs(*workers, **fields)
    return RuleInput(plain.view, plain.listening_for, usual_runtimes=plain.usual_runtimes, settings=rules)


def raised(rules: RuleSettings, *workers: Any, **fields: Any) -> list[tuple[str, str]]:
    diagnosis = Diagnosis()
    diagnosis.evaluate(with_settings(rules, *workers, **fields), 1000.0)
    return [(finding.kind, finding.severity) for finding in diagnosis.findings]


LOST = replace(a_worker(state="lost"), state_since=995.0)


def test_without_settings_the_defaults_apply() -> None:
    assert settings("") == RuleSettings() and RuleSettings().of("mail").thresholds == Thresholds()
    assert raised(RuleSettings(), LOST) == [("worker_lost", "warning")]


def test_a_muted_finding_is_not_raised_in_general_or_for_a_subject() -> None:
    assert raised(settings('mute = ["worker_lost"]'), LOST) == []
    assert raised(settings('[subjects."w*"]\nmute = ["worker_lost"]'), LOST) == []
    assert raised(settings('[subjects."x*"]\nmute = ["worker_lost"]'), LOST) == [("worker_lost", "warning")]


def test_a_severity_and_a_time_replace_those_of_the_rule() -> None:
    assert raised(settings('severity = { worker_lost = "critical" }'), LOST) == [("worker_lost", "critical")]
    rules, diagnosis = settings("after = { worker_lost = 30 }"), Diagnosis()
    for now, count in ((1000.0, 0), (1029.9, 0), (1030.0, 1)):
        diagnosis.evaluate(with_settings(rules, LOST), now)
        assert len(diagnosis.findings) == count


def test_settings_that_change_nothing_leave_the_result_of_a_rule_as_it_is() -> None:
    pending = PendingFinding("stalled", CRITICAL, "w1", "It hangs.")
    assert with_settings(settings("after = { worker_lost = 30 }")).adjusted(pending) is pending


def test_of_several_patterns_the_later_one_counts_and_mutes_add_up() -> None:
    rules = settings(
        """
        mute = ["stalled"]
        thresholds = { long_seconds = 100, long_factor = 9 }
        [subjects."mail*"]
        mute = ["failing"]
        after = { wait_grows = 1 }
        thresholds = { long_seconds = 200 }
        [subjects."mail.?"]
        mute = ["wait_grows"]
        after = { wait_grows = 2 }
        """
    )
    found = rules.of("mail.1")
    assert (found.mute, found.after) == ({"stalled", "failing", "wait_grows"}, {"wait_grows": 2})
    assert (found.thresholds.long_seconds, found.thresholds.long_factor) == (200, 9)
    assert rules.of("other") == rules.general and rules.of("mail.1") is found


def test_remembered_subjects_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celery_gossip.diagnosis.rule_settings._MAX_CACHED", 10)
    rules = settings('[subjects."x"]\nmute = ["failing"]')
    for number in range(100):
        assert rules.of(f"q{number}").mute == frozenset()
    assert len(rules._cache) <= 10


def test_thresholds_of_single_tasks_are_those_of_their_queue() -> None:
    usual = Distribution(1000, 1000.0, {bucket_index(1.0): 1000})
    worker = a_worker(90.0, concurrency=8)
    assert raised(RuleSettings(), worker, usual=usual) == [("task_runs_long", "warning")]
    assert raised(settings("[subjects.mail]\nthresholds = { long_seconds = 100 }"), worker, usual=usual) == []
    assert raised(settings("[subjects.mail]\nthresholds = { long_factor = 100 }"), worker, usual=usual) == []
    assert raised(settings("[subjects.other]\nthresholds = { long_seconds = 100 }"), worker, usual=usual) != []
    pinned = settings("thresholds = { stuck_seconds = 50 }\nafter = { slots_pinned = 0 }")
    assert raised(pinned, a_worker(60.0), backlog=1) == [("slots_pinned", "warning")]


def test_thresholds_of_rates_are_those_of_the_queue() -> None:
    nothing, minute = (
        Throughput(seconds=0.0),
        Throughput(seconds=60.0, succeeded=16, failed=4, failures={"KeyError": 4}),
    )
    windows = {"mail": ThroughputWindows(nothing, minute, nothing, {})}

    def kinds(text: str) -> list[str]:
        given = RuleInput(inputs().view, 60.0, throughput=windows, settings=settings(text))
        return [one.kind for one in pending_findings(given) if one.kind == "failing"]

    assert kinds("") == []
    assert kinds("thresholds = { failing_rate = 0.2 }") == ["failing"]
    assert kinds("thresholds = { failing_rate = 0.2, failing_tasks = 21 }") == []
    assert kinds("[subjects.mail]\nthresholds = { failing_rate = 0.2 }") == ["failing"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('mute = ["failings"]', "rules.toml: mute: unknown name 'failings': did you mean 'failing'?"),
        ('mute = "failing"', "rules.toml: mute: expected a list of findings, got 'failing'"),
        ("mute = [1]", "rules.toml: mute: expected a list of findings, got [1]"),
        ('mute = ["isolated"]', "rules.toml: mute: 'isolated' cannot be muted"),
        ("mutes = []", "rules.toml: unknown name 'mutes': did you mean 'mute'?"),
        ("after = 3", "rules.toml: after: expected a table, got 3"),
        ("after = { failing = -1 }", "rules.toml: after.failing: expected a number from 0 to 86400, got -1"),
        ("after = { failing = true }", "rules.toml: after.failing: expected a number from 0 to 86400, got True"),
        ("after = { failing = nan }", "rules.toml: after.failing: expected a number from 0 to 86400, got nan"),
        ('severity = { failing = "bad" }', "severity.failing: expected 'critical' or 'warning', got 'bad'"),
        ("severity = { fail = 1 }", "rules.toml: severity: unknown name 'fail': did you mean"),
        ("thresholds = { failing_rate = 2 }", "thresholds.failing_rate: expected a number from 0.001 to 1, got 2"),
        ("thresholds = { rate = 2 }", "rules.toml: thresholds: unknown name 'rate'"),
        ("thresholds = { long_seconds = 9 }", "thresholds.long_seconds: expected a number from 10 to 86400, got 9"),
        ("subjects = 1", "rules.toml: subjects: expected a table, got 1"),
        ("[subjects]\nmail = 1", "rules.toml: subjects.'mail': expected a table, got 1"),
        ("[subjects.mail]\nmuted = []", "rules.toml: subjects.'mail': unknown name 'muted': did you mean 'mute'?"),
        ("[subjects.mail.subjects.x]\nmute = []", "subjects.'mail': unknown name 'subjects'"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_what_was_expected(text: str, error: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        settings(text)
    assert error in str(caught.value)
