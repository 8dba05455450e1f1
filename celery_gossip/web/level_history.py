"""LevelHistory: figures of many subjects over three hours, the highest value of each step. Bounded.

A LevelTracker adds values on the Sampler's thread; series() may be called on any thread. Each subject has one array of
4 bytes for each step and figure, about 3 KB for three figures, whether or not its figures are known.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from math import isnan, nan
from threading import Lock
from typing import NamedTuple

__all__ = ["FINE", "STEP_SECONDS", "LevelHistory", "LevelStep", "Values"]

FINE = 10.0  #: seconds of a step of the last ten minutes
_COARSE = 60.0  #: seconds of a step of the last three hours
STEP_SECONDS = (FINE, _COARSE)
_RATIO = int(_COARSE / FINE)
_FINE_STEPS = int(600 / FINE) + 2
_COARSE_STEPS = int(10_800 / _COARSE) + 2
_KEPT = _COARSE_STEPS * _RATIO  #: fine steps after which a subject without a value is dropped
_IN_USE = _RATIO  #: fine steps for which a subject without a value keeps its place if another one needs it
_DROPPED = 20  #: a full table drops the oldest of this many subjects at once

Values = Sequence[float | None]  #: one for each figure; None is unknown


class LevelStep(NamedTuple):
    """Figures of one step."""

    size: float  #: seconds
    start: float  #: monotonic seconds
    values: tuple[float | None, ...]


class LevelHistory:
    """Steps of subjects by name. Thread-safe."""

    def __init__(self, figures: int, max_subjects: int) -> None:
        """`figures`: values of each subject; beyond `max_subjects` those without a value for a minute are dropped."""
        self._figures = figures
        self._max_subjects = max_subjects
        self._tracks: dict[str, _Track] = {}
        self._swept_at = 0  #: number of a fine step
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._tracks)

    def add(self, now: float, levels: Iterable[tuple[str, Values]]) -> None:
        """Add `(name, values)` at monotonic `now`. Takes 1 to 2 µs for each subject."""
        step = int(now // FINE)
        with self._lock:
            self._drop_expired(step)
            for name, values in levels:
                track = self._tracks.get(name) or self._new_track(name, step)
                if track is not None:
                    track.add(step, values)

    def series(self, name: str, now: float) -> list[LevelStep]:
        """Return the steps with a known value, oldest first, those of ten seconds before those of a minute."""
        step = int(now // FINE)
        with self._lock:
            track = self._tracks.get(name)
            return [] if track is None else list(track.steps(step))

    def _new_track(self, name: str, step: int) -> "_Track | None":
        """Return a new track; None if there is no place for it."""
        if len(self._tracks) >= self._max_subjects and not self._make_room(step):
            return None
        track = self._tracks[name] = _Track(self._figures, step)
        return track

    def _make_room(self, step: int) -> bool:
        unused = [name for name, track in self._tracks.items() if track.step < step - _IN_USE]
        unused.sort(key=lambda name: self._tracks[name].step)
        for name in unused[: max(1, self._max_subjects // _DROPPED)]:
            del self._tracks[name]
        return bool(unused)

    def _drop_expired(self, step: int) -> None:
        """Drop subjects whose steps are all too old, once per minute."""
        if step - self._swept_at < _RATIO:
            return
        self._swept_at = step
        for name in [name for name, track in self._tracks.items() if track.step < step - _KEPT]:
            del self._tracks[name]


class _Track:
    """Two rings of steps, the fine ones before the coarse ones in one array; NaN is unknown.

    Step `n` is at `n % length` of its ring. A fine step is merged into its coarse one when the next one begins.
    """

    __slots__ = ("_cells", "_figures", "step")

    def __init__(self, figures: int, step: int) -> None:
        self._figures = figures
        self._cells = array("f", [nan]) * ((_FINE_STEPS + _COARSE_STEPS) * figures)
        self.step = step  #: number of the latest fine step

    def add(self, step: int, values: Values) -> None:
        if step > self.step:
            self._advance(step)
        cells, at = self._cells, step % _FINE_STEPS * self._figures
        for value in values:
            if value is not None and not cells[at] >= value:  # also if the cell is NaN
                cells[at] = value
            at += 1

    def steps(self, now: int) -> Iterator[LevelStep]:
        """Yield the steps with a known value that are not older than their ring at fine step `now`."""
        for number in range(max(self.step, now) - _FINE_STEPS + 1, self.step + 1):
            if number > self.step - _FINE_STEPS:
                yield from self._step(FINE, number, self._fine_at(number))
        latest = self.step // _RATIO
        for number in range(max(latest, now // _RATIO) - _COARSE_STEPS + 1, latest + 1):
            if number > latest - _COARSE_STEPS:
                merged = self._merged() if number == latest else None
                yield from self._step(_COARSE, number, self._coarse_at(number), merged)

    def _step(self, size: float, number: int, at: int, cells: Sequence[float] | None = None) -> Iterator[LevelStep]:
        """Yield this step unless all its values are unknown."""
        known = self._cells[at : at + self._figures] if cells is None else cells
        values = tuple([None if isnan(value) else value for value in known])
        if values.count(None) < len(values):
            yield LevelStep(size, number * size, values)

    def _advance(self, step: int) -> None:
        """Merge the latest fine step into its coarse one; make the steps up to this one unknown."""
        latest, figures = self.step, self._figures
        at = self._coarse_at(latest // _RATIO)
        self._cells[at : at + figures] = array("f", self._merged())
        unknown = array("f", [nan]) * figures
        for number in range(max(latest, step - _FINE_STEPS) + 1, step + 1):
            at = self._fine_at(number)
            self._cells[at : at + figures] = unknown
        coarse = step // _RATIO
        for number in range(max(latest // _RATIO, coarse - _COARSE_STEPS) + 1, coarse + 1):
            at = self._coarse_at(number)
            self._cells[at : at + figures] = unknown
        self.step = step

    def _merged(self) -> list[float]:
        """Return the values of the latest coarse step with those of the latest fine one."""
        fine, coarse = self._fine_at(self.step), self._coarse_at(self.step // _RATIO)
        pairs = zip(self._cells[fine : fine + self._figures], self._cells[coarse : coarse + self._figures], strict=True)
        return [one if isnan(other) or one > other else other for one, other in pairs]

    def _fine_at(self, number: int) -> int:
        return number % _FINE_STEPS * self._figures

    def _coarse_at(self, number: int) -> int:
        return (_FINE_STEPS + number % _COARSE_STEPS) * self._figures
