"""Situations with beat processes. Added to SITUATIONS when imported."""

from celery_gossip.worker.metrics import MetricsDelta
from tests.incidents.beat import Beat, Entry
from tests.incidents.catalogue import LOST, healthy, incident, sole_text
from tests.incidents.fleet import Fleet

__all__: list[str] = []

MINUTE, HOUR, DAY, MONTH = 60.0, 3600.0, 86_400.0, 30 * 86_400.0
GONE = LOST + 30.0  #: seconds until a beat that was killed is reported
UNRECEIVED = 4 * MINUTE  #: seconds for an entry that is due each minute


def some_entries() -> list[Entry]:
    return [Entry("clean-carts", 60.0), Entry("report", HOUR, "shop.report"), Entry("nightly", DAY, "shop.nightly")]


def fleet_with_beat(fleet: Fleet, *entries: Entry, seconds: float = 120.0, **options: object) -> Beat:
    """Start two workers and a beat, and let two minutes pass."""
    fleet.add("w1"), fleet.add("w2")
    beat = fleet.add_beat("celerybeat@web1", *(entries or some_entries()), **options)
    fleet.run(seconds)
    return beat


# Processes.


@incident(no_beat=GONE)
def beat_is_killed(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    fleet.begin()
    beat.kill()
    fleet.run(90)
    assert "celerybeat@web1, which sent 3 entries ('clean-carts', " in sole_text(fleet)


@incident(no_beat=65.0)
def beat_is_shut_down_and_not_started_again(fleet: Fleet) -> None:
    """It is reported for as long as nothing takes its place: also when a worker would have left the view."""
    beat = fleet_with_beat(fleet)
    fleet.begin()
    beat.shut_down()
    fleet.run(HOUR)
    assert [finding.kind for finding in fleet.checks.diagnosis.findings] == ["no_beat"]


@incident(no_beat=65.0)
def the_app_has_a_schedule_and_no_beat_was_ever_started(fleet: Fleet) -> None:
    fleet.app_entries = 4
    fleet.restart_listener()
    fleet.add("w1")
    fleet.begin()
    fleet.run(120)
    assert "beat_schedule with 4 entries" in sole_text(fleet)


@incident(no_beat=GONE, worker_lost=LOST)
def a_worker_with_an_embedded_beat_is_killed(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    fleet.beats.remove(beat)
    beat = fleet.add_beat("w1", *some_entries(), worker="w1")
    beat.boot = "0" * 16
    fleet.restart_listener()
    fleet.run(60)
    fleet.begin()
    beat.kill()
    fleet.workers[0].kill()
    fleet.run(90)


@incident(no_beat=GONE)
def the_owner_of_redbeats_lock_is_killed_and_the_standby_waits_for_it(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet, holds_lock=True)
    standby = fleet.add_beat("celerybeat@web2", *some_entries(), holds_lock=False)
    fleet.run(60)
    fleet.begin()
    beat.kill()
    fleet.run(90)
    assert f"{standby.hostname} waits for the lock" in sole_text(fleet)


@incident(two_beats=65.0)
def two_hosts_run_beat(fleet: Fleet) -> None:
    fleet_with_beat(fleet)
    fleet.begin()
    fleet.add_beat("celerybeat@web2", *some_entries())
    fleet.run(120)
    assert "celerybeat@web1, celerybeat@web2" in sole_text(fleet)


@incident(two_beats=65.0)
def every_worker_has_an_embedded_beat(fleet: Fleet) -> None:
    fleet.begin()
    for name in ("w1", "w2", "w3"):
        fleet.add(name)
        fleet.add_beat(name, *some_entries(), worker=name)
    fleet.run(120)
    assert "3 running beats" in sole_text(fleet)


@incident(two_beats=80.0)
def beat_is_started_twice_on_one_host(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    fleet.begin()
    beat.restart()
    fleet.run(120)
    assert "all with the hostname celerybeat@web1" in sole_text(fleet)


@incident(beat_stalled=75.0)
def the_database_of_the_scheduler_hangs(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    fleet.begin()
    beat.is_ticking = False
    fleet.run(120)


# Entries.


@incident(entry_overdue=45.0)
def the_scheduler_never_finds_an_entry_due(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet, *some_entries(), Entry("often", 5.0))
    fleet.run(50)  # an entry is due in 10 s
    fleet.begin()
    beat.entries["often"].is_stuck = True
    beat.entries["also-often"] = Entry("also-often", 5.0)
    fleet.run(60)
    assert "Entry 'often' (task shop.pack, every 5 s) of celerybeat@web1" in sole_text(fleet)


@incident(entry_overdue=400.0)
def an_entry_is_overdue_while_the_scheduler_sleeps_for_long(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet, Entry("stuck", 120.0), Entry("hourly", HOUR))
    fleet.begin()
    beat.entries["stuck"].is_stuck = True
    fleet.run(500)


@incident(entry_overdue=45.0)
def the_clock_of_the_host_of_beat_is_set_back(fleet: Fleet) -> None:
    """Celery sends an entry again when the clock has caught up."""
    beat = fleet_with_beat(fleet)
    fleet.run(150)
    fleet.begin()
    beat.skew = -HOUR
    fleet.run(120)
    assert "its interval is" in sole_text(fleet) and "The clock of its host was set back" in sole_text(fleet)


@healthy
def the_clock_of_the_host_of_beat_is_set_back_by_seconds(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    fleet.run(150)
    beat.skew = -5.0
    fleet.run(300)


@incident(entry_fails=75.0)
def an_entry_cannot_be_sent(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    fleet.begin()
    beat.entries["clean-carts"].error = "EncodeError"
    fleet.run(120)


@incident(entry_fails=90.0)
def no_entry_can_be_sent(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet, *(Entry(f"entry-{number}") for number in range(20)))
    fleet.begin()
    for entry in beat.entries.values():
        entry.error = "OperationalError"
    fleet.run(120)
    assert "20 entries of celerybeat@web1" in sole_text(fleet)


@incident(sent_never_started=UNRECEIVED)
def an_entry_is_sent_to_a_queue_that_no_worker_consumes(fleet: Fleet) -> None:
    """The listener does not know this queue, and so not its length."""
    fleet.vanishing["elsewhere"] = 1.0
    fleet.begin()
    fleet_with_beat(fleet, Entry("report", MINUTE, "shop.report", queue="elsewhere"), Entry("often", 5.0))
    fleet.run(300)
    assert "sent at least 3 times" in sole_text(fleet) or "sent at least 4 times" in sole_text(fleet)


@incident(sent_never_started=UNRECEIVED)
def the_messages_of_an_entry_expire_in_its_queue(fleet: Fleet) -> None:
    fleet.vanishing["mail"] = 1.0
    fleet.begin()
    fleet_with_beat(fleet, Entry("report", MINUTE, "shop.report", names_queue=True))
    fleet.run(300)
    assert "to queue 'mail'" in sole_text(fleet)


@incident(sent_never_started=120.0)
def a_frequent_entry_stops_to_arrive(fleet: Fleet) -> None:
    """Of an entry that is sent each second, the listener remembers 20 s."""
    beat = fleet_with_beat(fleet, Entry("tick", 1.0, "shop.tick"))
    fleet.begin()
    fleet.vanishing["elsewhere"] = 1.0
    beat.entries["tick"].queue = "elsewhere"
    fleet.run(180)


# Healthy.


@healthy
def a_beat_runs_for_half_an_hour(fleet: Fleet) -> None:
    fleet_with_beat(fleet, *some_entries(), Entry("often", 7.5), seconds=1800)


@healthy
def a_deploy_replaces_beat(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    beat.shut_down()
    fleet.run(20)
    beat = beat.restart()
    fleet.run(120)
    beat.shut_down()
    fleet.run(3)
    beat.restart("celerybeat@web2")
    fleet.run(HOUR)


@healthy
def the_beats_of_a_rolling_deploy_overlap(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    beat.restart("celerybeat@web2")
    fleet.run(25)
    beat.shut_down()
    fleet.run(900)


@healthy
def a_deploy_changes_the_whole_schedule(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet, Entry("old"))
    beat.shut_down()
    fleet.run(5)
    fleet.add_beat("celerybeat@web2", Entry("new", task="shop.new"))
    fleet.run(900)


@healthy
def redbeat_has_a_standby_that_takes_over(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet, holds_lock=True)
    standby = fleet.add_beat("celerybeat@web2", *some_entries(), holds_lock=False)
    fleet.run(120)
    beat.shut_down()
    fleet.run(5)
    standby.holds_lock = True
    fleet.run(900)
    fleet.beats[0].restart("celerybeat@web3").holds_lock = False
    fleet.run(120)


@healthy
def two_apps_have_a_beat_each(fleet: Fleet) -> None:
    fleet_with_beat(fleet)
    fleet.add_beat("celerybeat@web1", *some_entries(), app="blog")
    fleet.run(300)


@healthy
def two_beats_send_different_schedules_of_one_app(fleet: Fleet) -> None:
    fleet_with_beat(fleet)
    fleet.add_beat("celerybeat@web2", Entry("other", 30.0))
    fleet.run(300)


@healthy
def an_entry_is_sent_four_times_a_second(fleet: Fleet) -> None:
    fleet_with_beat(fleet, Entry("fast", 0.25), *some_entries(), seconds=300)


@healthy
def a_schedule_has_1000_entries(fleet: Fleet) -> None:
    fleet_with_beat(fleet, *(Entry(f"entry-{number}", 60.0 + number) for number in range(1000)), seconds=300)


@healthy
def an_entry_is_due_once_a_month(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet, Entry("invoices", MONTH, "shop.invoice"), seconds=1)
    beat.entries["invoices"].sent_at = beat.wall - MONTH + 900
    fleet.run(1200)
    assert beat.entries["invoices"].sends == 1


@healthy
def an_entry_is_disabled_and_another_one_added(fleet: Fleet) -> None:
    beat = fleet_with_beat(fleet)
    beat.entries["clean-carts"].is_enabled = False
    fleet.run(300)
    beat.entries["new"] = Entry("new", 20.0)
    fleet.run(300)
    beat.entries["clean-carts"].is_enabled = True
    beat.wake_at = 0.0
    fleet.run(300)


@healthy
def the_clock_of_the_host_of_beat_is_set_forward(fleet: Fleet) -> None:
    """What is due by the new time is sent when beat wakes, which may take five minutes."""
    beat = fleet_with_beat(fleet, Entry("report", HOUR, "shop.report"), Entry("nightly", DAY))
    fleet.run(60)
    beat.skew = HOUR - 10 * MINUTE
    fleet.run(900)


@healthy
def a_listener_to_a_beat_is_restarted(fleet: Fleet) -> None:
    fleet.app_entries = 3
    fleet_with_beat(fleet)
    for _ in range(3):
        fleet.restart_listener()
        fleet.run(150)


@healthy
def beat_starts_after_a_weekend(fleet: Fleet) -> None:
    """Everything was due long ago, and is sent at once."""
    beat = fleet_with_beat(fleet)
    beat.shut_down()
    fleet.run(5)
    for entry in beat.entries.values():
        entry.sent_at = beat.wall - 3 * DAY
    beat.restart()
    fleet.run(900)


@healthy
def a_schedule_only_has_entries_on_weekdays(fleet: Fleet) -> None:
    fleet_with_beat(fleet, Entry("opening", 2.6 * DAY), seconds=1800)


@healthy
def a_beat_without_entries(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.add_beat("celerybeat@web1")
    fleet.run(900)


@healthy
def the_tasks_of_an_entry_wait_behind_a_backlog(fleet: Fleet) -> None:
    fleet.add("w1", concurrency=1, prefetch=1)
    fleet.send(count=500, seconds=0.5)
    fleet.add_beat("celerybeat@web1", Entry("report", 30.0, "shop.report"))
    fleet.run(600)


@healthy
def the_worker_of_an_entry_is_down_for_a_while(fleet: Fleet) -> None:
    """Its messages wait: when it is back, they are received."""
    worker = fleet.add("w3", queues=("reports",))
    fleet_with_beat(fleet, Entry("report", 30.0, "shop.report", queue="reports", names_queue=True))
    fleet.run(118)
    worker.drain()
    fleet.run(1)
    worker.shut_down()
    fleet.run(3)
    worker.restart()
    fleet.run(300)


@healthy
def workers_that_do_not_count_receive_the_tasks_of_an_entry(fleet: Fleet) -> None:
    fleet_with_beat(fleet, Entry("report", 20.0, "shop.report"), seconds=1)
    for worker in fleet.workers:
        worker.meter.collect = MetricsDelta  # type: ignore[method-assign]
    fleet.run(400)
