"""Growth: memory that rises steadily over hours, found in the floors of a recording. Pure.

A floor is the lowest memory within ten minutes, so single tasks and replaced processes do not count. Six consecutive
periods of 20 min, 30 min or 1 h are compared: what rises for less than two hours may be a batch, or caches that fill.
"""

from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

from celery_gossip.cluster.recording import FLOOR_SECONDS, MAX_FLOORS, Recording

__all__ = ["Growth", "find_growth"]

_PERIODS = 6  #: that must rise one after the other
_GROUPS = (2, 3, MAX_FLOORS // _PERIODS)  #: floors in one period
_MIN_STEP = 0.25  #: share of the mean rise that each period must reach
_MIN_LATE = 0.6  #: rise of the last two steps, as a share of the first two: caches that fill up rise ever more slowly
_MIN_RISE = {"main": 50 * 2**20, "child": 20 * 2**20}  #: bytes
_MAX_CACHED = 8_192

Part = Literal["main", "child"]


class Growth(NamedTuple):
    """A steady rise of the main process, or of the average process of the pool."""

    part: Part
    start: int  #: bytes in the first period
    end: int  #: bytes in the last one
    seconds: float  #: between the beginnings of these periods

    @property
    def per_second(self) -> float:
        """Bytes per second."""
        return (self.end - self.start) / self.seconds


def find_growth(recording: Recording, share: float) -> tuple[Growth, ...]:
    """Return the growth of the main process and of the pool's processes by at least `share` of their memory before.

    Takes less than 1 µs until the next floor is recorded.
    """
    return _find_growth(recording.packed_floors, share)


@lru_cache(_MAX_CACHED)
def _find_growth(packed: bytes, share: float) -> tuple[Growth, ...]:
    floors = Recording(floors=packed).floors
    parts: tuple[tuple[Part, list[int]], ...] = (
        ("main", [floor.main for floor in floors]),
        ("child", [floor.child for floor in floors]),
    )
    found = (_growth_of(part, values, share) for part, values in parts)
    return tuple(one for one in found if one is not None)


def _growth_of(part: Part, values: list[int], share: float) -> Growth | None:
    """Return the growth over the longest period that shows it."""
    for group in reversed(_GROUPS):
        recent = values[-_PERIODS * group :]
        if len(recent) == _PERIODS * group:
            periods = [min(recent[at : at + group]) for at in range(0, len(recent), group)]
            # As high once before: memory that goes up and down, as with processes that are recycled.
            is_new = max(values[: -_PERIODS * group], default=0) < periods[-1]
            if is_new and _is_steady(periods) and _is_large(part, periods, share):
                return Growth(part, periods[0], periods[-1], (_PERIODS - 1) * group * FLOOR_SECONDS)
    return None


def _is_steady(periods: list[int]) -> bool:
    steps = [after - before for before, after in pairwise(periods)]
    mean = sum(steps) / len(steps)
    return min(steps) > 0 and min(steps) >= _MIN_STEP * mean and sum(steps[-2:]) >= _MIN_LATE * sum(steps[:2])


def _is_large(part: Part, periods: list[int], share: float) -> bool:
    rise = periods[-1] - periods[0]
    return periods[0] > 0 and rise >= max(_MIN_RISE[part], share * periods[0])
