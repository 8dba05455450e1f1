"""The record of a workload, read into runs and worker processes. Pure; see tests.workload.record for the lines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Boot", "History", "Run"]

#: What a run's main process can be told of its end.
_SETTLED = ("returned", "limit", "revoked")


@dataclass
class Boot:
    """One worker process."""

    name: str
    hostname: str
    started_at: float
    pid: str
    cuts: list[float] = field(default_factory=list)  #: Unix seconds at which its connections were cut
    gone_at: float | None = None  #: when it was told to end, or was killed
    how: str = ""  #: warm, soft, cold, kill, crash
    reported_at: float | None = None  #: Unix seconds of the last report that was received from it

    def is_disturbed_after(self, since: float) -> bool:
        """Whether a connection was cut or the process was ended after this moment."""
        return any(cut >= since for cut in self.cuts) or (self.gone_at is not None)


@dataclass
class Run:
    """One Request of one worker process."""

    name: str
    boot: str
    queue: str
    task: str
    task_id: str
    due_at: float | None  #: when it was sent, or its ETA if that is later; Unix seconds
    at: dict[str, float] = field(default_factory=dict)  #: what happened, and when first
    pid: str = ""  #: of the process in which it began
    ended: str = ""  #: the outcome by the task itself, or by Celery's tracer
    returned: str = ""  #: what the main process was handed first

    @property
    def is_settled(self) -> bool:
        """Whether its main process knows an end."""
        return any(what in self.at for what in _SETTLED)


class History:
    """Everything that was recorded so far."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.boots: dict[str, Boot] = {}
        self.unknown: list[tuple[str, float, str, str]] = []  #: boot, when, queue, task
        self.dropped: list[tuple[str, float]] = []  #: boot, when: messages that are no task
        self.began: set[str] = set()  #: ids of tasks that have begun

    def add(self, lines: Iterable[str]) -> None:
        """Take in more lines of the record."""
        for line in lines:
            what, at, *fields = line.rstrip("\n").split("\t")
            self._add(what, float(at), fields)

    def open_runs(self) -> list[Run]:
        """Runs of living processes whose end is to come, as far as can be known."""
        return [run for run in self.runs.values() if self._is_open(run)]

    def note_reports(self, reports: Mapping[str, Iterable[float]]) -> None:
        """Learn when reports were received, `{hostname: Unix seconds of each}`."""
        for boot in self.boots.values():
            later = [other.started_at for other in self.boots.values() if other.hostname == boot.hostname]
            until = min((at for at in later if at > boot.started_at), default=float("inf"))
            mine = [at for at in reports.get(boot.hostname, ()) if boot.started_at <= at < until]
            boot.reported_at = max(mine, default=None)

    def _is_open(self, run: Run) -> bool:
        boot = self.boots[run.boot]
        if run.is_settled or (boot.gone_at is not None and boot.how != "warm"):
            return False
        last = run.at.get("accepted", run.at["received"])
        return not boot.is_disturbed_after(last)

    def _add(self, what: str, at: float, fields: list[str]) -> None:
        if what == "boot":
            self.boots[fields[0]] = Boot(fields[0], fields[1], at, fields[2])
        elif what == "received":
            self._receive(at, fields)
        elif what == "unknown":
            self.unknown.append((fields[0], at, fields[1], fields[2]))
        elif what == "dropped":
            self.dropped.append((fields[0], at))
        elif what in ("cut", "gone"):
            self._disturb(what, at, fields)
        elif fields[0] in self.runs:
            self._happen(what, at, fields)

    def _receive(self, at: float, fields: list[str]) -> None:
        name, boot, queue, task, task_id, sent, eta = fields
        due = max(float(sent), float(eta or 0)) if sent else None
        self.runs[name] = Run(name, boot, queue, task, task_id, due, {"received": at})

    def _disturb(self, what: str, at: float, fields: list[str]) -> None:
        """Of the latest process with this hostname."""
        boot = max((each for each in self.boots.values() if each.hostname == fields[0]), key=lambda b: b.started_at)
        if what == "cut":
            boot.cuts.append(at)
        else:
            boot.gone_at, boot.how = boot.gone_at or at, fields[1]

    def _happen(self, what: str, at: float, fields: list[str]) -> None:
        run = self.runs[fields[0]]
        run.at.setdefault(what, at)
        if what == "began":
            self.began.add(run.task_id)
            run.pid = fields[1]
        elif what == "ended":
            run.ended = fields[1]
        elif what == "returned":
            run.returned = run.returned or fields[1]
