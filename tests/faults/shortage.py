"""A worker with a stream of tasks that runs out of something, and gets it back; what is asked of it meanwhile."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.ear import Ear
from tests.support.stream import Stream, flowing
from tests.support.workers import QUIET, Project, Worker

__all__ = ["Shortage", "play", "shortage"]

LASTS = 70.0 if SCALE.is_full else 3.0  #: seconds; in the full form longer than the log keeps silent
RECOVERY = 3.0  #: seconds
INTERVAL = 0.25  #: seconds

Moment = float  # of time.monotonic()


class Shortage:
    """A worker with a stream of tasks that runs out of something, and gets it back."""

    def __init__(self, project: Project, worker: Worker, ear: Ear, health: Path) -> None:
        self.project = project
        self.worker = worker
        self.health = health
        self.was_heard = False  #: before the shortage
        self._ear = ear

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.worker.process.pid)

    def memory(self) -> int:
        """Bytes that it has when no probe is about: the least of some looks."""
        looks = []
        for _ in range(10):
            looks.append(self.process.memory_info().vms)
            time.sleep(INTERVAL / 20)
        return min(looks)

    def limit(self, what: int, soft: int) -> None:
        _, hard = self.process.rlimit(what)
        self.process.rlimit(what, (soft, hard))

    def lift(self, what: int) -> None:
        _, hard = self.process.rlimit(what)
        self.process.rlimit(what, (hard, hard))

    def await_gossip(self, after: Moment) -> float:
        """Seconds until a gossip was heard from an event loop that ticks."""
        return self._ear.wait(after, 15.0, lambda gossip: gossip.stalled_for == 0)

    def await_health(self, after: Moment) -> float:
        """Seconds until the health file was written."""

        def is_fresh() -> float:
            with suppress(OSError, ValueError, IndexError):
                if float(self.health.read_text().split()[0]) > after:
                    return time.monotonic() - after
            raise AssertionError("the health file is not written")

        return eventually(is_fresh, 15.0, every=0.02)

    def lines(self, part: str) -> int:
        return sum("celery-gossip: " in line and part in line for line in self.worker.output.splitlines())


@contextmanager
def shortage(
    folder: Path,
    *flags: str,
    pool: str = "threads",
    gossip_broker: str | None = None,
    is_heard: bool = True,
    **environment: str,
) -> Iterator[Shortage]:
    # What tasks say is then to be read wherever the log goes.
    conf = {"gossip_broker_url": gossip_broker, "worker_redirect_stdouts": False}
    project = Project(brokers.require(brokers.REDIS_URL), **conf)
    health = folder / "health"
    project.install = {"interval": INTERVAL, "health_file": str(health)}
    project.extra_environment = {"GOSSIP_TEST_IMPORT": "tests.support.scarcity", **environment}
    try:
        with Ear(project) as ear, project.worker(*QUIET, *flags, pool=pool, concurrency=1) as worker:
            some = Shortage(project, worker, ear, health)
            if is_heard:
                some.await_gossip(0.0)
                some.was_heard = True
            yield some
    finally:
        project.clean()


def play(
    figures: Figures,
    case: str,
    some: Shortage,
    *,
    inflict: Callable[[], object],
    lift: Callable[[], object],
    is_back: Callable[[Moment], float],
    line: str,
    spare: int = 0,
) -> None:
    """The shortage, and the targets of all: tasks run, one line, back soon, nothing left, exit code 0.

    `line`: a part of the one; empty where none can be told. `spare`: descriptors that Celery itself may take meanwhile.
    """
    worker = some.worker
    with flowing(some.project, worker, every=0.05) as stream:
        eventually(lambda: assert_ran(stream), timeout=20)  # the threads and buffers that a worker has, it has by then
        descriptors = worker.descriptors
        inflict()
        before, sent_before = len(stream.ran), stream.sent
        time.sleep(LASTS)
        sent, ran = stream.sent - sent_before, len(stream.ran) - before
        lift()
        back = is_back(time.monotonic())
        some.await_gossip(time.monotonic())
    stream.await_end(timeout=20)
    figures.note("resources", case, "duration of the fault, s", LASTS)
    figures.note("resources", case, "tasks sent during the fault", sent)
    figures.check("resources", case, "share of them that ran without delay", ran / sent, least=0.9)
    figures.check("resources", case, "tasks lost, duplicated or out of order", stream.broken, most=0)
    if line:
        said = some.lines(line) / (1 + LASTS // 60)
        figures.check("resources", case, "log lines about it per minute", said, least=0.5, most=1)
    figures.check("resources", case, "recovery time, s", back, most=RECOVERY)
    if some.was_heard:
        figures.check("resources", case, "leaked descriptors", left_of(worker, descriptors), most=spare)
    reconnects = max(0, worker.output.count("] Connected to") - 1)  # a log on the disk has said nothing here at all
    figures.check("resources", case, "reconnects", reconnects, most=0)
    figures.check("resources", case, "worker exit code", worker.stop(), least=0, most=0)
    assert list(some.health.parent.glob("health*")) == [], "the health file is left behind"


def assert_ran(stream: Stream) -> None:
    assert len(stream.ran) > 3


def left_of(worker: Worker, before: int) -> int:
    """Descriptors more than before, when it has come to rest: it may just write a file, or answer a question."""

    def is_none_left() -> None:
        assert worker.descriptors <= before

    with suppress(AssertionError):
        eventually(is_none_left, timeout=5)
    return worker.descriptors - before
