"""Recording: the last reports of one instance of a worker, and its memory over the last hours, in some 2 KB. Pure.

A Recorder belongs to an Instance and is used under the Cluster's lock. Recordings are immutable; any thread.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from math import inf
from struct import Struct, error

import msgspec

from celery_gossip.wire.messages import Gossip, Resources

__all__ = ["FLOOR_SECONDS", "MAX_FLOORS", "MAX_SAMPLES", "MemoryFloor", "Recorder", "Recording", "Sample"]

MAX_SAMPLES = 60  #: reports
FLOOR_SECONDS = 600.0
MAX_FLOORS = 36  #: floors of FLOOR_SECONDS each
_MAX_FLOOR_INTERVAL = 40.0  #: seconds between two reports; if it is longer, too few of them contain the memory

#: Time, memory used and resident in KiB, active, reserved, lost, lag. Sizes and `lost` are stored plus 1; 0 is unknown.
_SAMPLE = Struct("<dIIIIIf")
_FLOOR = Struct("<II")  #: KiB of the main process, and of each process of the pool on average
_RING = _SAMPLE.size * MAX_SAMPLES
_MAX_UINT = 2**32 - 1


class Sample(msgspec.Struct, frozen=True, gc=False):
    """Figures of one report."""

    at: float  #: time of its arrival on the listener's monotonic clock
    memory_used: int | None  #: bytes that count towards the memory limit; None if the report does not contain it
    rss: int | None  #: bytes of the main process and the pool's processes; the same
    active: int  #: running tasks
    reserved: int
    lost: int | None  #: pool processes lost since the start of the instance, as known then; None if not
    lag: float  #: seconds by which the last tick of the event loop was late, or for which it has been blocked


class MemoryFloor(msgspec.Struct, frozen=True, gc=False):
    """Lowest resident memory within FLOOR_SECONDS, in bytes."""

    main: int  #: of the main process
    child: int  #: of a process of the pool, on average; 0 if it has none


class Recording:
    """The latest reports and floors of one instance. Equal if they have the same content."""

    def __init__(self, samples: bytes = b"", floors: bytes = b"", memory_limit: int | None = None) -> None:
        self._samples = samples
        self._floors = floors
        self.memory_limit = memory_limit  #: bytes, of the latest report that contained it; None if there is none

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recording) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    def __len__(self) -> int:
        return len(self._samples) // _SAMPLE.size

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The last MAX_SAMPLES reports, oldest first."""
        return tuple(_samples(self._samples))

    @cached_property
    def floors(self) -> tuple[MemoryFloor, ...]:
        """The memory of each complete period of FLOOR_SECONDS, oldest first, without the first period of the instance.

        A minimum, so that neither single tasks nor processes that are replaced count.
        """
        return tuple(MemoryFloor(main * 1024, child * 1024) for main, child in _FLOOR.iter_unpack(self._floors))

    @property
    def packed_floors(self) -> bytes:
        """A key for what is derived from `floors` alone; the same object until they change."""
        return self._floors

    @property
    def _content(self) -> tuple[bytes, bytes, int | None]:
        return self._samples, self._floors, self.memory_limit


class Recorder:
    """Ring of the last reports of one instance. add() takes about 1 µs."""

    __slots__ = ("_floor", "_floor_ends_at", "_floors", "_latest", "_lost", "_memory_limit", "_position", "_ring")

    def __init__(self) -> None:
        self._ring = bytearray()
        self._position = 0
        self._lost = 0  # plus 1; 0 if unknown
        self._memory_limit: int | None = None
        self._floors = b""
        self._floor_ends_at = -inf
        self._floor: tuple[int, int] | None = None  # (main, child) in KiB; None in the first period
        self._latest: Recording | None = None

    def add(self, gossip: Gossip, now: float) -> None:
        """Record this report, which was received at monotonic `now`."""
        used = rss = 0
        if gossip.resources is not None:
            used, rss = self._add_resources(gossip.resources, gossip.interval, now)
        lag, position = gossip.stalled_for or gossip.loop_lag, self._position
        try:
            packed = _SAMPLE.pack(now, used, rss, gossip.active, gossip.reserved, self._lost, lag)
        except error:  # a count that no worker has, but that the wire format allows
            active, reserved = min(gossip.active, _MAX_UINT), min(gossip.reserved, _MAX_UINT)
            packed = _SAMPLE.pack(now, used, rss, active, reserved, self._lost, lag)
        self._ring[position : position + _SAMPLE.size] = packed
        self._position = (position + _SAMPLE.size) % _RING
        self._latest = None

    def recording(self) -> Recording:
        """Return what is recorded; the same object until the next report."""
        if self._latest is None:
            ring, position = bytes(self._ring), self._position
            is_full = len(ring) == _RING
            samples = ring[position:] + ring[:position] if is_full else ring
            self._latest = Recording(samples, self._floors, self._memory_limit)
        return self._latest

    def _add_resources(self, resources: Resources, interval: float, now: float) -> tuple[int, int]:
        """Return memory used and resident as they are stored."""
        self._memory_limit = resources.memory_limit
        processes, total = resources.processes, resources.total_rss
        if processes is not None:
            self._lost = min(processes.lost + 1, _MAX_UINT)
        if resources.rss is not None and interval <= _MAX_FLOOR_INTERVAL:
            alive = 0 if processes is None else processes.alive
            self._add_to_floor(resources.rss, (resources.children_rss or 0) // alive if alive else 0, now)
        return _stored(resources.memory_used), _stored(total)

    def _add_to_floor(self, main: int, child: int, now: float) -> None:
        main, child = min(main >> 10, _MAX_UINT), min(child >> 10, _MAX_UINT)
        if now >= self._floor_ends_at:
            self._close_floor(now)
            self._floor = None if self._floor_ends_at == -inf else (main, child)
            self._floor_ends_at = now + FLOOR_SECONDS
        elif self._floor is not None:
            self._floor = (min(main, self._floor[0]), min(child, self._floor[1]))

    def _close_floor(self, now: float) -> None:
        """Append the floor of the period that has ended; after a gap, forget the former ones."""
        if now >= self._floor_ends_at + FLOOR_SECONDS:
            self._floors = b""
        elif self._floor is not None:
            self._floors = (self._floors + _FLOOR.pack(*self._floor))[-MAX_FLOORS * _FLOOR.size :]


def _samples(packed: bytes) -> Iterator[Sample]:
    for at, used, rss, active, reserved, lost, lag in islice(_SAMPLE.iter_unpack(packed), MAX_SAMPLES):
        yield Sample(at, _bytes(used), _bytes(rss), active, reserved, lost - 1 if lost else None, round(lag, 3))


def _stored(size: int | None) -> int:
    return 0 if size is None else min((size >> 10) + 1, _MAX_UINT)


def _bytes(stored: int) -> int | None:
    return (stored - 1) * 1024 if stored else None
