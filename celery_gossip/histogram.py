"""Histograms of seconds that can be merged and told apart again: logarithmic buckets of a stated relative error. Pure.

Ported from DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019), without its collapsing: the range is bounded instead. The worker fills them, the listener
merges them. `{bucket: count}` everywhere.
"""

from collections.abc import Mapping
from math import ceil, exp, log

__all__ = ["MOST_BUCKETS", "MOST_SECONDS", "RELATIVE_ERROR", "bucket_of", "highest_in", "quantile", "seconds_in"]

RELATIVE_ERROR = 0.02  #: of any quantile, against the value that really stood at its rank
_LEAST = 1e-6  #: seconds; everything up to here is bucket 0, and told as 0.0
MOST_SECONDS = 1e7  #: 115 days; everything beyond is in the last bucket
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_STEP = log(_GAMMA)
_OFFSET = log(_LEAST)
MOST_BUCKETS = ceil((log(MOST_SECONDS) - _OFFSET) / _STEP) + 1  #: of one histogram


def bucket_of(seconds: float) -> int:
    """The bucket into which this many seconds fall, from 0 to MOST_BUCKETS - 1; NaN is as good as nothing."""
    if not seconds > _LEAST:
        return 0
    if seconds > MOST_SECONDS:
        return MOST_BUCKETS - 1
    return ceil((log(seconds) - _OFFSET) / _STEP) or 1  # a hair above _LEAST has its logarithm


def seconds_in(bucket: int) -> float:
    """What stands for every value of this bucket: none of them is further away than RELATIVE_ERROR."""
    return 2 * highest_in(bucket) / (_GAMMA + 1) if bucket > 0 else 0.0


def highest_in(bucket: int) -> float:
    """Seconds; the bucket's upper bound."""
    return exp(_OFFSET + bucket * _STEP)


def quantile(buckets: Mapping[int, int], q: float) -> float | None:
    """The value at rank q·(n-1), q from 0 to 1, rounded down; None of a histogram without a value."""
    total = sum(buckets.values())
    if total <= 0:
        return None
    rank = int(q * (total - 1))
    passed = 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        if passed > rank:
            return seconds_in(bucket)
    return seconds_in(max(buckets))
