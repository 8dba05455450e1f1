"""Search: select the rows that match a filter text. Pure.

Each word must occur, in any case, in the hostname, state or queues of a worker; in the name of a queue, the states of
its workers or the hostname of a worker that serves it; in the kind, severity, subject or text of a finding; in
the name, task, queue, schedule, state or beat process of an entry of a schedule; in the id, name, queue, hostname or
state of a task; in the same, the exception, message or code line of a failure.
"""

from collections.abc import Iterable, Sequence

from celery_gossip.cluster.failures import Failure, FailureGroup, FailureView
from celery_gossip.cluster.schedule import ScheduledEntry
from celery_gossip.cluster.view import QueueView, View, WorkerView
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.tui.task_row import TaskRow, state_of

__all__ = ["Search"]


class Search:
    """One filter text; an empty text matches every row."""

    def __init__(self, text: str = "") -> None:
        self.text = text.strip()
        self._words = self.text.casefold().split()

    def workers(self, view: View) -> Sequence[WorkerView]:
        if not self._words:
            return view.workers
        return [worker for worker in view.workers if self._matches(_texts_of_worker(worker))]

    def queues(self, view: View) -> Sequence[QueueView]:
        if not self._words:
            return view.queues
        served_by = self._queues_by_hostname(view.workers)
        return [
            queue
            for queue in view.queues
            if queue.queue in served_by or self._matches([queue.queue, *_states_of_queue(queue)])
        ]

    def schedule(self, entries: Sequence[ScheduledEntry]) -> Sequence[ScheduledEntry]:
        if not self._words:
            return entries
        return [one for one in entries if self._matches(_texts_of_entry(one))]

    def tasks(self, tasks: Sequence[TaskRow], view: View) -> Sequence[TaskRow]:
        """Return the tasks that match; if none of these does, the tasks of the view with this id."""
        if not self._words:
            return tasks
        matching = [task for task in tasks if self._matches(_texts_of_task(task))]
        return matching or [*view.tasks(self.text), *view.waiting(self.text)]

    def failures(self, view: FailureView, groups: Sequence[FailureGroup]) -> Sequence[FailureGroup]:
        """Return the groups with a failure that matches."""
        if not self._words:
            return groups
        matching = {
            (failure.task, failure.exception, failure.line)
            for failure in view.failures
            if self._matches(_texts_of_failure(failure))
        }
        return [group for group in groups if (group.task, group.exception, group.line) in matching]

    def findings(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        if not self._words:
            return findings
        return [
            finding
            for finding in findings
            if self._matches([finding.kind, finding.severity, finding.subject, finding.text])
        ]

    def _matches(self, texts: Iterable[str]) -> bool:
        haystack = "\n".join(texts).casefold()
        return all(word in haystack for word in self._words)

    def _queues_by_hostname(self, workers: Iterable[WorkerView]) -> set[str]:
        return {
            check.queue
            for worker in workers
            if self._matches([worker.gossip.hostname])
            for check in worker.gossip.checks
        }


def _texts_of_worker(worker: WorkerView) -> list[str]:
    return [worker.gossip.hostname, worker.state, *(check.queue for check in worker.gossip.checks)]


def _texts_of_entry(one: ScheduledEntry) -> list[str]:
    entry = one.entry.entry
    return [entry.name, entry.task, entry.queue, entry.schedule, one.state, one.beat.hostname]


def _texts_of_task(task: TaskRow) -> list[str]:
    return [task.id, task.name, task.queue, task.hostname, state_of(task)]


def _texts_of_failure(one: Failure) -> list[str]:
    return [one.id, one.task, one.queue, one.hostname, one.exception, one.message or "", one.line]


def _states_of_queue(queue: QueueView) -> list[str]:
    return [state for state, workers in queue.states.items() if workers]
