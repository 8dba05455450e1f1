"""What a Control sends, and how answers, reports and errors of the broker become the outcome in its log."""

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import msgspec
import pytest

from celery_gossip import signals
from celery_gossip.control import confirmer
from celery_gossip.control.activity import MAX_ACTIVITIES, MAX_LISTED, Activity, ActivityLog
from celery_gossip.control.command import (
    PERMISSIONS,
    Grow,
    Pause,
    Purge,
    RateLimit,
    Revoke,
    Shutdown,
    Terminate,
    TimeLimit,
)
from celery_gossip.control.control import CommandNotAllowed, Control, ControlTarget, UnknownSource
from celery_gossip.control.selection import CommandRefused, NoMatchingWorker
from tests.support import eventually
from tests.unit.build import FakeClock, a_check
from tests.web.fake_fleet import FakeFleet
from tests.web.served import FakeApp

MAIL = Pause(source="0", queue="mail")


class Desk:
    """A Control of a fake fleet of two workers that serve the queue "mail"."""

    def __init__(self) -> None:
        self.fleet, self.app = FakeFleet(), FakeApp()
        self.purge_error: Exception | None = None
        for hostname in ("celery@web1", "celery@web2"):
            self.fleet.report(hostname, checks=(a_check("mail", active=(f"{hostname}-1",), active_count=1),))
        target = ControlTarget(
            app=self.app,
            connect=lambda: nullcontext(object()),
            view=self.fleet.view,
            knows_queue=self.fleet.knows_queue,
            purge=self._purge,
        )
        self.control = Control({"0": target}, frozenset(PERMISSIONS), clock=self.fleet.clock, unix_clock=FakeClock(9e8))

    def _purge(self, queue: str) -> int:
        if self.purge_error is not None:
            raise self.purge_error
        return 1

    @property
    def last(self) -> Activity:
        return self.control.log.latest()[0]

    def advance(self, seconds: float) -> None:
        """Let this time pass, and look at the reports."""
        self.fleet.clock.advance(seconds)
        self.control.confirmer.review()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(confirmer, "_PERIOD", 3600.0)  # the test calls review() itself
    desk = Desk()
    yield desk
    desk.control.close()


def test_a_command_is_confirmed_when_the_reports_of_all_its_workers_show_it(desk: Desk) -> None:
    reply = desk.control.send(MAIL, "ann")
    assert reply.asked == ["celery@web1", "celery@web2"] and reply.activity == 1 and not reply.errors
    assert (desk.last.outcome, desk.last.counts, desk.last.seconds) == ("waiting", {"waiting": 2}, None)
    desk.fleet.report("celery@web1", checks=(a_check("mail", paused=True),))
    desk.advance(1)
    assert desk.last.counts == {"confirmed": 1, "waiting": 1}
    desk.fleet.report("celery@web2", checks=(a_check("mail", paused=True),))
    desk.advance(1)
    assert (desk.last.outcome, desk.last.counts, desk.last.seconds) == ("confirmed", {"confirmed": 2}, 2.0)
    desk.fleet.report("celery@web1", checks=(a_check("mail"),))
    desk.advance(1)
    assert desk.last.outcome == "confirmed"  # what comes later is another story


def test_an_effect_that_no_report_shows_in_time_is_not_confirmed(desk: Desk) -> None:
    desk.control.send(MAIL, "ann")
    desk.fleet.report("celery@web1", checks=(a_check("mail", paused=True),))
    desk.advance(20.9)
    assert desk.last.outcome == "waiting"
    desk.advance(0.1)
    assert (desk.last.outcome, desk.last.outcomes) == (
        "not_confirmed",
        {"celery@web1": "confirmed", "celery@web2": "not_confirmed"},
    )


def test_without_reports_from_the_broker_nothing_is_known(desk: Desk) -> None:
    desk.control.send(MAIL, "ann")
    view = dataclasses.replace(desk.fleet.view(), isolated_since=1.0)
    desk.fleet.view = lambda: view  # type: ignore[method-assign]
    desk.control.targets = {"0": dataclasses.replace(desk.control.targets["0"], view=desk.fleet.view)}
    desk.advance(30)
    assert (desk.last.outcome, desk.last.counts) == ("unknown", {"unknown": 2})


def test_a_command_that_no_report_can_show_is_answered_and_never_confirmed(desk: Desk) -> None:
    desk.control.send(RateLimit(source="0", task="t", rate_limit="1/s"), "ann")
    assert (desk.last.outcome, desk.last.counts) == ("answered", {"answered": 2})
    desk.control.send(TimeLimit(source="0", task="t", hard=3), "ann")
    assert desk.last.outcome == "answered" and "after the worker has reconnected" in desk.last.detail


def test_without_an_answer_such_a_command_has_an_unknown_outcome(desk: Desk) -> None:
    desk.app.control.is_silent = True
    desk.control.send(RateLimit(source="0", task="t", rate_limit="1/s"), "ann")
    assert (desk.last.outcome, desk.last.answers) == ("unknown", {})


def test_an_error_of_a_worker_is_shown_as_it_is(desk: Desk) -> None:
    desk.app.control.reply = {"error": "ValueError('Autoscale \x1b not enabled')"}
    reply = desk.control.send(Grow(source="0", hostname="celery@web1"), "ann")
    assert reply.errors == ["celery@web1"]
    assert reply.answers == {"celery@web1": "ValueError('Autoscale \\x1b not enabled')"}
    assert (desk.last.outcome, desk.last.answers) == ("failed", reply.answers)


def test_a_terminated_task_is_confirmed_where_it_ran_and_answered_elsewhere(desk: Desk) -> None:
    desk.control.send(Terminate(source="0", ids=["celery@web1-1"], signal="KILL"), "ann")
    assert desk.last.outcomes == {"celery@web1": "waiting", "celery@web2": "answered"}
    desk.fleet.report("celery@web1", checks=(a_check("mail"),))
    desk.advance(1)
    assert desk.last.outcome == "answered" and desk.last.outcomes["celery@web1"] == "confirmed"
    assert desk.app.control.sent[0][1]["signal"] == "SIGKILL"


def test_pools_that_cannot_terminate_are_asked_to_revoke_only(desk: Desk) -> None:
    desk.fleet.report("celery@web3", pool="threads")
    desk.control.send(Terminate(source="0", ids=["waits"]), "ann")
    assert desk.app.control.sent == [
        ("revoke", {"task_id": ["waits"], "terminate": True, "signal": "SIGTERM"}, ["celery@web1", "celery@web2"]),
        ("revoke", {"task_id": ["waits"]}, ["celery@web3"]),
    ]


def test_a_shutdown_waits_for_no_reply(desk: Desk) -> None:
    desk.control.send(Shutdown(source="0", hostname="celery@web1"), "ann")
    desk.fleet.report("celery@web1", state="draining")
    desk.advance(1)
    assert desk.last.outcome == "confirmed"


def test_a_purge_is_done_by_the_broker(desk: Desk) -> None:
    reply = desk.control.send(Purge(source="0", queue="mail", confirm="mail"), "ann")
    assert (reply.asked, reply.detail) == ([], "1 message deleted")
    assert (desk.last.outcome, desk.last.detail, desk.last.queue) == ("confirmed", "1 message deleted", "mail")
    with pytest.raises(NoMatchingWorker, match="names this queue"):
        desk.control.send(Purge(source="0", queue="x", confirm="x"), "ann")


@pytest.mark.parametrize(
    ("error", "outcome", "detail"),
    [
        (TimeoutError("redis://u:secret@h"), "unknown", "TimeoutError: it is not known whether it was received"),
        (ConnectionRefusedError(111, "secret"), "failed", "ConnectionRefusedError: the broker refused it"),
    ],
)
def test_an_error_of_the_broker_says_what_is_known_and_no_secret(
    desk: Desk, caplog: pytest.LogCaptureFixture, error: Exception, outcome: str, detail: str
) -> None:
    desk.purge_error = desk.app.control.error = error
    with caplog.at_level(logging.INFO):
        for command in (MAIL, Purge(source="0", queue="mail", confirm="mail")):
            with pytest.raises(type(error)):
                desk.control.send(command, "ann")
            assert (desk.last.outcome, desk.last.detail) == (outcome, detail)
    assert "secret" not in caplog.text


def test_a_user_has_the_permissions_of_the_server_and_of_the_file(desk: Desk) -> None:
    desk.control.permissions = frozenset({"pause", "revoke"})
    desk.control.control_users = {"ann": frozenset({"pause", "purge"}), "*": frozenset({"revoke"})}
    assert desk.control.permissions_of("ann") == {"pause"}
    assert desk.control.permissions_of("bob") == {"revoke"}
    with pytest.raises(CommandNotAllowed, match="pause: expected the permission 'pause'"):
        desk.control.send(MAIL, "bob")
    with pytest.raises(CommandNotAllowed):
        desk.control.preview(Purge(source="0", queue="mail", confirm="mail"), "ann")
    assert desk.control.log.latest() == [] and desk.app.control.sent == []


def test_a_preview_sends_and_logs_nothing(desk: Desk) -> None:
    desk.fleet.report("celery@web3", pool="solo")
    hosts = ["celery@web1", "celery@web3"]
    reply = desk.control.preview(Grow(source="0", hostnames=hosts), "ann")
    assert (reply.asked, reply.activity) == (["celery@web1"], None)
    assert reply.refused == {"celery@web3": "its pool, solo, has a fixed size"}
    assert desk.app.control.sent == [] and desk.control.log.latest() == []
    with pytest.raises(CommandRefused):
        desk.control.preview(Grow(source="0", hostname="celery@web3"), "ann")
    with pytest.raises(UnknownSource):
        desk.control.preview(Pause(source="1", queue="mail"), "ann")


def test_request_and_outcome_are_logged_and_signalled_without_control_characters(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[dict[str, Any]] = []
    settled: list[Activity] = []

    def on_asked(sender: Any, **data: Any) -> None:
        asked.append(data)

    def on_settled(sender: Any, activity: Activity) -> None:
        settled.append(activity)

    with (
        signals.control_asked.connected_to(on_asked, sender=desk.app),
        signals.control_settled.connected_to(on_settled, sender=desk.app),
        caplog.at_level(logging.INFO),
    ):
        desk.control.send(Revoke(source="0", ids=["t\n1"], hostname="celery@web1"), "an\nn")
    assert asked == [
        {
            "act": "revoke",
            "user": "an\nn",
            "hostnames": ("celery@web1",),
            "queue": None,
            "task_ids": ("t\n1",),
            "activity_id": 1,
        }
    ]
    assert [(one.id, one.outcome) for one in settled] == [(1, "answered")]
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "celery-gossip: an\\nn requests revoke t\\n1 on celery@web1",
        "celery-gossip: revoke t\\n1 by an\\nn: answered after 0.0 s (answered 1)",
    ]


def test_the_log_keeps_the_latest_commands_and_lists_some_of_their_workers(desk: Desk) -> None:
    for number in range(100):
        desk.fleet.report(f"celery@many{number:03}", checks=(a_check("mail"),))
    desk.control.send(RateLimit(source="0", task="t", rate_limit="1/s"), "ann")
    assert desk.last.workers == 102 and len(desk.last.hostnames) == len(desk.last.answers) == MAX_LISTED
    assert desk.last.counts == {"answered": 102}
    log = ActivityLog()
    for _ in range(MAX_ACTIVITIES + 10):
        log.put(_numbered(desk.last, log.next_id()))
    log.put(_numbered(desk.last, 1))  # was dropped before its outcome was known
    assert [one.id for one in log.latest()] == list(range(MAX_ACTIVITIES + 10, 10, -1))


def _numbered(activity: Activity, number: int) -> Activity:
    return msgspec.structs.replace(activity, id=number)


def test_the_thread_confirms_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmer, "_PERIOD", 0.01)
    desk = Desk()
    desk.control.send(MAIL, "ann")
    for hostname in ("celery@web1", "celery@web2"):
        desk.fleet.report(hostname, checks=(a_check("mail", paused=True),))

    def is_over() -> None:
        assert desk.last.outcome == "confirmed"
        assert desk.control.confirmer._thread is None

    eventually(is_over)
    desk.control.close()
