"""Subjects: the tables of one topic, built from the latest snapshots. Called on any thread."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from celery_gossip.cluster.statistics import GroupBy
from celery_gossip.cluster.throughput import Throughput, merge_throughputs
from celery_gossip.web import overview, schedule, table, worker_rows
from celery_gossip.web.failure_rows import failure_cases, failure_groups, failure_totals, single_group
from celery_gossip.web.level_history import FINE
from celery_gossip.web.level_rows import has_levels, levels, marks
from celery_gossip.web.matrix import GROUPINGS, matrix_queues, matrix_rows
from celery_gossip.web.schema import Level, Mark, RunningTask, Step
from celery_gossip.web.search import sightings
from celery_gossip.web.selection import Selection
from celery_gossip.web.snapshot import Snapshot, Source
from celery_gossip.web.task_rows import coverages, listed_tasks
from celery_gossip.web.topic import Row, Subject, Tables

__all__ = [
    "LEVEL_SIZES",
    "MAX_RUNS",
    "MAX_WINDOW",
    "STEP_SIZES",
    "build_charts",
    "build_levels",
    "build_marks",
    "build_steps",
    "build_tables",
]

#: `{longest window of a chart: size of its steps}`, in seconds
STEP_SIZES = {120.0: 2.0, 600.0: 10.0, 10_800.0: 60.0}
#: The same for levels.
LEVEL_SIZES = {600.0: FINE, 10_800.0: 60.0}
MAX_WINDOW = max(STEP_SIZES)  #: seconds
MAX_RUNS = 500  #: running tasks in one table
#: `{kind of a subject: how its throughput is grouped}`
_GROUP_BY: Mapping[str, GroupBy] = {"pace": "fleet", "queue": "queue", "worker": "worker", "task": "task"}

Snapshots = Mapping[str, Snapshot]
Sources = Mapping[str, Source]


def build_tables(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    """Return all tables of a topic; they are empty if its subject is not in the view."""
    return _BUILDERS[subject.kind](subject, snapshots, listeners)


def build_steps(subject: Subject, snapshots: Snapshots, listeners: Sources, window: float) -> dict[str, Step]:
    """Return the points of a chart for the last `window` seconds, all of one step size."""
    by = _GROUP_BY[subject.kind]
    name = "" if by == "fleet" else subject.name
    size = _step_size(STEP_SIZES, window)
    window = max(window, size)
    sources = _sources(subject, snapshots)
    series = [listeners[source].cluster.series(by, name, window, size) for source in sources]
    if not series:
        return {}
    return table.steps(snapshots[sources[0]], series[0] if len(series) == 1 else _merge_by_start(series), size)


def build_charts(subject: Subject, snapshots: Snapshots, listeners: Sources, window: float) -> dict[str, Any]:
    """Return the tables of the charts of a subject for the last `window` seconds."""
    return {
        "steps": build_steps(subject, snapshots, listeners, window),
        "levels": build_levels(subject, snapshots, window),
        "marks": build_marks(subject, snapshots),
    }


def build_levels(subject: Subject, snapshots: Snapshots, window: float) -> dict[str, Level]:
    """Return the points of the charts of levels for the last `window` seconds, all of one step size."""
    sources = _sources(subject, snapshots)
    if not sources:
        return {}
    size = _step_size(LEVEL_SIZES, window)
    latest = snapshots[sources[0]]
    since = latest.unix(latest.view.taken_at) - window
    rows = levels(subject, [snapshots[source] for source in sources], size)
    return {key: row for key, row in rows.items() if row.start + size > since}


def build_marks(subject: Subject, snapshots: Snapshots) -> dict[str, Mark]:
    """Return the marks for the charts of a subject."""
    return marks(subject, [snapshots[source] for source in _sources(subject, snapshots)])


def _sources(subject: Subject, snapshots: Snapshots) -> list[str]:
    return [source for source in ([subject.source] if subject.source else snapshots) if source in snapshots]


def _step_size(sizes: Mapping[float, float], window: float) -> float:
    return next(size for longest, size in sizes.items() if window <= longest)


def _chart_tables(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    """Return the tables that the charts of a subject show."""
    tables: dict[str, Mapping[str, Row]] = {
        "steps": _all_steps(subject, snapshots, listeners),
        "marks": build_marks(subject, snapshots),
    }
    if has_levels(subject.kind):
        tables["levels"] = levels(subject, [snapshots[source] for source in _sources(subject, snapshots)])
    return tables


def _all_steps(subject: Subject, snapshots: Snapshots, listeners: Sources) -> dict[str, Step]:
    """Return the points of the charts of every step size."""
    steps: dict[str, Step] = {}
    for window in STEP_SIZES:
        steps.update(build_steps(subject, snapshots, listeners, window))
    return steps


def _merge_by_start(all_series: Iterable[Iterable[Throughput]]) -> list[Throughput]:
    """Sum the steps that begin together: the listeners of one process share a clock."""
    by_start: dict[float, list[Throughput]] = defaultdict(list)
    for series in all_series:
        for step in series:
            by_start[step.since].append(step)
    return [merge_throughputs(by_start[start]) for start in sorted(by_start)]


def _fleet(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    every = list(snapshots.values())
    return {"sources": overview.sources(every), "totals": overview.totals(every), "findings": overview.findings(every)}


def _list(build: Callable[[Iterable[Snapshot]], Mapping[str, Row]]) -> Callable[[Subject, Snapshots, Sources], Tables]:
    return lambda subject, snapshots, listeners: {subject.kind: build(snapshots.values())}


def _schedule(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    every = list(snapshots.values())
    return {"beats": schedule.beats(every), "schedule": schedule.entries(every)}


def _failures(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    every = list(snapshots.values())
    return {"failures": failure_groups(every), "failure_totals": failure_totals(every)}


def _activity(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    return {"activity": {str(one.id): one for snapshot in snapshots.values() for one in snapshot.activity()}}


def _matrix(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    every, grouping = list(snapshots.values()), next(one for one in GROUPINGS if one == subject.source)
    return {"matrix": matrix_rows(every, grouping), "matrix_queues": matrix_queues(every)}


def _failure(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    snapshot = snapshots.get(subject.source)
    if snapshot is None:
        return {"failure": {}, "cases": {}}
    return {
        "failure": _single_row(subject, single_group(snapshot, subject.name)),
        "cases": failure_cases(snapshot, subject.name),
    }


def _run(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    snapshot = snapshots.get(subject.source)
    found = [] if snapshot is None else sightings(snapshot, subject.name)
    return {
        "sightings": {f"{one.hostname}/{one.state}/{number}": one for number, one in enumerate(found)},
        "coverage": {} if snapshot is None else coverages([snapshot]),
    }


def _runs(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    rows, totals = listed_tasks(snapshots.values(), subject.selection or Selection())
    return {"listed": rows, "list_totals": {"": totals}}


def _pace(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
    return _chart_tables(subject, snapshots, listeners)


def _queue(subject: Subject, snapshot: Snapshot) -> Tables:
    name = subject.name
    return {
        "queue": _single_row(subject, table.queue(snapshot, name)),
        "checks": table.checks(snapshot, queue=name),
        "runs": _first(table.running_tasks([snapshot], queue=name)),
    }


def _worker(subject: Subject, snapshot: Snapshot) -> Tables:
    name = subject.name
    return {
        "worker": _single_row(subject, table.worker(snapshot, name)),
        "checks": table.checks(snapshot, hostname=name),
        "runs": _first(table.running_tasks([snapshot], hostname=name)),
        "ending": _single_row(subject, worker_rows.ending(snapshot, name)),
        "last_reports": worker_rows.last_reports(snapshot, name),
        "last_tasks": worker_rows.last_tasks(snapshot, name),
    }


def _task(subject: Subject, snapshot: Snapshot) -> Tables:
    name = subject.name
    return {
        "task": _single_row(subject, table.task(snapshot, name)),
        "runs": _first(table.running_tasks([snapshot], task=name)),
    }


def _first(runs: Mapping[str, RunningTask]) -> dict[str, RunningTask]:
    return dict(islice(runs.items(), MAX_RUNS))


def _single_row(subject: Subject, row: Row | None) -> Mapping[str, Row]:
    return {} if row is None else {f"{subject.source}/{subject.name}": row}


def _with_steps(build: Callable[[Subject, Snapshot], Tables]) -> Callable[[Subject, Snapshots, Sources], Tables]:
    def build_all(subject: Subject, snapshots: Snapshots, listeners: Sources) -> Tables:
        snapshot = snapshots.get(subject.source)
        tables = {subject.kind: {}} if snapshot is None else build(subject, snapshot)
        return {**tables, **_chart_tables(subject, snapshots, listeners)}

    return build_all


_BUILDERS: Mapping[str, Callable[[Subject, Snapshots, Sources], Tables]] = {
    "fleet": _fleet,
    "queues": _list(table.queues),
    # Resources of every worker would double what is sent to each viewer of the list, which does not show them.
    "workers": _list(partial(table.workers, with_resources=False)),
    "tasks": _list(table.tasks),
    "schedule": _schedule,
    "failures": _failures,
    "failure": _failure,
    "run": _run,
    "runs": _runs,
    "activity": _activity,
    "pace": _pace,
    "queue": _with_steps(_queue),
    "worker": _with_steps(_worker),
    "matrix": _matrix,
    "task": _with_steps(_task),
}
