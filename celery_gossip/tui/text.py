"""Text as it may stand on a screen: escaped, cut to cells, and figures in words. Pure.

Names come from whoever may publish on the broker. The decoder refuses what does not print; here that is not relied on.
"""

import unicodedata
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

__all__ = ["Cell", "Line", "age", "count", "cut", "fit", "shown", "width_of", "wrap"]

ELLIPSIS = "…"
_LONGEST = 4096  #: characters of any one text that are looked at
_MOST_MARKS = 2  #: combining marks in a row: more of them would be drawn over the lines around


class Cell(NamedTuple):
    """Text in one style; styles are named in palette.py."""

    text: str
    style: str = ""


Line = tuple[Cell, ...]


def shown(text: str) -> str:
    """This text without a character that could move the cursor, hide or change its width: those are escaped."""
    text = text[:_LONGEST]
    if text.isascii() and text.isprintable():
        return text
    marks = 0
    safe = []
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        safe.append(char if _is_harmless(char) and marks <= _MOST_MARKS else ascii(char)[1:-1])
    return "".join(safe)


def _is_harmless(char: str) -> bool:
    """Variation selectors print, but terminals do not agree on the width of what stands before them."""
    return char.isprintable() and not "\ufe00" <= char <= "\ufe0f"


def width_of(text: str) -> int:
    """Cells that a text takes which is shown()."""
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int) -> str:
    """The text in at most `width` cells, its end replaced by an ellipsis where it is longer."""
    if width_of(text) <= width:
        return text
    if width < 1:
        return ""
    return set_cell_size(text, width - 1).rstrip(" ") + ELLIPSIS


def fit(text: str, width: int, *, to_the_right: bool = False) -> str:
    """The text in exactly `width` cells."""
    text = cut(text, width)
    gap = " " * (width - width_of(text))
    return gap + text if to_the_right else text + gap


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` cells, broken between words; a word that is longer than a line is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and width_of(longer) > width:
            lines.append(line)
            longer = word
        line = cut(longer, width)
    return [*lines, line] if line else lines


def age(seconds: float) -> str:
    """`3s`, `2m10s`, `5h02m`, `12d03h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def count(number: int | None, width: int = 12) -> str:
    """`12,345`, or `12.3k`, `1.2M` where that is too wide; `?` for what is not known."""
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
