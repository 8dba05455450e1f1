"""Checks of a status report, with the states and exit codes of monitoring plugins. Pure.

An unmet expectation is critical, an exceeded limit is warning or critical, and a value that is not known is unknown,
never ok. Of several states the worst counts, in the order critical, warning, unknown, ok, as in monitoring-plugins.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from celery_gossip.console.report import FindingRow, QueueRow, Report, SourceRow, WorkerRow
from celery_gossip.printable import printable
from celery_gossip.units import format_duration

__all__ = [
    "EXIT_CODES",
    "WORST_FIRST",
    "Expectations",
    "Levels",
    "Result",
    "State",
    "evaluate",
    "finding_state",
    "overall",
    "present_workers",
]

State = Literal["ok", "warning", "critical", "unknown"]

EXIT_CODES: dict[State, int] = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}
IDLE_AFTER = 30.0  #: seconds of listening without a task after which a queue counts as idle, instead of unknown
_INTERVALS = 3.0  #: the same in intervals of the slowest worker: a count needs two of its reports
WORST_FIRST: tuple[State, ...] = ("critical", "warning", "unknown", "ok")
_PRESENT = frozenset({"online", "stalled", "conflict"})  #: states of a worker that reports and stays
#: Findings about the listener itself, which say that nothing is known of the workers.
_NOTHING_KNOWN = frozenset({"isolated", "nobody_heard"})
_STATE_TEXTS = {
    "draining": "is shutting down",
    "offline": "has shut down",
    "lost": "is lost",
    "suspect": "may have stopped reporting",
}


@dataclass(frozen=True)
class Levels:
    """Limits of a value; None: no such limit."""

    critical: float
    warning: float | None = None

    def limit_of(self, value: float, *, is_minimum: bool = False) -> tuple[State, float | None]:
        """Return the state of a value and the limit that it violates; limits themselves are allowed."""
        named: tuple[tuple[State, float | None], ...] = (("critical", self.critical), ("warning", self.warning))
        for state, limit in named:
            if limit is not None and (value < limit if is_minimum else value > limit):
                return state, limit
        return "ok", None


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """Conditions of a check; None and empty: no condition."""

    workers: Levels | None = None  #: least number of workers
    hostnames: tuple[str, ...] = ()  #: of workers that must report, `celery@web1`, or hosts with one at least, `web1`
    queues: tuple[str, ...] = ()  #: to which the limits apply; empty: every queue
    max_backlog: Levels | None = None  #: messages
    max_wait: Levels | None = None  #: seconds, 95th percentile
    max_failure_rate: Levels | None = None  #: 0 to 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """Outcome of one check of one subject."""

    check: str  #: name of the option, `max-backlog`; `listener` and `workers` for what every check needs
    state: State
    text: str
    subject: str = ""  #: a queue's name or a hostname
    source: str = ""
    value: float | None = None


def overall(report: Report, results: Iterable[Result]) -> State:
    """Return the worst state of these results and of the findings."""
    states = {result.state for result in results} | {finding_state(finding) for finding in report.findings}
    return next((state for state in WORST_FIRST if state in states), "ok")


def finding_state(finding: FindingRow) -> State:
    """Return the state that a finding means for a check."""
    if finding.kind in _NOTHING_KNOWN:
        return "unknown"
    return "critical" if finding.severity == "critical" else "warning"


def present_workers(report: Report) -> int:
    """Return the number of workers that report and stay, without those of which nothing current is known."""
    current = _current_sources(report)
    return sum(worker.state in _PRESENT for worker in report.workers if worker.source in current)


def evaluate(report: Report, expected: Expectations) -> tuple[Result, ...]:
    """Return the outcome of every check; of a limit, one for each queue."""
    results = [*_sources(report)]
    if expected.workers is not None:
        results.append(_worker_count(report, expected.workers))
    results += [_worker_present(report, hostname) for hostname in expected.hostnames]
    limits = (
        ("max-backlog", expected.max_backlog, _backlog),
        ("max-wait", expected.max_wait, _wait),
        ("max-failure-rate", expected.max_failure_rate, _failure_rate),
    )
    for check, levels, measure in limits:
        if levels is not None:
            results += _limit(report, expected.queues, check, levels, measure)
    return tuple(results)


def _sources(report: Report) -> Iterator[Result]:
    """Yield a result for each source of which nothing is known."""
    for source in report.sources:
        label = f"{printable(source.source)}: " if len(report.sources) > 1 else ""
        if source.trouble:
            text = f"{label}{printable(source.trouble)}"
            yield Result(check="listener", state="unknown", text=text, source=source.source)
        elif not report.live_workers(source.source):
            text = f"{label}{printable(source.no_report)}"
            yield Result(check="workers", state="unknown", text=text, source=source.source)


def _worker_count(report: Report, levels: Levels) -> Result:
    """Compare the workers that surely report with the limits; unknown where others may report as well."""
    current, count = _current_sources(report), present_workers(report)
    suspects = [one.hostname for one in report.workers if one.state == "suspect" and one.source in current]
    state, limit = levels.limit_of(count, is_minimum=True)
    text = _count(count, "worker reports", "workers report")
    if limit is not None:
        text = f"{text}, fewer than {limit:.0f}"
        has_trouble = any(source.trouble for source in report.sources)
        if has_trouble or levels.limit_of(count + len(suspects), is_minimum=True)[0] != state:
            state = "unknown"
            text += ", but a broker is not listened to" if has_trouble else f"; uncertain: {_listed(suspects)}"
    return Result(check="expect-workers", state=state, text=text, value=count)


def _worker_present(report: Report, hostname: str) -> Result:
    """Look for a worker of this name, or with this host."""
    found = [worker for worker in report.workers if _is_named(worker, hostname)]
    states = [worker.state for worker in found if worker.source in _current_sources(report)]
    state: State = "critical"
    reason = f"{printable(hostname)} has not reported"
    if any(one in _PRESENT for one in states):
        state, reason = "ok", f"{printable(hostname)} reports"
    elif any(source.trouble for source in report.sources):
        state, reason = "unknown", f"{printable(hostname)}: a broker is not listened to"
    elif states:
        worst = next((one for one in ("suspect", "draining") if one in states), states[0])
        state = "unknown" if worst == "suspect" else "critical"
        reason = f"{printable(hostname)} {_STATE_TEXTS.get(worst, worst)}"
    return Result(check="expect-worker", state=state, text=reason, subject=hostname)


_Measure = Callable[[QueueRow, SourceRow, float], "tuple[float | None, str]"]
"""Return the value of a queue and a text on it; None with the reason where it is unknown."""


def _limit(report: Report, queues: tuple[str, ...], check: str, levels: Levels, measure: _Measure) -> Iterator[Result]:
    """Compare a value of each queue with the limits."""
    sources = {source.source: source for source in report.sources}
    rows = [row for row in report.queues if not queues or row.name in queues]
    for row in rows:
        source = sources[row.source]
        value, text = None, f"queue {_quoted(row.name)}: a broker is not listened to"
        if not source.trouble:
            value, text = measure(row, source, _idle_after(report, row.source))
        state, limit = ("unknown", None) if value is None else levels.limit_of(value)
        if limit is not None:
            text = f"{text}, more than {_amount(check, limit)}"
        yield Result(check=check, state=state, text=text, subject=row.name, source=row.source, value=value)
    for name in sorted({*queues} - {row.name for row in rows}):
        text = f"queue {_quoted(name)} is not known: no worker reports it, and its backlog is not read"
        yield Result(check=check, state="unknown", text=text, subject=name)
    if not rows and not queues:
        yield Result(check=check, state="unknown", text="no queue is known")


def _backlog(row: QueueRow, source: SourceRow, idle_after: float) -> tuple[float | None, str]:
    if row.backlog is None:
        return None, f"the backlog of queue {_quoted(row.name)} is unknown"
    return row.backlog, f"{_count(row.backlog, 'message waits', 'messages wait')} in queue {_quoted(row.name)}"


def _wait(row: QueueRow, source: SourceRow, idle_after: float) -> tuple[float | None, str]:
    queue = f"queue {_quoted(row.name)}"
    if row.wait_p95 is not None:
        return row.wait_p95, f"tasks of {queue} waited {format_duration(row.wait_p95)} (p95)"
    if row.per_second > 0:
        return None, f"the wait of tasks of {queue} is unknown: none that started carries the time of its sending"
    if source.listened < idle_after:
        return None, f"no task of {queue} started in {_too_short(source, idle_after)}"
    if row.backlog is None:
        return None, f"no task of {queue} started in {idle_after:.0f} s, and its backlog is unknown"
    if row.backlog or row.reserved:
        return None, f"no task of {queue} started in {idle_after:.0f} s, although {row.backlog + row.reserved} wait"
    return 0.0, f"no task of {queue} waited"


def _failure_rate(row: QueueRow, source: SourceRow, idle_after: float) -> tuple[float | None, str]:
    queue = f"queue {_quoted(row.name)}"
    if row.failure_rate is not None:
        return row.failure_rate, f"{row.failure_rate * 100:.3g}% of the tasks of {queue} failed"
    if source.listened < idle_after:
        return None, f"no task of {queue} ended in {_too_short(source, idle_after)}"
    return 0.0, f"no task of {queue} failed"


def _too_short(source: SourceRow, idle_after: float) -> str:
    return f"{source.listened:.0f} s of listening; after {idle_after:.0f} s it counts as idle"


def _idle_after(report: Report, source: str) -> float:
    intervals = [worker.interval for worker in report.live_workers(source)]
    return max(IDLE_AFTER, _INTERVALS * max(intervals, default=0.0))


def _current_sources(report: Report) -> frozenset[str]:
    return frozenset(source.source for source in report.sources if not source.trouble)


def _is_named(worker: WorkerRow, hostname: str) -> bool:
    return hostname in (worker.hostname, worker.hostname.partition("@")[2])


def _amount(check: str, limit: float) -> str:
    if check == "max-wait":
        return format_duration(limit)
    return f"{limit * 100:.3g}%" if check == "max-failure-rate" else f"{limit:.0f}"


def _quoted(name: str) -> str:
    return f"'{printable(name)}'"


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _listed(names: list[str]) -> str:
    return ", ".join(map(printable, names))
