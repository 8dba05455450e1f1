"""The page of one worker: its process, configuration, task names, and how a lost one ended."""

from typing import Any

import pytest

from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.web.finding_memory import FindingMemory
from celery_gossip.web.subject import build_tables
from celery_gossip.web.topic import Topic, parse_topic
from celery_gossip.wire.messages import Profile, Resources, RunningTask, Setting, Settings, Software
from celery_gossip.worker.profile import split_names
from tests.unit.build import BOOT, OTHER_BOOT, a_check
from tests.web.fake_fleet import NOW, WALL, FakeFleet
from tests.web.served import Served

WEB1 = "celery@web1"
NAMES = ("shop.pack", "shop.send")
(PART,) = split_names(NAMES)
SOFTWARE = Software(registry=PART.registry, tasks=2, settings=Settings(task_acks_late=True))
PROFILE = Profile(
    pid=17, age=3600.0, settings=(Setting("timezone", "UTC"), Setting("broker_heartbeat", 120.0)), tasks=PART
)
#: Two running tasks, of which one has no details.
BUSY = a_check("mail", active=("id-1", "id-2"), active_count=2, reserved=5, tasks=(RunningTask(0, 61.5, retries=1),))


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet()


def tables(fleet: FakeFleet, sampler: Any = None) -> Any:
    snapshots = {"0": (sampler or fleet.sampler()).sample()}
    return build_tables(parse_topic(f"worker:0/{WEB1}"), snapshots, {"0": fleet})


def lose(fleet: FakeFleet) -> None:
    """Let the worker stop reporting until it is lost."""
    for _ in range(2):
        fleet.clock.advance(30)
        fleet.cluster.expire_silent_workers(fleet.clock.now)


def test_a_worker_has_its_process_its_configuration_and_its_tasks(served: Served) -> None:
    served.fleet.report(software=SOFTWARE, profile=PROFILE, checks=(a_check("mail"), a_check("bulk", paused=True)))
    served.fleet.clock.advance(2)
    detail = served.get(f"/api/workers/0/{WEB1}").json()
    worker = detail["worker"]
    assert worker["pid"] == 17 and worker["paused"] == ["bulk"]
    assert worker["started_at"] == pytest.approx(served.fleet.clock.now - 2 + WALL - 3600.0, abs=0.2)
    assert worker["configuration"] == {"broker_heartbeat": 120.0, "task_acks_late": True, "timezone": "UTC"}
    assert list(worker["configuration"]) == sorted(worker["configuration"])
    assert worker["task_names"] == list(NAMES)
    assert (detail["ending"], detail["last_reports"], detail["last_tasks"]) == (None, [], [])
    (listed,) = [one for one in served.get("/api/workers").json()["workers"] if one["hostname"] == WEB1]
    assert (listed["task_names"], listed["configuration"], listed["pid"]) == ([], {}, None)


def test_what_an_older_worker_does_not_report_is_unknown(fleet: FakeFleet) -> None:
    fleet.report(software=Software(settings=Settings(task_acks_late=False)))
    (worker,) = tables(fleet)["worker"].values()
    assert (worker.pid, worker.started_at, worker.task_names) == (None, None, ())
    assert worker.configuration == {"task_acks_late": False}


def test_a_lost_worker_has_what_it_ran_its_last_minute_and_what_was_wrong(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    for second in range(70):
        resources = Resources(rss=(100 + second) * 2**20) if second % 5 == 0 else None
        fleet.report(checks=(BUSY,), active=2, reserved=5, names=("shop.pack",), resources=resources, loop_lag=1.5)
        is_slow = second >= 60
        fleet.findings = (Finding("loop_lag", "warning", WEB1, fleet.clock.now, "its loop is late"),) * is_slow
        sampler.sample()
        fleet.clock.advance(1)
    ended_at = fleet.clock.now - 1 + WALL
    fleet.findings = ()
    lose(fleet)
    fleet.findings = (Finding("worker_lost", "critical", WEB1, fleet.clock.now, "it was lost"),)
    found = tables(fleet, sampler)
    (ending,) = found["ending"].values()
    assert (ending.state, ending.boot, ending.at) == ("lost", BOOT, ended_at)
    assert (ending.active, ending.listed, ending.reserved, ending.concurrency) == (2, 2, 5, 4)
    assert (ending.queues, ending.loop_lag) == (("mail",), 1.5)
    assert [(one.kind, one.text) for one in ending.findings] == [("loop_lag", "its loop is late")]
    first, second = found["last_tasks"].values()
    assert (first.id, first.name, first.queue, first.retries) == ("id-1", "shop.pack", "mail", 1)
    assert first.since == pytest.approx(ended_at - 61.5, abs=0.11) and not first.is_older
    assert (second.id, second.name, second.is_older) == ("id-2", "", True)
    reports = list(found["last_reports"].values())
    assert len(reports) == 60 and reports[-1].at == ended_at and reports[-1].active == 2
    assert [one.rss for one in reports if one.rss is not None][-1] == 165 * 2**20
    assert found["runs"] == {}  # it is not known what became of them


def test_a_worker_that_shut_down_has_its_last_reports_too(fleet: FakeFleet) -> None:
    fleet.report()
    fleet.clock.advance(1)
    fleet.report(state="offline")
    (ending,) = tables(fleet)["ending"].values()
    assert (ending.state, ending.active, ending.findings) == ("offline", 0, ())
    assert len(tables(fleet)["last_reports"]) == 2 and tables(fleet)["last_tasks"] == {}


def test_a_worker_that_started_again_has_the_end_of_the_instance_before(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.findings = (Finding("stalled", "critical", WEB1, NOW - 40, "blocked"),)
    fleet.report(checks=(BUSY,), active=2, names=("shop.pack",))
    sampler.sample()
    fleet.findings = ()
    lose(fleet)
    fleet.report(boot=OTHER_BOOT)
    fleet.cluster.expire_silent_workers(fleet.clock.now)
    found = tables(fleet, sampler)
    (worker,) = found["worker"].values()
    assert worker.state == "online"
    (ending,) = found["ending"].values()
    assert (ending.state, ending.boot, ending.at) == ("replaced", BOOT, NOW + WALL)
    assert [one.kind for one in ending.findings] == ["stalled"]
    assert list(found["last_tasks"]) == ["id-1", "id-2"] and len(found["last_reports"]) == 1


def test_a_topic_of_a_lost_worker_changes_no_more(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(checks=(BUSY,), active=2, names=("shop.pack",), software=SOFTWARE, profile=PROFILE)
    lose(fleet)
    topic = Topic(1, tables(fleet, sampler))
    fleet.clock.advance(30)
    assert topic.diff_to(tables(fleet, sampler)) is None


def test_names_and_settings_are_sent_once(fleet: FakeFleet) -> None:
    sampler = fleet.sampler()
    fleet.report(software=SOFTWARE, profile=PROFILE)
    topic = Topic(1, tables(fleet, sampler))
    fleet.clock.advance(120)
    fleet.report(software=SOFTWARE, profile=Profile(pid=17, age=3720.0, settings=PROFILE.settings, tasks=PART))
    changes = (topic.diff_to(tables(fleet, sampler)) or b"").decode()
    assert "shop.send" not in changes and "timezone" not in changes and "started_at" not in changes


def test_findings_are_remembered_for_a_minute_and_of_a_lost_worker_until_it_is_removed(fleet: FakeFleet) -> None:
    memory = FindingMemory()
    fleet.report()
    late = (Finding("loop_lag", "warning", WEB1, NOW - 5, "late"), Finding("paused", "warning", "mail", NOW, "queue"))
    assert [finding for finding, _ in memory.update(fleet.view(), late, NOW)[WEB1]] == [late[0]]
    assert list(memory.update(fleet.view(), (), NOW + 59)) == [WEB1]
    assert memory.update(fleet.view(), (), NOW + 61) == {}
    memory.update(fleet.view(), late, NOW)
    lose(fleet)
    assert list(memory.update(fleet.view(), (), NOW + 500)) == [WEB1]
    fleet.cluster.reset()
    assert memory.update(fleet.view(), (), NOW + 501) == {}


def test_findings_of_a_worker_are_limited(fleet: FakeFleet) -> None:
    memory = FindingMemory()
    fleet.report()
    many = tuple(Finding(f"kind{number}", "warning", WEB1, NOW, "x") for number in range(50))  # type: ignore[arg-type]
    assert len(memory.update(fleet.view(), many, NOW)[WEB1]) == 20
