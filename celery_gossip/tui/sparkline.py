"""Sparklines: the last two minutes of a value as bars, on a fixed time scale. Pure."""

from collections.abc import Iterable, Iterator, Sequence

__all__ = ["SAMPLES", "sparkline"]

SAMPLES = 120  #: samples that a sparkline covers, one per second
_BARS = "▁▂▃▄▅▆▇"  #: without the full block, which would touch the bar on the line above


def sparkline(
    samples: Sequence[int | None], width: int, sample_count: int, min_scale: int = 1, span: int = SAMPLES
) -> str:
    """Return samples, oldest first, as bars in exactly `width` cells for `span` samples, the newest at the right.

    Several samples share a cell, which shows their maximum. The groups depend on `sample_count`, the number of
    samples so far, so that bars move to the left but do not change. A full bar is the maximum of all samples, or
    `min_scale` if that is larger. Zero is the lowest bar; an unknown value is blank.
    """
    if width < 1:
        return ""
    full = max([min_scale, 1, *(sample for sample in samples if sample is not None)])
    bars = "".join(_bar(group, full) for group in _groups(samples, -(-span // width), sample_count))
    return bars[-width:].rjust(width)


def _groups(samples: Sequence[int | None], group_size: int, sample_count: int) -> Iterator[Sequence[int | None]]:
    """Yield the samples that share a cell, oldest first; the first and the last group may be smaller."""
    offset = (sample_count - len(samples)) % group_size
    for start in range(-offset, len(samples), group_size):
        yield samples[max(0, start) : start + group_size]


def _bar(samples: Iterable[int | None], full: int) -> str:
    highest = max((sample for sample in samples if sample is not None), default=None)
    if highest is None:
        return " "
    return _BARS[0] if highest <= 0 else _BARS[1 + highest * (len(_BARS) - 2) // full]
