"""CounterTracker: derives increments from the cumulative counters that workers report. Pure.

Used by TaskStatistics under the Cluster's lock. A report contains counters since the worker's start, so a lost message
costs nothing. A restarted worker (another instance id, `boot`) starts at zero, and the totals continue.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator
from math import inf
from operator import sub

from celery_gossip.cluster.packed import PackedHistogram, RunningTotal
from celery_gossip.cluster.throughput import COUNTS, ThroughputSum
from celery_gossip.wire.messages import Gossip, Histogram, TaskSeries

__all__ = ["MAX_SERIES", "CounterTracker", "SeriesKey"]

MAX_SERIES = 20_000  #: series of all workers; further ones are dropped and counted
MAX_BUCKETS = 1_000_000  #: histogram buckets of all workers; further ones are dropped and counted
_MAX_FLEET_SERIES = 10_000  #: pairs of queue and task name, over all workers
_MAX_INSTANCES = 10  #: instances tracked per hostname, two more than a Member tracks
_MAX_REMOVED_INSTANCES = 10_000  #: removed instances that are remembered, so that a late report is not taken for new

_FAILED, _RECEIVED = COUNTS.index("failed"), COUNTS.index("received")

SeriesKey = tuple[str, str, str]  #: hostname, queue, task


class _HistogramState:
    """Latest values of one histogram of one instance."""

    __slots__ = ("buckets", "count", "total")

    def __init__(self) -> None:
        self.buckets = PackedHistogram()
        self.count = 0
        self.total = 0.0  #: seconds

    @property
    def is_complete(self) -> bool:
        """True if every bucket is known: a bucket that was never listed was empty."""
        return self.buckets.sum == self.count


class _SeriesState:
    """Latest values of one series of one instance."""

    __slots__ = ("counts", "failures", "runtime", "starts_at_zero", "wait", "was_reported")

    def __init__(self, *, starts_at_zero: bool) -> None:
        self.starts_at_zero = starts_at_zero  #: everything it counts happened while we were listening; decided once
        self.was_reported = False
        self.counts = [0] * len(COUNTS)
        self.failures: dict[str, int] = {}
        self.runtime, self.wait = _HistogramState(), _HistogramState()

    @property
    def is_baseline(self) -> bool:
        """True if the next report is only a baseline: it includes tasks from before we listened."""
        return not (self.starts_at_zero or self.was_reported)


class CounterTracker:
    """Tracks every series of every instance. `totals` only grow until their worker is removed.

    `fleet_totals` also include removed workers, as a counter without a hostname label requires.
    """

    def __init__(self) -> None:
        self.totals: dict[SeriesKey, RunningTotal] = {}
        self.fleet_totals: dict[tuple[str, str], RunningTotal] = {}
        self.dropped = 0  #: number of times that a series or bucket was left out because of a limit
        self.baselines: list[str] = []  #: queues of series whose first value was a baseline; emptied by the owner
        self.first_report_at: float | None = None  #: monotonic time of the first report of any worker
        #: `{queue: messages received}` in the latest report; infinity if a series is not known that far.
        self.received: dict[str, float] = {}
        self._instances: dict[str, OrderedDict[str, dict[tuple[str, str], _SeriesState]]] = {}
        self._removed_instances: OrderedDict[tuple[str, str], None] = OrderedDict()  #: (hostname, boot)
        self._buckets = self._fleet_buckets = 0
        self._report_times: dict[str, tuple[float, float]] = {}  #: hostname: first and latest report

    def deltas(self, gossip: Gossip, now: float, listening_since: float) -> Iterator[tuple[SeriesKey, ThroughputSum]]:
        """Yield the increments since this instance's previous report, by series.

        The first report of a series that is older than `listening_since` is only a baseline.
        """
        self.received = {}
        first, _ = self._report_times.get(gossip.hostname, (now, now))
        self._report_times[gossip.hostname] = (first, now)
        self.first_report_at = now if self.first_report_at is None else self.first_report_at
        if not gossip.series and gossip.hostname not in self._instances:
            return
        states = self._states_of(gossip.hostname, gossip.boot)
        hostname = gossip.hostname
        is_removed = (hostname, gossip.boot) in self._removed_instances
        max_age = -1.0 if is_removed else now - listening_since  # ages are never negative
        for series in gossip.series:
            key = (hostname, series.queue, series.task)
            delta = self._series_delta(key, series, states, starts_at_zero=series.age <= max_age)
            if delta is not None:
                yield key, delta

    def counted_hostnames(self) -> Collection[str]:
        """Return the hostnames of workers that have reported any series."""
        return self._instances.keys()

    def remove_worker(self, hostname: str) -> None:
        """Remove the totals of a worker that left the view."""
        self._report_times.pop(hostname, None)
        for boot, states in self._instances.pop(hostname, {}).items():
            for queue, task in states:
                self.totals.pop((hostname, queue, task), None)
            self._remove_instance(hostname, boot, states)

    def discard_worker(self, hostname: str) -> None:
        """Remove a worker whose reports were forged; later reports of these instances count as new."""
        reported = [(hostname, boot) for boot in self._instances.get(hostname, ())]
        forged = [instance for instance in reported if instance not in self._removed_instances]
        self.remove_worker(hostname)
        for instance in forged:
            self._removed_instances.pop(instance, None)

    def mean_reporting_seconds(self, window: float) -> float:
        """Return the mean of the seconds between the first and the latest report of a worker, at most `window`."""
        spans = [latest - first for first, latest in self._report_times.values() if latest > first]
        return min(window, sum(spans) / len(spans)) if spans else 0.0

    def _states_of(self, hostname: str, boot: str) -> dict[tuple[str, str], _SeriesState]:
        """Return the states of this instance, which becomes the most recent one of its hostname."""
        instances = self._instances.setdefault(hostname, OrderedDict())
        states = instances.get(boot)
        if states is None:
            states = instances[boot] = {}
            while len(instances) > _MAX_INSTANCES:
                self._remove_instance(hostname, *instances.popitem(last=False))
        instances.move_to_end(boot)
        return states

    def _series_delta(
        self, key: SeriesKey, series: TaskSeries, states: dict[tuple[str, str], _SeriesState], *, starts_at_zero: bool
    ) -> ThroughputSum | None:
        """Return the increments of this series; None if nothing changed or the series exceeds the limit."""
        name = key[1:]
        state = states.get(name)
        if state is None:
            self.received[key[1]] = 0.0 if starts_at_zero else inf
            if key not in self.totals and len(self.totals) >= MAX_SERIES:
                self.dropped += 1
                self.received[key[1]] = inf
                return None
            state = states[name] = _SeriesState(starts_at_zero=starts_at_zero)
            if not starts_at_zero:
                self.baselines.append(series.queue)
            self.totals[key] = self.totals.get(key) or RunningTotal()
        delta = self._delta(series, state)
        state.was_reported = True
        if not delta:
            return None
        self.totals[key].add(delta)
        self._add_to_fleet(name, delta)
        if delta.counts[_RECEIVED]:
            self.received[key[1]] = self.received.get(key[1], 0.0) + delta.counts[_RECEIVED]
        return delta

    def _add_to_fleet(self, name: tuple[str, str], delta: ThroughputSum) -> None:
        total = self.fleet_totals.get(name)
        if total is None:
            if len(self.fleet_totals) >= _MAX_FLEET_SERIES or self._fleet_buckets >= MAX_BUCKETS:
                self.dropped += 1
                return
            total = self.fleet_totals[name] = RunningTotal()
        before = total.bucket_count
        total.add(delta)
        self._fleet_buckets += total.bucket_count - before

    def _delta(self, series: TaskSeries, state: _SeriesState) -> ThroughputSum | None:
        counts = _counts_of(series)
        if (
            counts == state.counts
            and _is_unchanged(series.runtime, state.runtime)
            and _is_unchanged(series.wait, state.wait)
        ):
            return None  # a series is repeated in three reports, because a message may be lost
        delta = ThroughputSum()
        if counts != state.counts and not state.is_baseline:
            delta.counts = [more if more > 0 else 0 for more in map(sub, counts, state.counts)]
            if delta.counts[_FAILED]:
                increases = {kind: count - state.failures.get(kind, 0) for kind, count in series.failed.items()}
                delta.failures = {kind: count for kind, count in increases.items() if count > 0}
        state.counts, state.failures = counts, series.failed
        if series.runtime is not None:
            delta.runtime, delta.runtime_total = self._histogram_delta(series.runtime, state.runtime, state)
        if series.wait is not None:
            delta.wait, delta.wait_total = self._histogram_delta(series.wait, state.wait, state)
        return delta

    def _histogram_delta(
        self, histogram: Histogram, known: _HistogramState, state: _SeriesState
    ) -> tuple[dict[int, int], float]:
        """Return `{bucket: increase}` and the increase of the sum of seconds."""
        increase = 0.0 if state.is_baseline else max(0.0, histogram.total - known.total)
        was_complete, known.count, known.total = known.is_complete, histogram.count, histogram.total
        if known.is_complete:  # all observations are in known buckets, so no bucket can have changed
            return {}, increase
        increases, new, left_out = known.buckets.update(histogram.buckets, MAX_BUCKETS - self._buckets)
        self._buckets += len(new)
        self.dropped += left_out
        for bucket, count, recent in new:
            before = _previous_count(count, recent, state, was_complete=was_complete)
            if count > before:
                increases[bucket] = increases.get(bucket, 0) + count - before
        return increases, increase

    def _remove_instance(self, hostname: str, boot: str, states: dict[tuple[str, str], _SeriesState]) -> None:
        self._buckets -= sum(len(one.runtime.buckets) + len(one.wait.buckets) for one in states.values())
        self._removed_instances[hostname, boot] = None
        while len(self._removed_instances) > _MAX_REMOVED_INSTANCES:
            self._removed_instances.popitem(last=False)


def _is_unchanged(histogram: Histogram | None, known: _HistogramState) -> bool:
    """Return True if the histogram equals the known one, and every bucket of it is known."""
    return histogram is None or (
        histogram.count == known.count and histogram.total == known.total and known.buckets.sum == known.count
    )


def _previous_count(count: int, recent: int, state: _SeriesState, *, was_complete: bool) -> int:
    """Return the count that a bucket, listed for the first time, had in the previous report of its series.

    If some buckets were unknown, all but `recent` are assumed to have been there. That is too high if the bucket also
    grew in reports that were lost.
    """
    if state.is_baseline:
        return count
    return 0 if state.starts_at_zero or was_complete else max(0, count - recent)


def _counts_of(series: TaskSeries) -> list[int]:
    return [
        series.received,
        series.started,
        series.succeeded,
        sum(series.failed.values()) if series.failed else 0,
        series.retried,
        series.revoked,
        series.rejected,
    ]
