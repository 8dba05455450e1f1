"""Names and lines of the control session that are printed or logged."""

import pwd
from collections import Counter

import msgspec
import pytest

from celery_gossip.control.activity import OUTCOMES, Activity
from celery_gossip.control.control import ControlReply
from celery_gossip.control.selection import NoMatchingWorker
from celery_gossip.tui.control_lines import log_lines, result_lines
from celery_gossip.tui.control_session import describe_activity, describe_failure, os_user
from celery_gossip.tui.text import Line, cell_width

ACTIVITY = Activity(
    id=1,
    at=1_700_000_000.0,
    source="0",
    user="ann",
    act="pause",
    text="pause 'mail'",
    task_ids=[],
    queue="mail",
    workers=60,
    hostnames=["a@vm"],
    answers={"a@vm": "no longer consuming"},
    outcomes={"a@vm": "confirmed"},
    counts=dict(Counter(confirmed=59, not_confirmed=1)),
    outcome="not_confirmed",
    seconds=1.25,
)


def texts(lines: list[Line]) -> list[str]:
    return ["".join(cell.text for cell in line) for line in lines]


def test_the_user_is_the_one_of_the_process_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    known = os_user()
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert os_user() == known != "somebody-else"

    def no_entry(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    assert os_user().startswith("uid ")


def test_an_error_of_the_broker_is_named_by_its_kind_only() -> None:
    assert describe_failure(NoMatchingWorker("no live worker matches")) == "no live worker matches"
    assert describe_failure(OSError("redis://user:secret@host")).startswith("OSError: ")
    assert "secret" not in describe_failure(OSError("redis://user:secret@host"))


def test_a_command_is_described_in_one_line() -> None:
    line = describe_activity(ACTIVITY)
    assert line.endswith(" ann: pause 'mail': not confirmed (59 confirmed, 1 not confirmed)")
    purged = msgspec.structs.replace(ACTIVITY, counts={}, detail="12 messages deleted\x1b", outcome="confirmed")
    assert describe_activity(purged).endswith(r"pause 'mail': confirmed (12 messages deleted\x1b)")


def test_a_result_lists_each_worker_with_its_answer_and_counts_the_others() -> None:
    reply = ControlReply(asked=["a@vm"], answers={})
    lines = texts(result_lines(reply, "", ACTIVITY, 60))
    assert lines == [
        "outcome       ! no report has shown it in time",
        "  a@vm ✓ confirmed",
        "    no longer consuming",
        "  and 59 more",
    ]
    assert texts(result_lines(None, "", None, 60)) == ["… is being sent"]
    assert texts(result_lines(None, "the broker refuses", None, 12)) == ["✖ the broker", "  refuses"]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_has_a_text_in_the_log(outcome: str) -> None:
    one = msgspec.structs.replace(ACTIVITY, outcome=outcome)  # type: ignore[arg-type]
    lines = texts(log_lines([one], 80))
    assert "pause 'mail'" in lines[2] and "by ann on 60 workers: " in lines[3]
    assert not lines[3].rstrip().endswith(outcome) or outcome == "confirmed"
    assert all(cell_width(line) <= 100 for line in lines)
    assert texts(log_lines([], 80))[-1] == "none was sent"
