"""Parking: whoever stands still for a fork goes on after it, whatever another one does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from celery_gossip import parking
from celery_gossip.parking import Workplace


class Stander:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[str] = []

    def park(self) -> bool:
        if self.error is not None:
            raise self.error
        self.calls.append("park")
        return True

    def unpark(self) -> None:
        self.calls.append("unpark")


def test_one_that_cannot_be_parked_keeps_no_other_from_going_on() -> None:
    standers = [Stander(), Stander(MemoryError()), Stander()]
    parking._parkables.update(standers)
    parking._park()
    parking._unpark()
    assert [stander.calls for stander in standers] == [["park", "unpark"], [], ["park", "unpark"]]


@contextmanager
def at_work(place: Workplace, work: str) -> Iterator[None]:
    """Somebody who is at it until the end of the context."""
    has_begun, over = threading.Event(), threading.Event()

    def turn() -> None:
        with place:
            has_begun.set()
            while not over.is_set():
                if work == "asleep":
                    over.wait(10)

    thread = threading.Thread(target=turn)
    thread.start()
    has_begun.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


def seconds_of(place: Workplace, *, is_closed: bool) -> float:
    began = time.monotonic()
    assert place.close() is is_closed
    if is_closed:
        place.reopen()
    return time.monotonic() - began


def test_a_place_where_nobody_works_is_closed_at_once() -> None:
    assert seconds_of(Workplace(0.1), is_closed=True) < 0.05


def test_one_who_sleeps_is_waited_for_once_in_a_turn() -> None:
    place = Workplace(0.1)
    with at_work(place, "asleep"):
        assert seconds_of(place, is_closed=False) >= 0.1
        assert seconds_of(place, is_closed=False) < 0.05
    assert seconds_of(place, is_closed=True) < 0.05
    with at_work(place, "asleep"):
        assert seconds_of(place, is_closed=False) >= 0.1


def test_one_who_works_is_waited_for_longer_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "_wants_cpu", lambda native_id: True)
    place = Workplace(0.1)
    with at_work(place, "asleep"):
        assert 0.9 < seconds_of(place, is_closed=False) < 3
    with at_work(place, "asleep"):
        ending = threading.Timer(0.3, place._lock.release)
        ending.start()
        assert seconds_of(place, is_closed=True) >= 0.3
        ending.join()
        place._lock.acquire()


@pytest.mark.skipif(not parking.os.path.exists("/proc/self/task"), reason="Linux tells what a thread does")
@pytest.mark.parametrize(("work", "wants_cpu"), [("asleep", False), ("busy", True)])
def test_linux_tells_who_works_and_who_sleeps(work: str, wants_cpu: bool) -> None:
    place = Workplace(0.1)
    with at_work(place, work):
        looks = []
        for _ in range(20):
            time.sleep(0.005)
            looks.append(parking._wants_cpu(place._native_id))
    assert looks.count(wants_cpu) > 10


def test_a_greenlet_of_this_thread_counts_as_asleep_and_so_does_one_that_is_gone() -> None:
    assert not parking._wants_cpu(threading.get_native_id())
    assert not parking._wants_cpu(None) and not parking._wants_cpu(2**31 - 1)
