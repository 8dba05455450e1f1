"""Histograms of durations: every quantile is within the relative error of the true value at its rank."""

import math
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from celery_gossip.wire.histogram import (
    MAX_BUCKETS,
    MAX_SECONDS,
    RELATIVE_ERROR,
    bucket_index,
    bucket_upper_bound,
    bucket_value,
    quantile,
)

LEAST = 1e-6  #: seconds; shorter durations are shown as 0.0
SECONDS = st.floats(LEAST, MAX_SECONDS, exclude_min=True)


def is_near(told: float, true: float) -> bool:
    return abs(told - true) <= true * RELATIVE_ERROR * (1 + 1e-9)


@given(values=st.lists(SECONDS, min_size=1, max_size=200), q=st.floats(0, 1))
@example(values=[math.nextafter(LEAST, 1)], q=0.5)
@example(values=[MAX_SECONDS], q=1.0)
@example(values=[0.1] * 99 + [10.0], q=0.99)
def test_any_quantile_is_within_two_percent_of_the_value_at_its_rank(values: list[float], q: float) -> None:
    told = quantile(Counter(map(bucket_index, values)), q)
    assert told is not None and is_near(told, sorted(values)[int(q * (len(values) - 1))])


@given(parts=st.lists(st.lists(SECONDS, max_size=30), min_size=1, max_size=5), q=st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_merged_histograms_are_that_of_all_values(parts: list[list[float]], q: float) -> None:
    merged: Counter[int] = Counter()
    for part in parts:
        merged.update(map(bucket_index, part))
    values = sorted(value for part in parts for value in part)
    told = quantile(merged, q)
    if values:
        assert told is not None and is_near(told, values[int(q * (len(values) - 1))])
    else:
        assert told is None


@given(st.floats() | st.integers())
@example(math.nan)
@example(math.inf)
@example(-math.inf)
@example(10**400)
@example(-(10**400))
@example(5e-324)
@example(-0.0)
def test_any_number_falls_into_a_bucket(seconds: float) -> None:
    assert 0 <= bucket_index(seconds) < MAX_BUCKETS


@pytest.mark.parametrize("seconds", [0, 0.0, -0.0, -1, -math.inf, math.nan, 1e-300, LEAST])
def test_what_is_no_duration_worth_telling_is_told_as_none(seconds: float) -> None:
    assert bucket_value(bucket_index(seconds)) == 0.0


@pytest.mark.parametrize("seconds", [MAX_SECONDS, 1e8, 1e308, math.inf, 10**400])
def test_what_is_longer_than_the_longest_is_told_as_the_longest(seconds: float) -> None:
    assert bucket_index(seconds) == MAX_BUCKETS - 1
    assert is_near(bucket_value(bucket_index(seconds)), MAX_SECONDS)


@given(SECONDS, SECONDS)
def test_a_longer_time_is_never_in_a_lower_bucket(one: float, other: float) -> None:
    lower, higher = sorted((one, other))
    assert bucket_index(lower) <= bucket_index(higher)


@given(SECONDS)
def test_a_bucket_holds_nothing_beyond_its_upper_bound(seconds: float) -> None:
    assert seconds <= bucket_upper_bound(bucket_index(seconds)) * (1 + 1e-12)


@pytest.mark.parametrize("bucket", [0, 1, 2, 100, MAX_BUCKETS - 1])
def test_what_stands_for_a_bucket_is_in_it(bucket: int) -> None:
    assert bucket_index(bucket_value(bucket)) == bucket


@pytest.mark.parametrize("buckets", [{}, {3: 0}])
def test_a_histogram_without_a_value_has_no_quantile(buckets: dict[int, int]) -> None:
    assert quantile(buckets, 0.5) is None


def test_the_least_and_the_most_are_quantiles_too() -> None:
    buckets = Counter(map(bucket_index, [0.0, 1.0, 100.0]))
    assert quantile(buckets, 0.0) == 0.0
    assert quantile(buckets, 0.5) == bucket_value(bucket_index(1.0))
    assert quantile(buckets, 1.0) == bucket_value(bucket_index(100.0))
