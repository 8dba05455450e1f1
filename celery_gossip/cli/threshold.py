"""Types of options that are limits: one value, or two as WARNING,CRITICAL."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from celery_gossip.console.check import Levels

__all__ = ["LEAST_COUNT", "MOST_COUNT", "MOST_RATE", "MOST_SECONDS", "Threshold"]

_MOST_NUMBER = 10**15


class Threshold(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A critical limit, or a warning and a critical one separated by a comma.

    `parse` returns the number of a text, or raises ValueError; `expected` names it for errors. A warning comes before
    the critical limit is reached: it is the smaller one, or with `is_minimum` the larger one.
    """

    name = "threshold"

    def __init__(self, expected: str, parse: Callable[[str], float], *, is_minimum: bool = False) -> None:
        self._expected = expected
        self._parse = parse
        self._is_minimum = is_minimum

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Levels":
        from celery_gossip.console.check import Levels

        if isinstance(value, Levels):
            return value
        try:
            *warning, critical = [self._parse(part) for part in value.split(",")]
        except ValueError:
            warning, critical = [0.0, 0.0], 0.0
        if len(warning) > 1:
            self.fail(f"expected {self._expected}, or two of them as WARNING,CRITICAL, got {value!r}", param, ctx)
        if warning and not (warning[0] > critical if self._is_minimum else warning[0] < critical):
            order = "above" if self._is_minimum else "below"
            self.fail(f"expected a WARNING {order} CRITICAL, got {value!r}", param, ctx)
        return Levels(critical, warning[0] if warning else None)


def _count(text: str, least: int = 0) -> int:
    number = int(text)
    if not least <= number <= _MOST_NUMBER:
        raise ValueError(text)
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= _MOST_NUMBER:  # nan is neither
        raise ValueError(text)
    return seconds


def _rate(text: str) -> float:
    number = text.strip()
    rate = float(number[:-1]) / 100 if number.endswith("%") else float(number)
    if not 0 <= rate <= 1:
        raise ValueError(text)
    return rate


LEAST_COUNT = Threshold("a whole number of at least 1", lambda text: _count(text, 1), is_minimum=True)
MOST_COUNT = Threshold("a whole number of at least 0", _count)
MOST_SECONDS = Threshold("seconds of at least 0", _seconds)
MOST_RATE = Threshold("a rate from 0 to 1, or a percentage like 5%", _rate)
