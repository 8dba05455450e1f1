"""The tutorials work as they are written: their files, their commands and what they show."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support import eventually
from tests.support.brokers import PrivateBroker, free_port
from tests.support.walkthrough import RunningCommand, Walkthrough
from tests.support.workers import REPOSITORY

pytestmark = [pytest.mark.redis, pytest.mark.timeout(300)]

DOCS = REPOSITORY / "docs"
READY = r" ready\."
SERVING = r"serving (http://\S+/), "
PAGE = "http://127.0.0.1:5556/"  #: of the dashboard in the tutorials


def rows(output: str, first: str) -> list[list[str]]:
    """Return the cells of the rows of a table that begin with this word."""
    return [re.split(r"  +", line) for line in output.splitlines() if line.startswith(f"{first} ")]


def kill(worker: RunningCommand, pidfile: Path) -> None:
    """Do what `kill -9 $(cat …)` does, and reap the process as a shell does."""
    os.kill(int(pidfile.read_text()), signal.SIGKILL)
    worker.process.wait(10)


def shows(run: Callable[[], "subprocess.CompletedProcess[str]"], expected: str) -> "subprocess.CompletedProcess[str]":
    """Repeat a command until its output has this text, and return its last run."""

    def is_shown() -> "subprocess.CompletedProcess[str]":
        done = run()
        assert expected in done.stdout, done.stdout + done.stderr
        return done

    return eventually(is_shown, timeout=60, every=0.2)


def test_the_celery_tutorial(private_redis: PrivateBroker, tmp_path: Path) -> None:
    guide = Walkthrough(DOCS / "tutorial" / "celery.md", tmp_path, private_redis.url)
    files = guide.files()
    assert set(files) == {"shop.py", "send_orders.py"}
    for name, code in files.items():
        (tmp_path / name).write_text(code)
    workers = [f"celery -A shop worker -n {name}@%h -c 2 -l INFO --pidfile {name}.pid" for name in ("w1", "w2")]
    status = "celery -A shop gossip status"
    with guide.running(workers[0], until=READY) as first, guide.running(workers[1], until=READY) as second:
        assert "celery-gossip: reporting to exchange 'celery_gossip' of redis://" in first.output
        done = guide.run(status)
        assert done.returncode == 0 and "No problems detected." in done.stdout
        assert [row[1] for name in ("w1@", "w2@") for row in re.findall(rf"({name}\S+) +(\w+)", done.stdout)] == [
            "online",
            "online",
        ]
        with guide.running("celery -A shop gossip web", "--port", "0", until=SERVING) as web:
            url = web.wait_for(SERVING)
            assert "<!doctype html>" in httpx.get(url).text
            assert guide.run("python send_orders.py").returncode == 0
            (queue,) = rows(guide.run(status).stdout, "celery")
            assert queue[1] == "2" and queue[2] == "4", "workers and active tasks"
            assert int(queue[6]) > 20, "backlog"

            assert guide.run("python send_orders.py").returncode == 0
            kill(second, tmp_path / "w2.pid")
            lost = shows(lambda: guide.run(f"celery gossip status --server {PAGE}", **{PAGE: url}), " lost ")
            assert lost.returncode == 2
            assert re.search(
                r"^CRITICAL for \d+s: w2@\S+ stopped reporting without shutting down\. 2 tasks", lost.stdout, re.M
            )

            check = f"celery gossip status --server {PAGE} --check --expect-workers 2"
            alarm = guide.run(check, **{PAGE: url})
            assert alarm.returncode == 2
            assert alarm.stdout.startswith("GOSSIP CRITICAL: 1 worker reports, fewer than 2; lost_with_tasks w2@")
            with guide.running(workers[1], until=READY):
                again = shows(lambda: guide.run(check, **{PAGE: url}), "GOSSIP WARNING: lost_with_tasks w2@")
                assert again.returncode == 1 and "It has been restarted since." in again.stdout


def test_the_django_tutorial(private_redis: PrivateBroker, tmp_path: Path) -> None:
    guide = Walkthrough(DOCS / "tutorial" / "django.md", tmp_path, private_redis.url)
    for command in ("django-admin startproject mysite .", "python manage.py startapp orders"):
        assert guide.run(command).returncode == 0
    files = guide.files()
    settings = tmp_path / "mysite" / "settings.py"
    installed = settings.read_text().replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "orders",')
    settings.write_text(f"{installed}\n{files.pop('mysite/settings.py')}")
    assert set(files) == {f"mysite/{name}.py" for name in ("__init__", "celery", "urls")} | {
        "orders/tasks.py",
        "orders/views.py",
    }
    for name, code in files.items():
        (tmp_path / name).write_text(code)

    port = free_port()
    worker = "celery -A mysite worker -n w1@%h -c 2 -l INFO --pidfile w1.pid"
    server = ("python manage.py runserver", f"127.0.0.1:{port}", "--noreload")
    with guide.running(worker, until=READY) as working, guide.running(*server, until="Quit the server"):
        assert re.search(r"reporting to exchange 'celery_gossip' of redis://\S+ every 0\.5 s", working.output)

        def send_orders() -> None:
            answers = [httpx.get(f"http://127.0.0.1:{port}/orders/{number}/").text for number in range(1, 13)]
            assert answers == ["accepted\n"] * 12

        def see_orders() -> None:
            send_orders()
            done = guide.run("celery -A mysite gossip status")
            assert done.returncode == 0, done.stdout + done.stderr
            (queue,) = rows(done.stdout, "celery")
            assert queue[1] == "1" and queue[10] == "0%" and queue[12] != "-", "one worker, no failure, waits are known"

        eventually(see_orders, timeout=60)  # the command may start late on a busy machine, when the tasks have ended
        with (
            guide.running("celery -A mysite gossip web", "--port", "0", until=SERVING) as web,
            guide.running("celery -A mysite gossip watch", until=r"w1@\S+  online") as watch,
        ):
            url = web.wait_for(SERVING)
            eventually(lambda: _assert_one_worker(url), timeout=30)
            send_orders()
            watch.wait_for(r"w1@\S+  online  active 2/2 reserved [1-9]")
            kill(working, tmp_path / "w1.pid")
            watch.wait_for(r"w1@\S+  suspect  no report for ")
            watch.wait_for(r"w1@\S+  lost  no report for ")
            watch.wait_for(r"raised  CRITICAL for 0s: w1@\S+ stopped reporting")
            check = f"celery gossip status --server {PAGE} --check --expect-workers 1"
            alarm = shows(lambda: guide.run(check, **{PAGE: url}), "lost_with_tasks w1@")
            assert alarm.returncode == 2
            assert alarm.stdout.startswith("GOSSIP CRITICAL: 0 workers report, fewer than 1; ")


def _assert_one_worker(url: str) -> None:
    workers = httpx.get(f"{url}api/workers").json()["workers"]
    assert [(worker["state"], worker["queues"]) for worker in workers] == [("online", ["celery"])]
