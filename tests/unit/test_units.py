"""Durations and rates as text."""

import pytest

from celery_gossip.units import format_age_range, format_bytes, format_duration, format_percent


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "-"), (0.0, "0ms"), (0.00123, "1.23ms"), (0.4567, "457ms"), (1.0, "1s"), (12.34, "12.3s"), (300.0, "5m")],
)
def test_durations_have_three_digits(seconds: float | None, shown: str) -> None:
    assert format_duration(seconds) == shown


@pytest.mark.parametrize(("rate", "shown"), [(None, "-"), (0.0, "0%"), (0.001, "<1%"), (0.256, "26%"), (1.0, "100%")])
def test_rates_are_shown_in_percent(rate: float | None, shown: str) -> None:
    assert format_percent(rate) == shown


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "-"),
        (0, "0 KiB"),
        (100, "0.1 KiB"),
        (2048, "2.0 KiB"),
        (512 * 2**20, "512 MiB"),
        (1023 * 2**20, "1.0 GiB"),
        (1.9 * 2**30, "1.9 GiB"),
        (9.96 * 2**30, "10 GiB"),
        (2**53, "8.0 PiB"),
    ],
)
def test_sizes_have_a_binary_unit(size: float | None, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("least", "greatest", "text"),
    [
        (None, None, "-"),  # the backlog is unknown
        (0.0, 0.0, "-"),  # nothing waits
        (0.0, None, "unknown"),
        (0.0, 15.04, "<15s"),
        (12.3, None, ">12.3s"),
        (12.34, 15.0, "12.3s-15s"),
        (12.31, 12.33, "12.3s"),
        (301.0, 329.0, "5m"),
        (301.0, 3290.0, "5m-55m"),
    ],
)
def test_an_age_between_limits(least: float | None, greatest: float | None, text: str) -> None:
    assert format_age_range(least, greatest) == text
