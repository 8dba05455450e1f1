"""History: throughput over time, in buckets of one second that are downsampled as they age. Pure.

TaskStatistics keeps one History by queue, one by task, one by worker and one for all tasks: the product of the three
would not fit into memory. The resolutions are those of Oban Met's recorder, kept somewhat longer.

add(), remove() and snapshot() are called under the Cluster's lock; snapshots are summed up without it, because a minute
of 1,000 workers takes a second to unpack. For that reason the entries of a closed bucket are never changed in place.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import floor, inf
from operator import add

from celery_gossip.cluster.throughput import PackedSum, ThroughputSum, unpack_counts

__all__ = ["MAX_ENTRIES", "History", "TimeBucket", "count_by_name", "iterate_steps", "sum_by_name", "window_start"]

#: `(seconds of a bucket, seconds for which such buckets are kept)`, the finest first.
_RESOLUTIONS = ((1.0, 120.0), (10.0, 600.0), (60.0, 10_800.0))
#: Entries (a name in a bucket) of one History, usually of about 300 bytes each: 60 MB in all. Beyond that the oldest
#: buckets are dropped early. The limits are separate, so many workers cannot displace the history of the queues.
MAX_ENTRIES = {"queue": 40_000, "task": 40_000, "worker": 120_000, "fleet": 1_000}
_MAX_INTERNED = 10_000  #: names that are interned; the table is cleared beyond that
_MAX_NAMES = 5_000  #: names in one bucket; further ones are left out


@dataclass
class TimeBucket:
    """Throughput in one period, by name."""

    start: float
    size: float  #: seconds
    open: dict[str, ThroughputSum] = field(default_factory=dict)  #: sums while this is the latest bucket
    packed: Mapping[str, PackedSum] = field(default_factory=dict)  #: sums afterwards; replaced, never changed in place

    def sum_of(self, name: str) -> ThroughputSum | None:
        """Return the sum of this name, None if there is none."""
        if name in self.open:
            return self.open[name]
        packed = self.packed.get(name)
        return None if packed is None else ThroughputSum.unpack(packed)

    def sums(self) -> Iterator[tuple[str, ThroughputSum]]:
        """Yield `(name, sum)`."""
        yield from self.open.items()
        yield from ((name, ThroughputSum.unpack(packed)) for name, packed in self.packed.items())

    def counts(self) -> Iterator[tuple[str, Sequence[int]]]:
        """Yield `(name, COUNTS)`; takes a fifth of the time of sums()."""
        yield from ((name, one.counts) for name, one in self.open.items())
        yield from ((name, unpack_counts(packed)) for name, packed in self.packed.items())

    def copy(self, name: str | None = None) -> "TimeBucket":
        """Return a copy that does not change any more, of all names or of `name` alone. Packs and unpacks nothing."""
        names = self.open if name is None else self.open.keys() & {name}
        return TimeBucket(self.start, self.size, {known: self.open[known].copy() for known in names}, self.packed)

    def close(self) -> None:
        """Pack all sums: the bucket is not the latest any more."""
        self.packed = {**self.packed, **{name: one.pack() for name, one in self.open.items()}}
        self.open = {}

    def remove(self, name: str) -> int:
        """Remove this name. Return the number of entries removed."""
        removed = self.open.pop(name, None) is not None
        if name not in self.packed:
            return int(removed)
        self.packed = {known: packed for known, packed in self.packed.items() if known != name}
        return removed + 1


class History:
    """Throughput in the order of time. snapshot() returns what sum_by_name() and the like evaluate."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._tiers: tuple[deque[TimeBucket], ...] = tuple(deque() for _ in _RESOLUTIONS)
        self._entries = 0
        self._interned: dict[str, str] = {}  # each decoded gossip has its own copy of a name; buckets share one

    def add(self, name: str, delta: ThroughputSum, now: float) -> None:
        """Add `delta` to the sum of this name at `now`."""
        bucket = self._latest_bucket(floor(now))
        known = bucket.open.get(name)
        if known is None:
            if len(bucket.open) >= _MAX_NAMES:
                return
            known = bucket.open[self._intern(name)] = ThroughputSum()
            self._entries += 1
        known.add(delta)

    def remove(self, name: str) -> None:
        """Remove this name from all buckets."""
        for tier in self._tiers:
            for bucket in tier:
                self._entries -= bucket.remove(name)

    def snapshot(self, since: float, name: str | None = None) -> list[TimeBucket]:
        """Return copies of the buckets that start at `since` or later, oldest first, of all names or of `name` alone.

        Takes a microsecond for each name of the latest bucket; the entries of older buckets are shared.
        """
        buckets = (bucket for tier in reversed(self._tiers) for bucket in tier)
        return [bucket.copy(name) for bucket in buckets if bucket.start >= since]

    def _intern(self, name: str) -> str:
        """Return the shared copy of this name. Not sys.intern(): some Python versions never free interned strings."""
        if len(self._interned) >= _MAX_INTERNED:
            self._interned.clear()
        return self._interned.setdefault(name, name)

    def _latest_bucket(self, start: float) -> TimeBucket:
        finest = self._tiers[0]
        if finest and start <= finest[-1].start:
            return finest[-1]
        if finest:
            finest[-1].close()
        finest.append(TimeBucket(start, _RESOLUTIONS[0][0]))
        self._downsample(start)
        return finest[-1]

    def _downsample(self, now: float) -> None:
        """Move buckets that are too old for their tier to the next coarser one; drop the oldest beyond the limit."""
        for at, (_, kept_for) in enumerate(_RESOLUTIONS):
            tier = self._tiers[at]
            while tier and tier[0].start < now - kept_for:
                bucket = tier.popleft()
                self._entries -= len(bucket.packed)
                if at + 1 < len(_RESOLUTIONS):
                    self._merge(bucket, at + 1)
        while self._entries > self._max_entries:
            oldest = next(tier for tier in reversed(self._tiers) if tier)
            self._entries -= len(oldest.popleft().packed)

    def _merge(self, bucket: TimeBucket, at: int) -> None:
        """Add a closed bucket to the latest one of the tier `at`."""
        size, tier = _RESOLUTIONS[at][0], self._tiers[at]
        start = floor(bucket.start / size) * size
        if not tier or tier[-1].start != start:
            tier.append(TimeBucket(start, size))
        merged = dict(tier[-1].packed)
        for name, packed in bucket.packed.items():
            if name not in merged:
                merged[name] = packed
                self._entries += 1
                continue
            total = ThroughputSum.unpack(merged[name])
            total.add(ThroughputSum.unpack(packed))
            merged[name] = total.pack()
        tier[-1].packed = merged


def sum_by_name(buckets: Iterable[TimeBucket], since: float = -inf, until: float = inf) -> dict[str, ThroughputSum]:
    """Return `{name: sum}` of the buckets that start at `since` or later and before `until`."""
    sums: dict[str, ThroughputSum] = {}
    for bucket in buckets:
        if since <= bucket.start < until:
            for name, one in bucket.sums():
                sums.setdefault(name, ThroughputSum()).add(one)
    return sums


def count_by_name(buckets: Iterable[TimeBucket]) -> dict[str, list[int]]:
    """Return `{name: COUNTS}` of these buckets; takes a fifth of the time of sum_by_name()."""
    sums: dict[str, list[int]] = {}
    for bucket in buckets:
        for name, counts in bucket.counts():
            known = sums.get(name)
            sums[name] = list(counts) if known is None else list(map(add, known, counts))
    return sums


def iterate_steps(
    buckets: Iterable[TimeBucket], name: str, min_seconds: float = 0.0
) -> Iterator[tuple[float, float, ThroughputSum]]:
    """Yield `(start, seconds, sum)` of each bucket that has this name, oldest first.

    Buckets shorter than `min_seconds` are summed up into steps of that length.
    """
    steps: dict[tuple[float, float], ThroughputSum] = {}
    for bucket in buckets:
        one = bucket.sum_of(name)
        if one is not None:
            size = max(bucket.size, min_seconds)
            steps.setdefault((floor(bucket.start / size) * size, size), ThroughputSum()).add(one)
    yield from ((start, size, total) for (start, size), total in steps.items())


def window_start(now: float, window: float, min_seconds: float = 0.0) -> float:
    """Return the start of the first whole bucket within the last `window` seconds.

    Buckets have the resolution that covers the window, `min_seconds` at least.
    """
    size = max(min_seconds, next((size for size, kept_for in _RESOLUTIONS if window <= kept_for), _RESOLUTIONS[-1][0]))
    return floor((now - window) / size) * size + size
