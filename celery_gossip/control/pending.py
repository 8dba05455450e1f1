"""Pending: a command that was sent, and what is known of it so far. Used by one thread at a time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from celery_gossip.cluster.view import View, WorkerView
from celery_gossip.control.activity import MAX_LISTED, Activity, Outcome, combine_outcomes
from celery_gossip.control.command import Command, PoolRestart, TimeLimit
from celery_gossip.control.effect import is_effective, is_observable
from celery_gossip.control.remote import Answer

__all__ = ["CONFIRM_TIMEOUT", "Pending"]

CONFIRM_TIMEOUT = 15.0  #: seconds for which reports are awaited, beside some of the workers' intervals
_INTERVALS = 6  #: reports that are awaited beside; every fifth contains the processes of a pool
_MAX_TIMEOUT = 300.0
_NOTES: Mapping[type[Command], str] = {
    PoolRestart: "Celery replaces each process after its next task",
    TimeLimit: "Celery uses new limits after the worker has reconnected to its broker or restarted its pool",
}


@dataclass
class Pending:
    """One command, its workers when it was sent, and their answers."""

    command: Command
    workers: Sequence[WorkerView]
    activity: Activity
    sent_at: float  #: monotonic seconds
    answers: Mapping[str, Answer] = field(default_factory=dict)
    _outcomes: dict[str, Outcome] = field(default_factory=dict)  #: of the workers that are settled

    @property
    def deadline(self) -> float:
        """Monotonic time after which no report is awaited any more."""
        interval = max((worker.gossip.interval for worker in self.workers), default=0.0)
        return self.sent_at + min(CONFIRM_TIMEOUT + _INTERVALS * interval, _MAX_TIMEOUT)

    @property
    def is_settled(self) -> bool:
        return self.activity.outcome != "waiting"

    def review(self, view: View | None, now: float) -> Activity:
        """Return the activity as of this view; without one, only answers count."""
        outcomes = {worker.hostname: self._outcome(worker, view, now) for worker in self.workers}
        self._outcomes = {host: outcome for host, outcome in outcomes.items() if outcome != "waiting"}
        counts = Counter(outcomes.values())
        outcome = "waiting" if counts["waiting"] else combine_outcomes(counts, default="unknown")
        listed = list(outcomes)[:MAX_LISTED]
        self.activity = msgspec.structs.replace(
            self.activity,
            answers={host: self.answers[host].text for host in listed if host in self.answers},
            outcomes={host: outcomes[host] for host in listed},
            counts=dict(counts),
            outcome=outcome,
            detail=_NOTES.get(type(self.command), "") if outcome == "answered" else "",
            seconds=None if outcome == "waiting" else round(now - self.sent_at, 1),
        )
        return self.activity

    def _outcome(self, worker: WorkerView, view: View | None, now: float) -> Outcome:
        settled, answer = self._outcomes.get(worker.hostname), self.answers.get(worker.hostname)
        if settled is not None:
            return settled
        if answer is not None and answer.is_error:
            return "failed"
        if not is_observable(self.command, worker):
            return "unknown" if answer is None else "answered"
        if view is not None and is_effective(self.command, worker, view.worker(worker.hostname)):
            return "confirmed"
        if now < self.deadline:
            return "waiting"
        return "unknown" if view is None or view.isolated_since is not None else "not_confirmed"
