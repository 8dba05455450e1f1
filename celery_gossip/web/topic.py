"""Topics: the tables that a viewer can subscribe to, and their changes per tick. Pure.

The Broadcaster owns one Topic per name that is watched. All viewers of a topic share its encoded changes.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from celery_gossip.web.selection import PATTERN, Selection, parse_selection

__all__ = [
    "CHART_PATTERN",
    "LISTS",
    "MAX_TOPIC_LENGTH",
    "TOPIC_PATTERN",
    "Row",
    "Subject",
    "Tables",
    "Topic",
    "parse_topic",
]

LISTS = ("fleet", "queues", "workers", "tasks", "failures", "schedule", "activity")
MAX_TOPIC_LENGTH = 1_024  #: characters
CHART_PATTERN = (
    r"pace:[^/]*|(queue|worker|task):[^/]+/[\s\S]*"  #: topics with a chart; also a regular expression of JavaScript
)
_RUNS_PATTERN = f"runs:{PATTERN}"  #: tasks that run or wait, with the query of a Selection
_MATRIX_PATTERN = "matrix:(queues|host|worker)"
TOPIC_PATTERN = f"{'|'.join(LISTS)}|{_MATRIX_PATTERN}|(failure|run):[^/]+/[\\s\\S]*|{_RUNS_PATTERN}|{CHART_PATTERN}"
_KEPT_TICKS = 60  #: whose changes are kept for viewers that reconnect

Row = msgspec.Struct
Tables = Mapping[str, Mapping[str, Row]]  #: `{table: {key: row}}`
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Subject:
    """The subject of a topic."""

    kind: str  #: one of LISTS, or queue, worker, task, run, failure, pace, runs, matrix
    source: str = ""  #: empty: all sources; of `matrix` its grouping
    name: str = ""
    selection: Selection | None = None  #: of runs


def parse_topic(topic: str) -> Subject:
    """Return the subject of a topic. Raises ValueError with the expected form."""
    if len(topic) > MAX_TOPIC_LENGTH or not re.fullmatch(TOPIC_PATTERN, topic):
        raise ValueError(
            f"topic: expected one of {', '.join(LISTS)}, pace:SOURCE, matrix:queues, matrix:host, matrix:worker, "
            f"failure:SOURCE/KEY, run:SOURCE/ID, runs:QUERY, or queue:, worker: or task:SOURCE/NAME, "
            f"got {topic[:80]!r}"
        )
    kind, _, rest = topic.partition(":")
    if kind == "runs":
        return Subject(kind, selection=parse_selection(rest))
    source, _, name = rest.partition("/")
    return Subject(kind, source, name)


class Topic:
    """The tables of a subject as of `tick`, and the changes of the ticks before."""

    def __init__(self, tick: int, tables: Tables) -> None:
        """Start at `tick`; changes are recorded from the next one on."""
        self.tick = tick
        self._tables = tables
        self._oldest_tick = tick
        self._full: bytes | None = None
        self._changes: deque[tuple[int, bytes]] = deque()

    def diff_to(self, tables: Tables) -> bytes | None:
        """Return the changes as JSON; None if nothing changed. May run on any thread, but not during commit()."""
        changes = _changes(self._tables, tables)
        return _encode({"full": False, "tables": changes}) if changes else None

    def commit(self, tick: int, tables: Tables, change: bytes | None) -> None:
        """Make these the tables as of `tick`; `change` is the result of diff_to()."""
        self.tick = tick
        self._tables = tables
        if change is not None:
            self._full = None
            self._changes.append((tick, change))
        while self._changes and self._changes[0][0] <= tick - _KEPT_TICKS:
            self._oldest_tick = self._changes.popleft()[0]

    def full(self) -> bytes:
        """Return the whole tables as JSON."""
        if self._full is None:
            tables = {name: {"set": rows, "del": ()} for name, rows in self._tables.items()}
            self._full = _encode({"full": True, "tables": tables})
        return self._full

    def since(self, tick: int) -> list[tuple[int, bytes]] | None:
        """Return `(tick, changes)` after this tick; None if they are no longer kept and full() is needed."""
        if tick < self._oldest_tick:
            return None
        return [change for change in self._changes if change[0] > tick]


def _changes(before: Tables, after: Tables) -> dict[str, Any]:
    """Return `{table: {"set": {key: changed fields or a new row}, "del": [keys]}}` for the tables that differ."""
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
