"""Sparklines: the last two minutes of a figure as bars, on a scale of time that stays as it is. Pure."""

from collections.abc import Iterable, Iterator, Sequence

__all__ = ["SPAN", "sparkline"]

SPAN = 120  #: samples that a sparkline stands for, one a second
_BARS = "▁▂▃▄▅▆▇"  #: not the full block: the bars of two lines would become one


def sparkline(samples: Sequence[int | None], width: int, taken: int, least: int = 1) -> str:
    """The samples, oldest first, as bars in exactly `width` cells for SPAN samples, the newest at the right.

    Several samples share a cell and are told by the highest: which ones depends on how many were `taken` in all, so
    that bars move on but do not change. The highest of all fills a cell, or `least` does if that is more. Zero is the
    lowest bar, not known is a blank.
    """
    if width < 1:
        return ""
    full = max([least, 1, *(sample for sample in samples if sample is not None)])
    bars = "".join(_bar(group, full) for group in _groups(samples, -(-SPAN // width), taken))
    return bars[-width:].rjust(width)


def _groups(samples: Sequence[int | None], share: int, taken: int) -> Iterator[Sequence[int | None]]:
    """Samples that share a cell, oldest first; the first and the last group may be smaller."""
    skipped = (taken - len(samples)) % share
    for at in range(-skipped, len(samples), share):
        yield samples[max(0, at) : at + share]


def _bar(samples: Iterable[int | None], full: int) -> str:
    highest = max((sample for sample in samples if sample is not None), default=None)
    if highest is None:
        return " "
    return _BARS[0] if highest <= 0 else _BARS[1 + highest * (len(_BARS) - 2) // full]
