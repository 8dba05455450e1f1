"""Subjects: the tables of one topic, made of the latest looks. Called by the board on its thread, and by the API."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from celery_gossip.throughput import Throughput, merged
from celery_gossip.web import overview, table
from celery_gossip.web.look import Look, Source
from celery_gossip.web.row import Step
from celery_gossip.web.topic import Row, Subject, Tables

__all__ = ["LONGEST", "SIZES", "steps_of", "tables_of"]

#: `{seconds of a chart, at most: seconds of each of its steps}`
SIZES = {120.0: 2.0, 600.0: 10.0, 10_800.0: 60.0}
LONGEST = max(SIZES)  #: seconds of a chart

Looks = Mapping[str, Look]
Sources = Mapping[str, Source]


def tables_of(subject: Subject, looks: Looks, listeners: Sources) -> Tables:
    """Every table that the topic has; empty ones where its subject is not in the view."""
    return _MAKERS[subject.kind](subject, looks, listeners)


def steps_of(subject: Subject, looks: Looks, listeners: Sources, window: float) -> dict[str, Step]:
    """A chart's points of the latest `window` seconds, all of one size."""
    by, name = ("fleet", "") if subject.kind == "pace" else (subject.kind, subject.name)
    size = next(size for most, size in SIZES.items() if window <= most)
    window = max(window, size)
    sources = [one for one in ([subject.source] if subject.source else looks) if one in looks]
    told = [listeners[one].cluster.series(by, name, window, size) for one in sources]
    if not told:
        return {}
    return table.steps(looks[sources[0]], told[0] if len(told) == 1 else _together(told), size)


def _charts(subject: Subject, looks: Looks, listeners: Sources) -> dict[str, Step]:
    """The points of every chart."""
    return {key: step for window in SIZES for key, step in steps_of(subject, looks, listeners, window).items()}


def _together(all_series: Iterable[Iterable[Throughput]]) -> list[Throughput]:
    """The listeners of one process share a clock, so that their steps begin together."""
    by_start: dict[float, list[Throughput]] = defaultdict(list)
    for series in all_series:
        for step in series:
            by_start[step.since].append(step)
    return [merged(by_start[start]) for start in sorted(by_start)]


def _fleet(subject: Subject, looks: Looks, listeners: Sources) -> Tables:
    every = list(looks.values())
    return {"sources": overview.sources(every), "totals": overview.totals(every), "findings": overview.findings(every)}


def _list(make: Callable[[Iterable[Look]], Mapping[str, Row]]) -> Callable[[Subject, Looks, Sources], Tables]:
    return lambda subject, looks, listeners: {subject.kind: make(looks.values())}


def _pace(subject: Subject, looks: Looks, listeners: Sources) -> Tables:
    return {"steps": _charts(subject, looks, listeners)}


def _queue(subject: Subject, look: Look) -> Tables:
    name = subject.name
    return {
        "queue": _one(subject, table.queue(look, name)),
        "checks": table.checks_of(look, queue=name),
        "runs": table.runs_of(look, queue=name),
    }


def _worker(subject: Subject, look: Look) -> Tables:
    name = subject.name
    return {
        "worker": _one(subject, table.worker(look, name)),
        "checks": table.checks_of(look, hostname=name),
        "runs": table.runs_of(look, hostname=name),
    }


def _task(subject: Subject, look: Look) -> Tables:
    return {"task": _one(subject, table.task(look, subject.name))}


def _one(subject: Subject, row: Row | None) -> Mapping[str, Row]:
    return {} if row is None else {f"{subject.source}/{subject.name}": row}


def _with_steps(make: Callable[[Subject, Look], Tables]) -> Callable[[Subject, Looks, Sources], Tables]:
    def make_all(subject: Subject, looks: Looks, listeners: Sources) -> Tables:
        look = looks.get(subject.source)
        tables = {subject.kind: {}} if look is None else make(subject, look)
        return {**tables, "steps": _charts(subject, looks, listeners)}

    return make_all


_MAKERS: Mapping[str, Callable[[Subject, Looks, Sources], Tables]] = {
    "fleet": _fleet,
    "queues": _list(table.queues),
    "workers": _list(table.workers),
    "tasks": _list(table.tasks),
    "pace": _pace,
    "queue": _with_steps(_queue),
    "worker": _with_steps(_worker),
    "task": _with_steps(_task),
}
