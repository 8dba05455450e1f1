"""Rows of charts that are not about throughput: levels over time, and marks. Built from snapshots, on any thread."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from celery_gossip.web.level_history import STEP_SECONDS
from celery_gossip.web.level_tracker import FLEET_FIGURES, QUEUE_FIGURES, WORKER_FIGURES, LevelKind
from celery_gossip.web.schema import Level, Mark
from celery_gossip.web.snapshot import Snapshot
from celery_gossip.web.timeline import Event, Marked, group_events
from celery_gossip.web.topic import Subject

__all__ = ["has_levels", "levels", "marks"]

#: `{kind of a topic: (kind of the history, its figures)}`; tasks have no levels
_HISTORIES: Mapping[str, tuple[LevelKind, tuple[str, ...]]] = {
    "pace": ("fleet", FLEET_FIGURES),
    "queue": ("queue", QUEUE_FIGURES),
    "worker": ("worker", WORKER_FIGURES),
}
_MAXIMA = ("oldest_min", "oldest_max")  #: figures whose total is the highest one, not the sum

Figures = dict[str, float | None]


def has_levels(kind: str) -> bool:
    """Return True if subjects of this kind have levels."""
    return kind in _HISTORIES


def levels(subject: Subject, snapshots: Sequence[Snapshot], size: float | None = None) -> dict[str, Level]:
    """Return `{size/start: row}` of these sources together, for one step size or for all."""
    if subject.kind not in _HISTORIES:
        return {}
    every = [_figures(subject, snapshot, size) for snapshot in snapshots]
    return {f"{size:.0f}/{start:.1f}": _row(size, start, figures) for (size, start), figures in _total(every).items()}


def marks(subject: Subject, snapshots: Iterable[Snapshot]) -> dict[str, Mark]:
    """Return `{source/kind/time/release: row}` of the workers that a subject is about."""
    rows = [
        _mark(snapshot, marked)
        for snapshot in snapshots
        for marked in (*group_events(snapshot.events, _selected(subject)), *snapshot.outages)
    ]
    return {f"{row.source}/{row.kind}/{row.at:.1f}/{row.release}": row for row in rows}


def _figures(subject: Subject, snapshot: Snapshot, size: float | None) -> dict[tuple[float, float], Figures]:
    """Return `{(size, start in Unix seconds): figures}` of one source."""
    kind, names = _HISTORIES[subject.kind]
    sizes = STEP_SECONDS if size is None else (size,)
    return {
        (step.size, snapshot.unix(step.start)): dict(zip(names, step.values, strict=True))
        for step in snapshot.levels(kind, "" if kind == "fleet" else subject.name)
        if step.size in sizes
    }


def _total(every: Sequence[dict[tuple[float, float], Figures]]) -> dict[tuple[float, float], Figures]:
    """Sum the steps of sources that begin together: the listeners of one process share a clock.

    A total is unknown where it is so in a source that has this figure at all.
    """
    if len(every) == 1:
        return every[0]
    by_step: dict[tuple[float, float], list[Figures | None]] = defaultdict(list)
    for step in sorted({step for one in every for step in one}):
        by_step[step] = [one.get(step) for one in every]
    names = {
        figure: [at for at, one in enumerate(every) if any(figures.get(figure) is not None for figures in one.values())]
        for figure in FLEET_FIGURES
    }
    return {
        step: {figure: _sum(figure, [(parts[at] or {}).get(figure) for at in names[figure]]) for figure in names}
        for step, parts in by_step.items()
    }


def _sum(figure: str, values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return max(known) if figure in _MAXIMA else sum(known)


def _row(size: float, start: float, figures: Figures) -> Level:
    return Level(
        size=size,
        start=start,
        backlog=_rounded(figures.get("backlog")),
        oldest_min=_rounded(figures.get("oldest_min"), 1),
        oldest_max=_rounded(figures.get("oldest_max"), 1),
        rss=_rounded(figures.get("rss")),
        memory_used=_rounded(figures.get("memory_used")),
        cpu=_rounded(figures.get("cpu"), 3),
    )


def _rounded(value: float | None, digits: int | None = None) -> Any:
    return None if value is None else round(value, digits)


def _selected(subject: Subject) -> Callable[[Event], bool]:
    if subject.kind == "worker":
        return lambda event: event.hostname == subject.name
    if subject.kind == "queue":
        return lambda event: subject.name in event.queues
    return lambda event: True


def _mark(snapshot: Snapshot, marked: Marked) -> Mark:
    return Mark(
        kind=marked.kind,
        source=snapshot.source,
        at=snapshot.unix(marked.at),
        until=None if marked.until is None else snapshot.unix(marked.until),
        count=marked.count,
        release=marked.release,
        previous=marked.previous,
        hostnames=marked.hostnames,
    )
