"""Look: everything that the rows of one watched app are made from; and the Watch that takes them.

A Look is immutable, but that its paces are always the latest; they may be asked for on any thread. A Watch is used on
one thread at a time, the board's. The Source is a Listener, or whatever a test puts in its place.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import NamedTuple, Protocol

from celery_gossip import diagnosis
from celery_gossip.throughput import Throughput
from celery_gossip.view import View, WorkerView

__all__ = ["MINUTE", "Figures", "Life", "Look", "Source", "Watch"]

MINUTE = 60.0  #: seconds over which every rate and every percentile is told
MOST_RUNS = 50_000  #: running tasks whose first sight is kept
_SPARK_EVERY = 10.0  #: seconds of a bar of a sparkline
_SPARK_BARS = 30
_MOST_SPARKS = 2_000  #: queues that have one
_SHARE = 0.05  #: of its time that a watch spends on one kind of figures, at most
_FRESH_SEQ = 3  #: a worker whose first word heard bears a higher number has been there before


Figures = Mapping[str, Throughput]  #: by name


class History(Protocol):
    """What is asked of a Cluster."""

    @property
    def began_at(self) -> float | None: ...
    def throughput(self, by: str, window: float) -> dict[str, Throughput]: ...
    def counts(self, by: str, window: float) -> dict[str, Throughput]: ...
    def series(self, by: str, name: str, window: float, least: float) -> tuple[Throughput, ...]: ...


class Source(Protocol):
    """What the dashboard asks of a Listener. Nothing of it waits for a worker or a broker."""

    @property
    def cluster(self) -> History: ...
    @property
    def connected_at(self) -> float | None: ...
    @property
    def error(self) -> Exception | None: ...
    @property
    def findings(self) -> tuple[diagnosis.Finding, ...]: ...
    @property
    def rejected(self) -> Counter[str]: ...
    @property
    def uri(self) -> str: ...
    def view(self) -> View: ...


class Paces(NamedTuple):
    """How the tasks of each fare, made when it is asked for: what nobody looks at costs nothing."""

    queues: Callable[[], Figures]
    tasks: Callable[[], Figures]
    workers: Callable[[], Figures]  #: counts only


class Run(NamedTuple):
    """When a running task was first seen."""

    seen_at: float  #: monotonic seconds
    is_older: bool  #: it ran before that


@dataclass(frozen=True)
class Life:
    """The boots of one worker, as far as they were heard."""

    boot: str
    booted_at: float | None  #: monotonic seconds; None where it was there before
    restarts: int = 0


@dataclass(frozen=True)
class Look:
    """One app at one moment, but for its paces, which are the latest ones.

    Times are monotonic seconds, `unix` makes them those of the calendar.
    """

    source: str
    app: str
    uri: str
    view: View
    began_at: float | None = None  #: when the listener began to hear
    is_connected: bool = True
    error: str = ""
    rejected: int = 0
    findings: tuple[diagnosis.Finding, ...] = ()
    fleet: Throughput = field(default_factory=lambda: Throughput(seconds=0.0))
    paces: Paces = field(default_factory=lambda: Paces(dict, dict, dict))
    sparks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)  #: by queue
    lives: Mapping[str, Life] = field(default_factory=dict)  #: by hostname
    runs: Mapping[str, Run] = field(default_factory=dict)  #: by task id
    offset: float = 0.0  #: of the calendar's clock to the listener's

    def unix(self, at: float) -> float:
        """Unix seconds, to a tenth: a time that did not change stays the same."""
        return round(at + self.offset, 1)


class Watch:
    """Looks at one source again and again, and remembers what no single look tells. Bounded."""

    def __init__(
        self,
        source: str,
        app: str,
        listener: Source,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.source = source
        self.app = app
        self.listener = listener
        self._clock = clock
        self._wall = wall
        self._offset = wall() - clock()
        self._lives: dict[str, Life] = {}
        self._runs: dict[str, Run] = {}
        self._sparks: dict[str, deque[float]] = {}
        self._spark_at = clock() + _SPARK_EVERY
        cluster = listener.cluster
        self._paces = Paces(
            queues=Paced(lambda: cluster.throughput("queue", MINUTE), clock),
            tasks=Paced(lambda: cluster.throughput("task", MINUTE), clock),
            workers=Paced(lambda: cluster.counts("worker", MINUTE), clock),
        )

    def look(self) -> Look:
        view = self.listener.view()
        now = self._clock()
        if view.isolated_since is None:
            self._remember(view, now)
        self._draw_sparks(now)
        error = self.listener.error
        return Look(
            source=self.source,
            app=self.app,
            uri=self.listener.uri,
            view=view,
            began_at=self.listener.cluster.began_at,
            is_connected=self.listener.connected_at is not None,
            error="" if error is None else f"{type(error).__name__}: {error}"[:300],
            rejected=sum(self.listener.rejected.copy().values()),
            findings=self.listener.findings,
            fleet=self.listener.cluster.throughput("fleet", MINUTE).get("", Throughput(seconds=MINUTE)),
            paces=self._paces,
            sparks={name: tuple(bars) for name, bars in self._sparks.items()},
            lives=dict(self._lives),
            runs=dict(self._runs),
            offset=self._settled_offset(),
        )

    def _settled_offset(self) -> float:
        """The same as long as nobody sets the clock, that times of the past do not flicker."""
        offset = self._wall() - self._clock()
        if abs(offset - self._offset) > 1.0:
            self._offset = offset
        return self._offset

    def _remember(self, view: View, now: float) -> None:
        before = self._lives
        self._lives = {one.gossip.hostname: _life(before.get(one.gossip.hostname), one, now) for one in view.workers}
        runs: dict[str, Run] = {}
        for worker, task_id in islice(view.running(), MOST_RUNS):
            is_older = worker.gossip.hostname not in before and worker.gossip.seq > _FRESH_SEQ
            runs[task_id] = self._runs.get(task_id) or Run(now, is_older)
        self._runs = runs

    def _draw_sparks(self, now: float) -> None:
        if now < self._spark_at:
            return
        self._spark_at = now + _SPARK_EVERY
        latest = self.listener.cluster.counts("queue", _SPARK_EVERY)
        names = dict.fromkeys((*self._sparks, *latest))
        for name in list(names)[:_MOST_SPARKS]:
            bars = self._sparks.setdefault(name, deque(maxlen=_SPARK_BARS))
            bars.append(round(latest[name].ended / _SPARK_EVERY, 2) if name in latest else 0.0)
            if not any(bars):
                del self._sparks[name]


class Paced:
    """Figures that are made anew when they are asked for, as often as that takes up no more than its share of the time.

    For any thread.
    """

    def __init__(self, make: Callable[[], Figures], clock: Callable[[], float]) -> None:
        self._make = make
        self._clock = clock
        self._lock = Lock()
        self._due_at = float("-inf")
        self._figures: Figures = {}

    def __call__(self) -> Figures:
        with self._lock:
            began = self._clock()
            if began >= self._due_at:
                self._figures = self._make()
                took = self._clock() - began
                self._due_at = began + took / _SHARE
            return self._figures


def _life(before: Life | None, worker: WorkerView, now: float) -> Life:
    gossip = worker.gossip
    if before is not None and before.boot == gossip.boot:
        return before
    booted_at = now if gossip.seq <= _FRESH_SEQ or before is not None else None
    return Life(gossip.boot, booted_at, before.restarts + 1 if before else 0)
