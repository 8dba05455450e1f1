"""Frame: everything that one picture of `top` is drawn from, immutable; and the Recorder that takes one a second.

Called on the dashboard's thread. The Source is a Listener, or whatever a test puts in its place.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

from celery_gossip.diagnosis import Finding
from celery_gossip.throughput import Throughput
from celery_gossip.tui.spark import SPAN
from celery_gossip.tui.text import shown
from celery_gossip.view import View

__all__ = ["Frame", "Recorder", "Sample", "Source"]

MOST_QUEUES = 500  #: queues whose past is kept, the busiest first
MOST_IDS = 20_000  #: task ids whose first sight is kept


class Source(Protocol):
    """What a dashboard asks of a Listener."""

    @property
    def error(self) -> Exception | None: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...
    @property
    def rejected(self) -> Counter[str]: ...
    @property
    def uri(self) -> str: ...
    def view(self) -> View: ...
    def throughput(self) -> Mapping[str, Throughput]: ...


class Sample(NamedTuple):
    """One queue at one moment."""

    active: int
    backlog: int | None


@dataclass(frozen=True)
class Frame:
    """One moment, with the past that its sparklines and ages need."""

    view: View
    now: float  #: the listener's monotonic seconds; every age is told from it
    uri: str = ""
    error: str = ""  #: why the broker cannot be reached; empty while it can
    rejected: int = 0  #: messages refused so far
    findings: tuple[Finding, ...] = ()
    past: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)  #: by queue, oldest first
    throughput: Mapping[str, Throughput] = field(default_factory=dict)  #: by queue, of the last minute
    taken: int = 0  #: samples so far
    seen: Mapping[str, float] = field(default_factory=dict)  #: when each task id that runs was first seen here


class Recorder:
    """Takes frames of a source, and keeps the past that they share. Bounded; frames are not changed afterwards."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._past: dict[str, tuple[Sample, ...]] = {}
        self._seen: dict[str, float] = {}
        self._remembered_at: float | None = None
        self._taken = 0

    def take(self) -> Frame:
        view = self._source.view()
        now = self._clock()
        if view.isolated_since is None and self._remembered_at != now:
            self._remembered_at = now
            self._taken += 1
            self._remember(view, now)
        error = self._source.error
        return Frame(
            view=view,
            now=now,
            uri=shown(self._source.uri),
            error="" if error is None else shown(f"{type(error).__name__}: {error}"),
            rejected=sum(self._source.rejected.copy().values()),
            findings=self._source.findings,
            past=self._past,
            throughput=self._source.throughput(),
            taken=self._taken,
            seen=self._seen,
        )

    def _remember(self, view: View, now: float) -> None:
        queues = view.queues
        if len(queues) > MOST_QUEUES:
            queues = tuple(sorted(queues, key=lambda queue: -(queue.active + (queue.backlog or 0))))[:MOST_QUEUES]
        self._past = {
            queue.queue: (*self._past.get(queue.queue, ())[1 - SPAN :], Sample(queue.active, queue.backlog))
            for queue in queues
        }
        self._seen = {task_id: self._seen.get(task_id, now) for _, task_id in islice(view.running(), MOST_IDS)}
