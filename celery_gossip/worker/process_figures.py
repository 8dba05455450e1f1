"""Memory and CPU time of processes, from /proc; without it (macOS, Windows) only the CPU time. Any thread.

One file is read for each process, in some 20 µs, and closed. What cannot be read is unknown.
"""

import os
from typing import NamedTuple

__all__ = ["ProcessFigures", "cpu_seconds_without_proc", "read_process"]


class ProcessFigures(NamedTuple):
    """Figures of one process at one moment."""

    parent: int  #: its process id
    rss: int  #: resident memory in bytes
    cpu_seconds: float  #: of the process and of those of its children that ended and were waited for


def read_process(pid: int | str, root: str = "") -> ProcessFigures | None:
    """Return the figures of the process (`"self"`: of this one); None if there is none, or no /proc."""
    try:
        with open(f"{root}/proc/{pid}/stat", "rb") as file:
            fields = file.read(4096).rpartition(b") ")[2].split()  # the name, in parentheses, may contain anything
        ticks = sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime
        return ProcessFigures(
            int(fields[1]), max(0, int(fields[21])) * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK")
        )
    except (OSError, ValueError, IndexError):
        return None


def cpu_seconds_without_proc() -> float:
    """Return the CPU time of this process and of those of its children that ended, in seconds."""
    return sum(os.times()[:4])
