"""Sums that are kept for long say what a dictionary of the same buckets says."""

from random import Random

import pytest

from celery_gossip.compact import Buckets, Total
from celery_gossip.throughput import Tally


def a_tally(**buckets: int) -> Tally:
    tally = Tally()
    tally.counts = [sum(buckets.values())] * 7
    tally.failures = {"ValueError": 1}
    tally.runtime = {int(name[1:]): count for name, count in buckets.items()}
    tally.runtime_total = 0.5
    return tally


def test_buckets_are_those_that_were_added_in_order() -> None:
    buckets, expected, random = Buckets(), dict[int, int](), Random(1)
    for _ in range(500):
        bucket, count = random.randrange(60), random.randrange(1, 5)
        buckets.add({bucket: count})
        expected[bucket] = expected.get(bucket, 0) + count
    assert buckets == expected == buckets.as_dict()
    assert list(buckets) == sorted(expected)
    assert buckets.sum == sum(expected.values())


def test_taking_tells_what_has_grown_and_what_is_new() -> None:
    buckets = Buckets()
    assert buckets.take([(5, 2, 1), (3, 1, 1)], room=9) == ({}, [(5, 2, 1), (3, 1, 1)], 0)
    assert buckets.take([(3, 1, 0), (4, 1, 1), (5, 7, 5)], room=9) == ({5: 5}, [(4, 1, 1)], 0)
    assert (buckets, buckets.sum) == ({3: 1, 4: 1, 5: 7}, 9)


def test_what_has_no_room_is_left_out_and_counted() -> None:
    buckets = Buckets()
    assert buckets.take([(1, 1, 1), (2, 1, 1), (3, 1, 1)], room=1) == ({}, [(1, 1, 1)], 2)
    assert buckets == {1: 1}


def test_a_bucket_that_is_told_lower_than_before_has_not_grown() -> None:
    buckets = Buckets()
    buckets.add({1: 5})
    assert buckets.take([(1, 3, 0)], room=9) == ({}, [], 0)
    assert (buckets[1], buckets.sum) == (3, 3)


def test_a_count_stops_at_what_a_machine_word_holds() -> None:
    buckets = Buckets()
    for _ in range(3):
        buckets.add({1: 2**62})
    assert buckets == {1: 2**63 - 1}


def test_a_bucket_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Buckets()[1]


def test_a_total_says_what_the_tallies_say_that_were_added() -> None:
    total, tally = Total(), Tally()
    for moved in (a_tally(b1=1, b7=2), a_tally(b7=1), a_tally(b3=4)):
        total.add(moved)
        tally.add(moved)
    assert total.throughput(60.0) == tally.throughput(60.0)


def test_a_copy_of_a_total_stays_as_it_was() -> None:
    total = Total()
    total.add(a_tally(b1=1))
    copied = total.copy()
    total.add(a_tally(b1=1, b2=1))
    assert copied.throughput(1.0).runtime.buckets == {1: 1}
    assert total.throughput(1.0).runtime.buckets == {1: 2, 2: 1}


@pytest.mark.parametrize("seconds", [0.0, 1.5, 1e5, 1e308])
def test_a_tally_is_what_it_was_before_it_was_packed_whatever_was_told(seconds: float) -> None:
    tally = a_tally(b1=1, b700=2**40 if seconds else 3)
    tally.runtime_total = seconds
    unpacked = Tally.unpacked(tally.packed())
    assert (unpacked.counts, unpacked.failures) == (tally.counts, tally.failures)
    assert (unpacked.runtime, unpacked.wait) == (tally.runtime, tally.wait)
    assert unpacked.runtime_total == pytest.approx(min(seconds, 2**63 / 1e6))
