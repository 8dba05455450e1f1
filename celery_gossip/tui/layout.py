"""Heights of the panes. Pure."""

__all__ = ["pane_heights"]


def pane_heights(height: int, findings: int, queues: int, entries: int | None = None) -> tuple[int, int, int, int]:
    """Return the lines for findings, queues, workers and the schedule, titles included, for so many rows.

    The schedule gets a fifth at most, and nothing if `entries` is None; the workers get the remaining lines: at least
    two fifths of those without the schedule, unless the screen is too small.
    """
    for_entries = 0 if entries is None else min(1 + max(1, entries), max(2, height // 5))
    height -= for_entries
    for_findings = min(1 + max(1, findings), max(2, height // 4))
    for_queues = min(1 + max(1, queues), max(3, (height - for_findings) * 2 // 5 + 1))
    return for_findings, for_queues, max(0, height - for_findings - for_queues), for_entries
