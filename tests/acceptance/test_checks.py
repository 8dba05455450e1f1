"""`celery gossip status` as a monitoring check, beside real workers and a real dashboard."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.support import brokers, eventually
from tests.support.commands import commanded
from tests.support.workers import QUIET, REPOSITORY, Project
from tests.web.web_command import PASSWORD, USER, RunningDashboard, password_file, running_dashboard


def check(project: Project, *options: str) -> tuple[int, str]:
    """Return the exit code, and the first line without performance data."""
    return checked(project.gossip("status", "--check", *options))


def checked(done: "subprocess.CompletedProcess[str]") -> tuple[int, str]:
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.partition(" | ")[0]


def assert_check(project: Project, options: tuple[str, ...], code: int, text: str) -> None:
    found, line = check(project, *options)
    assert found == code and text in line, (found, line)


def test_expected_workers_are_met_or_not(project: Project) -> None:
    with project.worker(*QUIET, pool="threads") as worker:
        options = ("--expect-workers", "1", "--expect-worker", worker.node)
        code, line = checked(project.celery("gossip", "status", "--check", *options, "--max-backlog", "5"))
        assert (code, line) == (0, "GOSSIP OK: 1 worker, 2 queues, no problems detected")
        code, line = check(project, *options, "--expect-workers", "2", "--expect-worker", f"w2@{project.prefix}")
        assert code == 2
        assert line == (f"GOSSIP CRITICAL: 1 worker reports, fewer than 2; w2@{project.prefix} has not reported")
        assert check(project, "--expect-workers", "2,1")[0] == 1


def test_a_backlog_above_its_limit_is_critical_for_the_queues_that_are_named(project: Project) -> None:
    queue, other = project.queues
    with project.worker(*QUIET, "-Q", queue, "--prefetch-multiplier", "1", pool="threads", concurrency=1):
        for _ in range(6):
            project.send("nap", 60.0)
        # One runs, one is reserved.
        limits = ("--max-backlog", "1,3", "--queue")
        eventually(
            partial(assert_check, project, (*limits, queue), 2, f"4 messages wait in queue '{queue}', more than 3"),
            timeout=40,
        )
        assert_check(project, ("--max-backlog", "4", "--queue", queue), 0, "GOSSIP OK: ")
        assert_check(project, ("--max-backlog", "3,9", "--queue", queue), 1, "GOSSIP WARNING: ")
        # Redis has no list without messages, but RabbitMQ knows which queues exist, and this one is not declared.
        is_known = project.broker_url.startswith("redis")
        expected = (0, "GOSSIP OK: ") if is_known else (3, f"the backlog of queue '{other}' is unknown")
        assert_check(project, (*limits, other), *expected)


@pytest.mark.redis
def test_a_failure_rate_above_its_limit_is_critical_and_one_without_tasks_unknown(redis_project: Project) -> None:
    project = redis_project
    queue = project.queues[0]
    with project.worker(*QUIET, pool="threads"), running_dashboard(project) as dashboard:
        options = ("--server", dashboard.url, "--queue", queue)
        assert_check(project, (*options, "--max-failure-rate", "5%"), 3, "it counts as idle")
        for _ in range(4):
            project.send("nap", 0.01)  # by an app without install()
        eventually(partial(assert_check, project, (*options, "--max-failure-rate", "5%"), 0, "GOSSIP OK: "), 30)
        assert_check(project, (*options, "--max-wait", "10"), 3, "none that started carries the time of its sending")
        sent = project.celery("call", "tests.support.project.nap", "--args", "[0.01]", "--queue", queue)
        assert sent.returncode == 0, sent.stderr
        eventually(partial(assert_check, project, (*options, "--max-wait", "10"), 0, "GOSSIP OK: "), 30)
        assert_check(project, (*options, "--max-wait", "0"), 2, f"tasks of queue '{queue}' waited ")
        project.send("no_such_task")
        eventually(
            partial(assert_check, project, (*options, "--max-failure-rate", "0.05"), 2, "16.7% of the tasks of queue"),
            30,
        )
        assert dashboard.stop()[0] == 0


@pytest.mark.redis
def test_a_dashboard_knows_a_worker_that_died_before_the_command_ran(redis_project: Project) -> None:
    project = redis_project
    with (
        project.worker(*QUIET, pool="threads") as worker,
        project.worker(*QUIET, pool="solo", name="w2") as other,
        running_dashboard(project) as dashboard,
    ):
        expected = ("--expect-worker", worker.node, "--expect-worker", other.node)
        eventually(partial(assert_check, project, ("--server", dashboard.url, *expected), 0, "GOSSIP OK: "), 30)
        other.kill()
        eventually(
            partial(assert_check, project, ("--server", dashboard.url, *expected), 2, f"{other.node} is lost"), 40
        )
        # The dashboard may have taken its snapshot between the state and its finding; the next one has both.
        lost = partial(
            assert_check, project, ("--server", dashboard.url), 1, f"GOSSIP WARNING: worker_lost {other.node}"
        )
        eventually(lost, 5)
        assert check(project)[0] == 0, "a listener of the command's own has never seen that worker"
        done = project.gossip("status", "--server", dashboard.url)
        (row,) = [line.split() for line in done.stdout.splitlines() if line.startswith(other.node)]
        assert row[1] == "lost" and float(row[2].rstrip("s")) > 3


@pytest.mark.redis
def test_a_dashboard_whose_broker_is_down_is_unknown_and_so_is_one_that_is_gone(
    private_redis: brokers.PrivateBroker,
) -> None:
    project = Project(private_redis.url)
    with project.worker(*QUIET, pool="threads"), running_dashboard(project) as dashboard:
        options = ("--server", dashboard.url, "--expect-workers", "1", "--max-backlog", "5")
        eventually(partial(assert_check, project, options, 0, "GOSSIP OK: "), 30)
        private_redis.kill()
        eventually(partial(assert_check, project, options, 3, "GOSSIP UNKNOWN: the dashboard"), 30)
        dashboard.stop()
        assert_check(project, options, 3, f"GOSSIP UNKNOWN: {dashboard.url}: cannot connect: ")


@pytest.mark.parametrize("url", ["redis://:geheim@127.0.0.1:{port}/0", "amqp://guest:geheim@127.0.0.1:{port}//"])
def test_a_broker_that_is_down_is_unknown_whatever_is_expected(url: str) -> None:
    project = Project(url.format(port=brokers.free_port()))
    code, line = check(project, "--expect-workers", "3", "--expect-worker", "web1", "--max-backlog", "5")
    assert code == 3 and line.startswith("GOSSIP UNKNOWN: cannot reach the broker ") and "geheim" not in line


def with_basic(folder: Path) -> tuple[str, tuple[str, ...], dict[str, str]]:
    file = str(password_file(folder))
    return f"basic:{file}", ("--server-auth", f"basic:{file}"), {"GOSSIP_SERVER_LOGIN": f"{USER}:{PASSWORD}"}


def with_bearer(folder: Path) -> tuple[str, tuple[str, ...], dict[str, str]]:
    file = folder / "tokens"
    file.write_text("a-token-of-ours\n")
    file.chmod(0o600)
    return f"bearer:{file}", ("--server-auth", f"bearer:{file}"), {"GOSSIP_SERVER_TOKEN": "a-token-of-ours"}


@pytest.mark.redis
@pytest.mark.parametrize("credentials", [with_basic, with_bearer])
def test_a_dashboard_with_authentication_is_asked_with_a_file_or_with_the_environment(
    shared_project: Project, tmp_path: Path, credentials: Callable[[Path], tuple[str, tuple[str, ...], dict[str, str]]]
) -> None:
    project = shared_project
    kind, options, environment = credentials(tmp_path)
    with running_dashboard(project, "--auth", kind) as dashboard:
        eventually(partial(assert_check, project, ("--server", dashboard.url, *options), 0, "GOSSIP OK: "), 30)
        assert_check(project, ("--server", dashboard.url), 3, "401: credentials are required: see --server-auth")
        project.extra_environment.update(environment)
        assert_check(project, ("--server", dashboard.url), 0, "GOSSIP OK: ")
        project.extra_environment.update(dict.fromkeys(environment, "wrong:credentials"))
        assert_check(project, ("--server", dashboard.url), 3, "401: the credentials are refused")


@pytest.mark.redis
def test_rows_of_several_brokers_are_labelled_by_their_address(
    redis_project: Project, private_redis: brokers.PrivateBroker
) -> None:
    far = Project(private_redis.url, gossip_exchange=redis_project.conf["gossip_exchange"])
    with (
        redis_project.worker(*QUIET, pool="solo") as near_worker,
        far.worker(*QUIET, pool="solo") as far_worker,
        running_dashboard(redis_project, "--broker", private_redis.url) as dashboard,
    ):
        nodes = ("--expect-workers", "2", "--expect-worker", near_worker.node, "--expect-worker", far_worker.node)
        options = ("--server", dashboard.url, *nodes)
        eventually(partial(assert_check, redis_project, options, 0, "GOSSIP OK: 2 workers"), 30)
        done = redis_project.gossip("status", *options)
        rows = [line.split() for line in done.stdout.splitlines() if line.startswith("redis://")]
        near, there = redis_project.broker_url, private_redis.url
        assert {(row[0], row[1]) for row in rows} >= {(near, near_worker.node), (there, far_worker.node)}


@pytest.mark.redis
def test_sigterm_ends_a_check_with_3_and_leaves_nothing_on_the_broker(redis_project: Project) -> None:
    project = redis_project
    with project.worker(*QUIET, pool="solo"), commanded(project, "status", "--check", "--wait", "60") as status:
        eventually(partial(assert_listens, project, True), 15)
        status.send_signal(signal.SIGTERM)
        output, errors = status.communicate(timeout=15)
        assert (status.returncode, output, errors) == (3, "GOSSIP UNKNOWN: interrupted\n", "")
        assert_listens(project, False)


def assert_listens(project: Project, is_so: bool) -> None:
    with project.app() as app, app.connection_for_write() as connection:
        client = connection.default_channel.client
        members = client.smembers(f"_kombu.binding.{project.conf['gossip_exchange']}")
    assert bool(members) is is_so


@pytest.mark.redis
def test_json_has_the_outcome_of_every_check(shared_project: Project) -> None:
    done = shared_project.gossip("status", "--json", "--expect-workers", "2", "--max-backlog", "5")
    outcome = json.loads(done.stdout)["check"]
    assert (done.returncode, outcome["state"], outcome["exit_code"]) == (2, "critical", 2)
    assert {(one["check"], one["state"]) for one in outcome["results"]} == {
        ("expect-workers", "critical"),
        ("max-backlog", "ok"),
    }


@pytest.mark.redis
def test_a_dashboard_can_be_asked_without_an_app_and_without_the_extra_that_serves_one(
    shared_project: Project,
) -> None:
    with running_dashboard(shared_project) as dashboard:
        eventually(partial(assert_asked_alone, dashboard), 30)


def assert_asked_alone(dashboard: RunningDashboard) -> None:
    code = (
        "import sys; sys.modules.update(starlette=None, uvicorn=None); sys.argv[0] = 'celery'; "
        "from celery.bin.celery import main; main()"
    )
    arguments = [sys.executable, "-c", code, "gossip", "status", "--check", "--server", dashboard.url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CELERY_")}
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=30, check=False, cwd=REPOSITORY
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout.startswith("GOSSIP OK: 1 worker")
