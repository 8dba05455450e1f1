"""TaskStatistics: throughput of the tasks of all workers, as totals and over time. Pure; owned by the Cluster.

add_report(), remove_worker() and discard_worker() are called under the Cluster's lock. All other methods may be called
on any thread. They copy under the lock, for milliseconds at most, and sum up without it, so that the listener does not
wait for them. Ported from Oban Met's recorder.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from dataclasses import replace
from itertools import islice
from threading import Lock
from typing import Literal, TypeVar

from celery_gossip.cluster.balance import BalanceTracker
from celery_gossip.cluster.counters import CounterTracker
from celery_gossip.cluster.history import (
    MAX_ENTRIES,
    History,
    TimeBucket,
    count_by_name,
    iterate_steps,
    sum_by_name,
    window_start,
)
from celery_gossip.cluster.packed import RunningTotal
from celery_gossip.cluster.release_outcomes import ReleaseOutcome, ReleaseOutcomes, compare_releases
from celery_gossip.cluster.throughput import (
    COUNTS,
    Distribution,
    Throughput,
    ThroughputSum,
    ThroughputWindows,
    throughput_of,
)
from celery_gossip.cluster.unknown_tasks import NOT_REGISTERED, UnknownTask, UnknownTasks, is_unknown
from celery_gossip.wire.messages import Gossip

__all__ = ["MAX_WINDOW", "STEPS", "GroupBy", "TaskStatistics"]

#: What throughput is grouped by; "fleet" is a single group, named "", of all tasks.
GroupBy = Literal["queue", "task", "worker", "fleet"]

MAX_WINDOW = 10_800.0  #: longest window of throughput() and series(), in seconds
STEPS = (1, 2, 5, 10, 20, 30, 60)  #: values of `least` in series(): seconds that divide its longer steps evenly
_STARTUP = 10.0  #: seconds after the first report in which the baseline reports of other workers distort rates
_WINDOWS = ((15.0, 0.0), (60.0, 0.0), (660.0, 60.0))  #: start and end, in seconds ago, of each of ThroughputWindows
_RUNTIME_WINDOWS = (60.0, 600.0, MAX_WINDOW)  #: seconds, of mean_runtime()
_MIN_RUNTIMES = 20  #: tasks for which a window is long enough
_MAX_FAILING = 10_000  #: entries of the history of failures by queue and task
_MAX_RECEIVED = 10_000  #: task names whose latest receipt is remembered
_COPIED_AT_ONCE = 100  #: totals copied while the lock is held; takes less than a millisecond
_RECEIVED, _STARTED, _SUCCEEDED, _FAILED = map(COUNTS.index, ("received", "started", "succeeded", "failed"))
_SEPARATOR = "\n"  #: between queue and task; names are printable, so neither contains it

_K = TypeVar("_K")


class TaskStatistics:
    """Totals and history of all tasks that workers counted while the listener was receiving."""

    def __init__(self, clock: Callable[[], float], lock: Lock, balance: BalanceTracker | None = None) -> None:
        self.listening_since: float | None = None  #: monotonic time since when tasks are counted; None before start()
        self._counters = CounterTracker()
        self._balance = balance or BalanceTracker()
        self._clock = clock
        self._lock = lock
        self._histories = {by: History(limit) for by, limit in MAX_ENTRIES.items()}
        self._failures = History(_MAX_FAILING)
        self._releases = ReleaseOutcomes()
        self._unknown = UnknownTasks()
        self._received_at: dict[str, float] = {}  #: by task name

    def start(self, now: float) -> None:
        """Count tasks from now on. Further calls have no effect."""
        with self._lock:
            self._start(now)

    def add_report(self, gossip: Gossip, now: float, release: str = "") -> Mapping[str, float]:
        """Add what has happened since this worker's previous report. The first report starts the counting, too.

        `release` is the one that the worker runs; empty if it is not known. Return `{queue: messages received}`;
        infinity where the number is not known.
        """
        listening_since = self._start(now)
        for (hostname, queue, task), delta in self._counters.deltas(gossip, now, listening_since):
            for by, name in (("queue", queue), ("task", task), ("worker", hostname), ("fleet", "")):
                self._histories[by].add(name, delta, now)
            if delta.counts[_RECEIVED] and (task in self._received_at or len(self._received_at) < _MAX_RECEIVED):
                self._received_at[task] = now
            failed, is_unknown_task = delta.counts[_FAILED], False
            if failed:
                self._failures.add(f"{queue}{_SEPARATOR}{task}", _failures_only(delta), now)
                is_unknown_task = NOT_REGISTERED in delta.failures and _is_unknown(gossip, queue, task)
            if is_unknown_task:
                self._unknown.add(hostname, queue, task, delta.failures[NOT_REGISTERED], now)
            elif release and (failed or delta.counts[_SUCCEEDED]):
                self._releases.add((queue, task, release), failed + delta.counts[_SUCCEEDED], failed, now)
            if self._balance.is_active:
                self._balance.add_received(queue, task, *_received_and_ended(delta.counts))
        if self._counters.baselines:
            self._note_baselines(now)
        return self._counters.received

    def remove_worker(self, hostname: str) -> None:
        """Remove the totals of a worker that left the view."""
        self._counters.remove_worker(hostname)

    def discard_worker(self, hostname: str) -> None:
        """Remove the totals and the history of a worker whose reports were forged."""
        self._counters.discard_worker(hostname)
        self._histories["worker"].remove(hostname)

    def throughput(self, by: GroupBy = "queue", window: float = 60.0) -> dict[str, Throughput]:
        """Return the throughput in the last `window` seconds (three hours at most), `{name: Throughput}`.

        Groups without any task are left out. The queue "" contains tasks whose queue is unknown. Raises ValueError for
        another `by` or an invalid window.
        """
        buckets, since, seconds = self._copy_window(by, window)
        return {name: total.throughput(seconds, since) for name, total in sum_by_name(buckets).items()}

    def counts(self, by: GroupBy = "worker", window: float = 60.0) -> dict[str, Throughput]:
        """Return throughput() without durations and without failures by exception, in a fifth of the time."""
        buckets, since, seconds = self._copy_window(by, window)
        return {name: throughput_of(counts, seconds, since) for name, counts in count_by_name(buckets).items()}

    def series(self, by: GroupBy, name: str, window: float = 120.0, least: float = 1.0) -> tuple[Throughput, ...]:
        """Return the throughput of one group over time: a step per period with any task, oldest first.

        Steps are of 1 s within the last two minutes, then of 10 s within ten minutes, then of 60 s, and never shorter
        than `least` seconds. Their `since` shows which periods had no task. With `least=10` (`least=60`) all steps of
        ten minutes (three hours) have the same length, so that their percentiles can be compared. Raises ValueError as
        throughput() does, and for a `least` that is not one of STEPS or is longer than the window.
        """
        _check(by, window)
        if least not in STEPS or least > max(window, 1.0):
            raise ValueError(f"least: expected one of {STEPS}, and no more seconds than the window, got {least!r}")
        now = self._clock()
        with self._lock:
            since = now if self.listening_since is None else self.listening_since
            buckets = self._histories[by].snapshot(window_start(now, window, least), name)
        return tuple(
            total.throughput(max(min(start + size, now) - max(start, since), 0.0), start)
            for start, size, total in iterate_steps(buckets, name, least)
        )

    def windows_by_queue(self) -> dict[str, ThroughputWindows]:
        """Return each queue's throughput in recent windows, for queues that had a task in the last eleven minutes."""
        now = self._clock()
        oldest = window_start(now, max(start for start, _ in _WINDOWS))
        with self._lock:
            buckets, failures = self._histories["queue"].snapshot(oldest), self._failures.snapshot(oldest)
        windows = []
        for start, end in _WINDOWS:
            since, until = window_start(now, start), now - end
            sums = sum_by_name(buckets, since, until)
            windows.append({name: total.throughput(until - since, since) for name, total in sums.items()})
        last_15_seconds, last_minute, previous = windows
        nothing, tasks = Throughput(seconds=0.0), _failing_tasks(failures)
        return {
            name: ThroughputWindows(
                last_15_seconds=last_15_seconds.get(name, nothing),
                last_minute=last_minute.get(name, nothing),
                previous_ten_minutes=previous.get(name, nothing),
                failing_tasks=tasks.get(name, {}),
            )
            for name in dict.fromkeys((*last_minute, *previous))
        }

    def releases_by_queue(self) -> dict[str, tuple[ReleaseOutcome, ...]]:
        """Return how the tasks of the last eleven minutes ended by release, for queues with several releases."""
        with self._lock:
            minutes = self._releases.copy(self._clock())
        return compare_releases(minutes)

    def unknown_tasks(self) -> tuple[UnknownTask, ...]:
        """Return the tasks of which workers received messages recently that they have not registered."""
        with self._lock:
            found = self._unknown.recent(self._clock())
            known_by = self._started_by({task for _, task in found}) if found else {}
        return tuple(replace(one, known_by=known_by.get(one.task, ())) for one in found.values())

    def runtimes(self, tasks: Iterable[str]) -> dict[str, Distribution]:
        """Return the runtimes of the tasks of these names that ended in the last three hours, `{task name: …}`."""
        now, runtimes = self._clock(), dict[str, Distribution]()
        for name in tasks:
            with self._lock:
                buckets = self._histories["task"].snapshot(window_start(now, MAX_WINDOW), name)
            total = sum_by_name(buckets).get(name)
            if total is not None:
                runtimes[name] = total.throughput(MAX_WINDOW).runtime
        return runtimes

    def received_at(self, tasks: Iterable[str]) -> dict[str, float]:
        """Return when a worker last reported to have received a task of these names, `{task name: monotonic time}`.

        Names of which no task was received since start() are left out.
        """
        with self._lock:
            return {name: self._received_at[name] for name in tasks if name in self._received_at}

    def mean_runtime(self, queue: str) -> float | None:
        """Return the mean seconds that a task of this queue takes; None if none has ended in the last three hours.

        Of the last minute, or of a longer period if too few tasks have ended in it.
        """
        mean = None
        for window in _RUNTIME_WINDOWS:
            now = self._clock()
            with self._lock:
                buckets = self._histories["queue"].snapshot(window_start(now, window), queue)
            total = sum_by_name(buckets).get(queue)
            if total is not None:
                runtime = total.throughput(window).runtime
                mean = runtime.mean
                if runtime.count >= _MIN_RUNTIMES:
                    break
        return mean

    def totals(self) -> dict[tuple[str, str, str], Throughput]:
        """Return the totals since start() of workers in the view, `{(hostname, queue, task): Throughput}`.

        They only grow, also over restarts and lost messages, until the worker leaves the view.
        """
        return dict(self._copy_totals(self._counters.totals))

    def fleet_totals(self) -> dict[tuple[str, str], Throughput]:
        """Return the totals since start() of all workers, `{(queue, task): Throughput}`; includes removed workers."""
        return dict(self._copy_totals(self._counters.fleet_totals))

    @property
    def dropped_series(self) -> int:
        """Number of times that a series or histogram bucket was left out because of a limit."""
        return self._counters.dropped

    @property
    def knows_receipts(self) -> bool:
        """False if a task that is not in received_at() may have been received, because of a limit."""
        return not self._counters.dropped and len(self._received_at) < _MAX_RECEIVED

    @property
    def counted_hostnames(self) -> Collection[str]:
        """Hostnames of workers that have reported counts of tasks. The lock must be held."""
        return self._counters.counted_hostnames()

    def received(self) -> Iterator[tuple[str, str, int, int]]:
        """Yield `(queue, task, received, ended)` of all workers since start(). The lock must be held."""
        for (queue, task), total in self._counters.fleet_totals.items():
            yield queue, task, *_received_and_ended(total.counts)

    def _note_baselines(self, now: float) -> None:
        queues = set(self._counters.baselines)
        self._counters.baselines.clear()
        if self._balance.is_active:
            for queue in queues:
                self._balance.note_baseline(queue, now)

    def _start(self, now: float) -> float:
        if self.listening_since is None:
            self.listening_since = now
        return self.listening_since

    def _started_by(self, tasks: Set[str]) -> dict[str, tuple[str, ...]]:
        """Return `{task: hostnames}` of the workers that have started tasks of these names."""
        started: dict[str, dict[str, None]] = {}
        for (hostname, _, task), total in self._counters.totals.items():
            if task in tasks and total.counts[_STARTED]:
                started.setdefault(task, {})[hostname] = None
        return {task: tuple(hostnames) for task, hostnames in started.items()}

    def _copy_window(self, by: GroupBy, window: float) -> tuple[list[TimeBucket], float, float]:
        """Return the buckets of the window, its start, and the number of seconds of it that were observed."""
        _check(by, window)
        now = self._clock()
        with self._lock:
            since = window_start(now, window)
            return self._histories[by].snapshot(since), since, self._observed_seconds(now, since)

    def _copy_totals(self, totals: Mapping[_K, RunningTotal]) -> Iterator[tuple[_K, Throughput]]:
        """Yield the totals; a batch is copied under the lock, so each total is consistent, but not all together."""
        with self._lock:
            seconds = 0.0 if self.listening_since is None else self._clock() - self.listening_since
            items = iter(list(totals.items()))
        while True:
            with self._lock:
                copies = [(key, total.copy()) for key, total in islice(items, _COPIED_AT_ONCE)]
            if not copies:
                return
            yield from ((key, total.throughput(seconds)) for key, total in copies)

    def _observed_seconds(self, now: float, since: float) -> float:
        first_report_at = self._counters.first_report_at
        observed = 0.0 if first_report_at is None else now - first_report_at
        if observed < _STARTUP:
            return self._counters.mean_reporting_seconds(now - since)
        return min(now - since, observed)


def _received_and_ended(counts: list[int]) -> tuple[int, int]:
    return counts[_RECEIVED], sum(counts[_SUCCEEDED:])


def _failures_only(delta: ThroughputSum) -> ThroughputSum:
    failures = ThroughputSum()
    failures.counts = [count if at == _FAILED else 0 for at, count in enumerate(delta.counts)]
    failures.failures = dict(delta.failures)
    return failures


def _is_unknown(gossip: Gossip, queue: str, task: str) -> bool:
    return any(is_unknown(series) for series in gossip.series if (series.queue, series.task) == (queue, task))


def _failing_tasks(buckets: list[TimeBucket]) -> dict[str, dict[str, dict[str, int]]]:
    """Return `{queue: {task: {exception class: failed}}}`, the task with most failures first."""
    tasks: dict[str, dict[str, dict[str, int]]] = {}
    for name, total in sorted(sum_by_name(buckets).items(), key=lambda one: -one[1].counts[_FAILED]):
        queue, _, task = name.partition(_SEPARATOR)
        tasks.setdefault(queue, {})[task] = total.failures
    return tasks


def _check(by: str, window: float) -> None:
    if by not in MAX_ENTRIES:
        raise ValueError(f"by: expected one of {', '.join(MAX_ENTRIES)}, got {by!r}")
    if not 0 < window <= MAX_WINDOW:
        raise ValueError(f"window: expected seconds above 0 and at most {MAX_WINDOW:.0f}, got {window!r}")
