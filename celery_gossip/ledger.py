"""Ledger: from what each worker has counted since its start to what has happened since we listen. Pure.

Used by the Cluster under its lock. Workers tell cumulative figures, so a message that was lost costs nothing; a worker
that starts anew (another boot) begins at zero, and the sums go on.
"""

from collections import OrderedDict
from collections.abc import Iterator
from operator import sub

from celery_gossip.compact import Buckets, Total
from celery_gossip.messages import Gossip, Histogram, TaskSeries
from celery_gossip.throughput import COUNTS, Tally

__all__ = ["MAX_SERIES", "Key", "Ledger"]

MAX_SERIES = 20_000  #: of all workers together; further ones are dropped, and counted
MAX_BUCKETS = 1_000_000  #: of all histograms together, likewise
_MAX_FLEET_SERIES = 10_000  #: pairs of queue and task, whichever worker they were on
_MOST_BOOTS = 10  #: followed per hostname, two more than a Member follows
_MOST_PAST_BOOTS = 10_000  #: remembered as such, so that one which speaks again is not taken for new

_FAILED = COUNTS.index("failed")

Key = tuple[str, str, str]  #: hostname, queue, task


class _Times:
    """What a boot has told of one histogram."""

    __slots__ = ("buckets", "count", "total")

    def __init__(self) -> None:
        self.buckets = Buckets()
        self.count = 0
        self.total = 0.0  #: seconds

    @property
    def is_whole(self) -> bool:
        """Whether every bucket is known, and so one that was not listed yet was empty."""
        return self.buckets.sum == self.count


class _Known:
    """What a boot has told of one series, the latest of everything."""

    __slots__ = ("counts", "failures", "is_born", "is_followed", "runtime", "wait")

    def __init__(self, *, is_born: bool) -> None:
        self.is_born = is_born  #: all that it counts has happened since we listen; decided once
        self.is_followed = False  #: it was told before
        self.counts = [0] * len(COUNTS)
        self.failures: dict[str, int] = {}
        self.runtime, self.wait = _Times(), _Times()

    @property
    def has_past(self) -> bool:
        """Whether what it counts now is its own past, of which nothing is known."""
        return not (self.is_born or self.is_followed)


class Ledger:
    """Follows every series of every boot. `totals` and `fleet_totals` only grow, until their worker is forgotten.

    `fleet_totals` outlive the workers: they are what a counter without hostnames needs.
    """

    def __init__(self) -> None:
        self.totals: dict[Key, Total] = {}
        self.fleet_totals: dict[tuple[str, str], Total] = {}
        self.dropped = 0  #: times that a series or a bucket was left out, for there are too many
        self._boots: dict[str, OrderedDict[str, dict[tuple[str, str], _Known]]] = {}
        self._past_boots: OrderedDict[tuple[str, str], None] = OrderedDict()  #: with their hostnames
        self._buckets = self._fleet_buckets = 0
        self.first_heard: float | None = None  #: monotonic seconds, of anybody
        self._heard: dict[str, tuple[float, float]] = {}  #: hostname: first and latest

    def take(self, gossip: Gossip, now: float, began_at: float) -> Iterator[tuple[Key, Tally]]:
        """What has happened since this boot was last heard, by series; `began_at`: since when we listen.

        A series that is older than that has a past which is not known, so it counts from its first telling on.
        """
        first, _ = self._heard.get(gossip.hostname, (now, now))
        self._heard[gossip.hostname] = (first, now)
        self.first_heard = now if self.first_heard is None else self.first_heard
        if not gossip.series and gossip.hostname not in self._boots:
            return
        boots = self._boots.setdefault(gossip.hostname, OrderedDict())
        known = boots.get(gossip.boot)
        if known is None:
            known = boots[gossip.boot] = {}
            while len(boots) > _MOST_BOOTS:
                self._forget_boot(gossip.hostname, *boots.popitem(last=False))
        boots.move_to_end(gossip.boot)
        for series in gossip.series:
            key = (gossip.hostname, series.queue, series.task)
            is_born = series.age <= now - began_at and (gossip.hostname, gossip.boot) not in self._past_boots
            moved = self._take_series(key, series, known, is_born=is_born)
            if moved is not None:
                yield key, moved

    def forget(self, hostname: str) -> None:
        """This worker has left the view."""
        self._heard.pop(hostname, None)
        for boot, known in self._boots.pop(hostname, {}).items():
            for queue, task in known:
                self.totals.pop((hostname, queue, task), None)
            self._forget_boot(hostname, boot, known)

    def take_back(self, hostname: str) -> None:
        """What was told of this worker was not its own word: forget that, and do not hold it against its boots."""
        claimed = [(hostname, boot) for boot in self._boots.get(hostname, ())]
        forged = [boot for boot in claimed if boot not in self._past_boots]
        self.forget(hostname)
        for boot in forged:
            self._past_boots.pop(boot, None)

    def heard_for(self, window: float) -> float:
        """Seconds between the first and the latest word of a worker, on average, `window` at most."""
        spans = [latest - first for first, latest in self._heard.values() if latest > first]
        return min(window, sum(spans) / len(spans)) if spans else 0.0

    def _take_series(
        self, key: Key, series: TaskSeries, boot: dict[tuple[str, str], _Known], *, is_born: bool
    ) -> Tally | None:
        """What has moved; None where nothing has, or where it is one series too many."""
        name = key[1:]
        known = boot.get(name)
        if known is None:
            if key not in self.totals and len(self.totals) >= MAX_SERIES:
                self.dropped += 1
                return None
            known = boot[name] = _Known(is_born=is_born)
            self.totals[key] = self.totals.get(key) or Total()
        moved = self._moved(series, known)
        known.is_followed = True
        if not moved:
            return None
        self.totals[key].add(moved)
        self._add_to_fleet(name, moved)
        return moved

    def _add_to_fleet(self, name: tuple[str, str], moved: Tally) -> None:
        total = self.fleet_totals.get(name)
        if total is None:
            if len(self.fleet_totals) >= _MAX_FLEET_SERIES or self._fleet_buckets >= MAX_BUCKETS:
                self.dropped += 1
                return
            total = self.fleet_totals[name] = Total()
        before = total.size
        total.add(moved)
        self._fleet_buckets += total.size - before

    def _moved(self, series: TaskSeries, known: _Known) -> Tally | None:
        counts = _counts_of(series)
        if counts == known.counts and _is_known(series.runtime, known.runtime) and _is_known(series.wait, known.wait):
            return None  # a series is told in three gossips, for one may be lost
        moved = Tally()
        if counts != known.counts and not known.has_past:
            moved.counts = [more if more > 0 else 0 for more in map(sub, counts, known.counts)]
            if moved.counts[_FAILED]:
                grown = {kind: count - known.failures.get(kind, 0) for kind, count in series.failed.items()}
                moved.failures = {kind: count for kind, count in grown.items() if count > 0}
        known.counts, known.failures = counts, series.failed
        if series.runtime is not None:
            moved.runtime, moved.runtime_total = self._moved_in(series.runtime, known.runtime, known)
        if series.wait is not None:
            moved.wait, moved.wait_total = self._moved_in(series.wait, known.wait, known)
        return moved

    def _moved_in(self, histogram: Histogram, times: _Times, known: _Known) -> tuple[dict[int, int], float]:
        """`{bucket: more than before}`, and seconds in sum."""
        grown = 0.0 if known.has_past else max(0.0, histogram.total - times.total)
        is_whole, times.count, times.total = times.is_whole, histogram.count, histogram.total
        if times.is_whole:  # all is known that there is, so nothing can have moved
            return {}, grown
        moved, new, left_out = times.buckets.take(histogram.buckets, MAX_BUCKETS - self._buckets)
        self._buckets += len(new)
        self.dropped += left_out
        for bucket, count, recent in new:
            then = _unheard(count, recent, known, is_whole=is_whole)
            if count > then:
                moved[bucket] = moved.get(bucket, 0) + count - then
        return moved, grown

    def _forget_boot(self, hostname: str, boot: str, known: dict[tuple[str, str], _Known]) -> None:
        self._buckets -= sum(len(one.runtime.buckets) + len(one.wait.buckets) for one in known.values())
        self._past_boots[hostname, boot] = None
        while len(self._past_boots) > _MOST_PAST_BOOTS:
            self._past_boots.popitem(last=False)


def _is_known(histogram: Histogram | None, times: _Times) -> bool:
    """Whether it says nothing new: every bucket that there is is known already."""
    return histogram is None or (
        histogram.count == times.count and histogram.total == times.total and times.buckets.sum == times.count
    )


def _unheard(count: int, recent: int, known: _Known, *, is_whole: bool) -> int:
    """What there was of a bucket that is listed for the first time, when its series was told before.

    Where not every bucket was known, it had not changed in the three gossips before that telling, but may have since,
    in messages that were lost: then this is too much.
    """
    if known.has_past:
        return count
    return 0 if known.is_born or is_whole else max(0, count - recent)


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
