"""States of checks: unmet expectations, exceeded limits, and what is not known."""

from typing import Any

import pytest

from celery_gossip.console.check import (
    EXIT_CODES,
    IDLE_AFTER,
    Expectations,
    Levels,
    Result,
    State,
    evaluate,
    overall,
)
from celery_gossip.console.report import Report, SourceRow
from tests.unit.console.views import a_finding_row, a_queue_row, a_report, a_worker_row

ISOLATED = (SourceRow(trouble="the listener is isolated"),)


def checked(report: Report, **expected: Any) -> list[tuple[str, State, str]]:
    return [(one.check, one.state, one.subject) for one in evaluate(report, Expectations(**expected))]


def only(report: Report, **expected: Any) -> Result:
    (result,) = evaluate(report, Expectations(**expected))
    return result


def state_of(report: Report, **expected: Any) -> State:
    return overall(report, evaluate(report, Expectations(**expected)))


# The state of a report.


def test_exit_codes_are_those_of_monitoring_plugins() -> None:
    assert EXIT_CODES == {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        ((), "ok"),
        ((a_finding_row(severity="warning"),), "warning"),
        ((a_finding_row(severity="critical"),), "critical"),
        ((a_finding_row(severity="warning"), a_finding_row(severity="critical")), "critical"),
        ((a_finding_row("nobody_heard"),), "unknown"),
        ((a_finding_row("isolated"),), "unknown"),
        ((a_finding_row("isolated"), a_finding_row("failing", "warning")), "warning"),
    ],
)
def test_findings_decide_the_state_by_their_severity(findings: Any, state: State) -> None:
    assert state_of(a_report(findings=findings)) == state


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        (["ok"], "ok"),
        (["ok", "unknown"], "unknown"),
        (["unknown", "warning", "ok"], "warning"),
        (["unknown", "critical", "warning"], "critical"),
    ],
)
def test_critical_is_worse_than_warning_and_warning_worse_than_unknown(states: list[State], worst: State) -> None:
    assert overall(a_report(), [Result(check="x", state=state, text="") for state in states]) == worst


@pytest.mark.parametrize("state", ["lost", "offline"])
def test_a_report_without_a_live_worker_is_unknown(state: str) -> None:
    assert checked(a_report(workers=())) == [("workers", "unknown", "")]
    assert checked(a_report(workers=(a_worker_row(state=state),))) == [("workers", "unknown", "")]


def test_a_report_that_is_not_current_is_unknown_and_says_why() -> None:
    result = only(a_report(sources=ISOLATED))
    assert (result.check, result.state, result.text) == ("listener", "unknown", "the listener is isolated")


def test_of_several_brokers_each_must_be_known() -> None:
    sources = (SourceRow(source="redis://a"), SourceRow(source="redis://b"), SourceRow(source="c", trouble="down"))
    results = evaluate(a_report(sources=sources, workers=(a_worker_row(source="redis://a"),)), Expectations())
    assert [(one.source, one.state, one.text) for one in results] == [
        ("redis://b", "unknown", "redis://b: no worker reports"),
        ("c", "unknown", "c: down"),
    ]


# --expect-workers


def a_fleet(*states: str, **fields: Any) -> Report:
    return a_report(workers=tuple(a_worker_row(f"w{n}", state) for n, state in enumerate(states)), **fields)


@pytest.mark.parametrize(
    ("states", "levels", "state", "text"),
    [
        (("online", "online"), Levels(2), "ok", "2 workers report"),
        (("online",), Levels(2), "critical", "1 worker reports, fewer than 2"),
        (("stalled", "conflict"), Levels(2), "ok", "2 workers report"),
        (("online", "draining", "lost", "offline"), Levels(2), "critical", "1 worker reports, fewer than 2"),
        (("online",) * 3, Levels(2, warning=4), "warning", "3 workers report, fewer than 4"),
        (("online",) * 4, Levels(2, warning=4), "ok", "4 workers report"),
        (("online",), Levels(2, warning=4), "critical", "1 worker reports, fewer than 2"),
        (("online", "suspect"), Levels(2), "unknown", "1 worker reports, fewer than 2; uncertain: w1"),
        (("online", "suspect"), Levels(3), "critical", "1 worker reports, fewer than 3"),
    ],
)
def test_too_few_workers_are_critical(states: tuple[str, ...], levels: Levels, state: State, text: str) -> None:
    result = only(a_fleet(*states), workers=levels)
    assert (result.state, result.text) == (state, text)
    assert result.value == sum(one in ("online", "stalled", "conflict") for one in states)


def test_no_worker_at_all_is_critical_where_one_is_expected() -> None:
    report = a_report(workers=())
    assert checked(report, workers=Levels(1)) == [("workers", "unknown", ""), ("expect-workers", "critical", "")]
    assert state_of(report, workers=Levels(1)) == "critical"


def test_too_few_workers_are_unknown_while_a_broker_is_not_listened_to() -> None:
    sources = (SourceRow(), SourceRow(source="b", trouble="down"))
    report = a_fleet("online", sources=sources)
    assert checked(report, workers=Levels(2))[1:] == [("expect-workers", "unknown", "")]
    assert checked(report, workers=Levels(1))[1:] == [("expect-workers", "ok", "")]
    stale = a_report(sources=ISOLATED)
    assert checked(stale, workers=Levels(1)) == [("listener", "unknown", ""), ("expect-workers", "unknown", "")]


# --expect-worker


@pytest.mark.parametrize(
    ("states", "state", "text"),
    [
        (("online",), "ok", "celery@web1 reports"),
        (("stalled",), "ok", "celery@web1 reports"),
        ((), "critical", "celery@web1 has not reported"),
        (("lost",), "critical", "celery@web1 is lost"),
        (("offline",), "critical", "celery@web1 has shut down"),
        (("draining",), "critical", "celery@web1 is shutting down"),
        (("suspect",), "unknown", "celery@web1 may have stopped reporting"),
    ],
)
def test_a_worker_that_does_not_report_is_critical(states: tuple[str, ...], state: State, text: str) -> None:
    workers = (a_worker_row("celery@db1"), *(a_worker_row(state=one) for one in states))
    result = only(a_report(workers=workers), hostnames=("celery@web1",))
    assert (result.check, result.state, result.subject, result.text) == ("expect-worker", state, "celery@web1", text)


def test_a_host_is_met_by_any_of_its_workers() -> None:
    workers = (a_worker_row("mail@web1", "lost"), a_worker_row("default@web1"), a_worker_row("mail@web2", "lost"))
    found = checked(a_report(workers=workers), hostnames=("web1", "web2", "web3"))
    assert [state for _, state, _ in found] == ["ok", "critical", "critical"]


def test_a_worker_is_unknown_while_its_broker_is_not_listened_to() -> None:
    (_, result) = evaluate(a_report(sources=ISOLATED), Expectations(hostnames=("celery@web1",)))
    assert (result.state, result.text) == ("unknown", "celery@web1: a broker is not listened to")


# Limits of queues.


@pytest.mark.parametrize(
    ("backlog", "levels", "state", "text"),
    [
        (5, Levels(5), "ok", "5 messages wait in queue 'mail'"),
        (1, Levels(0), "critical", "1 message waits in queue 'mail', more than 0"),
        (6, Levels(10, warning=5), "warning", "6 messages wait in queue 'mail', more than 5"),
        (11, Levels(10, warning=5), "critical", "11 messages wait in queue 'mail', more than 10"),
        (None, Levels(10), "unknown", "the backlog of queue 'mail' is unknown"),
    ],
)
def test_a_backlog_above_its_limit_is_critical(backlog: int | None, levels: Levels, state: State, text: str) -> None:
    result = only(a_report(queues=(a_queue_row(backlog=backlog),)), max_backlog=levels)
    assert (result.check, result.state, result.subject, result.text) == ("max-backlog", state, "mail", text)
    assert result.value == backlog


@pytest.mark.parametrize(
    ("wait", "levels", "state", "text"),
    [
        (2.0, Levels(2.0), "ok", "tasks of queue 'mail' waited 2s (p95)"),
        (45.0, Levels(60.0, warning=30.0), "warning", "tasks of queue 'mail' waited 45s (p95), more than 30s"),
        (61.0, Levels(60.0, warning=30.0), "critical", "tasks of queue 'mail' waited 61s (p95), more than 60s"),
    ],
)
def test_a_wait_above_its_limit_is_critical(wait: float, levels: Levels, state: State, text: str) -> None:
    result = only(a_report(queues=(a_queue_row(wait_p95=wait, per_second=1.0),)), max_wait=levels)
    assert (result.check, result.state, result.text, result.value) == ("max-wait", state, text, wait)


@pytest.mark.parametrize(
    ("rate", "levels", "state", "text"),
    [
        (0.05, Levels(0.05), "ok", "5% of the tasks of queue 'mail' failed"),
        (0.054, Levels(0.05), "critical", "5.4% of the tasks of queue 'mail' failed, more than 5%"),
        (0.02, Levels(0.05, warning=0.01), "warning", "2% of the tasks of queue 'mail' failed, more than 1%"),
    ],
)
def test_a_failure_rate_above_its_limit_is_critical(rate: float, levels: Levels, state: State, text: str) -> None:
    result = only(a_report(queues=(a_queue_row(failure_rate=rate),)), max_failure_rate=levels)
    assert (result.check, result.state, result.text, result.value) == ("max-failure-rate", state, text, rate)


def a_quiet_queue(listened: float, interval: float = 1.0, **fields: Any) -> Report:
    sources = (SourceRow(listened=listened),)
    return a_report(sources=sources, workers=(a_worker_row(interval=interval),), queues=(a_queue_row(**fields),))


BOTH = {"max_wait": Levels(1.0), "max_failure_rate": Levels(0.05)}


def test_rates_of_a_queue_without_tasks_are_unknown_until_it_was_listened_to_for_long_enough() -> None:
    short, long = a_quiet_queue(IDLE_AFTER - 1), a_quiet_queue(IDLE_AFTER)
    assert [state for _, state, _ in checked(short, **BOTH)] == ["unknown", "unknown"]
    assert only(short, max_wait=Levels(1.0)).text == (
        "no task of queue 'mail' started in 29 s of listening; after 30 s it counts as idle"
    )
    assert [state for _, state, _ in checked(long, **BOTH)] == ["ok", "ok"]
    assert only(long, max_failure_rate=Levels(0.0)).text == "no task of queue 'mail' failed"


def test_a_queue_of_workers_with_a_long_interval_is_idle_after_three_of_these() -> None:
    assert [state for _, state, _ in checked(a_quiet_queue(60.0, interval=30.0), **BOTH)] == ["unknown", "unknown"]
    assert [state for _, state, _ in checked(a_quiet_queue(90.0, interval=30.0), **BOTH)] == ["ok", "ok"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"backlog": 3}, "no task of queue 'mail' started in 30 s, although 3 wait"),
        ({"reserved": 2}, "no task of queue 'mail' started in 30 s, although 2 wait"),
        ({"backlog": None}, "no task of queue 'mail' started in 30 s, and its backlog is unknown"),
        (
            {"per_second": 0.1},
            "the wait of tasks of queue 'mail' is unknown: none that started carries the time of its sending",
        ),
    ],
)
def test_a_wait_that_cannot_be_known_is_never_ok(fields: dict[str, Any], text: str) -> None:
    result = only(a_quiet_queue(60.0, **fields), max_wait=Levels(1000.0))
    assert (result.state, result.text, result.value) == ("unknown", text, None)


def test_every_queue_is_compared_or_only_those_that_are_named() -> None:
    queues = (a_queue_row("a", backlog=1), a_queue_row("b", backlog=9), a_queue_row("c", backlog=None))
    report = a_report(queues=queues)
    every = [("max-backlog", "ok", "a"), ("max-backlog", "critical", "b"), ("max-backlog", "unknown", "c")]
    assert checked(report, max_backlog=Levels(5)) == every
    assert checked(report, max_backlog=Levels(5), queues=("a",)) == every[:1]
    assert state_of(report, max_backlog=Levels(5), queues=("a",)) == "ok"


def test_a_named_queue_that_is_not_known_is_unknown_and_so_are_limits_without_any_queue() -> None:
    report = a_report()
    assert checked(report, max_backlog=Levels(5), queues=("mail", "other")) == [
        ("max-backlog", "ok", "mail"),
        ("max-backlog", "unknown", "other"),
    ]
    empty = only(a_report(queues=()), max_backlog=Levels(5))
    assert (empty.state, empty.text) == ("unknown", "no queue is known")


def test_a_queue_of_two_brokers_is_compared_on_both_and_unknown_where_one_is_not_listened_to() -> None:
    sources = (SourceRow(source="a"), SourceRow(source="b", trouble="down"))
    report = a_report(
        sources=sources,
        workers=(a_worker_row(source="a"),),
        queues=(a_queue_row(source="a", backlog=1), a_queue_row(source="b", backlog=9)),
    )
    limits = [one for one in evaluate(report, Expectations(max_backlog=Levels(5))) if one.check == "max-backlog"]
    assert [(one.source, one.state) for one in limits] == [("a", "ok"), ("b", "unknown")]
    assert limits[1].text == "queue 'mail': a broker is not listened to"


def test_names_from_messages_are_shown_as_printable_text() -> None:
    report = a_report(queues=(a_queue_row("a\nb", backlog=9),))
    assert only(report, max_backlog=Levels(5)).text == "9 messages wait in queue 'a\\nb', more than 5"
