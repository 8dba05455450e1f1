"""`celery gossip web` with real workers, requested as by a script."""

import json
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from tests.support import brokers, eventually
from tests.support.workers import QUIET, Project
from tests.web.web_command import PASSWORD, USER, RunningDashboard, password_file, running_dashboard

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]


def get_json(dashboard: RunningDashboard, path: str) -> Any:
    return httpx.get(dashboard.url + path, timeout=5).json()


def test_a_real_worker_appears_in_every_part_of_the_api(redis_project: Project) -> None:
    project = redis_project
    with project.worker(*QUIET, pool="threads", concurrency=2) as worker, running_dashboard(project) as dashboard:
        for _ in range(3):
            project.send("nap", 30.0)

        def is_reported() -> None:
            rows = get_json(dashboard, "api/workers")["workers"]
            assert [(row["hostname"], row["state"], row["active"]) for row in rows] == [(worker.node, "online", 2)]

        def is_everywhere() -> None:
            """Each request reads another snapshot."""
            queue = get_json(dashboard, f"api/queues/0/{project.queues[0]}")
            assert (queue["queue"]["active"], len(queue["runs"]), queue["checks"][0]["hostname"]) == (2, 2, worker.node)
            assert [row["name"] for row in get_json(dashboard, "api/tasks")["tasks"]] == ["tests.support.project.nap"]

        eventually(is_reported, 15)
        eventually(is_everywhere, 15)
        assert httpx.get(f"{dashboard.url}healthz").text == "ok\n"
        assert "celery_worker_up" in httpx.get(f"{dashboard.url}metrics").text
        assert dashboard.stop() == (0, "")
        worker.kill()


def test_a_change_reaches_a_viewer_within_two_seconds(redis_project: Project) -> None:
    project = redis_project
    topics = "api/events?topic=queues"
    with project.worker(*QUIET, pool="threads") as worker, running_dashboard(project) as dashboard:
        with httpx.stream("GET", dashboard.url + topics, timeout=10) as stream:
            lines = stream.iter_lines()
            await_queue(lines, lambda row: row.get("workers") == 1)
            project.send("nap", 30.0)
            sent_at = time.monotonic()
            await_queue(lines, lambda row: row.get("active") == 1)
            took = time.monotonic() - sent_at
        assert took < 5, "too slow even for a busy machine"  # 1.5 s at most on a quiet one
        worker.kill()


def await_queue(lines: Any, condition: Callable[[dict[str, Any]], bool]) -> None:
    """Read until the row of a queue satisfies the condition."""
    for line in lines:
        if line.startswith("data: "):
            topic = json.loads(line[6:]).get("topics", {}).get("queues", {"tables": {}})
            rows = topic["tables"].get("queues", {"set": {}})["set"].values()
            if any(map(condition, rows)):
                return
    raise AssertionError("the stream has ended")


def test_a_pause_is_confirmed_by_the_next_report(redis_project: Project, tmp_path: Path) -> None:
    project = redis_project
    flags = ("--allow-control", "--auth", f"basic:{password_file(tmp_path)}")
    with (
        project.worker(*QUIET, pool="threads") as worker,
        running_dashboard(project, *flags) as dashboard,
        httpx.Client(base_url=dashboard.url, auth=(USER, PASSWORD), timeout=10) as client,
    ):
        eventually(partial(assert_paused, client, project.queues[0], "no"), 15)
        csrf = client.get("api/config").json()["csrf"]
        for act, state in (("pause", "yes"), ("resume", "no")):
            body = {"act": act, "source": "0", "queue": project.queues[0]}
            response = client.post("api/control", json=body, headers={"X-Gossip-CSRF": csrf})
            assert (response.status_code, response.json()["asked"]) == (202, [worker.node])
            assert project.queues[0] in response.json()["answers"][worker.node]
            eventually(partial(assert_paused, client, project.queues[0], state), 10)
        body = {"act": "grow", "source": "0", "hostname": worker.node, "n": 1}
        refused = client.post("api/control", json=body, headers={"X-Gossip-CSRF": csrf})
        assert (refused.status_code, "its pool, threads, has a fixed size" in refused.text) == (409, True)
        assert "ann requests pause" in dashboard.stop()[1]


def assert_paused(client: httpx.Client, queue: str, state: str) -> None:
    rows = client.get("api/queues").json()["queues"]
    assert [row["paused"] for row in rows if row["name"] == queue] == [state]


def test_health_fails_while_the_broker_is_down(private_redis: brokers.PrivateBroker) -> None:
    project = Project(private_redis.url)
    with running_dashboard(project) as dashboard:
        eventually(partial(assert_health, dashboard, 200), 15)
        private_redis.kill()
        eventually(partial(assert_health, dashboard, 503), 15)
        eventually(partial(assert_has_error, dashboard), 15)
        private_redis.start()
        eventually(partial(assert_health, dashboard, 200), 15)


def assert_has_error(dashboard: RunningDashboard) -> None:
    assert get_json(dashboard, "api/overview")["sources"][0]["error"]


def assert_health(dashboard: RunningDashboard, status: int) -> None:
    assert httpx.get(f"{dashboard.url}healthz").status_code == status


def test_several_brokers_are_watched_by_one_process(
    redis_project: Project, private_redis: brokers.PrivateBroker
) -> None:
    far = Project(private_redis.url, gossip_exchange=redis_project.conf["gossip_exchange"])
    with redis_project.worker(*QUIET, pool="solo") as near_worker, far.worker(*QUIET, pool="solo") as far_worker:
        with running_dashboard(redis_project, "--broker", private_redis.url) as dashboard:

            def are_reported() -> None:
                rows = get_json(dashboard, "api/workers")["workers"]
                assert {(row["source"], row["hostname"]) for row in rows} == {
                    ("0", near_worker.node),
                    ("1", far_worker.node),
                }

            def are_counted() -> None:
                totals = {row["source"]: row["states"] for row in get_json(dashboard, "api/overview")["totals"]}
                assert totals == {"": {"online": 2}, "0": {"online": 1}, "1": {"online": 1}}

            eventually(are_reported, 15)
            eventually(are_counted, 15)


def test_an_invalid_option_ends_the_command_with_one_line(redis_project: Project) -> None:
    flags = ("--broker", "nosuch://ann:s3cret@h")
    done = redis_project.celery("gossip", "web", "--port", "0", *flags, timeout=60)
    why = "--broker: expected the URL of a broker that can be used, got 'nosuch:"
    assert done.returncode != 0 and why in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and "s3" not in done.stderr and len(done.stderr.splitlines()) <= 4


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--bind", "0.0.0.0"), "--bind: expected a loopback address where there is no auth, got '0.0.0.0'"),
        (("--allow-control",), "--allow-control: expected auth with it"),
        (("--allow-control=pause,shutdwn",), "got 'shutdwn': did you mean 'shutdown'?"),
        (("--control-users", "/no/such/file"), "--control-users: cannot read '/no/such/file'"),
        (("--auth", "magic"), "--auth: expected basic:FILE"),
        (("--auth", "basic:/no/such/file"), "--auth: cannot read '/no/such/file'"),
        (("--prefix", "ops"), "--prefix: expected a path like '/ops/gossip', got 'ops'"),
        (("--allow-host", "a b"), "--allow-host: expected a host's name"),
        (("--app", "no.such.module"), "--app: expected a Celery app"),
        (("--broker", "sqs://"), "--broker: expected the URL of a broker that can be used, got 'sqs://': "),
        (
            ("--broker", "nosuch://ann:s3cret@h"),
            "--broker: expected the URL of a broker that can be used, got 'nosuch:",
        ),
        (("--broker", "redis://ann:s3/cret@h"), "--broker: expected the URL of a broker that can be used, got 'redis:"),
        (("--broker", "host"), "--broker: expected a URL like 'redis://localhost:6379/0', got 'host'"),
        (("--app", ""), "--app: expected a Celery app"),
        (("--bind", "192.0.2.1", "--auth", "header:X-User@127.0.0.1"), "cannot serve on 192.0.2.1:"),
    ],
)
def test_an_invalid_option_is_reported_in_one_line(redis_project: Project, flags: tuple[str, ...], why: str) -> None:
    done = redis_project.gossip("web", "--port", "0", *flags)
    assert done.returncode != 0 and why in done.stderr, done.stderr
    assert "s3" not in done.stderr and len(done.stderr.splitlines()) <= 4


@pytest.mark.parametrize("way", ["file", "environment"])
def test_a_broker_from_a_file_or_the_environment_is_watched_without_showing_its_password(
    redis_project: Project, private_redis: brokers.PrivateBroker, tmp_path: Path, way: str
) -> None:
    with redis.Redis.from_url(private_redis.url) as client:
        client.execute_command("ACL", "SETUSER", "ann", "on", ">s3cret", "allkeys", "allchannels", "+@all")
    url, file = private_redis.url.replace("://", "://ann:s3cret@"), tmp_path / "brokers"
    file.write_text(f"# far\n{url}\n")
    file.chmod(0o600)
    if way == "environment":
        redis_project.extra_environment["GOSSIP_WEB_BROKERS"] = url
    with running_dashboard(redis_project, *(("--broker-file", str(file)) if way == "file" else ())) as dashboard:

        def is_connected() -> None:
            far = get_json(dashboard, "api/overview")["sources"][1]
            assert not far["error"] and "s3cret" not in str(far), far

        eventually(is_connected, 15)
        assert "s3cret" not in Path(f"/proc/{dashboard.process.pid}/cmdline").read_text()


def test_a_project_with_a_django_namespace_is_watched_on_another_broker(
    redis_project: Project, private_redis: brokers.PrivateBroker
) -> None:
    far = Project(private_redis.url, gossip_exchange=redis_project.conf["gossip_exchange"])
    redis_project.module = "tests.support.django_like"
    with (
        far.worker(*QUIET, pool="solo") as worker,
        running_dashboard(redis_project, "--broker", private_redis.url) as dashboard,
    ):

        def is_reported() -> None:
            rows = get_json(dashboard, "api/workers")["workers"]
            assert [(row["source"], row["hostname"]) for row in rows] == [("1", worker.node)]

        eventually(is_reported, 15)


def test_behind_a_proxy_it_is_served_under_a_prefix_with_or_without_stripping(
    redis_project: Project,
) -> None:
    flags = ("--prefix", "/ops/gossip", "--allow-host", "ops.example.com")
    with running_dashboard(redis_project, *flags) as dashboard:
        assert dashboard.url.endswith("/ops/gossip/")
        root = dashboard.url.removesuffix("/ops/gossip/")
        host = {"Host": "ops.example.com"}
        for path in ("/ops/gossip/", "/ops/gossip/queues", "/", "/queues"):
            page = httpx.get(root + path, headers=host)
            assert (page.status_code, '<base href="/ops/gossip/">' in page.text) == (200, True)
        assert httpx.get(f"{root}/ops/gossip", headers=host).headers["location"].endswith("/ops/gossip/")
        assert httpx.get(f"{root}/ops/gossip/api/config", headers=host).json()["version"]
        (main,) = re.findall(r'src="(static/\w+/main\.js)"', page.text)
        assert httpx.get(f"{root}/ops/gossip/{main}", headers=host).status_code == 200
        assert httpx.get(f"{root}/", headers={"Host": "evil.example.com"}).status_code == 421
