"""Heights of the panes. Pure."""

__all__ = ["pane_heights"]


def pane_heights(height: int, findings: int, queues: int) -> tuple[int, int, int]:
    """Return the lines for findings, queues and workers, titles included, for so many rows of the first two.

    The workers get the remaining lines: at least two fifths, unless the screen is too small.
    """
    for_findings = min(1 + max(1, findings), max(2, height // 4))
    for_queues = min(1 + max(1, queues), max(3, (height - for_findings) * 2 // 5 + 1))
    return for_findings, for_queues, max(0, height - for_findings - for_queues)
