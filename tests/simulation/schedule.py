"""Schedule: all events of one simulated run, drawn from a seed. Its repr() reproduces a failure."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

INTERVALS = (0.1, 0.25, 0.5, 0.5, 1.0, 1.0, 2.0)
MOST_DELAY = 0.3  #: seconds in the network; below the shortest timeout of 0.5 s


@dataclass(frozen=True)
class Act:
    """Event of a worker (`who`), the network, the listener or the broker."""

    at: float
    what: str
    who: int = 0
    value: float = 0.0  #: duration in seconds, unless World defines another meaning


@dataclass(frozen=True)
class Schedule:
    """One run. All faults have ended at `calm_at`."""

    seed: int
    intervals: tuple[float, ...]  #: of each worker
    acts: tuple[Act, ...]
    calm_at: float
    ends_at: float
    loss: float = 0.0  #: fraction of the messages
    repeated: float = 0.0  #: fraction of the messages
    delay: float = 0.0  #: maximum in seconds; messages may overtake each other
    suspect_after: float = 3.5
    lost_after: float = 10.0
    can_publish: bool = True
    most_workers: int = 2000
    forget_after: float = 600.0


@dataclass(frozen=True)
class _Fault:
    """Frequency and duration of an event."""

    what: str
    weight: int
    value: Callable[[Random, float], float]


def _lasting(least: float, most: float) -> Callable[[Random, float], float]:
    return lambda rng, interval: rng.uniform(least, most)


def _intervals(least: float, most: float) -> Callable[[Random, float], float]:
    return lambda rng, interval: interval * rng.uniform(least, most)


_FAULTS = (
    _Fault("crash", 4, _intervals(0, 0)),
    _Fault("restart", 6, _intervals(0.2, 14)),
    _Fault("stop", 3, _intervals(0, 0)),
    _Fault("drain", 3, _intervals(0.5, 6)),
    _Fault("roll", 4, _intervals(1, 12)),
    _Fault("twin", 5, _intervals(3, 20)),
    _Fault("stall", 3, _intervals(1, 8)),
    _Fault("freeze", 4, _intervals(1, 16)),
    _Fault("cut", 4, _intervals(1, 16)),
    _Fault("clock", 1, lambda rng, interval: rng.choice((-1e6, 1e6, -3600.0))),
    _Fault("pause", 5, _lasting(0.1, 6.0)),
    _Fault("deaf", 4, _lasting(0.3, 8.0)),
    _Fault("hold", 3, _lasting(0.3, 5.0)),
    _Fault("mute", 2, _lasting(0.5, 5.0)),
    _Fault("down", 4, _lasting(0.2, 8.0)),
    _Fault("crowd", 1, _intervals(5, 12)),
)
_WEIGHTS = tuple(fault.weight for fault in _FAULTS)


def drawn(seed: int) -> Schedule:
    """Return the schedule of this seed: a few workers, a few faults, then a period without faults."""
    rng = Random(seed)
    intervals = tuple(rng.choice(INTERVALS) for _ in range(rng.choice((1, 1, 2, 2, 3))))
    slowest = max(intervals)
    faults_end = 2.0 + slowest * rng.uniform(2, 10)
    acts = tuple(_act(rng, intervals, faults_end) for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4))))
    calm_at = max([2.0, *(act.at + (act.value if act.what != "clock" else 0) for act in acts)])
    return Schedule(
        seed=seed,
        intervals=intervals,
        acts=tuple(sorted(acts, key=lambda act: act.at)),
        calm_at=calm_at,
        ends_at=calm_at + rng.choice((1.0, 6.0 + 3 * slowest, 6.0 + 14 * slowest)),
        loss=rng.choice((0.0, 0.0, 0.0, 0.05, 0.3)),
        repeated=rng.choice((0.0, 0.0, 0.1)),
        delay=rng.choice((0.0, 0.01, 0.1, MOST_DELAY)),
        suspect_after=rng.choice((3.5, 3.5, 3.5, 2.0, 5.0)),
        lost_after=rng.choice((10.0, 10.0, 10.0, 6.0)),
        can_publish=rng.random() > 0.05,
        most_workers=rng.choice((2000, 2000, 2000, 2)),
        forget_after=rng.choice((600.0, 600.0, 3.0)),
    )


def _act(rng: Random, intervals: tuple[float, ...], faults_end: float) -> Act:
    (fault,) = rng.choices(_FAULTS, _WEIGHTS)
    who = rng.randrange(len(intervals))
    return Act(round(rng.uniform(0, faults_end), 3), fault.what, who, round(fault.value(rng, intervals[who]), 3))
