"""ForkLock: a fork waits for a thread that works, not for one that hangs, and releases each lock that it acquired."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from celery_gossip import fork_lock
from celery_gossip.fork_lock import ForkLock
from tests.unit.build import FakeClock


class RecordingLock:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[str] = []

    def acquire_before_fork(self) -> bool:
        if self.error is not None:
            raise self.error
        self.calls.append("acquire")
        return True

    def release_after_fork(self) -> None:
        self.calls.append("release")


def test_a_lock_that_cannot_be_acquired_leaves_no_other_lock_acquired() -> None:
    locks = [RecordingLock(), RecordingLock(MemoryError()), RecordingLock()]
    fork_lock._locks.update(locks)  # type: ignore[arg-type]
    fork_lock._acquire_locks()
    fork_lock._release_locks()
    assert [lock.calls for lock in locks] == [["acquire", "release"], [], ["acquire", "release"]]


@contextmanager
def held(lock: ForkLock, how: str) -> Iterator[None]:
    """Have another thread hold the lock, `asleep` or `busy`, until the end of the context."""
    has_begun, is_over = threading.Event(), threading.Event()

    def work() -> None:
        with lock:
            has_begun.set()
            while not is_over.is_set():
                if how == "asleep":
                    is_over.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    has_begun.wait()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


class HeldLock:
    """A lock that another thread holds until `free_at`; waiting for it advances the clock."""

    def __init__(self, clock: FakeClock, free_at: float = float("inf")) -> None:
        self._clock = clock
        self._free_at = free_at

    def acquire(self, blocking: bool = True, timeout: float = 0.0) -> bool:
        if self._free_at > self._clock.now + timeout:
            self._clock.advance(timeout)
            return False
        self._clock.now = max(self._clock.now, self._free_at)
        return True

    def release(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock(100.0)
    monkeypatch.setattr(fork_lock, "time", SimpleNamespace(monotonic=clock))
    return clock


def seconds_to_acquire(lock: ForkLock, clock: FakeClock, *, succeeds: bool) -> float:
    began = clock.now
    assert lock.acquire_before_fork() is succeeds
    if succeeds:
        lock.release_after_fork()
    return clock.now - began


def test_a_lock_that_no_thread_holds_is_acquired_at_once(clock: FakeClock) -> None:
    assert seconds_to_acquire(ForkLock(0.1), clock, succeeds=True) == 0.0


def test_forks_wait_for_a_sleeping_thread_once_per_unit_of_work(clock: FakeClock) -> None:
    lock = ForkLock(0.1)
    free = lock._lock
    for _ in range(2):
        with lock:
            pass  # a unit of work begins
        lock._lock = HeldLock(clock)  # type: ignore[assignment]
        assert seconds_to_acquire(lock, clock, succeeds=False) == pytest.approx(0.1)
        assert seconds_to_acquire(lock, clock, succeeds=False) == 0.0
        lock._lock = free
        assert seconds_to_acquire(lock, clock, succeeds=True) == 0.0


@pytest.mark.parametrize(("free_after", "expected", "succeeds"), [(99.0, 1.0, False), (0.3, 0.3, True)])
def test_forks_wait_longer_for_a_running_thread_but_with_a_limit(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, free_after: float, expected: float, succeeds: bool
) -> None:
    monkeypatch.setattr(fork_lock, "_wants_cpu", lambda native_id: True)
    lock = ForkLock(0.1)
    lock._lock = HeldLock(clock, clock.now + free_after)  # type: ignore[assignment]
    assert seconds_to_acquire(lock, clock, succeeds=succeeds) == pytest.approx(expected, abs=0.011)


@pytest.mark.skipif(not fork_lock.os.path.exists("/proc/self/task"), reason="needs the thread states of /proc")
@pytest.mark.parametrize(("how", "wants_cpu"), [("asleep", False), ("busy", True)])
def test_linux_reports_which_thread_runs_and_which_sleeps(how: str, wants_cpu: bool) -> None:
    lock = ForkLock(0.1)
    with held(lock, how):
        states = []
        for _ in range(20):
            time.sleep(0.005)
            states.append(fork_lock._wants_cpu(lock._native_id))
    assert states.count(wants_cpu) > 10


def test_the_forking_thread_itself_and_an_ended_thread_count_as_sleeping() -> None:
    assert not fork_lock._wants_cpu(threading.get_native_id())
    assert not fork_lock._wants_cpu(None) and not fork_lock._wants_cpu(2**31 - 1)
