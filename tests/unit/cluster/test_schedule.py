"""The schedule of a view: which entries are listed, their states, and their order."""

from typing import Any

import pytest

from celery_gossip.cluster.beat_view import BeatView, EntryView
from celery_gossip.cluster.schedule import schedule_of
from celery_gossip.cluster.view import View
from celery_gossip.wire.messages import BeatEntry
from tests.unit.build import a_beat

NOW = 5000.0


def an_entry(name: str = "report", seen: float = NOW, **fields: Any) -> EntryView:
    return EntryView(BeatEntry(name, "shop.report", **{"due": 30.0, **fields}), seen)


def a_process(
    *entries: EntryView, hostname: str = "a", state: str = "online", heard_at: float = NOW, **fields: Any
) -> BeatView:
    return BeatView(a_beat(hostname=hostname, **fields), state, heard_at, entries=entries)  # type: ignore[arg-type]


def names(*beats: BeatView) -> list[tuple[str, str, str]]:
    return [(one.beat.hostname, one.entry.name, one.state) for one in schedule_of(View((), (), NOW, beats=beats))]


@pytest.mark.parametrize(
    ("entry", "process", "state"),
    [
        (an_entry(), {}, "scheduled"),
        (an_entry(due=-10.0), {}, "scheduled"),
        (an_entry(due=-10.5), {}, "overdue"),
        (an_entry(due=-90.0, seen=NOW - 1), {}, "scheduled"),  # it may have been sent since
        (an_entry(due=None), {}, "unknown"),
        (an_entry(), {"state": "suspect"}, "unknown"),
        (an_entry(due=-90.0, errors=1, error_age=2.0, sent_age=9.0), {}, "failing"),
        (an_entry(errors=1, error_age=9.0, sent_age=2.0), {}, "scheduled"),
        (an_entry(), {"state": "stalled"}, "stopped"),
        (an_entry(errors=1, error_age=2.0), {"state": "lost"}, "stopped"),
    ],
)
def test_an_entry_has_a_state(entry: EntryView, process: Any, state: str) -> None:
    assert names(a_process(entry, **process)) == [("a", "report", state)]


def test_problems_come_first_then_what_is_due_next() -> None:
    entries = (
        an_entry("late", due=-60.0),
        an_entry("next", due=5.0),
        an_entry("later", due=900.0),
        an_entry("never", due=None),
        an_entry("bad", errors=1, error_age=1.0),
    )
    gone = a_process(an_entry("gone"), hostname="b", app="blog", state="lost")
    listed = [name for _, name, _ in names(a_process(*entries), gone)]
    assert listed == ["gone", "bad", "late", "next", "later", "never"]


def test_entries_of_a_standby_and_of_a_process_that_was_replaced_are_left_out() -> None:
    owner = a_process(an_entry(), holds_lock=True)
    assert names(owner, a_process(an_entry(), hostname="b", holds_lock=False)) == [("a", "report", "scheduled")]
    old = a_process(an_entry(), an_entry("dropped"), hostname="old", state="offline", heard_at=NOW - 60)
    assert [name for _, name, _ in names(owner, old)] == ["dropped", "report"]
    same: Any = {"digest": "d" * 16}
    old = a_process(an_entry("dropped"), hostname="old", state="offline", heard_at=NOW - 60, **same)
    assert [name for _, name, _ in names(a_process(an_entry(), **same), old)] == ["report"]
    older = a_process(an_entry(), hostname="older", state="lost", heard_at=NOW - 90)
    newer = a_process(an_entry(), hostname="newer", state="lost", heard_at=NOW - 60)
    assert names(newer, older) == [("newer", "report", "stopped")]
