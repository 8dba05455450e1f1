"""Processes of a pool are counted by how they ended: with a pool as Celery has it, and with real processes."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import billiard
import pytest

from celery_gossip.wire.messages import PoolProcesses
from celery_gossip.worker.pool_process_counts import PoolProcessCounts
from tests.support.waiting import eventually


class FakeProcess:
    """A billiard process: `end()` lets its pool notice its end."""

    def __init__(self, pid: int) -> None:
        self._popen: Any = SimpleNamespace(pid=pid, returncode=None)

    @property
    def exitcode(self) -> int:
        raise AssertionError("this would take the exit status from billiard")


class FakePool:
    """billiard's pool as far as it is read."""

    def __init__(self, count: int = 0) -> None:
        self._pool = [FakeProcess(100 + number) for number in range(count)]
        self._fileno_to_inq = dict.fromkeys(range(count))
        self.flushed: list[FakeProcess] = []

    def process_flush_queues(self, process: FakeProcess) -> str:
        self.flushed.append(process)
        return "flushed"

    def start(self, pid: int) -> FakeProcess:
        self._pool.append(FakeProcess(pid))
        return self._pool[-1]

    def end(self, process: FakeProcess, code: int, **flags: bool) -> None:
        for name, value in flags.items():
            setattr(process, name, value)
        process._popen.returncode = code
        assert self.process_flush_queues(process) == "flushed"
        self._pool.remove(process)


@pytest.fixture
def counts() -> PoolProcessCounts:
    return PoolProcessCounts()


def a_pool(processes: Any) -> Any:
    return SimpleNamespace(_pool=processes)


def ends(counts: PoolProcessCounts, pool: Any) -> dict[str, Any]:
    read, _ = counts.read(pool)
    assert read is not None
    names = ("started", "exited", "recycled", "terminated", "lost", "starting", "last_loss")
    return {name: getattr(read, name) for name in names if getattr(read, name)}


def test_a_new_pool_has_started_its_processes(counts: PoolProcessCounts) -> None:
    processes = FakePool(4)
    assert counts.read(a_pool(processes)) == (PoolProcesses(4, 0, 0, 0, 0, 0), [100, 101, 102, 103])


@pytest.mark.parametrize(
    ("code", "flags", "how"),
    [
        (0, {}, "exited"),
        (-15, {"_controlled_termination": True}, "exited"),
        (-15, {"_controlled_termination": True, "_job_terminated": True}, "terminated"),
        (-9, {"_controlled_termination": True, "_job_terminated": True}, "terminated"),
        (0x9B, {}, "recycled"),
        (-15, {}, "terminated"),
        (-9, {}, "lost"),
        (-11, {}, "lost"),
        (1, {}, "lost"),
        (255, {}, "lost"),
        (99_999, {}, "lost"),
    ],
)
def test_the_exit_code_says_how_a_process_ended(
    counts: PoolProcessCounts, code: int, flags: dict[str, bool], how: str
) -> None:
    processes = FakePool(2)
    counts.read(a_pool(processes))
    processes.end(processes._pool[0], code, **flags)
    processes.start(200)
    expected: dict[str, Any] = {"started": 3, how: 1}
    if how == "lost":
        expected["last_loss"] = min(code, 255)
    assert ends(counts, a_pool(processes)) == expected


def test_a_process_that_is_killed_at_a_time_limit_is_terminated_whatever_the_signal(counts: PoolProcessCounts) -> None:
    """billiard sends SIGTERM, and SIGKILL a tenth of a second later; children take longer."""
    processes = FakePool(3)
    killed: list[Any] = []
    handler = SimpleNamespace(_trywaitkill=killed.append)
    processes._timeout_handler = handler  # type: ignore[attr-defined]
    counts.read(a_pool(processes))
    process, other, _ = processes._pool
    handler._trywaitkill(process)
    processes.end(process, -9)
    processes.end(other, -9)
    assert killed == [process]
    assert ends(counts, a_pool(processes)) == {"started": 3, "terminated": 1, "lost": 1, "last_loss": -9}


def test_processes_that_come_and_go_between_two_readings_are_counted(counts: PoolProcessCounts) -> None:
    processes = FakePool(1)
    counts.read(a_pool(processes))
    for number in range(50):
        processes.end(processes.start(200 + number), -9)
    assert ends(counts, a_pool(processes)) == {"started": 51, "lost": 50, "last_loss": -9}
    assert len(processes.flushed) == 50


def test_an_end_that_is_noticed_twice_counts_once(counts: PoolProcessCounts) -> None:
    """Celery flushes the queues of a process again after its end, and of living ones when it loses its connection."""
    processes = FakePool(2)
    counts.read(a_pool(processes))
    lost, living = processes._pool
    processes.process_flush_queues(living)
    processes.end(lost, -9)
    processes.process_flush_queues(lost)
    assert ends(counts, a_pool(processes)) == {"started": 2, "lost": 1, "last_loss": -9}


def test_a_process_that_has_ended_but_is_not_noted_yet_is_missing_and_never_counted_twice(
    counts: PoolProcessCounts,
) -> None:
    processes = FakePool(2)
    counts.read(a_pool(processes))
    process = processes._pool[0]
    process._popen.returncode = -9
    assert ends(counts, a_pool(processes)) == {"started": 2}
    processes.end(process, -9)
    processes.start(300)
    assert ends(counts, a_pool(processes)) == {"started": 3, "lost": 1, "last_loss": -9}


def test_processes_that_are_not_ready_are_starting(counts: PoolProcessCounts) -> None:
    processes = FakePool(3)
    del processes._fileno_to_inq[0]
    assert ends(counts, a_pool(processes)) == {"started": 3, "starting": 1}


def test_a_pool_that_replaces_another_continues_the_counts(counts: PoolProcessCounts) -> None:
    """`pool_restart` on a pool that cannot restart itself stops it and starts another."""
    old = FakePool(3)
    counts.read(a_pool(old))
    late = old._pool[2]
    old.end(old._pool[0], -9)
    new = FakePool(3)
    assert ends(counts, a_pool(new)) == {"started": 6, "exited": 2, "lost": 1, "last_loss": -9}
    old.end(late, 0)
    assert ends(counts, a_pool(new)) == {"started": 6, "exited": 2, "lost": 1, "last_loss": -9}
    new.end(new._pool[0], 0x9B)
    assert ends(counts, a_pool(new)) == {"started": 6, "exited": 2, "recycled": 1, "lost": 1, "last_loss": -9}


def test_a_pool_that_grows_and_shrinks(counts: PoolProcessCounts) -> None:
    processes = FakePool(2)
    counts.read(a_pool(processes))
    for number in range(3):
        processes.start(200 + number)
    assert ends(counts, a_pool(processes)) == {"started": 5, "starting": 3}
    for process in list(processes._pool[:3]):
        processes.end(process, -15, _controlled_termination=True)
    assert ends(counts, a_pool(processes)) == {"started": 5, "exited": 3}


@pytest.mark.parametrize(
    "pool",
    [None, object(), a_pool(None), a_pool(SimpleNamespace()), a_pool(SimpleNamespace(_pool=None)), a_pool([1, 2])],
)
def test_a_pool_without_processes_has_no_counts(counts: PoolProcessCounts, pool: Any) -> None:
    assert counts.read(pool) == (None, [])
    assert not counts.has_processes


def test_between_two_pools_nothing_is_known_and_nothing_is_forgotten(counts: PoolProcessCounts) -> None:
    processes = FakePool(2)
    counts.read(a_pool(processes))
    processes.end(processes._pool[0], -9)
    assert counts.read(a_pool(None)) == (None, [])
    assert ends(counts, a_pool(processes)) == {"started": 2, "lost": 1, "last_loss": -9}


def test_a_release_without_the_method_leaves_the_counts_unknown_but_not_the_processes(
    counts: PoolProcessCounts,
) -> None:
    processes = SimpleNamespace(_pool=[FakeProcess(7)])
    assert counts.read(a_pool(processes)) == (None, [7])
    assert counts.read(a_pool(processes)) == (None, [7])


def test_a_process_of_another_form_does_not_disturb_the_pool(counts: PoolProcessCounts) -> None:
    processes = FakePool(1)
    counts.read(a_pool(processes))
    for odd in (None, object(), SimpleNamespace(_popen=SimpleNamespace(returncode="9"))):
        assert processes.process_flush_queues(odd) == "flushed"  # type: ignore[arg-type]
    assert ends(counts, a_pool(processes)) == {"started": 1}


# Real processes.

filter_fork_warning = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def make_pool() -> Iterator[Callable[..., Any]]:
    pools: list[Any] = []

    def make(**options: Any) -> Any:
        pools.append(billiard.Pool(**options))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()
        pool.join()


@filter_fork_warning
def test_real_processes_that_are_killed_are_lost(counts: PoolProcessCounts, make_pool: Callable[..., Any]) -> None:
    processes = make_pool(processes=1, lost_worker_timeout=0.1)
    _, (pid,) = counts.read(a_pool(processes))
    processes.apply_async(_kill_itself)  # an idle process would hold the lock of the queue, which the pool needs to end
    eventually(lambda: _expect(ends(counts, a_pool(processes)), {"started": 2, "lost": 1, "last_loss": -9}), 10)
    _, after = counts.read(a_pool(processes))
    assert len(after) == 1 and after != [pid]


@filter_fork_warning
def test_real_processes_that_are_replaced_after_a_task_are_recycled(
    counts: PoolProcessCounts, make_pool: Callable[..., Any]
) -> None:
    processes = make_pool(processes=1, maxtasksperchild=1)
    counts.read(a_pool(processes))
    processes.apply_async(time.sleep, (0,)).get(timeout=10)
    eventually(lambda: _expect(ends(counts, a_pool(processes)), {"started": 2, "recycled": 1}), 10)


@filter_fork_warning
def test_real_processes_of_a_pool_that_shrinks_have_exited(
    counts: PoolProcessCounts, make_pool: Callable[..., Any]
) -> None:
    processes = make_pool(processes=2)
    counts.read(a_pool(processes))
    processes.shrink(1)
    eventually(lambda: _expect(ends(counts, a_pool(processes)), {"started": 2, "exited": 1}), 10)


def _kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _expect(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found == expected
