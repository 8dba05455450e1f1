"""What a section of the price list has found: tables of figures, and sentences about them. Values only.

Made by the sections, kept by the record, shown by the page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Cell", "Result", "Scale", "Section", "Table"]

Cell = str | int | float | None
_T = TypeVar("_T")


@dataclass(frozen=True)
class Table:
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""  #: a sentence above it


@dataclass(frozen=True)
class Result:
    """`notes` are sentences that hold figures of this run, and so are made by it."""

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scale:
    """How long a run may take: the whole list some 25 minutes, or some 5."""

    is_quick: bool = False

    def pick(self, *, full: _T, quick: _T) -> _T:
        return quick if self.is_quick else full


@dataclass(frozen=True)
class Section:
    """A part of the list. `method` stands above its tables and `caveats` below; both hold true for any run."""

    name: str  #: what --only takes
    title: str
    method: str
    measure: Callable[[Scale], Result]
    caveats: str = ""
