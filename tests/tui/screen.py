"""Read the text and the style of each cell from the SVG screenshot of a Textual app.

The SVG changes with Textual and Rich; the cells, and a letter for the style of each, do not.
"""

import html
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from rich.cells import cell_len

_CELL_WIDTH, _LINE_HEIGHT = 12.2, 24.4
_COLOURS = {"#cc555a": "r", "#d0b344": "y", "#68a0b3": "c", "#98729f": "m", "#c5c8c6": ".", "#292929": "."}


def screen_text(svg: str, width: int, height: int) -> list[str]:
    """Return the lines; a wide character is at its first cell."""
    return ["".join(cells).rstrip() for cells, _ in _grid(svg, width, height)]


def picture(svg: str, width: int, height: int) -> str:
    """Return each line and, if it is styled, a line of letters below: colours r y c m, dim d, bold in capitals (B
    without a colour), # for a background colour.
    """
    lines = []
    for cells, marks in _grid(svg, width, height):
        lines.append("|" + "".join(cells).rstrip())
        drawn = "".join(marks).rstrip(".")
        if drawn:
            lines.append(":" + drawn)
    return "\n".join(lines) + "\n"


def _grid(svg: str, width: int, height: int) -> list[tuple[list[str], list[str]]]:
    grid = [([" "] * width, ["."] * width) for _ in range(height)]
    letters = _letters(svg)
    for line, x, style, text in _texts(svg):
        at = x
        cells, marks = grid[line]
        for char in text:
            wide = cell_len(char)
            if wide == 0:
                cells[at - 1] += char
                continue
            cells[at : at + wide] = [char, *[""] * (wide - 1)]
            if char != " ":
                marks[at : at + wide] = letters[style] * wide
            at += wide
    for line, x, wide in _grounds(svg):
        grid[line][1][x : x + wide] = "#" * wide
    return grid


def _letters(svg: str) -> dict[str, str]:
    """Return `{class: letter}` of the styles in the screenshot."""
    found = re.findall(r"\.terminal-\d+-(r\d+) \{ fill: (#\w+);?([^}]*)\}", svg)
    return {name: _letter(colour, "bold" in rest) for name, colour, rest in found}


def _letter(colour: str, is_bold: bool) -> str:
    letter = _COLOURS.get(colour, "d")
    return "B" if is_bold and letter == "." else letter.upper() if is_bold else letter


def _texts(svg: str) -> Iterator[tuple[int, int, str, str]]:
    for attributes, text in re.findall(r'<text class="terminal-\d+-(r\d+" [^>]*)>([^<]*)</text>', svg):
        style, x = re.match(r'(r\d+)" x="([\d.]+)"', attributes).groups()  # type: ignore[union-attr]
        line = re.search(r"-line-(\d+)\)", attributes)
        assert line is not None
        yield int(line[1]), round(float(x) / _CELL_WIDTH), style, html.unescape(text).replace("\xa0", " ")


def _grounds(svg: str) -> Iterator[tuple[int, int, int]]:
    for rect in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect"):
        fill = rect.get("fill", "none")
        if rect.get("shape-rendering") == "crispEdges" and fill not in ("#292929", "none"):
            x, y, wide = (float(rect.get(name, "0")) for name in ("x", "y", "width"))
            yield round((y - 1.5) / _LINE_HEIGHT), round(x / _CELL_WIDTH), round(wide / _CELL_WIDTH)
