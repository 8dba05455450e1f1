"""Scale: from the logarithmic buckets of gossip to the cumulative ones of Prometheus. Pure.

A bound here stands for one that is at most RELATIVE_ERROR away: a logarithmic bucket that a bound cuts in two belongs
to the side on which the value lies that stands for it.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.utils import floatToGoString

from celery_gossip.histogram import MOST_BUCKETS, seconds_in
from celery_gossip.throughput import Distribution

__all__ = ["Scale"]


class Scale:
    """The bounds of a histogram, in rising order; +Inf is added."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.names = (*map(floatToGoString, bounds), "+Inf")
        self._places = tuple(bisect_left(bounds, seconds_in(bucket)) for bucket in range(MOST_BUCKETS))

    def buckets(self, distribution: Distribution) -> list[tuple[str, float]]:
        """`[(le, how many took no longer)]`, as the client wants them."""
        counts = [0] * len(self.names)
        for bucket, count in distribution.buckets.items():
            counts[self._places[bucket]] += count
        return list(zip(self.names, map(float, accumulate(counts)), strict=True))
