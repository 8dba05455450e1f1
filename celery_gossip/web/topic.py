"""Topics: what a viewer can ask to be told of, and what has changed of it since a tick. Pure.

A board owns one Topic for each that somebody watches, and all who watch it share what it has encoded.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

__all__ = ["LISTS", "Row", "Subject", "Tables", "Topic", "parse"]

LISTS = ("fleet", "queues", "workers", "tasks")
_SUBJECTS = ("queue", "worker", "task")
_MOST_NAME = 1_024  #: characters of a topic
_REMEMBERED = 60  #: ticks that a viewer who was cut off may have missed

Row = msgspec.Struct
Tables = Mapping[str, Mapping[str, Row]]  #: `{table: {key: row}}`
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Subject:
    """What a topic is about."""

    kind: str  #: one of LISTS, or queue, worker, task, pace
    source: str = ""  #: empty: of all sources
    name: str = ""


def parse(topic: str) -> Subject:
    """Raises ValueError, which tells what was expected, for what is no topic."""
    if topic in LISTS:
        return Subject(topic)
    kind, _, rest = topic.partition(":")
    source, slash, name = rest.partition("/")
    if kind == "pace" and not slash and len(source) < _MOST_NAME:
        return Subject(kind, source)
    if kind in _SUBJECTS and source and slash and len(topic) <= _MOST_NAME:
        return Subject(kind, source, name)
    raise ValueError(
        f"topic: expected one of {', '.join(LISTS)}, pace:SOURCE, or queue:, worker: or task:SOURCE/NAME, "
        f"got {topic[:80]!r}"
    )


class Topic:
    """The tables of a subject as of `tick`, and how they came to be so."""

    def __init__(self, tick: int, tables: Tables) -> None:
        """`tick`: the first of which changes are remembered is the next."""
        self.tick = tick
        self._tables = tables
        self._began = tick
        self._full: bytes | None = None
        self._changes: deque[tuple[int, bytes]] = deque()

    def change_to(self, tables: Tables) -> bytes | None:
        """What has changed, as JSON; None for nothing. On any thread, as long as nobody commits."""
        changes = _changes(self._tables, tables)
        return _encode({"full": False, "tables": changes}) if changes else None

    def commit(self, tick: int, tables: Tables, change: bytes | None) -> None:
        """From this tick on it is so."""
        self.tick = tick
        self._tables = tables
        if change is not None:
            self._full = None
            self._changes.append((tick, change))
        while self._changes and self._changes[0][0] <= tick - _REMEMBERED:
            self._began = self._changes.popleft()[0]

    def full(self) -> bytes:
        """All of it, as JSON."""
        if self._full is None:
            tables = {name: {"set": rows, "del": ()} for name, rows in self._tables.items()}
            self._full = _encode({"full": True, "tables": tables})
        return self._full

    def since(self, tick: int) -> list[tuple[int, bytes]] | None:
        """`(tick, what changed then)` after this one; None where that is not remembered: tell all of it."""
        if tick < self._began:
            return None
        return [change for change in self._changes if change[0] > tick]


def _changes(before: Tables, after: Tables) -> dict[str, Any]:
    """`{table: {"set": {key: fields that differ, or a new row}, "del": [keys]}}`, of tables that differ."""
    return {name: change for name in after if (change := _difference(before.get(name, {}), after[name]))}


def _difference(before: Mapping[str, Row], after: Mapping[str, Row]) -> dict[str, Any] | None:
    changed = dict(_changed(before, after))
    gone = [key for key in before if key not in after]
    return {"set": changed, "del": gone} if changed or gone else None


def _changed(before: Mapping[str, Row], after: Mapping[str, Row]) -> Iterator[tuple[str, Any]]:
    for key, row in after.items():
        known = before.get(key)
        if known is None:
            yield key, row
        elif known != row:
            fields = {name: getattr(row, name) for name in row.__struct_fields__}
            yield key, {name: value for name, value in fields.items() if getattr(known, name) != value}
