"""Periodic work of a listener: expire workers that stopped reporting, and update the findings.

Owned by a Listener, called by its ReceiveLoop on the listener's thread.
"""

from celery_gossip.cluster.cluster import BeatTransition, Cluster, Transition
from celery_gossip.cluster.release_outcomes import ReleaseOutcome
from celery_gossip.cluster.throughput import Distribution, ThroughputWindows
from celery_gossip.cluster.unknown_tasks import UnknownTask
from celery_gossip.cluster.view import GONE, View
from celery_gossip.diagnosis.diagnosis import Diagnosis
from celery_gossip.diagnosis.inputs import Receipts, RuleInput
from celery_gossip.diagnosis.rule_settings import RuleSettings
from celery_gossip.listener.events import EventDispatcher
from celery_gossip.listener.queue_length_thread import QueueLengthThread
from celery_gossip.listener.receive_loop import ReceiveLoop
from celery_gossip.listener.rejections import Rejections
from celery_gossip.log import LimitedLogger, describe_error

__all__ = ["PeriodicChecks"]

_EXPIRE_INTERVAL = 0.25  #: seconds between two checks for workers that stopped reporting
_REVIEW_INTERVAL = 1.0  #: seconds between two updates of the findings
_RUNTIME_INTERVAL = 60.0  #: seconds between two reads of the runtimes of one task name
_MAX_RUNTIME_READS = 20  #: task names whose runtimes are read in one review; takes some milliseconds each
_THROUGHPUT_INTERVAL = 5.0  #: seconds between two reads of the throughput


class PeriodicChecks:
    """The checks of one start of a listener, and their findings."""

    def __init__(
        self,
        loop: ReceiveLoop,
        cluster: Cluster,
        queue_lengths: QueueLengthThread,
        rejections: Rejections,
        events: EventDispatcher,
    ) -> None:
        self.diagnosis = Diagnosis()
        self.settings = RuleSettings()  #: of the findings
        self.app_entries = 0  #: entries of `beat_schedule` in the settings of the listener's app
        self._loop = loop
        self._cluster = cluster
        self._queue_lengths = queue_lengths
        self._rejections = rejections
        self._events = events
        self._expire_at = self._review_at = self._throughput_at = 0.0
        self._throughput: dict[str, ThroughputWindows] = {}
        self._releases: dict[str, tuple[ReleaseOutcome, ...]] = {}
        self._unknown_tasks: tuple[UnknownTask, ...] = ()
        self._runtimes: dict[str, tuple[float, Distribution]] = {}  # by task name, with the time of the next read
        self._has_queue_lengths = False
        self._log = LimitedLogger()

    @property
    def is_undecided(self) -> bool:
        """True while a problem has not lasted long enough for a finding, or queue lengths were not read yet."""
        return self.diagnosis.has_pending or not self._has_queue_lengths

    def run(self, now: float, *, is_isolation_changed: bool) -> None:
        """Do what is due at this time."""
        if is_isolation_changed:
            self._review_at = now
        if now >= self._expire_at:
            self._expire_at = now + _EXPIRE_INTERVAL
            lag = self._loop.isolation.lag(now)
            transitions: list[Transition | BeatTransition] = [
                *self._cluster.expire_silent_workers(now, lag),
                *self._cluster.expire_silent_beats(now),
            ]
            self._events.emit_transitions(transitions)
            if any(transition.state in GONE for transition in transitions):
                self._review_at = now  # a worker that is lost and its finding appear together
        is_first_read = self._queue_lengths.has_read and not self._has_queue_lengths
        if now >= self._review_at or is_first_read:
            self._review_at = now + _REVIEW_INTERVAL
            self._review_and_log_errors(now, is_first_read=is_first_read)

    def _review_and_log_errors(self, now: float, *, is_first_read: bool) -> None:
        try:
            self._review(now)
            self._has_queue_lengths = self._has_queue_lengths or is_first_read
        except Exception as exc:  # an error in a rule must not keep the listener from receiving
            self._log.error("review", "celery-gossip: the diagnosis failed: %r", exc, exc_info=exc)

    def _review(self, now: float) -> None:
        raised, cleared = self.diagnosis.evaluate(self.rule_input(now), now)
        for finding in raised:
            self._events.emit("finding_raised", finding)
        for finding in cleared:
            self._events.emit("finding_cleared", finding)

    def rule_input(self, now: float) -> RuleInput:
        """Return what the rules of the diagnosis read."""
        loop = self._loop
        connected_at, error = loop.isolation.connected_at, loop.error or loop.echo.error
        if now >= self._throughput_at:
            self._throughput_at = now + _THROUGHPUT_INTERVAL
            statistics = self._cluster.statistics
            self._throughput = statistics.windows_by_queue()
            self._releases = statistics.releases_by_queue()
            self._unknown_tasks = statistics.unknown_tasks()
        view, usual_runtimes = self._cluster.view(), dict[str, Distribution]()
        inputs = RuleInput(
            view=view,
            listening_for=0.0 if connected_at is None else now - connected_at,
            source=f"exchange {self._rejections.exchange!r} of {loop.subscription.uri}",
            broker_error="" if error is None else describe_error(error),
            recent_rejections=self._rejections.recent(now),
            rejected_total=dict(self._rejections.counts),
            throughput=self._throughput,
            release_outcomes=self._releases,
            unknown_tasks=self._unknown_tasks,
            usual_runtimes=usual_runtimes,
            unreadable_queues=self._queue_lengths.unreadable(view),
            settings=self.settings,
            balance=self._cluster.update_balance(view, now),
            app_entries=self.app_entries,
            receipts=self._receipts(view),
        )
        usual_runtimes.update(self._usual_runtimes(inputs, now))  # of the tasks that these inputs list
        return inputs

    def _receipts(self, view: View) -> Receipts | None:
        """Return when tasks of the schedules were received last; None without a beat process."""
        if not view.beats:
            return None
        statistics = self._cluster.statistics
        tasks = {entry.task for beat in view.beats for entry in beat.entries}
        return Receipts(
            statistics.received_at(tasks), self._cluster.counted_hostnames(), is_complete=statistics.knows_receipts
        )

    def _usual_runtimes(self, inputs: RuleInput, now: float) -> dict[str, Distribution]:
        """Return the runtimes of those task names of which a task has run for some time. Each is read once a minute."""
        names = {run.task.name for runs in inputs.long_runs.values() for run in runs}
        known = {name: entry for name, entry in self._runtimes.items() if name in names and now < entry[0]}
        unknown = sorted(names - known.keys())[:_MAX_RUNTIME_READS]
        runtimes = self._cluster.statistics.runtimes(unknown)
        due_at = now + _RUNTIME_INTERVAL
        self._runtimes = known | {name: (due_at, runtimes.get(name, Distribution())) for name in unknown}
        return {name: runtime for name, (_, runtime) in self._runtimes.items()}
