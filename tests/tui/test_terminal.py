"""`celery gossip top` in a terminal, on a real broker."""

import signal
import sys
from collections.abc import Iterator

import pytest

from tests.support.waiting import eventually
from tests.support.workers import REPOSITORY, Project
from tests.tui.terminal import Terminal

ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"  #: the terminal's second screen, which a full-screen program uses

pytestmark = pytest.mark.redis


def top(project: Project, **environment: str) -> Terminal:
    command = [sys.executable, "-m", "celery", "-A", project.module, "gossip", "top"]
    return Terminal(command, REPOSITORY, {**project.environment, "TERM": "xterm-256color", **environment})


@pytest.fixture
def terminal(redis_project: Project) -> Iterator[Terminal]:
    """A terminal with a dashboard that has no reports yet."""
    terminal = top(redis_project)
    eventually(lambda: _is_shown(terminal, "NO REPORTS YET"), 90)
    yield terminal
    terminal.close()


def _is_shown(terminal: Terminal, text: str) -> None:
    assert text in terminal.output and terminal.process.poll() is None, terminal.output


def test_a_worker_that_starts_is_seen(redis_project: Project, terminal: Terminal) -> None:
    with redis_project.worker(pool="solo") as worker:
        eventually(lambda: _is_shown(terminal, worker.node), 30)
        eventually(lambda: _is_shown(terminal, redis_project.queues[0]), 10)


@pytest.mark.parametrize("keys", ["q", "\x03"], ids=["q", "ctrl-c"])
def test_keys_that_quit_give_the_terminal_back_and_a_good_exit_code(terminal: Terminal, keys: str) -> None:
    terminal.press(keys)
    assert terminal.process.wait(15) == 0
    eventually(lambda: _is_given_back(terminal))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_that_end_it_give_the_terminal_back_too(terminal: Terminal, number: signal.Signals) -> None:
    terminal.process.send_signal(number)
    assert terminal.process.wait(15) == 0
    eventually(lambda: _is_given_back(terminal))


def _is_given_back(terminal: Terminal) -> None:
    assert ENTERED in terminal.output
    assert "Traceback" not in terminal.output
    assert terminal.output.rindex(LEFT) > terminal.output.rindex(ENTERED)


def test_an_unreachable_broker_is_shown_and_no_log_line_reaches_the_screen(redis_project: Project) -> None:
    terminal = top(redis_project, CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    try:
        eventually(lambda: _is_shown(terminal, "CANNOT REACH redis://"), 90)
        eventually(lambda: _is_shown(terminal, "Connection refused"), 10)
        assert "celery-gossip: cannot listen" not in terminal.output.partition(ENTERED)[2]
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("environment", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_no_colour_is_used_if_it_is_disabled(
    redis_project: Project, environment: dict[str, str], is_coloured: bool
) -> None:
    terminal = top(redis_project, **environment)
    try:
        eventually(lambda: _is_shown(terminal, "NO REPORTS YET"), 90)
        eventually(lambda: _is_shown(terminal, "2 QUEUES"), 30)
        colours = ("\x1b[1;7;36", "\x1b[1;7;33", "[36", ";36")
        assert any(colour in terminal.output for colour in colours) is is_coloured, repr(terminal.output)
    finally:
        terminal.close()
