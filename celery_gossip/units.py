"""Formats durations, rates and lists of names for display. Pure; used by findings, errors and the front ends."""

from collections.abc import Sequence

__all__ = [
    "format_age_range",
    "format_bytes",
    "format_duration",
    "format_percent",
    "format_wait",
    "join_names",
    "round_age",
]

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")


def format_percent(rate: float | None) -> str:
    """Return a rate from 0 to 1 as a percentage; a dash for None."""
    if rate is None:
        return "-"
    return "<1%" if 0 < rate < 0.01 else f"{rate:.0%}"


def format_bytes(count: float | None) -> str:
    """Return a size with its unit and two or three digits, as in `1.9 GiB`; a dash for None."""
    if count is None:
        return "-"
    size, at = count / 1024, 0
    while size >= 999.5 and at + 1 < len(_UNITS):
        size, at = size / 1024, at + 1
    unit = _UNITS[at]
    return f"{size:.1f} {unit}" if 0 < size < 9.95 else f"{size:.0f} {unit}"


def format_duration(seconds: float | None) -> str:
    """Return seconds with their unit and about three digits; a dash for None."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.3g}ms"
    return f"{seconds:.3g}s" if seconds < 100 else f"{seconds / 60:.0f}m"


def format_wait(seconds: float) -> str:
    """Return a time of up to months in its largest unit, as in `12s`, `59m`, `47h` or `20d`."""
    if seconds < 99.5:
        return f"{seconds:.0f}s"
    for limit, size, unit in ((5970.0, 60.0, "m"), (356_400.0, 3600.0, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds / 86_400:.0f}d"


def format_age_range(least: float | None, greatest: float | None) -> str:
    """Return an age between these limits, as in `12s-15s`, `>12s` or `<15s`; a dash if there is nothing to be old.

    `least` is None if it is not known whether anything is, `greatest` if there is no limit.
    """
    if least is None or greatest == 0.0:
        return "-"
    if greatest is None:
        return f">{format_duration(least)}" if least > 0 else "unknown"
    low, high = format_duration(round_age(least)), format_duration(round_age(greatest))
    return high if low == high else f"{low}-{high}" if least > 0 else f"<{high}"


def round_age(seconds: float | None) -> float | None:
    """Return the seconds with one decimal, and without from 100 on."""
    return None if seconds is None else round(seconds, 1 if seconds < 100 else None)


def join_names(names: Sequence[str], most: int, total: int | None = None) -> str:
    """Return the first `most` names and how many more there are of `total`; by default `total` is that of the names."""
    shown = names[:most]
    more = (len(names) if total is None else total) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
