"""Packed sums have the same content as a dictionary of the same buckets."""

from random import Random

import pytest

from celery_gossip.cluster.packed import PackedHistogram, RunningTotal
from celery_gossip.cluster.throughput import ThroughputSum


def a_sum(**buckets: int) -> ThroughputSum:
    total = ThroughputSum()
    total.counts = [sum(buckets.values())] * 7
    total.failures = {"ValueError": 1}
    total.runtime = {int(name[1:]): count for name, count in buckets.items()}
    total.runtime_total = 0.5
    return total


def test_buckets_are_those_that_were_added_in_order() -> None:
    buckets, expected, random = PackedHistogram(), dict[int, int](), Random(1)
    for _ in range(500):
        bucket, count = random.randrange(60), random.randrange(1, 5)
        buckets.add({bucket: count})
        expected[bucket] = expected.get(bucket, 0) + count
    assert buckets == expected == buckets.as_dict()
    assert list(buckets) == sorted(expected)
    assert buckets.sum == sum(expected.values())


def test_taking_tells_what_has_grown_and_what_is_new() -> None:
    buckets = PackedHistogram()
    assert buckets.update([(5, 2, 1), (3, 1, 1)], max_new=9) == ({}, [(5, 2, 1), (3, 1, 1)], 0)
    assert buckets.update([(3, 1, 0), (4, 1, 1), (5, 7, 5)], max_new=9) == ({5: 5}, [(4, 1, 1)], 0)
    assert (buckets, buckets.sum) == ({3: 1, 4: 1, 5: 7}, 9)


def test_what_has_no_room_is_left_out_and_counted() -> None:
    buckets = PackedHistogram()
    assert buckets.update([(1, 1, 1), (2, 1, 1), (3, 1, 1)], max_new=1) == ({}, [(1, 1, 1)], 2)
    assert buckets == {1: 1}


def test_a_bucket_that_is_told_lower_than_before_has_not_grown() -> None:
    buckets = PackedHistogram()
    buckets.add({1: 5})
    assert buckets.update([(1, 3, 0)], max_new=9) == ({}, [], 0)
    assert (buckets[1], buckets.sum) == (3, 3)


def test_a_count_stops_at_what_a_machine_word_holds() -> None:
    buckets = PackedHistogram()
    for _ in range(3):
        buckets.add({1: 2**62})
    assert buckets == {1: 2**63 - 1}


def test_a_bucket_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        PackedHistogram()[1]


def test_a_running_total_equals_the_sum_of_the_deltas_that_were_added() -> None:
    total, expected = RunningTotal(), ThroughputSum()
    for delta in (a_sum(b1=1, b7=2), a_sum(b7=1), a_sum(b3=4)):
        total.add(delta)
        expected.add(delta)
    assert total.throughput(60.0) == expected.throughput(60.0)


def test_a_copy_of_a_total_stays_as_it_was() -> None:
    total = RunningTotal()
    total.add(a_sum(b1=1))
    copied = total.copy()
    total.add(a_sum(b1=1, b2=1))
    assert copied.throughput(1.0).runtime.buckets == {1: 1}
    assert total.throughput(1.0).runtime.buckets == {1: 2, 2: 1}


@pytest.mark.parametrize("seconds", [0.0, 1.5, 1e5, 1e308])
def test_a_sum_that_was_packed_and_unpacked_is_the_same(seconds: float) -> None:
    total = a_sum(b1=1, b700=2**40 if seconds else 3)
    total.runtime_total = seconds
    unpacked = ThroughputSum.unpack(total.pack())
    assert (unpacked.counts, unpacked.failures) == (total.counts, total.failures)
    assert (unpacked.runtime, unpacked.wait) == (total.runtime, total.wait)
    assert unpacked.runtime_total == pytest.approx(min(seconds, 2**63 / 1e6))
