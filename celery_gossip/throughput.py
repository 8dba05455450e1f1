"""Throughput: how many tasks were received, started and ended how over some seconds, and how long they took. Pure.

`Throughput` and `Distribution` are immutable snapshots, read on any thread; a `Tally` is what they are summed up in, by
the ledger and the history under the Cluster's lock.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from struct import unpack_from
from typing import Any, TypeVar

from celery_gossip.histogram import quantile
from celery_gossip.messages import MOST_KINDS, OTHER

__all__ = [
    "COUNTS",
    "Distribution",
    "Packed",
    "Tally",
    "Throughput",
    "Trend",
    "add_kinds",
    "counted",
    "counts_in",
    "merged",
]

#: What is counted of tasks, as in `celery_gossip.messages.TaskSeries`; `failed` is the sum over all exceptions.
COUNTS = ("received", "started", "succeeded", "failed", "retried", "revoked", "rejected")
_MICRO = 1e6
_MOST = 2**63 - 1  #: of any packed number
_MOST_OF_SHORT = 2 ** (8 * array("I").itemsize) - 1  #: of any in a Tally that is packed in half of that

_COUNTS_IN = {code: f"={len(COUNTS)}{code.decode()}" for code in (b"I", b"q")}  #: how the counts of a packed Tally lie

_Key = TypeVar("_Key", int, str)
Packed = tuple[bytes, dict[str, int] | None]  #: a Tally in a third of its memory


@dataclass(frozen=True)
class Distribution:
    """How long something took: figures within 2 % of the true ones (`histogram.RELATIVE_ERROR`)."""

    count: int = 0
    total: float = 0.0  #: seconds, exact
    buckets: Mapping[int, int] = field(default_factory=dict, repr=False)  #: see celery_gossip.histogram

    def quantile(self, q: float) -> float | None:
        """Seconds, q from 0 to 1; None where there is nothing to tell."""
        return quantile(self.buckets, q)

    @property
    def p50(self) -> float | None:
        return self.quantile(0.5)

    @property
    def p75(self) -> float | None:
        return self.quantile(0.75)

    @property
    def p95(self) -> float | None:
        return self.quantile(0.95)

    @property
    def p99(self) -> float | None:
        return self.quantile(0.99)

    @property
    def max(self) -> float | None:
        return self.quantile(1.0)

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(frozen=True)
class Throughput:
    """What became of tasks in so many seconds, of one queue, task or worker."""

    seconds: float  #: how long it was listened for these figures
    received: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    revoked: int = 0
    rejected: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)  #: `{class of the exception: failed}`
    runtime: Distribution = Distribution()  #: of tasks that ran and ended, whatever their fate
    wait: Distribution = Distribution()  #: from being sent, or due, to being started; only where senders stamp
    since: float = 0.0  #: the listener's monotonic seconds, when those seconds began

    @property
    def ended(self) -> int:
        return self.succeeded + self.failed + self.retried + self.revoked + self.rejected

    @property
    def failure_rate(self) -> float | None:
        """The failed among those that succeeded or failed, 0 to 1; None where there are none."""
        done = self.succeeded + self.failed
        return self.failed / done if done else None

    def per_second(self, count: int) -> float:
        """One of the counts, as a rate."""
        return count / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Trend:
    """How the tasks of a queue have fared of late, and before."""

    latest: Throughput  #: of 15 s
    recent: Throughput  #: of a minute
    before: Throughput  #: of the ten minutes before that one, as far as they were listened to


class Tally:
    """A sum of counts and buckets that grows."""

    __slots__ = ("counts", "failures", "runtime", "runtime_total", "wait", "wait_total")

    def __init__(self) -> None:
        self.counts = [0] * len(COUNTS)
        self.failures: dict[str, int] = {}
        self.runtime: dict[int, int] = {}
        self.wait: dict[int, int] = {}
        self.runtime_total = 0.0
        self.wait_total = 0.0

    def __bool__(self) -> bool:
        return any(self.counts) or bool(self.runtime) or bool(self.wait)

    def add(self, other: "Tally") -> None:
        self.counts = list(map(add, self.counts, other.counts))
        if other.failures:
            add_kinds(self.failures, other.failures)
        if other.runtime:
            _add(self.runtime, other.runtime)
        if other.wait:
            _add(self.wait, other.wait)
        self.runtime_total += other.runtime_total
        self.wait_total += other.wait_total

    def throughput(self, seconds: float, since: float = 0.0) -> Throughput:
        """The same, not to be changed any more."""
        return Throughput(
            seconds=seconds,
            **dict(zip(COUNTS, self.counts, strict=True)),
            failures=dict(self.failures),
            runtime=Distribution(sum(self.runtime.values()), self.runtime_total, dict(self.runtime)),
            wait=Distribution(sum(self.wait.values()), self.wait_total, dict(self.wait)),
            since=since,
        )

    def packed(self) -> Packed:
        numbers = [
            *self.counts,
            int(min(self.runtime_total * _MICRO, _MOST)),
            int(min(self.wait_total * _MICRO, _MOST)),
            len(self.runtime),
            *self.runtime.keys(),
            *self.runtime.values(),
            *self.wait.keys(),
            *self.wait.values(),
        ]
        code = "I" if max(numbers) <= _MOST_OF_SHORT else "q"
        if code == "q":
            numbers = [min(number, _MOST) for number in numbers]
        return code.encode() + array(code, numbers).tobytes(), self.failures or None

    @classmethod
    def unpacked(cls, packed: Packed) -> "Tally":
        code, body = packed[0][:1].decode(), packed[0][1:]
        numbers = array(code, body).tolist()
        head, tally = len(COUNTS), cls()
        tally.counts = numbers[:head]
        tally.runtime_total, tally.wait_total = numbers[head] / _MICRO, numbers[head + 1] / _MICRO
        ran, rest = numbers[head + 2], numbers[head + 3 :]
        tally.runtime = dict(zip(rest[:ran], rest[ran : 2 * ran], strict=True))
        waited = rest[2 * ran :]
        tally.wait = dict(zip(waited[: len(waited) // 2], waited[len(waited) // 2 :], strict=True))
        tally.failures = dict(packed[1] or {})
        return tally


def counted(counts: Sequence[int], seconds: float, since: float) -> Throughput:
    """What these COUNTS tell."""
    named: dict[str, Any] = dict(zip(COUNTS, counts, strict=True))
    return Throughput(seconds=seconds, since=since, **named)


def counts_in(packed: Packed) -> tuple[int, ...]:
    """The counts of a packed Tally alone."""
    body = packed[0]
    return unpack_from(_COUNTS_IN[body[:1]], body, 1)


def merged(paces: Iterable[Throughput]) -> Throughput:
    """The sum of what became of different tasks in the same seconds."""
    tally, seconds, since = Tally(), 0.0, 0.0
    for pace in paces:
        tally.add(_tally_of(pace))
        seconds, since = max(seconds, pace.seconds), max(since, pace.since)
    return tally.throughput(seconds, since)


def _tally_of(pace: Throughput) -> Tally:
    tally = Tally()
    tally.counts = [getattr(pace, name) for name in COUNTS]
    tally.failures = dict(pace.failures)
    tally.runtime, tally.runtime_total = dict(pace.runtime.buckets), pace.runtime.total
    tally.wait, tally.wait_total = dict(pace.wait.buckets), pace.wait.total
    return tally


def add_kinds(mine: dict[str, int], more: Mapping[str, int]) -> None:
    """Add failures by class of exception; what is beyond MOST_KINDS counts as OTHER, so that no sum grows for ever."""
    for kind, count in more.items():
        known = kind if kind in mine or len(mine) < MOST_KINDS - 1 else OTHER
        mine[known] = mine.get(known, 0) + count


def _add(mine: dict[_Key, int], its: dict[_Key, int]) -> None:
    if not mine:
        mine.update(its)
        return
    known = mine.get
    for key, count in its.items():
        mine[key] = known(key, 0) + count
