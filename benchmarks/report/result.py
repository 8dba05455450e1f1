"""Result of a section: tables of values, and sentences about them. Values only.

Created by the sections, stored by the record, rendered by the page.
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
    """`notes` are sentences that contain values of this run."""

    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scale:
    """Duration of a run: about 25 minutes for all sections, or about 5."""

    is_quick: bool = False

    def pick(self, *, full: _T, quick: _T) -> _T:
        return quick if self.is_quick else full


@dataclass(frozen=True)
class Section:
    """A part of the page. `method` is shown above its tables and `caveats` below; neither contains values of a run."""

    name: str  #: name for --only
    title: str
    method: str
    measure: Callable[[Scale], Result]
    caveats: str = ""
