"""Member: everything that is known of one worker's hostname. Pure; no clock inside.

Used by the Membership under the Cluster's lock. What reports decide about the state is in StateMachine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from celery_gossip.cluster.instance import Instance
from celery_gossip.cluster.recording import Recorder, Recording
from celery_gossip.cluster.report_size import strip_details
from celery_gossip.cluster.silence_timeouts import LOST_AFTER, SUSPECT_AFTER, SilenceTimeouts
from celery_gossip.cluster.state_machine import StateMachine
from celery_gossip.cluster.view import WorkerState, WorkerView
from celery_gossip.wire.messages import Gossip, Profile, Resources, Setting, Software

__all__ = ["LOST_AFTER", "SUSPECT_AFTER", "Member", "SilenceTimeouts"]

_NOT_RECORDED = Recording()

#: Fields of a WorkerView, in order.
WorkerViewFields = tuple[Any, ...]


@dataclass
class _WorkerInstance(Instance[Gossip]):
    """One run of a worker."""

    software: Software | None = None  #: of the latest report that has it; None if none had
    resources: Resources | None = None  #: of the latest report that contained them, as every fifth does
    resources_at: float = 0.0  #: when that was received
    pid: int | None = None  #: of its main process
    started_at: float | None = None  #: monotonic time of the start of its program; None if it is not known
    settings: tuple[Setting, ...] = ()  #: of the latest report that has some
    recorder: Recorder | None = None  #: only of the current instance and the previous one

    def __post_init__(self) -> None:
        self.software = self.report.software
        self.resources, self.resources_at = self.report.resources, self.last_seen

    def start_recording(self) -> None:
        """Record its reports from its latest one on, unless it has a recorder."""
        if self.recorder is None:
            self.recorder = Recorder()
            self.recorder.add(self.report, self.last_seen)

    def add_profile(self, profile: Profile, settings: tuple[Setting, ...], now: float) -> None:
        """Store a profile. Of several starts the earliest one counts: messages may be late, but never early."""
        self.pid = profile.pid if profile.pid is not None else self.pid
        self.settings = settings or self.settings
        if profile.age is not None:
            started_at = now - profile.age
            self.started_at = started_at if self.started_at is None else min(self.started_at, started_at)

    def update(self, report: Gossip, now: float, *, is_late: bool) -> None:
        """Store a newer report. A late one is data, but no sign of life."""
        if report.stalled_for and not report.stack and self.report.stack:  # reported once per change
            report = msgspec.structs.replace(report, stack=self.report.stack)
        if report.software is not None:
            self.software = report.software
        if report.resources is not None:
            self.resources, self.resources_at = report.resources, now
        if self.recorder is not None:
            self.recorder.add(report, now)
        super().update(report, now, is_late=is_late)


class Member(StateMachine[_WorkerInstance]):
    """Everything that is known of one hostname. After each update(), update_state() returns the states entered."""

    def __init__(self, gossip: Gossip, now: float, *, is_verified: bool | None = None) -> None:
        super().__init__(self._new_instance(gossip, now), is_verified=is_verified)
        self._current.start_recording()
        self._replaced: Gossip | None = None
        self._earlier_losses: tuple[Gossip, ...] = ()

    @property
    def gossips(self) -> tuple[Gossip, ...]:
        """Latest report of the current instance, then those of its rivals."""
        if not self._rivals:
            return (self._current.report,)
        return (self._current.report, *(rival.report for rival in self._rivals))

    @property
    def reports(self) -> tuple[Gossip, ...]:
        """All reports in memory: the latest of each tracked instance, and of the previous one."""
        if len(self._by_boot) == 1 and self._previous is None:
            return (self._current.report,)
        return tuple(instance.report for instance in self._stored_instances())

    @property
    def queue_names(self) -> tuple[str, ...]:
        """Queues of all reports, in the order reported."""
        return tuple([check.queue for gossip in self.reports for check in gossip.checks])

    def add_profile(self, boot: str, profile: Profile, settings: tuple[Setting, ...], now: float) -> None:
        """Store the profile of this instance, if it is tracked; `settings` are its settings, shared."""
        instance = self._by_boot.get(boot)
        if instance is not None:
            instance.add_profile(profile, settings, now)

    @property
    def registry(self) -> str:
        """Digest of the names of its registered tasks; empty if it is not known."""
        return "" if self._current.software is None else self._current.software.registry

    def release_of(self, boot: str) -> str:
        """Return the release that this instance runs; empty if it is not known."""
        instance = self._by_boot.get(boot)
        return "" if instance is None or instance.software is None else instance.software.release

    def previous_report(self, boot: str) -> Gossip:
        """Return the latest report of this instance; of the current one if the instance is new."""
        return self._by_boot.get(boot, self._current).report

    def reduce_reports(self, reduce: Callable[[Gossip], Gossip]) -> None:
        """Replace each report by a smaller one; `reduce` must keep `boot`, `seq`, state and counts."""
        for instance in self._stored_instances():
            instance.report = reduce(instance.report)
        if self._replaced is not None:
            self._replaced = reduce(self._replaced)

    def view(self, state: WorkerState, now: float) -> WorkerView:
        """Return a snapshot in this state."""
        return WorkerView(*self.view_fields(state, now))

    def view_fields(self, state: WorkerState, now: float) -> WorkerViewFields:
        """Return the fields of a WorkerView; takes a tenth of the time of view(), for use under the Cluster's lock."""
        current, rivals = self._current, self._rivals
        return (
            current.report,
            state,
            current.last_seen,
            self.since,
            max(0.0, now - current.last_seen),
            tuple(rival.report for rival in rivals) if rivals else (),
            self._replaced,
            self.is_verified,
            current.software,
            current.resources,
            None if current.resources is None else max(0.0, now - current.resources_at),
            _recording_of(current),
            _NOT_RECORDED if self._replaced is None else _recording_of(self._previous),
            self._earlier_losses,
            current.pid,
            current.started_at,
            current.settings,
            None if self._replaced is None or self._previous is None else self._previous.last_seen,
        )

    def _new_instance(self, report: Gossip, now: float) -> _WorkerInstance:
        return _WorkerInstance(report, since=now, last_seen=now)

    def _strip(self, report: Gossip) -> Gossip:
        return strip_details(report)

    def _on_current(self, instance: _WorkerInstance, now: float) -> None:
        if self._previous is not None and self._previous is not instance:
            self._previous.recorder = None
        instance.start_recording()

    def _stored_instances(self) -> list[_WorkerInstance]:
        tracked, previous = list(self._by_boot.values()), self._previous
        if previous is None or self._by_boot.get(previous.report.boot) is previous:
            return tracked
        return [*tracked, previous]

    def _review_instances(self, now: float, timeouts: SilenceTimeouts) -> None:
        """Determine the interrupted instance, and earlier losses, too."""
        was_alone = len(self._by_boot) == 1
        super()._review_instances(now, timeouts)
        if was_alone:
            self._earlier_losses = ()
            return
        self._replaced = self._interrupted_report(now)
        others = (instance for instance in self._by_boot.values() if instance is not self._current)
        self._earlier_losses = tuple(one.report for one in others if one.is_overdue and one.report.state != "offline")

    def _interrupted_report(self, now: float) -> Gossip | None:
        """Return the last report of the previous instance if it ended while tasks ran."""
        previous = self._previous
        if previous is None or not previous.has_ended or not previous.report.active:
            return None
        return previous.report if self._is_retained(previous, now) else None


def _recording_of(instance: _WorkerInstance | None) -> Recording:
    return _NOT_RECORDED if instance is None or instance.recorder is None else instance.recorder.recording()
