"""Findings, the status report and the health file of real beats."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from celery_gossip import Listener
from celery_gossip.console.status import status_text
from celery_gossip.diagnosis import entry_rules
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.diagnosis.rule_settings import parse_rules
from celery_gossip.diagnosis.rules import BEAT_KINDS
from tests.support import brokers
from tests.support.beats import BeatProject, an_entry
from tests.support.proxy import proxied
from tests.support.waiting import eventually
from tests.support.workers import QUIET, Project

pytestmark = [pytest.mark.redis, pytest.mark.timeout(180)]
WRONG_CLOCK = Path(__file__).parents[1] / "support" / "wrong_clock"
TIMEOUT = 40.0
#: Shorter times, so that a test need not wait for a minute.
RULES = parse_rules(
    {
        "after": {"no_beat": 1.0, "two_beats": 1.0, "entry_fails": 0.0, "entry_overdue": 2.0},
        "thresholds": {"overdue_seconds": 2},
    },
    "rules",
)


ON_BOTH_BROKERS = pytest.mark.parametrize(
    "url",
    [brokers.REDIS_URL, pytest.param(brokers.RABBITMQ_URL, marks=pytest.mark.rabbitmq)],
    ids=["redis", "rabbitmq"],
)
Made = Callable[..., Project]


@pytest.fixture
def made() -> Iterator[Made]:
    """Return a function that makes a project at a broker, as Project() does."""
    projects: list[Project] = []

    def make(url: str, **conf: str) -> Project:
        projects.append(Project(url, **conf))
        projects[-1].install = {"interval": 0.2}
        return projects[-1]

    yield make
    for project in projects:
        project.clean()


@pytest.fixture
def project(made: Made) -> Project:
    return made(brokers.require(brokers.REDIS_URL))


@contextmanager
def listening(project: Project) -> Iterator[Listener]:
    with project.app() as app, Listener(app, rules=RULES) as listener:
        yield listener


def of_beat(listener: Listener) -> list[Finding]:
    return [finding for finding in listener.findings if finding.kind in BEAT_KINDS]


def await_kinds(listener: Listener, *kinds: str) -> None:
    def are_raised() -> None:
        assert [finding.kind for finding in of_beat(listener)] == list(kinds), (
            of_beat(listener),
            listener.view().beats,
        )

    eventually(are_raised, TIMEOUT)


def await_sends(listener: Listener, hostname: str = "") -> None:
    def has_sent() -> None:
        assert any(beat.report.sends for beat in listener.view().beats if hostname in beat.hostname)

    eventually(has_sent, TIMEOUT)


@pytest.mark.parametrize(
    ("scheduler", "url"),
    [
        pytest.param("persistent", brokers.REDIS_URL, id="persistent-redis"),
        pytest.param("django", brokers.RABBITMQ_URL, id="django-rabbitmq", marks=pytest.mark.rabbitmq),
        pytest.param("redbeat", brokers.RABBITMQ_URL, id="redbeat-rabbitmq", marks=pytest.mark.rabbitmq),
    ],
)
def test_a_beat_that_is_killed_is_missed_and_another_one_ends_the_finding(
    made: Made, tmp_path: Path, scheduler: str, url: str
) -> None:
    project = made(brokers.require(url))
    beats = BeatProject(project, scheduler, tmp_path)
    beats.schedule(often=an_entry(0.5), daily=an_entry(86_400.0))
    with listening(project) as listener, project.worker(*QUIET):
        with beats.beat() as beat:
            await_sends(listener)
            assert of_beat(listener) == []
            text = status_text(listener.view(), listener.findings)
            assert "celerybeat@" in text and "often" in text and "every 0.5 s" in text
            beat.kill()
            await_kinds(listener, "no_beat")
            (finding,) = of_beat(listener)
            assert "which sent " in finding.text and "daily" in finding.text
        with beats.beat():
            await_kinds(listener)


def test_a_broker_that_hangs_stalls_beat_until_it_answers_again(made: Made, tmp_path: Path) -> None:
    url = brokers.require(brokers.REDIS_URL)
    with proxied(url) as proxy:
        project = made(proxy.url, gossip_broker_url=url)
        beats = BeatProject(project, "persistent", tmp_path)
        beats.schedule(often=an_entry(0.5))
        with listening(project) as listener, beats.beat():
            await_sends(listener)
            proxy.swallow()
            await_kinds(listener, "beat_stalled")
            (finding,) = of_beat(listener)
            assert "its scheduler has not ticked in time for" in finding.text
            proxy.heal()
            await_kinds(listener)
            (beat,) = listener.view().beats
            sends = beat.report.sends
            eventually(lambda: assert_more_sends(listener, sends), TIMEOUT)


def test_a_broker_that_is_gone_for_a_while_leaves_no_finding(made: Made, tmp_path: Path) -> None:
    url = brokers.require(brokers.RABBITMQ_URL)
    with proxied(url) as proxy:
        project = made(proxy.url, gossip_broker_url=url)
        beats = BeatProject(project, "persistent", tmp_path)
        beats.schedule(often=an_entry(0.5))
        with listening(project) as listener, beats.beat():
            await_sends(listener)
            proxy.cut()
            time.sleep(3.0)  # the time for which it is gone
            proxy.heal()
            (beat,) = listener.view().beats
            sends = beat.report.sends
            eventually(lambda: assert_more_sends(listener, sends + 2), TIMEOUT)
            await_kinds(listener)


def test_entries_that_a_slow_broker_holds_up_are_overdue(made: Made, tmp_path: Path) -> None:
    url = brokers.require(brokers.REDIS_URL)
    with proxied(url) as proxy:
        project = made(proxy.url, gossip_broker_url=url)
        beats = BeatProject(project, "persistent", tmp_path)
        beats.schedule(**{f"each{number}": an_entry(2.0) for number in range(20)})
        with listening(project) as listener, beats.beat():
            await_sends(listener)
            assert of_beat(listener) == []
            proxy.slow(0.5)
            await_kinds(listener, "entry_overdue")
            (finding,) = of_beat(listener)
            assert "although the scheduler ticks" in finding.text and "was sent last" in finding.text
            proxy.heal()
            await_kinds(listener)


def test_a_clock_that_is_set_back_holds_entries_up(project: Project, tmp_path: Path) -> None:
    """Celery sends an entry again when the clock has caught up."""
    project.extra_environment |= {
        "PYTHONPATH": os.pathsep.join([str(WRONG_CLOCK), os.environ.get("PYTHONPATH", "")]),
        "GOSSIP_TEST_CLOCK": json.dumps({"step": -3000.0, "every": 10.0}),  # right, then wrong, then right again
        "GOSSIP_TEST_IMPORT": "tests.support.own_clock",
    }
    beats = BeatProject(project, "persistent", tmp_path)
    beats.schedule(often=an_entry(1.0), hourly=an_entry(3600.0))
    with listening(project) as listener, beats.beat() as beat:
        await_sends(listener)
        assert of_beat(listener) == []
        await_kinds(listener, "entry_overdue")
        (finding,) = of_beat(listener)
        assert finding.subject == "often" and "The clock of its host was set back" in finding.text
        await_kinds(listener)
        assert beat.stop_cleanly()


@ON_BOTH_BROKERS
def test_an_entry_whose_messages_reach_no_queue_is_never_received(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    for name, seconds in (("_STARTUP", 2.0), ("_RECEIPT_DELAY", 2.0), ("_PROVEN_AFTER", 2.0)):
        monkeypatch.setattr(entry_rules, name, seconds)
    project = made(brokers.require(url))
    beats = BeatProject(project, "persistent", tmp_path)
    nowhere = {"exchange": project.queues[0], "routing_key": "nowhere"}
    beats.schedule(often=an_entry(0.5), lost=an_entry(0.5, "nap", args=[0.0], options=nowhere))
    with listening(project) as listener, project.worker(*QUIET), beats.beat():
        await_kinds(listener, "sent_never_started")
        (finding,) = of_beat(listener)
        assert finding.subject == "lost" and "no worker that reports has received its task" in finding.text


def test_two_beats_are_reported_until_one_of_them_ends(project: Project, tmp_path: Path) -> None:
    beats = BeatProject(project, "persistent", tmp_path)
    beats.schedule(often=an_entry(0.5))
    with listening(project) as listener, beats.beat(name="b1"):
        await_sends(listener)
        with beats.beat(name="b2") as other:
            await_kinds(listener, "two_beats")
            assert other.stop_cleanly()
        await_kinds(listener)


def test_a_standby_of_redbeat_is_no_second_beat(project: Project, tmp_path: Path) -> None:
    beats = BeatProject(project, "redbeat", tmp_path)
    beats.schedule(often=an_entry(0.5))
    project.conf["gossip_beat_health_file"] = str(tmp_path / "%n.health")
    with listening(project) as listener, beats.beat(name="b1"):
        await_sends(listener)
        project.conf["gossip_beat_health_file"] = str(tmp_path / "standby.health")
        with beats.beat(name="b2"):

            def is_standby() -> None:
                code, output = probe(tmp_path / "standby.health")
                assert code == 0 and "standby; waits for the lock" in output

            eventually(is_standby, TIMEOUT)
            assert probe(tmp_path / "celerybeat.health") == (0, "")
            assert of_beat(listener) == []


def test_an_entry_whose_message_cannot_be_made_fails(project: Project, tmp_path: Path) -> None:
    beats = BeatProject(project, "persistent", tmp_path)
    bad = an_entry(1.0, options={"serializer": "no-such-serializer"})
    beats.schedule(often=an_entry(0.5), bad=bad)
    with listening(project) as listener, beats.beat():
        await_kinds(listener, "entry_fails")
        (finding,) = of_beat(listener)
        assert finding.subject == "bad" and "could not be sent with " in finding.text


def test_the_health_file_is_fresh_while_beat_ticks(project: Project, tmp_path: Path) -> None:
    beats = BeatProject(project, "persistent", tmp_path)
    beats.schedule(hourly=an_entry(3600.0))
    file = tmp_path / "health"
    project.conf["gossip_beat_health_file"] = str(file)
    with beats.beat() as beat:
        eventually(lambda: assert_probe(file, 0, ""), TIMEOUT)
        beat.send_signal(signal.SIGSTOP)
        eventually(lambda: assert_probe(file, 1, "s old; the maximum is 3 s"), TIMEOUT)
        beat.send_signal(signal.SIGCONT)
        eventually(lambda: assert_probe(file, 0, ""), TIMEOUT)
        assert beat.stop_cleanly()
        assert_probe(file, 1, "No such file")


def test_a_health_file_that_cannot_be_written_does_not_stop_beat(project: Project, tmp_path: Path) -> None:
    beats = BeatProject(project, "persistent", tmp_path)
    beats.schedule(often=an_entry(0.5))
    project.conf["gossip_beat_health_file"] = "/nowhere/at/all"
    with beats.beat() as beat:

        def has_sent() -> None:
            assert "gossip_beat_health_file: expected a file in a folder" in beat.output, beat.output
            assert "Sending due task often" in beat.output, beat.output

        eventually(has_sent, TIMEOUT)


def assert_more_sends(listener: Listener, than: int) -> None:
    assert [beat.state for beat in listener.view().beats] == ["online"]
    assert listener.view().beats[0].report.sends > than


def probe(file: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "celery_gossip.health", str(file), "--max-age", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def assert_probe(file: Path, code: int, part: str) -> None:
    found, output = probe(file)
    assert found == code and part in output, output
