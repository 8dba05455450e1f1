"""The situations: what happens, and which findings must follow, how soon. Each function plays one on a new Fleet.

Seconds of `expected` count from begin(). A finding of another kind, at any time, is an error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from celery_gossip.diagnosis.inputs import FindingKind
from celery_gossip.wire.messages import Software
from tests.incidents.fleet import Fleet, Worker, a_software

__all__ = ["SITUATIONS", "Situation"]

LOST = 12.0  #: seconds until a killed worker is lost, with an interval of 1 s: ten intervals, and a check
BACKLOG = 12.0  #: a backlog is read every 2 s, and must last 5 s


@dataclass(frozen=True)
class Situation:
    """A scene, and the findings that must be raised, `{kind: seconds after begin()}`; none for a healthy one."""

    name: str
    play: Callable[[Fleet], None]
    expected: Mapping[FindingKind, float]

    @property
    def is_incident(self) -> bool:
        return bool(self.expected)


SITUATIONS: list[Situation] = []


def incident(**expected: float) -> Callable[[Callable[[Fleet], None]], Callable[[Fleet], None]]:
    def add(play: Callable[[Fleet], None]) -> Callable[[Fleet], None]:
        SITUATIONS.append(Situation(play.__name__, play, expected))  # type: ignore[arg-type]
        return play

    return add


def healthy(play: Callable[[Fleet], None]) -> Callable[[Fleet], None]:
    SITUATIONS.append(Situation(play.__name__, play, {}))
    return play


def busy_fleet(fleet: Fleet, workers: int = 3, rate: float = 6.0, **options: object) -> Callable[..., None]:
    """Start workers with steady traffic that they can handle, and let a minute pass."""
    for number in range(1, workers + 1):
        fleet.add(f"w{number}")
    traffic = fleet.traffic(rate, **options)
    fleet.run(60)
    return traffic


def stuck(worker: Worker, count: int = 1, name: str = "shop.pack") -> None:
    """Let tasks that never end take slots of a worker."""
    for task in worker.fleet.send(worker.queues[0], count, name=name, seconds=1e6):
        worker.fleet.waiting[worker.queues[0]].remove(task)
        worker.start(worker.queues[0], task)


# Workers.


@incident(worker_lost=LOST)
def an_idle_worker_is_killed(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    fleet.run(30)
    fleet.begin()
    fleet.workers[0].kill()
    fleet.run(30)


@incident(lost_with_tasks=LOST)
def a_worker_is_killed_while_tasks_run(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=1.0)
    stuck(fleet.workers[0], 2, "shop.import")
    fleet.run(5)
    fleet.begin()
    fleet.workers[0].kill()
    fleet.run(40)


@incident(worker_lost=LOST)
def a_host_with_five_idle_workers_dies(fleet: Fleet) -> None:
    for number in range(6):
        fleet.add(f"w{number}")
    fleet.run(20)
    fleet.begin()
    for worker in fleet.workers[:5]:
        worker.kill()
    fleet.run(30)
    assert fleet.checks.diagnosis.findings[0].subject == "listener"


@incident(worker_lost=LOST, backlog_without_consumer=30.0)
def all_workers_die_and_messages_pile_up(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    fleet.run(20)
    fleet.begin()
    for worker in list(fleet.workers):
        worker.kill()
    fleet.traffic(2.0)
    fleet.run(60)


@incident(lost_with_tasks=3.0)
def a_cold_shutdown_cuts_tasks_off(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=1.0)
    worker = fleet.workers[0]
    stuck(worker, 2, "shop.import")
    fleet.run(3)
    fleet.begin()
    worker.is_consuming = worker.starts_tasks = False
    worker.shut_down(is_cold=True)
    fleet.run(20)


@incident(lost_with_tasks=15.0)
def a_worker_is_killed_and_started_again_at_once(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    stuck(fleet.workers[0], 1, "shop.import")
    fleet.run(20)
    fleet.begin()
    fleet.workers[0].kill()
    fleet.add("w1")
    fleet.run(30)


@incident(poison=45.0, lost_with_tasks=LOST)
def a_task_kills_one_worker_after_the_other(fleet: Fleet) -> None:
    fleet.add("w1", concurrency=1)
    fleet.run(10)
    (task,) = fleet.send(seconds=1e6, name="shop.eat_memory")
    fleet.run(3)
    fleet.begin()
    fleet.workers[0].kill(redeliver=True)
    fleet.add("w2", concurrency=1)
    fleet.run(20)
    fleet.workers[0].kill(redeliver=True)
    fleet.waiting["mail"].remove(task)
    fleet.run(30)


@incident(stalled=8.0)
def a_signal_receiver_blocks_the_event_loop(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    fleet.workers[0].stalled_since = fleet.clock.now
    fleet.run(30)


@incident(stalled=8.0)
def an_idle_solo_worker_is_blocked(fleet: Fleet) -> None:
    worker = fleet.add("w1", pool="solo", concurrency=1)
    fleet.run(20)
    fleet.begin()
    worker.stalled_since = fleet.clock.now
    fleet.run(20)


@incident(duplicate_hostname=15.0)
def two_workers_have_one_hostname(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    fleet.add("w1")
    fleet.run(40)


@incident(pool_dead=25.0)
def the_processes_of_a_pool_hang(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    worker = fleet.workers[0]
    worker.starts_tasks = False
    fleet.run(60)


@incident(pool_dead=80.0)
def a_pool_whose_processes_die_at_their_start(fleet: Fleet) -> None:
    fleet.begin()
    fleet.add("w1", concurrency=0, starts_tasks=False)
    fleet.send(count=3)
    fleet.run(100)


# Memory and processes.


def sole_text(fleet: Fleet) -> str:
    """Return the text of the only finding that was raised."""
    (event,) = (event for event in fleet.events if event.is_raised)
    return event.finding.text


@incident(pool_thrashes=40.0)
def a_task_kills_the_process_that_runs_it_again_and_again(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    for _ in range(10):
        fleet.workers[0].ended["lost"] += 1
        fleet.run(8)
    assert "SIGKILL" in sole_text(fleet)


@incident(pool_thrashes=15.0)
def processes_crash_as_soon_as_they_start(fleet: Fleet) -> None:
    worker = fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    for _ in range(60):
        worker.ended["lost"] += 5
        fleet.run(1)


@incident(near_memory_limit=50.0)
def the_memory_of_a_container_is_nearly_used_up(fleet: Fleet) -> None:
    busy_fleet(fleet)
    worker = fleet.workers[0]
    worker.memory_limit = 2.0
    fleet.run(60)
    fleet.begin()
    worker.child = 0.45
    fleet.run(120)
    assert "95% (1.9 GiB) of the memory limit of 2.0 GiB" in sole_text(fleet)


@incident(memory_climbs=8_600.0)
def the_processes_of_a_pool_leak(fleet: Fleet) -> None:
    worker = fleet.add("w1", interval=5.0, memory_limit=4.0)
    fleet.traffic(0.5)
    fleet.begin()
    fleet.always(lambda passed: setattr(worker, "child", 0.1 + 0.1 * passed / 3600))
    fleet.run(3 * 3600)
    assert "each process of its pool" in sole_text(fleet) and "limit of 4.0 GiB is reached in" in sole_text(fleet)


@incident(memory_climbs=16_000.0)
def the_main_process_leaks_from_some_time_on(fleet: Fleet) -> None:
    worker = fleet.add("w1", interval=5.0)
    fleet.run(2 * 3600)
    fleet.begin()
    fleet.always(lambda passed: setattr(worker, "main", 0.1 + 0.05 * passed / 3600))
    fleet.run(4.5 * 3600)


@incident(worker_lost=LOST)
def a_worker_needs_ever_more_memory_and_is_killed(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=0.0)
    worker = fleet.workers[0]
    worker.memory_limit = 2.0
    fleet.run(30)
    for _ in range(10):
        worker.child += 0.037
        fleet.run(4)
    fleet.begin()
    worker.kill()
    fleet.run(40)
    assert "probably killed for memory" in sole_text(fleet)


@incident(worker_lost=LOST)
def a_worker_whose_memory_was_high_for_long_is_killed(fleet: Fleet) -> None:
    """That is no proof."""
    worker = fleet.add("w1", memory_limit=2.0, child=0.4)
    fleet.run(600)
    fleet.begin()
    worker.kill()
    fleet.run(40)
    assert "show no cause" in sole_text(fleet)


@incident(lost_with_tasks=LOST)
def a_worker_is_killed_because_its_shutdown_takes_too_long(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=1.0)
    worker = fleet.workers[0]
    stuck(worker, 1, "shop.long")
    fleet.run(5)
    worker.drain()
    fleet.run(30)
    fleet.begin()
    worker.kill()
    fleet.run(40)
    assert "before its shutdown had ended" in sole_text(fleet) and "default of Kubernetes" in sole_text(fleet)


@incident(worker_lost=LOST)
def all_workers_of_a_host_are_lost_at_once(fleet: Fleet) -> None:
    for name in ("a@web1", "b@web1", "a@web2", "b@web2"):
        fleet.add(name)
    fleet.run(20)
    fleet.begin()
    for worker in fleet.workers[:2]:
        worker.kill()
    fleet.run(40)
    texts = [event.finding.text for event in fleet.events]
    assert len(texts) == 2 and all("host web1" in text and "network probably failed" in text for text in texts)


@incident(worker_lost=110.0)
def a_blocked_worker_is_killed_by_its_liveness_probe(fleet: Fleet) -> None:
    worker, _ = fleet.add("w1", interval=10.0), fleet.add("w2")
    fleet.run(60)
    worker.stalled_since = fleet.clock.now
    fleet.run(45)
    fleet.begin()
    worker.kill()
    fleet.run(120)
    assert "event loop had been blocked for" in sole_text(fleet)


# Queues.


@incident(backlog_without_consumer=BACKLOG)
def tasks_are_sent_to_a_queue_that_no_worker_serves(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    fleet.traffic(1.0, "misspelt")
    fleet.run(30)


@incident(backlog_without_consumer=BACKLOG)
def the_last_consumer_of_a_queue_shuts_down(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2", queues=("reports",))
    fleet.run(20)
    fleet.begin()
    fleet.workers[1].shut_down()
    fleet.traffic(1.0, "reports")
    fleet.run(30)


@incident(consumes_nothing=16.0)
def a_consumer_has_stopped_after_a_reconnect(fleet: Fleet) -> None:
    worker = fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    worker.is_consuming = False
    fleet.send(count=5)
    fleet.run(40)


@incident(consumes_nothing=20.0)
def one_of_two_consumers_has_stopped(fleet: Fleet) -> None:
    fleet.add("w1", concurrency=1, prefetch=1), fleet.add("w2")
    fleet.traffic(4.0, seconds=0.5)
    fleet.run(30)
    fleet.begin()
    fleet.workers[1].is_consuming = False
    fleet.run(20)  # later the tasks of the other one wait ever longer


@incident(all_paused=4.0)
def a_queue_is_paused_everywhere(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    fleet.run(20)
    fleet.begin()
    for worker in fleet.workers:
        worker.paused.add("mail")
    fleet.run(20)


@incident(all_paused=4.0)
def a_paused_queue_fills(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    for worker in fleet.workers:
        worker.paused.add("mail")
    fleet.run(60)
    assert [finding.severity for finding in fleet.checks.diagnosis.findings] == ["critical"]


@incident(prefetch_hoarding=15.0)
def a_busy_worker_holds_tasks_that_another_could_run(fleet: Fleet) -> None:
    hoarder = fleet.add("w1", concurrency=1)
    fleet.run(5)
    fleet.begin()
    fleet.send(seconds=600.0)
    fleet.run(1)
    fleet.send(count=4)
    fleet.run(1)
    fleet.add("w2")
    fleet.run(40)
    assert len(hoarder.reserved) == 4


@incident(eta_hoarding=16.0)
def scheduled_tasks_fill_the_prefetch_window(fleet: Fleet) -> None:
    worker = fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    worker.scheduled = 16
    fleet.send(count=5)
    fleet.run(40)


@incident(wait_grows=60.0)
def a_rate_limit_makes_tasks_wait_although_slots_are_free(fleet: Fleet) -> None:
    worker = fleet.add("w1", concurrency=8)
    traffic = fleet.traffic(2.0)
    fleet.run(120)
    traffic(rate=0.0)
    fleet.run(5)
    fleet.begin()
    for _ in range(60):
        for task in fleet.send(count=2):
            fleet.waiting["mail"].remove(task)
            task.sent_at -= 20.0
            worker.start("mail", task)
        fleet.run(1)


@incident(oldest_waits=340.0)
def slow_tasks_occupy_the_slots_that_fast_ones_wait_for(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=2)
    fleet.begin()
    fleet.send(count=60, name="shop.import", seconds=250.0)
    fleet.run(500)


@incident(oldest_waits=340.0)
def slow_tasks_occupy_the_slots_and_no_publisher_stamps_its_tasks(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=2, is_stamped=False)
    fleet.begin()
    fleet.send(count=60, name="shop.import", seconds=250.0, is_stamped=False)
    fleet.run(500)


@incident(oldest_waits=700.0)
def a_fleet_is_too_small_for_its_traffic(fleet: Fleet) -> None:
    fleet.add("w1", concurrency=2)
    fleet.run(10)
    fleet.begin()
    fleet.traffic(20.0, seconds=0.2)
    fleet.run(750)


@incident(oldest_waits=340.0)
def messages_wait_behind_a_long_task_of_a_solo_worker(fleet: Fleet) -> None:
    worker = fleet.add("w1", pool="solo", concurrency=1, prefetch=4)
    fleet.send(count=20)
    fleet.run(60)
    fleet.begin()
    for _ in range(3):
        fleet.send(seconds=240.0, name="shop.rebuild")
        fleet.send(count=10)
    for _ in range(3):
        while not any(run.task.name == "shop.rebuild" for run in worker.runs):
            fleet.run(0.25)
        worker.stalled_since = fleet.clock.now
        fleet.run(240)
        worker.stalled_since = None
        fleet.run(0.25)


@incident(backlog_without_consumer=BACKLOG)
def messages_wait_for_an_hour_until_a_worker_starts(fleet: Fleet) -> None:
    """The worker works off old messages, which is no further problem."""
    fleet.add("w1", queues=("other",))
    fleet.run(10)
    fleet.begin()
    fleet.send(count=2000, seconds=0.4)
    fleet.run(3600)
    fleet.add("w2")
    fleet.run(300)


@incident(backlog_unknown=20.0)
def the_listener_may_not_read_a_queue(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    fleet.unreadable["mail"] = "WRONGTYPE"
    fleet.run(40)


@incident(backlog_unknown=20.0)
def the_broker_of_the_tasks_cannot_be_reached_by_the_listener(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    fleet.unreadable[""] = "connection refused"
    fleet.reads_backlogs = False
    fleet.run(40)


# Failures.


@incident(failures_rise=30.0, failing=45.0)
def every_task_of_a_queue_fails(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet)
    fleet.begin()
    traffic(failures=1.0)
    fleet.run(120)


@incident(failures_rise=40.0, failing=75.0)
def half_of_the_tasks_fail(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet)
    fleet.begin()
    traffic(failures=0.6)
    fleet.run(180)
    assert [finding.severity for finding in fleet.checks.diagnosis.findings] == ["warning"]


@incident(failing=60.0)
def tasks_fail_from_the_first_one_on(fleet: Fleet) -> None:
    fleet.begin()
    fleet.add("w1")
    fleet.traffic(1.0, failures=1.0, exception="ImproperlyConfigured")
    fleet.run(120)


@incident(failing=700.0)
def a_queue_with_a_task_every_two_minutes_fails(fleet: Fleet) -> None:
    fleet.begin()
    fleet.add("w1")
    fleet.traffic(1 / 120, failures=1.0)
    fleet.run(900)


@incident(failing=60.0, unregistered_task=10.0)
def a_deployment_forgot_a_task(fleet: Fleet) -> None:
    fleet.add("w1", unknown=frozenset({"shop.new"}))
    fleet.run(20)
    fleet.begin()
    fleet.traffic(1.0, name="shop.new")
    fleet.run(90)
    texts = {event.finding.kind: event.finding.text for event in fleet.events}
    assert "do not know the task 'shop.new'" in texts["failing"]
    assert "'shop.new' (" in texts["unregistered_task"] and "lost" in texts["unregistered_task"]


@incident(failing=60.0)
def every_task_is_rejected(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    fleet.traffic(1.0, outcome="rejected")
    fleet.run(90)


@incident(failing=720.0)
def every_attempt_ends_in_a_retry(fleet: Fleet) -> None:
    fleet.begin()
    fleet.add("w1")
    fleet.traffic(0.2, outcome="retried")
    fleet.run(800)


@incident(failures_rise=90.0)
def the_share_of_failures_rises_after_a_deployment(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet, failures=0.02)
    fleet.run(300)
    fleet.begin()
    traffic(failures=0.3)
    fleet.run(120)


# Single tasks.


@incident(slots_pinned=130.0, task_runs_long=65.0)
def stuck_tasks_take_every_slot(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=2)
    fleet.begin()
    for worker in fleet.workers:
        worker.runs.clear()
        stuck(worker, worker.concurrency)
    fleet.run(180)


@incident(slots_pinned=420.0)
def stuck_tasks_of_an_unknown_runtime_take_every_slot(fleet: Fleet) -> None:
    worker = fleet.add("w1")
    fleet.run(10)
    fleet.begin()
    stuck(worker, 4, "shop.new")
    fleet.traffic(0.2)
    fleet.run(450)


@incident(task_runs_long=65.0)
def one_task_hangs(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    stuck(fleet.workers[0])
    fleet.run(120)


@incident(limit_not_enforced=45.0)
def a_thread_ignores_its_time_limit(fleet: Fleet) -> None:
    worker = fleet.add("w1", pool="threads")
    fleet.run(10)
    fleet.begin()
    fleet.send(seconds=1e6, time_limit=30.0)
    fleet.run(60)
    assert len(worker.runs) == 1


@incident(limit_not_enforced=100.0)
def a_task_catches_its_soft_time_limit(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(10)
    fleet.begin()
    fleet.send(seconds=1e6, soft_time_limit=30.0)
    fleet.run(120)


@incident(runs_twice=8.0)
def a_task_is_delivered_again_after_the_visibility_timeout(fleet: Fleet) -> None:
    first, second = fleet.add("w1"), fleet.add("w2")
    (task,) = fleet.send(seconds=1e6, name="shop.report")
    fleet.run(30)
    fleet.begin()
    second.start("mail", task) if first.runs else first.start("mail", task)
    fleet.run(30)


# Releases.


def software_of(release: str) -> Software:
    """Return the software of a release: each registers other tasks."""
    return a_software(release, registry=release[1:].rjust(16, "0"))


def released(fleet: Fleet, *releases: str, rate: float = 6.0, **options: object) -> Callable[..., None]:
    """Start a worker of each release with steady traffic, and let a minute pass."""
    for number, release in enumerate(releases, start=1):
        fleet.add(f"w{number}", software=software_of(release))
    traffic = fleet.traffic(rate, **options)
    fleet.run(60)
    return traffic


def replace(worker: Worker, release: str) -> Worker:
    """Deploy a release: shut the worker down, and return another instance."""
    worker.drain()
    while worker.runs:
        worker.fleet.run(1)
    worker.shut_down()
    worker.fleet.run(5)
    return worker.restart(software=software_of(release))


@incident(unregistered_task=30.0)
def a_worker_with_the_former_release_receives_a_new_task(fleet: Fleet) -> None:
    released(fleet, "v42", "v42", "v41")
    fleet.workers[2].unknown = frozenset({"shop.new"})
    fleet.traffic(0.5, name="shop.new")
    fleet.begin()
    fleet.run(180)
    text = fleet.checks.diagnosis.findings[0].text
    assert "w3 received messages" in text and "Other workers of this queue have run such tasks (w1, w2)" in text


@incident(mixed_releases=930.0)
def a_deployment_leaves_one_worker_out(fleet: Fleet) -> None:
    released(fleet, "v41", "v41", "v41")
    fleet.begin()
    for worker in fleet.workers[:2]:
        replace(worker, "v42")
    fleet.run(1000)


@incident(mixed_releases=910.0)
def a_worker_has_registered_other_tasks_under_the_same_release(fleet: Fleet) -> None:
    fleet.begin()
    fleet.add("w1", software=a_software()), fleet.add("w2", software=a_software(registry="0123456789abcdef"))
    fleet.run(1000)


@incident(release_fails=240.0)
def a_canary_fails(fleet: Fleet) -> None:
    released(fleet, "v41", "v41", "v41", "v41", failures=0.01)
    fleet.run(300)
    fleet.begin()
    replace(fleet.workers[3], "v42").failures = 0.25
    fleet.run(400)


@incident(will_be_redelivered=2890.0)
def a_task_with_acks_late_runs_for_almost_the_visibility_timeout(fleet: Fleet) -> None:
    fleet.add("w1", software=a_software(visibility_timeout=3600.0))
    fleet.run(10)
    fleet.begin()
    fleet.send(name="shop.yearly_report", seconds=3500.0, acks_late=True)
    fleet.run(3000)


@incident(will_be_redelivered=5.0)
def a_task_has_an_eta_beyond_the_visibility_timeout(fleet: Fleet) -> None:
    worker = fleet.add("w1", software=a_software(visibility_timeout=3600.0))
    fleet.run(10)
    fleet.begin()
    (task,) = fleet.send(name="shop.remind")
    fleet.waiting["mail"].clear()
    task.received_at, task.eta = fleet.clock.now, fleet.clock.now + 7200.0
    worker.etas.append(task)
    worker.scheduled, worker.prefetch = 1, 17
    fleet.run(7000)  # it stays, although less and less of the time remains


@incident(will_be_redelivered=170.0)
def reserved_tasks_wait_behind_long_ones_for_the_visibility_timeout(fleet: Fleet) -> None:
    fleet.add("w1", concurrency=2, software=a_software(visibility_timeout=200.0))
    fleet.run(10)
    fleet.begin()
    fleet.send(count=2, name="shop.render", seconds=230.0)
    fleet.run(1)
    fleet.send(count=5)
    fleet.run(210)
    assert "has waited for a slot on w1" in fleet.checks.diagnosis.findings[0].text


# The listener.


@incident(nobody_heard=8.0)
def no_worker_reports(fleet: Fleet) -> None:
    fleet.begin()
    fleet.run(20)


@incident(isolated=2.0)
def the_listener_is_cut_off(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.begin()
    fleet.isolate()
    for worker in fleet.workers:
        worker.is_reporting = False
    fleet.run(120)


@incident(mixed_versions=3.0)
def a_worker_speaks_another_version(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    fleet.rejections["version"] = "version: 2 of 'w9'"
    fleet.run(20)


@incident(wrong_signature=3.0)
def a_worker_has_another_secret(fleet: Fleet) -> None:
    fleet.add("w1")
    fleet.run(20)
    fleet.begin()
    fleet.rejections["signature"] = "signature: it does not match any key of this listener"
    fleet.run(20)


# Two at once.


@incident(failures_rise=30.0, failing=60.0, worker_lost=LOST)
def one_queue_fails_while_a_worker_of_another_dies(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet)
    fleet.add("r1", queues=("reports",))
    fleet.run(20)
    fleet.begin()
    traffic(failures=1.0)
    fleet.workers[-1].kill()
    fleet.run(120)


@incident(stalled=8.0, all_paused=4.0)
def one_worker_is_blocked_while_another_queue_is_paused(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2"), fleet.add("r1", queues=("reports",))
    fleet.run(20)
    fleet.begin()
    fleet.workers[0].stalled_since = fleet.clock.now
    fleet.workers[2].paused.add("reports")
    fleet.run(30)


# Healthy, however odd.


@healthy
def an_idle_fleet(fleet: Fleet) -> None:
    for number in range(5):
        fleet.add(f"w{number}")
    fleet.run(600)


@healthy
def a_busy_fleet(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=20.0)
    fleet.run(600)


@healthy
def a_cold_start_with_a_backlog(fleet: Fleet) -> None:
    fleet.send(count=500, seconds=0.5)
    fleet.run(1)
    fleet.add("w1"), fleet.add("w2")
    fleet.run(120)


@healthy
def a_rolling_deployment(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for worker in list(fleet.workers):
        worker.drain()
        while worker.runs:
            fleet.run(1)
        worker.shut_down()
        fleet.run(2)
        worker.restart()
        fleet.run(10)
    fleet.run(60)


@healthy
def a_deployment_with_new_hostnames(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for number in range(3):
        fleet.add(f"new{number}")
    fleet.run(10)
    for worker in fleet.workers[:3]:
        worker.drain()
    fleet.run(10)
    for worker in fleet.workers[:3]:
        worker.shut_down()
    fleet.run(60)


@healthy
def a_fleet_is_scaled_down(fleet: Fleet) -> None:
    busy_fleet(fleet, workers=6)
    for worker in fleet.workers[2:]:
        worker.drain()
    fleet.run(5)
    for worker in fleet.workers[2:]:
        worker.shut_down()
    fleet.run(120)


@healthy
def a_worker_drains_for_ten_minutes(fleet: Fleet) -> None:
    busy_fleet(fleet)
    worker = fleet.workers[0]
    stuck(worker, 1, "shop.long")
    worker.drain()
    fleet.run(600)
    worker.runs.clear()
    worker.shut_down()
    fleet.run(30)


@healthy
def many_tasks_wait_for_their_eta(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for worker in fleet.workers:
        worker.scheduled, worker.prefetch = 500, 516  # Celery raises the prefetch count by one for each
    fleet.run(300)


@healthy
def tasks_run_in_batches(fleet: Fleet) -> None:
    worker = fleet.add("w1")
    fleet.run(10)
    for turn in range(60):
        worker.batched = turn % 10
        fleet.run(1)


@healthy
def a_rate_limited_task_waits(fleet: Fleet) -> None:
    worker = fleet.add("w1", prefetch=4)
    fleet.run(10)
    worker.limited = 4
    fleet.send(count=20)
    fleet.run(120)


@healthy
def solo_workers_run_long_tasks(fleet: Fleet) -> None:
    worker = fleet.add("w1", pool="solo", concurrency=1, prefetch=4)
    for _ in range(5):
        fleet.run(3)
        (task,) = fleet.send(seconds=90.0)
        fleet.waiting["mail"].remove(task)
        worker.start("mail", task)
        worker.stalled_since = fleet.clock.now
        fleet.run(90)
        worker.stalled_since = None
    fleet.run(10)


@healthy
def a_burst_fills_the_queue(fleet: Fleet) -> None:
    traffic = busy_fleet(fleet)
    traffic(rate=200.0)
    fleet.run(10)
    traffic(rate=6.0)
    fleet.run(300)


@healthy
def a_burst_takes_four_minutes(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.send(count=25_000)
    fleet.run(600)


@healthy
def most_workers_of_a_queue_do_not_report(fleet: Fleet) -> None:
    """The package is being rolled out. Messages wait for a minute, and others have received those from before."""
    for number in range(1, 6):
        fleet.add(f"w{number}", prefetch=4).is_reporting = number == 1
    fleet.send(count=3000, seconds=0.4)
    fleet.traffic(40.0, seconds=0.4, spread=0.0)
    fleet.run(1200)


@healthy
def a_queue_with_little_traffic_is_seldom_empty_when_it_is_read(fleet: Fleet) -> None:
    fleet.add("w1", concurrency=1, prefetch=1)
    fleet.traffic(0.9, seconds=1.0, spread=0.0)
    fleet.run(1200)


@healthy
def a_fleet_at_its_limit(fleet: Fleet) -> None:
    busy_fleet(fleet, rate=200.0)
    fleet.run(300)


@healthy
def one_slow_task_among_fast_ones(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.send(seconds=55.0)
    fleet.run(120)


@healthy
def long_tasks_fill_every_slot(fleet: Fleet) -> None:
    fleet.add("w1"), fleet.add("w2")
    fleet.send(count=100, name="shop.render", seconds=40.0)
    fleet.traffic(0.3, name="shop.render", seconds=40.0, spread=0.2)
    fleet.run(1800)


@healthy
def a_task_that_was_never_seen_runs_for_an_hour(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.send(name="shop.yearly_report", seconds=3600.0)
    fleet.run(3700)


@healthy
def a_few_tasks_fail_and_some_are_retried(fleet: Fleet) -> None:
    busy_fleet(fleet, failures=0.05)
    fleet.traffic(0.5, outcome="retried")
    fleet.run(900)


@healthy
def one_worker_has_paused_a_queue(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.workers[0].paused.add("mail")
    fleet.run(120)


@healthy
def reports_arrive_two_seconds_late(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for worker in fleet.workers:
        worker.delay = 2.0
    fleet.run(60)
    for worker in fleet.workers:
        worker.delay = 0.0
    fleet.run(60)


@healthy
def workers_with_a_long_interval(fleet: Fleet) -> None:
    fleet.add("w1", interval=30.0), fleet.add("w2", interval=5.0)
    fleet.traffic(2.0)
    fleet.run(900)


@healthy
def autoscaling_changes_the_number_of_slots(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for turn in range(20):
        fleet.workers[0].concurrency = 2 + turn % 8
        fleet.run(15)


@healthy
def processes_are_replaced_after_every_few_tasks(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for _ in range(120):
        for worker in fleet.workers:
            worker.ended["recycled"] += 2
        fleet.run(1)


@healthy
def time_limits_end_processes(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for _ in range(60):
        fleet.workers[0].ended["terminated"] += 1
        fleet.run(2)


@healthy
def a_process_is_lost_once_in_a_while(fleet: Fleet) -> None:
    busy_fleet(fleet)
    for _ in range(10):
        fleet.workers[0].ended["lost"] += 1
        fleet.run(60)


@healthy
def a_pool_grows_and_shrinks_with_its_memory(fleet: Fleet) -> None:
    worker = fleet.add("w1", interval=5.0, memory_limit=4.0)
    fleet.traffic(0.5)
    for turn in range(24):
        size = 2 + turn if turn < 12 else 2 + 24 - turn
        worker.ended["exited"] += max(0, worker.concurrency - size)
        worker.concurrency = size
        fleet.run(600)


@healthy
def memory_grows_while_caches_fill_up(fleet: Fleet) -> None:
    worker = fleet.add("w1", interval=5.0, memory_limit=4.0)
    fleet.always(lambda passed: setattr(worker, "child", 0.8 - 0.7 * 0.5 ** (passed / 1200)))
    fleet.run(4 * 3600)


@healthy
def memory_goes_up_and_down(fleet: Fleet) -> None:
    """Its processes are replaced together every 100 minutes."""
    worker = fleet.add("w1", interval=5.0, memory_limit=4.0)
    fleet.always(lambda passed: setattr(worker, "child", 0.1 + 0.6 * (passed % 6000) / 6000))
    fleet.run(6 * 3600)


@healthy
def a_batch_needs_much_memory_for_an_hour(fleet: Fleet) -> None:
    worker = fleet.add("w1", interval=5.0, memory_limit=4.0)
    fleet.run(3600)
    fleet.always(lambda passed: setattr(worker, "child", 0.1 + 0.7 * min(passed, 3600.0) / 3600))
    fleet.run(2 * 3600)
    assert worker.memory > 2.8


@healthy
def a_worker_touches_its_memory_limit_for_a_moment(fleet: Fleet) -> None:
    worker = fleet.add("w1", memory_limit=2.0)
    for _ in range(5):
        fleet.run(60)
        worker.child = 0.46
        fleet.run(20)
        worker.child = 0.1


@healthy
def growing_processes_are_replaced_before_they_are_too_large(fleet: Fleet) -> None:
    worker = fleet.add("w1", interval=5.0)
    worker.ended["recycled"] = 4
    fleet.always(lambda passed: setattr(worker, "child", 0.1 + 0.1 * passed / 3600))
    fleet.run(3 * 3600)


@healthy
def a_queue_that_is_used_once_an_hour(fleet: Fleet) -> None:
    fleet.add("w1", queues=("mail", "hourly"))
    for _ in range(3):
        fleet.send("hourly", seconds=20.0)
        fleet.run(3600)


@healthy
def a_broadcast_runs_on_every_worker(fleet: Fleet) -> None:
    fleet.add("w1", broadcast=True), fleet.add("w2", broadcast=True)
    (task,) = fleet.send(seconds=30.0)
    fleet.waiting["mail"].clear()
    for worker in fleet.workers:
        worker.start("mail", task)
    fleet.run(60)


@healthy
def a_task_moves_to_another_worker_after_a_kill(fleet: Fleet) -> None:
    """Its first worker is not known to be lost yet: for seconds both list the task."""
    first = fleet.add("w1", concurrency=1)
    fleet.run(10)
    fleet.send(seconds=8.0)
    fleet.run(2)
    second = fleet.add("w2", concurrency=1)
    task = first.runs[0].task
    first.is_reporting = first.is_consuming = False
    first.runs.clear()
    second.start("mail", task)
    fleet.run(3)
    first.is_reporting = True  # it was only frozen, and lets go of the task
    fleet.run(20)


@healthy
def a_rolling_deployment_of_a_release_takes_five_minutes(fleet: Fleet) -> None:
    released(fleet, *["v41"] * 6)
    for worker in list(fleet.workers):
        replace(worker, "v42")
        fleet.run(45)
    fleet.run(1000)


@healthy
def a_canary_with_as_many_failures_as_the_others(fleet: Fleet) -> None:
    released(fleet, "v41", "v41", "v41", "v42", failures=0.03)
    fleet.run(800)


@healthy
def a_canary_with_little_traffic_and_one_failure_in_four(fleet: Fleet) -> None:
    fleet.add("w1", software=a_software("v41")), fleet.add("c1", queues=("rare",), software=a_software("v42"))
    fleet.add("w2", queues=("rare",), software=a_software("v41"))
    fleet.workers[1].failures = 0.25
    fleet.traffic(6.0), fleet.traffic(0.02, "rare", seconds=20.0)
    fleet.run(800)


@healthy
def a_burst_of_bad_tasks_reaches_only_the_canary(fleet: Fleet) -> None:
    released(fleet, "v41", "v41", "v41", "v42", rate=12.0)
    fleet.run(300)
    canary = fleet.workers[3]
    for task in fleet.send(count=40, seconds=0.2, outcome="failed", kind="ValueError"):
        fleet.waiting["mail"].remove(task)
        canary.reserved.append(("mail", task))
    fleet.run(300)


@healthy
def all_workers_run_one_release(fleet: Fleet) -> None:
    released(fleet, "v42", "v42", "v42")
    fleet.run(1200)


@healthy
def some_workers_report_no_release(fleet: Fleet) -> None:
    released(fleet, "v42", "v42")
    fleet.add("w3")
    fleet.add("w4", software=a_software("", registry=""))
    fleet.run(1200)


@healthy
def two_queues_have_workers_of_different_releases(fleet: Fleet) -> None:
    released(fleet, "v42", "v42")
    fleet.add("r1", queues=("reports",), software=a_software("v7"))
    fleet.run(1200)


@healthy
def a_task_that_was_acknowledged_early_runs_for_longer_than_the_visibility_timeout(fleet: Fleet) -> None:
    fleet.add("w1", software=a_software(visibility_timeout=600.0))
    fleet.run(10)
    fleet.send(name="shop.yearly_report", seconds=3600.0)
    fleet.run(3700)


@healthy
def a_long_task_with_a_long_visibility_timeout(fleet: Fleet) -> None:
    fleet.add("w1", software=a_software(visibility_timeout=43_200.0))
    fleet.run(10)
    fleet.send(name="shop.yearly_report", seconds=3600.0, acks_late=True)
    fleet.run(3700)


@healthy
def a_long_task_with_acks_late_on_a_broker_without_visibility_timeout(fleet: Fleet) -> None:
    fleet.add("w1", software=a_software())
    fleet.run(10)
    fleet.send(name="shop.yearly_report", seconds=3600.0, acks_late=True)
    fleet.run(3700)


@healthy
def a_task_looks_up_another_one_that_is_not_registered(fleet: Fleet) -> None:
    busy_fleet(fleet)
    fleet.traffic(0.1, name="shop.dispatch", outcome="failed", kind="NotRegistered")
    fleet.run(300)
