"""The stored results: the latest result of each section, with time, commit and machine.

A JSON file next to the page. A run of some sections does not change the others, their dates and their commits.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.report.machine import Machine
from benchmarks.report.result import Result

__all__ = ["Entry", "Record", "read", "write"]


@dataclass(frozen=True)
class Entry:
    result: Result
    measured_at: str  #: UTC, to the minute
    commit: str
    machine: Machine
    took: float | None = None  #: seconds; None if it was measured manually, before this command existed
    load: tuple[float, float] = (0.0, 0.0)  #: load average at the start and at the end
    is_quick: bool = False
    niceness: int = 0  #: of the run, if other processes used the machine


Record = dict[str, Entry]  #: by the name of the section


def read(path: Path) -> Record:
    """Return the stored results; an empty record if there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=Record) if path.exists() else {}


def write(path: Path, record: Record) -> None:
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    path.write_bytes(text + b"\n")
