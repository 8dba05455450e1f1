"""`celery gossip web` beside real workers, asked as a script would ask it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import brokers, eventually
from tests.support.workers import QUIET, REPOSITORY, Project
from tests.web.serving import PASSWORD, USER, Serving, password_file, serving

pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]


def ask(dashboard: Serving, path: str) -> Any:
    return httpx.get(dashboard.url + path, timeout=5).json()


def test_a_real_worker_is_in_every_part_of_it(redis_project: Project) -> None:
    project = redis_project
    with project.worker(*QUIET, pool="threads", concurrency=2) as worker, serving(project) as dashboard:
        for _ in range(3):
            project.send("nap", 30.0)

        def is_told() -> None:
            rows = ask(dashboard, "api/workers")["workers"]
            assert [(row["hostname"], row["state"], row["active"]) for row in rows] == [(worker.node, "online", 2)]

        eventually(is_told, 15)
        queue = ask(dashboard, f"api/queues/0/{project.queues[0]}")
        assert (queue["queue"]["active"], len(queue["runs"]), queue["checks"][0]["hostname"]) == (2, 2, worker.node)
        assert ask(dashboard, "api/tasks")["tasks"][0]["name"] == "tests.support.project.nap"
        assert httpx.get(f"{dashboard.url}healthz").text == "ok\n"
        assert "celery_worker_up" in httpx.get(f"{dashboard.url}metrics").text
        assert dashboard.stop() == (0, "")
        worker.kill()


def test_a_change_reaches_a_viewer_within_two_seconds(redis_project: Project) -> None:
    project = redis_project
    topics = "api/events?topic=queues"
    with project.worker(*QUIET, pool="threads") as worker, serving(project) as dashboard:
        with httpx.stream("GET", dashboard.url + topics, timeout=10) as stream:
            lines = stream.iter_lines()
            await_queue(lines, lambda row: row.get("workers") == 1)
            project.send("nap", 30.0)
            sent_at = time.monotonic()
            await_queue(lines, lambda row: row.get("active") == 1)
            took = time.monotonic() - sent_at
        assert took < 5, "the machine may be slow, but not so slow"  # 1.5 s at most on a quiet one
        worker.kill()


def await_queue(lines: Any, is_so: Callable[[dict[str, Any]], bool]) -> None:
    """Read on until a row of some queue is so."""
    for line in lines:
        if line.startswith("data: "):
            topic = json.loads(line[6:]).get("topics", {}).get("queues", {"tables": {}})
            rows = topic["tables"].get("queues", {"set": {}})["set"].values()
            if any(map(is_so, rows)):
                return
    raise AssertionError("the stream has ended")


def test_a_pause_is_asked_for_and_seen_in_the_next_gossip(redis_project: Project, tmp_path: Path) -> None:
    project = redis_project
    flags = ("--allow-control", "--auth", f"basic:{password_file(tmp_path)}")
    with (
        project.worker(*QUIET, pool="threads") as worker,
        serving(project, *flags) as dashboard,
        httpx.Client(base_url=dashboard.url, auth=(USER, PASSWORD), timeout=10) as client,
    ):
        eventually(partial(assert_paused, client, project.queues[0], "no"), 15)
        csrf = client.get("api/config").json()["csrf"]
        for act, state in (("pause", "yes"), ("resume", "no")):
            body = {"act": act, "source": "0", "queue": project.queues[0]}
            answer = client.post("api/control", json=body, headers={"X-Gossip-CSRF": csrf})
            assert (answer.status_code, answer.json()["asked"]) == (202, [worker.node])
            assert project.queues[0] in answer.json()["answers"][worker.node]
            eventually(partial(assert_paused, client, project.queues[0], state), 10)
        body = {"act": "grow", "source": "0", "hostname": worker.node, "n": 1}
        assert client.post("api/control", json=body, headers={"X-Gossip-CSRF": csrf}).status_code == 202
        assert "ann asks pause" in dashboard.stop()[1]


def assert_paused(client: httpx.Client, queue: str, state: str) -> None:
    rows = client.get("api/queues").json()["queues"]
    assert [row["paused"] for row in rows if row["name"] == queue] == [state]


def test_health_is_red_while_the_broker_is_gone_and_green_when_it_is_back(private_redis: brokers.PrivateBroker) -> None:
    project = Project(private_redis.url)
    with serving(project) as dashboard:
        eventually(partial(assert_health, dashboard, 200), 15)
        private_redis.kill()
        eventually(partial(assert_health, dashboard, 503), 15)
        assert ask(dashboard, "api/overview")["sources"][0]["error"]
        private_redis.start()
        eventually(partial(assert_health, dashboard, 200), 15)


def assert_health(dashboard: Serving, status: int) -> None:
    assert httpx.get(f"{dashboard.url}healthz").status_code == status


def test_several_brokers_are_watched_by_one_process(
    redis_project: Project, private_redis: brokers.PrivateBroker
) -> None:
    far = Project(private_redis.url, gossip_exchange=redis_project.conf["gossip_exchange"])
    with redis_project.worker(*QUIET, pool="solo") as near_worker, far.worker(*QUIET, pool="solo") as far_worker:
        with serving(redis_project, "--broker", private_redis.url) as dashboard:

            def are_told() -> None:
                rows = ask(dashboard, "api/workers")["workers"]
                assert {(row["source"], row["hostname"]) for row in rows} == {
                    ("0", near_worker.node),
                    ("1", far_worker.node),
                }

            eventually(are_told, 15)
            totals = {row["source"]: row["states"] for row in ask(dashboard, "api/overview")["totals"]}
            assert totals == {"": {"online": 2}, "0": {"online": 1}, "1": {"online": 1}}


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--bind", "0.0.0.0"), "bind: expected a loopback address where there is no auth, got '0.0.0.0'"),
        (("--allow-control",), "allow_control: expected auth with it"),
        (("--auth", "magic"), "auth: expected basic:FILE"),
        (("--auth", "basic:/no/such/file"), "auth: cannot read '/no/such/file'"),
        (("--prefix", "ops"), "prefix: expected a path like '/ops/gossip', got 'ops'"),
        (("--allow-host", "a b"), "hosts: expected a host's name"),
        (("--app", "no.such.module"), "--app: expected a Celery app"),
        (("--bind", "192.0.2.1", "--auth", "header:X-User@127.0.0.1"), "cannot serve on 192.0.2.1:"),
    ],
)
def test_what_it_cannot_do_is_one_line(redis_project: Project, flags: tuple[str, ...], why: str) -> None:
    command = [sys.executable, "-m", "celery", "-A", redis_project.module, "gossip", "web", "--port", "0", *flags]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=redis_project.environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0 and why in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_behind_a_proxy_it_is_served_under_a_prefix_whether_or_not_the_proxy_takes_it_off(
    redis_project: Project,
) -> None:
    flags = ("--prefix", "/ops/gossip", "--allow-host", "ops.example.com")
    with serving(redis_project, *flags) as dashboard:
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
