"""TaskHistory: the tasks that workers do not list any more, and where each was seen last. Pure; bounded.

Fed with one view after the other by programs that search later, such as the dashboard. A listener alone has none. Any
thread.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Lock

from celery_gossip.cluster.task_sighting import Sighting, SightingState, sightings_in
from celery_gossip.cluster.view import View, WorkerView

__all__ = ["MAX_REMEMBERED", "TaskHistory"]

MAX_REMEMBERED = 20_000  #: tasks; about 10 MB


class TaskHistory:
    """Compares the lists of each view with those of the one before."""

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._max = max_remembered
        self._lock = Lock()
        self._workers: dict[str, WorkerView] = {}
        self._gone: dict[str, Sighting] = {}  # by id, the earliest first
        self._complete_since: float | None = None

    @property
    def complete_since(self) -> float | None:
        """Time on the listener's clock since which all tasks are known that a view listed.

        None before the first view, and while the view is isolated. It rises when the earliest tasks are dropped.
        """
        return self._complete_since

    def observe(self, view: View) -> None:
        """Note what the workers have stopped to list since the last view. No effect while the view is isolated."""
        with self._lock:
            if view.isolated_since is not None:
                self._complete_since = None
                return
            if self._complete_since is None:
                self._complete_since = view.taken_at
            before, self._workers = self._workers, {worker.gossip.hostname: worker for worker in view.workers}
            for hostname, earlier in before.items():
                latest = self._workers.get(hostname)
                if latest is None or latest.gossip is not earlier.gossip or latest.rivals != earlier.rivals:
                    self._compare(earlier, latest)

    def find(self, matches: Callable[[str], bool]) -> list[Sighting]:
        """Return the tasks with a matching id that were listed once and are not any more."""
        with self._lock:
            return [sighting for task_id, sighting in self._gone.items() if matches(task_id)]

    def _compare(self, earlier: WorkerView, latest: WorkerView | None) -> None:
        """Note the tasks that `earlier` lists and `latest` does not."""
        listed = set() if latest is None else set(_listed_ids(latest))
        vanished = set(_listed_ids(earlier)) - listed
        if not vanished:
            return
        for one in sightings_in(earlier, vanished.__contains__):
            was = one.was or one.state
            self._remember(replace(one, state=_state(one.state, earlier, latest), was=was, stack=()))

    def _remember(self, sighting: Sighting) -> None:
        self._gone.pop(sighting.id, None)
        self._gone[sighting.id] = sighting
        if len(self._gone) > self._max:
            dropped = self._gone.pop(next(iter(self._gone)))
            self._complete_since = max(self._complete_since or dropped.seen_at, dropped.seen_at)


def _state(state: SightingState, earlier: WorkerView, latest: WorkerView | None) -> SightingState:
    """Return the state of a task that `earlier` lists, where it has `state`, and that `latest` does not."""
    if latest is None:
        return state if earlier.is_gone else "seen"
    if any(gossip.boot == earlier.gossip.boot for gossip in latest.gossips):
        return "seen"
    return "stopped" if earlier.gossip.state == "offline" else "lost"


def _listed_ids(worker: WorkerView) -> Iterator[str]:
    for gossip in worker.gossips:
        for check in gossip.checks:
            yield from check.active
        for one in gossip.waiting:
            yield one.id
