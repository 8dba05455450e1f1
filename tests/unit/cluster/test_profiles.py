"""What a listener keeps of the profiles of workers: process, settings and task names, shared by equal workers."""

from typing import Any

import pytest

from celery_gossip.cluster import task_names as module
from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.task_names import TaskNameTable
from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Gossip, Profile, Setting, Software, TaskNames, decode
from celery_gossip.wire.profile import registry_digest
from celery_gossip.worker.profile import split_names
from tests.unit.build import OTHER_BOOT, FakeClock, a_gossip

NAMES = tuple(sorted(f"shop.tasks.module_{number % 40}.task_{number:04d}" for number in range(2_000)))
PARTS = split_names(NAMES)
REGISTRY = registry_digest(NAMES)


def received(**fields: Any) -> Gossip:
    """As decoded by a listener, with its own copy of everything."""
    gossip = decode(encode(a_gossip(**fields)))
    assert isinstance(gossip, Gossip)
    return gossip


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cluster(clock: FakeClock) -> Cluster:
    return Cluster(clock)


def worker_of(cluster: Cluster, hostname: str = "celery@web1") -> Any:
    return cluster.view().worker(hostname)


def test_an_older_worker_reports_no_profile(cluster: Cluster) -> None:
    cluster.apply_gossip(received(), 1000.0)
    worker = worker_of(cluster)
    assert (worker.pid, worker.started_at, worker.configuration) == (None, None, ())
    assert cluster.task_names("celery@web1") == cluster.task_names("celery@none") == ()


def test_the_start_of_the_program_is_the_earliest_that_its_reports_say(cluster: Cluster) -> None:
    cluster.apply_gossip(received(seq=1, profile=Profile(pid=7, age=3000.5)), 1004.0)  # four seconds late
    assert worker_of(cluster).started_at == pytest.approx(-1996.5)
    cluster.apply_gossip(received(seq=2, profile=Profile(pid=7, age=3120.5)), 1120.0)
    assert worker_of(cluster).started_at == pytest.approx(-2000.5)
    cluster.apply_gossip(received(seq=3, profile=Profile(pid=7, age=3240.0)), 1241.0)
    cluster.apply_gossip(received(seq=4), 1242.0)
    assert (worker_of(cluster).pid, worker_of(cluster).started_at) == (7, pytest.approx(-2000.5))
    cluster.apply_gossip(received(boot=OTHER_BOOT, seq=1, profile=Profile(pid=8, age=1.0)), 1250.0)
    assert (worker_of(cluster).pid, worker_of(cluster).started_at) == (8, pytest.approx(1249.0))


def test_the_profile_is_not_kept_with_the_report(cluster: Cluster) -> None:
    cluster.apply_gossip(received(profile=Profile(pid=7, tasks=PARTS[0])), 1000.0)
    assert worker_of(cluster).gossip.profile is None


def test_settings_stay_until_others_are_reported_and_are_shared(cluster: Cluster) -> None:
    settings = (Setting("timezone", "UTC"), Setting("enable_utc", True))
    for hostname in ("celery@web1", "celery@web2"):
        cluster.apply_gossip(received(hostname=hostname, seq=1, profile=Profile(settings=settings)), 1000.0)
    cluster.apply_gossip(received(seq=2, profile=Profile(pid=1)), 1001.0)
    first, second = worker_of(cluster).configuration, worker_of(cluster, "celery@web2").configuration
    assert first == settings and first is second


def report_names(cluster: Cluster, hostname: str, *parts: TaskNames, is_verified: bool | None = None) -> None:
    software = Software(registry=REGISTRY, tasks=len(NAMES))
    for seq, part in enumerate(parts, 1):
        gossip = received(hostname=hostname, seq=seq, software=software, profile=Profile(tasks=part))
        cluster.apply_gossip(gossip, 1000.0, is_verified=is_verified)


def test_names_are_known_when_all_parts_have_arrived_in_any_order_from_any_worker(cluster: Cluster) -> None:
    report_names(cluster, "celery@web1", *PARTS[5:], PARTS[0], PARTS[0])
    assert cluster.task_names("celery@web1") == ()
    report_names(cluster, "celery@web2", *reversed(PARTS[1:5]))
    assert cluster.task_names("celery@web1") == NAMES
    assert cluster.task_names("celery@web2") is cluster.task_names("celery@web1")


def test_a_wrong_part_makes_no_wrong_list_and_one_without_signature_does_not_delay_the_right_one() -> None:
    forged = TaskNames(REGISTRY, len(NAMES), PARTS[3].start, tuple(f"evil.{name}" for name in PARTS[3].names))
    table = TaskNameTable()
    for part in (forged, *PARTS):
        table.add(part, is_verified=False)
    assert table.get(REGISTRY) == ()  # the wrong part came first: all of them are dropped
    table.add(forged, is_verified=False)
    for part in PARTS:
        table.add(part, is_verified=True)
    assert table.get(REGISTRY) == NAMES
    table.add(forged, is_verified=True)
    assert table.get(REGISTRY) == NAMES


def test_parts_of_another_total_begin_a_new_list() -> None:
    table = TaskNameTable()
    table.add(TaskNames(REGISTRY, 9, 0, ("a",)), is_verified=False)
    for part in PARTS:
        table.add(part, is_verified=False)
    assert table.get(REGISTRY) == NAMES


def test_lists_are_limited_by_their_number_and_their_memory() -> None:
    table = TaskNameTable(max_bytes=300_000)
    lists = [tuple(f"shop{number}.task{at:04d}" for at in range(400)) for number in range(12)]
    for names in lists:
        for part in split_names(names):
            table.add(part, is_verified=False)
    known = [bool(table.get(registry_digest(names))) for names in lists]
    assert known == sorted(known) and 5 <= sum(known) < 12  # the latest ones
    assert table._list_bytes <= 300_000
    for number in range(1_000):
        table.add(TaskNames(f"{number:016x}", 9_999, 0, ("x" * 255,) * 20), is_verified=False)
    assert table._part_bytes <= 300_000 and len(table._partial) <= module._MAX_LISTS
    assert table._part_bytes == sum(one.size for one in table._partial.values())
    assert table._list_bytes == sum(table._sizes.values())


def test_a_flood_of_parts_without_signature_does_not_displace_signed_ones() -> None:
    table = TaskNameTable(max_bytes=600_000)
    for part in PARTS[:-1]:
        table.add(part, is_verified=True)
    for number in range(1_000):
        table.add(TaskNames(f"{number:016x}", 9_999, 0, ("x" * 255,) * 20), is_verified=False)
    table.add(PARTS[-1], is_verified=True)
    assert table.get(REGISTRY) == NAMES


def test_a_thousand_workers_share_one_list(cluster: Cluster) -> None:
    for number in range(50):
        report_names(cluster, f"celery@web{number}", *PARTS)
    lists = {id(cluster.task_names(f"celery@web{number}")) for number in range(50)}
    assert len(lists) == 1 and cluster._task_names._list_bytes < 500_000


def test_overlapping_parts_are_joined() -> None:
    names = ("a", "b", "c", "d")
    part = TaskNames(registry_digest(names), 4, 0, names[:3])
    table = TaskNameTable()
    table.add(part, is_verified=False)
    table.add(TaskNames(part.registry, 4, 1, names[1:]), is_verified=False)
    assert table.get(part.registry) == names


def test_reset_forgets_the_names(cluster: Cluster) -> None:
    report_names(cluster, "celery@web1", *PARTS)
    cluster.reset()
    assert cluster.task_names("celery@web1") == ()
