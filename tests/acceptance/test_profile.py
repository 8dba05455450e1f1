"""What real workers report of their process, configuration and tasks, and what is known of one that was killed."""

import time
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest

from celery_gossip import Listener
from celery_gossip.cluster.view import WorkerView
from celery_gossip.wire.messages import decode
from tests.acceptance.test_privacy import wire_of
from tests.support import eventually
from tests.support.workers import QUIET, Project
from tests.web.web_command import running_dashboard

SECRET = "pa55W0RD"


def described(listener: Listener, node: str) -> WorkerView:
    """Return the view of a worker with its profile and the names of its tasks."""
    worker = listener.view().worker(node)
    assert worker is not None and worker.pid is not None and worker.configuration, worker
    assert listener.cluster.task_names(node)
    return worker


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_worker_reports_its_process_its_configuration_and_its_tasks(project: Project, pool: str) -> None:
    project.conf |= {
        "timezone": "Europe/Berlin",
        "task_send_sent_event": True,
        "task_default_rate_limit": "50/s",
        "shop_password": SECRET,
        "result_backend": f"redis://:{SECRET}@127.0.0.1:1/0",
    }
    flags = ("--autoscale", "3,1") if pool == "prefork" else ()
    with (
        wire_of(project) as wire,
        project.app() as app,
        Listener(app) as listener,
        project.worker(*QUIET, *flags, pool=pool) as worker,
    ):
        found = eventually(partial(described, listener, worker.node), 60)
        process = psutil.Process(worker.process.pid)
        assert found.pid == worker.process.pid
        assert found.started_at is not None
        uptime = time.monotonic() - found.started_at
        assert uptime == pytest.approx(time.time() - process.create_time(), abs=3.0)
        settings = {one.name: one.value for one in found.configuration}
        expected = {"timezone": "Europe/Berlin", "task_send_sent_event": True, "task_default_rate_limit": "50/s"}
        assert settings.items() >= {**expected, "result backend": "redis"}.items()
        assert settings["broker transport"] == project.broker_url.partition(":")[0]
        assert settings.get("autoscale") == ("3,1" if pool == "prefork" else None)
        names = listener.cluster.task_names(worker.node)
        assert "tests.support.project.nap" in names and found.software is not None
        assert len(names) == found.software.tasks and list(names) == sorted(names)
        bodies = wire.bodies
        assert SECRET.encode() not in b"".join(bodies)
        profiles = [body for body in bodies if b'"profile":' in body]
        assert profiles and all(decode(body).profile for body in profiles)


def detail_of(url: str, node: str) -> dict[str, Any]:
    response = httpx.get(f"{url}api/workers/0/{quote(node)}", timeout=30)
    assert response.status_code == 200, response.text  # 404 until its first report
    detail: dict[str, Any] = response.json()
    return detail


def assert_ended(url: str, node: str) -> dict[str, Any]:
    detail = detail_of(url, node)
    assert detail["worker"]["state"] == "lost", detail["worker"]["state"]
    return detail


def test_of_a_killed_worker_the_dashboard_knows_what_it_ran_and_its_last_minute(redis_project: Project) -> None:
    project = redis_project
    with running_dashboard(project) as dashboard, project.worker(*QUIET, pool="prefork", concurrency=2) as worker:
        task_id = project.send("nap", 600.0)

        def runs() -> None:
            detail = detail_of(dashboard.url, worker.node)
            assert [run["id"] for run in detail["runs"]] == [task_id]
            assert detail["worker"]["pid"] == worker.process.pid and detail["ending"] is None

        eventually(runs, 40)
        worker.kill()
        detail = eventually(partial(assert_ended, dashboard.url, worker.node), 120)
        assert (detail["ending"]["state"], detail["ending"]["active"]) == ("lost", 1)
        (task,) = detail["last_tasks"]
        assert (task["id"], task["name"]) == (task_id, "tests.support.project.nap")
        assert detail["last_reports"][-1]["active"] == 1 and detail["runs"] == []
        assert detail["worker"]["configuration"] and detail["worker"]["task_names"]


def test_status_shows_a_worker_and_its_paused_queues(redis_project: Project) -> None:
    project = redis_project
    with running_dashboard(project) as dashboard, project.worker(*QUIET, pool="threads") as worker:
        queue = project.queues[0]
        project.control("cancel_consumer", worker.node, queue=queue)

        def shown() -> None:
            done = project.gossip("status", "--server", dashboard.url, "--worker", worker.node)
            assert f"  PID               {worker.process.pid}" in done.stdout, done.stdout + done.stderr
            assert f"  paused queues     {queue}" in done.stdout and "tests.support.project.nap" in done.stdout

        eventually(shown, 60, every=0.5)
