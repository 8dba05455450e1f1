"""Reports of a synthetic fleet, with the times at which they are due. Pure; the same for the same seed.

Used by benchmarks.fleet, which publishes them, and by tests. Each worker reports at its own moment of every interval,
evenly spread and without jitter, so that any delay is caused by the publisher or the listener.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heapreplace
from itertools import count
from random import Random
from typing import Literal

from benchmarks.counting import Counts
from celery_gossip.wire.messages import (
    MAX_NAME,
    MAX_WAITING,
    VERSION,
    Gossip,
    QueueCheck,
    RunningTask,
    TaskCount,
    sanitize_name,
)

__all__ = ["NAMES", "SILENCE", "Fleet", "Plan"]

NAMES = ("plain", "hostile")
SILENCE = 15  #: intervals without a report of a worker that pauses: longer than the timeout of `lost`

#: Names that break a display which trusts them: markup, escapes, formats, wide and right-to-left letters, length.
_HOSTILE = (
    "[bold red]mail[/]",
    "<script>alert(1)</script>",
    "\x1b[31mred\x1b[0m",
    "仕事場の行列",
    "%s %(name)s {0} {{x}}",
    "مرحبا",
    "'; DROP TABLE jobs; --",
    "a\tb\r\nc",
    "👩‍🚒🇨🇭",
    "é" * 40,
    'back\\slash "quoted"',
    "x" * MAX_NAME,
)


@dataclass(frozen=True)
class Plan:
    """Size of a fleet, and its events."""

    workers: int = 1000
    queues: int = 10  #: per worker; all workers serve the same queues
    interval: float = 1.0  #: seconds
    tasks_per_queue: int = 1  #: task names that each worker counts; 0: it does not count
    rate: float = 0.0  #: short tasks per second and worker, in addition to those that are listed as running
    churn: float = 0.0  #: workers per minute that shut down, each followed by one with a new hostname
    restarts: float = 0.0  #: workers per minute that restart under their hostname without a last report
    silences: float = 0.0  #: workers per minute that do not report for SILENCE intervals, and then continue
    names: str = "plain"  #: one of NAMES
    seed: int = 0
    began_at: float = 1_000_000_000.0  #: Unix time at which the schedule begins


class Fleet:
    """The workers of a plan; schedule() may be iterated once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = Random(plan.seed)
        self._numbers = count(1)
        self._queues = [_name("queue", number, plan.names) for number in range(1, plan.queues + 1)]
        self._tasks = [_name("task", number, plan.names) for number in range(1, plan.tasks_per_queue + 1)]
        self._workers = [self._new_worker(due=0.0) for _ in range(plan.workers)]
        self._rates = {"churn": plan.churn, "restart": plan.restarts, "silence": plan.silences}
        self._events = [(self._gap(kind), kind) for kind in self._rates if self._rates[kind] > 0]
        heapify(self._events)

    def schedule(self) -> Iterator[tuple[float, Gossip]]:
        """Yield `(due, gossip)` in order and without end; due in seconds from the beginning."""
        for turn in count():
            for place in range(len(self._workers)):
                due = (turn + place / len(self._workers)) * self._plan.interval
                self._befall(due)
                gossip = self._turn_of(place, due)
                if gossip is not None:
                    yield due, gossip

    def last_reports(self, due: float) -> Iterator[Gossip]:
        """Yield the last report of every worker that reports at this moment."""
        for worker in self._workers:
            if worker.is_heard(due):
                yield worker.report(self._time(due), "offline")

    def _turn_of(self, place: int, due: float) -> Gossip | None:
        worker = self._workers[place]
        if due < worker.silent_until:
            return None
        if worker.is_leaving:
            self._workers[place] = self._new_worker(due)
            return worker.report(self._time(due), "offline")
        return worker.report(self._time(due), "online")

    def _befall(self, due: float) -> None:
        """Apply the events that are due, each to a worker that reports."""
        while self._events and self._events[0][0] <= due:
            at, kind = self._events[0]
            heapreplace(self._events, (at + self._gap(kind), kind))
            present = [worker for worker in self._workers if worker.is_heard(due) and not worker.is_leaving]
            if present:
                self._strike(self._random.choice(present), kind, due)

    def _strike(self, worker: "_Worker", kind: str, due: float) -> None:
        if kind == "churn":
            worker.is_leaving = True
        elif kind == "restart":
            worker.start(self._time(due))
        else:
            worker.silent_until = due + SILENCE * self._plan.interval

    def _gap(self, kind: str) -> float:
        return self._random.expovariate(self._rates[kind] / 60)

    def _new_worker(self, due: float) -> "_Worker":
        hostname = _name("celery@web", next(self._numbers), self._plan.names)
        worker = _Worker(hostname, self._queues, self._tasks, self._plan, self._random)
        worker.start(self._time(due))
        return worker

    def _time(self, due: float) -> float:
        return self._plan.began_at + due


class _Worker:
    """One worker with tasks on its queues; its counts are consistent with each other, as those of a real worker."""

    def __init__(self, hostname: str, queues: list[str], tasks: list[str], plan: Plan, random: Random) -> None:
        self.hostname = hostname
        self.silent_until = 0.0  #: due time
        self.is_leaving = False
        self._queues = queues
        self._tasks = tasks
        self._interval = plan.interval
        self._short = plan.rate * plan.interval
        self._random = random
        self._concurrency = random.choice((4, 8, 16))

    def is_heard(self, due: float) -> bool:
        """True if this instance has reported and does not pause."""
        return self._seq > 0 and due >= self.silent_until

    def start(self, at: float) -> None:
        """Start or restart at Unix time `at`."""
        self._boot = f"{self._random.getrandbits(64):016x}"
        self._seq = self._processed = 0
        self._counts = Counts(self._queues, self._tasks, self._random)
        self._started_at = at
        self._uuids = [self._new_id() for _ in self._queues]
        self._running: list[tuple[str, int, float]] = []  # (task id, index of its queue, start), longest running first
        self._names = tuple(dict.fromkeys((*(self._tasks or ["task"]), *self._queues)))
        self._reserved = [0] * len(self._queues)
        self._scheduled = [self._random.randrange(3) for _ in self._queues]

    def report(self, at: float, state: Literal["online", "offline"]) -> Gossip:
        """Advance to Unix time `at` and return the report."""
        self._seq += 1
        self._work(at, is_leaving=state == "offline")
        told = self._counts.collect(at)
        return Gossip(
            v=VERSION,
            app="bottle",
            hostname=self.hostname,
            boot=self._boot,
            seq=self._seq,
            interval=self._interval,
            sent_at=at,
            state=state,
            stalled_for=0.0,
            loop_lag=self._random.random() * 0.003,
            pool="prefork",
            concurrency=self._concurrency,
            prefetch_count=4 * self._concurrency,
            active=len(self._running),
            reserved=sum(self._reserved),
            scheduled=sum(self._scheduled),
            processed=self._processed,
            unattributed=0,
            checks=self._checks(at, shutdown_started_at=at if state == "offline" else None),
            series=told.series,
            overflowed=told.overflowed,
            names=self._names if self._running else (),
            reserved_tasks=self._waiting(self._reserved),
            scheduled_tasks=self._waiting(self._scheduled),
            newest=tuple((7 * self._seq + index) % 50 / 10 for index in range(len(self._queues))),
        )

    def _waiting(self, counts: list[int]) -> tuple[TaskCount, ...]:
        """Return the ten largest counts of waiting tasks by queue, each under one task name."""
        names = self._names if self._running else ()
        largest = sorted(((count, index) for index, count in enumerate(counts) if count), reverse=True)[:MAX_WAITING]
        return tuple(TaskCount(names.index(self._queues[index]), 0, count) for count, index in largest if names)

    def _work(self, at: float, is_leaving: bool) -> None:
        """End some tasks and start others. One is left at least, and only a worker without a free slot has reserved
        tasks.

        So no worker is idle while another one hoards: the only problems of this fleet are those of the plan.
        """
        random, queues = self._random, range(len(self._queues))
        ending = len(self._running) if is_leaving else random.randrange(3)
        for _, index, _ in self._running[:ending]:
            self._counts.end(index)
        if is_leaving:
            self._running, self._reserved, self._scheduled = [], [0 for _ in queues], [0 for _ in queues]
            return
        del self._running[:ending]
        begun = random.randrange(min(3, self._concurrency - len(self._running)) + 1) or int(not self._running)
        self._running += [(self._new_id(), random.choice(queues), at) for _ in range(begun)]
        for _, index, _ in self._running[len(self._running) - begun :]:
            self._counts.begin(index)
        self._processed += begun + self._counts.run(self._short)
        is_full = len(self._running) == self._concurrency
        self._reserved = [random.randrange(3) if is_full else 0 for _ in queues]
        self._scheduled[random.choice(queues)] = random.randrange(5)

    def _checks(self, at: float, shutdown_started_at: float | None) -> tuple[QueueCheck, ...]:
        active: list[list[str]] = [[] for _ in self._queues]
        details: list[list[RunningTask]] = [[] for _ in self._queues]
        for number, (task_id, index, began) in enumerate(self._running):
            active[index].append(task_id)
            details[index].append(RunningTask(number % max(1, len(self._tasks)), round(at - began, 1)))
        return tuple(
            QueueCheck(
                queue=queue,
                uuid=self._uuids[index],
                paused=False,
                active=tuple(active[index]),
                active_count=len(active[index]),
                reserved=self._reserved[index],
                scheduled=self._scheduled[index],
                started_at=self._started_at,
                updated_at=at,
                shutdown_started_at=shutdown_started_at,
                tasks=tuple(details[index]),
            )
            for index, queue in enumerate(self._queues)
        )

    def _new_id(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _name(prefix: str, number: int, names: str) -> str:
    """Return a name as a worker would send it: unique and sanitized."""
    added = _HOSTILE[number % len(_HOSTILE)] if names == "hostile" else ""
    return sanitize_name(f"{prefix}{number:02d}{added}")
