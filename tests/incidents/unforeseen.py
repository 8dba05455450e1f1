"""Situations that were written from the documentation of the findings alone, without the rules: what was found wrong
by them was corrected afterwards. Added to SITUATIONS when imported."""

from tests.incidents.catalogue import (
    LOST,
    busy_fleet,
    healthy,
    incident,
    released,
    software_of,
    stuck,
)
from tests.incidents.fleet import Fleet, Task, Worker, a_software

__all__: list[str] = []

TEN_QUEUES = tuple(f"q{number}" for number in range(10))


def subjects(fleet: Fleet, kind: str) -> set[str]:
    return {event.finding.subject for event in fleet.events if event.is_raised and event.finding.kind == kind}


def now_open(fleet: Fleet) -> list[str]:
    return sorted(finding.kind for finding in fleet.checks.diagnosis.findings)


# Incidents.


@incident(failures_rise=40.0, failing=75.0)
def three_quarters_of_a_fleet_cannot_reach_a_service(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=4)
    fleet.begin()
    for worker in fleet.workers[:3]:
        worker.failures = 1.0
    fleet.run(120)


@incident(failures_rise=60.0, failing=75.0)
def one_queue_of_ten_fails(fleet: Fleet) -> None:
    fleet.add("w1", queues=TEN_QUEUES)
    changes = [fleet.traffic(0.7, queue) for queue in TEN_QUEUES]
    fleet.run(120)
    fleet.begin()
    changes[4](failures=1.0)
    fleet.run(80)
    assert subjects(fleet, "failing") == {"q4"} == subjects(fleet, "failures_rise")


@incident(all_paused=6.0)
def one_queue_of_ten_is_paused_on_every_worker(fleet: Fleet) -> None:
    for number in range(3):
        fleet.add(f"w{number}", queues=TEN_QUEUES)
    for queue in TEN_QUEUES:
        fleet.traffic(0.7, queue)
    fleet.run(60)
    fleet.begin()
    for worker in fleet.workers:
        worker.paused.add("q3")
    fleet.run(60)
    assert subjects(fleet, "all_paused") == {"q3"}


@incident(failing=900.0, failures_rise=400.0)
def failures_rise_by_eight_percent_a_minute(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet, workers=1, rate=2.0)
    fleet.run(60)
    fleet.begin()
    for minute in range(10):
        traffic(failures=0.08 * minute)
        fleet.run(60)


@incident(failing=90.0)
def slightly_more_than_half_fail_from_the_start(fleet: Fleet) -> None:
    fleet.begin()
    fleet.add("w1")
    fleet.traffic(1.0, failures=0.62)
    fleet.run(120)


@healthy
def one_in_five_tasks_fails_as_ever(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.traffic(6.0, failures=0.2)
    fleet.run(300)


@incident(failing=660.0)
def five_tasks_of_a_rare_queue_fail_in_ten_minutes(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(60)
    fleet.begin()
    for _ in range(5):
        fleet.send(outcome="failed", kind="OSError")
        fleet.run(120)
    fleet.run(30)


@healthy
def four_tasks_of_a_rare_queue_fail(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(60)
    for _ in range(4):
        fleet.send(outcome="failed", kind="OSError")
        fleet.run(60)
    fleet.run(100)


@incident(worker_lost=60.0)
def containers_are_killed_and_replaced_under_new_names(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.begin()
    for number in range(5):
        worker = fleet.add(f"pod-{number}")
        fleet.run(20)
        worker.kill()
        fleet.run(5)
    fleet.run(30)


@incident(worker_lost=90.0)
def an_idle_worker_crashes_again_and_again_under_one_name(fleet: Fleet) -> None:
    """`restart: always` starts it again within seconds, so it is never lost for long."""
    fleet.add("w1")
    fleet.begin()
    for _ in range(12):
        worker = fleet.add("w2")
        fleet.run(8)
        worker.kill()
        fleet.run(2)
    fleet.run(5)


@incident(stalled=8.0)
def the_solo_worker_of_a_mixed_fleet_is_blocked(fleet: Fleet) -> None:
    fleet.add("p1"), fleet.add("t1", pool="threads"), fleet.add("g1", pool="gevent", concurrency=100)
    solo = fleet.add("s1", pool="solo", concurrency=1, prefetch=4)
    fleet.traffic(8.0)
    fleet.run(60)
    while solo.runs:
        fleet.run(0.25)
    fleet.begin()
    solo.stalled_since = fleet.clock.now
    fleet.run(40)
    assert subjects(fleet, "stalled") == {"s1"}


@incident(slots_pinned=140.0, task_runs_long=65.0)
def workers_with_one_slot_are_all_stuck(fleet: Fleet) -> None:
    for number in range(5):
        fleet.add(f"w{number}", concurrency=1, prefetch=1)
    fleet.traffic(3.0)
    fleet.run(60)
    fleet.begin()
    for worker in fleet.workers:
        worker.runs.clear()
        stuck(worker)
    fleet.run(180)


@incident(task_runs_long=65.0)
def three_of_four_workers_are_stuck_and_the_last_one_keeps_up(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=4)
    fleet.begin()
    for worker in fleet.workers[:3]:
        worker.runs.clear()
        worker.prefetch = 4
        worker.reserved.clear()
        stuck(worker, worker.concurrency)
        worker.is_consuming = False  # its prefetch window is full of tasks that wait
    fleet.run(120)


@incident(slots_pinned=140.0, task_runs_long=65.0)
def stuck_tasks_of_one_queue_block_another_queue_of_the_same_workers(fleet: Fleet) -> None:
    for number in range(2):
        fleet.add(f"w{number}", queues=("mail", "reports"))
    fleet.traffic(4.0), fleet.traffic(1.0, "reports", name="shop.report")
    fleet.run(60)
    fleet.begin()
    for worker in fleet.workers:
        worker.runs.clear()
        for task in fleet.send("reports", worker.concurrency, name="shop.report", seconds=1e6):
            fleet.waiting["reports"].remove(task)
            worker.start("reports", task)
    fleet.run(180)
    assert "mail" in subjects(fleet, "slots_pinned")


@incident(slots_pinned=220.0, task_runs_long=65.0)
def a_stuck_fleet_is_restarted_and_stuck_again(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet, workers=2)
    fleet.begin()
    traffic(seconds=1e6)
    fleet.run(80)
    worker = fleet.workers[0]
    worker.runs.clear()
    worker.shut_down()
    fleet.add("w1")
    fleet.run(150)


@incident(pool_dead=25.0)
def half_of_the_pools_hang(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=6)
    fleet.begin()
    for worker in fleet.workers[:3]:
        worker.starts_tasks = False
    fleet.run(90)
    assert subjects(fleet, "pool_dead") == {"w1", "w2", "w3"}


@incident(oldest_waits=345.0)
def the_consumer_of_one_queue_has_stopped_on_a_worker_busy_with_another(fleet: Fleet) -> None:
    worker = fleet.add("w1", queues=("mail", "reports"))
    fleet.traffic(4.0, seconds=0.5), fleet.traffic(0.5, "reports")
    fleet.run(60)
    fleet.begin()
    worker.deaf.add("reports")
    fleet.run(330)
    assert subjects(fleet, "oldest_waits") == {"reports"}


@incident(oldest_waits=420.0)
def a_stopped_consumer_of_a_rare_queue(fleet: Fleet) -> None:
    """One message waits without end beside a busy queue."""
    worker = fleet.add("w1", queues=("mail", "reports"))
    fleet.traffic(4.0, seconds=0.5)
    fleet.send("reports")
    fleet.run(60)
    fleet.begin()
    worker.deaf.add("reports")
    fleet.send("reports")
    fleet.run(350)
    assert subjects(fleet, "oldest_waits") == {"reports"}


@incident(failures_rise=30.0, failing=45.0)
def hundreds_of_very_fast_tasks_fail_each_second(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet, rate=200.0, seconds=0.0)
    fleet.begin()
    traffic(failures=1.0)
    fleet.run(50)


@incident(failing=640.0)
def tasks_of_ten_minutes_fail_at_their_end(fleet: Fleet) -> None:
    fleet.add("w1", concurrency=8, interval=5.0)
    fleet.begin()
    fleet.send(count=8, seconds=600.0, outcome="failed", kind="Timeout", name="shop.encode")
    fleet.run(700)


@incident(slots_pinned=90.0)
def the_listener_starts_when_the_fleet_is_already_stuck(fleet: Fleet) -> None:
    """How long these tasks usually run is not known to it."""
    worker = fleet.add("w1")
    stuck(worker, 4)
    fleet.run(280)
    fleet.traffic(1.0)
    fleet.restart_listener()
    fleet.begin()
    fleet.run(100)


@incident(nobody_heard=8.0, backlog_without_consumer=10.0)
def the_listener_starts_after_the_last_worker_has_died(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(20)
    fleet.workers[0].kill()
    fleet.send(count=5)
    fleet.run(5)
    fleet.restart_listener()
    fleet.begin()
    fleet.run(60)


@incident(all_paused=5.0, pool_dead=30.0)
def the_listener_starts_beside_a_paused_queue_and_a_dead_pool(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("r1", queues=("reports",))
    fleet.traffic(1.0), fleet.traffic(0.2, "reports")
    fleet.run(10)
    fleet.workers[0].starts_tasks = False
    fleet.workers[1].paused.add("reports")
    fleet.run(1)
    fleet.restart_listener()
    fleet.begin()
    fleet.run(60)


@incident(worker_lost=LOST)
def a_worker_is_killed_while_a_third_of_all_reports_is_lost(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=4, rate=0.0)
    for worker in fleet.workers:
        worker.loss = 0.33
    fleet.run(120)
    fleet.begin()
    fleet.workers[0].kill()
    fleet.run(120)


@incident(worker_lost=LOST)
def a_worker_is_killed_in_a_fleet_with_wrong_clocks(fleet: Fleet) -> None:
    for number, error in enumerate((-600.0, 86_400.0, 0.0, 0.0)):
        fleet.add(f"w{number}", clock_error=error)
    fleet.add("w9", queues=("rare",), clock_error=-900.0)
    fleet.traffic(6.0)
    rare = fleet.traffic(0.05, "rare")
    fleet.run(150)
    rare(rate=0.0)
    fleet.begin()
    while fleet.workers[-1].runs:
        fleet.run(0.25)
    fleet.workers[-1].kill()
    fleet.run(20)


@incident(will_be_redelivered=60.0, runs_twice=200.0)
def tasks_run_for_longer_than_the_visibility_timeout(fleet: Fleet) -> None:
    for number in range(3):
        fleet.add(f"w{number}", concurrency=16, software=a_software(visibility_timeout=60.0))
    fleet.run(10)
    fleet.begin()
    fleet.always(lambda passed: fleet.redeliver(60.0))
    fleet.send(count=2, name="shop.render", seconds=200.0, acks_late=True)
    fleet.run(230)


@incident(all_paused=6.0)
def the_last_worker_that_had_not_paused_a_queue_shuts_down(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for worker in fleet.workers[:2]:
        worker.paused.add("mail")
    fleet.run(60)
    fleet.begin()
    worker = fleet.workers[2]
    worker.drain()
    while worker.runs:
        fleet.run(0.25)
    worker.shut_down()
    fleet.run(60)


@incident(failing=60.0, failures_rise=60.0, all_paused=120.0)
def names_with_odd_characters(fleet: Fleet) -> None:
    queue, name = 'q/ü 🐇"<b>&amp;', "проект.tasks.отправить письмо"
    fleet.add('celery@höst 1"; DROP', queues=(queue,))
    traffic = fleet.traffic(4.0, queue, name=name)
    fleet.run(90)
    fleet.begin()
    traffic(failures=1.0, exception="Ausnahme\u202eFehler")
    fleet.run(70)
    fleet.workers[0].paused.add(queue)
    fleet.run(30)
    assert subjects(fleet, "failing") == {queue} == subjects(fleet, "all_paused")


@incident(lost_with_tasks=LOST)
def a_virtual_machine_is_paused_for_a_minute(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=1.0)
    worker = fleet.workers[0]
    for task in fleet.send(count=2, name="shop.import", seconds=200.0):
        fleet.waiting["mail"].remove(task)
        worker.start("mail", task)
    fleet.run(5)
    fleet.begin()
    worker.is_frozen = True
    fleet.run(60)
    worker.is_frozen = False
    fleet.run(30)
    assert not now_open(fleet)


@incident(worker_lost=LOST)
def half_of_a_fleet_is_cut_off_for_two_minutes(fleet: Fleet) -> None:
    for number in range(6):
        fleet.add(f"celery@h{number}")
    fleet.run(60)
    fleet.begin()
    for worker in fleet.workers[:3]:
        worker.is_frozen = True
    fleet.run(120)
    for worker in fleet.workers[:3]:
        worker.is_frozen = False
    fleet.run(30)
    assert not now_open(fleet)


@incident(backlog_without_consumer=15.0)
def all_workers_are_stopped_for_half_a_minute_by_a_deployment(fleet: Fleet) -> None:
    busy_fleet(fleet, seconds=0.2)
    for worker in fleet.workers:
        worker.drain()
    fleet.run(3)
    for worker in list(fleet.workers):
        worker.shut_down()
    fleet.begin()
    fleet.run(30)
    for number in range(1, 4):
        fleet.add(f"w{number}")
    fleet.run(120)
    assert not now_open(fleet)


@incident(near_memory_limit=60.0)
def one_of_ten_workers_is_just_above_nine_tenths_of_its_memory(fleet: Fleet) -> None:
    for number in range(10):
        fleet.add(f"w{number}", memory_limit=2.0, child=0.42)
    fleet.run(60)
    fleet.begin()
    fleet.workers[4].child = 0.428
    fleet.run(90)
    assert subjects(fleet, "near_memory_limit") == {"w4"}


@incident(pool_thrashes=60.0)
def exactly_three_processes_are_lost_within_a_minute(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    for _ in range(3):
        fleet.workers[0].ended["lost"] += 1
        fleet.run(20)
    fleet.run(20)


@healthy
def two_processes_of_each_worker_are_lost_at_once(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for worker in fleet.workers:
        worker.ended["lost"] += 2
    fleet.run(120)


@incident(failures_rise=60.0)
def one_task_name_of_five_fails_after_a_deployment(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    changes = [fleet.traffic(0.6, name=f"shop.task{number}") for number in range(5)]
    fleet.run(120)
    fleet.begin()
    changes[2](failures=1.0)
    fleet.run(100)


@healthy
def a_retry_storm_succeeds(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=4.0)
    fleet.send(count=300, name="shop.call", retries=4, countdown=15.0)
    fleet.run(120)


@incident(failing=900.0)
def every_attempt_of_a_queue_is_retried_again(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.begin()
    fleet.send(count=10, retries=1000, countdown=30.0)
    fleet.run(700)


@healthy
def one_of_two_workers_is_full_of_scheduled_tasks_and_the_other_one_keeps_up(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    fleet.traffic(2.0)
    fleet.run(60)
    fleet.workers[0].scheduled = 16
    fleet.run(60)


@incident(isolated=2.0)
def the_broker_restarts(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    fleet.isolate()
    for worker in fleet.workers:
        worker.is_frozen = True
    fleet.run(12)
    fleet.reconnect()
    fleet.run(1.5)
    for worker in fleet.workers:
        worker.is_frozen = False
    fleet.run(120)
    assert not now_open(fleet)


@incident(failures_rise=60.0)
def a_deployment_at_once_fails_for_a_third_of_the_tasks(fleet: Fleet) -> None:
    released(fleet, "v41", "v41", "v41", rate=4.0, failures=0.01)
    fleet.run(60)
    for worker in list(fleet.workers):
        worker.drain()
    fleet.run(2)
    for worker in list(fleet.workers):
        worker.shut_down()
        worker.restart(software=software_of("v42"), failures=0.33)
    fleet.begin()
    fleet.run(100)


@healthy
def a_canary_fails_slightly_more_often_by_chance(fleet: Fleet) -> None:
    released(fleet, "v41", "v41", "v41", "v42", rate=10.0, failures=0.02)
    fleet.workers[3].failures = 0.03
    fleet.run(240)


@incident(mixed_releases=1830.0)
def a_rolling_deployment_takes_half_an_hour(fleet: Fleet) -> None:
    old = [fleet.add(f"w{number}", software=software_of("v41"), interval=10.0) for number in range(3)]
    fleet.run(60)
    fleet.begin()
    for worker in old:
        worker.shut_down()
        worker.restart(software=software_of("v42"), interval=10.0)
        fleet.run(590)
    fleet.run(20)
    assert not now_open(fleet)


@healthy
def a_task_with_acks_late_ends_just_before_four_fifths_of_the_visibility_timeout(fleet: Fleet) -> None:
    fleet.add("w1", software=a_software(visibility_timeout=600.0))
    fleet.run(10)
    fleet.send(name="shop.report", seconds=470.0, acks_late=True)
    fleet.run(700)


@incident(limit_not_enforced=45.0)
def a_solo_worker_ignores_a_time_limit(fleet: Fleet) -> None:
    fleet.add("s1", pool="solo", concurrency=1)
    fleet.run(10)
    fleet.begin()
    fleet.send(seconds=200.0, time_limit=30.0)
    fleet.run(120)


@incident(task_runs_long=65.0)
def five_hundred_greenlets_wait_for_a_service(fleet: Fleet) -> None:
    worker = fleet.add("g1", pool="gevent", concurrency=500, prefetch=2000)
    traffic = fleet.traffic(50.0)
    fleet.run(60)
    fleet.begin()
    traffic(seconds=1e6)
    fleet.run(75)
    assert len(worker.runs) == 500


@incident(poison=40.0, lost_with_tasks=20.0)
def a_task_kills_its_container_which_starts_again_under_the_same_name(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(10)
    fleet.send(seconds=1e6, name="shop.eat_memory", acks_late=True)
    fleet.run(5)
    fleet.begin()
    for _ in range(3):
        fleet.workers[0].kill(redeliver=True)
        fleet.run(3)
        fleet.add("w1")
        fleet.run(6)


@incident(lost_with_tasks=LOST)
def a_spot_instance_is_taken_away_and_its_tasks_run_elsewhere(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    fleet.run(10)
    fleet.send(count=3, seconds=60.0, acks_late=True)
    fleet.run(5)
    fleet.begin()
    victim = max(fleet.workers, key=lambda worker: len(worker.runs))
    victim.kill(redeliver=True)
    fleet.run(120)


@incident(wait_grows=90.0)
def the_clock_of_the_only_worker_jumps_by_ten_minutes(fleet: Fleet) -> None:
    worker = fleet.add("w1")
    fleet.traffic(2.0)
    fleet.run(120)
    fleet.begin()
    worker.clock_error = 600.0
    fleet.run(120)


@healthy
def the_clock_of_one_of_three_workers_is_wrong(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.run(40)
    fleet.workers[0].clock_error = 300.0
    fleet.run(60)
    fleet.workers[0].clock_error = -300.0
    fleet.run(100)


@healthy
def the_clocks_of_all_workers_are_fast(fleet: Fleet) -> None:
    for number in range(2):
        fleet.add(f"w{number}", clock_error=400.0)
    fleet.traffic(4.0)
    fleet.run(100)
    fleet.send(count=1000)
    fleet.run(200)


@incident(consumes_nothing=30.0)
def one_consumer_of_ten_has_stopped_under_load(fleet: Fleet) -> None:
    for number in range(10):
        fleet.add(f"w{number}", concurrency=2, prefetch=2)
    fleet.traffic(21.0, seconds=1.0, spread=0.0)
    fleet.run(60)
    fleet.begin()
    fleet.workers[3].is_consuming = False
    fleet.run(60)
    assert [finding.severity for finding in fleet.checks.diagnosis.findings] == ["warning"]


@incident(duplicate_hostname=20.0)
def the_new_instance_starts_while_the_old_one_still_works(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=1, rate=2.0)
    fleet.begin()
    old = fleet.workers[0]
    fleet.add("w1")
    fleet.run(30)
    old.drain()
    fleet.run(3)
    old.shut_down()
    fleet.run(60)
    assert not now_open(fleet)


@incident(nobody_heard=700.0)
def all_workers_are_shut_down_for_maintenance(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet, rate=2.0)
    traffic(rate=0.0)
    fleet.run(5)
    fleet.begin()
    for worker in list(fleet.workers):
        worker.drain()
        fleet.run(1)
        worker.shut_down()
    fleet.run(640)


@incident(prefetch_hoarding=20.0)
def half_of_the_workers_hold_tasks_that_the_others_could_run(fleet: Fleet) -> None:
    for number in range(3):
        fleet.add(f"w{number}", concurrency=1, prefetch=4)
    fleet.send(count=3, seconds=900.0)
    fleet.run(2)
    fleet.send(count=12, seconds=0.5)
    fleet.run(2)
    fleet.begin()
    for number in range(3, 6):
        fleet.add(f"w{number}", concurrency=1, prefetch=4)
    fleet.run(60)
    assert subjects(fleet, "prefetch_hoarding") == {"mail"}


# Healthy.


@healthy
def a_nightly_batch_of_eight_minutes(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=2, rate=1.0)
    fleet.send(count=200, name="shop.invoice", seconds=18.0)
    fleet.run(560)


@healthy
def traffic_stops_for_the_night_and_caches_are_cold_in_the_morning(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet, workers=2)
    traffic(rate=0.0)
    fleet.run(700)
    traffic(rate=4.0, seconds=1.5)
    fleet.run(120)
    traffic(seconds=0.1)
    fleet.run(60)


@healthy
def blue_and_green_overlap_for_a_minute(fleet: Fleet) -> None:
    released(fleet, *["v41"] * 4, rate=2.0)
    blue = list(fleet.workers)
    for number in range(4):
        fleet.add(f"green{number}", software=software_of("v42"))
    fleet.run(60)
    for worker in blue:
        worker.drain()
    fleet.run(30)
    for worker in blue:
        worker.shut_down()
    fleet.run(100)


@healthy
def pods_come_and_go_every_few_seconds(fleet: Fleet) -> None:
    fleet.add("pod-0")
    fleet.traffic(6.0, seconds=0.4)
    leaving: list[Worker] = []
    for number in range(1, 30):
        fleet.add(f"pod-{number}")
        if len(fleet.workers) > 4:
            worker = next(worker for worker in fleet.workers if worker.state == "online")
            worker.drain()
            leaving.append(worker)
        fleet.run(7)
        for worker in [worker for worker in leaving if not worker.runs]:
            worker.shut_down()
            leaving.remove(worker)
    fleet.run(60)


@healthy
def long_tasks_by_design_occupy_every_slot_and_nothing_waits(fleet: Fleet) -> None:
    fleet.add("w1", prefetch=4, interval=4.0)
    fleet.send(count=4, name="shop.encode", seconds=1500.0)
    fleet.run(1550)


@healthy
def four_hundred_tasks_become_due_at_midnight(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for worker in fleet.workers:
        worker.scheduled, worker.prefetch = 400, 416
    fleet.run(60)
    for worker in fleet.workers:
        worker.scheduled, worker.prefetch = 0, 16
        worker.reserved.extend(("mail", Task(f"e{worker.hostname}{n}", sent_at=fleet.clock.now)) for n in range(400))
    fleet.run(60)


@healthy
def an_operator_pauses_and_resumes_a_queue_at_once(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for _ in range(5):
        for worker in fleet.workers:
            worker.paused.add("mail")
        fleet.run(1)
        for worker in fleet.workers:
            worker.paused.clear()
        fleet.run(10)


@healthy
def a_worker_consumes_no_queue_on_purpose(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.add("idle1", queues=())
    fleet.run(60)


@healthy
def a_worker_is_slow_to_start_its_processes(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=2)
    late = fleet.add("w3", starts_tasks=False)
    fleet.run(45)
    late.starts_tasks = True
    fleet.run(120)


@healthy
def garbage_collection_blocks_event_loops_for_four_seconds(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for turn in range(10):
        worker = fleet.workers[turn % 3]
        worker.stalled_since = fleet.clock.now
        fleet.run(4)
        worker.stalled_since = None
        fleet.run(4)


@healthy
def eight_of_nine_tasks_fail(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.send()
    fleet.send(count=8, outcome="failed", kind="OSError")
    fleet.run(100)


@healthy
def reports_of_an_overloaded_host_come_every_seven_seconds(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for _ in range(12):
        fleet.workers[0].is_reporting = False
        fleet.run(6)
        fleet.workers[0].is_reporting = True
        fleet.run(1.25)


@healthy
def cron_sends_three_hundred_tasks_at_each_full_minute(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    for _ in range(8):
        fleet.send(count=300, seconds=0.5)
        fleet.run(60)


@healthy
def a_worker_with_unlimited_prefetch_takes_everything(fleet: Fleet) -> None:
    fleet.add("w1", prefetch=0)
    fleet.run(10)
    fleet.send(count=500, seconds=0.5)
    fleet.run(120)


@healthy
def a_maintenance_mode_rejects_nothing_and_ignores_tasks(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet)
    traffic(seconds=0.0, outcome="ignored")
    fleet.run(120)


@healthy
def workers_of_every_pool_share_a_queue(fleet: Fleet) -> None:
    fleet.add("p1"), fleet.add("t1", pool="threads", concurrency=16), fleet.add("g1", pool="gevent", concurrency=200)
    fleet.add("s1", pool="solo", concurrency=1, prefetch=4)
    fleet.traffic(10.0, seconds=0.5)
    fleet.run(150)


@healthy
def scaled_to_zero_for_a_minute_without_messages(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet, workers=1, rate=2.0)
    traffic(rate=0.0)
    fleet.run(5)
    fleet.workers[0].shut_down()
    fleet.run(60)
    fleet.add("w1")
    traffic(rate=2.0)
    fleet.run(60)


@healthy
def urgent_messages_overtake_others_for_a_while(fleet: Fleet) -> None:
    fleet.add("w1", concurrency=2, prefetch=2)
    fleet.traffic(3.0, seconds=0.4)
    fleet.run(60)
    fleet.send(count=200, seconds=0.2, is_urgent=True)
    fleet.run(120)


@healthy
def acks_late_messages_return_after_a_reconnect_to_the_same_worker(fleet: Fleet) -> None:
    worker = fleet.add("w1")
    fleet.run(10)
    fleet.send(count=2, seconds=30.0, acks_late=True)
    fleet.run(5)
    fleet.redeliver(1.0)
    fleet.run(60)
    assert not worker.runs


# Written after the rules were read: against them.


@incident(worker_lost=LOST, all_paused=15.0)
def the_last_worker_that_had_not_paused_a_queue_is_killed(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=0.0)
    for worker in fleet.workers[:2]:
        worker.paused.add("mail")
    fleet.run(10)
    fleet.begin()
    fleet.workers[2].kill()
    fleet.run(40)


@incident(wait_grows=60.0)
def a_rate_limit_holds_up_the_first_tasks_after_a_quiet_night(fleet: Fleet) -> None:
    worker = fleet.add("w1", concurrency=8)
    fleet.run(700)
    fleet.begin()
    for _ in range(60):
        for task in fleet.send(count=2):
            fleet.waiting["mail"].remove(task)
            task.sent_at -= 20.0
            worker.start("mail", task)
        fleet.run(1)


@healthy
def a_developer_changes_the_code_ten_times(fleet: Fleet) -> None:
    """Each time the worker is stopped and started."""
    for _ in range(10):
        worker = fleet.add("w1")
        fleet.traffic(0.05)
        fleet.run(6)
        worker.drain()
        while worker.runs:
            fleet.run(0.25)
        worker.shut_down()
        fleet.run(1)


@healthy
def a_worker_is_killed_twice_by_hand(fleet: Fleet) -> None:
    for _ in range(2):
        worker = fleet.add("w1")
        fleet.run(20)
        worker.kill()
    fleet.add("w1")
    fleet.run(60)
