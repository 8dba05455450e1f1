"""The record of the price list: the latest result of each section, and when and on what it was measured.

A file of JSON beside the page. A run of some sections leaves the others as they were, dates and commits with them.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.price.machine import Machine
from benchmarks.price.result import Result

__all__ = ["Entry", "Record", "read", "write"]


@dataclass(frozen=True)
class Entry:
    result: Result
    measured_at: str  #: UTC, to the minute
    commit: str
    machine: Machine
    took: float | None = None  #: seconds; None where it was measured by hand, before there was this command
    load: tuple[float, float] = (0.0, 0.0)  #: processes that wanted to run, when it began and when it had ended
    is_quick: bool = False
    niceness: int = 0  #: of the run, where others used the machine as well


Record = dict[str, Entry]  #: by the name of the section


def read(path: Path) -> Record:
    """Nothing where there is no file."""
    return msgspec.json.decode(path.read_bytes(), type=Record) if path.exists() else {}


def write(path: Path, record: Record) -> None:
    text = msgspec.json.format(msgspec.json.encode(record), indent=1)
    path.write_bytes(text + b"\n")
