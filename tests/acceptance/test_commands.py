"""The commands, as people and scripts use them."""

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from celery_gossip.wire.messages import decode
from tests.support import brokers
from tests.support.commands import commanded, ended
from tests.support.workers import REPOSITORY, Project, Worker


@pytest.mark.redis
@pytest.mark.smoke
def test_status_prints_a_table_by_queue_one_by_worker_and_the_findings(redis_project: Project) -> None:
    project = redis_project
    with (
        project.worker("--without-mingle", pool="threads") as worker,
        project.worker("--without-mingle", pool="solo", name="w2") as other,
    ):
        done = project.celery("gossip", "status")
        assert done.returncode == 0, done.stderr
        by_queue, by_worker, findings = (table.splitlines() for table in done.stdout.strip().split("\n\n"))
        header = ["QUEUE", "WORKERS", "ACTIVE", "FREE", "SLOTS", "RESERVED", "SCHEDULED", "BACKLOG", "OLDEST", "PAUSED"]
        assert by_queue[0].split() == [*header, "DONE/S", "FAILED", "RUN", "P95", "WAIT", "P95"]
        idle = ["2", "0", "3", "0", "0", "0", "-", "no", "0.0", "-", "-", "-"]  # a solo pool has one slot
        assert [line.split() for line in by_queue[1:]] == [[name, *idle] for name in project.queues]
        assert by_worker[0].split()[:5] == ["WORKER", "STATE", "AGE", "POOL", "ACTIVE"]
        assert [line.split()[:2] for line in by_worker[1:]] == [[worker.node, "online"], [other.node, "online"]]
        assert [line.split()[3] for line in by_worker[1:]] == ["threads", "solo"]
        assert all(", ".join(project.queues) in line for line in by_worker[1:])
        assert findings == ["No problems detected."]
        assert done.stderr == ""


@pytest.mark.redis
def test_status_exits_with_2_and_says_what_to_do_when_a_queue_is_not_served(redis_project: Project) -> None:
    project = redis_project
    queue, other = project.queues
    with project.worker("--without-mingle", "-Q", other, pool="threads"):
        for _ in range(3):
            project.send("nothing")
        done = project.celery("gossip", "status")
        assert done.returncode == 2, done.stdout + done.stderr
        (finding,) = done.stdout.strip().split("\n\n")[2].splitlines()
        assert finding.startswith("CRITICAL for ")
        assert f"3 messages wait in queue '{queue}', and no worker consumes it." in finding
        assert f"Start a worker with `-Q {queue}`" in finding
        row = next(line.split() for line in done.stdout.splitlines() if line.startswith(queue))
        oldest = row.pop(7)  # since when it has seen that messages wait
        assert oldest == "unknown" or oldest.startswith(">")
        assert row == [queue, "0", "0", "0", "0", "0", "3", "no", "0.0", "-", "-", "-"]

        shown = json.loads(project.gossip("status", "--json").stdout)
        (problem,) = shown["findings"]
        assert (problem["kind"], problem["subject"]) == ("backlog_without_consumer", queue)
        assert {row["queue"]: row["backlog"] for row in shown["queues"]} == {queue: 3, other: 0}


@pytest.mark.redis
def test_status_exits_with_3_and_says_what_to_do_when_no_worker_reports(redis_project: Project) -> None:
    project = redis_project
    done = project.celery("gossip", "status", "--json")
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: no worker reports on exchange")
    assert f"'{project.prefix}_gossip'" in line
    assert "celery_gossip.install(app)" in line and "--wait" in line
    assert "guest:guest" not in line
    shown = json.loads(done.stdout)
    assert (shown["check"].pop("results")[0]["check"], shown.pop("check")) == (
        "workers",
        {"state": "unknown", "exit_code": 3},
    )
    assert shown == {"workers": [], "queues": [], "beats": [], "findings": [], "isolated_for": None}


@pytest.mark.parametrize("url", ["redis://:geheim@127.0.0.1:{port}/0", "amqp://guest:geheim@127.0.0.1:{port}//"])
def test_status_says_soon_and_without_the_password_that_the_broker_cannot_be_reached(url: str) -> None:
    project = Project(url.format(port=brokers.free_port()))
    began = time.monotonic()
    project.gossip("status")
    assert time.monotonic() - began < 6.0  # without the time that a process takes to start
    done = project.celery("gossip", "status")
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: cannot reach the broker ")
    assert "refused" in line
    assert "geheim" not in done.stdout + done.stderr


@pytest.mark.parametrize("wait", ["0", "-1", "nan", "inf", "soon"])
def test_status_refuses_a_wait_that_is_no_time(wait: str) -> None:
    done = Project("memory://").gossip("status", "--wait", wait)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("Error: Invalid value for '--wait': expected seconds above 0")
    assert repr(wait) in done.stderr


def test_watch_prints_a_line_per_gossip_until_ctrl_c(shared_worker: Worker) -> None:
    worker, project = shared_worker, shared_worker.project
    with commanded(project, "watch") as watch:
        assert watch.stdout is not None
        lines = [watch.stdout.readline() for _ in range(3)]
        assert ended(watch, signal.SIGINT) == (0, "")
    a, b = project.queues
    for line in lines:
        assert line.split()[1:3] == [worker.node, "online"]
        assert f"{a} 0/0/0" in line and f"{b} 0/0/0" in line

    with commanded(project, "watch", "--json") as watch:
        assert watch.stdout is not None
        gossips = [decode(watch.stdout.readline().strip().encode()) for _ in range(3)]
        assert ended(watch, signal.SIGINT) == (0, "")
    assert [gossip.seq - gossips[0].seq for gossip in gossips] == [0, 1, 2]
    assert {gossip.hostname for gossip in gossips} == {worker.node}


@pytest.mark.redis
def test_watch_prints_a_worker_that_stops_reporting_and_the_finding_about_it(redis_project: Project) -> None:
    project = redis_project
    with project.worker("--without-mingle", pool="threads") as worker, commanded(project, "watch", "--json") as watch:
        task_id = project.send("nap", 60)
        assert watch.stdout is not None
        lines = (json.loads(line) for line in watch.stdout)
        next(line for line in lines if line.get("active") == 1)
        worker.kill()
        events = list(itertools.islice((line for line in lines if line.get("event", "throughput") != "throughput"), 3))
        assert ended(watch, signal.SIGINT) == (0, "")
    assert [line["event"] for line in events] == ["worker_suspect", "worker_lost", "finding_raised"]
    assert (events[0]["worker"]["hostname"], events[0]["worker"]["state"]) == (worker.node, "suspect")
    assert events[2]["finding"]["kind"] == "lost_with_tasks" and task_id in events[2]["finding"]["text"]


@pytest.mark.redis
def test_watch_prints_the_throughput_of_a_queue_every_ten_seconds(shared_project: Project) -> None:
    with commanded(shared_project, "watch", "--json") as watch:
        assert watch.stdout is not None
        lines = (json.loads(line) for line in watch.stdout)
        next(lines)
        for _ in range(3):
            shared_project.send("nap", 0.05)
        shown = next(line for line in lines if line.get("event") == "throughput")
        assert ended(watch, signal.SIGTERM) == (0, "")
    assert (shown["queue"], shown["throughput"]["succeeded"]) == (shared_project.queues[0], 3)
    assert shown["throughput"]["runtime"]["p50"] == pytest.approx(0.06, abs=0.02)


@pytest.mark.redis
def test_watch_ends_without_an_error_when_its_reader_is_gone(shared_project: Project) -> None:
    with commanded(shared_project, "watch") as watch:
        assert watch.stdout is not None and watch.stderr is not None
        watch.stdout.readline()
        watch.stdout.close()
        watch.wait(timeout=10)
        assert watch.stderr.read() == ""


@pytest.fixture(scope="module")
def odd_project() -> Iterator[Project]:
    """A project whose worker has a queue with a name that not every terminal can show."""
    project = Project(brokers.require(brokers.REDIS_URL))
    with project.worker("--without-mingle", "-Q", ",".join((*project.queues, odd_queue(project))), pool="solo"):
        yield project
    project.clean()


def odd_queue(project: Project) -> str:
    return f"{project.prefix}_größe_中"


@pytest.mark.redis
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_names_that_the_terminal_cannot_show_are_written_as_escapes(odd_project: Project, encoding: str) -> None:
    project = odd_project
    environment = {**project.environment, "PYTHONIOENCODING": encoding}
    arguments = [sys.executable, "-m", "celery", "-A", project.module, "gossip"]
    how: dict[str, Any] = {"cwd": REPOSITORY, "env": environment}
    done = subprocess.run([*arguments, "status"], **how, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    is_ascii = encoding == "ascii"  # click writes UTF-8 there
    shown = odd_queue(project).encode("utf-8" if is_ascii else encoding, "backslashreplace")
    assert shown in done.stdout
    with subprocess.Popen([*arguments, "watch"], **how, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        assert watch.stdout is not None and shown in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        assert watch.communicate(timeout=10)[1] == b""


@pytest.mark.redis
def test_status_ends_without_an_error_when_its_reader_is_gone(shared_project: Project) -> None:
    with commanded(shared_project, "status") as status:
        assert status.stdout is not None and status.stderr is not None
        status.stdout.close()
        status.wait(timeout=20)
        assert status.stderr.read() == ""


@pytest.mark.redis
def test_watch_waits_for_a_broker_that_cannot_be_reached_and_still_ends_at_ctrl_c() -> None:
    project = Project(f"redis://:geheim@127.0.0.1:{brokers.free_port()}/0")
    with commanded(project, "watch") as watch:
        assert watch.stderr is not None
        line = watch.stderr.readline()
        assert "cannot listen on" in line and "refused" in line
        code, rest = ended(watch, signal.SIGINT)
        assert code == 0
        assert "geheim" not in line + rest and "Traceback" not in rest


def test_inspect_gossip_gives_each_workers_own_latest(project: Project) -> None:
    quiet = f"quiet@{project.prefix}"
    with (
        project.worker("--without-mingle", pool="threads") as worker,
        project.worker("--without-mingle", "--without-queue-gossip", pool="threads", name="quiet"),
    ):
        done = project.celery("inspect", "gossip", "--json", "-d", f"{worker.node},{quiet}")
        assert done.returncode == 0, done.stderr
        answers = json.loads(done.stdout)
        assert set(answers) == {worker.node, quiet}
        gossip = decode(json.dumps(answers[worker.node]).encode())
        assert (gossip.hostname, gossip.state) == (worker.node, "online")
        assert [check.queue for check in gossip.checks] == list(project.queues)
        assert "does not gossip" in answers[quiet]["error"]

        stats = project.inspect("stats", worker.node)
        assert stats["pool"]["implementation"] == "celery.concurrency.thread:TaskPool"
        assert stats["queue_gossip"]["boot"] == gossip.boot
        assert (stats["queue_gossip"]["interval"], stats["queue_gossip"]["errors"]) == (0.5, 0)
