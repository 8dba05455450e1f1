"""Age of this process, from the start of the program. Any thread; reads one file of /proc, in some 20 µs.

Without /proc (macOS, Windows) the age is that of this package's import, which is later than the start by the time that
the application takes to load.
"""

import os
import time

__all__ = ["PROGRAM_LOADED_AT", "process_age"]

PROGRAM_LOADED_AT = time.monotonic()  #: time at which this module was imported, on the monotonic clock
#: Celery replaces its program in the same process when it restarts on SIGHUP. /proc then has the start of the first
#: program, which is older than the import by far more than an application takes to load.
_MAX_LOADING = 120.0


def process_age(now: float, loaded_at: float = PROGRAM_LOADED_AT, root: str = "") -> float:
    """Return the seconds since the program of this process started; `now` and `loaded_at` are monotonic."""
    since_load = max(0.0, now - loaded_at)
    age = _age_of_process(root)
    return age if age is not None and since_load <= age <= since_load + _MAX_LOADING else since_load


def _age_of_process(root: str) -> float | None:
    """Return the seconds since the process started; None if they are not known."""
    try:
        with open(f"{root}/proc/self/stat", "rb") as file:
            fields = file.read(4096).rpartition(b") ")[2].split()  # the name, in parentheses, may contain anything
        started_at = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # seconds since the machine started
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_at
    except (OSError, ValueError, IndexError, AttributeError):  # no such clock, or another format
        return None
