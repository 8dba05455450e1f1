"""Beat processes in the view: their states, their entries and the history of sends, within limits."""

from typing import Any

import pytest

from celery_gossip.cluster import beat_member
from celery_gossip.cluster.beat_member import MAX_BEATS, MAX_ENTRIES, UNREPLACED_RETENTION
from celery_gossip.cluster.beat_view import BEAT_STATES, BeatView, EntryView
from celery_gossip.cluster.cluster import GONE_RETENTION, Cluster
from celery_gossip.cluster.schedule_entries import MAX_HISTORY
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.messages import BeatEntry
from tests.unit.build import BOOT, OTHER_BOOT, FakeClock, a_beat, a_gossip, an_entry


class Ear:
    """A cluster that hears one beat."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self.seq: dict[str, int] = {}
        self.told: list[str] = []

    def hear(self, *entries: BeatEntry, boot: str = BOOT, is_verified: bool | None = None, **fields: Any) -> None:
        self.seq[boot] = self.seq.get(boot, 0) + 1
        beat = a_beat(*entries, **{"boot": boot, "seq": self.seq[boot], **fields})
        self.told += [one.state for one in self.cluster.apply_beat(beat, self.clock.now, is_verified=is_verified)]

    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.cluster.expire_silent_workers(self.clock.now)
        self.told += [one.state for one in self.cluster.expire_silent_beats(self.clock.now)]

    def run(self, seconds: int, *boots: str, **fields: Any) -> None:
        """Let these instances report once a second."""
        for _ in range(seconds):
            self.wait(1.0)
            for boot in boots:
                self.hear(boot=boot, **fields)

    @property
    def beat(self) -> BeatView:
        (beat,) = self.cluster.view().beats
        return beat

    def entry(self, name: str = "clean") -> EntryView:
        entry = self.beat.entry(name)
        assert entry is not None
        return entry


@pytest.fixture
def ear() -> Ear:
    return Ear()


def test_a_beat_that_reports_is_online(ear: Ear) -> None:
    ear.hear(an_entry(), scheduler="celery.beat:PersistentScheduler")
    assert (ear.told, ear.beat.state, ear.beat.hostname, ear.beat.app) == (
        ["online"],
        "online",
        "celerybeat@web1",
        "shop",
    )
    assert not (ear.beat.is_gone or ear.beat.is_embedded or ear.beat.is_standby or ear.beat.rivals)
    assert ear.cluster.beats() == ear.cluster.view().beats
    assert ear.cluster.view().beat("celerybeat@web1") == ear.beat and ear.cluster.view().beat("other") is None
    assert ear.cluster.workers() == ()


def test_a_beat_that_does_not_tick_is_stalled_until_it_ticks_again(ear: Ear) -> None:
    ear.hear()
    ear.run(1, BOOT, stalled_for=3.0)
    ear.run(1, BOOT)
    assert ear.told == ["online", "stalled", "online"]


def test_a_beat_that_stops_reporting_is_suspect_then_lost_and_recovers(ear: Ear) -> None:
    ear.hear()
    ear.wait(3.25)
    assert ear.told == ["online"]
    ear.wait(0.5)
    ear.wait(7.0)
    assert ear.told == ["online", "suspect", "lost"] and ear.beat.is_gone
    ear.hear()
    assert ear.told[3:] == ["online"]


def test_a_beat_that_ended_is_offline_and_leaves_the_view_after_ten_minutes_if_another_one_runs(ear: Ear) -> None:
    ear.hear()
    ear.hear(state="offline")
    ear.wait(60.0)
    assert ear.told == ["online", "offline"]
    ear.cluster.apply_beat(a_beat(hostname="other", interval=3600.0), ear.clock.now)
    ear.wait(GONE_RETENTION)
    assert [one.hostname for one in ear.cluster.beats()] == ["other"]


@pytest.mark.parametrize("app", [None, "blog"])
def test_the_last_beat_of_an_app_stays_in_the_view_for_a_day(ear: Ear, app: str | None) -> None:
    ear.hear()
    ear.hear(state="offline")
    if app:
        ear.cluster.apply_beat(a_beat(hostname="other", app=app, interval=86_400.0), ear.clock.now)
    ear.wait(UNREPLACED_RETENTION)
    assert "offline" in {one.state for one in ear.cluster.beats()}
    ear.wait(2.0)
    assert "offline" not in {one.state for one in ear.cluster.beats()}


def test_two_instances_with_one_name_are_a_conflict_until_one_of_them_ends(ear: Ear) -> None:
    ear.hear(an_entry(), boot=BOOT)
    ear.run(6, BOOT, OTHER_BOOT)
    assert ear.told[-1] == "conflict"
    assert {one.boot for one in ear.beat.instances} == {BOOT, OTHER_BOOT}
    ear.hear(boot=BOOT, state="offline")
    ear.run(1, OTHER_BOOT)
    assert ear.beat.state == "online" and ear.beat.report.boot == OTHER_BOOT


def test_a_standby_beside_the_holder_of_the_lock_is_no_conflict_and_takes_over_after_it(ear: Ear) -> None:
    ear.hear(boot=BOOT, holds_lock=True)
    for _ in range(10):
        ear.wait(1.0)
        ear.hear(boot=BOOT, holds_lock=True)
        ear.hear(boot=OTHER_BOOT, holds_lock=False)
    assert ear.told == ["online"] and ear.beat.report.boot == BOOT
    assert [one.holds_lock for one in ear.beat.rivals] == [False]
    ear.run(6, OTHER_BOOT, holds_lock=False)
    assert ear.beat.report.boot == OTHER_BOOT and ear.beat.is_standby
    ear.run(6, OTHER_BOOT, holds_lock=True)
    assert ear.beat.state == "online" and not ear.beat.is_standby


def test_two_holders_of_a_lock_are_a_conflict(ear: Ear) -> None:
    ear.run(8, BOOT, OTHER_BOOT, holds_lock=True)
    assert ear.beat.state == "conflict"


def test_a_restart_is_no_conflict(ear: Ear) -> None:
    ear.hear(boot=BOOT)
    ear.run(20, OTHER_BOOT)
    assert ear.told == ["online", "online"]


def test_beats_of_two_apps_on_one_host_are_different_ones(ear: Ear) -> None:
    for app in ("shop", "mail", "shop"):
        ear.hear(app=app)
    assert [(one.hostname, one.app) for one in ear.cluster.beats()] == [
        ("celerybeat@web1", "mail"),
        ("celerybeat@web1", "shop"),
    ]
    assert ear.cluster.has_beat("celerybeat@web1", "mail") and not ear.cluster.has_beat("celerybeat@web1", "other")
    assert ear.cluster.highest_beat_seq("celerybeat@web1", "shop", BOOT, None) == (3, True)
    assert ear.cluster.highest_beat_seq("celerybeat@web1", "shop", OTHER_BOOT, None) == (0, False)
    assert ear.cluster.highest_beat_seq("celerybeat@web1", "other", BOOT, None) == (0, False)


def test_the_standby_and_the_worker_of_an_embedded_one_are_told(ear: Ear) -> None:
    ear.hear(holds_lock=False, worker="celery@web1", worker_boot=OTHER_BOOT)
    assert ear.beat.is_standby and ear.beat.is_embedded
    ear.hear(holds_lock=True)
    assert not ear.beat.is_standby


def test_while_the_listener_is_isolated_no_beat_is_lost(ear: Ear) -> None:
    ear.hear()
    ear.cluster.set_isolated(ear.clock.now)
    ear.wait(60.0)
    assert ear.told == ["online"]
    ear.cluster.clear_isolated(ear.clock.now)
    ear.wait(2.0)
    assert ear.told == ["online"]
    ear.wait(20.0)
    assert ear.told == ["online", "suspect", "lost"]


def test_an_old_report_is_ignored(ear: Ear) -> None:
    ear.hear(seq=7)
    ear.hear(seq=7, stalled_for=5.0)
    ear.hear(seq=6, stalled_for=5.0)
    assert ear.told == ["online"]


def test_a_signed_beat_replaces_an_unsigned_one_which_is_refused_from_then_on(ear: Ear) -> None:
    ear.hear(an_entry("forged"), is_verified=False)
    ear.hear(an_entry(), is_verified=True, boot=OTHER_BOOT)
    assert ear.beat.is_verified and ear.beat.entry("forged") is None
    with pytest.raises(RejectedGossip, match="signed"):
        ear.hear(an_entry("forged"), is_verified=False)
    assert ear.cluster.highest_beat_seq("celerybeat@web1", "shop", OTHER_BOOT, False) == (0, False)


def test_the_states_of_beats_are_those_of_workers_without_draining() -> None:
    assert BEAT_STATES == ("online", "stalled", "suspect", "conflict", "offline", "lost")


# Entries.


def test_entries_are_in_the_order_in_which_they_are_due(ear: Ear) -> None:
    ear.hear(
        an_entry("late", due=9.0),
        an_entry("unknown", due=None),
        an_entry("overdue", due=-2.0),
        an_entry("soon", due=1.0),
    )
    assert [one.name for one in ear.beat.entries] == ["overdue", "soon", "late", "unknown"]
    assert [one.task for one in ear.beat.entries][:2] == ["shop.overdue", "shop.soon"]


def test_times_of_entries_are_on_the_clock_of_the_listener(ear: Ear) -> None:
    ear.hear(an_entry(due=4.0, sent_age=6.0, error_age=2.0))
    entry = ear.entry()
    assert (entry.due_at, entry.sent_at, entry.error_at) == (1004.0, 994.0, 998.0)
    assert entry.due_in(1001.0) == 3.0 and entry.due_in(1006.0) == -2.0
    assert entry.is_failing
    ear.hear(an_entry(due=None, sent_age=1.0, error_age=3.0))
    assert not ear.entry().is_failing and ear.entry().due_in(0.0) is None
    ear.hear(an_entry(error_age=3.0))
    assert ear.entry().is_failing and ear.entry().sent_at is None


def test_sends_and_errors_are_a_history(ear: Ear) -> None:
    ear.hear(an_entry(sends=0))
    ear.wait(1.0)
    ear.hear(an_entry(sends=1, sent_age=0.25, late=0.1))
    ear.wait(1.0)
    ear.hear(an_entry(sends=1, sent_age=1.25, late=0.1))
    ear.hear(an_entry(sends=1, errors=2, error="OperationalError", error_age=0.5))
    ear.hear(an_entry(sends=5, errors=2, error="OperationalError", sent_age=0.0, error_age=0.5))
    assert [(one.at, one.sends, one.errors, one.error, one.late) for one in ear.entry().history] == [
        (1000.75, 1, 0, "", 0.1),
        (1001.5, 0, 2, "OperationalError", None),
        (1002.0, 4, 0, "", None),
    ]


def test_of_sends_that_nobody_has_heard_of_the_latest_is_known(ear: Ear) -> None:
    ear.hear(an_entry(sends=100, sent_age=30.0, late=0.2))
    assert [(one.at, one.sends, one.late) for one in ear.entry().history] == [(970.0, 1, 0.2)]


def test_a_restart_continues_the_history_and_repeats_nothing(ear: Ear) -> None:
    ear.hear(an_entry(sends=1, sent_age=1.0))
    ear.wait(5.0)
    ear.hear(an_entry(sent_age=5.9, runs=1), boot=OTHER_BOOT)
    ear.hear(an_entry(sends=1, sent_age=0.0), boot=OTHER_BOOT)
    assert [(one.at, one.sends) for one in ear.entry().history] == [(999.0, 1), (1005.0, 1)]


def test_the_history_is_limited(ear: Ear) -> None:
    for n in range(100):
        ear.wait(1.0)
        ear.hear(an_entry(sends=n, sent_age=0.5))
    history = ear.entry().history
    assert len(history) == MAX_HISTORY and history[-1].at == 1099.5


def test_an_entry_that_a_whole_report_does_not_contain_is_gone(ear: Ear) -> None:
    ear.hear(an_entry("a"), an_entry("b"))
    ear.hear(an_entry("b"))
    assert [one.name for one in ear.beat.entries] == ["b"]
    ear.hear(an_entry("c"), boot=OTHER_BOOT)
    assert [one.name for one in ear.beat.entries] == ["c"]


def test_a_goodbye_without_entries_keeps_them(ear: Ear) -> None:
    ear.hear(an_entry("a"))
    ear.hear(state="offline", entry_count=1)
    assert [one.name for one in ear.beat.entries] == ["a"]


def test_entries_in_their_turn_are_kept_until_the_turn_would_have_come_again(ear: Ear) -> None:
    ear.hear(an_entry("a"), an_entry("in turn"), entry_count=30)
    assert ear.beat.unreported == 28
    for n in range(50):
        ear.hear(an_entry("a"), an_entry(f"turn {n}"), entry_count=30)
    assert ear.beat.entry("in turn") is not None
    ear.hear(an_entry("a"), an_entry("turn 50"), entry_count=30)
    assert ear.beat.entry("in turn") is None


def test_entries_that_a_new_instance_may_not_know_yet_are_kept_for_ten_minutes(ear: Ear) -> None:
    ear.hear(an_entry("dynamic"), an_entry("b"), is_partial=True)
    ear.run(100, OTHER_BOOT, is_partial=True)
    assert len(ear.beat.entries) == 2
    ear.run(501, OTHER_BOOT, is_partial=True)
    assert ear.beat.entries == ()


def test_a_rival_changes_no_entry(ear: Ear) -> None:
    ear.hear(an_entry("a"), boot=BOOT)
    ear.hear(an_entry("b"), boot=OTHER_BOOT)
    ear.wait(0.5)
    ear.hear(*(an_entry(f"{n}") for n in range(30)), boot=BOOT)
    assert [one.name for one in ear.beat.entries] == ["b"]
    assert len(ear.beat.rivals[0].entries) == 20 and ear.beat.rivals[0].entry_count == 30


# Limits.


def test_the_number_of_beats_is_limited_and_a_live_one_is_not_evicted(ear: Ear) -> None:
    for n in range(MAX_BEATS + 20):
        ear.hear(hostname=f"celerybeat@{n:03}", seq=1)
    assert len(ear.cluster.beats()) == MAX_BEATS
    assert ear.cluster.view().beat("celerybeat@000") and not ear.cluster.view().beat(f"celerybeat@{MAX_BEATS:03}")
    ear.hear(hostname="celerybeat@000", state="offline", seq=2)
    ear.hear(hostname="celerybeat@new", seq=1)
    assert ear.cluster.view().beat("celerybeat@new") and not ear.cluster.view().beat("celerybeat@000")


def test_a_signed_beat_takes_the_place_of_an_unsigned_one(ear: Ear) -> None:
    for n in range(MAX_BEATS):
        ear.hear(hostname=f"celerybeat@{n:03}", is_verified=False, seq=1)
    ear.hear(hostname="celerybeat@signed", is_verified=True)
    assert ear.cluster.view().beat("celerybeat@signed") and len(ear.cluster.beats()) == MAX_BEATS


def test_a_beat_with_too_many_entries_does_not_displace_those_of_others(
    ear: Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beat_member, "MAX_ENTRIES", 128)
    ear.cluster.reset()
    ear.hear(an_entry("mine"), an_entry("too"))
    for n in range(20):
        flood = [an_entry(f"{n} {k}", due=float(k)) for k in range(64)]
        ear.hear(*flood, hostname="celerybeat@flood", entry_count=2**50, seq=n + 1)
        ear.hear(an_entry("mine"), an_entry("too"))
    mine, flooded = ear.cluster.view().beat("celerybeat@web1"), ear.cluster.view().beat("celerybeat@flood")
    assert mine is not None and [one.name for one in mine.entries] == ["mine", "too"]
    assert flooded is not None and 60 < len(flooded.entries) <= 126


def test_all_histories_together_fit_into_memory() -> None:
    assert MAX_ENTRIES * MAX_HISTORY <= 100_000


def test_beats_and_workers_with_one_hostname_do_not_meet(ear: Ear) -> None:
    ear.cluster.apply_gossip(a_gossip(hostname="celery@web1"), ear.clock.now)
    ear.hear(hostname="celery@web1", worker="celery@web1")
    assert [one.hostname for one in ear.cluster.workers()] == ["celery@web1"] == [ear.beat.hostname]
