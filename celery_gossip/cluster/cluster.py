"""Cluster: the state of all workers, as a listener knows it. A state machine without threads, clock or broker.

One thread changes it (apply_gossip, apply_beat, expire_silent_workers, expire_silent_beats, set_isolated,
clear_isolated), another one may set queue lengths. Any thread may read snapshots, which are immutable.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from threading import Lock

import msgspec

from celery_gossip.cluster.balance import BalanceTracker
from celery_gossip.cluster.beat_member import BeatMembership, BeatTransition
from celery_gossip.cluster.beat_view import BeatView
from celery_gossip.cluster.failures import FailureTracker, FailureView, without_failures
from celery_gossip.cluster.limits import MAX_REPORT_BYTES
from celery_gossip.cluster.member import Member
from celery_gossip.cluster.membership import GONE_RETENTION, MAX_WORKERS, Membership, Transition
from celery_gossip.cluster.queue_ages import QueueAges
from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.cluster.queue_share import QueueShare, QueueShareCache
from celery_gossip.cluster.queue_views import OldestAges, QueueViews, update_queue_views
from celery_gossip.cluster.silence_timeouts import LOST_AFTER, SUSPECT_AFTER, SilenceTimeouts
from celery_gossip.cluster.software import SoftwareTable
from celery_gossip.cluster.statistics import MAX_WINDOW, STEPS, GroupBy, TaskStatistics
from celery_gossip.cluster.task_names import TaskNameTable
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import QueueView, View, WorkerView
from celery_gossip.wire.messages import Beat, Echo, Gossip

__all__ = [
    "GONE_RETENTION",
    "LOST_AFTER",
    "MAX_WINDOW",
    "MAX_WORKERS",
    "STEPS",
    "SUSPECT_AFTER",
    "BeatTransition",
    "Cluster",
    "Transition",
]

HEARTBEAT_TIMEOUT = 10.0  #: seconds without an iteration of the listener's thread after which the view is isolated
_QUEUE_LENGTH_TTL = 10.0  #: seconds after which a queue length that was not read again is unknown


class Cluster:
    """Latest report of every worker, by hostname, and the throughput of their tasks (`statistics`).

    `boot` and `seq` of a report determine its order. apply_gossip() and expire_silent_workers() return the transitions
    that they caused, in order; apply_beat() and expire_silent_beats() do the same for beat processes. Limits:
    MAX_WORKERS hostnames, where workers that are gone are removed after GONE_RETENTION seconds, or earlier if the view
    is full; MAX_QUEUES queue names and about `max_report_bytes` of memory for all reports (see ViewLimits); MAX_BEATS
    beat processes with MAX_ENTRIES entries in all. `clock` is only used for the ages in snapshots.
    """

    statistics: TaskStatistics  #: totals and history of all tasks; replaced by reset()

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        timeouts: SilenceTimeouts | None = None,
        *,
        max_report_bytes: int = MAX_REPORT_BYTES,
    ) -> None:
        """Raise InvalidOption if `max_report_bytes` is out of range."""
        self._clock = clock
        self._max_report_bytes = max_report_bytes
        self._initial_timeouts = timeouts or SilenceTimeouts()
        self.reset()

    def reset(self) -> None:
        """Clear everything, the lock included: in a forked child, a thread that does not exist there may hold it."""
        self._lock = Lock()
        self._timeouts = self._initial_timeouts
        self._listener_heartbeat_at: float | None = None
        self._isolated_since: float | None = None
        self._queue_lengths: dict[str, tuple[int | None, float]] = {}  #: `{queue: (length, time of reading)}`
        self._balance = BalanceTracker()
        self.statistics = TaskStatistics(self._clock, self._lock, self._balance)
        self._membership = Membership(self.statistics, self._max_report_bytes)
        self._beats = BeatMembership()
        self._software = SoftwareTable()
        self._task_names = TaskNameTable()
        self._failures = FailureTracker()
        self._queue_ages = QueueAges()
        self._queue_shares = QueueShareCache()
        self._queue_views = QueueViews()  # replaced as a whole, on any thread

    @property
    def isolated_since(self) -> float | None:
        """Monotonic time since when the listener is isolated and the view frozen; None if it is not.

        The view is also frozen if the listener's thread has not run for HEARTBEAT_TIMEOUT: it ended or is stuck.
        """
        since, heartbeat_at = self._isolated_since, self._listener_heartbeat_at
        if since is None and heartbeat_at is not None and self._clock() - heartbeat_at > HEARTBEAT_TIMEOUT:
            return heartbeat_at
        return since

    @property
    def listener_heartbeat_at(self) -> float | None:
        """Monotonic time of the latest record_listener_heartbeat(); None before the first."""
        return self._listener_heartbeat_at

    def record_listener_heartbeat(self, now: float) -> None:
        """Record that the listener's thread is running; to be called in each iteration of its loop."""
        self._listener_heartbeat_at = now

    def apply_gossip(
        self, gossip: Gossip, now: float, *, is_verified: bool | None = None, size: int | None = None
    ) -> list[Transition]:
        """Apply a report that was received at monotonic `now`; ignore one whose `seq` is not the highest of its boot.

        While the view is isolated, a report is data, but no sign of life. `is_verified` is True for a signed message,
        None if the listener has no secret. A verified report replaces everything that was reported under its hostname
        without a signature. Raises RejectedGossip for an unverified report of a worker that has sent verified ones.
        `size` is the number of bytes of the message; if it is known, memory is estimated from it, which is cheaper.
        """
        with self._lock:
            membership, reported = self._membership, gossip
            gossip = self._software.share(_kept(gossip))
            member = membership.find(gossip.hostname, is_verified=is_verified)
            previous = None if member is None else member.previous_report(gossip.boot)
            if member is None:
                member = membership.add(gossip, now, is_verified=is_verified)
                if member is None:
                    return []
            elif not member.update(gossip, now, is_late=self._timeouts.is_frozen):
                return []
            self._add_profile(member, reported, now, is_verified=bool(is_verified))
            received = self.statistics.add_report(gossip, now, member.release_of(gossip.boot))
            self._queue_ages.add_report(gossip, previous, received, now)
            self._failures.add_report(reported, now, is_verified=is_verified)
            # The report that is kept of a stalled worker has the stack of an earlier message.
            membership.limits.enforce(gossip.hostname, member, None if gossip.stalled_for else size)
            return membership.update_state(gossip.hostname, member, now, self._timeouts)

    def _add_profile(self, member: Member, reported: Gossip, now: float, *, is_verified: bool) -> None:
        profile = reported.profile
        if profile is None:
            return
        member.add_profile(reported.boot, profile, self._software.share_settings(profile), now)
        if profile.tasks is not None:
            self._task_names.add(profile.tasks, is_verified=is_verified)

    def expire_silent_workers(self, now: float, lag: float = 0.0) -> list[Transition]:
        """Apply the timeouts to workers that do not report, and remove expired ones. No effect while isolated.

        `lag` is the number of seconds that the listener may be behind; until the next call, every timeout is that much
        longer.
        """
        with self._lock:
            if self._timeouts.is_frozen:
                return []
            if lag != self._timeouts.lag:
                self._timeouts = replace(self._timeouts, lag=lag)
            membership, timeouts, transitions = self._membership, self._timeouts, list[Transition]()
            for hostname, member in membership.members.items():
                transitions += membership.update_state(hostname, member, now, timeouts)
            for transition in transitions:
                if transition.state == "suspect":
                    self._queue_ages.note_silence(transition.worker.gossip, now)
                elif transition.state == "lost":
                    self._queue_ages.note_end(transition.worker.gossip, now)
            membership.remove_expired(now)
            return transitions

    def apply_beat(self, beat: Beat, now: float, *, is_verified: bool | None = None) -> list[BeatTransition]:
        """Apply a report of a beat process; see apply_gossip()."""
        with self._lock:
            return self._beats.apply(beat, now, self._timeouts, is_verified=is_verified)

    def expire_silent_beats(self, now: float) -> list[BeatTransition]:
        """Apply the timeouts to beat processes; to be called after expire_silent_workers(), which sets the lag."""
        with self._lock:
            return [] if self._timeouts.is_frozen else self._beats.expire(now, self._timeouts)

    def set_isolated(self, now: float) -> bool:
        """Freeze the view, because the listener is isolated. Return False if it was already frozen."""
        with self._lock:
            if self._isolated_since is not None:
                return False
            self._isolated_since = now
            self._timeouts = replace(self._timeouts, is_frozen=True)
            return True

    def clear_isolated(self, now: float) -> bool:
        """Unfreeze the view; timeouts apply again after a grace period. Return False if it was not frozen."""
        with self._lock:
            if self._isolated_since is None:
                return False
            self._isolated_since = None
            self._timeouts = replace(self._timeouts, is_frozen=False, isolation_ended_at=now)
            return True

    def apply_sent(self, echo: Echo, now: float) -> None:
        """Apply the report of a process that sends tasks. Ignored while the view is isolated: it may be late."""
        with self._lock:
            since = self.statistics.listening_since
            if echo.sent is not None and since is not None and not self._timeouts.is_frozen:
                if not self._balance.is_active:
                    self._balance.start(self.statistics.received())
                self._balance.add_sent(echo, echo.sent, now, since)

    def update_balance(self, view: View, now: float) -> tuple[QueueBalance, ...]:
        """Compare the tasks that were sent with those that arrived, and return balance(); about once a second."""
        if not self._balance.is_active:
            return ()
        with self._lock:
            if view.isolated_since is not None:
                self._balance.reset("the listener was isolated", now)
            else:
                losses = (self.statistics.dropped_series, self._membership.limits.dropped_queues)
                self._balance.step(view, now, self.statistics.counted_hostnames, losses)
        return self.balance(view)

    def balance(self, view: View | None = None) -> tuple[QueueBalance, ...]:
        """Return the balance of each queue that tasks were sent to; empty if no process counts what it sends."""
        view = view or self.view()
        backlogs = self.backlogs(view.taken_at)
        with self._lock:
            return tuple(self._balance.rows(view, backlogs))

    def counted_hostnames(self) -> frozenset[str]:
        """Return the hostnames of workers that have reported counts of tasks."""
        with self._lock:
            return frozenset(self.statistics.counted_hostnames)

    def sent_totals(self) -> dict[tuple[str, str], int]:
        """Return `{(queue, task): tasks sent}`, as far as processes count them; the queue is empty if unknown."""
        with self._lock:
            return self._balance.sent_totals()

    def set_queue_lengths(
        self, lengths: Mapping[str, int | None], now: float, *, missing: Collection[str] = ()
    ) -> None:
        """Set the numbers of messages that wait on the broker, `{queue: count}`; None if a count is unknown.

        `missing` are queues that do not exist.
        """
        with self._lock:
            if self._balance.is_active:
                self._balance.add_readings(lengths, missing, now)
            for queue, (_, at) in list(self._queue_lengths.items()):
                if now - at > _QUEUE_LENGTH_TTL:
                    del self._queue_lengths[queue]
            self._queue_lengths.update({queue: (count, now) for queue, count in lengths.items()})
            self._queue_ages.set_lengths(lengths, now)

    @property
    def dropped_queues(self) -> int:
        """Number of times that a queue of a worker was left out because of a limit."""
        return self._membership.limits.dropped_queues

    def queue_shares(self) -> list[QueueShare]:
        """Return the queues of each worker whose lengths are to be read. To be called on one thread only."""
        with self._lock:
            members = self._membership.members.items()
            reports = [(hostname, member.gossips, bool(member.is_verified)) for hostname, member in members]
            sent_to = self._balance.queue_names() if self._balance.is_active else ()
        shares = self._queue_shares.update(reports)
        return [*shares, self._queue_shares.of_senders(sent_to)] if sent_to else shares

    def is_verified(self, hostname: str) -> bool | None:
        """Return `is_verified` of this worker; None also for an unknown one."""
        member = self._membership.members.get(hostname)
        return None if member is None else member.is_verified

    def has_worker(self, hostname: str) -> bool:
        """Return True if this worker is in the view."""
        return hostname in self._membership.members

    def highest_seq(self, hostname: str, boot: str, is_verified: bool | None) -> tuple[int, bool]:
        """Return the number of the latest report of this instance, and True if the view tracks the instance.

        `(0, False)` if the hostname is unknown, or known with reports of another trust (signed or not). Does not take
        the lock: only for the thread that calls apply_gossip().
        """
        member = self._membership.members.get(hostname)
        if member is None or (member.is_verified is not is_verified and bool(member.is_verified) != bool(is_verified)):
            return 0, False
        return member.highest_seq(boot)

    def has_beat(self, hostname: str, app: str) -> bool:
        """Return True if this beat process is in the view."""
        return self._beats.has(hostname, app)

    def highest_beat_seq(self, hostname: str, app: str, boot: str, is_verified: bool | None) -> tuple[int, bool]:
        """Return the same as highest_seq() of a beat process."""
        return self._beats.highest_seq(hostname, app, boot, is_verified)

    def beats(self) -> tuple[BeatView, ...]:
        """Return a snapshot of all beat processes, sorted by hostname and app."""
        with self._lock:
            return self._beats.views(self._clock())

    def count_live_workers(self) -> int:
        """Return the number of workers that are neither offline nor lost."""
        with self._lock:
            return self._membership.live_count

    def workers(self) -> tuple[WorkerView, ...]:
        """Return a snapshot of all workers, sorted by hostname."""
        return self._snapshot().workers

    def queues(self) -> tuple[QueueView, ...]:
        """Return a snapshot of all queues, sorted by name."""
        return self.view().queues

    def view(self) -> View:
        """Return a snapshot of all workers and queues."""
        snapshot = self._snapshot()
        backlogs = self.backlogs(snapshot.taken_at)
        with self._lock:
            limits = self._queue_ages.limits(queue for queue, count in backlogs.items() if count)
        ages = OldestAges(limits, snapshot.taken_at)
        self._queue_views = views = update_queue_views(self._queue_views, snapshot.workers, backlogs, ages)
        return replace(snapshot, queues=views.shown)

    def knows_queue(self, queue: str) -> bool:
        """Return True if a worker has reported this queue, or its length was read, as far back as is remembered."""
        with self._lock:
            return queue in self._queue_ages

    def backlogs(self, now: float | None = None) -> dict[str, int | None]:
        """Return the queue lengths that were set in the last 10 s, `{queue: messages waiting}`; None if unknown."""
        now = self._clock() if now is None else now
        with self._lock:
            lengths = self._queue_lengths.items()
            return {queue: count for queue, (count, at) in lengths if now - at <= _QUEUE_LENGTH_TTL}

    def throughput(self, by: GroupBy = "queue", window: float = 60.0) -> dict[str, Throughput]:
        """Return the throughput by queue, task or worker. See TaskStatistics.throughput()."""
        return self.statistics.throughput(by, window)

    def counts(self, by: GroupBy = "worker", window: float = 60.0) -> dict[str, Throughput]:
        """Return the throughput without durations, in a fifth of the time. See TaskStatistics.counts()."""
        return self.statistics.counts(by, window)

    def series(self, by: GroupBy, name: str, window: float = 120.0, least: float = 1.0) -> tuple[Throughput, ...]:
        """Return the throughput of one queue, task or worker over time. See TaskStatistics.series()."""
        return self.statistics.series(by, name, window, least)

    def failures(self) -> FailureView:
        """Return the last failures that workers have reported, newest first; 2,000 at most."""
        with self._lock:
            return self._failures.view(self._clock())

    def task_names(self, hostname: str) -> tuple[str, ...]:
        """Return the sorted names of the tasks that were registered when this worker started, without Celery's own.

        Empty if they are not known: the worker does not report them, or not all parts have arrived.
        """
        with self._lock:
            member = self._membership.members.get(hostname)
            return () if member is None else self._task_names.get(member.registry)

    def totals(self) -> dict[tuple[str, str, str], Throughput]:
        """Return the totals of each worker, queue and task. See TaskStatistics.totals()."""
        return self.statistics.totals()

    def _snapshot(self) -> View:
        """Return a view without its queues."""
        now = self._clock()
        with self._lock:
            fields = [member.view_fields(member.state, now) for member in self._membership.members.values()]
            isolated_since = self.isolated_since
            beats = self._beats.views(now)
        views = [WorkerView(*one) for one in fields]
        views.sort(key=lambda worker: worker.gossip.hostname)
        return View(tuple(views), queues=(), taken_at=now, isolated_since=isolated_since, beats=beats)


def _kept(gossip: Gossip) -> Gossip:
    """Return the report without what is kept elsewhere."""
    gossip = without_failures(gossip)
    return gossip if gossip.profile is None else msgspec.structs.replace(gossip, profile=None)
