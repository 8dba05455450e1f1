"""The resources of a worker are read from /proc, the cgroup and the pool; what cannot be read is unknown."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from celery_gossip.wire.encoding import encode
from celery_gossip.wire.messages import Gossip, PoolProcesses, Resources, decode
from celery_gossip.worker import resource_reader
from celery_gossip.worker.resource_reader import ResourceReader
from tests.unit.build import a_gossip
from tests.unit.worker.test_cgroup_memory import V2_MOUNT, Host
from tests.unit.worker.test_pool_process_counts import FakePool
from tests.unit.worker.test_process_figures import PAGE, TICKS, write_stat

OWN = os.getpid()


def a_reader(root: Path, processes: Any = None) -> ResourceReader:
    return ResourceReader(lambda: SimpleNamespace(_pool=processes), str(root))


def test_a_worker_with_processes(tmp_path: Path) -> None:
    write_stat(tmp_path, "self", pages=100, ticks=TICKS)
    for pid, pages in ((100, 10), (101, 30)):
        write_stat(tmp_path, pid, parent=OWN, pages=pages, ticks=TICKS // 4)
    host = Host(tmp_path, "0::/", V2_MOUNT)
    host.v2("", 2**30, 5000, inactive_file=1000)
    assert a_reader(tmp_path, FakePool(2)).read() == Resources(
        rss=100 * PAGE,
        children_rss=40 * PAGE,
        largest_child_rss=30 * PAGE,
        cpu_seconds=6.0,
        memory_limit=2**30,
        memory_used=4000,
        processes=PoolProcesses(2, 0, 0, 0, 0, 0),
    )


def test_a_pool_without_processes_has_only_figures_of_the_main_process(tmp_path: Path) -> None:
    write_stat(tmp_path, "self", pages=100, ticks=TICKS)
    assert a_reader(tmp_path).read() == Resources(rss=100 * PAGE, cpu_seconds=4.0)


def test_a_process_that_has_ended_and_one_of_a_stranger_with_its_id_are_left_out(tmp_path: Path) -> None:
    write_stat(tmp_path, "self", pages=1)
    write_stat(tmp_path, 100, parent=OWN, pages=7)
    write_stat(tmp_path, 101, parent=1, pages=1000)
    read = a_reader(tmp_path, FakePool(3)).read()
    assert (read.children_rss, read.largest_child_rss) == (7 * PAGE, 7 * PAGE)


def test_a_pool_whose_processes_all_ended_has_no_memory(tmp_path: Path) -> None:
    write_stat(tmp_path, "self", pages=1)
    read = a_reader(tmp_path, FakePool(0)).read()
    assert (read.children_rss, read.largest_child_rss) == (0, 0)


def test_the_cpu_time_never_decreases(tmp_path: Path) -> None:
    """A child that ends between two reads is missing for a moment, until its time is that of the main process."""
    processes = FakePool(1)
    reader = a_reader(tmp_path, processes)
    write_stat(tmp_path, "self", ticks=TICKS)
    write_stat(tmp_path, 100, parent=OWN, ticks=TICKS)
    assert reader.read().cpu_seconds == 8.0
    write_stat(tmp_path, 100, parent=1, ticks=TICKS)
    assert reader.read().cpu_seconds == 8.0
    write_stat(tmp_path, "self", ticks=3 * TICKS)
    assert reader.read().cpu_seconds == 12.0


def test_without_proc_only_the_cpu_time_of_a_worker_without_processes_is_known(tmp_path: Path) -> None:
    read = a_reader(tmp_path).read()
    assert (read.rss, read.processes) == (None, None)
    assert read.cpu_seconds is not None and read.cpu_seconds > 0
    read = a_reader(tmp_path, FakePool(2)).read()
    assert (read.rss, read.cpu_seconds, read.processes) == (None, None, PoolProcesses(2, 0, 0, 0, 0, 0))


def test_more_processes_than_are_read_leave_their_figures_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource_reader, "_MAX_CHILDREN", 1)
    write_stat(tmp_path, "self", pages=1)
    read = a_reader(tmp_path, FakePool(2)).read()
    assert (read.rss, read.children_rss, read.cpu_seconds) == (PAGE, None, None)
    assert read.processes is not None and read.processes.started == 2


@pytest.mark.parametrize("error", [AttributeError("gone"), RuntimeError("list changed size")])
def test_a_pool_that_cannot_be_read_costs_only_what_depends_on_it(tmp_path: Path, error: Exception) -> None:
    def read_pool() -> Any:
        raise error

    write_stat(tmp_path, "self", pages=9)
    assert ResourceReader(read_pool, str(tmp_path)).read() == Resources(rss=9 * PAGE)


def test_numbers_beyond_the_limits_of_a_message_are_clamped(tmp_path: Path) -> None:
    write_stat(tmp_path, "self", pages=2**60, ticks=2**70)
    host = Host(tmp_path, "0::/", V2_MOUNT)
    host.v2("", 2**59, 2**59)
    gossip = decode(encode(a_gossip(resources=a_reader(tmp_path).read())))
    assert isinstance(gossip, Gossip) and gossip.resources is not None
    assert gossip.resources == Resources(rss=2**53, cpu_seconds=float(2**53), memory_limit=2**53, memory_used=2**53)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_the_real_process_can_be_read_and_no_file_stays_open() -> None:
    reader = ResourceReader(lambda: None)
    before = len(list(Path("/proc/self/fd").iterdir()))
    read = reader.read()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert read.rss is not None and read.rss > 2**20
    assert read.cpu_seconds is not None and read.cpu_seconds > 0
    assert len(encode(a_gossip(resources=read))) - len(encode(a_gossip())) < 150
