"""Conversion of logarithmic buckets to those of Prometheus; options of the exporter."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_gossip.cluster.throughput import Distribution
from celery_gossip.errors import InvalidOption
from celery_gossip.exporter import ExporterOptions, parse_buckets
from celery_gossip.exporter.buckets import BucketMapping
from celery_gossip.wire.histogram import RELATIVE_ERROR, bucket_index

BOUNDS = ExporterOptions().buckets
SECONDS = st.floats(min_value=1e-5, max_value=1e6) | st.sampled_from(BOUNDS)


@given(st.lists(SECONDS))
def test_a_bound_is_at_most_two_percent_off(seconds: list[float]) -> None:
    cumulative = BucketMapping(BOUNDS).cumulative(
        Distribution(len(seconds), sum(seconds), Counter(map(bucket_index, seconds)))
    )
    assert cumulative[-1] == ("+Inf", len(seconds))
    for bound, (name, count) in zip(BOUNDS, cumulative, strict=False):
        assert float(name) == bound
        least = sum(one <= bound * (1 - RELATIVE_ERROR) for one in seconds)
        assert least <= count <= sum(one <= bound * (1 + RELATIVE_ERROR) * (1 + 1e-9) for one in seconds)


@given(st.lists(SECONDS))
def test_counts_never_fall_from_bound_to_bound(seconds: list[float]) -> None:
    cumulative = BucketMapping(BOUNDS).cumulative(
        Distribution(len(seconds), sum(seconds), Counter(map(bucket_index, seconds)))
    )
    counts = [count for _, count in cumulative]
    assert counts == sorted(counts)


def test_the_default_bounds_are_those_of_the_client() -> None:
    names = [
        "0.005",
        "0.01",
        "0.025",
        "0.05",
        "0.075",
        "0.1",
        "0.25",
        "0.5",
        "0.75",
        "1.0",
        "2.5",
        "5.0",
        "7.5",
        "10.0",
    ]
    assert list(BucketMapping(BOUNDS).names) == [*names, "+Inf"]


@pytest.mark.parametrize(("text", "bounds"), [("0.1,1,60", (0.1, 1.0, 60.0)), ("1, inf", (1.0,)), ("5", (5.0,))])
def test_bounds_can_be_written_with_commas(text: str, bounds: tuple[float, ...]) -> None:
    assert ExporterOptions(buckets=parse_buckets(text)).buckets == bounds


@pytest.mark.parametrize("text", ["", "soon", "1,,2", "2,1", "1,1", "0,1", "-1", "nan", "1,nan", "inf", "inf,1"])
def test_other_bounds_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"\Abuckets: expected [^\n]+, got [^\n]+\Z"):
        ExporterOptions(buckets=parse_buckets(text))


def test_too_many_bounds_and_a_negative_cap_are_refused() -> None:
    with pytest.raises(InvalidOption, match="buckets: expected 1 to 100"):
        ExporterOptions(buckets=tuple(float(number) for number in range(1, 102)))
    with pytest.raises(InvalidOption, match="max_series: expected a number of at least 0, got -1"):
        ExporterOptions(max_series=-1)
