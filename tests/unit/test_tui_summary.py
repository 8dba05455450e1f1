"""The lines above and below the tables: nothing that matters is left out where there is little room."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from celery_gossip.tui.frame import Frame
from celery_gossip.tui.summary import banner, head_lines, keys_line
from celery_gossip.tui.text import Line
from celery_gossip.view import STATES
from tests.tui.scenes import HOSTILE, NOW, a_view, a_worker, findings, isolated, three_workers

FRAME = Frame(three_workers(), NOW, uri="redis://localhost:6379/0", findings=findings())


def text_of(line: Line) -> str:
    return "".join(cell.text for cell in line)


def head(frame: Frame, width: int = 200, paused_for: float | None = None) -> str:
    return "\n".join(map(text_of, head_lines(frame, width, paused_for)))


def test_the_head_tells_whom_it_hears_and_the_totals_of_those_who_are_there() -> None:
    told = head(FRAME)
    for fact in ("shop · redis://localhost:6379/0", "last heard 0s ago", "3 workers", "● 1 online", "✗ 1 lost"):
        assert fact in told
    for fact in ("active 3/4", "backlog 1,333+", "reserved 3", "scheduled 1", "✖ 1 critical"):
        assert fact in told
    assert "PAUSED" not in told and "refused" not in told


def test_a_fleet_in_every_state_is_told_in_full_on_a_small_screen() -> None:
    workers = [a_worker(f"{state}{number}", state) for state in STATES for number in range(9)]
    told = head(Frame(a_view(*workers), NOW), 80)
    for sign in "●◐◌?≠○✗":
        assert f"{sign}9" in told
    assert "active 0/180" in told


@pytest.mark.parametrize("width", [1, 20, 79, 80, 200])
@pytest.mark.parametrize("hostname", HOSTILE)
def test_the_totals_never_exceed_the_screen(width: int, hostname: str) -> None:
    frame = Frame(a_view(a_worker(hostname, app=hostname)), NOW, uri="x" * 300)
    assert cell_len(text_of(head_lines(frame, width, 5)[1])) <= width


def test_refused_messages_and_the_pause_are_told() -> None:
    told = head(replace(FRAME, rejected=1200), paused_for=61)
    assert "1,200 messages refused" in told and "PAUSED 1m01s" in told


def test_workers_of_several_apps_are_counted() -> None:
    assert "2 apps" in head(Frame(a_view(a_worker("a", app="x"), a_worker("b", app="y")), NOW))


def test_a_quiet_fleet_has_no_banner() -> None:
    assert banner(FRAME, 80) is None


@pytest.mark.parametrize(
    ("frame", "words", "style"),
    [
        (replace(FRAME, view=isolated(), error="OSError: gone."), ["ISOLATED for 30s", "OSError: gone. What"], "alarm"),
        (replace(FRAME, error="OSError: gone"), ["CANNOT REACH redis://localhost:6379/0", "OSError: gone"], "alarm"),
        (Frame(a_view(), NOW, uri="redis://x"), ["NOBODY IS HEARD YET on redis://x", "install(app)"], "notice"),
        (Frame(a_view(), NOW, uri="redis://x", error="OSError"), ["CANNOT REACH"], "alarm"),
        (Frame(a_view(isolated_since=NOW), NOW, uri="redis://x", error="OSError"), ["CANNOT REACH"], "alarm"),
        (Frame(a_view(isolated_since=NOW - 4), NOW, uri="redis://x"), ["ISOLATED for 4s"], "alarm"),
    ],
)
def test_the_banner_tells_the_loudest_of_what_is_wrong_with_the_listener(
    frame: Frame, words: list[str], style: str
) -> None:
    told = banner(frame, 80)
    assert told is not None and told.style == style
    assert all(word in " ".join(told.lines) for word in words)
    assert all(cell_len(line) < 80 for line in told.lines)


def test_the_keys_for_help_and_quitting_are_told_where_there_is_room_for_little() -> None:
    assert text_of(keys_line(20, "", "workers", "")) == "? help  q quit"
    assert "filter: mail" in text_of(keys_line(80, "mail", "workers", ""))
    assert "esc closes" in text_of(keys_line(80, "", "workers", "closes"))
