"""Sparklines: what the bars stand for."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from celery_gossip.tui.spark import SPAN, sparkline


def test_the_newest_sample_stands_at_the_right_and_the_scale_of_time_is_fixed() -> None:
    assert sparkline([0, 3, 6], SPAN, taken=3) == " " * (SPAN - 3) + "▁▄▇"
    assert sparkline([6], 10, taken=1) == "         ▇"


def test_samples_that_share_a_cell_are_told_by_the_highest() -> None:
    assert sparkline([0] * 5 + [6] + [0] * 6 + [3], 10, taken=13) == "        ▇▄"


def test_bars_move_on_but_do_not_change() -> None:
    samples = [number * 7 % 23 for number in range(500)]
    drawn = [sparkline(samples[taken - SPAN : taken], 20, taken, least=23) for taken in range(SPAN, 500)]
    for earlier, later in itertools.pairwise(drawn):
        assert later[1:-1] in (earlier[1:-1], earlier[2:])


def test_zero_not_known_and_little_are_told_apart() -> None:
    assert sparkline([None, 0, 1, 1000], SPAN, taken=4).lstrip(" ") == "▁▂▇"
    assert len(sparkline([0, None], SPAN, taken=2).strip(" ")) == 1


def test_few_are_not_told_as_if_they_were_many() -> None:
    assert sparkline([1], 1, taken=1, least=8) == "▂"


@given(
    st.lists(st.none() | st.integers(0, 2**53), max_size=SPAN),
    st.integers(0, 200),
    st.integers(0, 999),
    st.integers(0, 9),
)
def test_it_takes_exactly_its_cells(samples: list[int | None], width: int, more: int, least: int) -> None:
    assert len(sparkline(samples, width, len(samples) + more, least)) == width
