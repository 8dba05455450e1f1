"""Marks for charts: restarts, new releases and times without reports, as far as they are known."""

from typing import Any

import pytest

from celery_gossip.web.schema import Mark
from celery_gossip.web.snapshot import Sampler
from celery_gossip.web.subject import build_marks
from celery_gossip.web.timeline import MAX_EVENTS, Timeline
from celery_gossip.web.topic import Subject
from celery_gossip.wire.messages import Settings, Software
from tests.unit.build import a_check
from tests.web.fake_fleet import WALL, FakeFleet

FLEET = Subject("pace")


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


def a_software(release: str) -> Software:
    versions = {"celery": "5.7.0", "kombu": "5.7.0", "python": "3.13.0", "gossip": "0.1.0", "registry": "5b1c"}
    return Software(release=release, tasks=1, settings=Settings(), **versions)


def start(fleet: FakeFleet, hostname: str, boot: int, release: str = "", **fields: Any) -> None:
    if release:
        fields["software"] = a_software(release)
    fleet.report(hostname, boot=f"{boot:016x}", **fields)


def marks(sampler: Sampler, subject: Subject = FLEET) -> list[Mark]:
    return list(build_marks(subject, {"0": sampler.sample()}).values())


def known(fleet: FakeFleet, *hostnames: str, release: str = "v1") -> Sampler:
    """Return a sampler that knows these workers, which started earlier."""
    sampler = fleet.sampler()
    for hostname in hostnames:
        start(fleet, hostname, 1, release, seq=100)
    assert marks(sampler) == []
    fleet.clock.advance(10)
    return sampler


def test_a_restart_is_marked_at_its_worker_and_its_queues(fleet: FakeFleet) -> None:
    sampler = known(fleet, "w@1", "w@2")
    start(fleet, "w@1", 2, "v1", checks=(a_check("mail"),))
    (mark,) = marks(sampler)
    assert (mark.kind, mark.at, mark.count, mark.hostnames) == ("restart", WALL + 1010, 1, ("w@1",))
    assert marks(sampler, Subject("worker", "0", "w@1")) == [mark]
    assert marks(sampler, Subject("queue", "0", "mail")) == [mark]
    assert marks(sampler, Subject("worker", "0", "w@2")) == marks(sampler, Subject("queue", "0", "other")) == []
    assert marks(sampler, Subject("task", "0", "shop.pack")) == [mark]


def test_workers_that_were_running_before_are_not_marked(fleet: FakeFleet) -> None:
    known(fleet, "w@1", "w@2")


def test_another_release_is_a_deployment_with_the_number_of_its_workers(fleet: FakeFleet) -> None:
    sampler = known(fleet, "w@1", "w@2", "w@3")
    for number in (1, 2, 3):
        start(fleet, f"w@{number}", 2, "v2")
        sampler.sample()
        fleet.clock.advance(20)
    (mark,) = marks(sampler)
    assert (mark.kind, mark.release, mark.previous, mark.count) == ("deploy", "v2", "v1", 3)
    assert (mark.at, mark.until) == (WALL + 1010, WALL + 1050)
    assert mark.hostnames == ("w@1", "w@2", "w@3")


def test_a_release_of_new_hostnames_is_a_deployment_if_no_other_worker_ran_it(fleet: FakeFleet) -> None:
    sampler = known(fleet, "pod-a")
    start(fleet, "pod-b", 2, "v1")  # more workers of the same release
    sampler.sample()
    start(fleet, "pod-c", 3, "v2")
    sampler.sample()
    start(fleet, "pod-d", 4, "v2")
    (mark,) = marks(sampler)
    assert (mark.kind, mark.release, mark.count, mark.hostnames) == ("deploy", "v2", 2, ("pod-c", "pod-d"))


def test_a_release_that_returns_after_another_one_is_a_deployment(fleet: FakeFleet) -> None:
    sampler = known(fleet, "pod-a")
    for boot, (gone, pod, release) in enumerate((("pod-a", "pod-b", "v2"), ("pod-b", "pod-c", "v1")), 2):
        start(fleet, pod, boot, release)
        fleet.report(gone, boot=f"{boot - 1:016x}", seq=999, state="offline")
        sampler.sample()
        fleet.clock.advance(90)
        start(fleet, pod, boot, release)
    assert [(mark.kind, mark.release) for mark in marks(sampler)] == [("deploy", "v2"), ("deploy", "v1")]


def test_a_start_between_two_rare_samples_is_seen_and_dated_by_the_number_of_its_report(fleet: FakeFleet) -> None:
    """Without viewers a dashboard samples every five seconds."""
    sampler = known(fleet, "pod-a")
    sampler.sample()
    fleet.clock.advance(5)
    start(fleet, "pod-b", 2, "v2", seq=4)
    assert [(mark.kind, mark.at) for mark in marks(sampler)] == [("deploy", WALL + 1012)]
    start(fleet, "pod-c", 3, "v3", seq=60)  # it was only heard of now
    assert len(marks(sampler)) == 1


def test_a_release_that_becomes_known_later_completes_the_mark(fleet: FakeFleet) -> None:
    sampler = known(fleet, "w@1")
    start(fleet, "w@1", 2)
    assert [mark.kind for mark in marks(sampler)] == ["restart"]
    start(fleet, "w@1", 2, "v2")
    assert [(mark.kind, mark.release, mark.at) for mark in marks(sampler)] == [("deploy", "v2", WALL + 1010)]


def test_restarts_far_from_each_other_are_separate_marks(fleet: FakeFleet) -> None:
    sampler = known(fleet, "w@1")
    for boot in (2, 3):
        start(fleet, "w@1", boot, "v1")
        sampler.sample()
        fleet.clock.advance(61)
        start(fleet, "w@1", boot, "v1")
        sampler.sample()
    assert [(mark.kind, mark.count) for mark in marks(sampler)] == [("restart", 1), ("restart", 1)]


def test_marks_are_forgotten_after_three_hours(fleet: FakeFleet) -> None:
    sampler = known(fleet, "w@1")
    start(fleet, "w@1", 2, "v1")
    assert len(marks(sampler)) == 1
    fleet.clock.advance(10_900)
    start(fleet, "w@1", 2, "v1")
    sampler.sample()
    start(fleet, "w@1", 3, "v1")
    assert [mark.at for mark in marks(sampler)] == [WALL + 11_910]


def test_events_are_bounded(fleet: FakeFleet) -> None:
    timeline = Timeline()
    start(fleet, "w@1", 0, "v1", seq=100)
    timeline.update(fleet.view(), 0.0)
    for boot in range(1, MAX_EVENTS + 50):
        fleet.clock.advance(1)
        start(fleet, "w@1", boot, "v1", checks=tuple(a_check(f"queue{number}") for number in range(60)))
        timeline.update(fleet.view(), float(boot))
    assert len(timeline.events) <= MAX_EVENTS
    assert all(len(event.queues) == 50 for event in timeline.events)


def test_a_time_without_reports_is_marked_until_it_ends(fleet: FakeFleet) -> None:
    sampler = known(fleet, "w@1")
    fleet.cluster.set_isolated(fleet.clock.now)
    assert [(mark.kind, mark.at, mark.until) for mark in marks(sampler)] == [("outage", WALL + 1010, None)]
    fleet.clock.advance(30)
    marks(sampler)
    fleet.cluster.clear_isolated(fleet.clock.now)
    assert [(mark.at, mark.until) for mark in marks(sampler)] == [(WALL + 1010, WALL + 1040)]
