"""Mergeable histograms of durations: logarithmic buckets with a known relative error. Pure.

Ported from DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019) without its collapsing, because the range is limited. The worker fills histograms, the listener
merges them. All functions use `{bucket: count}`.
"""

from collections.abc import Mapping
from math import ceil, exp, log

__all__ = [
    "MAX_BUCKETS",
    "MAX_SECONDS",
    "RELATIVE_ERROR",
    "bucket_index",
    "bucket_upper_bound",
    "bucket_value",
    "quantile",
]

RELATIVE_ERROR = 0.02  #: of any quantile, relative to the true value at its rank
_MIN_SECONDS = 1e-6  #: durations up to this one are in bucket 0, and are shown as 0.0
MAX_SECONDS = 1e7  #: 115 days; longer durations are in the last bucket
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_STEP = log(_GAMMA)
_OFFSET = log(_MIN_SECONDS)
MAX_BUCKETS = ceil((log(MAX_SECONDS) - _OFFSET) / _STEP) + 1  #: of one histogram


def bucket_index(seconds: float) -> int:
    """Return the bucket of this duration, from 0 to MAX_BUCKETS - 1; that of NaN is 0."""
    if not seconds > _MIN_SECONDS:
        return 0
    if seconds > MAX_SECONDS:
        return MAX_BUCKETS - 1
    return ceil((log(seconds) - _OFFSET) / _STEP) or 1  # slightly above _MIN_SECONDS, the logarithms are equal


def bucket_value(bucket: int) -> float:
    """Return the seconds that represent this bucket; no value in it differs by more than RELATIVE_ERROR."""
    return 2 * bucket_upper_bound(bucket) / (_GAMMA + 1) if bucket > 0 else 0.0


def bucket_upper_bound(bucket: int) -> float:
    """Return the upper bound of this bucket in seconds."""
    return exp(_OFFSET + bucket * _STEP)


def quantile(buckets: Mapping[int, int], q: float) -> float | None:
    """Return the value at rank q·(n-1), rounded down, for q from 0 to 1; None for an empty histogram."""
    total = sum(buckets.values())
    if total <= 0:
        return None
    rank = int(q * (total - 1))
    passed = 0
    for bucket in sorted(buckets):
        passed += buckets[bucket]
        if passed > rank:
            return bucket_value(bucket)
    return bucket_value(max(buckets))
