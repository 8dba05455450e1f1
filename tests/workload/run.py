"""Runs the seeds of a session one after another on the same two workers, and compares what was counted with the record.

Numbers are compared as sums since the session's start, and a difference is reported once: by the seed after which it
was found first.
"""

import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from celery.signals import before_task_publish
from kombu import Queue

import celery_gossip
from celery_gossip import Listener, signals
from tests.workload.fleet import Fleet, projected
from tests.workload.history import History, Run
from tests.workload.oracle import Counted, Difference, compare, expect
from tests.workload.perform import Performer
from tests.workload.plan import Plan, build
from tests.workload.record import append, stamp

__all__ = ["SeedResult", "Session", "attempt", "exit_on_sigterm", "run_all", "run_session"]

_SETTLED_WITHIN = 40.0  #: seconds for all tasks to end after the last one was sent
_QUIET_FOR = 1.0  #: seconds without a line in the record, once all has ended
_STUCK_AFTER = 5.5  #: seconds without a line after which what is still open stays so
_COUNTED_WITHIN = 15.0  #: seconds for the counts to arrive after that: the broker may have been cut off just before
_SAME = 0.5  #: by how much a difference must grow to be another one; sums of seconds have a tolerance
_EXCERPT = 8  #: lines of a log beside a difference


@dataclass(frozen=True)
class Session:
    """Seeds of one pool and broker that share their workers."""

    pool: str
    broker: str
    seeds: tuple[int, ...]
    tasks: int = 200
    keep: str = ""  #: a folder for the record and the logs of a session in which something differs or does not end
    is_plain: bool = False  #: without the bootstep: what Celery leaves by itself, nothing is compared


@dataclass
class SeedResult:
    """What one seed has shown."""

    seed: int
    pool: str
    broker: str
    runs: int  #: recorded
    seconds: float
    differences: list[Difference] = field(default_factory=list)
    reasons: Counter[str] = field(
        default_factory=Counter
    )  #: what may or may not be counted, by reason; everything under an empty one
    ends: Counter[str] = field(default_factory=Counter)  #: counted, by outcome
    excerpts: list[str] = field(default_factory=list)
    left: str = ""  #: what had not ended when nothing more happened
    error: str = ""  #: why it could not be run


class _Reports:
    """Every report that the listener receives, by worker."""

    def __init__(self) -> None:
        self.sent_at: defaultdict[str, list[float]] = defaultdict(list)
        self.undecodable: dict[str, int] = {}  # by instance

    def __call__(self, sender: Any, gossip: Any = None, **_: object) -> None:
        self.sent_at[gossip.hostname].append(gossip.sent_at)
        self.undecodable[gossip.boot] = gossip.undecodable


class _Runner:
    """One session under way."""

    def __init__(self, listener: Listener, record: Path, fleet: Fleet, reports: _Reports) -> None:
        self.listener, self.fleet, self.reports = listener, fleet, reports
        self.history = History()
        self._file = record.open()
        self._tail = ""
        self._last_line_at = time.monotonic()
        self._excess: defaultdict[tuple[str, str, str], float] = defaultdict(float)  # reported before

    def look(self) -> History:
        """The history so far."""
        text = self._tail + self._file.read()
        *lines, self._tail = text.split("\n")
        if lines:
            self._last_line_at = time.monotonic()
            self.history.add(lines)
        return self.history

    def settle(self) -> str:
        """Wait until everything that was sent has ended, or nothing more happens; return what is left."""
        give_up_at = time.monotonic() + _SETTLED_WITHIN
        while time.monotonic() < give_up_at:
            left = self.look().open_runs(), self._backlog()
            is_open = left != ([], 0)
            quiet = time.monotonic() - self._last_line_at
            if quiet > (_STUCK_AFTER if is_open else _QUIET_FOR):
                break
            time.sleep(0.1)
        return f"{left[1]} messages wait, and these runs have no end: {left[0]}" if is_open else ""

    def replace_stuck(self) -> None:
        """End the workers whose runs do not end, or both if messages wait, and start others."""
        stuck = {self.history.boots[run.boot].hostname for run in self.history.open_runs()}
        for place in self.fleet.places:
            if not stuck or place.hostname in stuck:
                self.fleet.end(place, "kill")

    def differences(self) -> list[Difference]:
        """What differs once the counts have had time to arrive, and more than it did before."""
        give_up_at = time.monotonic() + _COUNTED_WITHIN
        while True:
            found = [each for each in self._differences() if abs(each.excess - self._excess[each.key]) > _SAME]
            if not found or time.monotonic() > give_up_at:
                break
            time.sleep(0.2)
        for each in found:
            self._excess[each.key] = each.excess
        return found

    def reasons(self) -> Counter[str]:
        """How often something may or may not be counted, by reason; and how much is counted, under an empty one."""
        expected = expect(self.history)
        return expected.reasons + Counter({"": expected.events})

    def ends(self) -> Counter[str]:
        """Every end that was counted since the session's start."""
        ends: Counter[str] = Counter()
        for each in self.counted().values():
            ends.update(each.counts)
        return ends

    def counted(self) -> dict[tuple[str, str], Counted]:
        """What the listener shows, `{(queue, task): numbers}`."""
        return {key: _counted(total) for key, total in self.listener.cluster.statistics.fleet_totals().items()}

    def excerpt(self, difference: Difference) -> list[str]:
        """The runs and the lines of the workers' logs that have to do with it."""
        of_task = [run for run in self.history.runs.values() if (run.queue, run.task) == difference.key[:2]]
        runs = [run for run in of_task if _is_of(run, difference)] or of_task
        lines = [f"  {run}" for run in runs[-_EXCERPT:]]
        ids = {run.task_id for run in runs}
        for node, log in self.fleet.logs:
            own = [line for line in log.splitlines() if any(f"[{task_id}]" in line for task_id in ids)]
            lines += [f"  {node}: {line[:300]}" for line in own[-_EXCERPT:]]
        return lines

    def keep(self, folder: Path, record: Path) -> None:
        """Copy the record and the logs of all workers."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "record").write_text(record.read_text())
        for number, (node, log) in enumerate(self.fleet.logs):
            (folder / f"{number}-{node}.log").write_text(log)

    def _differences(self) -> list[Difference]:
        self.look().note_reports(self.reports.sent_at)
        return compare(expect(self.history), self.counted(), sum(self.reports.undecodable.values()))

    def _backlog(self) -> int:
        """Messages that wait on the broker."""
        count = 0
        with self.fleet.project.app() as app, app.connection_for_read() as connection:
            for name in self.fleet.project.queues:
                with suppress(*connection.channel_errors):  # on Redis an empty queue does not exist
                    count += Queue(name)(connection.channel()).queue_declare(passive=True).message_count
        return count


def _counted(total: Any) -> Counted:
    names = ("received", "started", "succeeded", "retried", "revoked", "rejected")
    counts = {name: getattr(total, name) for name in names}
    counts |= {f"failed:{kind}": count for kind, count in total.failures.items()}
    counts |= {"runtimes": total.runtime.count, "waits": total.wait.count}
    return Counted(counts, total.runtime.total, total.wait.total)


def _is_of(run: Run, difference: Difference) -> bool:
    return (
        difference.what in ("received", "started", "wait", "waits")
        or difference.what in (run.ended, "runtime")
        or (run.ended != run.returned)
    )


def run_session(session: Session) -> Iterator[SeedResult]:
    """Run the seeds of a session in turn; each result as soon as it is there."""
    reports = _Reports()
    with ExitStack() as stack:
        record = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gossip_workload_"))) / "record"
        record.touch()
        stack.enter_context(signals.gossip_received.connected_to(reports))
        project = stack.enter_context(projected(session.broker, record))
        app, producer = stack.enter_context(_sending(project))
        listener = stack.enter_context(Listener(app))
        fleet = stack.enter_context(Fleet(project, session.pool, partial(append, record), _ways(session)))
        runner = _Runner(listener, record, fleet, reports)
        performer = Performer(app, producer, fleet, runner.look)
        for seed in session.seeds:
            result = _run_seed(runner, performer, session, build(seed, session.pool, session.tasks))
            if session.keep and (result.differences or result.left):
                runner.keep(Path(session.keep) / f"{session.pool}-{session.broker}-{seed}", record)
            yield result


def _ways(session: Session) -> tuple[str, str]:
    """How the bootstep is added to the first worker and to the second."""
    if session.is_plain:
        return "plain", "plain"
    return "install", ("steps", "bootsteps")[session.seeds[0] % 2]


def run_all(sessions: Sequence[Session], jobs: int = 1) -> Iterator[list[SeedResult]]:
    """Run each session in a process of its own: Celery leaves pools and sockets of its results behind."""
    with get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(attempt, sessions)


def exit_on_sigterm() -> None:
    """Leave by SystemExit, so that no worker and no queue is left behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def attempt(session: Session) -> list[SeedResult]:
    """Run a session to its end; what goes wrong is a result as well."""
    exit_on_sigterm()
    results: list[SeedResult] = []
    try:
        results.extend(run_session(session))
    except Exception:
        seed = session.seeds[min(len(results), len(session.seeds) - 1)]
        results.append(SeedResult(seed, session.pool, session.broker, 0, 0.0, error=traceback.format_exc()))
    return results


def _run_seed(runner: _Runner, performer: Performer, session: Session, plan: Plan) -> SeedResult:
    began, before = time.monotonic(), len(runner.history.runs)
    ended_before, reasons_before = runner.ends(), runner.reasons()
    performer.perform(plan)
    runner.fleet.await_ready()
    left = runner.settle()
    found = [] if session.is_plain else runner.differences()
    if left:
        runner.replace_stuck()
    return SeedResult(
        seed=plan.seed,
        pool=session.pool,
        broker=session.broker,
        runs=len(runner.history.runs) - before,
        seconds=time.monotonic() - began,
        differences=found,
        reasons=runner.reasons() - reasons_before,
        ends=runner.ends() - ended_before,
        left=left,
        excerpts=[line for each in found for line in (str(each), *runner.excerpt(each))],
    )


@contextmanager
def _sending(project: Any) -> Iterator[tuple[Any, Any]]:
    """A client of the project that stamps what it sends, as install() makes it."""
    with project.app() as app, app.connection_for_write() as connection:
        celery_gossip.install(app)
        before_task_publish.connect(stamp)
        with app.amqp.Producer(connection) as producer:
            try:
                yield app, producer
            finally:
                before_task_publish.disconnect(stamp)
                before_task_publish.disconnect(dispatch_uid="celery_gossip.worker.sent_at")
