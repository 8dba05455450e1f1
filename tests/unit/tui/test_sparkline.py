"""Sparklines: the meaning of the bars."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from celery_gossip.tui.sparkline import SAMPLES, sparkline


def test_the_newest_sample_is_at_the_right_and_the_time_scale_is_fixed() -> None:
    assert sparkline([0, 3, 6], SAMPLES, sample_count=3) == " " * (SAMPLES - 3) + "▁▄▇"
    assert sparkline([6], 10, sample_count=1) == "         ▇"


def test_a_cell_shows_the_maximum_of_its_samples() -> None:
    assert sparkline([0] * 5 + [6] + [0] * 6 + [3], 10, sample_count=13) == "        ▇▄"


def test_bars_move_but_do_not_change() -> None:
    samples = [number * 7 % 23 for number in range(500)]
    drawn = [
        sparkline(samples[sample_count - SAMPLES : sample_count], 20, sample_count, min_scale=23)
        for sample_count in range(SAMPLES, 500)
    ]
    for earlier, later in itertools.pairwise(drawn):
        assert later[1:-1] in (earlier[1:-1], earlier[2:])


def test_zero_unknown_and_small_values_differ() -> None:
    assert sparkline([None, 0, 1, 1000], SAMPLES, sample_count=4).lstrip(" ") == "▁▂▇"
    assert len(sparkline([0, None], SAMPLES, sample_count=2).strip(" ")) == 1


def test_small_values_do_not_fill_a_bar() -> None:
    assert sparkline([1], 1, sample_count=1, min_scale=8) == "▂"


@given(
    st.lists(st.none() | st.integers(0, 2**53), max_size=SAMPLES),
    st.integers(0, 200),
    st.integers(0, 999),
    st.integers(0, 9),
)
def test_a_sparkline_takes_exactly_its_cells(samples: list[int | None], width: int, more: int, min_scale: int) -> None:
    assert len(sparkline(samples, width, len(samples) + more, min_scale)) == width
