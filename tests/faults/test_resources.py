"""What a machine runs out of: disks, descriptors, memory, threads. The worker goes on, and one clear line says why."""

import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.stream import Stream, flowing
from tests.support.workers import Project, Worker

FULL = pytest.mark.skipif(not SCALE.is_full, reason="in the full form")
FLAGS = ("--without-mingle", "--without-gossip", "--without-heartbeat")
LASTS = 70.0 if SCALE.is_full else 3.0  #: seconds; in the full form longer than the log keeps silent
RECOVERY = 3.0  #: seconds
INTERVAL = 0.25  #: seconds
GROWTH = 8 << 20  #: bytes that the memory of a worker may still grow by

Moment = float  # of time.monotonic()


class Shortage:
    """A worker with a stream of tasks that runs out of something, and gets it back."""

    def __init__(self, project: Project, worker: Worker, ear: Ear, health: Path) -> None:
        self.project = project
        self.worker = worker
        self.health = health
        self.was_heard = False  #: before the shortage
        self._ear = ear

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.worker.process.pid)

    def limit(self, what: int, soft: int) -> None:
        _, hard = self.process.rlimit(what)
        self.process.rlimit(what, (soft, hard))

    def lift(self, what: int) -> None:
        _, hard = self.process.rlimit(what)
        self.process.rlimit(what, (hard, hard))

    def await_gossip(self, after: Moment) -> float:
        """Seconds until a gossip was heard from an event loop that ticks."""
        return self._ear.wait(after, 15.0, lambda gossip: gossip.stalled_for == 0)

    def await_health(self, after: Moment) -> float:
        """Seconds until the health file was written."""

        def is_fresh() -> float:
            with suppress(OSError, ValueError, IndexError):
                if float(self.health.read_text().split()[0]) > after:
                    return time.monotonic() - after
            raise AssertionError("the health file is not written")

        return eventually(is_fresh, 15.0, every=0.02)

    def lines(self, part: str) -> int:
        return sum("celery-gossip: " in line and part in line for line in self.worker.output.splitlines())


@contextmanager
def shortage(
    folder: Path,
    *flags: str,
    pool: str = "threads",
    gossip_broker: str | None = None,
    is_heard: bool = True,
    **environment: str,
) -> Iterator[Shortage]:
    project = Project(brokers.require(brokers.REDIS_URL), gossip_broker_url=gossip_broker)
    health = folder / "health"
    project.install = {"interval": INTERVAL, "health_file": str(health)}
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.scarcity", **environment}
    try:
        with Ear(project) as ear, project.worker(*FLAGS, *flags, pool=pool, concurrency=1) as worker:
            some = Shortage(project, worker, ear, health)
            if is_heard:
                some.await_gossip(0.0)
                some.was_heard = True
            yield some
    finally:
        project.clean()


@contextmanager
def tiny_disk(folder: Path, figures: Figures, case: str) -> Iterator[Path]:
    """A file system of 64 kB; a skip where this user may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        figures.miss("resources", case, "only root may mount a small file system, and not in every container")
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


def play(
    figures: Figures,
    case: str,
    some: Shortage,
    *,
    inflict: Callable[[], object],
    lift: Callable[[], object],
    is_back: Callable[[Moment], float],
    line: str,
    spare: int = 0,
) -> None:
    """The shortage, and the targets of all: tasks run, one line, back soon, nothing left, exit code 0.

    `spare`: descriptors that Celery itself may take meanwhile.
    """
    worker = some.worker
    with flowing(some.project, worker, every=0.05) as stream:
        eventually(lambda: assert_ran(stream), timeout=20)  # the threads and buffers that a worker has, it has by then
        descriptors = worker.descriptors
        inflict()
        before, sent_before = len(stream.ran), stream.sent
        time.sleep(LASTS)
        sent, ran = stream.sent - sent_before, len(stream.ran) - before
        lift()
        back = is_back(time.monotonic())
        some.await_gossip(time.monotonic())
    stream.await_end(timeout=20)
    figures.note("resources", case, "seconds of it", LASTS)
    figures.note("resources", case, "tasks sent meanwhile", sent)
    figures.check("resources", case, "share of them that ran at once", ran / sent, least=0.9)
    figures.check("resources", case, "tasks lost, doubled or out of order", stream.broken, most=0)
    minutes = 1 + LASTS // 60
    figures.check("resources", case, "lines of it in the log, a minute", some.lines(line) / minutes, least=0.5, most=1)
    figures.check("resources", case, "back after, s", back, most=RECOVERY)
    if some.was_heard:
        figures.check("resources", case, "descriptors left behind", left_of(worker, descriptors), most=spare)
    figures.check("resources", case, "reconnects", worker.output.count("] Connected to") - 1, most=0)
    figures.check("resources", case, "worker exit code", worker.stop(), least=0, most=0)
    assert list(some.health.parent.glob("health*")) == [], "the health file is left behind"


def assert_ran(stream: Stream) -> None:
    assert len(stream.ran) > 3


def left_of(worker: Worker, before: int) -> int:
    """Descriptors more than before, when it has come to rest: it may just write a file, or answer a question."""

    def is_none_left() -> None:
        assert worker.descriptors <= before

    with suppress(AssertionError):
        eventually(is_none_left, timeout=5)
    return worker.descriptors - before


@pytest.mark.redis
@pytest.mark.timeout(300)
class TestHealthFile:
    def test_a_full_disk_under_the_health_file_is_one_line(self, tmp_path: Path, figures: Figures) -> None:
        case = "disk full under the health file"
        with tiny_disk(tmp_path / "disk", figures, case) as disk, shortage(disk) as some:
            play(
                figures,
                case,
                some,
                inflict=lambda: fill(disk),
                lift=(disk / "filler").unlink,
                is_back=some.await_health,
                line=f"cannot write the health file: OSError: [Errno 28] No space left on device: '{some.health}.tmp'",
            )

    @FULL
    def test_a_disk_that_is_full_at_the_start_is_one_line(self, tmp_path: Path, figures: Figures) -> None:
        case = "disk full under the health file, at the start"
        with tiny_disk(tmp_path / "disk", figures, case) as disk:
            fill(disk)
            with shortage(disk) as some:
                play(
                    figures,
                    case,
                    some,
                    inflict=lambda: None,
                    lift=(disk / "filler").unlink,
                    is_back=some.await_health,
                    line="cannot write the health file: OSError: [Errno 28]",
                )

    @FULL
    def test_a_disk_that_turns_read_only_is_one_line(self, tmp_path: Path, figures: Figures) -> None:
        case = "disk of the health file read-only"
        with tiny_disk(tmp_path / "disk", figures, case) as disk, shortage(disk) as some:
            play(
                figures,
                case,
                some,
                inflict=lambda: remount(disk, "ro"),
                lift=lambda: remount(disk, "rw"),
                is_back=some.await_health,
                line="cannot write the health file: OSError: [Errno 30]",
            )

    @FULL
    def test_a_folder_that_is_gone_is_one_line(self, tmp_path: Path, figures: Figures) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        with shortage(folder) as some:
            play(
                figures,
                "folder of the health file removed",
                some,
                inflict=lambda: remove(folder),
                lift=folder.mkdir,
                is_back=some.await_health,
                line="cannot write the health file: FileNotFoundError",
            )


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def remove(folder: Path) -> None:
    """A beat may write into it meanwhile."""

    def is_removed() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        assert not folder.exists()

    eventually(is_removed)


@pytest.mark.redis
@pytest.mark.timeout(300)
@pytest.mark.parametrize("pool", ["threads", pytest.param("prefork", marks=FULL)])
def test_without_a_descriptor_left_the_tasks_run_and_the_gossip_returns(
    pool: str, private_redis: brokers.PrivateBroker, tmp_path: Path, figures: Figures
) -> None:
    figures.miss(
        "resources",
        "no descriptors left, gevent and eventlet",
        "Celery itself ends there, without the step too ('Too many open files. Aborting...', after 5 s on gevent)",
    )
    with shortage(tmp_path, pool=pool, gossip_broker=private_redis.url) as some:

        def inflict() -> None:
            some.limit(resource.RLIMIT_NOFILE, 8)
            private_redis.kill()
            private_redis.start()

        play(
            figures,
            f"no descriptors left, {pool}",
            some,
            inflict=inflict,
            lift=lambda: some.lift(resource.RLIMIT_NOFILE),
            is_back=some.await_gossip,
            line="cannot deliver to redis://",
        )


@pytest.mark.redis
@pytest.mark.timeout(300)
@FULL  # in some seconds the limit may not be met
@pytest.mark.parametrize("pool", ["threads", "prefork", "gevent"])
def test_without_memory_for_a_probe_the_tasks_run_and_the_gossip_returns(
    pool: str, tmp_path: Path, figures: Figures
) -> None:
    with shortage(tmp_path, pool=pool, GOSSIP_TEST_PROBE_MB="64") as some:
        play(
            figures,
            f"no memory left, {pool}",
            some,
            inflict=lambda: some.limit(resource.RLIMIT_AS, some.process.memory_info().vms + GROWTH),
            lift=lambda: some.lift(resource.RLIMIT_AS),
            is_back=some.await_gossip,
            line="probe failed: MemoryError",
            spare=1 if pool == "gevent" else 0,  # Celery's own pool of connections, where two greenlets need one
        )


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """One in which a worker may write that has given up its rights."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@FULL  # a user of its own must be able to read where the project lies
@pytest.mark.redis
@pytest.mark.timeout(300)
def test_without_a_thread_the_tasks_run_and_the_gossip_begins_when_there_is_one(
    public_folder: Path, figures: Figures
) -> None:
    with shortage(public_folder, pool="solo", is_heard=False, GOSSIP_TEST_THREADS="none") as some:
        play(
            figures,
            "no thread to be had, from the start, solo",
            some,
            inflict=lambda: None,
            lift=lambda: some.project.control("may_thread", some.worker.node),
            is_back=some.await_gossip,
            line="cannot start a thread: RuntimeError: can't start new thread",
        )
