"""The profile in some of a worker's reports: process, settings, and the names of its tasks in parts."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Profile, decode
from celery_gossip.wire.profile import registry_digest
from celery_gossip.worker.process_age import process_age
from celery_gossip.worker.profile import REPEAT_AFTER, ProfileReport, split_names
from celery_gossip.worker.software import SoftwareReport
from tests.unit.build import FakeClock, a_gossip
from tests.unit.worker.test_configuration import a_worker
from tests.unit.worker.test_software import pack

NAMES = tuple(sorted(f"shop.tasks.of_a_large_project.number_{number:04d}" for number in range(2_000)))


def a_report(names: tuple[str, ...] = (), clock: FakeClock | None = None) -> ProfileReport:
    worker = a_worker()
    software = SoftwareReport(worker, "v1")
    software.task_names = names
    report = ProfileReport(worker, software, clock=clock or FakeClock(), age=lambda now: 61.25)
    report.describe()
    return report


def sent(report: ProfileReport) -> Profile | None:
    profile = report.due()
    if profile is not None:
        report.commit()
    return profile


def test_nothing_is_due_before_the_worker_has_started() -> None:
    worker = a_worker()
    assert ProfileReport(worker, SoftwareReport(worker, "v1")).due() is None


def test_the_first_three_reports_contain_the_profile_and_then_one_in_two_minutes() -> None:
    clock = FakeClock()
    report = a_report(("shop.a", "shop.b"), clock)
    first = [sent(report) for _ in range(4)]
    assert first[3] is None and first[0] == first[1] == first[2]
    profile = first[0]
    assert profile is not None and profile.tasks is not None
    assert (profile.pid, profile.age) == (os.getpid(), 61.2)
    assert profile.settings and profile.tasks.names == ("shop.a", "shop.b")
    clock.advance(REPEAT_AFTER - 0.1)
    assert sent(report) is None
    clock.advance(0.1)
    assert sent(report) == profile and sent(report) is None


def test_a_profile_that_was_not_sent_is_due_again() -> None:
    report = a_report()
    assert [report.due() is None for _ in range(5)] == [False] * 5


def test_two_thousand_names_take_one_part_of_some_kilobytes_in_each_report() -> None:
    clock = FakeClock()
    report, profiles = a_report(NAMES, clock), list[Profile]()
    while (profile := sent(report)) is not None:
        profiles.append(profile)
    parts = [profile.tasks for profile in profiles if profile.tasks is not None]
    assert tuple(name for part in parts for name in part.names) == NAMES
    assert {(part.registry, part.total) for part in parts} == {(registry_digest(NAMES), len(NAMES))}
    plain = len(encode(a_gossip()))
    sizes = [len(encode(a_gossip(profile=profile))) - plain for profile in profiles]
    assert 20 < len(parts) < 30 and max(sizes) < 5_500 and max(sizes[3:]) < 4_300
    assert [bool(profile.settings) for profile in profiles] == [True] * 3 + [False] * (len(profiles) - 3)
    clock.advance(REPEAT_AFTER)
    later = sent(report)
    assert later is not None and later.tasks == parts[0] and later.settings
    clock.advance(REPEAT_AFTER)
    later = sent(report)
    assert later is not None and later.tasks == parts[1]


@pytest.mark.parametrize(
    "names", [(), ("x" * 255,) * 3, tuple(sorted("\N{SNOWMAN}" * 200 + str(number) for number in range(50)))]
)
def test_parts_fit_into_a_message_and_are_the_names(names: tuple[str, ...]) -> None:
    parts = split_names(names)
    assert tuple(name for part in parts for name in part.names) == names
    for part in parts:
        gossip = a_gossip(profile=Profile(tasks=part))
        assert decode(encode(gossip)) == gossip


def test_short_names_are_split_by_their_number_and_too_many_are_not_reported() -> None:
    assert max(len(part.names) for part in split_names(tuple(f"{number:04d}" for number in range(2_000)))) == 500
    assert split_names(tuple(f"{number:05d}" for number in range(10_001))) == ()


def test_names_are_reported_as_their_digest_counts_them() -> None:
    worker = a_worker()
    worker.app.task(name="shop.\x1b[2J", shared=False)(pack)
    software = SoftwareReport(worker, None)
    software.describe()
    (part,) = split_names(software.task_names)
    described = software.due()
    assert described is not None and described.registry == part.registry
    assert "shop.\\x1b[2J" in part.names


def stat_file(root: Path, ticks: Any) -> str:
    (root / "proc" / "self").mkdir(parents=True)
    fields = ["S", *map(str, range(18)), str(ticks), "0"]
    (root / "proc" / "self" / "stat").write_text(f"7 (cel) ery) {' '.join(fields)}")
    return str(root)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no /proc here")
def test_the_age_is_that_of_the_process(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    started = (time.clock_gettime(time.CLOCK_BOOTTIME) - 100.0) * ticks
    root = stat_file(tmp_path, int(started))
    assert process_age(50.0, loaded_at=0.0, root=root) == pytest.approx(100.0, abs=5.0)
    assert process_age(110.0, loaded_at=0.0, root=root) == 110.0  # not after the import
    assert process_age(50.0, loaded_at=45.0, root=root) == pytest.approx(100.0, abs=5.0)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no /proc here")
def test_a_program_that_replaced_another_one_in_its_process_has_its_own_age(tmp_path: Path) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    root = stat_file(tmp_path, int((time.clock_gettime(time.CLOCK_BOOTTIME) - 4000.0) * ticks))
    assert process_age(1000.0, loaded_at=990.0, root=root) == 10.0


@pytest.mark.parametrize("ticks", ["x", 2**62], ids=["no number", "in the future"])
def test_an_age_that_cannot_be_read_is_that_of_the_import(tmp_path: Path, ticks: Any) -> None:
    assert process_age(20.0, loaded_at=5.0, root=stat_file(tmp_path, ticks)) == 15.0
    assert process_age(20.0, loaded_at=5.0, root=str(tmp_path / "none")) == 15.0
    assert process_age(4.0, loaded_at=5.0, root=str(tmp_path / "none")) == 0.0
