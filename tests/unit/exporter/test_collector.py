"""Metrics of workers, queues and tasks in a scrape, and their removal."""

from typing import Any

import pytest

from celery_gossip.cluster.cluster import GONE_RETENTION, Cluster
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.exporter import ExporterOptions
from celery_gossip.wire.histogram import bucket_index
from celery_gossip.wire.messages import (
    MAX_NAME,
    OTHER,
    REASONS,
    Gossip,
    Histogram,
    PoolProcesses,
    Resources,
    Software,
    TaskSeries,
)
from tests.support.scrape import ClusterSource, Scrape, scraped
from tests.unit.build import OTHER_BOOT, FakeClock, a_check, a_gossip

TOGETHER = ExporterOptions(by_hostname=False)
HOSTILE = (
    'back\\slash "quoted"',
    '"} 1\\n# HELP evil',
    "\\",
    "{a=b}",
    "<script>alert(1)</script>",
    "مرحبا 仕事場 👩",
    "",
    "x" * MAX_NAME,
)


class Fleet:
    """A cluster that receives the reports of the test, at the time of the test."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self.cluster.statistics.start(self.clock())
        self.source = ClusterSource(self.cluster)
        self._seq = 0

    def report(self, **fields: Any) -> Gossip:
        self._seq += 1
        gossip = a_gossip(**{"seq": self._seq, **fields})
        self.cluster.apply_gossip(gossip, self.clock())
        return gossip

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.cluster.expire_silent_workers(self.clock())

    def scrape(self, options: ExporterOptions | None = None) -> Scrape:
        return scraped(self.source, options)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


def a_series(task: str = "shop.mail", queue: str = "default", **fields: Any) -> TaskSeries:
    return TaskSeries(**{"queue": queue, "task": task, "age": 0.0, "received": 3, "started": 2, **fields})


def a_histogram(*seconds: float) -> Histogram:
    counts: dict[int, int] = {}
    for one in seconds:
        counts[bucket_index(one)] = counts.get(bucket_index(one), 0) + 1
    buckets = tuple((bucket, count, count) for bucket, count in sorted(counts.items()))
    return Histogram(count=len(seconds), total=sum(seconds), buckets=buckets)


def test_what_a_worker_runs_is_in_labels(fleet: Fleet) -> None:
    software = Software(release="v41", celery="5.7.0", python="3.11.7", registry="0123456789abcdef")
    fleet.report(hostname="mail@web1", software=software)
    fleet.report(hostname="mail@web1")
    fleet.report(hostname="mail@web2")
    ((labels, value),) = fleet.scrape().of("celery_gossip_worker_info")
    assert (value, labels["hostname"], labels["release"], labels["celery"]) == (1.0, "mail@web1", "v41", "5.7.0")
    assert (labels["kombu"], labels["registry"]) == ("", "0123456789abcdef")
    assert not fleet.scrape(TOGETHER).all("celery_gossip_worker_info")


def test_a_worker_is_exported_under_its_full_hostname(fleet: Fleet) -> None:
    fleet.report(hostname="mail@web1", active=2, reserved=3, scheduled=4, concurrency=8, loop_lag=0.25)
    scrape = fleet.scrape()
    assert scrape.one("celery_worker_up", hostname="mail@web1") == 1
    assert scrape.one("celery_worker_tasks_active", hostname="mail@web1") == 2
    assert scrape.one("celery_gossip_worker_tasks_reserved", hostname="mail@web1") == 3
    assert scrape.one("celery_gossip_worker_tasks_scheduled", hostname="mail@web1") == 4
    assert scrape.one("celery_gossip_worker_slots", hostname="mail@web1") == 8
    assert scrape.one("celery_gossip_worker_loop_lag_seconds", hostname="mail@web1") == 0.25
    assert scrape.one("celery_gossip_worker_state", hostname="mail@web1", state="online") == 1


def test_a_worker_that_is_lost_is_down_and_runs_nothing(fleet: Fleet) -> None:
    fleet.report(active=2)
    fleet.pass_time(11)
    scrape = fleet.scrape()
    assert scrape.all("celery_worker_up") == [0]
    assert scrape.all("celery_worker_tasks_active") == [0]
    assert scrape.one("celery_gossip_worker_state", state="lost") == 1
    assert scrape.all("celery_gossip_worker_age_seconds") == [11]
    assert scrape.all("celery_gossip_worker_loop_lag_seconds") == []
    assert scrape.one("celery_gossip_workers", state="lost") == 1


def test_a_worker_that_left_the_view_is_not_exported(fleet: Fleet) -> None:
    fleet.report(hostname="celery@gone", series=(a_series(),))
    fleet.pass_time(11)
    assert "celery@gone" in fleet.scrape().values_of("hostname")
    fleet.pass_time(GONE_RETENTION + 1)
    assert fleet.scrape().values_of("hostname") == set()


def test_a_suspect_worker_is_still_up(fleet: Fleet) -> None:
    fleet.report()
    fleet.pass_time(5)
    scrape = fleet.scrape()
    assert scrape.all("celery_worker_up") == [1]
    assert scrape.one("celery_gossip_worker_state", state="suspect") == 1


def test_the_seconds_of_a_stalled_worker_are_exported(fleet: Fleet) -> None:
    fleet.report(stalled_for=7.5)
    assert fleet.scrape().all("celery_gossip_worker_stalled_seconds") == [7.5]


def test_two_workers_under_one_hostname_are_summed_up(fleet: Fleet) -> None:
    for _ in range(6):
        fleet.report(active=1)
        fleet.report(active=2, boot=OTHER_BOOT)
        fleet.pass_time(1)
    scrape = fleet.scrape()
    assert scrape.one("celery_gossip_worker_state", state="conflict") == 1
    assert scrape.all("celery_worker_tasks_active") == [3]
    assert scrape.one("celery_active_worker_count", queue_name="default") == 1
    assert scrape.one("celery_active_consumer_count", queue_name="default") == 2


def test_the_slots_of_a_thread_pool_count_as_processes(fleet: Fleet) -> None:
    fleet.report(pool="threads", concurrency=10)
    fleet.report(hostname="celery@web2", pool="gevent", concurrency=100)
    scrape = fleet.scrape()
    assert scrape.one("celery_active_process_count", queue_name="default") == 110
    assert scrape.one("celery_active_worker_count", queue_name="default") == 2


def test_a_paused_or_draining_consumer_does_not_count_as_active(fleet: Fleet) -> None:
    fleet.report(checks=(a_check(paused=True),))
    fleet.report(hostname="celery@web2", state="draining")
    scrape = fleet.scrape()
    assert scrape.one("celery_active_consumer_count", queue_name="default") == 0
    assert scrape.one("celery_active_worker_count", queue_name="default") == 0
    assert scrape.one("celery_active_process_count", queue_name="default") == 0
    assert scrape.one("celery_gossip_queue_paused_consumers", queue_name="default") == 1


def test_a_queue_whose_workers_are_all_gone_is_exported_with_zeros(fleet: Fleet) -> None:
    fleet.report()
    fleet.pass_time(11)
    scrape = fleet.scrape()
    assert scrape.one("celery_active_worker_count", queue_name="default") == 0
    assert scrape.all("celery_queue_length") == []


def test_the_length_of_a_queue_is_exported_if_it_is_known(fleet: Fleet) -> None:
    fleet.report(checks=(a_check("mail"), a_check("news")))
    fleet.cluster.set_queue_lengths({"mail": 7, "news": None}, fleet.clock())
    assert list(fleet.scrape().of("celery_queue_length")) == [({"queue_name": "mail"}, 7)]


def test_the_age_of_the_oldest_message_is_exported_as_far_as_it_is_known(fleet: Fleet) -> None:
    fleet.report(checks=(a_check("mail"), a_check("idle"), a_check("unread")), newest=(20.0,))
    fleet.cluster.set_queue_lengths({"mail": 7, "idle": 0, "new": 1, "unread": None}, fleet.clock())
    fleet.clock.advance(2)
    scrape = fleet.scrape()

    def ages(limit: str) -> dict[str, float]:
        name = f"celery_gossip_queue_oldest_message_age_{limit}_seconds"
        return {labels["queue_name"]: value for labels, value in scrape.of(name)}

    assert ages("min") == {"mail": 0.0, "idle": 0.0, "new": 0.0}
    assert ages("max") == {"mail": 22.0, "idle": 0.0}


def test_the_load_of_a_queue_is_tasks_and_backlog_by_slots(fleet: Fleet) -> None:
    fleet.report(concurrency=4, active=3, reserved=2, checks=(a_check(active_count=3, reserved=2),))
    assert fleet.scrape().one("celery_gossip_queue_load", queue_name="default") == 5 / 4
    fleet.cluster.set_queue_lengths({"default": 5, "orphaned": 6}, fleet.clock())
    scrape = fleet.scrape()
    assert scrape.one("celery_gossip_queue_load", queue_name="default") == 10 / 4
    assert scrape.one("celery_gossip_queue_load", queue_name="orphaned") == 6, "no slots count as one"


def test_tasks_are_counted_by_name_queue_and_worker(fleet: Fleet) -> None:
    counts = {"received": 9, "started": 8, "succeeded": 3, "retried": 2, "revoked": 1, "rejected": 4}
    fleet.report(series=(a_series(**counts),))
    scrape = fleet.scrape()
    labels = {"name": "shop.mail", "queue_name": "default", "hostname": "celery@web1"}
    assert [scrape.one(f"celery_task_{name}_total", **labels) for name in counts] == list(counts.values())
    assert all(scrape.types[f"celery_task_{name}"] == "counter" for name in counts)


def test_failures_are_counted_by_exception_with_a_zero_for_no_exception(fleet: Fleet) -> None:
    fleet.report(series=(a_series(failed={"ValueError": 2, OTHER: 1}), a_series("shop.print")))
    scrape = fleet.scrape()
    failed = {labels["exception"]: value for labels, value in scrape.of("celery_task_failed_total") if value}
    assert failed == {"ValueError": 2, OTHER: 1}
    assert scrape.one("celery_task_failed_total", name="shop.print") == 0
    assert scrape.one("celery_task_failed_total", name="shop.mail", exception="") == 0


def test_an_exception_without_a_name_is_no_second_zero(fleet: Fleet) -> None:
    fleet.report(series=(a_series(failed={"": 2}),))
    assert fleet.scrape().all("celery_task_failed_total") == [2]


def test_runtimes_and_waits_are_histograms_with_the_clients_bounds(fleet: Fleet) -> None:
    fleet.report(series=(a_series(runtime=a_histogram(0.003, 0.3, 3, 300), wait=a_histogram(0.02)),))
    scrape = fleet.scrape()
    assert scrape.types["celery_task_runtime"] == scrape.types["celery_task_queue_wait_time"] == "histogram"
    bounds = ("0.005", "0.25", "0.5", "2.5", "5.0", "10.0", "+Inf")
    assert [scrape.one("celery_task_runtime_bucket", le=le) for le in bounds] == [1, 1, 2, 2, 3, 3, 4]
    assert scrape.one("celery_task_runtime_count") == 4
    assert scrape.one("celery_task_runtime_sum") == pytest.approx(303.303)
    assert scrape.one("celery_task_queue_wait_time_bucket", le="0.025") == 1


def test_a_task_without_a_sending_time_has_no_waits(fleet: Fleet) -> None:
    fleet.report(series=(a_series(runtime=a_histogram(1.0)),))
    assert "celery_task_queue_wait_time_count" not in fleet.scrape().names()


def test_counters_go_on_over_a_restart(fleet: Fleet) -> None:
    fleet.report(series=(a_series(received=3),))
    fleet.pass_time(1)
    fleet.report(boot=OTHER_BOOT, seq=1, series=(a_series(received=2),))
    assert fleet.scrape().all("celery_task_received_total") == [5]


def test_without_hostnames_no_sample_has_one_and_values_are_sums(fleet: Fleet) -> None:
    fleet.report(active=2, loop_lag=0.1, series=(a_series(),))
    fleet.report(hostname="celery@web2", active=3, loop_lag=0.4, series=(a_series(),))
    scrape = fleet.scrape(TOGETHER)
    assert scrape.values_of("hostname") == set()
    assert scrape.one("celery_worker_up") == 2
    assert scrape.one("celery_worker_tasks_active") == 5
    assert scrape.one("celery_gossip_worker_loop_lag_seconds") == 0.4
    assert scrape.one("celery_task_received_total", name="shop.mail", queue_name="default") == 6
    assert scrape.one("celery_gossip_workers", state="online") == 2


def test_without_hostnames_counters_do_not_fall_when_a_worker_leaves_the_view(fleet: Fleet) -> None:
    fleet.report(series=(a_series(failed={"ValueError": 1}, runtime=a_histogram(1.0)),))
    before = fleet.scrape(TOGETHER)
    fleet.pass_time(11)
    fleet.pass_time(GONE_RETENTION + 1)
    after = fleet.scrape(TOGETHER)
    assert not fleet.cluster.workers()
    names = [name for name in before.names() if name.startswith("celery_task_")]
    assert len(names) == 10
    assert all(sorted(before.all(name)) == sorted(after.all(name)) for name in names)


def test_without_any_worker_a_scrape_is_still_valid(fleet: Fleet) -> None:
    assert fleet.scrape().one("celery_gossip_workers", state="online") == 0
    assert fleet.scrape(TOGETHER).one("celery_worker_up") == 0


def test_hostile_names_come_back_as_they_were(fleet: Fleet) -> None:
    names = [name for name in HOSTILE if name]
    for name in names:
        series = tuple(a_series(task, queue=name, failed={name: 1}, runtime=a_histogram(1.0)) for task in HOSTILE)
        fleet.report(hostname=name, checks=tuple(map(a_check, names)), series=series)
    fleet.source.findings = tuple(Finding("stalled", "critical", name, 1000.0, name) for name in names)
    scrape = fleet.scrape()
    assert scrape.values_of("name") == set(HOSTILE)
    assert scrape.values_of("exception") == {"", *names}
    assert scrape.values_of("hostname") == scrape.values_of("subject") == scrape.values_of("queue_name") == set(names)


def test_a_configured_queue_may_have_any_name(fleet: Fleet) -> None:
    fleet.cluster.set_queue_lengths({"lone \ud800 \n": 1}, fleet.clock())
    assert fleet.scrape().one("celery_queue_length", queue_name="lone \\ud800 \\n") == 1


def test_ten_thousand_hostile_names_of_tasks_are_cut_to_the_cap_and_counted(fleet: Fleet) -> None:
    for worker in range(20):
        names = (f'{HOSTILE[number % len(HOSTILE)]}"{worker}\\{number}'[-MAX_NAME:] for number in range(500))
        series = tuple(a_series(name, runtime=a_histogram(0.1, 1.0), wait=a_histogram(0.1)) for name in names)
        fleet.report(hostname=f"celery@web{worker}", series=series)
    assert len(fleet.cluster.totals()) == 10_000
    scrape = fleet.scrape(ExporterOptions(max_series=5_000))
    of_tasks = sum(len(scrape.all(name)) for name in scrape.names() if name.startswith("celery_task_"))
    in_all = 10_000 * (7 + 2 * 17)
    assert in_all == of_tasks + scrape.one("celery_gossip_exporter_dropped_series")
    assert 5_000 - (7 + 2 * 17) < of_tasks <= 5_000


def test_series_that_were_exported_before_are_kept_when_more_arrive(fleet: Fleet) -> None:
    few = ExporterOptions(max_series=70)
    fleet.report(series=tuple(a_series(f"task{number}") for number in range(10)))
    kept = fleet.scrape(few).values_of("name")
    fleet.report(hostname="celery@a", series=tuple(a_series(f"more{number}") for number in range(10)))
    assert fleet.scrape(few).values_of("name") == kept == {f"task{number}" for number in range(10)}


def test_findings_are_counted_and_exported_with_their_age(fleet: Fleet) -> None:
    fleet.source.findings = (Finding("stalled", "critical", "celery@web1", 990.0, "It does not tick."),)
    scrape = fleet.scrape()
    assert scrape.one("celery_gossip_findings", kind="stalled", severity="critical") == 1
    assert scrape.one("celery_gossip_findings", kind="isolated", severity="critical") == 0
    assert scrape.one("celery_gossip_finding_seconds", kind="stalled", subject="celery@web1") == 10
    assert "subject" not in {
        label for labels, _ in fleet.scrape(TOGETHER).of("celery_gossip_findings") for label in labels
    }


def test_refused_messages_are_counted_by_reason(fleet: Fleet) -> None:
    fleet.source.rejected["malformed"] = 3
    rejected = {labels["reason"]: value for labels, value in fleet.scrape().of("celery_gossip_rejected_messages_total")}
    assert rejected == {**dict.fromkeys(REASONS, 0.0), "malformed": 3.0}


def test_an_isolated_view_is_marked_and_no_worker_is_down(fleet: Fleet) -> None:
    fleet.report()
    fleet.cluster.set_isolated(fleet.clock())
    fleet.pass_time(60)
    scrape = fleet.scrape()
    assert scrape.one("celery_gossip_isolated") == 1
    assert scrape.all("celery_worker_up") == [1]


def test_workers_with_unsigned_reports_are_counted_if_a_secret_is_set(fleet: Fleet) -> None:
    for hostname, is_verified in (("w1", False), ("w2", True), ("w3", False), ("w4", None)):
        fleet.cluster.apply_gossip(a_gossip(hostname=hostname), fleet.clock(), is_verified=is_verified)
    assert fleet.scrape().one("celery_gossip_unverified_workers") == 2
    assert fleet.scrape(TOGETHER).one("celery_gossip_unverified_workers") == 2


# Resources.

RESOURCES = Resources(100, 400, 200, 12.5, 2000, 600, PoolProcesses(12, 1, 2, 3, 2, 1, -9))


def test_the_resources_of_a_worker_are_exported_until_it_is_gone(fleet: Fleet) -> None:
    fleet.report(resources=RESOURCES)
    fleet.report()  # only every fifth report contains them
    scrape = fleet.scrape()
    values = {
        "rss_bytes": 100,
        "children_rss_bytes": 400,
        "largest_child_rss_bytes": 200,
        "memory_used_bytes": 600,
        "memory_limit_bytes": 2000,
        "cpu_seconds_total": 12.5,
        "pool_processes": 4,
        "pool_processes_starting": 1,
        "pool_processes_started_total": 12,
        "pool_processes_exited_total": 1,
        "pool_processes_recycled_total": 2,
        "pool_processes_terminated_total": 3,
        "pool_processes_lost_total": 2,
    }
    assert {name: scrape.one(f"celery_gossip_worker_{name}", hostname="celery@web1") for name in values} == values
    fleet.pass_time(11)
    assert all(fleet.scrape().all(f"celery_gossip_worker_{name}") == [] for name in values)


def test_what_a_worker_cannot_read_has_no_sample(fleet: Fleet) -> None:
    fleet.report(hostname="celery@mac", resources=Resources(cpu_seconds=1.0))
    fleet.report(hostname="celery@old")
    scrape = fleet.scrape()
    assert scrape.values_of("hostname") >= {"celery@mac", "celery@old"}
    assert scrape.all("celery_gossip_worker_cpu_seconds_total") == [1.0]
    for name in ("rss_bytes", "memory_limit_bytes", "pool_processes", "pool_processes_lost_total"):
        assert scrape.all(f"celery_gossip_worker_{name}") == []
    assert fleet.scrape(TOGETHER).all("celery_gossip_worker_rss_bytes") == []


def test_the_resources_of_all_workers_together(fleet: Fleet) -> None:
    for name in ("a", "b"):
        fleet.report(hostname=f"celery@{name}", resources=RESOURCES)
    scrape = fleet.scrape(TOGETHER)
    assert scrape.one("celery_gossip_worker_rss_bytes") == 200
    assert scrape.one("celery_gossip_worker_largest_child_rss_bytes") == 200
    assert scrape.one("celery_gossip_worker_pool_processes") == 8
    assert scrape.all("celery_gossip_worker_cpu_seconds_total") == []
