"""Waiting for a change of the view: conditions on workers and queues, and the notification of waiting threads.

wait_until() may be called on any thread; notify() is called on the threads of the listener.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.errors import InvalidOption
from celery_gossip.listener.names import validate_names
from celery_gossip.units import join_names

__all__ = ["ChangeNotifier", "WaitConditions"]

_MAX_WAIT = 1.0  #: seconds after which a waiting thread evaluates its condition again, even without a notification
_MAX_LISTED = 5  #: names in the text of a timeout


class ChangeNotifier:
    """Wakes the threads that wait until the view changes. notify() costs nothing while no thread waits."""

    def __init__(self) -> None:
        self.reset_in_child()

    def reset_in_child(self) -> None:
        """Replace the lock, which another thread of the parent may hold."""
        self._condition = threading.Condition()
        self._waiting = 0
        self._changes = 0

    def notify(self) -> None:
        """Wake all waiting threads."""
        self._changes += 1
        if self._waiting:
            with self._condition:
                self._condition.notify_all()

    def wait_until(self, is_met: Callable[[], bool], give_up_at: float | None, max_wait: float = _MAX_WAIT) -> bool:
        """Block until `is_met()` returns True, and return True; return False at monotonic `give_up_at` (None: never).

        `is_met()` is evaluated after each notification, and every `max_wait` seconds; what it raises is raised here.
        """
        with self._condition:
            self._waiting += 1
        try:
            while True:
                changes = self._changes
                if is_met():
                    return True
                left = max_wait if give_up_at is None else min(give_up_at - time.monotonic(), max_wait)
                if left <= 0:
                    return False
                with self._condition:
                    if self._changes == changes:
                        self._condition.wait(left)
        finally:
            with self._condition:
                self._waiting -= 1


@dataclass(frozen=True)
class WaitConditions:
    """Conditions of Listener.wait(); all of them must be met at the same time."""

    workers: int
    queues: tuple[str, ...]
    hostnames: tuple[str, ...]

    @classmethod
    def of(cls, workers: int | None, queues: Iterable[str], hostnames: Iterable[str]) -> "WaitConditions":
        """Return the conditions of these arguments; one worker if there are none. Raises InvalidOption."""
        if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool) or workers < 0):
            raise InvalidOption(f"workers: expected a whole number from 0, got {workers!r}"[:300])
        names = validate_names("queues", queues)
        hosts = validate_names("hostnames", hostnames)
        return cls(1 if workers is None and not (names or hosts) else workers or 0, names, hosts)

    def unmet(self, cluster: Cluster) -> str:
        """Return what is missing, in words; empty if nothing is."""
        missing = []
        live = cluster.count_live_workers()
        if live < self.workers:
            missing.append(f"{live} of {self.workers} workers reported")
        if self.hostnames:
            present = {worker.hostname for worker in cluster.workers() if not worker.is_gone}
            absent = [name for name in self.hostnames if name not in present]
            missing += [f"no report of {_listed(absent)}"] if absent else []
        if self.queues:
            consumed = {queue.name for queue in cluster.queues() if queue.workers}
            absent = [name for name in self.queues if name not in consumed]
            missing += [f"no worker reported to consume {_listed(absent)}"] if absent else []
        return "; ".join(missing)


def _listed(names: list[str]) -> str:
    return join_names([repr(name) for name in names], _MAX_LISTED)
