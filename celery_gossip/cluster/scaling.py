"""How many workers a queue needs, for an autoscaler. Pure; called on any thread."""

from math import ceil, isfinite
from typing import NamedTuple

from celery_gossip.cluster.view import View
from celery_gossip.errors import InvalidOption

__all__ = ["MAX_TARGET", "QueueDemand", "demand_of"]

MAX_TARGET = 86_400.0  #: seconds


class QueueDemand(NamedTuple):
    """The work of one queue, and what is known of the workers that do it."""

    waiting: int | None  #: messages on the broker, and tasks reserved by workers; None if unknown
    active: int  #: running tasks, without those of workers that shut down
    slots: int  #: of the workers that start tasks
    slots_per_worker: float | None  #: mean; of workers that are gone if none is left, None if none was ever seen
    runtime: float | None  #: mean seconds of a task; None if unknown

    def workers_needed(self, target_seconds: float) -> int | None:
        """Return how many workers finish all tasks within the target; None if that is not known.

        That is `max(active, tasks * runtime / target) / slots_per_worker`, rounded up, where `tasks` run or wait: never
        fewer than the running tasks occupy, nor more than one slot for each task. It is 0 without tasks, and at least 1
        with any. Without a worker that starts tasks, one is enough to find out what is unknown.

        Raises InvalidOption for a target that is not above 0, or above MAX_TARGET.
        """
        if not isfinite(target_seconds) or not 0 < target_seconds <= MAX_TARGET:
            raise InvalidOption(
                f"target_seconds: expected seconds above 0, at most {MAX_TARGET:.0f}, got {target_seconds!r}"
            )
        if self.waiting is None:
            return None
        tasks = self.waiting + self.active
        if not tasks:
            return 0
        runtime = self.runtime if self.waiting else 0.0  # tasks that run occupy one slot each, however long they take
        if runtime is None or not self.slots_per_worker:
            return None if self.slots else 1
        slots = min(tasks, max(self.active, tasks * runtime / target_seconds))
        return max(1, ceil(slots / self.slots_per_worker))


def demand_of(
    view: View, queue: str, backlog: int | None, runtime: float | None, slots_per_worker: float | None = None
) -> QueueDemand:
    """Return the demand of a queue. `slots_per_worker`: None for that of its workers."""
    active = reserved = 0
    slots: list[int] = []
    for worker, gossip, check in view.checks():
        if check.queue == queue:
            reserved += check.reserved
            if gossip.state == "online":
                active += check.active_count
                if worker.state != "suspect" and not check.paused and gossip.concurrency:
                    slots.append(gossip.concurrency)
    sizes = slots or _sizes_of_gone(view, queue)
    mean = sum(sizes) / len(sizes) if sizes else None
    return QueueDemand(
        waiting=None if backlog is None else backlog + reserved,
        active=active,
        slots=sum(slots),
        slots_per_worker=slots_per_worker or mean,
        runtime=runtime,
    )


def _sizes_of_gone(view: View, queue: str) -> list[int]:
    """Return the slots of the workers that served this queue, which do not start tasks from it now."""
    return [
        gossip.concurrency
        for worker in view.workers
        for gossip in worker.gossips
        if gossip.concurrency and any(check.queue == queue for check in gossip.checks)
    ]
