"""The styles by name, and lines as Textual takes them. The terminal's own colours: they suit dark and light ones."""

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from celery_gossip.tui.text import Line, cut, width_of

__all__ = ["STYLES", "strip_of"]

#: No pair is told apart by red and green alone.
STYLES = {
    "": Style(),
    "dim": Style(dim=True),
    "strong": Style(bold=True),
    "info": Style(color="cyan"),
    "trace": Style(color="magenta"),
    "warn": Style(color="yellow"),
    "bad": Style(color="red", bold=True),
    "title": Style(bold=True, underline=True),
    "current": Style(color="cyan", bold=True, reverse=True),
    "chosen": Style(bold=True, reverse=True),
    "alarm": Style(color="red", bold=True, reverse=True),
    "notice": Style(color="yellow", bold=True, reverse=True),
}


def strip_of(line: Line, width: int, over: str = "", base: Style | None = None) -> Strip:
    """The line in exactly `width` cells, on the base style; the style `over`, if any, replaces that of every cell."""
    room = width
    segments = []
    for text, style in line:
        text = cut(text, room)  # noqa: PLW2901
        room -= width_of(text)
        segments.append(Segment(text, STYLES[over or style]))
    segments.append(Segment(" " * room, STYLES[over]))
    strip = Strip(segments, width)
    return strip if base is None else strip.apply_style(base)
