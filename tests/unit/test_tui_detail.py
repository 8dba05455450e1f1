"""The detail pane: all that is known of one subject, bounded."""

from dataclasses import replace

import pytest

from celery_gossip.tui.detail import detail_lines, finding_key
from celery_gossip.tui.frame import Frame
from celery_gossip.tui.row import WORKERS
from celery_gossip.tui.text import Line
from tests.tui.scenes import HOSTILE, NOW, a_view, a_worker, findings, hostile, many_workers, three_workers
from tests.unit.build import OTHER_BOOT, a_check, a_gossip

FRAME = Frame(three_workers(), NOW, findings=findings(), seen={"id-mail": NOW - 130})


def told(pane: str, key: str, frame: Frame = FRAME, width: int = 78) -> list[str]:
    lines: list[Line] = detail_lines(pane, key, frame, width)
    return ["".join(cell.text for cell in line) for line in lines]


def test_a_queue_tells_its_workers_and_the_ids_with_their_age() -> None:
    text = "\n".join(told("queues", "mail"))
    assert "Workers (3)" in text and "1/3/1" in text and "0/0/0 paused" in text
    assert "  2m10s id-mail" in text


def test_an_id_that_was_not_seen_running_has_no_age() -> None:
    assert "        ? id-default" in told("workers", "shop1@vm")


def test_a_worker_tells_its_boot_its_pool_and_its_queues() -> None:
    text = "\n".join(told("workers", "shop2@vm"))
    for fact in (
        "stalled for 1m15s",
        "boot          0123456789abcdef, message 1",
        "solo, concurrency 2",
        "0/0/0 paused",
    ):
        assert fact in text


def test_rivals_under_one_hostname_are_told() -> None:
    rival = a_gossip(boot=OTHER_BOOT, active=7, checks=(a_check("x", active=("id-rival",), active_count=7),))
    frame = Frame(a_view(a_worker("a@vm", "conflict", rivals=(rival,))), NOW)
    assert any(
        f"boot {OTHER_BOOT} speaks too" in line and "active 7" in line for line in told("workers", "a@vm", frame)
    )
    assert told("workers", "a@vm", frame)[-2:] == ["        ? id-rival", "  and 6 more tasks"]


def test_tasks_of_a_worker_that_is_lost_are_not_said_to_run() -> None:
    text = "\n".join(told("workers", "shop3@vm"))
    assert "Tasks when last heard (1)" in text and "Tasks that it left (1)" in text and "Running" not in text


def test_a_finding_tells_all_its_text_and_its_subject() -> None:
    lines = told("findings", finding_key(findings()[1]), width=30)
    assert "The event loop of shop2@vm has" in lines and "not ticked for 75 s." in lines
    assert "Worker shop2@vm" in lines


def test_what_left_the_view_is_said_to_have_left() -> None:
    for pane in ("findings", "queues", "workers"):
        assert told(pane, "nothing") == ["nothing is not in the view any more."]


def test_however_many_there_are_the_page_is_bounded() -> None:
    frame = Frame(many_workers(1000), NOW)
    lines = told("queues", "queue_01", frame)
    assert len(lines) < 700
    assert "  and 700 more workers" in lines and lines[-1].endswith("more tasks")
    checks = tuple(a_check(f"q{number}", active=("x",) * 9, active_count=9) for number in range(999))
    assert len(told("workers", "a", Frame(a_view(a_worker("a", active=9000, checks=checks)), NOW))) < 700


def test_long_names_are_told_in_full_and_hostile_ones_escaped() -> None:
    frame = Frame(hostile()[0], NOW)
    for name in HOSTILE:
        assert all(line.isprintable() for line in told("workers", name, frame))
    assert "".join(line.strip() for line in told("workers", "a" * 255, frame)[:4]).count("a") >= 255


@pytest.mark.parametrize(
    ("is_verified", "row", "fact"),
    [
        (False, "● online !", "gossip        ! not signed: unverified"),
        (True, "● online", "gossip        signed with this listener's secret"),
        (None, "● online", None),
    ],
)
def test_a_worker_whose_gossip_is_not_signed_is_marked_where_that_can_be_told(
    is_verified: bool | None, row: str, fact: str | None
) -> None:
    worker = replace(a_worker("a@vm"), is_verified=is_verified)
    frame = Frame(a_view(worker), NOW)
    (state,) = [column for column in WORKERS if column.title == "STATE"]
    assert state.tell(worker, frame, 12).text == row
    assert [line.rstrip() for line in told("workers", "a@vm", frame) if line.startswith("gossip ")] == (
        [fact] if fact else []
    )
