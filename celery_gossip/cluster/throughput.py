"""Throughput: how many tasks were received, started and finished in a period, and how long they took. Pure.

`Throughput` and `Distribution` are immutable snapshots, read on any thread. A `ThroughputSum` accumulates them; the
CounterTracker and the History use it under the Cluster's lock.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from struct import unpack_from
from typing import Any, TypeVar

from celery_gossip.wire.histogram import quantile
from celery_gossip.wire.messages import MAX_EXCEPTION_CLASSES, OTHER

__all__ = [
    "COUNTS",
    "Distribution",
    "PackedSum",
    "Throughput",
    "ThroughputSum",
    "ThroughputWindows",
    "add_failures",
    "merge_throughputs",
    "throughput_of",
    "unpack_counts",
]

#: Counters of a series, as in `celery_gossip.wire.messages.TaskSeries`; `failed` is the sum over all exceptions.
COUNTS = ("received", "started", "succeeded", "failed", "retried", "revoked", "rejected")
_MICROSECONDS = 1e6  #: in a second
_MAX_INT64 = 2**63 - 1
_MAX_UINT32 = 2 ** (8 * array("I").itemsize) - 1

#: struct formats of the counts in a PackedSum, by its type code.
_COUNTS_FORMAT = {code: f"={len(COUNTS)}{code.decode()}" for code in (b"I", b"q")}

_Key = TypeVar("_Key", int, str)
PackedSum = tuple[bytes, dict[str, int] | None]  #: a ThroughputSum in a third of its memory


@dataclass(frozen=True)
class Distribution:
    """Distribution of durations. Quantiles are within 2 % of the true values (`histogram.RELATIVE_ERROR`)."""

    count: int = 0
    total: float = 0.0  #: sum of all durations in seconds, exact
    buckets: Mapping[int, int] = field(default_factory=dict, repr=False)  #: see celery_gossip.wire.histogram

    def quantile(self, q: float) -> float | None:
        """Return the quantile `q` (0 to 1) in seconds; None if there are no durations."""
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
    """Counts and durations of the tasks of one queue, task name or worker, or of all tasks, in one period."""

    seconds: float  #: length of the period, as far as the listener was receiving
    received: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    revoked: int = 0
    rejected: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)  #: `{exception class: failed tasks}`
    runtime: Distribution = Distribution()  #: of tasks that ran and finished, with any outcome
    wait: Distribution = (
        Distribution()
    )  #: from publishing (or the ETA) to the start; only if publishers add a timestamp
    since: float = 0.0  #: start of the period on the listener's monotonic clock

    @property
    def ended(self) -> int:
        """Number of tasks that finished, with any outcome."""
        return self.succeeded + self.failed + self.retried + self.revoked + self.rejected

    @property
    def failure_rate(self) -> float | None:
        """Failed tasks as a fraction (0 to 1) of those that succeeded or failed; None if there are none."""
        done = self.succeeded + self.failed
        return self.failed / done if done else None

    def per_second(self, count: int) -> float:
        """Return one of the counts as a rate per second."""
        return count / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class ThroughputWindows:
    """Throughput of one queue in three consecutive windows, to compare the present with the past."""

    last_15_seconds: Throughput
    last_minute: Throughput
    previous_ten_minutes: Throughput  #: the ten minutes before the last minute, as far as the listener was receiving
    failing_tasks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """`{task name: {exception class: failed}}` of the last eleven minutes, most failures first."""


class ThroughputSum:
    """Mutable sum of counts, failures and histograms."""

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

    def add(self, other: "ThroughputSum") -> None:
        self.counts = list(map(add, self.counts, other.counts))
        if other.failures:
            add_failures(self.failures, other.failures)
        if other.runtime:
            _add_buckets(self.runtime, other.runtime)
        if other.wait:
            _add_buckets(self.wait, other.wait)
        self.runtime_total += other.runtime_total
        self.wait_total += other.wait_total

    def copy(self) -> "ThroughputSum":
        """Return an independent copy. Takes about a microsecond, a tenth of pack()."""
        copied = ThroughputSum.__new__(ThroughputSum)
        copied.counts = self.counts  # shared: add() replaces the list, and changes only the dictionaries in place
        copied.failures = self.failures.copy() if self.failures else {}
        copied.runtime, copied.wait = self.runtime.copy(), self.wait.copy()
        copied.runtime_total, copied.wait_total = self.runtime_total, self.wait_total
        return copied

    def throughput(self, seconds: float, since: float = 0.0) -> Throughput:
        """Return an immutable snapshot of this sum."""
        return Throughput(
            seconds=seconds,
            **dict(zip(COUNTS, self.counts, strict=True)),
            failures=dict(self.failures),
            runtime=Distribution(sum(self.runtime.values()), self.runtime_total, dict(self.runtime)),
            wait=Distribution(sum(self.wait.values()), self.wait_total, dict(self.wait)),
            since=since,
        )

    def pack(self) -> PackedSum:
        """Return this sum in a compact form; numbers that exceed 64 bits are capped."""
        numbers = [
            *self.counts,
            int(min(self.runtime_total * _MICROSECONDS, _MAX_INT64)),
            int(min(self.wait_total * _MICROSECONDS, _MAX_INT64)),
            len(self.runtime),
            *self.runtime.keys(),
            *self.runtime.values(),
            *self.wait.keys(),
            *self.wait.values(),
        ]
        code = "I" if max(numbers) <= _MAX_UINT32 else "q"
        if code == "q":
            numbers = [min(number, _MAX_INT64) for number in numbers]
        return code.encode() + array(code, numbers).tobytes(), self.failures or None

    @classmethod
    def unpack(cls, packed: PackedSum) -> "ThroughputSum":
        code, body = packed[0][:1].decode(), packed[0][1:]
        numbers = array(code, body).tolist()
        head, unpacked = len(COUNTS), cls()
        unpacked.counts = numbers[:head]
        unpacked.runtime_total = numbers[head] / _MICROSECONDS
        unpacked.wait_total = numbers[head + 1] / _MICROSECONDS
        runtime_buckets, rest = numbers[head + 2], numbers[head + 3 :]
        unpacked.runtime = dict(zip(rest[:runtime_buckets], rest[runtime_buckets : 2 * runtime_buckets], strict=True))
        wait = rest[2 * runtime_buckets :]
        unpacked.wait = dict(zip(wait[: len(wait) // 2], wait[len(wait) // 2 :], strict=True))
        unpacked.failures = dict(packed[1] or {})
        return unpacked


def throughput_of(counts: Sequence[int], seconds: float, since: float) -> Throughput:
    """Return a Throughput with these COUNTS, without failures by exception and without durations."""
    named: dict[str, Any] = dict(zip(COUNTS, counts, strict=True))
    return Throughput(seconds=seconds, since=since, **named)


def unpack_counts(packed: PackedSum) -> tuple[int, ...]:
    """Return the COUNTS of a packed sum without unpacking the rest."""
    body = packed[0]
    return unpack_from(_COUNTS_FORMAT[body[:1]], body, 1)


def merge_throughputs(throughputs: Iterable[Throughput]) -> Throughput:
    """Return the sum of the throughputs of different tasks in the same period."""
    total, seconds, since = ThroughputSum(), 0.0, 0.0
    for one in throughputs:
        total.add(_as_sum(one))
        seconds, since = max(seconds, one.seconds), max(since, one.since)
    return total.throughput(seconds, since)


def _as_sum(throughput: Throughput) -> ThroughputSum:
    result = ThroughputSum()
    result.counts = [getattr(throughput, name) for name in COUNTS]
    result.failures = dict(throughput.failures)
    result.runtime, result.runtime_total = dict(throughput.runtime.buckets), throughput.runtime.total
    result.wait, result.wait_total = dict(throughput.wait.buckets), throughput.wait.total
    return result


def add_failures(failures: dict[str, int], more: Mapping[str, int]) -> None:
    """Add `more` to failures by exception class, in place.

    Classes beyond MAX_EXCEPTION_CLASSES count as OTHER, so the dictionary has a bounded size.
    """
    for exception_class, count in more.items():
        is_counted = exception_class in failures or len(failures) < MAX_EXCEPTION_CLASSES - 1
        name = exception_class if is_counted else OTHER
        failures[name] = failures.get(name, 0) + count


def _add_buckets(buckets: dict[_Key, int], more: dict[_Key, int]) -> None:
    if not buckets:
        buckets.update(more)
        return
    known = buckets.get
    for key, count in more.items():
        buckets[key] = known(key, 0) + count
