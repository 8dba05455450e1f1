"""How the panes share the lines of the screen. Pure."""

__all__ = ["share"]


def share(height: int, findings: int, queues: int) -> tuple[int, int, int]:
    """Lines for findings, queues and workers, titles included, when so many rows of the first two would be shown.

    The workers have what is left: at least two fifths where there is that much.
    """
    for_findings = min(1 + max(1, findings), max(2, height // 4))
    for_queues = min(1 + max(1, queues), max(3, (height - for_findings) * 2 // 5 + 1))
    return for_findings, for_queues, max(0, height - for_findings - for_queues)
