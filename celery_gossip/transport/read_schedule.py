"""Selects the queue lengths to read next, so that the names of one worker cannot keep other queues from being read.

Pure. Owned by the QueueLengthReader and used on its thread; times are passed in, as monotonic seconds.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import inf

from celery_gossip.cluster.queue_share import CONFIGURED, QueueShare

__all__ = ["AMQP_LIMITS", "OTHER_LIMITS", "ReadLimits", "ReadSchedule"]

_EARLY_READ_INTERVAL = 60.0  #: seconds between two early reads of one name because a worker begins to consume it
_MAX_REMEMBERED = 10_000  #: names remembered that neither a worker nor the settings contain any more
_MAX_RETRY_INTERVAL = 60.0  #: seconds between two reads of a missing queue that a worker consumes
_UNTRUSTED_SHARE = 5  #: one read in five is reserved for names that are neither configured nor signed


@dataclass(frozen=True)
class ReadLimits:
    """Reads per second, over all names.

    RabbitMQ writes a line to its log for each read of a missing queue, so names whose latest read gave no count have a
    limit of their own.
    """

    counted: float  #: names whose latest read gave a count
    uncounted: float  #: other names
    first: int = 500  #: additional reads of each kind that are allowed at once after the start


AMQP_LIMITS = ReadLimits(counted=250.0, uncounted=50.0)
OTHER_LIMITS = ReadLimits(counted=500.0, uncounted=500.0)


class _TokenBucket:
    """A token bucket that saves at most one second of tokens, in addition to those that it starts with."""

    def __init__(self, rate: float, first: int) -> None:
        self._rate = rate
        self._tokens = float(first)
        self._filled_at: float | None = None

    def available(self, now: float) -> int:
        if self._filled_at is not None:
            filled = self._tokens + self._rate * max(0.0, now - self._filled_at)
            self._tokens = max(self._tokens, min(self._rate, filled))
        self._filled_at = now
        return int(self._tokens)

    def spend(self, count: int) -> None:
        self._tokens -= count


class _ReadState:
    """When one name is due, and the result of its latest read."""

    __slots__ = ("due_at", "early_read_at", "is_counted", "is_readable", "misses", "read_at")

    def __init__(self, due_at: float, *, is_readable: bool) -> None:
        self.due_at = due_at
        self.is_readable = is_readable
        self.read_at = -inf
        self.early_read_at = -inf
        self.is_counted = False
        self.misses = 0  #: number of reads in a row that did not find the queue

    def is_needed(self, now: float) -> bool:
        """Return True if the name would be read too early once this state is forgotten."""
        return self.is_readable and (self.due_at > now or self.early_read_at + _EARLY_READ_INTERVAL > now)


class ReadSchedule:
    """Selects the names to read: the most overdue name of each share, one share after the other, within the limits.

    Trusted shares are read first, but one read in five is reserved for the others. A name is never read before it is
    due; its due time is remembered while it disappears and appears again (10,000 names at most).
    """

    def __init__(self, limits: ReadLimits, is_readable: Callable[[str], bool] = lambda queue: True) -> None:
        """`is_readable` is called once for each new name; a name for which it returns False is never read."""
        self._is_readable = is_readable
        self._buckets = {
            True: _TokenBucket(limits.counted, limits.first),
            False: _TokenBucket(limits.uncounted, limits.first),
        }
        self._states: dict[str, _ReadState] = {}
        self.named: set[str] = set()  #: all names of the latest call of choose()
        self._consumed: set[str] = set()
        self._shares: Sequence[QueueShare] = ()  #: argument of the latest call of choose()
        self._last_read: dict[str, int] = {}  #: owner → number of its latest read
        self._reads = 0

    def choose(self, shares: Sequence[QueueShare], now: float) -> list[str]:
        """Return the names to read now, each once, the most urgent first. `shares` are kept and must not be changed.

        A name stays due until counted() or failed() is called for it.
        """
        self.named = self._update_names(shares, now)
        due: dict[bool, set[str]] = {True: set(), False: set()}
        for queue in self.named:
            state = self._states[queue]
            if state.due_at <= now and state.is_readable:
                due[state.is_counted].add(queue)
        chosen: list[list[str]] = []
        for is_counted, bucket in self._buckets.items():
            selected = self._select(shares, due[is_counted], bucket.available(now))
            bucket.spend(len(selected))
            chosen.append(selected)
        # Alternate between the kinds, because a slow broker may not answer all reads in time.
        return [queue for pair in zip_longest(*chosen) for queue in pair if queue is not None]

    def counted(self, queue: str, now: float, wait: float) -> None:
        """Record that this queue was counted, and is due again after `wait` seconds."""
        state = self._state(queue, now)
        state.read_at, state.due_at, state.is_counted, state.misses = now, now + wait, True, 0

    def failed(self, queue: str, now: float, wait: float, *, is_missing: bool = False) -> None:
        """Record that this queue could not be counted, or does not exist."""
        state = self._state(queue, now)
        state.read_at, state.due_at, state.is_counted = now, now + wait, False
        state.misses = state.misses + 1 if is_missing else 0

    def retry_early(self, queue: str, wait: float) -> None:
        """Make this missing queue due `wait` seconds after its latest read; each read without it doubles the wait."""
        state = self._states.get(queue)
        if state is not None and state.misses:
            wait = min(_MAX_RETRY_INTERVAL, wait * 2 ** min(state.misses - 1, 10))
            state.due_at = min(state.due_at, state.read_at + wait)

    def _state(self, queue: str, now: float) -> _ReadState:
        return self._states.setdefault(queue, _ReadState(now, is_readable=True))

    def _update_names(self, shares: Sequence[QueueShare], now: float) -> set[str]:
        """Return all names, and remember the new ones."""
        if shares == self._shares:
            if len(self._states) > len(self.named):
                self._remove_unnamed(self.named, now)
            return self.named
        self._shares = shares
        consumed: set[str] = set()
        consumed.update(*(share.queues for share in shares if share.owner != CONFIGURED))
        named = consumed.union(*(share.queues for share in shares if share.owner == CONFIGURED))
        for queue in consumed - self._consumed:
            self._read_early(queue, now)
        self._consumed = consumed
        for queue in named - self._states.keys():
            self._states[queue] = _ReadState(now, is_readable=self._is_readable(queue))
        self._remove_unnamed(named, now)
        self._remember_owners(share.owner for share in shares if share.queues)
        return named

    def _read_early(self, queue: str, now: float) -> None:
        """Read this queue early, because a worker begins to consume it and it may exist now; once a minute at most."""
        state = self._states.get(queue)
        if state is not None and state.due_at > now and now - state.early_read_at >= _EARLY_READ_INTERVAL:
            state.due_at, state.early_read_at = now, now

    def _remove_unnamed(self, named: set[str], now: float) -> None:
        gone = self._states.keys() - named
        kept = [queue for queue in gone if self._states[queue].is_needed(now)]
        if len(kept) > _MAX_REMEMBERED:
            kept.sort(key=lambda queue: self._states[queue].due_at)
            kept = kept[-_MAX_REMEMBERED:]
        for queue in gone.difference(kept):
            del self._states[queue]

    def _remember_owners(self, owners: Iterable[str]) -> None:
        # A new owner is read after the owners that already wait, so a flood of new hostnames does not delay them.
        self._last_read = {owner: self._last_read.get(owner, self._reads) for owner in owners}

    def _select(self, shares: Sequence[QueueShare], due: set[str], budget: int) -> list[str]:
        if len(due) <= budget:
            return sorted(due, key=lambda queue: self._states[queue].due_at)
        trusted = [share for share in shares if share.is_trusted]
        others = [share for share in shares if not share.is_trusted]
        selected: list[str] = []
        for group, most in ((trusted, budget - budget // _UNTRUSTED_SHARE), (others, budget), (trusted, budget)):
            left = due.difference(selected) if selected else due
            selected += self._select_in_turn(group, left, most - len(selected))
        return selected

    def _select_in_turn(self, shares: Sequence[QueueShare], due: set[str], most: int) -> list[str]:
        """Return `most` of these names, one of each share in turn; the share that has waited longest is first."""
        by_owner = {share.owner: share for share in shares if share.queues}
        waiting = [(self._last_read.get(owner, 0), owner) for owner in by_owner]
        heapq.heapify(waiting)
        due_names: dict[str, deque[str]] = {}  # filled when the owner is reached: most owners have no due name
        selected: dict[str, None] = {}
        while waiting and len(selected) < most:
            _, owner = heapq.heappop(waiting)
            if owner not in due_names:
                due_names[owner] = self._due_names(by_owner[owner], due)
            names = due_names[owner]
            while names and names[0] in selected:
                names.popleft()
            if names:
                selected[names.popleft()] = None
                self._reads += 1
                self._last_read[owner] = self._reads
                heapq.heappush(waiting, (self._reads, owner))
        return list(selected)

    def _due_names(self, share: QueueShare, due: set[str]) -> deque[str]:
        """Return the due names of this share, the most overdue first."""
        names = [queue for queue in share.queues if queue in due]
        return deque(sorted(names, key=lambda queue: self._states[queue].due_at))
