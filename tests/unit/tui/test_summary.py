"""The lines above and below the tables: the important parts are shown on small screens too."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from celery_gossip.cluster.view import STATES
from celery_gossip.listener.readiness import add_failure
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.summary import KeyHints, header_lines, key_hints_line, listener_alert, no_findings_text
from celery_gossip.tui.text import Line
from tests.tui.scenes import HOSTILE, NOW, a_view, a_worker, findings, isolated, three_workers

SNAPSHOT = Snapshot(three_workers(), NOW, uri="redis://localhost:6379/0", findings=findings())


def text_of(line: Line) -> str:
    return "".join(cell.text for cell in line)


def head(snapshot: Snapshot, width: int = 200, paused_for: float | None = None) -> str:
    return "\n".join(map(text_of, header_lines(snapshot, width, paused_for)))


def test_the_header_shows_app_broker_last_report_and_totals() -> None:
    text = head(SNAPSHOT)
    for fact in ("shop · redis://localhost:6379/0", "last report 0s ago", "3 workers", "● 1 online", "✗ 1 lost"):
        assert fact in text
    for fact in ("active 3/4", "backlog 1,333+", "reserved 3", "scheduled 1", "✖ 1 critical"):
        assert fact in text
    assert "PAUSED" not in text and "refused" not in text


def test_all_states_are_counted_on_a_small_screen() -> None:
    workers = [a_worker(f"{state}{number}", state) for state in STATES for number in range(9)]
    text = head(Snapshot(a_view(*workers), NOW), 80)
    for sign in "●◐◌?≠○✗":
        assert f"{sign}9" in text
    assert "active 0/180" in text


@pytest.mark.parametrize("width", [1, 20, 79, 80, 200])
@pytest.mark.parametrize("hostname", HOSTILE)
def test_the_totals_never_exceed_the_screen(width: int, hostname: str) -> None:
    snapshot = Snapshot(a_view(a_worker(hostname, app=hostname)), NOW, uri="x" * 300)
    assert cell_len(text_of(header_lines(snapshot, width, 5)[1])) <= width


def test_refused_messages_and_the_pause_are_shown() -> None:
    text = head(replace(SNAPSHOT, rejected=1200), paused_for=61)
    assert "1,200 messages refused" in text and "PAUSED 1m01s" in text


def test_workers_of_several_apps_are_counted() -> None:
    assert "2 apps" in head(Snapshot(a_view(a_worker("a", app="x"), a_worker("b", app="y")), NOW))


def test_a_healthy_listener_has_no_alert() -> None:
    assert listener_alert(SNAPSHOT, 80) is None


@pytest.mark.parametrize(
    ("snapshot", "words", "style"),
    [
        (
            replace(SNAPSHOT, view=isolated(), error="OSError: gone."),
            ["ISOLATED for 30s", "OSError: gone. The"],
            "critical",
        ),
        (
            replace(SNAPSHOT, error="OSError: gone"),
            ["CANNOT REACH redis://localhost:6379/0", "OSError: gone"],
            "critical",
        ),
        (Snapshot(a_view(), NOW, uri="redis://x"), ["NO REPORTS YET on redis://x", "install(app)"], "notice"),
        (Snapshot(a_view(), NOW, uri="redis://x", error="OSError"), ["CANNOT REACH"], "critical"),
        (Snapshot(a_view(isolated_since=NOW), NOW, uri="redis://x", error="OSError"), ["CANNOT REACH"], "critical"),
        (Snapshot(a_view(isolated_since=NOW - 4), NOW, uri="redis://x"), ["ISOLATED for 4s"], "critical"),
    ],
)
def test_the_alert_shows_the_most_severe_problem_of_the_listener(
    snapshot: Snapshot, words: list[str], style: str
) -> None:
    alert = listener_alert(snapshot, 80)
    assert alert is not None and alert.style == style
    assert all(word in " ".join(alert.lines) for word in words)
    assert all(cell_len(line) < 80 for line in alert.lines)


def test_a_dead_listener_is_the_most_severe_problem() -> None:
    dead = add_failure((), "its thread has ended", NOW)
    alert = listener_alert(replace(SNAPSHOT, view=isolated(), findings=dead), 80)
    assert alert is not None and alert.lines[0].startswith("DEAD. This listener has failed: its thread has ended.")


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (SNAPSHOT, "no problems detected"),
        (Snapshot(a_view(), NOW), "unknown: no worker reports"),
        (Snapshot(a_view(a_worker("a", state="lost")), NOW), "unknown: no worker reports"),
        (replace(SNAPSHOT, view=isolated()), "unknown: this listener is cut off from the broker"),
        (replace(SNAPSHOT, error="OSError: gone"), "unknown: this listener is cut off from the broker"),
    ],
)
def test_no_problems_are_announced_only_if_a_worker_reports(snapshot: Snapshot, words: str) -> None:
    assert no_findings_text(snapshot) == words


def test_the_keys_for_help_and_quit_are_shown_on_narrow_screens() -> None:
    assert text_of(key_hints_line(20, KeyHints())) == "? help  q quit"
    assert "filter: mail" in text_of(key_hints_line(80, KeyHints(search="mail")))
    assert "c commands" in text_of(key_hints_line(80, KeyHints(has_commands=True)))
    assert "esc closes" in text_of(key_hints_line(80, KeyHints(escape="closes")))
