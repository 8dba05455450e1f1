"""History: what happened when, in frames of one second, thinned as they grow old. Pure.

Used by the Cluster under its lock, one for queues, one for tasks, one for workers and one for all together: the product
of the three would not fit into memory. The tiers are those of Oban Met's recorder, somewhat longer.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import floor, inf
from operator import add

from celery_gossip.throughput import Packed, Tally, counts_in

__all__ = ["MOST_CELLS", "History", "beginning", "counts_of"]

#: `(seconds of a frame, seconds for which such frames are kept)`
_TIERS = ((1.0, 120.0), (10.0, 600.0), (60.0, 10_800.0))
#: Cells of all frames together, usually of about 300 bytes: 60 MB. Beyond, the oldest frames go before their time; what
#: many workers take is not taken from the queues.
MOST_CELLS = {"queue": 40_000, "task": 40_000, "worker": 120_000, "fleet": 1_000}
_MAX_SHARED = 10_000  #: names that frames share; beyond, they begin anew
_MAX_NAMES = 5_000  #: that one frame tells apart; others are left out


@dataclass
class _Frame:
    """What happened in its seconds, by name; `cells` are packed when it is over."""

    start: float
    open: dict[str, Tally] = field(default_factory=dict)
    cells: dict[str, Packed] = field(default_factory=dict)

    def tally(self, name: str) -> Tally | None:
        if name in self.open:
            return self.open[name]
        packed = self.cells.get(name)
        return None if packed is None else Tally.unpacked(packed)

    def tallies(self) -> Iterator[tuple[str, Tally]]:
        yield from self.open.items()
        yield from ((name, Tally.unpacked(packed)) for name, packed in self.cells.items())

    def copy(self) -> "_Frame":
        """What it holds now, all of it packed."""
        opened = {name: tally.packed() for name, tally in self.open.items()}
        return _Frame(self.start, cells={**self.cells, **opened})

    def close(self) -> None:
        self.cells.update({name: tally.packed() for name, tally in self.open.items()})
        self.open = {}


class History:
    """add() in the order of time; window() and steps() read."""

    def __init__(self, most_cells: int) -> None:
        self._most_cells = most_cells
        self._tiers: tuple[deque[_Frame], ...] = tuple(deque() for _ in _TIERS)
        self._cells = 0
        self._names: dict[str, str] = {}  # one text for all frames: each gossip brings its own

    def add(self, name: str, tally: Tally, now: float) -> None:
        """This much has happened by `now`."""
        frame = self._frame_of(floor(now))
        known = frame.open.get(name)
        if known is None:
            if len(frame.open) >= _MAX_NAMES:
                return
            known = frame.open[self._shared(name)] = Tally()
            self._cells += 1
        known.add(tally)

    def forget(self, name: str) -> None:
        """Take back what has happened under this name."""
        for tier in self._tiers:
            for frame in tier:
                self._cells -= (frame.open.pop(name, None) is not None) + (frame.cells.pop(name, None) is not None)

    def window(self, since: float, until: float = inf) -> dict[str, Tally]:
        """`{name: sum of everything that has happened since then}`, in frames that began before `until`."""
        found: dict[str, Tally] = {}
        for _, frame in self._frames(since):
            if frame.start >= until:
                break
            for name, tally in frame.tallies():
                if name not in found:
                    found[name] = Tally()
                found[name].add(tally)
        return found

    def copies(self, since: float) -> list["_Frame"]:
        """For counts_of(), which takes its time with many names: without the lock."""
        return [frame.copy() for _, frame in self._frames(since)]

    def steps(self, name: str, since: float, least: float = 0.0) -> Iterator[tuple[float, float, Tally]]:
        """`(start, seconds, what happened)` of each frame in which something did, oldest first.

        Frames of fewer than `least` seconds are told together, in steps of so many.
        """
        found: dict[tuple[float, float], Tally] = {}
        for seconds, frame in self._frames(since):
            tally = frame.tally(name)
            if tally is not None:
                size = max(seconds, least)
                found.setdefault((floor(frame.start / size) * size, size), Tally()).add(tally)
        yield from ((start, size, tally) for (start, size), tally in found.items())

    def _shared(self, name: str) -> str:
        """Not by sys.intern(): on some Pythons what it knows is never forgotten."""
        if len(self._names) >= _MAX_SHARED:
            self._names.clear()
        return self._names.setdefault(name, name)

    def _frames(self, since: float) -> Iterator[tuple[float, _Frame]]:
        """`(seconds, frame)`, oldest first."""
        for (size, _), tier in reversed(list(zip(_TIERS, self._tiers, strict=True))):
            yield from ((size, frame) for frame in tier if frame.start >= since)

    def _frame_of(self, start: float) -> _Frame:
        fine = self._tiers[0]
        if fine and start <= fine[-1].start:
            return fine[-1]
        if fine:
            fine[-1].close()
        fine.append(_Frame(start))
        self._thin(start)
        return fine[-1]

    def _thin(self, now: float) -> None:
        for at, (_, kept) in enumerate(_TIERS):
            tier = self._tiers[at]
            while tier and tier[0].start < now - kept:
                frame = tier.popleft()
                self._cells -= len(frame.cells)
                if at + 1 < len(_TIERS):
                    self._merge(frame, at + 1)
        while self._cells > self._most_cells:
            oldest = next(tier for tier in reversed(self._tiers) if tier)
            self._cells -= len(oldest.popleft().cells)

    def _merge(self, frame: _Frame, at: int) -> None:
        size, tier = _TIERS[at][0], self._tiers[at]
        start = floor(frame.start / size) * size
        if not tier or tier[-1].start != start:
            tier.append(_Frame(start))
        coarse = tier[-1]
        for name, packed in frame.cells.items():
            if name not in coarse.cells:
                coarse.cells[name] = packed
                self._cells += 1
                continue
            merged = Tally.unpacked(coarse.cells[name])
            merged.add(Tally.unpacked(packed))
            coarse.cells[name] = merged.packed()


def counts_of(frames: Iterable[_Frame]) -> dict[str, list[int]]:
    """`{name: COUNTS of these frames}`: a fifth of the work of window()."""
    found: dict[str, list[int]] = {}
    for frame in frames:
        for name, packed in frame.cells.items():
            counts = counts_in(packed)
            known = found.get(name)
            found[name] = list(counts) if known is None else list(map(add, known, counts))
    return found


def beginning(now: float, window: float, least: float = 0.0) -> float:
    """When a window really begins: at the start of a frame of `least` seconds or more, `window` seconds ago at most."""
    size = max(least, next((size for size, kept in _TIERS if window <= kept), _TIERS[-1][0]))
    return floor((now - window) / size) * size + size
