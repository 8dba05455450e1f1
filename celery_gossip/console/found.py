"""Tasks that `celery gossip status --find` has found by their id: of one listener or of a dashboard. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from celery_gossip.cluster.failures import FailureView
from celery_gossip.cluster.task_search import Coverage, coverage_of, find_tasks
from celery_gossip.cluster.task_sighting import Sighting
from celery_gossip.cluster.view import View
from celery_gossip.console.table import table
from celery_gossip.printable import printable
from celery_gossip.units import format_wait
from celery_gossip.wire.messages import DECODE_ERRORS

__all__ = ["Found", "FoundRow", "find", "found_from", "found_json", "found_text", "search_paths"]

_SEARCH = "api/search"
_COLUMNS = ("TASK ID", "STATE", "NAME", "QUEUE", "WORKER", "SINCE", "LAST REPORT", "DETAILS")
_NOT_FOUND = (
    "A task that ended between two reports, or that waits on the broker, is in no report; a dashboard (--server) also "
    "remembers tasks that are not listed any more."
)


@dataclass(frozen=True, kw_only=True)
class FoundRow:
    """State of a task on one worker, now or when it was seen last.

    Ages are in seconds; empty or None where nothing is known.
    """

    id: str
    state: str  #: running, reserved, limited, scheduled, failed, lost, stopped or seen
    was: str  #: what it did when it was seen last, if `state` is lost, stopped or seen
    name: str
    queue: str
    hostname: str
    worker_state: str
    age: float | None  #: since it started, or since its worker has it, at least
    seen_age: float  #: since the last report that listed it; of a failure since the failure
    due_in: float | None  #: until its ETA; negative if that has passed
    has_ended: bool
    retries: int | None
    exception: str
    message: str | None
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """The results of a search, and what it can vouch for."""

    tasks: tuple[FoundRow, ...]
    seconds: float | None  #: for which tasks are remembered that are not listed any more; None if they are not
    unlisted: int  #: tasks that run or wait in workers and that no report lists


class _Sighting(msgspec.Struct, frozen=True):
    source: str
    id: str
    name: str
    hostname: str
    queue: str
    state: str
    was: str
    worker_state: str
    since: float | None
    due_at: float | None
    seen_at: float
    has_ended: bool
    retries: int | None
    exception: str
    message: str | None


class _Coverage(msgspec.Struct, frozen=True):
    since: float | None
    unlisted_running: int
    unlisted_waiting: int


class _SearchResult(msgspec.Struct, frozen=True):
    now: float
    sightings: tuple[_Sighting, ...]
    coverage: tuple[_Coverage, ...]


def find(view: View, failures: FailureView, texts: Sequence[str]) -> Found:
    """Return what a listener knows about the tasks with these ids, or whose ids begin with them."""
    found = [one for text in texts for one in find_tasks(view, text, failures)]
    known: Coverage = coverage_of(view)
    rows = tuple(_row(one, view.taken_at) for one in found)
    return Found(tasks=rows, seconds=None, unlisted=known.unlisted_running + known.unlisted_waiting)


def search_paths(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the paths of a dashboard's API that search for these ids."""
    return tuple(f"{_SEARCH}?{urlencode({'q': text})}" for text in texts)


def found_from(answers: Mapping[str, bytes], labels: Mapping[str, str]) -> Found | None:
    """Return the results in the answers of a dashboard; None if it was not asked. `labels` names several brokers.

    Raises ValueError where an answer is not that of a dashboard.
    """
    results = [_decoded(path, body) for path, body in answers.items() if path.startswith(_SEARCH)]
    if not results:
        return None
    coverage = results[0].coverage
    since = [one.since for one in coverage if one.since is not None]
    return Found(
        tasks=tuple(_remote_row(one, result.now, labels) for result in results for one in result.sightings),
        seconds=results[0].now - max(since) if since and len(since) == len(coverage) else None,
        unlisted=sum(one.unlisted_running + one.unlisted_waiting for one in coverage),
    )


def found_text(found: Found, *, is_labelled: bool) -> str:
    """Return a table of the results, or what it means that there are none."""
    broker = ("BROKER",) if is_labelled else ()
    if found.tasks:
        cells = [(*((printable(row.source),) if is_labelled else ()), *_cells(row)) for row in found.tasks]
        return table((*broker, *_COLUMNS), cells)
    seconds = found.seconds
    known = "in the latest report of any worker" if seconds is None else f"in the last {format_wait(seconds)}"
    unlisted = f" {found.unlisted} tasks that run or wait are in no list." if found.unlisted else ""
    return f"No task with this id was seen {known}.{unlisted} {_NOT_FOUND}"


def found_json(found: Found) -> dict[str, Any]:
    """Return `{"tasks": […], "seconds", "unlisted"}`; the source is left out where there is only one."""
    rows = [{name: value for name, value in asdict(row).items() if name != "source" or value} for row in found.tasks]
    return {"tasks": rows, "seconds": found.seconds, "unlisted": found.unlisted}


def _decoded(path: str, body: bytes) -> _SearchResult:
    try:
        return msgspec.json.decode(body, type=_SearchResult)
    except DECODE_ERRORS as exc:
        raise ValueError(f"{path} is not the JSON of a dashboard: {exc}") from exc


def _row(one: Sighting, now: float) -> FoundRow:
    return FoundRow(
        id=one.id,
        state=one.state,
        was=one.was,
        name=one.name,
        queue=one.queue,
        hostname=one.hostname,
        worker_state=one.worker_state,
        age=None if one.since is None else _age(one.since, now),
        seen_age=_age(one.seen_at, now),
        due_in=None if one.due_at is None else round(one.due_at - now, 1),
        has_ended=one.has_ended,
        retries=one.retries,
        exception="" if one.failure is None else one.failure.exception,
        message=None if one.failure is None else one.failure.message,
    )


def _remote_row(one: _Sighting, now: float, labels: Mapping[str, str]) -> FoundRow:
    fields = ("id", "state", "was", "name", "queue", "hostname", "worker_state", "has_ended", "retries")
    return FoundRow(
        **{name: getattr(one, name) for name in fields},
        age=None if one.since is None else _age(one.since, now),
        seen_age=_age(one.seen_at, now),
        due_in=None if one.due_at is None else round(one.due_at - now, 1),
        exception=one.exception,
        message=one.message,
        source=labels.get(one.source, ""),
    )


def _age(at: float, now: float) -> float:
    return round(max(0.0, now - at), 1)


def _cells(row: FoundRow) -> Iterable[object]:
    return (
        printable(row.id),
        f"{row.state} ({row.was})" if row.was else row.state,
        printable(row.name) or "-",
        printable(row.queue) or "-",
        f"{printable(row.hostname)} ({row.worker_state or 'not known any more'})",
        "-" if row.age is None else f"{format_wait(row.age)} ago",
        f"{format_wait(row.seen_age)} ago",
        ", ".join(_details(row)) or "-",
    )


def _details(row: FoundRow) -> Iterable[str]:
    if row.due_in is not None:
        yield f"due in {format_wait(row.due_in)}" if row.due_in >= 0 else f"due {format_wait(-row.due_in)} ago"
    if row.retries:
        yield f"retry {row.retries}"
    if row.exception:
        yield printable(f"{row.exception}: {row.message}" if row.message else row.exception)
    if row.has_ended:
        yield "has ended"
