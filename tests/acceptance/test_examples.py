"""The examples for Django and FastAPI run as their README says, with a real worker and a real server."""

import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import eventually
from tests.support.brokers import PrivateBroker, free_port
from tests.support.walkthrough import Walkthrough
from tests.support.workers import REPOSITORY

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240)]

EXAMPLES = REPOSITORY / "examples"
READY = r" ready\."
SERVING = "Uvicorn running on"
ENDED = (0, -signal.SIGTERM)  #: uvicorn raises the signal again when it has shut down


def copied(name: str, folder: Path, broker_url: str) -> Walkthrough:
    """Return the README of this example, followed in a copy of it."""
    target = folder / name
    shutil.copytree(EXAMPLES / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3"))
    return Walkthrough(target / "README.md", target, broker_url)


def rows(client: httpx.Client, kind: str) -> list[dict[str, Any]]:
    """Return the rows of a table of the mounted dashboard."""
    response = client.get(f"/gossip/api/{kind}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()[kind]
    return found


def only_row(client: httpx.Client, kind: str) -> dict[str, Any]:
    """Return the row of a table that has one; an AssertionError otherwise."""
    found = rows(client, kind)
    assert len(found) == 1, found
    return found[0]


def assert_counted(client: httpx.Client, task: str) -> None:
    """Check that the dashboard has one worker, and one run of this task with its waiting time."""
    worker = only_row(client, "workers")
    assert worker["state"] == "online" and worker["queues"] == ["celery"]
    counted = only_row(client, "tasks")
    assert (counted["name"], counted["succeeded"], counted["failed"]) == (task, 1, 0)
    assert counted["wait"]["p50"] is not None


def hold_event_stream(client: httpx.Client) -> threading.Thread:
    """Keep an event stream open, as a browser does; return when its first event is there."""
    is_open = threading.Event()

    def read() -> None:
        try:
            with client.stream("GET", "/gossip/api/events?topic=fleet", timeout=60) as response:
                for line in response.iter_lines():
                    if line.startswith("event: tables"):
                        is_open.set()
        except httpx.HTTPError:  # the server ended
            pass

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    assert is_open.wait(30)
    return thread


def test_the_django_example(private_redis: PrivateBroker, tmp_path: Path) -> None:
    guide = copied("django", tmp_path, private_redis.url)
    assert guide.run("python manage.py migrate").returncode == 0
    user = ("--noinput", "--username", "ann", "--email", "ann@example.com")
    assert guide.run("python manage.py createsuperuser", *user).returncode == 0
    uvicorn = "uvicorn shop.asgi:application --port 8000 --timeout-graceful-shutdown 5"
    port = free_port()
    with (
        guide.running("celery -A shop worker -l INFO", until=READY),
        guide.running(uvicorn, "--port", str(port), until=SERVING) as server,
        httpx.Client(base_url=f"http://localhost:{port}", timeout=30) as client,
    ):
        assert client.get("/gossip/").status_code == 403
        assert client.get("/gossip/api/workers", headers={"Cookie": "sessionid=" + "x" * 32}).status_code == 403
        log_in(client)
        assert client.get("/gossip").headers["location"] == "/gossip/"
        assert '<base href="/gossip/">' in client.get("/gossip/").text
        eventually(lambda: only_row(client, "workers"), timeout=20)
        assert client.post("/orders/1/").json()["task"]
        eventually(lambda: assert_counted(client, "orders.tasks.confirm"), timeout=30)
        status = guide.run("celery -A shop gossip status")
        assert status.returncode == 0 and "  online  " in status.stdout, status.stdout + status.stderr
        stream = hold_event_stream(client)
        assert server.stop() in ENDED
        stream.join(10)
        assert "Application shutdown complete" in server.output


def log_in(client: httpx.Client) -> None:
    """Log in to the admin site with its form."""
    client.get("/admin/login/").raise_for_status()
    form = {"username": "ann", "password": "correct-horse", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/admin/login/?next=/gossip/", data=form).status_code == 302


def test_the_fastapi_example(private_redis: PrivateBroker, tmp_path: Path) -> None:
    guide = copied("fastapi", tmp_path, private_redis.url)
    uvicorn = "uvicorn shop.main:app --port 8000 --timeout-graceful-shutdown 5"
    port = free_port()
    with (
        guide.running("celery -A shop.celery worker -l INFO", until=READY) as worker,
        guide.running(uvicorn, "--port", str(port), until=SERVING) as server,
        httpx.Client(base_url=f"http://localhost:{port}", timeout=30) as client,
    ):
        server.wait_for(r"gossip: celery@\S+ worker_online")
        assert client.get("/gossip").headers["location"] == "/gossip/"
        assert '<base href="/gossip/">' in client.get("/gossip/").text
        assert client.post("/orders/1").json()["task"]
        eventually(lambda: assert_counted(client, "shop.celery.confirm"), timeout=30)
        (seen,) = client.get("/workers").json()
        assert (seen["state"], seen["queues"]) == ("online", ["celery"])
        worker.process.kill()
        server.wait_for(r"gossip: celery@\S+ worker_lost")
        server.wait_for(r"gossip: finding_raised worker_lost: celery@\S+ stopped reporting without shutting down")
        stream = hold_event_stream(client)
        assert server.stop() in ENDED
        stream.join(10)
        assert "Application shutdown complete" in server.output


def test_the_examples_require_what_they_import() -> None:
    required = {
        path.parent.name: path.read_text().lower().split() for path in sorted(EXAMPLES.glob("*/requirements.txt"))
    }
    assert {name: [line.partition(">")[0] for line in lines] for name, lines in required.items()} == {
        "django": ["celery[redis]", "celery-gossip[web]", "django"],
        "fastapi": ["celery[redis]", "celery-gossip[web]", "fastapi"],
    }
