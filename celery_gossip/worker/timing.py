"""Timing: a histogram of seconds on the worker side, with the buckets that changed in the latest gossips.

Owned by a Series, which calls it under the lock of its Meter.
"""

from collections import Counter, deque

from celery_gossip.wire.histogram import MAX_SECONDS, bucket_index
from celery_gossip.wire.messages import Histogram, clamp_total

__all__ = ["REPEATS", "Timing"]

REPEATS = 3  #: gossips that report each change


class Timing:
    """A histogram of seconds. Each change of a bucket is reported in three gossips."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self._buckets: Counter[int] = Counter()  # since the worker's start, without those in `_new`
        self._recent: deque[dict[int, int]] = deque(maxlen=REPEATS - 1)  # changes in the latest gossips that were sent
        self._new: dict[int, int] = {}  # changes since the last collect()
        self._uncommitted: dict[int, int] = {}  # changes that were collected; whether they were sent is not known yet

    def record(self, seconds: float) -> None:
        """Add a value. Negative values and NaN count as 0, too large ones as the largest that the histogram has."""
        if not 0.0 <= seconds <= MAX_SECONDS:
            seconds = min(max(0.0, seconds), MAX_SECONDS)  # the sum must stay finite: JSON has no infinity
        self.count += 1
        self.total += seconds
        bucket = bucket_index(seconds)
        self._new[bucket] = self._new.get(bucket, 0) + 1

    def collect(self, *, is_full: bool) -> Histogram | None:
        """Return the buckets that changed in the latest gossips, or all of them; None for an empty histogram."""
        if not self.count:
            return None
        self._buckets.update(self._new)
        self._uncommitted = _sum_of(self._uncommitted, self._new)
        self._new = {}
        recent = _sum_of(*self._recent, self._uncommitted)
        buckets = sorted(self._buckets if is_full else recent)
        return Histogram(
            count=self.count,
            total=clamp_total(self.total),
            buckets=tuple((bucket, self._buckets[bucket], recent.get(bucket, 0)) for bucket in buckets),
        )

    def commit(self) -> None:
        """Note that the collected changes were sent."""
        self._recent.append(self._uncommitted)
        self._uncommitted = {}

    def bucket_limit(self, *, is_full: bool) -> int:
        """Return an upper bound of the number of buckets that collect() would return."""
        parts = (self._buckets, self._new) if is_full else (*self._recent, self._uncommitted, self._new)
        return sum(map(len, parts))


def _sum_of(*parts: dict[int, int]) -> dict[int, int]:
    total: Counter[int] = Counter()
    for part in parts:
        total.update(part)
    return total
