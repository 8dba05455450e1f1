"""Text tables with aligned columns. Pure."""

import unicodedata
from collections.abc import Iterable, Sequence

__all__ = ["table"]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table whose columns are aligned left, or right where they hold integers."""
    rows = list(rows)
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(header, *cells, strict=True)]
    is_number = [any(isinstance(row[at], int) for row in rows) for at in range(len(header))]
    lines = (
        "  ".join(_pad(cell, width, right) for cell, width, right in zip(line, widths, is_number, strict=True))
        for line in [list(header), *cells]
    )
    return "\n".join(line.rstrip() for line in lines)


def _pad(cell: str, width: int, to_the_right: bool) -> str:
    gap = " " * (width - _width(cell))
    return gap + cell if to_the_right else cell + gap


def _width(text: str) -> int:
    """Return the columns of a terminal: East Asian wide characters take two, combining characters none."""
    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)
