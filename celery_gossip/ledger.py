"""Ledger: from what each worker has counted since its start to what has happened since we listen. Pure.

Used by the Cluster under its lock. Workers tell cumulative figures, so a message that was lost costs nothing; a worker
that starts anew (another boot) begins at zero, and the sums go on.
"""

from collections import OrderedDict
from collections.abc import Iterator
from enum import Enum

from celery_gossip.messages import Gossip, Histogram, TaskSeries
from celery_gossip.throughput import Tally

__all__ = ["MAX_SERIES", "Key", "Ledger"]

MAX_SERIES = 20_000  #: of all workers together; further ones are dropped, and counted
MAX_BUCKETS = 1_000_000  #: of all histograms together, likewise
_MAX_FLEET_SERIES = 10_000  #: pairs of queue and task, whichever worker they were on
_MOST_BOOTS = 10  #: followed per hostname, two more than a Member follows
_MOST_PAST_BOOTS = 10_000  #: remembered as such, so that one which speaks again is not taken for new

Key = tuple[str, str, str]  #: hostname, queue, task


class Past(Enum):
    """What is known of a series before it is told."""

    NOTHING = "nothing"  #: it is older than our listening: its first telling is where its figures begin
    BIRTH = "birth"  #: all that it counts has happened since we listen
    FOLLOWED = "followed"  #: it was told before


class Ledger:
    """Follows every series of every boot. `totals` and `fleet_totals` only grow, until their worker is forgotten.

    `fleet_totals` outlive the workers: they are what a counter without hostnames needs.
    """

    def __init__(self) -> None:
        self.totals: dict[Key, Tally] = {}
        self.fleet_totals: dict[tuple[str, str], Tally] = {}
        self.dropped = 0  #: times that a series or a bucket was left out, for there are too many
        self._boots: dict[str, OrderedDict[str, dict[tuple[str, str], Tally]]] = {}
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
        self, key: Key, series: TaskSeries, known: dict[tuple[str, str], Tally], past: Past
    ) -> Tally | None:
        """What has moved; None where nothing has, or where it is one series too many."""
        name = key[1:]
        if name in known:
            past = Past.FOLLOWED if past is Past.NOTHING else past
        elif key not in self.totals and len(self.totals) >= MAX_SERIES:
            self.dropped += 1
            return None
        moved = self._moved(series, known.setdefault(name, Tally()), past)
        total = self.totals.setdefault(key, Tally())
        if not moved:
            return None
        total.add(moved)
        if name in self.fleet_totals or len(self.fleet_totals) < _MAX_FLEET_SERIES:
            self.fleet_totals.setdefault(name, Tally()).add(moved)
        return moved

    def _moved(self, series: TaskSeries, known: Tally, past: Past) -> Tally:
        moved, counts = Tally(), _counts_of(series)
        if past is not Past.NOTHING:
            moved.counts = [max(0, now - then) for now, then in zip(counts, known.counts, strict=True)]
            grown = {kind: count - known.failures.get(kind, 0) for kind, count in series.failed.items()}
            moved.failures = {kind: count for kind, count in grown.items() if count > 0}
        known.counts, known.failures = counts, series.failed
        if series.runtime is not None:
            moved.runtime, moved.runtime_total = self._moved_in(
                series.runtime, known.runtime, known.runtime_total, past
            )
            known.runtime_total = series.runtime.total
        if series.wait is not None:
            moved.wait, moved.wait_total = self._moved_in(series.wait, known.wait, known.wait_total, past)
            known.wait_total = series.wait.total
        return moved

    def _moved_in(
        self, histogram: Histogram, known: dict[int, int], total: float, past: Past
    ) -> tuple[dict[int, int], float]:
        """`{bucket: more than before}` and seconds in sum. A bucket is listed when it changed in three gossips, so one

        that is heard of late has grown by what is recent of it.
        """
        moved = {}
        for bucket, count, recent in histogram.buckets:
            then = known.get(bucket)
            if then is None:
                if self._buckets >= MAX_BUCKETS:
                    self.dropped += 1
                    continue
                self._buckets += 1
                then = {Past.NOTHING: count, Past.BIRTH: 0, Past.FOLLOWED: max(0, count - recent)}[past]
            known[bucket] = count
            if count > then:
                moved[bucket] = count - then
        return moved, 0.0 if past is Past.NOTHING else max(0.0, histogram.total - total)

    def _forget_boot(self, boot: str, known: dict[tuple[str, str], Tally]) -> None:
        self._buckets -= sum(len(one.runtime) + len(one.wait) for one in known.values())
        self._past_boots[boot] = None
        while len(self._past_boots) > _MOST_PAST_BOOTS:
            self._past_boots.popitem(last=False)


def _counts_of(series: TaskSeries) -> list[int]:
    return [
        series.received,
        series.started,
        series.succeeded,
        sum(series.failed.values()),
        series.retried,
        series.revoked,
        series.rejected,
    ]
