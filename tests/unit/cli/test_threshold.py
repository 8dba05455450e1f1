"""Limits as options have them: one value, or a warning and a critical one."""

import click
import pytest

from celery_gossip.cli.threshold import LEAST_COUNT, MOST_COUNT, MOST_RATE, MOST_SECONDS, Threshold
from celery_gossip.console.check import Levels


@pytest.mark.parametrize(
    ("kind", "text", "levels"),
    [
        (LEAST_COUNT, "4", Levels(4)),
        (LEAST_COUNT, "4,2", Levels(2, warning=4)),
        (MOST_COUNT, "0", Levels(0)),
        (MOST_COUNT, "100,1000", Levels(1000, warning=100)),
        (MOST_SECONDS, "1.5", Levels(1.5)),
        (MOST_SECONDS, "10,60", Levels(60.0, warning=10.0)),
        (MOST_RATE, "0.05", Levels(0.05)),
        (MOST_RATE, "5%", Levels(0.05)),
        (MOST_RATE, "1%,0.05", Levels(0.05, warning=0.01)),
        (MOST_RATE, "100%", Levels(1.0)),
    ],
)
def test_one_value_is_critical_and_the_first_of_two_a_warning(kind: Threshold, text: str, levels: Levels) -> None:
    assert kind.convert(text, None, None) == levels
    assert kind.convert(levels, None, None) is levels


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (LEAST_COUNT, "0"),
        (LEAST_COUNT, "1.5"),
        (LEAST_COUNT, "2,4"),
        (MOST_COUNT, "-1"),
        (MOST_COUNT, ""),
        (MOST_COUNT, "1,"),
        (MOST_COUNT, "5,5"),
        (MOST_COUNT, "1,2,3"),
        (MOST_COUNT, "9" * 30),
        (MOST_SECONDS, "nan"),
        (MOST_SECONDS, "inf"),
        (MOST_SECONDS, "5s"),
        (MOST_RATE, "5"),
        (MOST_RATE, "101%"),
        (MOST_RATE, "-1%"),
        (MOST_RATE, "%"),
    ],
)
def test_anything_else_is_an_error_that_shows_the_value(kind: Threshold, text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected .*, got") as refused:
        kind.convert(text, None, None)
    assert refused.value.message.endswith(f"got {text!r}")
