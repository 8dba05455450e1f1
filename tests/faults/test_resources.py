"""What a machine runs out of: disks, descriptors, memory, threads. The worker goes on, and one clear line says why."""

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.faults.shortage import play, shortage
from tests.support import brokers, eventually

FULL = pytest.mark.skipif(not SCALE.is_full, reason="in the full form")
GROWTH = 8 << 20  #: bytes that the memory of a worker may still grow by


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


@dataclass(frozen=True)
class Trouble:
    """What may be wrong with a disk that a worker writes to."""

    case: str
    line: str  #: a part of what the worker says of it; empty where it has nowhere to say it
    inflict: Callable[[Path], object]
    lift: Callable[[Path], object]
    is_at_start: bool = False
    has_log: bool = False  #: on this disk


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


def empty(folder: Path) -> None:
    (folder / "filler").unlink()


def remount(how: str) -> Callable[[Path], object]:
    return lambda disk: subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


NO_SPACE = "cannot write the health file: OSError: [Errno 28] No space left on device: '"
READ_ONLY = "cannot write the health file: OSError: [Errno 30]"
TROUBLES = (
    Trouble("disk full under the health file", NO_SPACE, fill, empty),
    Trouble("disk full under the health file, at the start", NO_SPACE, fill, empty, is_at_start=True),
    Trouble("disk full under the health file and the log", "", fill, empty, has_log=True),
    Trouble("disk of the health file read-only", READ_ONLY, remount("ro"), remount("rw")),
)


@pytest.mark.redis
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "trouble", [pytest.param(one, id=one.case, marks=[FULL] if number else []) for number, one in enumerate(TROUBLES)]
)
def test_a_disk_that_takes_nothing_is_one_line(trouble: Trouble, tmp_path: Path, figures: Figures) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(tiny_disk(tmp_path / "disk", figures, trouble.case))
        if trouble.is_at_start:
            trouble.inflict(disk)
        flags = [f"--logfile={disk / 'worker.log'}"] if trouble.has_log else []
        some = stack.enter_context(shortage(disk, *flags))
        play(
            figures,
            trouble.case,
            some,
            inflict=lambda: trouble.is_at_start or trouble.inflict(disk),
            lift=lambda: trouble.lift(disk),
            is_back=some.await_health,
            line=trouble.line,
        )


@FULL
@pytest.mark.redis
@pytest.mark.timeout(300)
def test_a_folder_that_is_gone_is_one_line(tmp_path: Path, figures: Figures) -> None:
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
            inflict=lambda: some.limit(resource.RLIMIT_AS, some.memory() + GROWTH),
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
            "no thread available from the start, solo",
            some,
            inflict=lambda: None,
            lift=lambda: some.project.control("may_thread", some.worker.node),
            is_back=some.await_gossip,
            line="cannot start a thread: RuntimeError: can't start new thread",
        )
