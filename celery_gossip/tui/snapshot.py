"""Snapshot: the data that one screen of `top` is drawn from, immutable; SnapshotRecorder creates one per second.

Runs on the dashboard's thread. The source is a Listener, or a stand-in in a test.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import NamedTuple, Protocol

from celery_gossip.cluster.failures import FailureGroup, FailureView
from celery_gossip.cluster.schedule import ScheduledEntry, schedule_of
from celery_gossip.cluster.task_history import TaskHistory
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import View
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.tui.sparkline import SAMPLES
from celery_gossip.tui.task_row import TaskRow
from celery_gossip.tui.text import escape_text

__all__ = ["Sample", "Snapshot", "SnapshotRecorder", "Source"]

MAX_QUEUES = 500  #: queues whose samples are kept, the busiest first
MAX_TASKS = 20_000  #: rows of tasks; an id is found among all
MAX_IDS = 20_000  #: task ids for which the time of the first sight is kept


class Source(Protocol):
    """The part of a Listener that the dashboard reads."""

    @property
    def error(self) -> Exception | None: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...
    @property
    def rejected(self) -> Counter[str]: ...
    @property
    def uri(self) -> str: ...
    def view(self) -> View: ...
    def failures(self) -> FailureView: ...
    def throughput(self) -> Mapping[str, Throughput]: ...


class Sample(NamedTuple):
    """Figures of one queue at one moment."""

    active: int
    backlog: int | None


@dataclass(frozen=True)
class Snapshot:
    """State of a source at one moment, with the samples that sparklines need."""

    view: View
    now: float  #: monotonic seconds of the listener's clock; ages are relative to it
    uri: str = ""
    error: str = ""  #: error of the connection; empty while it works
    rejected: int = 0  #: messages refused so far
    findings: tuple[Finding, ...] = ()
    history: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)  #: queue → samples, oldest first
    throughput: Mapping[str, Throughput] = field(default_factory=dict)  #: queue → throughput of the last minute
    sample_count: int = 0  #: samples so far
    first_seen: Mapping[str, float] = field(
        default_factory=dict
    )  #: id of a running task → when this dashboard first saw it

    failures: FailureView = field(default_factory=FailureView)

    #: Tasks that workers do not list any more; the same object in every snapshot. None: they are not remembered.
    task_history: TaskHistory | None = None

    @cached_property
    def tasks(self) -> Sequence[TaskRow]:
        """Running and waiting tasks, as far as the workers list them; MAX_TASKS at most, running ones first."""
        return tuple(islice(chain(self.view.tasks(), self.view.waiting()), MAX_TASKS))

    @cached_property
    def failure_groups(self) -> Sequence[FailureGroup]:
        """Groups of the last failures, the one that failed last first."""
        return self.failures.groups()

    @cached_property
    def schedule(self) -> Sequence[ScheduledEntry]:
        """Entries of all schedules, those with problems first."""
        return schedule_of(self.view)


class SnapshotRecorder:
    """Create snapshots of a source and keep the samples that they share. Bounded; snapshots never change afterwards."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._history: dict[str, tuple[Sample, ...]] = {}
        self._first_seen: dict[str, float] = {}
        self._task_history = TaskHistory()
        self._sampled_at: float | None = None
        self._sample_count = 0

    def record(self) -> Snapshot:
        """Return the current snapshot, and add its samples to the history unless the view is isolated."""
        view = self._source.view()
        now = self._clock()
        self._task_history.observe(view)
        if view.isolated_since is None and self._sampled_at != now:
            self._sampled_at = now
            self._sample_count += 1
            self._add_samples(view, now)
        error = self._source.error
        return Snapshot(
            view=view,
            now=now,
            uri=escape_text(self._source.uri),
            error="" if error is None else escape_text(f"{type(error).__name__}: {error}"),
            rejected=sum(self._source.rejected.copy().values()),
            findings=self._source.findings,
            history=self._history,
            throughput=self._source.throughput(),
            sample_count=self._sample_count,
            first_seen=self._first_seen,
            failures=self._source.failures(),
            task_history=self._task_history,
        )

    def _add_samples(self, view: View, now: float) -> None:
        queues = view.queues
        if len(queues) > MAX_QUEUES:
            queues = tuple(sorted(queues, key=lambda queue: -(queue.active + (queue.backlog or 0))))[:MAX_QUEUES]
        self._history = {
            queue.queue: (*self._history.get(queue.queue, ())[1 - SAMPLES :], Sample(queue.active, queue.backlog))
            for queue in queues
        }
        self._first_seen = {
            task_id: self._first_seen.get(task_id, now) for _, task_id in islice(view.running(), MAX_IDS)
        }
