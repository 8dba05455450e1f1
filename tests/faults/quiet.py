"""A time in which nothing goes wrong: workers with the step, each beside a twin without it, and what they took.

Played by test_quiet.py, which judges it: an hour of all of them at once, and some minutes of each pair alone.
"""

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from tests.faults.scale import SCALE
from tests.support import brokers, eventually, lateness
from tests.support.lateness import Lateness
from tests.support.vitals import Sample, sample
from tests.support.workers import REPOSITORY, Project, Worker

__all__ = ["ALL", "INTERVAL", "KINDS", "Case", "Ear", "Hour", "Plan", "Watched", "alone", "play"]

KINDS = ("redis", "rabbitmq")
POOLS = ("prefork", "threads", "solo", "gevent", "eventlet")
Case = tuple[str, str]  #: pool and kind of broker

INTERVAL = 1.0
FLAGS = ("--without-mingle",)


@dataclass(frozen=True)
class Plan:
    """Who is watched, for how long, and how closely. All in seconds."""

    cases: Sequence[Case]
    lasts: float
    warm_up: float  #: of these
    every: float  #: between two samples
    stall_period: float  #: of the timer in each worker


#: The short form is content with one broker for each pool. A timer of 5 ms in 20 workers would keep two cores busy.
ALL = Plan(
    cases=tuple(itertools.product(POOLS, KINDS)) if SCALE.is_full else tuple(zip(POOLS, itertools.cycle(KINDS))),
    lasts=SCALE.quiet,
    warm_up=SCALE.quiet / 6,
    every=SCALE.quiet / 360 if SCALE.is_full else 1.0,
    stall_period=0.05,
)


def alone(case: Case) -> Plan:
    """One pair with the machine to itself, so that a thousandth of its turns can be told from noise."""
    return Plan(cases=(case,), lasts=SCALE.quiet / 60, warm_up=0.0, every=5.0, stall_period=0.005)


@dataclass
class Watched:
    """A worker, and what became of it."""

    case: Case
    has_step: bool
    project: Project
    worker: Worker
    stall_file: Path
    samples: list[Sample] = field(default_factory=list, repr=False)  #: of its main process
    late: Lateness | None = field(default=None, repr=False)  #: within the hour
    output: str = field(default="", repr=False)
    exit_code: int | None = None

    def look(self) -> None:
        former = self.samples[-1] if self.samples else None
        self.samples.append(sample(psutil.Process(self.worker.process.pid), former))


@dataclass
class Ear:
    """A listener in a process of its own, on one broker."""

    process: subprocess.Popen[bytes]
    file: Path
    samples: list[Sample] = field(default_factory=list, repr=False)
    began: dict[str, Any] = field(default_factory=dict, repr=False)  #: what it told then; see tests.support.tally
    ended: dict[str, Any] = field(default_factory=dict, repr=False)
    exit_code: int | None = None

    def look(self) -> None:
        self.samples.append(sample(psutil.Process(self.process.pid), self.samples[-1] if self.samples else None))


@dataclass
class Hour:
    """What was played."""

    plan: Plan
    exchange: str
    urls: dict[str, str]  #: by the kind of broker
    watched: list[Watched] = field(default_factory=list)
    ears: dict[str, Ear] = field(default_factory=dict)  #: likewise
    warm_at: float = 0.0  #: monotonic seconds

    def pair(self, case: Case) -> tuple[Watched, Watched]:
        """With the step, and without."""
        own, twin = (one for one in self.watched if one.case == case)
        return own, twin


class Stream(threading.Thread):
    """A no-op task a second for each worker, one after another."""

    def __init__(self, projects: Sequence[Project]) -> None:
        super().__init__(daemon=True)
        self._projects = projects
        self._ending = threading.Event()

    def run(self) -> None:
        with ExitStack() as stack:
            senders = [self._sender(project, stack) for project in self._projects]
            for turn in itertools.cycle(senders):
                if self._ending.wait(1.0 / len(senders)):
                    return
                turn()

    def end(self) -> None:
        self._ending.set()
        self.join()

    def _sender(self, project: Project, stack: ExitStack) -> Any:
        app = stack.enter_context(project.app())
        producer = stack.enter_context(app.amqp.Producer(stack.enter_context(app.connection_for_write())))
        queue = project.queues[0]
        return lambda: app.send_task(
            "tests.support.project.nothing", queue=queue, producer=producer, headers={"gossip_sent_at": time.time()}
        )


def play(plan: Plan, folder: Path) -> Hour:
    """Start them all, watch them, and end them all."""
    urls = {"redis": brokers.require(brokers.REDIS_URL), "rabbitmq": brokers.require(brokers.RABBITMQ_URL)}
    hour = Hour(plan, f"gossip_quiet_{uuid4().hex[:8]}", urls)
    with ExitStack() as stack:
        for case, has_step in itertools.product(plan.cases, (True, False)):
            hour.watched.append(_watched(hour, case, folder, stack, has_step=has_step))
        for one in hour.watched:
            one.worker.await_ready(timeout=180)
        _fill_pools(hour)
        for kind in sorted({kind for _, kind in plan.cases}):
            hour.ears[kind] = _ear(hour, kind, folder, stack)
        stream = Stream([one.project for one in hour.watched])
        stream.start()
        _watch(hour)
        stream.end()
        _end(hour)
    return hour


def _watched(hour: Hour, case: Case, folder: Path, stack: ExitStack, *, has_step: bool) -> Watched:
    pool, kind = case
    project = Project(hour.urls[kind], gossip_exchange=hour.exchange)
    project.install = {"interval": INTERVAL} if has_step else None
    stall_file = folder / f"{project.prefix}.json"
    project.extra_environment = {
        "GOSSIP_TEST_IMPORT": "tests.support.stall",
        "GOSSIP_TEST_STALL": str(stall_file),
        "GOSSIP_TEST_STALL_PERIOD": str(hour.plan.stall_period),
    }
    stack.callback(project.clean)
    worker = Worker(project, f"w1@{project.prefix}", ["-P", pool, "-c", "2", *FLAGS])
    stack.callback(worker.close)
    return Watched(case, has_step, project, worker, stall_file)


def _ear(hour: Hour, kind: str, folder: Path, stack: ExitStack) -> Ear:
    file = folder / f"{kind}.json"
    environment = {**os.environ, **Project(hour.urls[kind], gossip_exchange=hour.exchange).environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.tally", str(file)], cwd=REPOSITORY, env=environment
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    ear = Ear(process, file)
    speakers = sum(one.case[1] == kind and one.has_step for one in hour.watched)
    eventually(partial(_assert_heard, ear, speakers), timeout=90)
    return ear


def _assert_heard(ear: Ear, speakers: int) -> None:
    assert ear.file.exists(), "the listener has not begun"
    heard = lateness.parsed(ear.file)["heard"]
    assert len(heard) == speakers, f"{len(heard)} of {speakers} workers are heard"


def _fill_pools(hour: Hour) -> None:
    """Pools of threads grow with their first tasks: more at once than they have slots, and theirs are all there."""
    for one in hour.watched:
        for _ in range(4):
            one.project.send("nap", 0.3)


def _watch(hour: Hour) -> None:
    plan, began = hour.plan, time.monotonic()
    hour.warm_at = began + plan.warm_up
    late = [lateness.read(one.stall_file) for one in hour.watched]
    for ear in hour.ears.values():
        ear.began = lateness.parsed(ear.file)
    for turn in range(1, int(plan.lasts / plan.every) + 1):
        for one in (*hour.watched, *hour.ears.values()):
            one.look()
        time.sleep(max(0.0, began + turn * plan.every - time.monotonic()))
    for one, earlier in zip(hour.watched, late, strict=True):
        one.late = lateness.read(one.stall_file) - earlier
    for ear in hour.ears.values():
        ear.ended = lateness.parsed(ear.file)


def _end(hour: Hour) -> None:
    for one in hour.watched:
        one.worker.terminate()
    for one in hour.watched:
        one.exit_code = one.worker.process.wait(timeout=120)
        one.output = one.worker.output
    for ear in hour.ears.values():
        ear.process.terminate()
    for ear in hour.ears.values():
        ear.exit_code = ear.process.wait(timeout=30)
