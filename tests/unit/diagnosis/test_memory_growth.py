"""Memory that rises steadily is told from memory that only was higher later."""

from collections.abc import Callable, Iterator
from math import exp
from random import Random

import msgspec
import pytest

from celery_gossip.cluster.recording import Recorder, Recording
from celery_gossip.diagnosis.memory_growth import Growth, find_growth
from celery_gossip.wire.messages import PoolProcesses, Resources
from tests.unit.build import a_gossip

MIB = 2**20
Memory = Callable[[float], float]  #: MiB at a time in seconds
HOUR = 3600.0


REPORT = a_gossip()


def recorded(main: Memory, hours: float, child: Memory | None = None) -> Recording:
    """Return the recording of a worker whose memory, in MiB, is a function of the seconds since its start."""
    *_, last = recordings(main, hours, child)
    return last


def recordings(main: Memory, hours: float, child: Memory | None = None) -> Iterator[Recording]:
    """Yield the recording after each ten minutes."""
    recorder = Recorder()
    for number in range(int(hours * 120) + 1):  # two readings in a minute
        at = number * 30.0
        resources = Resources(
            rss=int(main(at) * MIB),
            children_rss=None if child is None else int(child(at) * MIB) * 4,
            processes=None if child is None else PoolProcesses(4, 0, 0, 0, 0, 0),
        )
        recorder.add(msgspec.structs.replace(REPORT, resources=resources), at)
        if number % 20 == 0:
            yield recorder.recording()


def noisy(base: Memory, size: float = 20.0) -> Memory:
    """Add the memory of tasks, which comes and goes."""
    draw = Random(3)
    return lambda at: base(at) + size * draw.random()


def flat(at: float) -> float:
    return 200.0


def leak(at: float) -> float:
    return 200.0 + 80.0 * at / HOUR


def warm_up(at: float) -> float:
    """Caches that fill up within some 40 minutes."""
    return 600.0 - 400.0 * exp(-at / (0.4 * HOUR))


def batch(at: float) -> float:
    """A batch of 50 minutes after two hours; what it needed is not returned."""
    return 200.0 + 400.0 * min(1.0, max(0.0, (at - 2 * HOUR) / (50 * 60)))


def steps(at: float) -> float:
    """Higher from time to time, as when a module is imported."""
    return 200.0 + 100.0 * (at // (2 * HOUR))


def slow_sawtooth(at: float) -> float:
    """Processes that are replaced together every two hours: it rises for longer than an hour, and falls again."""
    return 200.0 + 300.0 * (at % (2 * HOUR)) / (2 * HOUR)


def fast_sawtooth(at: float) -> float:
    return 200.0 + 300.0 * (at % 60.0) / 60.0


def daily(at: float) -> float:
    """More load, and memory, in the morning; it levels off."""
    return 200.0 + 300.0 * min(1.0, at / (0.8 * HOUR))


@pytest.mark.parametrize(
    ("memory", "hours"),
    [(flat, 8), (warm_up, 8), (batch, 8), (steps, 8), (fast_sawtooth, 8), (slow_sawtooth, 8), (daily, 8), (leak, 2.0)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_does_not_rise_steadily_for_two_hours_is_no_growth(memory: Memory, hours: float) -> None:
    assert all(find_growth(recording, 0.2) == () for recording in recordings(noisy(memory), hours))


def test_a_leak_is_growth_after_two_hours_and_as_long_as_it_lasts() -> None:
    found = [find_growth(recording, 0.2) for recording in recordings(noisy(leak), 12)]
    assert [bool(one) for one in found] == [False] * 13 + [True] * 60
    (growth,) = found[13]
    assert (growth.part, growth.seconds) == ("main", 6000.0)
    assert growth.start / MIB == pytest.approx(215, abs=10)
    assert growth.per_second * HOUR / MIB == pytest.approx(80, rel=0.1)


def test_a_leak_that_begins_later_is_growth_as_well() -> None:
    found = [bool(find_growth(one, 0.2)) for one in recordings(lambda at: 200.0 + max(0.0, at - 3 * HOUR) / 40, 8)]
    assert found.index(True) == pytest.approx(31, abs=2) and all(found[33:])


def test_a_slow_leak_is_growth_after_six_hours() -> None:
    recording = recorded(noisy(lambda at: 200.0 + 20.0 * at / HOUR, 5.0), 6.5)
    (growth,) = find_growth(recording, 0.2)
    assert growth.seconds == 5 * HOUR


def test_a_leak_in_the_processes_of_the_pool_is_told_from_one_in_the_main_process() -> None:
    recording = recorded(flat, 3, child=lambda at: 100.0 + 40.0 * at / HOUR)
    (growth,) = find_growth(recording, 0.2)
    assert growth.part == "child"


@pytest.mark.parametrize(("per_hour", "share", "is_found"), [(25, 0.2, False), (80, 0.2, True), (80, 2.0, False)])
def test_a_rise_must_be_large(per_hour: float, share: float, is_found: bool) -> None:
    recording = recorded(lambda at: 200.0 + per_hour * at / HOUR, 2.25)
    assert bool(find_growth(recording, share)) == is_found


def test_nothing_is_known_without_a_recording() -> None:
    assert find_growth(Recording(), 0.2) == ()


def test_the_rate_of_a_growth() -> None:
    assert Growth("main", 100, 400, 60.0).per_second == 5.0
