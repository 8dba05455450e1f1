"""Whatever a hook of ours raises, the worker goes on: its tasks run, it does not reconnect, it exits with 0.

The exceptions are raised by tests.support.saboteur. SystemExit, KeyboardInterrupt and Celery's WorkerShutdown pass:
that is how a worker is told to end (tests/unit/worker/test_bootstep.py).
"""

import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.figure import Figures
from tests.faults.scale import SCALE
from tests.support import brokers, eventually
from tests.support.hooks import CLASSES, HOOKS, Hook
from tests.support.stream import Stream, flowing
from tests.support.workers import QUIET, Project, Worker

FULL = pytest.mark.skipif(not SCALE.is_full, reason="in the full form")
URLS = {"Redis": brokers.REDIS_URL, "RabbitMQ": brokers.RABBITMQ_URL}
OTHERS = ("tests.support.project.fail", "tests.support.saboteur.pass_on")
INTERVAL = 0.02  #: seconds: many rounds in little time
AT_ONCE = 6  #: workers
TASKS = 10  #: that a worker runs between its start and its end
PATIENCE = 10.0  #: seconds that the next call of any hook may take to come

Pair = tuple[str, str]  # of hook and class


class Victim:
    """A sabotaged worker: in it these hooks raise these classes, in this order."""

    def __init__(self, worker: Worker, pairs: Sequence[Pair], record: Path) -> None:
        self.worker = worker
        self.pairs = pairs
        self._record = record
        self._began = time.monotonic()

    @property
    def raised(self) -> list[Pair]:
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [(hook, name) for hook, _, name in (line.partition("|") for line in lines)]

    @property
    def lines_of_a_kind(self) -> float:
        """Of ours in the log, the most in a minute."""
        heads = re.findall(r"celery-gossip: (?:a receiver of )?\w+(?: \w+)?", self.worker.output)
        minutes = 1 + (time.monotonic() - self._began) // 60
        return max(Counter(heads).values(), default=0) / minutes

    @property
    def stray_tracebacks(self) -> int:
        """Those without a line of ours above, nor of what was planned."""
        written = re.findall(r"^Traceback \(most", self.worker.output, re.MULTILINE)
        chained = re.findall(r"another exception occurred|direct cause of the", self.worker.output)
        told = re.findall(r"celery-gossip: |Signal handler .* raised|LookupError\('as planned'\)", self.worker.output)
        return max(0, len(written) - len(chained) - len(told))

    def await_sabotage(self) -> None:
        """Until everything was raised that was to be; fails when nothing more is for a while."""
        while len(self.raised) < len(self.pairs):
            before = len(self.raised)
            eventually(lambda before=before: self._assert_more_than(before), PATIENCE)

    def _assert_more_than(self, count: int) -> None:
        assert self.worker.process.poll() is None, f"{self.raised[-1:]} ended the worker:\n{self.worker.output[-4000:]}"
        assert len(self.raised) > count, f"nothing calls {self.pairs[len(self.raised)]}"


@dataclass(frozen=True)
class Outcome:
    """What became of a victim that has ended."""

    raised: list[Pair]
    unraised: int
    exit_code: int
    sent: int
    broken: int
    reconnects: int
    lines_of_a_kind: float

    @classmethod
    def of(cls, victim: Victim, stream: Stream) -> "Outcome":
        output = victim.worker.output
        outcome = cls(
            raised=victim.raised,
            unraised=len(victim.pairs) - len(victim.raised),
            exit_code=victim.worker.process.returncode,
            sent=stream.sent,
            broken=stream.broken,
            reconnects=output.count("] Connected to") - 1,
            lines_of_a_kind=victim.lines_of_a_kind,
        )
        assert outcome.exit_code == 0, f"{victim.pairs[:1]}: {output[-4000:]}"
        assert outcome.lines_of_a_kind <= 1 and victim.stray_tracebacks == 0, f"{victim.pairs[:1]}: {output}"
        return outcome


@contextmanager
def sabotaged(url: str, pairs: Sequence[Pair], folder: Path, pool: str) -> Iterator[Victim]:
    project = Project(brokers.require(url))
    folder.mkdir(exist_ok=True)
    project.install = {"interval": INTERVAL, "health_file": str(folder / "health")}
    project.conf["worker_bootsteps"] = ["celery_gossip:GossipStep"]
    project.extra_environment = {
        "GOSSIP_TEST_IMPORT": "tests.support.saboteur",
        "GOSSIP_TEST_SABOTAGE": json.dumps(pairs),
        "GOSSIP_TEST_SABOTAGED": str(folder / "raised"),
    }
    worker = Worker(project, f"w1@{project.prefix}", ["-P", pool, "-c", "1", *QUIET])
    try:
        yield Victim(worker, pairs, folder / "raised")
    finally:
        worker.close()
        project.clean()


def classes_of(number: int) -> list[str]:
    """Of a hook in the list of them: all, in the short form every fourth, with another one first for each."""
    return list(CLASSES if SCALE.is_full else CLASSES[number % 4 :: 4])


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("pool", "broker"),
    [
        pytest.param("threads", "Redis", marks=pytest.mark.redis),
        pytest.param("prefork", "Redis", marks=[pytest.mark.redis, FULL]),
        pytest.param("gevent", "Redis", marks=[pytest.mark.redis, FULL]),
        pytest.param("eventlet", "Redis", marks=[pytest.mark.redis, FULL]),
        pytest.param("solo", "Redis", marks=[pytest.mark.redis, FULL]),
        pytest.param("threads", "RabbitMQ", marks=[pytest.mark.rabbitmq, FULL]),
        pytest.param("prefork", "RabbitMQ", marks=[pytest.mark.rabbitmq, FULL]),
    ],
)
def test_no_exception_of_a_hook_that_is_called_again_and_again_harms_the_worker(
    pool: str, broker: str, tmp_path: Path, figures: Figures
) -> None:
    hooks = [hook for hook in HOOKS if hook.when == "always" and not (hook.is_in_child and pool == "prefork")]
    pairs = [(hook.name, name) for at, hook in enumerate(hooks) for name in classes_of(at)]
    with sabotaged(URLS[broker], pairs, tmp_path, pool) as victim:
        victim.worker.await_ready()
        with flowing(victim.worker.project, victim.worker, others=OTHERS) as stream:
            victim.await_sabotage()
        stream.await_end(timeout=30)
        victim.worker.stop()
        outcomes = [Outcome.of(victim, stream)]
    keep(figures, f"{pool}, {broker}, while it works", outcomes)
    if (pool, broker) == ("threads", "Redis"):
        keep_classes(figures, outcomes)


@pytest.mark.redis
@pytest.mark.timeout(900)
@pytest.mark.parametrize("pool", ["threads", pytest.param("prefork", marks=FULL), pytest.param("gevent", marks=FULL)])
@pytest.mark.parametrize("when", ["start", "end"])
def test_no_exception_of_a_hook_that_is_called_once_harms_the_worker(
    when: str, pool: str, tmp_path: Path, figures: Figures
) -> None:
    hooks = [hook for hook in HOOKS if hook.when == when]
    is_whole = SCALE.is_full and pool == "threads"
    plans = [[(hook.name, name)] for hook in hooks for name in CLASSES] if is_whole else some_of(hooks)
    outcomes: list[Outcome] = []
    for first in range(0, len(plans), AT_ONCE):
        folder = tmp_path / str(first)
        folder.mkdir()
        outcomes += outcomes_of(plans[first : first + AT_ONCE], pool, folder)
    keep(figures, f"{pool}, Redis, at its {when}", outcomes)
    if pool == "threads":
        keep_classes(figures, outcomes)


def some_of(hooks: Sequence[Hook]) -> list[list[Pair]]:
    """One class of each hook, in as few workers as will do."""
    together: list[Pair] = []
    plans = [together]
    for hook, name in zip(hooks, itertools.cycle(CLASSES), strict=False):
        if hook.is_alone:
            plans.append([(hook.name, name)])
        else:
            together.append((hook.name, name))
    return plans


def outcomes_of(plans: Sequence[Sequence[Pair]], pool: str, folder: Path) -> list[Outcome]:
    """Of so many workers at once."""
    with ExitStack() as stack:
        victims = [
            stack.enter_context(sabotaged(brokers.REDIS_URL, pairs, folder / str(at), pool))
            for at, pairs in enumerate(plans)
        ]
        streams = [some_tasks(victim) for victim in victims]
        for victim in victims:
            victim.worker.terminate()
        for victim in victims:
            victim.worker.process.wait(20)
        return [Outcome.of(victim, stream) for victim, stream in zip(victims, streams, strict=True)]


def some_tasks(victim: Victim) -> Stream:
    victim.worker.await_ready()
    with flowing(victim.worker.project, victim.worker) as stream:
        eventually(lambda: _assert_sent(stream), timeout=10)
    stream.await_end(timeout=20)
    return stream


def _assert_sent(stream: Stream) -> None:
    assert stream.sent >= TASKS


def keep(figures: Figures, case: str, outcomes: Sequence[Outcome]) -> None:
    """The figures of these workers together, and their targets."""
    figures.note("hooks", case, "hooks", len({hook for one in outcomes for hook, _ in one.raised}))
    figures.note("hooks", case, "exceptions raised", sum(len(one.raised) for one in outcomes))
    figures.check("hooks", case, "exceptions that could not be raised", sum(one.unraised for one in outcomes), most=0)
    figures.check("hooks", case, "highest exit code", max(abs(one.exit_code) for one in outcomes), most=0)
    figures.note("hooks", case, "tasks during the test", sum(one.sent for one in outcomes))
    figures.check("hooks", case, "tasks lost, duplicated or out of order", sum(one.broken for one in outcomes), most=0)
    figures.check("hooks", case, "reconnects", sum(one.reconnects for one in outcomes), most=0)
    figures.check("hooks", case, "log lines per kind and minute", max(one.lines_of_a_kind for one in outcomes), most=1)


def keep_classes(figures: Figures, outcomes: Sequence[Outcome]) -> None:
    """By hook; of workers that were not harmed, or their test would have failed."""
    raised = Counter(hook for one in outcomes for hook, _ in set(one.raised))
    for hook, count in raised.items():
        figures.check(
            "hooks",
            hook,
            "exception classes without effect on the worker",
            count,
            least=len(CLASSES) if SCALE.is_full else 1,
        )
