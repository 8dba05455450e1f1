"""Named styles, and the conversion of lines to Textual's strips. Uses the terminal's own colours, dark or light."""

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from celery_gossip.tui.text import Line, cell_width, truncate

__all__ = ["STYLES", "render_strip"]

#: No two meanings differ by red and green alone.
STYLES = {
    "": Style(),
    "dim": Style(dim=True),
    "strong": Style(bold=True),
    "key": Style(underline=True),
    "info": Style(color="cyan"),
    "trace": Style(color="magenta"),
    "warn": Style(color="yellow"),
    "bad": Style(color="red", bold=True),
    "title": Style(bold=True, underline=True),
    "current": Style(color="cyan", bold=True, reverse=True),
    "selected": Style(bold=True, reverse=True),
    "critical": Style(color="red", bold=True, reverse=True),
    "notice": Style(color="yellow", bold=True, reverse=True),
}


def render_strip(line: Line, width: int, override: str = "", base: Style | None = None) -> Strip:
    """Return the line in exactly `width` cells on the base style.

    `override`, if set, is the style of every cell; a key keeps its mark.
    """
    remaining = width
    segments = []
    for text, style in line:
        text = truncate(text, remaining)  # noqa: PLW2901
        remaining -= cell_width(text)
        segments.append(
            Segment(text, STYLES[override] + STYLES[style] if style == "key" else STYLES[override or style])
        )
    segments.append(Segment(" " * remaining, STYLES[override]))
    strip = Strip(segments, width)
    return strip if base is None else strip.apply_style(base)
