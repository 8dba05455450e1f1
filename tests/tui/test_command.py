"""`celery gossip top`: errors at the start, and what it restores at the end."""

import logging
import signal
import sys
from types import SimpleNamespace

import pytest
from celery import Celery
from click.testing import CliRunner

from celery_gossip import tui
from celery_gossip.cli import gossip
from celery_gossip.control.command import PERMISSIONS
from celery_gossip.log import logger
from celery_gossip.tui.control_session import describe_activity
from tests.tui.scenes import three_workers
from tests.tui.stage import FakeSource
from tests.unit.tui.test_control_session import ACTIVITY


def test_without_textual_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("celery_gossip.tui")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("celery_gossip.tui")
    monkeypatch.setitem(sys.modules, "textual", None)
    done = CliRunner().invoke(gossip, ["top"])
    assert done.exit_code == 1
    assert done.output == 'Error: celery gossip top needs Textual: pip install "celery-gossip[top]"\n'


def test_a_module_of_our_own_that_is_missing_is_not_taken_for_textual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("celery_gossip.tui")
    monkeypatch.setitem(sys.modules, "celery_gossip.tui", None)
    assert isinstance(CliRunner().invoke(gossip, ["top"]).exception, ModuleNotFoundError)


def test_without_a_terminal_one_line_says_what_to_use() -> None:
    done = CliRunner().invoke(gossip, ["top"])
    assert done.exit_code == 1
    assert done.output == ("Error: celery gossip top needs a terminal; elsewhere use celery gossip status, or watch\n")


def test_no_log_line_reaches_the_screen_and_logging_and_signals_are_restored(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(top: tui.TopApp) -> None:
        logger.warning("tears the screen")
        logging.getLogger("kombu").warning("tears it too")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def on_term(*_: object) -> None: ...

    monkeypatch.setattr(tui.TopApp, "run", run)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    before = (logger.handlers[:], logger.propagate, logging.lastResort)
    kept = signal.signal(signal.SIGTERM, on_term)
    try:
        tui.run_top(FakeSource(three_workers()))
        assert signal.getsignal(signal.SIGTERM) is on_term
    finally:
        signal.signal(signal.SIGTERM, kept)
    assert (logger.handlers, logger.propagate, logging.lastResort) == before
    assert capfd.readouterr() == ("", "")


def test_a_dashboard_that_failed_ends_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tui.TopApp, "run", lambda top: top.exit(return_code=3))
    with pytest.raises(SystemExit) as ended:
        tui.run_top(FakeSource(three_workers()))
    assert ended.value.code == 3


def test_an_unknown_permission_is_named_with_the_known_ones() -> None:
    done = CliRunner().invoke(gossip, ["top", "--allow-control=pause,revok"])
    assert done.exit_code == 2
    assert "--allow-control: expected names of pause, " in done.output
    assert "got 'revok': did you mean 'revoke'?" in done.output


def test_the_help_names_every_permission() -> None:
    shown = CliRunner().invoke(gossip, ["top", "--help"]).output
    assert all(name in shown for name in PERMISSIONS)


@pytest.mark.parametrize(
    ("option", "permissions"),
    [
        ([], None),
        (["--allow-control"], {"pause", "scale"}),
        (["--allow-control=revoke,terminate"], {"revoke", "terminate"}),
    ],
)
def test_the_option_decides_what_the_user_may_send_and_what_was_sent_is_printed_at_the_end(
    monkeypatch: pytest.MonkeyPatch, option: list[str], permissions: set[str] | None
) -> None:
    sessions: list[tui.ControlSession | None] = []

    def run(source: object, session: tui.ControlSession | None = None) -> None:
        sessions.append(session)
        if session is not None:
            session.control.log.next_id()
            session.control.log.put(ACTIVITY)

    monkeypatch.setattr(tui, "run_top", run)
    monkeypatch.setattr("celery_gossip.cli.top.all", lambda _: True, raising=False)
    level = logger.level
    try:
        done = CliRunner().invoke(gossip, ["top", *option], obj=SimpleNamespace(app=Celery("shop", broker="memory://")))
    finally:
        logger.setLevel(level)
    assert done.exit_code == 0, done.output
    assert [session and session.permissions for session in sessions] == [permissions]
    assert done.output == ("" if permissions is None else f"{describe_activity(ACTIVITY)}\n")
