"""Commands from the dashboard: what is asked, what is sent, and what becomes of it."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

import msgspec
import pytest

from celery_gossip.log import logger
from celery_gossip.tui.control_session import ControlSession
from tests.tui.remote import FakeRemote, a_session
from tests.tui.scenes import HOSTILE, NOW, a_view, a_worker, failures, findings, hostile, three_workers
from tests.tui.stage import FakeSource, Stage, play
from tests.unit.build import a_check

Scenario = Callable[[Stage, FakeRemote], Awaitable[None]]


def controlled(
    *permissions: str, size: tuple[int, int] = (80, 24), source: Callable[[], FakeSource] | None = None
) -> Callable[[Scenario], Callable[[], None]]:
    """Run the test on a dashboard whose user has these permissions, or all."""

    def turned(scenario: Scenario) -> Callable[[], None]:
        def test() -> None:
            shown = source() if source else FakeSource(three_workers(), findings(), failures=failures())
            session, remote = a_session(shown, *permissions)
            try:
                play(lambda stage: scenario(stage, remote), shown, size, session)
            finally:
                session.control.close()

        test.__name__ = scenario.__name__
        return test

    return turned


def test_without_the_option_no_key_opens_commands_and_the_help_says_how_to_allow_them() -> None:
    async def scenario(stage: Stage) -> None:
        for key in ("c", "l"):
            before = stage.lines
            await stage.press(key)
            assert stage.lines == before
        await stage.press("question_mark")
        assert "--allow-control" in stage.text and "terminate" in stage.text

    play(scenario, FakeSource(three_workers()), (100, 40))


@controlled("pause")
async def test_the_menu_says_which_permission_a_command_needs_and_refuses_it(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("2", "c")
    assert "p pause         all workers" in stage.text
    assert "x purge         needs --allow-control=purge" in stage.text
    await stage.press("x")
    assert "commands  press the letter" in stage.text
    await stage.press("escape", "question_mark")
    assert "allowed are pause" in stage.text


@controlled()
async def test_nothing_is_sent_before_the_question_is_answered_with_y(stage: Stage, remote: FakeRemote) -> None:
    for answer in ("n", "escape", "q"):
        await stage.press("2", "down", "c", "p")
        assert "Will be sent to 2 workers" in stage.text and "shop1@vm  online, 2 of 2 slots busy" in stage.text
        await stage.press("enter", answer)
        assert "Will be sent" not in stage.text
        await stage.press("home")
    assert stage.app.is_running and remote.sent == []


@controlled()
async def test_a_queue_is_paused_and_the_next_reports_confirm_it(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("2", "down", "c", "p", "y", "y")
    await stage.until(lambda: "waits for the next report" in stage.text)
    assert remote.sent == [("cancel_consumer", {"queue": "mail"}, ["shop1@vm", "shop2@vm"])]
    assert "cancel_consumer done" in stage.text
    stage.source.shown = paused(stage.source)
    await stage.until(lambda: "outcome       ✓ confirmed" in stage.text)
    await stage.press("escape", "l")
    assert "pause 'mail'" in stage.text and "by ann on 2 workers: ✓ confirmed" in stage.text


def paused(source: FakeSource) -> object:
    """Return the view after the next report of every worker, in which the queue is paused."""
    workers = []
    for worker in source.shown.workers:
        checks = tuple(msgspec.structs.replace(check, paused=True) for check in worker.gossip.checks)
        gossip = msgspec.structs.replace(worker.gossip, seq=worker.gossip.seq + 1, checks=checks)
        workers.append(msgspec.structs.replace(worker, gossip=gossip))
    return replace(source.shown, workers=tuple(workers))


@controlled()
async def test_a_command_goes_to_the_workers_that_were_listed_and_no_others(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("5", "c", "r")
    assert "Will be sent to 2 workers" in stage.text
    stage.source.shown = replace(stage.source.shown, workers=(*stage.source.shown.workers, a_worker("shop9@vm")))
    await stage.press("y")
    await stage.until(lambda: bool(remote.sent))
    assert remote.sent == [("revoke", {"task_id": ["id-mail"]}, ["shop1@vm", "shop2@vm"])]


@controlled()
async def test_a_command_is_sent_on_a_thread_while_the_display_goes_on(stage: Stage, remote: FakeRemote) -> None:
    remote.may_reply.clear()
    await stage.press("5", "c", "r", "y")
    assert "is being sent" in stage.text
    await stage.press("escape")
    stage.source.shown = a_view(a_worker("other@vm"))
    await stage.tick()
    assert "other@vm" in stage.text
    await stage.press("l")
    assert "revoke id-mail" in stage.text and "waits for the next report" in stage.text
    remote.may_reply.set()
    await stage.until(lambda: bool(remote.sent))
    assert remote.threads == ["celery-gossip-command"]
    assert remote.sent == [("revoke", {"task_id": ["id-mail"]}, ["shop1@vm", "shop2@vm"])]


@controlled()
async def test_a_task_is_ended_with_the_signal_that_was_typed(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("5", "c", "t", *["backspace"] * 4, *"HUP", "enter")
    assert "Invalid enum value 'HUP'" in stage.text
    await stage.press(*["backspace"] * 3, *"KILL", "enter")
    assert "1 task" in stage.text and "id-mail ● running shop.send_mail on shop1@vm" in stage.text
    await stage.press("y")
    await stage.until(lambda: len(remote.sent) == 2)
    terminate = {"task_id": ["id-mail"], "terminate": True, "signal": "SIGKILL"}
    assert remote.sent == [("revoke", terminate, ["shop1@vm"]), ("revoke", {"task_id": ["id-mail"]}, ["shop2@vm"])]


@controlled()
async def test_a_task_on_a_pool_that_cannot_end_it_is_refused_with_the_reason(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("5", "end", "c", "t", "enter")
    assert "shop2@vm: its pool, solo, cannot end a task that runs: id-reports" in stage.text
    await stage.press("y", "escape")
    assert remote.sent == []


@controlled()
async def test_a_purge_needs_the_name_of_the_queue(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("2", "down", "c", "x", "enter")
    assert "type the name of the queue: expected a value" in stage.text
    await stage.press(*"mai", "enter")
    assert "expected the name of the queue again" in stage.text
    await stage.press("l", "enter")
    assert "All messages that wait in mail are deleted for good; 1,234" in stage.text and remote.purged == []
    await stage.press("y")
    await stage.until(lambda: "12 messages deleted" in stage.text)
    assert remote.purged == ["mail"]


@controlled()
async def test_what_is_typed_into_a_dialog_is_no_filter(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("2", "down", "c", "x", *"mail", "escape")
    assert "filter:" not in stage.text and "2 QUEUES 4" in stage.text


@controlled()
async def test_all_tasks_that_the_filter_selects_are_revoked_together(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("5", "c")
    assert "that the filter selects" not in stage.text
    await stage.press("escape", "slash", *"shop1", "enter", "c")
    assert "all 2 tasks that the filter selects" in stage.text
    await stage.press("R")
    assert "2 tasks" in stage.text and "id-default ● running" in stage.text and "id-mail ● running" in stage.text
    await stage.press("y")
    await stage.until(lambda: bool(remote.sent))
    assert sorted(remote.sent[0][1]["task_id"]) == ["id-default", "id-mail"]


@controlled()
async def test_all_live_workers_that_the_filter_selects_grow_together(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("slash", *"mail", "enter", "c", "G", "enter")
    assert "shop2@vm: its pool, solo, has a fixed size" in stage.text and "Will be sent to 1 worker" in stage.text
    await stage.press("y")
    await stage.until(lambda: bool(remote.sent))
    assert remote.sent == [("pool_grow", {"n": 1}, ["shop1@vm"])]


@controlled()
async def test_an_id_that_no_report_contains_can_be_revoked(stage: Stage, remote: FakeRemote) -> None:
    await stage.press("slash", *"unknown-id", "enter", "c", "r")
    assert "unknown-id  in no report" in stage.text
    await stage.press("y")
    await stage.until(lambda: "accepted; no report can show it" in stage.text)
    assert remote.sent[0][1] == {"task_id": ["unknown-id"]}


@controlled()
async def test_an_error_of_the_broker_is_shown_without_its_text(stage: Stage, remote: FakeRemote) -> None:
    remote.error = OSError("redis://user:secret@host")
    await stage.press("2", "down", "c", "p", "y")
    await stage.until(lambda: "✖ OSError" in stage.text)
    assert "secret" not in stage.text
    await stage.press("escape", "l")
    assert "it is not known whether it was received" in stage.text


def test_the_log_has_a_line_with_the_user_and_the_command(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("2", "down", "c", "p", "y")
        await stage.until(lambda: bool(remote.sent))

    source = FakeSource(three_workers())
    session, remote = a_session(source, user="grace")
    with caplog.at_level(logging.INFO, logger.name):
        play(scenario, source, session=session)
    session.control.close()
    assert "grace requests pause 'mail' on shop1@vm, shop2@vm" in caplog.text


@controlled()
async def test_without_a_row_or_a_command_for_it_the_menu_says_so(stage: Stage, remote: FakeRemote) -> None:
    stage.source.shown = a_view()
    await stage.tick()
    await stage.press("3", "c")
    assert "3 WORKERS 0" in stage.text and "esc closes" not in stage.text
    stage.source.shown = three_workers()
    stage.source.findings = (replace(findings()[0], subject="elsewhere"),)
    await stage.tick()
    await stage.press("1", "c")
    assert "none for this row" in stage.text


@pytest.mark.parametrize("size", [(200, 60), (80, 24), (20, 5), (1, 1)])
def test_dialogs_fit_into_any_terminal_and_hostile_names_stay_text(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage) -> None:
        for number, key in (("2", "p"), ("3", "d"), ("5", "r"), ("6", "l")):
            await stage.press(number, "end", "c", key)
            await stage.press("y")
            assert "\x1b" not in stage.text and "\u202e" not in stage.text
            await stage.resize(size[0] + 1, size[1])
            await stage.resize(*size)
            await stage.press("escape", "l", "escape", "escape")

    _, found = hostile()
    workers = [
        a_worker(name, active=1, checks=(a_check(name, active=(name,), active_count=1),), heard_at=NOW)
        for name in HOSTILE[:4]
    ]
    source = FakeSource(a_view(*workers), found, failures=failures())
    session, _ = a_session(source)
    assert isinstance(session, ControlSession)
    play(scenario, source, size, session)
    session.control.close()
