"""Every way to make a worker gossip, and to keep it from it; and what a worker says that cannot start."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support import brokers, eventually, mute
from tests.support.refusals import refusal
from tests.support.workers import Project, Worker

BY_CONFIGURATION = {"worker_bootsteps": ["celery_gossip:GossipStep"], "gossip_interval": 0.4}


def by_install(project: Project) -> None:
    project.install = {"interval": 0.4}


def by_hand(project: Project) -> None:
    project.install = None
    project.conf["gossip_interval"] = 0.4
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.by_hand"}


def by_configuration_alone(project: Project) -> None:
    project.install = None
    project.conf.update(BY_CONFIGURATION)


def by_configuration_in_a_namespace(project: Project) -> None:
    by_configuration_alone(project)
    project.module = "tests.support.django_like"


def by_all_ways_at_once(project: Project) -> None:
    by_hand(project)
    project.install = {"interval": 0.4}
    project.conf.update(BY_CONFIGURATION, gossip_interval=7.0)


@pytest.mark.redis
@pytest.mark.parametrize(
    "enable",
    [by_install, by_hand, by_configuration_alone, by_configuration_in_a_namespace, by_all_ways_at_once],
)
def test_a_worker_gossips_that_was_made_to(redis_project: Project, enable: Any) -> None:
    enable(redis_project)
    with redis_project.worker("--without-mingle", pool="threads") as worker:
        (told,) = redis_project.status()["workers"]
        assert (told["hostname"], told["state"], told["interval"]) == (worker.node, "online", 0.4)
        assert_works(redis_project, worker)


@pytest.mark.redis
def test_the_flag_for_the_interval_goes_before_keyword_and_setting(redis_project: Project) -> None:
    redis_project.install = {"interval": 5.0}
    redis_project.conf["gossip_interval"] = 7.0
    with redis_project.worker("--without-mingle", "--gossip-interval", "0.3", pool="threads"):
        (told,) = redis_project.status("--wait", "1")["workers"]
        assert told["interval"] == 0.3


def by_flag(project: Project) -> list[str]:
    return ["--without-queue-gossip"]


def by_setting(project: Project) -> list[str]:
    project.conf["gossip_enabled"] = False
    return []


def by_keyword(project: Project) -> list[str]:
    project.install = {"enabled": False}
    return []


def by_leaving_it_out(project: Project) -> list[str]:
    project.install = None
    return []


@pytest.mark.redis
@pytest.mark.parametrize("disable", [by_flag, by_setting, by_keyword, by_leaving_it_out])
def test_a_worker_works_in_silence_that_was_kept_from_gossiping(redis_project: Project, disable: Any) -> None:
    flags = disable(redis_project)
    with redis_project.worker("--without-mingle", *flags, pool="threads") as worker:
        assert "does not gossip" in redis_project.inspect("gossip", worker.node)["error"]
        assert redis_project.gossip("status", "--wait", "0.8").returncode == 3
        assert "queue_gossip" not in redis_project.inspect("stats", worker.node)
        assert_works(redis_project, worker)


@pytest.mark.redis
@pytest.mark.parametrize(
    ("install", "conf", "flags", "words"),
    [
        pytest.param({"interval": -1}, {}, [], ["gossip_interval: expected", "above 0", "got -1"], id="keyword"),
        pytest.param(
            {}, {"gossip_interval": "fast"}, [], ["gossip_interval: expected", "above 0", "got 'fast'"], id="setting"
        ),
        pytest.param(
            {}, {}, ["--gossip-interval", "0"], ["gossip_interval: expected", "above 0", "got 0.0"], id="flag"
        ),
        pytest.param({}, {}, ["--gossip-interval", "soon"], ["'--gossip-interval'", "'soon'"], id="flag text"),
        pytest.param(
            None,
            {"worker_bootsteps": ["celery_gossip:GossipStepp"]},
            [],
            ["worker_bootsteps: expected 'module:Class'", "got 'celery_gossip:GossipStepp'"],
            id="bootstep's class",
        ),
    ],
)
def test_a_worker_refuses_to_start_with_one_line_about_the_option(
    redis_project: Project, install: Any, conf: dict[str, Any], flags: list[str], words: list[str]
) -> None:
    """One for each way that an option can take; the others are checked without a process, below."""
    redis_project.install = install
    redis_project.conf.update(conf)
    done = redis_project.celery("worker", "--without-mingle", "-P", "solo", "-n", f"w1@{redis_project.prefix}", *flags)
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    (error,) = [line for line in output.splitlines() if line.startswith("Error: ")]
    assert output.strip().endswith(error), "nothing is said after the error"
    assert all(word in error for word in words), error
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("install", "conf", "flags", "words"),
    [
        pytest.param({"intervall": 1}, {}, {}, ["'intervall'", "did you mean 'interval'?"], id="unknown keyword"),
        pytest.param(
            {},
            {"gossip_exchange": "a.b/c"},
            {},
            ["gossip_exchange: expected", "a-z, 0-9", "got 'a.b/c'"],
            id="exchange",
        ),
        pytest.param(
            {}, {"gossip_enabled": "no"}, {}, ["gossip_enabled: expected", "True or False", "got 'no'"], id="switch"
        ),
        pytest.param(
            {},
            {"gossip_intervall": 1},
            {},
            ["'gossip_intervall'", "did you mean 'gossip_interval'?"],
            id="unknown setting",
        ),
        pytest.param(
            {},
            {"gossip_broker_url": "carrier-pigeon://user:geheim@loft"},
            {},
            ["gossip_broker_url: expected a URL", "carrier-pigeon"],
            id="unknown transport",
        ),
        pytest.param(
            {}, {}, {"gossip_interval": float("nan")}, ["gossip_interval: expected", "got nan"], id="flag nan"
        ),
        pytest.param(
            None,
            {"worker_bootsteps": ["celery_gosip:GossipStep"]},
            {},
            ["worker_bootsteps: expected 'module:Class'", "got 'celery_gosip:GossipStep'"],
            id="bootstep's module",
        ),
        pytest.param(
            None,
            {"worker_bootsteps": ["collections:OrderedDict"]},
            {},
            ["worker_bootsteps: expected 'module:Class' of a bootstep", "got 'collections:OrderedDict'"],
            id="no bootstep",
        ),
        pytest.param(
            None,
            {"worker_bootsteps": "celery_gossip:GossipStep"},
            {},
            ["worker_bootsteps: expected a list", "got 'celery_gossip:GossipStep'"],
            id="no list",
        ),
    ],
)
def test_what_a_worker_refuses_is_one_line_about_the_option(
    install: Any, conf: dict[str, Any], flags: dict[str, Any], words: list[str]
) -> None:
    project = Project("memory://", **conf)
    project.install = install
    error = refusal(project, **flags)
    assert error.startswith("Error: ") and len(error.splitlines()) == 1
    assert all(word in error for word in words), error
    assert "geheim" not in error


@pytest.fixture
def mute_project(tmp_path: Path) -> Project:
    """A project on a transport that cannot fan out."""
    assert mute.Transport.driver_name == "mute"  # imported for its alias
    folders = {"data_folder_in": "data", "data_folder_out": "data", "control_folder": "control"}
    for folder in set(folders.values()):
        (tmp_path / folder).mkdir()
    options = {name: str(tmp_path / folder) for name, folder in folders.items()}
    project = Project("mute://", broker_transport_options=options)
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.mute"}
    return project


def test_where_the_transport_cannot_fan_out_one_line_names_the_way_out_and_the_worker_works(
    mute_project: Project,
) -> None:
    with mute_project.worker(pool="threads") as worker:
        assert_works(mute_project, worker)
        assert worker.stop() == 0
        (line,) = [line for line in worker.output.splitlines() if "gossip_broker_url" in line]
        assert "WARNING" in line and "'mute' has no fanout exchanges" in line
    done = mute_project.gossip("status")
    assert (done.returncode, "gossip_broker_url" in done.stderr) == (3, True)
    assert "Traceback" not in done.stderr


@pytest.mark.redis
def test_beside_a_transport_that_cannot_fan_out_gossip_goes_through_a_broker_of_its_own(mute_project: Project) -> None:
    mute_project.conf["gossip_broker_url"] = brokers.require(brokers.REDIS_URL)
    with mute_project.worker(pool="threads") as worker:
        (told,) = mute_project.status()["workers"]
        assert told["hostname"] == worker.node
        assert_works(mute_project, worker)


@pytest.mark.redis
@pytest.mark.rabbitmq
def test_gossip_on_redis_is_heard_beside_tasks_on_rabbitmq(rabbitmq_project: Project) -> None:
    rabbitmq_project.conf["gossip_broker_url"] = brokers.require(brokers.REDIS_URL)
    with rabbitmq_project.worker("--without-mingle") as worker:
        task_id = rabbitmq_project.send("nap", 60, queue="b")
        eventually(partial(assert_heard_running, rabbitmq_project, worker, task_id))
        rabbitmq_project.conf["gossip_broker_url"] = None
        assert rabbitmq_project.gossip("status", "--wait", "1").returncode == 3


def assert_heard_running(project: Project, worker: Worker, task_id: str) -> None:
    (told,) = project.status()["workers"]
    ids = {check["queue"]: check["active"] for check in told["checks"]}
    assert (told["hostname"], ids) == (worker.node, {project.queues[0]: [], project.queues[1]: [task_id]})


def assert_works(project: Project, worker: Worker) -> None:
    project.send("shout", "the task has run")
    eventually(partial(assert_written, worker, "the task has run"))


def assert_written(worker: Worker, text: str) -> None:
    assert text in worker.output


@pytest.mark.redis
@pytest.mark.parametrize(
    "enable", [by_install, by_hand, by_configuration_alone, by_configuration_in_a_namespace, by_all_ways_at_once]
)
def test_each_way_to_enable_gossip_has_the_flags(redis_project: Project, enable: Any, tmp_path: Path) -> None:
    enable(redis_project)
    health = tmp_path / "health"
    flags = ("--gossip-interval", "0.3", "--gossip-health-file", str(health))
    with redis_project.worker("--without-mingle", *flags, pool="solo") as worker:
        (told,) = redis_project.status("--wait", "1")["workers"]
        assert told["interval"] == 0.3
        assert health.exists()
        (line,) = [line for line in worker.output.splitlines() if "celery-gossip: reporting to" in line]
        expected = f"exchange '{redis_project.prefix}_gossip' of {redis_project.broker_url.rpartition('/')[0]}"
        assert "INFO" in line and expected in line and "every 0.3 s" in line


@pytest.mark.redis
@pytest.mark.parametrize(("enable", "is_offered"), [(by_hand, True), (by_leaving_it_out, False)])
def test_the_help_lists_the_flags_where_they_are_accepted(
    redis_project: Project, enable: Any, is_offered: bool
) -> None:
    enable(redis_project)
    done = redis_project.celery("worker", "--help")
    assert done.stdout.count("--gossip-interval") == (1 if is_offered else 0)


@pytest.mark.redis
@pytest.mark.parametrize(
    ("missing", "is_off"), [("celery.bootsteps:CLOSE", False), ("celery.worker.state:active_requests", True)]
)
def test_on_a_celery_without_an_undocumented_name_the_worker_runs(
    redis_project: Project, missing: str, is_off: bool
) -> None:
    redis_project.install = None
    redis_project.module = "tests.support.without_name"
    redis_project.extra_environment = {"GOSSIP_TEST_MISSING": missing}
    with redis_project.worker("--without-mingle", pool="threads") as worker:
        assert_works(redis_project, worker)
        lines = [line for line in worker.output.splitlines() if "celery-gossip: off" in line]
        assert len(lines) == is_off and all(missing in line for line in lines)
        assert redis_project.gossip("status", "--wait", "1").returncode == (3 if is_off else 0)
        assert worker.stop() == 0
        assert "Traceback" not in worker.output
