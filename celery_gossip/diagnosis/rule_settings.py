"""RuleSettings: which findings are raised, when and how severe, in general and for single queues and workers. Pure.

Immutable; read by the rules and the Diagnosis on the listener's thread. The file format is described in
docs/how-to/tune-findings.md.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, get_args

from celery_gossip.diagnosis.kinds import FindingKind, Severity
from celery_gossip.errors import InvalidOption

__all__ = ["RuleSettings", "SubjectSettings", "Thresholds", "parse_rules"]

_KINDS: tuple[str, ...] = get_args(FindingKind)
_SEVERITIES: tuple[str, ...] = get_args(Severity)
#: Without these, a view that is not current would look as if nothing was wrong.
_ALWAYS = frozenset({"isolated", "nobody_heard"})
_MAX_SECONDS = 86_400.0
_MAX_CACHED = 20_000  #: subjects whose settings are remembered


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Limits of the rules that compare numbers."""

    failing_rate: float = 0.5  #: share of failed tasks from which a queue is `failing`; above 0, at most 1
    failing_tasks: int = 10  #: finished tasks for which that share is meaningful
    rise_factor: float = 3.0  #: factor by which the failure rate must exceed the previous one
    rise_by: float = 0.1  #: amount by which it must exceed the previous one, 0 to 1
    wait_seconds: float = 5.0  #: median wait below which tasks do not wait for long
    wait_factor: float = 2.0  #: factor by which the wait must exceed the previous one
    long_seconds: float = 60.0  #: seconds below which no run is long; at least 10
    long_factor: float = 3.0  #: factor by which a run must exceed the 99th percentile of its task name
    oldest_seconds: float = 300.0  #: age of the oldest message from which it waits for too long
    oldest_factor: float = 30.0  #: factor by which that age must exceed the median runtime of the queue's tasks
    stuck_seconds: float = 300.0  #: seconds from which a run of unknown usual length is stuck; at least 10
    redelivery_share: float = 0.8  #: share of the visibility timeout from which a message `will_be_redelivered`
    release_tasks: int = 20  #: finished tasks, under the release and under others, for which they are compared
    release_by: float = 0.05  #: amount by which the failure rate of a release must exceed that of others, 0 to 1
    lost_processes: int = 3  #: processes of a pool that are lost within a minute
    memory_share: float = 0.9  #: share of the memory limit from which a worker is near it
    climb_share: float = 0.2  #: share by which memory must rise over six periods
    void_tasks: int = 5  #: sent tasks that must be missing from a queue
    overdue_seconds: float = 10.0  #: seconds by which an entry of a schedule may be late
    overdue_share: float = 0.1  #: share of its period by which it may be late; 300 s at most
    unreceived_sends: int = 3  #: sends of an entry without a worker that received its task


#: Lowest and highest value of each threshold.
_BOUNDS = {
    "failing_rate": (0.001, 1.0),
    "failing_tasks": (1, 1_000_000),
    "rise_factor": (1.0, 1000.0),
    "rise_by": (0.0, 1.0),
    "wait_seconds": (0.0, _MAX_SECONDS),
    "wait_factor": (1.0, 1000.0),
    "long_seconds": (10.0, _MAX_SECONDS),
    "long_factor": (1.0, 1000.0),
    "oldest_seconds": (1.0, _MAX_SECONDS),
    "oldest_factor": (0.0, 1000.0),
    "stuck_seconds": (10.0, _MAX_SECONDS),
    "redelivery_share": (0.5, 1000.0),
    "release_tasks": (5, 1_000_000),
    "release_by": (0.0, 1.0),
    "lost_processes": (1, 1_000_000),
    "memory_share": (0.01, 1.0),
    "climb_share": (0.01, 1000.0),
    "void_tasks": (1, 1_000_000_000),
    "overdue_seconds": (1.0, _MAX_SECONDS),
    "overdue_share": (0.0, 1.0),
    "unreceived_sends": (1, 20),
}


@dataclass(frozen=True)
class SubjectSettings:
    """Settings for one queue or worker, or for all."""

    mute: frozenset[str] = frozenset()  #: kinds that are not raised
    after: Mapping[str, float] = field(default_factory=dict)  #: `{kind: seconds for which the condition must hold}`
    severity: Mapping[str, Severity] = field(default_factory=dict)  #: `{kind: severity}`
    thresholds: Thresholds = field(default_factory=Thresholds)

    def updated(self, other: Mapping[str, Any]) -> "SubjectSettings":
        """Return these settings with those of a table of the file, which was checked."""
        return SubjectSettings(
            mute=self.mute | frozenset(other.get("mute", ())),
            after={**self.after, **other.get("after", {})},
            severity={**self.severity, **other.get("severity", {})},
            thresholds=replace(self.thresholds, **other.get("thresholds", {})),
        )


@dataclass(frozen=True)
class RuleSettings:
    """Settings of all findings. `RuleSettings()` are the defaults."""

    general: SubjectSettings = field(default_factory=SubjectSettings)
    #: `(pattern, table)`: settings of the subjects that match; of several the last one counts.
    subjects: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    _cache: dict[str, SubjectSettings] = field(default_factory=dict, compare=False, repr=False)

    def of(self, subject: str) -> SubjectSettings:
        """Return the settings for a queue's name, a hostname, or "listener"."""
        if not self.subjects:
            return self.general
        found = self._cache.get(subject)
        if found is None:
            found = self.general
            for pattern, table in self.subjects:
                if fnmatchcase(subject, pattern):
                    found = found.updated(table)
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[subject] = found
        return found


def parse_rules(tables: Mapping[str, Any], source: str) -> RuleSettings:
    """Return the settings of a TOML document that was read as `tables`.

    `source` begins each error. Raises InvalidOption for an unknown name and for a value that is out of range.
    """
    general = {name: value for name, value in tables.items() if name != "subjects"}
    _check_table(general, source, "")
    subjects = tables.get("subjects", {})
    if not isinstance(subjects, dict):
        raise InvalidOption(f"{source}: subjects: expected a table, got {subjects!r}")
    for pattern, table in subjects.items():
        _check_table(table, source, f"subjects.{pattern!r}")
    return RuleSettings(SubjectSettings().updated(general), tuple(subjects.items()))


def _check_table(table: Any, source: str, path: str) -> None:
    where = f"{source}: {path}" if path else source
    if not isinstance(table, dict):
        raise InvalidOption(f"{where}: expected a table, got {table!r}")
    _refuse_unknown(where, table, ("mute", "after", "severity", "thresholds", *(() if path else ("subjects",))))
    mute = table.get("mute", [])
    if not isinstance(mute, list) or not all(isinstance(kind, str) for kind in mute):
        raise InvalidOption(f"{where}: mute: expected a list of findings, got {mute!r}")
    _refuse_unknown(f"{where}: mute", mute, _KINDS)
    for kind in _ALWAYS.intersection(mute):
        raise InvalidOption(f"{where}: mute: {kind!r} cannot be muted: nothing would say that the view is not current")
    for name in ("after", "severity", "thresholds"):
        if not isinstance(table.get(name, {}), dict):
            raise InvalidOption(f"{where}: {name}: expected a table, got {table[name]!r}")
    _check_values(where, table)


def _check_values(where: str, table: Mapping[str, Any]) -> None:
    _refuse_unknown(f"{where}: after", table.get("after", {}), _KINDS)
    for kind, seconds in table.get("after", {}).items():
        _require_number(f"{where}: after.{kind}", seconds, (0.0, _MAX_SECONDS))
    _refuse_unknown(f"{where}: severity", table.get("severity", {}), _KINDS)
    for kind, severity in table.get("severity", {}).items():
        if severity not in _SEVERITIES:
            raise InvalidOption(f"{where}: severity.{kind}: expected 'critical' or 'warning', got {severity!r}")
    _refuse_unknown(f"{where}: thresholds", table.get("thresholds", {}), [one.name for one in fields(Thresholds)])
    for name, value in table.get("thresholds", {}).items():
        _require_number(f"{where}: thresholds.{name}", value, _BOUNDS[name])


def _require_number(where: str, value: Any, bounds: tuple[float, float]) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not bounds[0] <= value <= bounds[1]:
        raise InvalidOption(f"{where}: expected a number from {bounds[0]:g} to {bounds[1]:g}, got {value!r}")


def _refuse_unknown(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise InvalidOption(f"{where}: unknown name {name!r}: {hint}")
