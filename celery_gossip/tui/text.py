"""Text for the terminal: escape names, fit text to cells, format ages and counts. Pure.

Any client that can publish on the broker can choose names. The decoder refuses unprintable ones, but this module does
not rely on it.
"""

from typing import NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size

from celery_gossip.printable import printable

__all__ = ["Cell", "Line", "cell_width", "escape_text", "fit", "format_age", "format_count", "truncate", "wrap"]

ELLIPSIS = "…"
_WIDE_CHARACTER = 2  #: cells of the widest character
_MAX_CHARACTERS = 4096  #: a longer text is cut before it is escaped


class Cell(NamedTuple):
    """Text in one style of palette.STYLES."""

    text: str
    style: str = ""


Line = tuple[Cell, ...]


def escape_text(text: str) -> str:
    """Escape characters that could move the cursor, are invisible, or change the width of the text."""
    return printable(text[:_MAX_CHARACTERS])


def cell_width(text: str) -> int:
    """Cells that a text takes which is escape_text()."""
    return len(text) if text.isascii() else cell_len(text)


def truncate(text: str, width: int) -> str:
    """Return the text in at most `width` cells; the end of a longer text is replaced by an ellipsis."""
    if cell_width(text) <= width:
        return text
    if width < 1:
        return ""
    return set_cell_size(text, width - 1).rstrip(" ") + ELLIPSIS


def fit(text: str, width: int, *, align_right: bool = False) -> str:
    """Return the text in exactly `width` cells, truncated or padded."""
    text = truncate(text, width)
    gap = " " * (width - cell_width(text))
    return gap + text if align_right else text + gap


def wrap(text: str, width: int) -> list[str]:
    """Return lines of at most `width` cells, broken between words; a word longer than a line is broken within."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and cell_width(longer) > width:
            lines.append(line)
            longer = word
        *full, line = _parts(longer, width)
        lines += full
    return [*lines, line] if line else lines


def _parts(text: str, width: int) -> list[str]:
    """Return the text in parts of at most `width` cells."""
    if cell_width(text) <= width or width < _WIDE_CHARACTER:
        return [truncate(text, width)]
    return chop_cells(text, width)


def format_age(seconds: float) -> str:
    """Format as `3s`, `2m10s`, `5h02m`, `12d03h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def format_count(number: int | None, width: int = 12) -> str:
    """Format as `12,345`, or as `12.3k`, `1.2M` if that is too wide; `?` for None."""
    if number is None:
        return "?"
    text = f"{number:,}"
    if len(text) <= width:
        return text
    scaled = float(number)
    for unit in "kMGT":
        scaled /= 1000
        if scaled < 999.5 or unit == "T":
            break
    return f"{scaled:.1f}{unit}" if scaled < 99.95 else f"{scaled:.0f}{unit}"
