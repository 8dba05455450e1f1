"""Real beats with each of the three schedulers, standalone and embedded, and what a listener knows of them."""

import json
import os
import signal
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from celery_gossip import Listener
from celery_gossip.cluster.beat_view import BeatView
from celery_gossip.listener.events import BeatEventName
from tests.support import brokers
from tests.support.beats import BeatProject, an_entry
from tests.support.proxy import proxied
from tests.support.waiting import eventually
from tests.support.workers import QUIET, Project

TIMEOUT = 30.0
STATES: tuple[BeatEventName, ...] = ("beat_online", "beat_suspect", "beat_lost", "beat_offline")
Starter = Callable[..., BeatProject]


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    """Return a function that makes a project with a scheduler on a broker."""
    made: list[Project] = []

    def make(scheduler: str, url: str = brokers.REDIS_URL) -> BeatProject:
        project = Project(brokers.require(url))
        project.install = {"interval": 0.2}
        made.append(project)
        return BeatProject(project, scheduler, tmp_path)

    yield make
    for project in made:
        project.clean()


@contextmanager
def listening(project: Project) -> Iterator[Listener]:
    with project.app() as app, Listener(app) as listener:
        yield listener


def until(listener: Listener, holds: Callable[[BeatView], object], timeout: float = TIMEOUT) -> BeatView:
    """Wait until this holds of the only beat; return it."""

    def it_holds() -> BeatView:
        beats = listener.cluster.beats()
        assert len(beats) == 1 and holds(beats[0]), beats
        return beats[0]

    return eventually(it_holds, timeout)


def sends(beat: BeatView, name: str = "often") -> int:
    entry = beat.entry(name)
    return 0 if entry is None else entry.entry.sends


@pytest.mark.parametrize(
    "scheduler, url",
    [("persistent", brokers.REDIS_URL), ("django", brokers.RABBITMQ_URL), ("redbeat", brokers.REDIS_URL)],
    ids=["persistent-redis", "django-rabbitmq", "redbeat-redis"],
)
def test_a_beat_reports_its_schedule_until_it_ends(starter: Starter, scheduler: str, url: str) -> None:
    project = starter(scheduler, url)
    project.schedule(often=an_entry(0.5), routed=an_entry(3600.0, "nap", queue="mail"))
    with listening(project.project) as listener, project.beat() as beat:
        seen = until(listener, lambda one: sends(one) >= 3)
        assert (seen.state, seen.app, seen.report.scheduler.rpartition(".")[0]) == (
            "online",
            project.project.prefix,
            {"persistent": "celery", "django": "django_celery_beat", "redbeat": "redbeat"}[scheduler],
        )
        assert seen.hostname.startswith("celerybeat@") and not seen.is_embedded
        assert seen.report.holds_lock is (True if scheduler == "redbeat" else None)
        assert seen.report.is_partial is (scheduler == "redbeat") and len(seen.report.digest) == 16
        often, routed = seen.entry("often"), seen.entry("routed")
        assert often is not None and routed is not None
        assert (often.task, often.entry.schedule) == ("tests.support.project.nothing", "every 0.5 s")
        assert (routed.entry.schedule, routed.entry.queue, routed.entry.sends) == ("every 1 h", "mail", 0)
        assert (routed.due_at is None) is (scheduler == "redbeat")
        assert often.history and not often.is_failing
        assert beat.output.count("Sending due task often") >= 3 and "Traceback" not in beat.output
        assert beat.stop_cleanly()
        until(listener, lambda one: one.state == "offline", timeout=5.0)
        assert not listener.rejected


def test_entries_that_are_added_and_disabled_at_run_time_with_django(starter: Starter) -> None:
    project = starter("django", brokers.RABBITMQ_URL)
    project.schedule(often=an_entry(0.5))
    with listening(project.project) as listener, project.beat():
        until(listener, lambda one: sends(one) >= 1)
        code = """
            import django
            django.setup()
            from django_celery_beat.models import IntervalSchedule, PeriodicTask
            each, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
            PeriodicTask.objects.create(name="added", task="shop.added", interval=each)
            PeriodicTask.objects.get(name="often").delete()
        """
        project.django("-c", textwrap.dedent(code))
        seen = until(listener, lambda one: one.entry("added") and not one.entry("often"))
        assert [one.name for one in seen.entries if one.name != "celery.backend_cleanup"] == ["added"]


def test_entries_that_are_added_and_removed_at_run_time_with_redbeat(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redbeat.schedulers import RedBeatSchedulerEntry

    project = starter("redbeat")
    project.schedule(often=an_entry(0.5))
    with listening(project.project) as listener, project.beat(), project.project.app() as app:
        until(listener, lambda one: sends(one) >= 1)
        added = RedBeatSchedulerEntry("added", "tests.support.project.nothing", 0.5, app=app)
        added.save()
        until(listener, lambda one: sends(one, "added") >= 1)
        added.delete()
        until(listener, lambda one: not one.entry("added") and one.entry("often"))


def test_a_stopped_beat_is_lost_and_comes_back_and_a_killed_one_does_not(starter: Starter) -> None:
    project = starter("memory")
    project.schedule(often=an_entry(0.5))
    with listening(project.project) as listener:
        states: list[str] = []
        for name in STATES:
            listener.on(name, lambda one: states.append(one.state))
        with project.beat() as beat:
            until(listener, lambda one: sends(one) >= 1)
            beat.send_signal(signal.SIGSTOP)
            until(listener, lambda one: one.state == "lost")
            beat.send_signal(signal.SIGCONT)
            until(listener, lambda one: one.state == "online")
            beat.kill()
            until(listener, lambda one: one.state == "lost")
        assert states == ["online", "suspect", "lost", "online", "suspect", "lost"]
        with project.beat():
            seen = until(listener, lambda one: one.state == "online" and sends(one) >= 1)
        history = seen.entries[0].history
        assert len(history) >= 2 and history == tuple(sorted(history, key=lambda one: one.at)), "a restart continues it"


def test_two_beats_of_one_schedule_are_a_conflict(starter: Starter) -> None:
    project = starter("persistent")
    project.schedule(often=an_entry(0.5))
    with listening(project.project) as listener, project.beat(), project.beat(name="b2") as other:
        seen = until(listener, lambda one: one.state == "conflict" and all(report.sends for report in one.instances))
        assert len({one.digest for one in seen.instances}) == 1 and len({one.boot for one in seen.instances}) == 2
        other.stop()
        until(listener, lambda one: one.state == "online" and not one.rivals)


def test_the_standby_of_redbeat_is_no_conflict_and_takes_over(starter: Starter) -> None:
    project = starter("redbeat")
    project.schedule(often=an_entry(0.5))
    with listening(project.project) as listener, project.beat() as beat:
        first = until(listener, lambda one: sends(one) >= 1).report.boot
        with project.beat(name="b2"):
            seen = until(listener, lambda one: [report.holds_lock for report in one.rivals] == [False])
            assert (seen.state, seen.report.boot, seen.rivals[0].stalled_for) == ("online", first, 0.0)
            assert beat.stop() == 0
            taken_over = until(
                listener, lambda one: one.report.boot != first and one.report.holds_lock and sends(one) >= 1
            )
            assert taken_over.state == "online"


@pytest.mark.parametrize("pool, by_setting", [("prefork", False), ("threads", True)])
def test_an_embedded_beat_names_its_worker(starter: Starter, pool: str, by_setting: bool) -> None:
    project = starter("persistent")
    project.schedule(often=an_entry(0.5))
    if by_setting:
        project.project.install = None
        project.project.conf.update(worker_bootsteps=["celery_gossip:GossipStep"], gossip_interval=0.2)
    arguments = ("-B", "-s", str(project.folder / "embedded"))
    with listening(project.project) as listener, project.project.worker(*QUIET, *arguments, pool=pool) as worker:
        seen = until(listener, lambda one: sends(one) >= 2)
        (host,) = listener.wait(workers=1, timeout=TIMEOUT).workers  # beat starts before the consumer
        assert seen.is_embedded and seen.hostname == host.hostname == worker.node == seen.report.worker
        assert seen.report.worker_boot == host.gossip.boot != seen.report.boot
        eventually(lambda: _require(worker.output.count("succeeded") >= 2))
        assert worker.stop() == 0
        until(listener, lambda one: one.state == "offline", timeout=5.0)


def test_beat_sends_on_while_the_broker_of_the_gossip_is_away(starter: Starter) -> None:
    project = starter("memory", brokers.RABBITMQ_URL)
    project.schedule(often=an_entry(0.5))
    with proxied(brokers.require(brokers.REDIS_URL)) as proxy:
        project.project.conf["gossip_broker_url"] = proxy.url
        with project.beat() as beat:
            project.project.conf["gossip_broker_url"] = brokers.REDIS_URL
            with listening(project.project) as listener:
                before = sends(until(listener, lambda one: sends(one) >= 1))
                proxy.swallow()
                until(listener, lambda one: one.state == "lost")
                proxy.heal()
                seen = until(listener, lambda one: one.state == "online" and sends(one) > before)
                assert beat.output.count("Sending due task often") >= sends(seen) > before
                proxy.cut()
                until(listener, lambda one: one.state == "lost")
                assert beat.stop() == 0, "an end without a broker"
                assert beat.output.count("Traceback") == 0


def test_a_thousand_entries_and_one_of_a_fifth_of_a_second(starter: Starter) -> None:
    project = starter("memory")
    project.project.install = {"interval": 0.05}
    project.schedule(often=an_entry(0.2), **{f"e{n:04}": an_entry(3600.0 + n) for n in range(1000)})
    with listening(project.project) as listener, project.beat() as beat:
        seen = until(listener, lambda one: one.report.entry_count == 1001 and sends(one) > 20 and len(one.entries) > 80)
        assert seen.entries[0].name == "often" and seen.unreported == 1001 - len(seen.entries)
        assert seen.entries[0].history[-1].sends <= 2 and seen.report.stalled_for == 0.0
        assert beat.stop() == 0


STARTING = ["beat.hook:start_reporting"]
RUNNING = [
    *(f"beat.observer:Observer.{name}" for name in ("_tick_began", "_tick_ended", "_sent")),
    *("beat.reporter:Reporter.compose", "transport.publisher:Publisher.publish"),
]
ENDING = [
    "beat.observer:Observer.attach",
    "beat.reporter:Reporter.compose_final",
    "transport.publisher:Publisher.close",
]


@pytest.mark.parametrize("sabotaged", [STARTING, RUNNING, ENDING], ids=["start", "run", "end"])
def test_a_beat_sends_and_ends_with_0_whatever_fails(starter: Starter, tmp_path: Path, sabotaged: list[str]) -> None:
    record = tmp_path / "sabotaged"
    project = starter("memory")
    project.schedule(often=an_entry(0.3))
    project.project.extra_environment.update(
        GOSSIP_TEST_IMPORT="tests.support.beat_saboteur",
        GOSSIP_TEST_SABOTAGE=json.dumps(sabotaged),
        GOSSIP_TEST_SABOTAGED=os.fspath(record),
    )

    def has_sent() -> None:
        assert beat.output.count("Sending due task often") >= 4, beat.output

    with project.beat() as beat:
        eventually(has_sent, TIMEOUT)
        assert beat.stop() == 0, beat.output
        assert set(record.read_text().split()) == set(sabotaged)


def _require(condition: object) -> None:
    assert condition
