"""The schedule in the settings of a listener's app, which a beat process should run. Read once at the start."""

from typing import Any

__all__ = ["count_schedule_entries"]


def count_schedule_entries(app: Any) -> int:
    """Return the number of entries in `beat_schedule`; 0 if it cannot be read. Never raises."""
    try:
        return len(app.conf.beat_schedule or ())
    except Exception:
        return 0
