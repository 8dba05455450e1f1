"""FailureTracker: the latest failures that workers have reported, each once, and groups of those that look alike. Pure.

Owned by the Cluster, called under its lock; time is passed in. Snapshots are immutable; any thread.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from celery_gossip.wire.encoding import clear_unused_names
from celery_gossip.wire.messages import Gossip, TaskFailure

__all__ = [
    "MAX_KEPT",
    "TREND_STEP",
    "TREND_STEPS",
    "Failure",
    "FailureGroup",
    "FailureTracker",
    "FailureView",
    "without_failures",
]

MAX_KEPT = 2_000  #: failures of all workers
MAX_BYTES = 16 * 2**20  #: of them in memory, by estimate
TREND_STEP = 120.0  #: seconds
TREND_STEPS = 30  #: of a group's trend: an hour
_MAX_INSTANCES = 4_000  #: of workers, whose numbers of failures are remembered
_MAX_AGE = 86_400.0  #: seconds; a failure waits for as long as its worker cannot reach the broker
_WINDOW = 256  #: numbers below the highest one of an instance that may still arrive
_BASE_BYTES = 900  #: of a failure without its texts
_CHAR_BYTES = 2  #: of a text, on average
_STRING_BYTES = 57


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A task that failed, as its worker reported it. Empty or None where the worker did not report it."""

    hostname: str
    boot: str  #: instance of the worker
    number: int  #: of the failure, since the start of the instance
    id: str  #: of the task
    task: str  #: name
    queue: str
    exception: str  #: name of the class
    at: float  #: time of the failure on the listener's monotonic clock
    runtime: float | None  #: seconds
    retries: int  #: that preceded it
    message: str | None  #: only if the worker's `gossip_failure_details` asks for it
    traceback: tuple[str, ...]  #: frames `module:function:line`, outermost first; the same
    line: str  #: innermost frame outside of libraries; empty if unknown


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """The failures with the same task, exception and code line, of those that the listener keeps."""

    task: str
    exception: str
    line: str  #: empty if no worker reports tracebacks
    count: int
    first_at: float  #: the same clock as Failure.at
    last_at: float
    trend: tuple[int, ...]  #: failures in each of the last TREND_STEPS steps of TREND_STEP seconds, oldest first
    queues: tuple[str, ...]
    hostnames: tuple[str, ...]
    latest: Failure  #: the latest one, or the latest with a message or traceback if there is one


@dataclass(frozen=True)
class FailureView:
    """Failures that a listener keeps, at one moment."""

    failures: tuple[Failure, ...] = ()  #: newest first
    displaced: int = 0  #: failures that were received and have been dropped for newer ones
    #: Failures that no report contained, at least: they came faster than reports list them, or the reports were lost.
    unlisted: int = 0
    taken_at: float = 0.0  #: time of the snapshot on the listener's monotonic clock

    def groups(self) -> tuple[FailureGroup, ...]:
        """Return the failures in groups that look alike; the group that failed last is first."""
        grouped: dict[tuple[str, str, str], list[Failure]] = {}
        for failure in self.failures:
            grouped.setdefault((failure.task, failure.exception, failure.line), []).append(failure)
        return tuple([_group(members, self.taken_at) for members in grouped.values()])


@dataclass
class _Instance:
    """Numbers of one instance that were received: the highest one, and a bit for each in the window below it."""

    lowest: int
    highest: int = 0
    received: int = 0
    bits: int = 0

    def add(self, number: int) -> bool:
        """Return True if this number was not received before."""
        above = number - self.highest
        if above > 0:
            self.bits = ((self.bits << above) | 1) & _MASK if above < _WINDOW else 1
            self.highest = number
        else:
            bit = 1 << -above
            if -above >= _WINDOW or self.bits & bit:
                return False
            self.bits |= bit
        self.lowest = min(self.lowest, number)
        self.received += 1
        return True

    @property
    def missing(self) -> int:
        return self.highest - self.lowest + 1 - self.received


_MASK = (1 << _WINDOW) - 1
_Key = tuple[str, bool]  #: hostname, and True if its reports are signed


@dataclass
class _Kept:
    """The failures of one worker, oldest first, with the estimated size of each."""

    failures: deque[tuple[Failure, int]] = field(default_factory=deque)
    size: int = 0


class FailureTracker:
    """The last MAX_KEPT failures of all workers.

    Beyond a limit, the oldest failure of the worker that uses most memory is dropped, of unverified workers first, so
    that no worker displaces the failures of others that have fewer.
    """

    def __init__(self) -> None:
        self._kept: dict[_Key, _Kept] = {}
        self._instances: OrderedDict[tuple[_Key, str], _Instance] = OrderedDict()
        self._count = self._size = 0
        self._displaced = 0
        self._unlisted = 0  # of instances that are not remembered any more
        self.version = 0  #: changes with every change of the failures

    def add_report(self, gossip: Gossip, now: float, *, is_verified: bool | None) -> None:
        """Add the failures of a report that was received at `now`. A verified one replaces those that were not."""
        hostname, is_verified = gossip.hostname, bool(is_verified)
        if is_verified and (hostname, False) in self._kept:
            self._remove((hostname, False))
        if not gossip.failures:
            return
        key = (hostname, is_verified)
        instance = self._instance(key, gossip.boot, gossip.failures)
        for reported in reversed(gossip.failures):
            if instance.add(reported.number):
                self._add(key, _failure(gossip, reported, now))

    def view(self, now: float) -> FailureView:
        """Return a snapshot."""
        failures = [failure for kept in self._kept.values() for failure, _ in kept.failures]
        failures.sort(key=lambda one: (-one.at, -one.number))
        missing = sum(instance.missing for instance in self._instances.values())
        return FailureView(tuple(failures), self._displaced, self._unlisted + missing, now)

    def _instance(self, key: _Key, boot: str, reported: Iterable[TaskFailure]) -> _Instance:
        """Return the instance; of one that is new, the numbers below those of its first report are not missing."""
        instance = self._instances.get((key, boot))
        if instance is None:
            instance = self._instances[key, boot] = _Instance(min(one.number for one in reported))
            if len(self._instances) > _MAX_INSTANCES:
                self._unlisted += self._instances.popitem(last=False)[1].missing
        self._instances.move_to_end((key, boot))
        return instance

    def _add(self, key: _Key, failure: Failure) -> None:
        size = _memory_size(failure)
        kept = self._kept.setdefault(key, _Kept())
        kept.failures.append((failure, size))
        kept.size += size
        self._size += size
        self._count += 1
        self.version += 1
        while self._count > MAX_KEPT or self._size > MAX_BYTES:
            self._drop_oldest(self._largest(key))
            self._displaced += 1

    def _largest(self, newest: _Key) -> _Key:
        """Return the worker whose oldest failure is dropped; `newest` has just reported one."""
        has_unverified = newest[1] and any(not is_verified for _, is_verified in self._kept)
        if not has_unverified and self._kept[newest].size * len(self._kept) > self._size:
            return newest  # above the fair share: no search among all workers for each failure of a noisy one
        return min(self._kept, key=lambda key: (key[1], -self._kept[key].size, key))

    def _drop_oldest(self, key: _Key) -> None:
        kept = self._kept[key]
        _, size = kept.failures.popleft()
        kept.size -= size
        self._size -= size
        self._count -= 1
        if not kept.failures:
            del self._kept[key]

    def _remove(self, key: _Key) -> None:
        kept = self._kept.pop(key)
        self._size -= kept.size
        self._count -= len(kept.failures)
        self.version += 1
        for known in [one for one in self._instances if one[0] == key]:
            del self._instances[known]


def without_failures(gossip: Gossip) -> Gossip:
    """Return the report without its failures, which are kept elsewhere, and their names."""
    return clear_unused_names(msgspec.structs.replace(gossip, failures=())) if gossip.failures else gossip


def _group(members: list[Failure], now: float) -> FailureGroup:
    newest = members[0]
    described = next((one for one in members if one.message is not None or one.traceback), newest)
    return FailureGroup(
        task=newest.task,
        exception=newest.exception,
        line=newest.line,
        count=len(members),
        first_at=members[-1].at,
        last_at=newest.at,
        trend=_trend(members, now),
        queues=tuple(sorted({one.queue for one in members})),
        hostnames=tuple(sorted({one.hostname for one in members})),
        latest=described,
    )


def _trend(members: Iterable[Failure], now: float) -> tuple[int, ...]:
    """Return the failures of each step. Steps begin at multiples of TREND_STEP, so that old ones do not change."""
    end = int(now // TREND_STEP)
    steps = [0] * TREND_STEPS
    for one in members:
        at = TREND_STEPS - 1 - (end - int(one.at // TREND_STEP))
        if 0 <= at < TREND_STEPS:
            steps[at] += 1
    return tuple(steps)


def _failure(gossip: Gossip, reported: TaskFailure, now: float) -> Failure:
    names = gossip.names
    traceback = tuple([names[frame] for frame in reported.frames])
    return Failure(
        hostname=gossip.hostname,
        boot=gossip.boot,
        number=reported.number,
        id=reported.id,
        task=names[reported.task],
        queue=names[reported.queue],
        exception=names[reported.exception],
        at=now - min(reported.age, _MAX_AGE),
        runtime=reported.runtime,
        retries=reported.retries,
        message=reported.message,
        traceback=traceback,
        line="" if reported.own_frame is None else traceback[reported.own_frame],
    )


def _memory_size(failure: Failure) -> int:
    texts: Iterable[str] = (failure.hostname, failure.id, failure.message or "", *failure.traceback)
    return _BASE_BYTES + sum([_STRING_BYTES + _CHAR_BYTES * len(text) for text in texts])
