"""The pane of failures and the detail of a group: counts, times, message and traceback, bounded."""

from celery_gossip.cluster.failures import FailureView
from celery_gossip.tui.column import place_columns, row_line
from celery_gossip.tui.detail import detail_lines
from celery_gossip.tui.failure import FAILURES, group_key
from celery_gossip.tui.snapshot import Snapshot
from celery_gossip.tui.text import cell_width
from tests.tui.scenes import NOW, a_failure, a_view, failures, hostile_failures, three_workers

SNAPSHOT = Snapshot(three_workers(), NOW, failures=failures())


def rows(snapshot: Snapshot, width: int = 250) -> list[str]:
    groups = snapshot.failure_groups
    placed = place_columns(FAILURES, width, groups, "6 FAILURES 2")
    return ["".join(cell.text for cell in row_line(placed, group, snapshot)) for group in groups]


def detail(key: str, snapshot: Snapshot = SNAPSHOT, width: int = 78) -> list[str]:
    return ["".join(cell.text for cell in line) for line in detail_lines("failures", key, snapshot, width)]


def test_each_group_has_a_row_with_its_count_times_and_cause() -> None:
    pay, mail = rows(SNAPSHOT)
    words = pay.split()
    assert words[:4] == ["shop.pay", "25", "5s", "28m05s"] and "CardDeclined" in words
    assert "card 0 has no funds" in pay and "shop.cards:charge:41" in pay and words[-2:] == ["1", "mail"]
    assert mail.split()[:4] == ["shop.send_mail", "1", "2m10s", "2m10s"] and " KeyError " in mail


def test_the_detail_of_a_group_lists_its_latest_failures_with_message_and_traceback() -> None:
    text = detail(group_key(SNAPSHOT.failure_groups[0]))
    assert text[0] == "Failures of shop.pay" and "code line     shop.cards:charge:41" in text
    at = text.index("5s ago id-5")
    assert text[at + 1 : at + 6] == [
        "              on shop1@vm from mail, after 1.25s",
        "  message     card 0 has no funds",
        "  traceback   shop.views:pay:12",
        "              shop.cards:charge:41",
        "              http.client:request:900",
    ]
    assert "              on shop1@vm from mail, after 1.25s, retry 1" in text
    assert sum(" ago id-" in line for line in text) == 20 and text[-1] == "  and 5 more failures"


def test_a_group_without_details_says_which_setting_reports_them() -> None:
    text = detail(group_key(SNAPSHOT.failure_groups[1]))
    assert "code line     unknown: see gossip_failure_details" in text
    assert not any(line.startswith(("  message", "  traceback")) for line in text)


def test_an_unknown_queue_and_runtime_are_not_made_up() -> None:
    view = FailureView((a_failure("", 3.0, queue="", runtime=None),), taken_at=NOW)
    snapshot = Snapshot(a_view(), NOW, failures=view)
    text = detail(group_key(snapshot.failure_groups[0]), snapshot)
    assert text[0] == "Failures of unknown tasks" and "queues        unknown" in text
    assert "              on shop1@vm from an unknown queue, after an unknown time" in text


def test_a_group_that_is_not_kept_any_more_says_so() -> None:
    assert detail("shop.pay\nCardDeclined\n") == ["shop.pay CardDeclined is no longer in the view."]


def test_a_message_is_shown_in_full_and_never_wider_than_the_pane() -> None:
    word = "x" * 300
    view = FailureView((a_failure("t", 1.0, f"\u4e2d{word} end"),), taken_at=NOW)
    snapshot = Snapshot(a_view(), NOW, failures=view)
    text = detail(group_key(snapshot.failure_groups[0]), snapshot, 40)
    assert "".join(line[14:] for line in text).count("x") == 300
    for group in (hostile := Snapshot(a_view(), NOW, failures=hostile_failures())).failure_groups:
        for line in detail(group_key(group), hostile, 60):
            assert "\x1b" not in line and "\u202e" not in line
            assert cell_width(line) <= 60 or line[14:15]
