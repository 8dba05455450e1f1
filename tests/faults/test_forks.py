"""No child hangs that is forked while rounds run and the sender holds a lock: by age, by crashes, by autoscale.

Each child takes the locks that it needs as soon as it is born (tests.support.brood). That such a test can fail is shown
by one in which the sender does not pause.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.workers import Project, Worker

FULL = pytest.mark.skipif(not SCALE.is_full, reason="in the full form")
INTERVAL = 0.005  #: seconds
URLS = {"Redis": brokers.REDIS_URL, "RabbitMQ": brokers.RABBITMQ_URL}
AHEAD = 20  #: tasks that wait, at most
TIME_FOR_EACH = 300.0 if SCALE.is_full else 5.0  #: seconds for each way; a machine that is busy does less in them
CONTROLS = 50  #: forks
QUIET = 1.0  #: seconds without a birth
HUNG = 10.0  #: seconds after which a child that has not grown up never will
PATIENCE = 30.0  #: seconds without a single fork
ANSWERED = 8.0  #: seconds for a reply; a command is lost that comes before a new worker has subscribed on Redis


Task = tuple[str, list[str]]


class Brood:
    """A worker whose children are counted."""

    def __init__(self, project: Project, worker: Worker, folder: Path) -> None:
        self.project = project
        self.worker = worker
        self._folder = folder

    @property
    def born(self) -> int:
        return (self._folder / "born").stat().st_size

    @property
    def grown(self) -> int:
        return (self._folder / "grown").stat().st_size

    def await_births(self, count: int, feed: Callable[[int], None], seconds: float) -> None:
        """Until so many were forked, or so many seconds have passed; `feed(forks yet)` keeps them coming."""
        end = time.monotonic() + seconds
        before, since = self.born, time.monotonic()
        while self.born < count and time.monotonic() < end:
            feed(self.born)
            time.sleep(0.02)
            if self.born > before:
                before, since = self.born, time.monotonic()
            assert self.worker.process.poll() is None, self.worker.output[-3000:]
            assert time.monotonic() < since + PATIENCE, f"no fork any more after {before}; {self.grown} have grown up"

    def await_quiet(self) -> None:
        """Until nobody is born any more, and who is to grow up has done so."""
        state, since = (-1, -1), time.monotonic()
        while time.monotonic() < since + (QUIET if state[0] == state[1] else HUNG):
            time.sleep(0.1)
            if state != (self.born, self.grown):
                state, since = (self.born, self.grown), time.monotonic()

    @property
    def stacks(self) -> str:
        """Of those that hang, where."""
        return (self._folder / "stacks").read_text()

    def assert_all_grown(self) -> None:
        assert self.grown >= self.born, f"{self.born - self.grown} of {self.born} children hang"


@contextmanager
def brood(url: str, folder: Path, *flags: str, concurrency: int = 4, **environment: str) -> Iterator[Brood]:
    project = Project(brokers.require(url), worker_lost_wait=0.1)
    project.install = {"interval": INTERVAL}
    project.extra_environment = {
        "GOSSIP_TEST_IMPORT": "tests.support.brood",
        "GOSSIP_TEST_BROOD": str(folder),
        **environment,
    }
    try:
        with project.worker(
            "--without-mingle", "--without-gossip", "-l", "CRITICAL", *flags, concurrency=concurrency
        ) as worker:
            yield Brood(project, worker, folder)
    finally:
        project.clean()


class Feeder:
    """Sends tasks as fast as they are forked for, and no faster."""

    def __init__(self, brood: Brood, *tasks: Task) -> None:
        self._brood = brood
        self._tasks = itertools.cycle(tasks)
        self._sent = 0
        self._app = brood.project.app()
        self._connection = self._app.connection_for_write()
        self._producer = self._app.amqp.Producer(self._connection)

    def __call__(self, forks: int) -> None:
        while self._sent < forks + AHEAD:
            name, args = next(self._tasks)
            sign = self._app.signature(name, args=args)
            sign.apply_async(queue=self._brood.project.queues[0], producer=self._producer)
            self._sent += 1

    def close(self) -> None:
        """No more: what waits is thrown away."""
        for queue in self._brood.project.queues:
            self._connection.default_channel.queue_purge(queue)
        self._connection.close()
        self._app.close()


class Remote:
    """Remote control of the worker, by one connection."""

    def __init__(self, brood: Brood) -> None:
        self._brood = brood
        self._app = brood.project.app()
        self._connection = self._app.connection_for_write()

    def collect(self, command: str, n: int) -> None:
        to = [self._brood.worker.node]
        self._app.control.broadcast(
            command, {"n": n}, destination=to, connection=self._connection, reply=True, timeout=ANSWERED
        )

    def close(self) -> None:
        self._connection.close()
        self._app.close()


class Scaler(Remote):
    """Grows and shrinks the pool; whoever is sent away has grown up."""

    def __call__(self, forks: int) -> None:
        self.collect("pool_grow", 8)
        eventually(self._brood.assert_all_grown, PATIENCE, every=0.005)
        self.collect("pool_shrink", 8)


class Forker(Remote):
    """Has the worker fork by itself, and nothing else: many in little time."""

    def __call__(self, forks: int) -> None:
        self.collect("fork", 40)


class Crowd:
    """A burst of tasks, for autoscaling to grow by, and a pause to shrink in."""

    def __init__(self, brood: Brood) -> None:
        self._brood = brood

    def __call__(self, forks: int) -> None:
        for _ in range(16):
            self._brood.project.send("nap", 0.2)
        time.sleep(2.5)  # autoscaling looks once a second, for idle children that may go

    def close(self) -> None:
        pass


NOTHING: Task = ("tests.support.project.nothing", [])
CRASHES: list[Task] = [("tests.support.brood.crash", [how]) for how in ("exit", "kill")]

#: `{what makes the worker fork: (its flags, who sees to it, share of all forks)}`
WAYS: dict[str, tuple[list[str], Callable[[Brood], Any], float]] = {
    "a task per child": (["--max-tasks-per-child", "1"], lambda brood: Feeder(brood, NOTHING), 0.1),
    "children that crash": ([], lambda brood: Feeder(brood, *CRASHES), 0.05),
    "pool_grow and pool_shrink": ([], Scaler, 0.1),
    "autoscale": (["--autoscale", "9,1"], Crowd, 0.01),
    "os.fork, as the pool does": ([], Forker, 0.74),
}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("broker", "way"),
    [
        pytest.param("Redis", "a task per child", marks=pytest.mark.redis),
        pytest.param("Redis", "os.fork, as the pool does", marks=pytest.mark.redis),
        pytest.param("Redis", "children that crash", marks=[pytest.mark.redis, FULL]),
        pytest.param("Redis", "pool_grow and pool_shrink", marks=[pytest.mark.redis, FULL]),
        pytest.param("Redis", "autoscale", marks=[pytest.mark.redis, FULL]),
        *(pytest.param("RabbitMQ", way, marks=[pytest.mark.rabbitmq, FULL]) for way in WAYS),
    ],
)
def test_no_child_hangs_that_is_forked_while_rounds_run(
    broker: str, way: str, tmp_path: Path, figures: Figures
) -> None:
    flags, make, share = WAYS[way]
    wanted = max(8, round(SCALE.forks * share * (1.0 if broker == "Redis" else 0.1)))
    with brood(URLS[broker], tmp_path, *flags, AUTOSCALE_KEEPALIVE="1") as some:
        cause = make(some)
        began = time.monotonic()
        try:
            some.await_births(wanted, cause, TIME_FOR_EACH)
        finally:
            cause.close()
        took = time.monotonic() - began
        some.await_quiet()
        case = f"{way}, {broker}"
        figures.note("forks", case, "forks", some.born, note=f"{some.born / took:.0f} per second")
        print(some.stacks)
        figures.check("forks", case, "hanging children", some.born - some.grown, most=0)
        figures.check("forks", case, "worker exit code", some.worker.stop(timeout=90), least=0, most=0)


@FULL
@pytest.mark.redis
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "unlocked"])
def test_children_hang_only_if_the_sender_works_during_forks(is_locked: bool, tmp_path: Path, figures: Figures) -> None:
    """The sender holds the lock of a stream for most of the time."""
    case = f"the sender holds a lock, {'paused at forks' if is_locked else 'not paused at forks (control)'}"
    unlocked = {} if is_locked else {"GOSSIP_TEST_UNLOCKED": "yes"}
    flags, make, _ = WAYS["a task per child"]
    with brood(URLS["Redis"], tmp_path, *flags, GOSSIP_TEST_HELD="0.003", **unlocked) as some:
        cause = make(some)
        some.await_births(CONTROLS, cause, 30.0)
        cause.close()
        some.await_quiet()
        figures.note("forks", case, "forks", some.born)
        hung = some.born - some.grown
        figures.check(
            "forks", case, "hanging children", hung, least=None if is_locked else 5, most=0 if is_locked else None
        )
