"""QueueAges: between which limits the age of the oldest waiting message of each queue is. Pure; time is passed in.

Owned by the Cluster and used under its lock. All times are seconds on the listener's monotonic clock.

Not older than: queues are first in, first out, so a message that waits was sent after the newest one that any worker
has received, and after the queue was last seen empty. Messages that return to a queue are older; from the end or
reconnect of a worker on, the limit is unknown until a message behind them was received.

At least as old as: if fewer messages have left the queue since a time than waited then, one of those still waits. What
leaves is what the workers count as received, and more if the queue is shorter than that explains. Counts that may be
incomplete invalidate all earlier times.
"""

from collections.abc import Collection, Iterable, Mapping
from heapq import nsmallest
from math import inf, isinf
from typing import NamedTuple

from celery_gossip.wire.messages import OTHER, Gossip

__all__ = ["UNKNOWN", "AgeLimits", "QueueAges"]

MAX_QUEUES = 10_000  #: queues that are remembered, those without a worker included
_EVICTED_SHARE = 10  #: one in ten is forgotten at the limit
_MAX_LEVELS = 48  #: times of one queue that are kept
_MAX_GAP = 3  #: a change of a series is in three reports, so the counts are complete if at most two were lost
_MAX_FIRST_SEQ = 3  #: a worker whose first report received has a higher number may have received messages before
_SETTLE = 3.0  #: seconds, and two intervals, after which reports are newer than a return of messages
_TOLERANCE = 2.0  #: seconds by which the limits may contradict each other: delayed reports, and clocks that differ
_JITTER = 1.0  #: seconds by which a report may arrive later than another


class AgeLimits(NamedTuple):
    """Limits of the age of the oldest message of a queue, as times."""

    waited_at: float | None  #: one message waits that already waited then; None if not known
    as_of: float  #: time at which messages were last seen in the queue
    sent_after: float | None  #: no waiting message was sent before; None if not known

    def ages(self, now: float, reported_at: float) -> tuple[float, float | None]:
        """Return the least and the greatest age in seconds; 0.0 and None where nothing is known.

        The least age is that at the latest time for which it is certain: `reported_at`, the oldest of the latest
        reports of the queue's workers, or `as_of`. If the limits contradict each other, an assumption is wrong, and
        both are unknown.
        """
        least = 0.0 if self.waited_at is None else max(0.0, min(self.as_of, reported_at) - self.waited_at)
        if self.sent_after is None:
            return least, None
        greatest = max(0.0, now - self.sent_after)
        return (0.0, None) if least > greatest + _TOLERANCE else (min(least, greatest), greatest)


UNKNOWN = AgeLimits(None, -inf, None)


class _Queue:
    """Evidence about one queue."""

    __slots__ = (
        "empty_at",
        "levels",
        "newest_at",
        "newest_from",
        "read_at",
        "received",
        "received_at_read",
        "returned",
    )

    def __init__(self) -> None:
        self.newest_at = -inf  #: time at which the newest message that was received had been sent
        self.newest_from = ""  #: instance that received it
        self.empty_at = -inf  #: time after which the queue was seen empty
        self.read_at = -inf  #: time of the latest read of the length
        self.received = 0  #: messages that left the queue
        self.received_at_read: int | None = None  #: the same at the latest read
        #: `(time, messages that had entered the queue)`, both ascending. The latter counts from any start.
        self.levels: list[tuple[float, int]] = []
        #: `(time until which reports may be older than the return, newest_at until then)` while messages that returned
        #: may wait; None if none do.
        self.returned: tuple[float, float] | None = None

    def note_received(self, at: float, now: float) -> None:
        """Note, while messages that returned may wait, that one was received that was sent at this time."""
        if self.returned is not None:
            settled_at, mark = self.returned
            if now <= settled_at:
                self.returned = (settled_at, max(mark, at))
            elif at > mark + _JITTER:  # a message behind those that returned
                self.returned = None

    def note_returned(self, settled_at: float) -> None:
        mark = self.newest_at if self.returned is None else max(self.returned[1], self.newest_at)
        self.returned, self.empty_at = (settled_at, mark), -inf

    def note_length(self, length: int, now: float, before: float) -> None:
        """Note the length that was read between `before` and `now`."""
        if not length:
            self.levels.clear()
            self.empty_at = before
            if self.returned is not None and before > self.returned[0]:
                self.returned = None
        elif self.received_at_read is not None:
            self._add_level(length, now)
        self.received_at_read, self.read_at = self.received, now

    def _add_level(self, length: int, now: float) -> None:
        highest = self.levels[-1][1] if self.levels else -1
        # Not even all that is counted by now explains why the queue is so short: something else has removed messages.
        self.received += max(0, highest - (self.received + length))
        # As counted before this read: what left since may have been in the queue when it was read.
        level = (self.received_at_read or 0) + length
        if level > highest:
            self.levels.append((now, level))
            if len(self.levels) > _MAX_LEVELS:
                self._drop_level()

    def _drop_level(self) -> None:
        """Drop a time that is close to its neighbours, so that the others are spread evenly."""
        levels = self.levels
        gaps = [after[0] - before[0] for before, after in zip(levels, levels[2:], strict=False)]
        del levels[1 + min(range(len(gaps)), key=gaps.__getitem__)]

    def limits(self) -> AgeLimits:
        levels = self.levels
        while levels and levels[0][1] <= self.received:
            levels.pop(0)
        sent_after = max(self.newest_at, self.empty_at)
        is_known = self.returned is None and not isinf(sent_after)
        return AgeLimits(levels[0][0] if levels else None, self.read_at, sent_after if is_known else None)


class QueueAges:
    """Derives the limits from reports and queue lengths. Bounded to MAX_QUEUES."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._read_at = -inf  #: time of the latest set_lengths(): the next lengths are read after it

    def __contains__(self, queue: str) -> bool:
        """Return True if this queue was reported, or its length was read."""
        return queue in self._queues

    def limits(self, queues: Iterable[str]) -> dict[str, AgeLimits]:
        """Return what is known of these queues."""
        known = self._queues
        return {queue: known[queue].limits() for queue in queues if queue in known}

    def add_report(self, gossip: Gossip, previous: Gossip | None, received: Mapping[str, float], now: float) -> None:
        """Add a report. `previous` is the one before: of the same instance, or else of the current one of its hostname.

        `received`: messages by queue that were received since that report; infinity if their number is not known.
        """
        if previous is not None and previous.boot != gossip.boot:
            if previous.state == "online":
                self.note_end(previous, now)
            elif previous.state == "draining":  # its own reports continue
                self._note_returned(previous, now)
            previous = None
        if not _is_complete(gossip, previous, received):
            self._forget_levels(gossip)
        for queue, count in received.items():
            known = self._queues.get(queue)
            if known is not None:
                known.received += _received_by(gossip, previous) if isinf(count) else int(count)
        self._note_newest(gossip, now)
        if (gossip.state == "offline" and _held(gossip)) or (
            previous is not None and _has_reconnected(gossip, previous)
        ):
            self._note_returned(gossip, now)

    def _note_newest(self, gossip: Gossip, now: float) -> None:
        find, boot = self._queues.get, gossip.boot
        for check, age in zip(gossip.checks, gossip.newest, strict=False):
            if age is None or check.broadcast:
                continue
            at, known = now - age, find(check.queue)
            if known is None:
                known = self._create(check.queue)
            if known.returned is not None:
                known.note_received(at, now)
            # The next report of the same instance corrects one that was delayed.
            if at > known.newest_at or known.newest_from == boot:
                known.newest_at, known.newest_from = at, boot

    def note_silence(self, gossip: Gossip, now: float) -> None:
        """Note that the worker with this last report stopped reporting: its messages may have returned."""
        self._note_returned(gossip, now)

    def note_end(self, gossip: Gossip, now: float) -> None:
        """Note that the worker with this last report is lost: what it received after it is not known."""
        self._note_returned(gossip, now)
        self._forget_levels(gossip)

    def set_lengths(self, lengths: Mapping[str, int | None], now: float) -> None:
        """Add queue lengths that were read since the previous call."""
        for queue, length in lengths.items():
            if length is not None:
                known = self._queues.get(queue) or self._create(queue)
                known.note_length(length, now, self._read_at)
        self._read_at = now

    def _note_returned(self, gossip: Gossip, now: float) -> None:
        settled_at = now + _SETTLE + 2 * gossip.interval
        for queue in _queues_of(gossip):
            if queue in self._queues:
                self._queues[queue].note_returned(settled_at)

    def _forget_levels(self, gossip: Gossip) -> None:
        for queue in _queues_of(gossip):
            if queue in self._queues:
                self._queues[queue].levels.clear()

    def _create(self, queue: str) -> _Queue:
        if len(self._queues) >= MAX_QUEUES:
            self._evict()
        created = self._queues[queue] = _Queue()
        return created

    def _evict(self) -> None:
        """Forget the queues of which nothing was reported or read for the longest time."""
        age_order = {name: max(queue.read_at, queue.newest_at) for name, queue in self._queues.items()}
        for name in nsmallest(MAX_QUEUES // _EVICTED_SHARE, age_order, key=lambda name: age_order[name]):
            del self._queues[name]


def _queues_of(gossip: Gossip) -> Collection[str]:
    return {check.queue for check in gossip.checks if not check.broadcast}


def _is_complete(gossip: Gossip, previous: Gossip | None, received: Mapping[str, float]) -> bool:
    """Return True if all messages are counted that the worker has received since the listener knows it."""
    if gossip.deferred or gossip.batched or "" in received or OTHER in received:
        return False
    if previous is None:
        return gossip.seq <= _MAX_FIRST_SEQ
    if gossip.seq - previous.seq > _MAX_GAP or previous.batched or gossip.undecodable != previous.undecodable:
        return False
    return bool(gossip.series) or _work(gossip) == _work(previous)


def _received_by(gossip: Gossip, previous: Gossip | None) -> int:
    """Return how many messages a worker has received since the previous report, from any queue."""
    return 0 if previous is None else max(0, _taken(gossip) - _taken(previous))


def _taken(gossip: Gossip) -> int:
    return gossip.processed + gossip.reserved + gossip.scheduled + gossip.limited


def _work(gossip: Gossip) -> tuple[int, ...]:
    """Return counts one of which changes if a worker receives a message that it does not count by task name."""
    return gossip.processed, gossip.active, gossip.reserved, gossip.scheduled, gossip.limited


def _held(gossip: Gossip) -> int:
    return gossip.active + gossip.reserved + gossip.scheduled + gossip.limited + gossip.batched


def _has_reconnected(gossip: Gossip, previous: Gossip) -> bool:
    """Return True if the worker has begun to consume its queues again: all that are not paused, at once.

    Only the first of these is compared: this is called for every report.
    """
    for check, before in zip(gossip.checks, previous.checks, strict=False):
        if check.queue == before.queue and not check.paused and not before.paused:
            return check.uuid != before.uuid
    return False
