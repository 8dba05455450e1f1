"""Facts: a label with its value, in one line or several. Pure; used by the detail pane."""

from collections.abc import Iterator

from celery_gossip.tui.text import Cell, Line, escape_text, fit, wrap

__all__ = ["LABEL_WIDTH", "fact", "facts"]

LABEL_WIDTH = 14  #: cells


def fact(label: str, value: str | Cell) -> Line:
    """Return a label and its value, in one line."""
    return Cell(fit(label, LABEL_WIDTH), "dim"), value if isinstance(value, Cell) else Cell(escape_text(value))


def facts(label: str, text: str, width: int) -> Iterator[Line]:
    """Yield a label and its text, in as many lines as it needs."""
    for at, line in enumerate(wrap(escape_text(text), max(1, width - LABEL_WIDTH))):
        yield Cell(fit("" if at else label, LABEL_WIDTH), "dim"), Cell(line)
