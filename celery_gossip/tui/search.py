"""Search: which rows the filter lets through. Pure.

Every word must be found, in any case, in a worker's hostname, state or queues. A queue is found by its name, by a state
of its workers, and by the hostnames of those who serve it; a finding by all that it says.
"""

from collections.abc import Iterable, Sequence

from celery_gossip.diagnosis import Finding
from celery_gossip.view import QueueView, View, WorkerView

__all__ = ["Search"]


class Search:
    """One filter text; the empty one finds everything."""

    def __init__(self, text: str = "") -> None:
        self.text = text.strip()
        self._words = self.text.casefold().split()

    def workers(self, view: View) -> Sequence[WorkerView]:
        if not self._words:
            return view.workers
        return [worker for worker in view.workers if self._finds(_told_by_worker(worker))]

    def queues(self, view: View) -> Sequence[QueueView]:
        if not self._words:
            return view.queues
        served_by = self._queues_by_hostname(view.workers)
        return [
            queue for queue in view.queues if queue.queue in served_by or self._finds([queue.queue, *_states_of(queue)])
        ]

    def findings(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        if not self._words:
            return findings
        return [found for found in findings if self._finds([found.kind, found.severity, found.subject, found.text])]

    def _finds(self, told: Iterable[str]) -> bool:
        haystack = "\n".join(told).casefold()
        return all(word in haystack for word in self._words)

    def _queues_by_hostname(self, workers: Iterable[WorkerView]) -> set[str]:
        return {
            check.queue for worker in workers if self._finds([worker.gossip.hostname]) for check in worker.gossip.checks
        }


def _told_by_worker(worker: WorkerView) -> list[str]:
    return [worker.gossip.hostname, worker.state, *(check.queue for check in worker.gossip.checks)]


def _states_of(queue: QueueView) -> list[str]:
    return [state for state, workers in queue.states.items() if workers]
