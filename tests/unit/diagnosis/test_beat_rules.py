"""Findings about beat processes and the entries of their schedules, at their limits; see also tests/incidents."""

from typing import Any

import pytest

from celery_gossip.cluster.beat_view import BeatView, EntryView, Send
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.inputs import PendingFinding, Receipts, RuleInput
from celery_gossip.diagnosis.rule_settings import parse_rules
from celery_gossip.diagnosis.rules import BEAT_KINDS, pending_findings
from celery_gossip.wire.messages import Beat, BeatEntry
from tests.unit.build import BOOT, OTHER_BOOT, a_check
from tests.unit.console.views import a_view, a_worker

NOW = 100_000.0
DIGEST = "d" * 16


def an_entry(name: str = "report", history: tuple[Send, ...] = (), seen: float = NOW, **fields: Any) -> EntryView:
    values: dict[str, Any] = {
        "task": "shop.report",
        "schedule": "every 60 s",
        "due": 30.0,
        "sent_age": 30.0,
        "sends": 4,
    }
    return EntryView(BeatEntry(name=name, **{**values, **fields}), seen, history)


def a_report(hostname: str = "celerybeat@web1", **fields: Any) -> Beat:
    values: dict[str, Any] = {
        "boot": BOOT,
        "seq": 9,
        "app": "shop",
        "interval": 1.0,
        "state": "online",
        "uptime": 9000.0,
        "tick_age": 1.0,
        "digest": DIGEST,
        "entry_count": 1,
    }
    return Beat(hostname=hostname, **{**values, **fields})


def a_beat(
    hostname: str = "celerybeat@web1",
    *entries: EntryView,
    state: str = "online",
    heard_at: float = NOW,
    rivals: tuple[Beat, ...] = (),
    **fields: Any,
) -> BeatView:
    report = a_report(hostname, **fields)
    return BeatView(report, state, heard_at, entries=entries or (an_entry(),), rivals=rivals)  # type: ignore[arg-type]


def found(*beats: BeatView, view: View | None = None, rules: Any = None, **inputs: Any) -> list[PendingFinding]:
    view = view or View((), (), NOW, beats=beats)
    settings = parse_rules(rules or {}, "rules")
    values = {"listening_for": 5000.0, "settings": settings, **inputs}
    return [one for one in pending_findings(RuleInput(view, **values)) if one.kind in BEAT_KINDS]


def kinds(*beats: BeatView, **inputs: Any) -> list[str]:
    return [one.kind for one in found(*beats, **inputs)]


# no_beat


def test_a_schedule_in_the_settings_without_any_beat_is_reported_after_a_minute_of_listening() -> None:
    assert kinds(app_entries=3, listening_for=59.0) == [] == kinds(app_entries=0)
    (one,) = found(app_entries=3, listening_for=60.0, source="exchange 'x'")
    assert (one.severity, one.subject) == ("warning", "listener")
    assert "no beat reports on exchange 'x'" in one.text and "without gossip" in one.text
    assert kinds(a_beat(), app_entries=3) == []


@pytest.mark.parametrize(
    ("other", "is_reported"),
    [
        (None, True),
        (a_beat("b"), False),  # the same schedule
        (a_beat("b", an_entry("report"), digest="e" * 16), False),  # a common entry
        (a_beat("b", an_entry("x"), digest="e" * 16), True),  # another schedule
        (a_beat("b", an_entry("celery.backend_cleanup"), digest="e" * 16), True),
        (a_beat("b", an_entry("x"), digest="e" * 16, uptime=60.0), False),  # started since: the next version
        (a_beat("b", app="blog"), True),
        (a_beat("b", holds_lock=False), True),
        (a_beat("b", state="suspect"), False),
        (a_beat("b", state="lost", heard_at=NOW - 50), False),  # is reported itself
    ],
)
def test_a_beat_that_is_gone_is_reported_unless_another_one_runs_its_schedule(
    other: BeatView | None, is_reported: bool
) -> None:
    gone = a_beat("a", an_entry(), an_entry("celery.backend_cleanup"), state="lost", heard_at=NOW - 100)
    reported = [one.subject for one in found(gone, *([other] if other else [])) if one.kind == "no_beat"]
    assert ("a" in reported) is is_reported


def test_the_time_until_a_beat_is_missed_depends_on_how_it_ended() -> None:
    (lost,) = found(a_beat(state="lost", heard_at=NOW - 100))
    (offline,) = found(a_beat(state="offline", heard_at=NOW - 100))
    assert (lost.for_seconds, offline.for_seconds) == (30.0, 60.0) and lost.severity == "critical"
    assert "stopped reporting without shutting down 2m ago" in lost.text and "was shut down 2m ago" in offline.text


def test_a_standby_is_missed_by_nobody_and_named_if_it_waits_for_the_lock_of_a_lost_beat() -> None:
    assert kinds(a_beat("a", state="lost", holds_lock=False)) == []
    (one,) = found(a_beat("a", state="lost", holds_lock=True), a_beat("b", holds_lock=False))
    assert "b waits for the lock" in one.text and "redbeat_lock_timeout" in one.text


# two_beats


@pytest.mark.parametrize(
    ("other", "is_reported"),
    [
        (a_beat("b"), True),
        (a_beat("b", holds_lock=True), True),
        (a_beat("b", holds_lock=False), False),
        (a_beat("b", digest="e" * 16), False),
        (a_beat("b", digest=""), False),
        (a_beat("b", app="blog"), False),
        (a_beat("b", state="suspect"), False),
        (a_beat("b", state="stalled"), False),
        (a_beat("b", state="offline"), False),
    ],
)
def test_two_beats_are_reported_if_both_send_the_same_schedule(other: BeatView, is_reported: bool) -> None:
    assert ("two_beats" in kinds(a_beat("a"), other)) is is_reported


def test_unknown_schedules_are_not_the_same() -> None:
    assert kinds(a_beat("a", digest=""), a_beat("b", digest="")) == []


def test_instances_with_one_hostname_count_if_they_are_in_conflict() -> None:
    rival = a_report(boot=OTHER_BOOT)
    (one,) = found(a_beat(state="conflict", rivals=(rival,)))
    assert "all with the hostname celerybeat@web1" in one.text and one.for_seconds == 60.0
    assert kinds(a_beat(rivals=(rival,))) == []
    assert kinds(a_beat(state="conflict", rivals=(a_report(boot=OTHER_BOOT, holds_lock=False),))) == []


# beat_stalled


@pytest.mark.parametrize(
    ("beat", "is_reported"),
    [
        (a_beat(state="stalled", stalled_for=10.0), True),
        (a_beat(state="stalled", stalled_for=9.9), False),
        (a_beat(state="stalled", stalled_for=49.0, interval=10.0), False),
        (a_beat(state="online", stalled_for=99.0), False),
        (a_beat(state="stalled", stalled_for=99.0, holds_lock=False), False),
    ],
)
def test_a_beat_whose_tick_is_overdue_is_stalled(beat: BeatView, is_reported: bool) -> None:
    assert ("beat_stalled" in kinds(beat)) is is_reported


# entry_overdue


@pytest.mark.parametrize(
    ("entry", "is_reported"),
    [
        (an_entry(due=-10.5, sent_age=20.5), True),
        (an_entry(due=-9.5, sent_age=20.5), False),
        (an_entry(due=-299.0, sent_age=86_699.0), False),  # each day
        (an_entry(due=-301.0, sent_age=86_701.0), True),
        (an_entry(due=-59.0, sent_age=659.0), False),  # each ten minutes
        (an_entry(due=-61.0, sent_age=661.0), True),
        (an_entry(due=-500.0, sent_age=None), True),
        (an_entry(due=None), False),
        (an_entry(due=-500.0, seen=NOW - 5), False),  # of an earlier report: perhaps sent since
    ],
)
def test_an_entry_is_overdue_beyond_a_share_of_its_period(entry: EntryView, is_reported: bool) -> None:
    assert ("entry_overdue" in kinds(a_beat("a", entry))) is is_reported


@pytest.mark.parametrize(
    ("entry", "is_reported"),
    [
        (an_entry(due=3000.0, period=60.0), True),
        (an_entry(due=71.0, period=60.0), True),
        (an_entry(due=69.0, period=60.0), False),
        (an_entry(due=3900.0, period=3600.0), False),  # within a tenth of its interval
        (an_entry(due=3000.0, period=None), False),  # a crontab may be due next week
        (an_entry(due=3000.0, period=60.0, sends=0), False),  # it begins at a later time
        (an_entry(due=3000.0, period=60.0, sends=0, runs=7), True),
        (an_entry(due=3000.0, period=60.0, seen=NOW - 5), False),
    ],
)
def test_an_entry_that_is_due_after_more_than_its_interval_is_overdue(entry: EntryView, is_reported: bool) -> None:
    reported = found(a_beat("a", entry, tick_age=100.0))
    assert [(one.kind, one.for_seconds) for one in reported] == [("entry_overdue", 30.0)] * is_reported
    assert all("is due only in" in one.text and "although its interval is 60s" in one.text for one in reported)


def test_the_limits_of_an_overdue_entry_can_be_set_for_its_name() -> None:
    beat = a_beat("a", an_entry(due=-20.0, sent_age=80.0))
    assert kinds(beat, rules={"subjects": {"rep*": {"thresholds": {"overdue_seconds": 30}}}}) == []
    assert kinds(beat, rules={"subjects": {"other": {"thresholds": {"overdue_seconds": 30}}}}) == ["entry_overdue"]


@pytest.mark.parametrize(("tick_age", "seconds"), [(0.5, 30.0), (15.0, 30.0), (16.0, 330.0), (None, 330.0)])
def test_a_scheduler_that_sleeps_has_time_to_wake(tick_age: float | None, seconds: float) -> None:
    (one,) = found(a_beat("a", an_entry(due=-90.0, sent_age=150.0), tick_age=tick_age))
    assert one.for_seconds == seconds


@pytest.mark.parametrize("fields", [{"state": "stalled"}, {"state": "lost"}, {"holds_lock": False}])
def test_entries_of_a_beat_that_does_not_send_are_not_overdue(fields: Any) -> None:
    beat = a_beat("a", an_entry(due=-90.0), **fields)
    assert "entry_overdue" not in kinds(beat)


def test_more_than_three_entries_share_a_finding() -> None:
    entries = [an_entry(f"e{number}", due=-90.0) for number in range(4)]
    assert [one.subject for one in found(a_beat("a", *entries[:3]))] == ["e0", "e1", "e2"]
    (one,) = found(a_beat("a", *entries))
    assert one.subject == "a" and one.text.startswith("4 entries of a: 'e0', 'e1', 'e2', 'e3'. For example: Entry 'e0'")


# entry_fails


def test_an_entry_fails_until_it_is_sent_again() -> None:
    (one,) = found(a_beat("a", an_entry(errors=2, error="EncodeError", error_age=5.0)))
    assert (one.kind, one.subject) == ("entry_fails", "report")
    assert "could not be sent with EncodeError: 2 times since beat started, which has sent it 4 times" in one.text
    assert kinds(a_beat("a", an_entry(errors=2, error="EncodeError", error_age=35.0))) == []
    assert kinds(a_beat("a", an_entry(errors=2, error_age=5.0), state="lost")) == ["no_beat"]


# sent_never_started

SENDS = tuple(Send(NOW - age, 1) for age in (240.0, 180.0, 120.0, 60.0, 1.0))


def unreceived(
    history: tuple[Send, ...] = SENDS,
    backlog: int | None = 0,
    workers: Any = None,
    received_at: float | None = None,
    is_complete: bool = True,
    counted: tuple[str, ...] = ("celery@web1",),
    entry: Any = None,
    **inputs: Any,
) -> list[PendingFinding]:
    fleet = a_view(*(workers or [a_worker()]), backlogs={"default": backlog})
    view = View(fleet.workers, fleet.queues, NOW, beats=(a_beat("a", an_entry(history=history, **(entry or {}))),))
    received = {} if received_at is None else {"shop.report": received_at}
    receipts = Receipts(received, counted, is_complete=is_complete)
    return found(view=view, receipts=receipts, **inputs)


def test_an_entry_that_was_sent_and_not_received_is_reported_with_the_number_of_sends() -> None:
    (one,) = unreceived()
    assert (one.kind, one.subject, one.severity) == ("sent_never_started", "report", "warning")
    assert "was sent at least 5 times in the last 4m" in one.text and "its route leads to a queue" in one.text


@pytest.mark.parametrize(
    "case",
    [
        {"history": SENDS[:2]},
        {"history": SENDS[2:]},  # the third of them may be on its way
        {"received_at": NOW - 130.0},
        {"is_complete": False},
        {"backlog": None},
        {"backlog": 3},
        {"workers": [a_worker(processed=7)], "counted": ()},
        {"workers": [a_worker(batched=1)]},
        {"workers": [a_worker(overflowed=1)]},
        {"workers": [a_worker(undecodable=1)]},
        {"workers": [a_worker(interval=60.0)]},
        {"workers": [a_worker(state="suspect")]},
        {"workers": [a_worker(), a_worker("lost", hostname="w2")]},
        {"workers": [a_worker(checks=(a_check("default", paused=True),))]},
        {"workers": [a_worker(checks=(a_check("default", broadcast=True),))]},
        {"entry": {"queue": "elsewhere"}},  # nobody reads its length
        {"listening_for": 150.0},
        {"rules": {"thresholds": {"unreceived_sends": 6}}},
    ],
)
def test_nothing_is_claimed_where_the_reports_do_not_prove_it(case: Any) -> None:
    assert unreceived(**case) == []


@pytest.mark.parametrize(
    "case",
    [
        {"received_at": NOW - 250.0},
        {"workers": [a_worker(), a_worker("offline", hostname="w2")]},
        {"workers": [a_worker(processed=7)]},
        {"entry": {"queue": "default"}},
        {"listening_for": 280.0},
    ],
)
def test_it_is_claimed_where_they_do(case: Any) -> None:
    assert [one.kind for one in unreceived(**case)] == ["sent_never_started"]


def test_of_a_frequent_entry_its_number_of_sends_shows_for_how_long_it_was_sent() -> None:
    """The history holds 20 sends, which may be a few seconds."""
    history = tuple(Send(NOW - 20.0 + number, 1) for number in range(20))
    assert unreceived(history, entry={"sends": 40}) == []
    (one,) = unreceived(history, entry={"sends": 400})
    assert "at least 20 times" in one.text
    assert unreceived(history, entry={"sends": 400}, received_at=NOW - 30.0) == []


def test_the_kinds_can_be_muted() -> None:
    inputs = RuleInput(View((), (), NOW), 60.0, settings=parse_rules({"mute": sorted(BEAT_KINDS)}, "rules"))
    for kind in BEAT_KINDS:
        assert inputs.adjusted(PendingFinding(kind, "warning", "a", "text")) is None
