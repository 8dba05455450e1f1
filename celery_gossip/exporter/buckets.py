"""BucketMapping: convert the logarithmic buckets of a report to the cumulative buckets of Prometheus. Pure.

A logarithmic bucket is counted as a whole, by the value that represents it. The count under a Prometheus bound is
therefore exact for a bound that differs from it by at most RELATIVE_ERROR.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.utils import floatToGoString

from celery_gossip.cluster.throughput import Distribution
from celery_gossip.wire.histogram import MAX_BUCKETS, bucket_value

__all__ = ["BucketMapping"]


class BucketMapping:
    """Map logarithmic buckets to upper bounds, which are given in rising order; +Inf is added."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.names = (*map(floatToGoString, bounds), "+Inf")  #: values of the label `le`
        self._bound_indexes = tuple(bisect_left(bounds, bucket_value(bucket)) for bucket in range(MAX_BUCKETS))

    def cumulative(self, distribution: Distribution) -> list[tuple[str, float]]:
        """Return `[(le, number of values up to this bound)]`."""
        counts = [0] * len(self.names)
        for bucket, count in distribution.buckets.items():
            counts[self._bound_indexes[bucket]] += count
        return list(zip(self.names, map(float, accumulate(counts)), strict=True))
