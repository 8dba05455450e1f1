"""Ledger: from what each worker has counted since its start to what has happened since we listen. Pure.

Used by the Cluster under its lock. Workers tell cumulative figures, so a message that was lost costs nothing; a worker
that starts anew (another boot) begins at zero, and the sums go on.
"""

from collections import OrderedDict
from collections.abc import Iterator
from enum import Enum
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


class Past(Enum):
    """What is known of a series before it is told."""

    NOTHING = "nothing"  #: it is older than our listening: its first telling is where its figures begin
    BIRTH = "birth"  #: all that it counts has happened since we listen
    FOLLOWED = "followed"  #: it was told before


class _Known:
    """What a boot has told of one series, the latest of everything."""

    __slots__ = ("counts", "failures", "runtime", "runtime_total", "wait", "wait_total")

    def __init__(self) -> None:
        self.counts = [0] * len(COUNTS)
        self.failures: dict[str, int] = {}
        self.runtime, self.wait = Buckets(), Buckets()
        self.runtime_total = self.wait_total = 0.0


class Ledger:
    """Follows every series of every boot. `totals` and `fleet_totals` only grow, until their worker is forgotten.

    `fleet_totals` outlive the workers: they are what a counter without hostnames needs.
    """

    def __init__(self) -> None:
        self.totals: dict[Key, Total] = {}
        self.fleet_totals: dict[tuple[str, str], Tally] = {}
        self.dropped = 0  #: times that a series or a bucket was left out, for there are too many
        self._boots: dict[str, OrderedDict[str, dict[tuple[str, str], _Known]]] = {}
        self._past_boots: OrderedDict[str, None] = OrderedDict()
        self._buckets = 0
        self._heard: dict[str, tuple[float, float]] = {}  #: hostname: first and latest

    def take(self, gossip: Gossip, now: float, began_at: float) -> Iterator[tuple[Key, Tally]]:
        """What has happened since this boot was last heard, by series; `began_at`: since when we listen.

        A series that is older than that has a past which is not known, so it counts from its first telling on.
        """
        first, _ = self._heard.get(gossip.hostname, (now, now))
        self._heard[gossip.hostname] = (first, now)
        if not gossip.series and gossip.hostname not in self._boots:
            return
        boots = self._boots.setdefault(gossip.hostname, OrderedDict())
        known = boots.get(gossip.boot)
        if known is None:
            known = boots[gossip.boot] = {}
            while len(boots) > _MOST_BOOTS:
                self._forget_boot(*boots.popitem(last=False))
        boots.move_to_end(gossip.boot)
        for series in gossip.series:
            key = (gossip.hostname, series.queue, series.task)
            moved = self._take_series(key, series, known, self._past_of(gossip, series, now - began_at))
            if moved is not None:
                yield key, moved

    def forget(self, hostname: str) -> None:
        """This worker has left the view."""
        self._heard.pop(hostname, None)
        for boot, known in self._boots.pop(hostname, {}).items():
            for queue, task in known:
                self.totals.pop((hostname, queue, task), None)
            self._forget_boot(boot, known)

    def heard_for(self, window: float) -> float:
        """Seconds between the first and the latest word of a worker, on average, `window` at most."""
        spans = [latest - first for first, latest in self._heard.values() if latest > first]
        return min(window, sum(spans) / len(spans)) if spans else 0.0

    def _past_of(self, gossip: Gossip, series: TaskSeries, listened: float) -> Past:
        is_known_boot = gossip.boot in self._past_boots
        return Past.BIRTH if series.age <= listened and not is_known_boot else Past.NOTHING

    def _take_series(
        self, key: Key, series: TaskSeries, known: dict[tuple[str, str], _Known], past: Past
    ) -> Tally | None:
        """What has moved; None where nothing has, or where it is one series too many."""
        name = key[1:]
        followed = known.get(name)
        if followed is None:
            if key not in self.totals and len(self.totals) >= MAX_SERIES:
                self.dropped += 1
                return None
            followed = known[name] = _Known()
            self.totals[key] = self.totals.get(key) or Total()
        elif past is Past.NOTHING:
            past = Past.FOLLOWED
        moved = self._moved(series, followed, past)
        if not moved:
            return None
        self.totals[key].add(moved)
        self._add_to_fleet(name, moved)
        return moved

    def _add_to_fleet(self, name: tuple[str, str], moved: Tally) -> None:
        total = self.fleet_totals.get(name)
        if total is None:
            if len(self.fleet_totals) >= _MAX_FLEET_SERIES:
                return
            total = self.fleet_totals[name] = Tally()
        total.add(moved)

    def _moved(self, series: TaskSeries, known: _Known, past: Past) -> Tally:
        moved, counts = Tally(), _counts_of(series)
        if past is not Past.NOTHING and counts != known.counts:
            moved.counts = [more if more > 0 else 0 for more in map(sub, counts, known.counts)]
            if moved.counts[_FAILED]:
                grown = {kind: count - known.failures.get(kind, 0) for kind, count in series.failed.items()}
                moved.failures = {kind: count for kind, count in grown.items() if count > 0}
        known.counts, known.failures = counts, series.failed
        if series.runtime is not None:
            moved.runtime = self._moved_in(series.runtime, known.runtime, past)
            moved.runtime_total = _grown(series.runtime.total, known.runtime_total, past)
            known.runtime_total = series.runtime.total
        if series.wait is not None:
            moved.wait = self._moved_in(series.wait, known.wait, past)
            moved.wait_total = _grown(series.wait.total, known.wait_total, past)
            known.wait_total = series.wait.total
        return moved

    def _moved_in(self, histogram: Histogram, known: Buckets, past: Past) -> dict[int, int]:
        """`{bucket: more than before}`. A bucket is listed when it changed in three gossips, so one that is heard of

        late has grown by what is recent of it. Where all is known that there is, nothing can have moved.
        """
        if known.sum == histogram.count:
            return {}
        moved, new, left_out = known.take(histogram.buckets, MAX_BUCKETS - self._buckets)
        self._buckets += len(new)
        self.dropped += left_out
        for bucket, count, recent in new:
            then = _unheard(count, recent, past)
            if count > then:
                moved[bucket] = moved.get(bucket, 0) + count - then
        return moved

    def _forget_boot(self, boot: str, known: dict[tuple[str, str], _Known]) -> None:
        self._buckets -= sum(len(one.runtime) + len(one.wait) for one in known.values())
        self._past_boots[boot] = None
        while len(self._past_boots) > _MOST_PAST_BOOTS:
            self._past_boots.popitem(last=False)


def _unheard(count: int, recent: int, past: Past) -> int:
    """What there was of a bucket before we listened."""
    if past is Past.NOTHING:
        return count
    return 0 if past is Past.BIRTH else max(0, count - recent)


def _grown(now: float, then: float, past: Past) -> float:
    return 0.0 if past is Past.NOTHING else max(0.0, now - then)


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
