"""The detail pane: all known facts about one subject, bounded."""

from dataclasses import replace

import msgspec
import pytest

from celery_gossip.cluster.recording import Recorder
from celery_gossip.tui.detail import detail_lines
from celery_gossip.tui.row import WORKERS, finding_key
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import Line
from celery_gossip.wire.messages import PoolProcesses, Resources, Settings, Software, TaskCount
from tests.tui.scenes import HOSTILE, NOW, a_view, a_worker, findings, hostile, many_workers, three_workers
from tests.unit.build import OTHER_BOOT, a_check, a_gossip

SNAPSHOT = Snapshot(three_workers(), NOW, findings=findings(), first_seen={"id-mail": NOW - 130})


def lines_of(pane: str, key: str, snapshot: Snapshot = SNAPSHOT, width: int = 78) -> list[str]:
    lines: list[Line] = detail_lines(pane, key, snapshot, width)
    return ["".join(cell.text for cell in line) for line in lines]


def test_a_queue_lists_its_workers_and_task_ids_with_their_age() -> None:
    text = "\n".join(lines_of("queues", "mail"))
    assert "Workers (3)" in text and "1/3/1" in text and "0/0/0 paused" in text
    assert "   12m34s id-mail shop.send_mail  retry 2, redelivered, limit 15m" in text


def test_a_task_of_unknown_start_has_run_at_least_since_it_was_first_seen() -> None:
    snapshot = replace(SNAPSHOT, first_seen={"id-default": NOW - 130})
    assert "    >2m10s id-default" in lines_of("workers", "shop1@vm", snapshot)
    assert "         ? id-default" in lines_of("workers", "shop1@vm")


def test_a_worker_lists_its_waiting_tasks_by_name_and_queue() -> None:
    lines = lines_of("workers", "shop1@vm")
    at = lines.index("Reserved tasks (3)  by name and queue")
    assert lines[at + 1 : at + 3] == ["        2 shop.send_mail mail", "        1 shop.clean_up mail"]
    assert "Scheduled tasks (1)  by name and queue" in lines


def test_a_blocked_worker_shows_its_stack() -> None:
    worker = a_worker("a@vm", "stalled", stalled_for=9.0, stack=("socket:connect:1", "shop:[red]on_task[/]:5"))
    lines = lines_of("workers", "a@vm", Snapshot(a_view(worker), NOW))
    at = lines.index("Blocked in  module:function:line, innermost first")
    assert lines[at + 1 : at + 3] == ["  socket:connect:1", "  shop:[red]on_task[/]:5"]


def test_a_worker_shows_its_release_versions_and_settings() -> None:
    settings = Settings(task_acks_late=True, visibility_timeout=3600.0)
    software = Software(release="[red]v41", celery="5.7.0", registry="0123456789abcdef", tasks=1234, settings=settings)
    worker = msgspec.structs.replace(a_worker("a@vm"), software=software)
    lines = lines_of("workers", "a@vm", Snapshot(a_view(worker), NOW))
    assert "release       [red]v41" in lines and "versions      Celery 5.7.0" in lines
    assert "registered    1,234 tasks, digest 0123456789abcdef" in lines
    assert "settings      task_acks_late True, visibility_timeout 3600.0" in lines


def test_waiting_tasks_beyond_the_reported_ones_are_counted() -> None:
    gossip = {"reserved": 7, "names": ("", "t"), "reserved_tasks": (TaskCount(0, 1, 5),)}
    lines = lines_of("workers", "a@vm", Snapshot(a_view(a_worker("a@vm", **gossip)), NOW))
    assert lines[-2:] == ["        5 t (unknown)", "  and 2 more tasks"]


def test_a_worker_shows_its_instance_pool_and_queues() -> None:
    text = "\n".join(lines_of("workers", "shop2@vm"))
    for fact in (
        "stalled for 1m15s",
        "instance      0123456789abcdef, report 1",
        "solo, concurrency 2",
        "0/0/0 paused",
    ):
        assert fact in text


def test_rivals_under_one_hostname_are_lines_of() -> None:
    rival = a_gossip(boot=OTHER_BOOT, active=7, checks=(a_check("x", active=("id-rival",), active_count=7),))
    snapshot = Snapshot(a_view(a_worker("a@vm", "conflict", rivals=(rival,))), NOW)
    assert any(
        f"instance {OTHER_BOOT} reports too" in line and "active 7" in line
        for line in lines_of("workers", "a@vm", snapshot)
    )
    assert lines_of("workers", "a@vm", snapshot)[-2:] == ["         ? id-rival", "  and 6 more tasks"]


def test_tasks_of_a_lost_worker_are_not_listed_as_running() -> None:
    text = "\n".join(lines_of("workers", "shop3@vm"))
    assert (
        "Tasks in its last report (1)" in text
        and "Tasks of the replaced instance (1)" in text
        and "Running" not in text
    )


def test_a_finding_shows_its_full_text_and_its_subject() -> None:
    lines = lines_of("findings", finding_key(findings()[1]), width=30)
    assert "The event loop of shop2@vm has" in lines and "not ticked for 75 s." in lines
    assert "Worker shop2@vm" in lines


def test_a_subject_that_left_the_view_is_reported_as_gone() -> None:
    for pane in ("findings", "queues", "workers"):
        assert lines_of(pane, "nothing") == ["nothing is no longer in the view."]


def test_the_number_of_lines_is_bounded() -> None:
    snapshot = Snapshot(many_workers(1000), NOW)
    lines = lines_of("queues", "queue_01", snapshot)
    assert len(lines) < 700
    assert "  and 700 more workers" in lines and lines[-1].endswith("more tasks")
    checks = tuple(a_check(f"q{number}", active=("x",) * 9, active_count=9) for number in range(999))
    assert len(lines_of("workers", "a", Snapshot(a_view(a_worker("a", active=9000, checks=checks)), NOW))) < 700


def test_long_names_are_shown_in_full_and_hostile_ones_escaped() -> None:
    snapshot = Snapshot(hostile()[0], NOW)
    for name in HOSTILE:
        assert all(line.isprintable() for line in lines_of("workers", name, snapshot))
    assert "".join(line.strip() for line in lines_of("workers", "a" * 255, snapshot)[:4]).count("a") >= 255


@pytest.mark.parametrize(
    ("is_verified", "row", "fact"),
    [
        (False, "● online !", "signature     ! not signed: unverified"),
        (True, "● online", "signature     signed with this listener's secret"),
        (None, "● online", None),
    ],
)
def test_a_worker_whose_gossip_is_not_signed_is_marked_where_that_can_be_lines_of(
    is_verified: bool | None, row: str, fact: str | None
) -> None:
    worker = msgspec.structs.replace(a_worker("a@vm"), is_verified=is_verified)
    snapshot = Snapshot(a_view(worker), NOW)
    (state,) = [column for column in WORKERS if column.title == "STATE"]
    assert state.render_cell(worker, snapshot, 12).text == row
    assert [line.rstrip() for line in lines_of("workers", "a@vm", snapshot) if line.startswith("signature ")] == (
        [fact] if fact else []
    )


def test_a_worker_shows_its_memory_and_its_processes() -> None:
    mib, recorder = 2**20, Recorder()
    processes = PoolProcesses(12, 0, 5, 0, 3, 1, -9)
    resources = Resources(100 * mib, 900 * mib, 400 * mib, 65.0, 2048 * mib, 1024 * mib, processes)
    for at in (0.0, 5.0):
        recorder.add(a_gossip(resources=resources), at)
    worker = msgspec.structs.replace(a_worker("a@vm"), resources=resources, recording=recorder.recording())
    lines = lines_of("workers", "a@vm", Snapshot(a_view(worker), NOW))
    at = next(number for number, line in enumerate(lines) if line.startswith("memory"))
    assert lines[at : at + 4] == [
        "memory        1.0 GiB of 2.0 GiB (50%) ▇▇",
        "              main process 100 MiB, processes 900 MiB, largest 400 MiB",
        "CPU time      65s",
        "processes     4 alive, 1 starting; 12 started, 5 recycled, 3 lost (the last",
    ]


def test_a_worker_without_a_limit_and_without_processes_shows_what_is_known() -> None:
    worker = msgspec.structs.replace(a_worker("a@vm"), resources=Resources(rss=100 * 2**20))
    lines = lines_of("workers", "a@vm", Snapshot(a_view(worker), NOW))
    at = next(number for number, line in enumerate(lines) if line.startswith("memory"))
    assert lines[at].rstrip() == "memory        100 MiB, no limit known"
    assert lines[at + 1 : at + 3] == ["              main process 100 MiB", "CPU time      -"]
