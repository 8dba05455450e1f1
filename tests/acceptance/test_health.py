"""The health file of real workers: green while they can consume, red within the greatest age of whatever keeps them.

GOSSIP_TEST_LOAD=200 is for how many seconds the workers under load are watched; the suite takes less.
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from celery_gossip.health import unhealthy_reason
from tests.acceptance.test_life import POOLS
from tests.support import brokers, eventually
from tests.support.deaf import BLOCKED_FOR
from tests.support.workers import REPOSITORY, Project, Worker

LOAD = float(os.environ.get("GOSSIP_TEST_LOAD", "4"))  #: seconds
TASKS_PER_BURST = 40
BURST_EVERY = 0.2  #: seconds
MAX_AGE = 3.0  #: seconds
LATENCY = 0.3  #: seconds between what a test does and what a worker has of it, and between two looks
QUIET = ("--without-mingle", "--without-heartbeat")


class Probe:
    """A look at the health file of the worker `name`, in this process; `exit_code` starts the program."""

    def __init__(self, folder: Path, name: str = "w1") -> None:
        self.path = folder / name

    @property
    def reason(self) -> str | None:
        return unhealthy_reason(str(self.path), MAX_AGE)

    @property
    def exit_code(self) -> int:
        command = [sys.executable, "-m", "celery_gossip.health", str(self.path), "--max-age", str(MAX_AGE)]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, timeout=30, check=False).returncode

    def await_green(self, timeout: float = 10) -> None:
        eventually(self._assert_green, timeout, every=0.02)
        assert self.exit_code == 0

    def assert_red_in_time(self, lost_at: float) -> None:
        """Red within the greatest age from `lost_at`, monotonic seconds, on."""
        eventually(self._assert_red, timeout=lost_at + MAX_AGE + LATENCY - time.monotonic(), every=0.02)
        assert self.exit_code == 1, "red, and yet the program says green"

    def assert_green_for(self, seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            self._assert_green()
            time.sleep(0.05)

    def _assert_green(self) -> None:
        assert self.reason is None

    def _assert_red(self) -> None:
        assert self.reason is not None, f"still green: {self.path.read_text()}"


def await_green(probes: list[Probe], timeout: float = 10) -> None:
    for probe in probes:
        probe.await_green(timeout)


def assert_red_in_time(probes: list[Probe], lost_at: float) -> None:
    for probe in probes:
        probe.assert_red_in_time(lost_at)


def with_health_files(project: Project, folder: Path) -> None:
    project.conf["gossip_health_file"] = f"{folder}/%n"


@pytest.fixture
def probe(redis_project: Project, tmp_path: Path) -> Probe:
    """Of the worker `w1` of the project on Redis."""
    with_health_files(redis_project, tmp_path)
    return Probe(tmp_path)


@pytest.mark.redis
def test_in_every_pool_a_worker_is_green_while_it_can_consume_and_its_file_is_gone_when_it_has_left(
    redis_project: Project, tmp_path: Path
) -> None:
    with_health_files(redis_project, tmp_path)
    with ExitStack() as stack:
        workers = [stack.enter_context(redis_project.worker(*QUIET, pool=pool, name=pool)) for pool in POOLS]
        probes = [Probe(tmp_path, pool) for pool in POOLS]
        await_green(probes)
        for _ in range(50):
            redis_project.send("nothing")
        for probe in probes:
            probe.assert_green_for(MAX_AGE / len(POOLS) + 0.1)
        for worker in workers:
            worker.terminate()
        assert [worker.process.wait(30) for worker in workers] == [0] * len(POOLS)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.redis
def test_the_file_is_gone_as_soon_as_a_worker_begins_to_leave_however_long_its_task_takes(
    redis_project: Project, probe: Probe
) -> None:
    with redis_project.worker(*QUIET) as worker:
        probe.await_green()
        redis_project.send("nap", 3)
        eventually(lambda: _assert_running(redis_project, worker))
        worker.terminate()
        eventually(lambda: _assert_gone(probe), timeout=1.5)
        assert worker.process.poll() is None, "the task still runs"
        assert worker.process.wait(20) == 0
        _assert_gone(probe)


def _assert_running(project: Project, worker: Worker) -> None:
    assert project.inspect("active", worker.node)


def _assert_gone(probe: Probe) -> None:
    assert not probe.path.exists()


@pytest.mark.redis
def test_a_worker_whose_queues_are_all_cancelled_is_red_until_one_is_added(
    redis_project: Project, probe: Probe
) -> None:
    with redis_project.worker(*QUIET) as worker:
        a, b = redis_project.queues
        probe.await_green()
        redis_project.control("cancel_consumer", worker.node, queue=a)
        probe.assert_green_for(MAX_AGE + 0.5)
        lost_at = time.monotonic()
        redis_project.control("cancel_consumer", worker.node, queue=b)
        probe.assert_red_in_time(lost_at)
        redis_project.control("add_consumer", worker.node, queue=b)
        probe.await_green(timeout=3)


@pytest.mark.redis
def test_a_worker_whose_event_loop_is_blocked_is_red_and_so_is_a_solo_worker_inside_a_long_task(
    redis_project: Project, tmp_path: Path
) -> None:
    with_health_files(redis_project, tmp_path)
    redis_project.extra_environment["GOSSIP_TEST_IMPORT"] = "tests.support.deaf"
    a, b = redis_project.queues
    blocked, solo = Probe(tmp_path, "blocked"), Probe(tmp_path, "solo")
    with (
        redis_project.worker(*QUIET, "-Q", a, name="blocked"),
        redis_project.worker(*QUIET, "-Q", b, pool="solo", name="solo"),
    ):
        await_green([blocked, solo])
        lost_at = time.monotonic()
        redis_project.send("nothing", queue="a")
        redis_project.send("nap", MAX_AGE + 1, queue="b")
        assert_red_in_time([blocked, solo], lost_at)
        await_green([blocked, solo], timeout=BLOCKED_FOR)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)]
)
def test_a_worker_that_has_lost_its_broker_is_red_whether_it_hangs_or_was_killed_and_green_when_it_is_back(
    kind: str, tmp_path: Path
) -> None:
    pools = ("prefork", "gevent")
    with brokers.running(brokers.private(kind)) as broker, ExitStack() as stack:
        project = Project(broker.url)
        with_health_files(project, tmp_path)
        for pool in pools:
            stack.enter_context(project.worker("--without-mingle", pool=pool, name=pool))
        probes = [Probe(tmp_path, pool) for pool in pools]
        await_green(probes)
        lost_at = time.monotonic()
        broker.freeze()
        assert_red_in_time(probes, lost_at)
        broker.thaw()
        await_green(probes, timeout=15)
        lost_at = time.monotonic()
        broker.kill()
        assert_red_in_time(probes, lost_at)
        broker.start()
        await_green(probes, timeout=20)


@pytest.mark.redis
def test_a_folder_that_vanishes_is_one_line_in_the_log_and_hurts_no_worker(
    redis_project: Project, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    probe = Probe(folder)
    redis_project.install = {"interval": 0.2}
    with redis_project.worker(*QUIET, "--gossip-health-file", str(probe.path), pool="threads") as worker:
        probe.await_green()
        shutil.rmtree(folder)
        eventually(lambda: _assert_in("cannot write the health file", worker.output))
        redis_project.send("shout", "still at work")
        eventually(lambda: _assert_in("still at work", worker.output))
        folder.mkdir()
        probe.await_green()
        assert worker.output.count("health file") == 1 and "Traceback" not in worker.output
        assert worker.stop() == 0


def _assert_in(part: str, text: str) -> None:
    assert part in text


@pytest.mark.redis
def test_a_health_file_in_a_folder_that_is_not_there_keeps_a_worker_from_starting_in_one_line(
    redis_project: Project, tmp_path: Path
) -> None:
    done = redis_project.celery("worker", "--gossip-health-file", str(tmp_path / "nowhere" / "health"))
    (line,) = (line for line in (done.stdout + done.stderr).splitlines() if "gossip_health_file: " in line)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "gossip_health_file: expected a file in a folder that exists" in line and "nowhere" in line


@pytest.mark.slow
@pytest.mark.timeout(LOAD + 120)
def test_workers_under_load_are_green_all_the_time(project: Project, tmp_path: Path) -> None:
    with_health_files(project, tmp_path)
    pools = ("prefork", "threads", "gevent")
    with ExitStack() as stack:
        for pool in pools:
            stack.enter_context(project.worker("--without-mingle", pool=pool, name=pool, concurrency=4))
        probes = [Probe(tmp_path, pool) for pool in pools]
        await_green(probes)
        done_before = processed(project, pools)
        sent = keep_busy(project, probes)
        assert processed(project, pools) - done_before > 0.5 * sent, "there was no load"


def keep_busy(project: Project, probes: list[Probe]) -> int:
    """Bursts of short tasks, and a look at every file between them; how many tasks."""
    give_up_at, sent = time.monotonic() + LOAD, 0
    with project.app() as app, app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        while time.monotonic() < give_up_at:
            for number in range(TASKS_PER_BURST):
                task, args = ("nap", (0.1,)) if number % 10 == 0 else ("nothing", ())
                queue = project.queues[number % 2]
                app.send_task(f"tests.support.project.{task}", args=args, queue=queue, producer=producer)
            sent += TASKS_PER_BURST
            assert [probe.reason for probe in probes] == [None] * len(probes)
            time.sleep(BURST_EVERY)
    return sent


def processed(project: Project, names: tuple[str, ...]) -> int:
    totals = [project.inspect("stats", f"{name}@{project.prefix}")["total"] for name in names]
    return sum(sum(total.values()) for total in totals)
