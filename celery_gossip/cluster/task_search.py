"""Find tasks by id, and subjects by name, in a view, in the last failures and in a history. Pure.

Called on any thread, by the dashboard and the commands.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from celery_gossip.cluster.failures import Failure, FailureView
from celery_gossip.cluster.task_history import TaskHistory
from celery_gossip.cluster.task_sighting import CURRENT, Sighting, sightings_in
from celery_gossip.cluster.task_view import unlisted_tasks
from celery_gossip.cluster.view import View, WorkerView

__all__ = ["MAX_FOUND", "MIN_PREFIX", "Coverage", "FoundName", "SubjectKind", "coverage_of", "find_names", "find_tasks"]

MIN_PREFIX = 8  #: characters of an id, from which on its beginning is enough
MAX_FOUND = 50  #: results of one kind

SubjectKind = Literal["task", "queue", "worker"]


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Completeness of a search: the reach of a result that there is no such task."""

    #: Seconds for which tasks are remembered that workers do not list any more; None if they are not remembered.
    seconds: float | None
    unlisted_running: int  #: tasks that run now and that no report lists
    unlisted_waiting: int  #: tasks that wait in workers now and that no report lists
    is_frozen: bool  #: True while the listener is isolated: the view is not current


@dataclass(frozen=True, kw_only=True)
class FoundName:
    """A subject whose name contains the text of a search."""

    kind: SubjectKind
    name: str


def find_tasks(
    view: View,
    text: str,
    failures: FailureView | None = None,
    history: TaskHistory | None = None,
    *,
    is_exact: bool = False,
) -> tuple[Sighting, ...]:
    """Return what is known about tasks with this id, or whose id begins with it.

    A beginning needs MIN_PREFIX characters, and does not count with `is_exact`.

    Where they are now is first, then how they failed, and where they were seen last. A task that runs on two workers
    has two results. At most MAX_FOUND.
    """
    if not text:
        return ()
    matches = text.__eq__ if is_exact or len(text) < MIN_PREFIX else _begins_with(text)
    found = [one for worker in view.workers for one in _of_worker(worker, matches)]
    found += [_of_failure(one, view) for one in (failures or FailureView()).failures if matches(one.id)]
    remembered = history.find(matches) if history is not None else []
    found += _news(remembered, found, view)
    found.sort(key=lambda one: (one.rank, -one.seen_at, one.hostname))
    return tuple(found[:MAX_FOUND])


def find_names(view: View, text: str, task_names: Iterable[str] = (), limit: int = MAX_FOUND) -> tuple[FoundName, ...]:
    """Return the tasks (of `task_names`), queues and workers whose names contain this text, at most `limit` of each.

    Case does not matter. Names that are equal to the text come first, then those that begin with it, then short ones.
    """
    wanted = text.casefold()
    names: tuple[tuple[SubjectKind, Iterable[str]], ...] = (
        ("task", task_names),
        ("queue", [queue.queue for queue in view.queues]),
        ("worker", [worker.gossip.hostname for worker in view.workers]),
    )
    return tuple(FoundName(kind=kind, name=name) for kind, known in names for name in _containing(known, wanted, limit))


def coverage_of(view: View, history: TaskHistory | None = None, listening_since: float | None = None) -> Coverage:
    """Return what a search in this view and history can vouch for; `listening_since` on the listener's clock."""
    running = waiting = 0
    for worker in view.workers:
        if not worker.is_gone:
            for gossip in worker.gossips:
                more_running, more_waiting = unlisted_tasks(gossip)
                running, waiting = running + more_running, waiting + more_waiting
    since = None if history is None else history.complete_since
    if since is not None and listening_since is not None:
        since = max(since, listening_since)
    return Coverage(
        seconds=None if since is None else max(0.0, view.taken_at - since),
        unlisted_running=running,
        unlisted_waiting=waiting,
        is_frozen=view.isolated_since is not None,
    )


def _begins_with(text: str) -> Callable[[str], bool]:
    return lambda task_id: task_id.startswith(text)


def _containing(names: Iterable[str], wanted: str, limit: int) -> list[str]:
    found = [(folded, name) for name in dict.fromkeys(names) for folded in (name.casefold(),) if wanted in folded]
    found.sort(key=lambda one: (one[0] != wanted, not one[0].startswith(wanted), len(one[0]), one))
    return [name for _, name in found[:limit]]


def _of_worker(worker: WorkerView, matches: Callable[[str], bool]) -> Iterator[Sighting]:
    """Yield the matching tasks of a worker and of its earlier instances."""
    yield from sightings_in(worker, matches)
    for gossip in {id(one): one for one in (worker.replaced, *worker.earlier_losses) if one is not None}.values():
        if any(gossip is one for one in worker.gossips):
            continue
        samples = worker.replaced_recording.samples if gossip is worker.replaced else ()
        last_seen = samples[-1].at if samples else worker.state_since
        earlier = WorkerView(gossip, "offline" if gossip.state == "offline" else "lost", last_seen)
        yield from (replace(one, worker_state=worker.state) for one in sightings_in(earlier, matches))


def _of_failure(failure: Failure, view: View) -> Sighting:
    worker = view.worker(failure.hostname)
    return Sighting(
        id=failure.id,
        name=failure.task,
        queue=failure.queue,
        hostname=failure.hostname,
        state="failed",
        worker_state="" if worker is None else worker.state,
        since=None if failure.runtime is None else failure.at - failure.runtime,
        seen_at=failure.at,
        retries=failure.retries,
        failure=failure,
    )


def _news(remembered: Iterable[Sighting], found: list[Sighting], view: View) -> Iterator[Sighting]:
    """Yield the remembered sightings that are later than everything else that was found about their task."""
    current = {one.id for one in found if one.state in CURRENT}
    latest: dict[str, float] = {}
    for one in found:
        latest[one.id] = max(one.seen_at, latest.get(one.id, one.seen_at))
    for one in remembered:
        if one.id in current or one.seen_at <= latest.get(one.id, float("-inf")):
            continue
        worker = view.worker(one.hostname)
        if worker is None:
            yield replace(one, worker_state="")
        else:
            yield replace(one, worker_state=worker.state, has_ended=_has_ended(one, worker))


def _has_ended(sighting: Sighting, worker: WorkerView) -> bool:
    """Return True if the task ran, and its worker has reported since that it runs others only."""
    is_complete = all(unlisted_tasks(gossip)[0] == 0 for gossip in worker.gossips)
    is_newer = worker.heard_at > sighting.seen_at and not worker.is_gone
    return sighting.state == "seen" and sighting.was == "running" and is_newer and is_complete
