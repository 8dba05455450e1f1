"""ViewLimits: limits the queues and the memory of all reports in the view. Pure.

Owned by the Membership, used under the Cluster's lock. What exceeds a limit is removed from the report that is kept;
tasks are counted before.

As long as upper bounds of all reports fit into both limits, nothing else is computed, so an ordinary fleet costs almost
nothing. With the first report that does not fit, ViewLimits switches to exact accounting of names and bytes. The upper
bound of the names is the number of all checks, or, if that exceeds the limit because workers share their queues, the
number of distinct names ever reported.
"""

from collections.abc import Iterable, Mapping

from celery_gossip.cluster.fair_share import FairShare
from celery_gossip.cluster.member import Member
from celery_gossip.cluster.report_size import keep_queues, max_memory_size, memory_size, shrink_to
from celery_gossip.errors import InvalidOption
from celery_gossip.wire.messages import Gossip

__all__ = ["MAX_QUEUES", "MAX_REPORT_BYTES", "ViewLimits"]

MAX_QUEUES = 10_000  #: distinct queue names of all workers
MAX_REPORT_BYTES = 256 * 2**20  #: default memory of the reports of all workers
_MIN_REPORT_BYTES = 2**20

#: Upper bounds of names and of bytes in memory, with the size of the message and number of series they are valid for.
_Bound = tuple[int, int, int, int]
_NO_BOUND: _Bound = (0, 0, -1, -1)


class ViewLimits:
    """Keeps the reports of all members within MAX_QUEUES names and `max_report_bytes`."""

    def __init__(self, members: Mapping[str, Member], max_report_bytes: int = MAX_REPORT_BYTES) -> None:
        """Raise InvalidOption if `max_report_bytes` is out of range."""
        _require_bytes("max_report_bytes", max_report_bytes)
        self._members = members
        self._bytes = FairShare(max_report_bytes, self._is_verified)
        self._queues = FairShare(MAX_QUEUES, self._is_verified)  # a name is charged to the first worker that reports it
        self._reporters: dict[str, dict[str, None]] = {}  #: `{queue: hostnames}`; the first one is charged for the name
        self._reported: dict[str, tuple[str, ...]] = {}  #: `{hostname: queues}` of all its instances, as reported
        self._truncated: set[str] = set()  #: hostnames of which queues are left out
        self.dropped_queues = 0  #: number of times that a queue of a worker was left out
        self._max_report_bytes = max_report_bytes
        self._bounds: dict[str, _Bound] | None = {}  #: by hostname; None after the switch to exact accounting
        self._queues_bound = self._bytes_bound = 0  #: sums of the bounds
        self._names: set[str] | None = None  #: all names ever reported; None as long as the sum of the bounds fits

    def enforce(self, hostname: str, member: Member, json_size: int | None = None) -> None:
        """Apply the limits after this member was updated. `json_size`: bytes of the message, if known."""
        bounds = self._bounds
        if bounds is None:
            self._enforce_exactly(hostname, member)
            return
        reports, known = member.reports, bounds.get(hostname, _NO_BOUND)
        if json_size is not None and len(reports) == 1:
            report = reports[0]
            queues, series = len(report.checks), len(report.series)
            if json_size <= known[2] and queues <= known[0] and series <= known[3]:
                bound = known
            else:
                max_size = json_size + json_size // 4  # the next messages are longer, because their counts grow
                bound = queues, max_memory_size(max_size, series), max_size, series
        else:
            bound = sum([len(one.checks) for one in reports]), sum(map(memory_size, reports)), 0, 0
        fits = bound is known or self._set_bound(hostname, bound, known)
        if not fits or (self._names is not None and not self._add_names(reports)):
            self._switch_to_exact(hostname)
            self._enforce_exactly(hostname, member)

    def release(self, hostname: str) -> None:
        """Free what this worker uses: it left the view."""
        if self._bounds is not None:
            bound = self._bounds.pop(hostname, _NO_BOUND)
            self._queues_bound -= bound[0]
            self._bytes_bound -= bound[1]
            return
        self._release_names(hostname, self._reported.pop(hostname, ()))
        self._queues.release(hostname)
        self._bytes.release(hostname)
        self._truncated.discard(hostname)

    def _is_verified(self, hostname: str) -> bool:
        member = self._members.get(hostname)
        return member is not None and bool(member.is_verified)

    def _set_bound(self, hostname: str, bound: _Bound, known: _Bound) -> bool:
        """Replace the bound of a worker. Return False if the bytes may exceed the limit; track names if these may."""
        assert self._bounds is not None
        self._bounds[hostname] = bound
        self._queues_bound += bound[0] - known[0]
        self._bytes_bound += bound[1] - known[1]
        if self._names is None and self._queues_bound > MAX_QUEUES:
            self._names = {name for member in self._members.values() for name in member.queue_names}
        return self._bytes_bound <= self._max_report_bytes

    def _add_names(self, reports: Iterable[Gossip]) -> bool:
        """Track the queue names of these reports. Return False if there are too many names."""
        assert self._names is not None
        for report in reports:
            self._names.update([check.queue for check in report.checks])
        return len(self._names) <= MAX_QUEUES

    def _switch_to_exact(self, newest: str) -> None:
        """Account for all workers but the newest; according to their upper bounds they fit."""
        self._bounds = self._names = None
        for hostname, member in self._members.items():
            if hostname != newest:
                self._enforce_exactly(hostname, member)

    def _enforce_exactly(self, hostname: str, member: Member) -> None:
        reports = member.reports
        reported = tuple([check.queue for gossip in reports for check in gossip.checks])
        if reported != self._reported.get(hostname) or hostname in self._truncated:
            self._enforce_queues(hostname, member, reported)
            reports = member.reports
        wanted = memory_size(reports[0]) if len(reports) == 1 else sum(map(memory_size, reports))
        if not self._bytes.try_set_usage(hostname, wanted):
            granted = self._bytes.allocate(hostname, wanted, self._reduce_bytes)
            self._bytes.set_usage(hostname, wanted if granted >= wanted else self._shrink(hostname, granted))

    def _enforce_queues(self, hostname: str, member: Member, reported: tuple[str, ...]) -> None:
        names = dict.fromkeys(reported)
        self._release_names(hostname, [name for name in self._reported.get(hostname, ()) if name not in names])
        wanted = self._queues.used(hostname) + sum([name not in self._reporters for name in names])
        granted = self._queues.allocate(hostname, wanted, self._reduce_queues)
        new = [name for name in names if name not in self._reporters]  # allocate() may have changed the reporters
        left_out = frozenset(new[max(0, granted - self._queues.used(hostname)) :])
        kept = [name for name in names if name not in left_out]
        self._truncated.discard(hostname)
        for name in kept:
            reporters = self._reporters.setdefault(name, {})
            if not reporters:
                self._queues.set_usage(hostname, self._queues.used(hostname) + 1)
            reporters[hostname] = None
        self._reported[hostname] = reported
        if left_out:
            self._remove_queues(hostname, member, kept, len(left_out))

    def _remove_queues(self, hostname: str, member: Member, kept: Iterable[str], left_out: int) -> None:
        allowed = frozenset(kept)
        member.reduce_reports(lambda gossip: keep_queues(gossip, allowed))
        self._reported[hostname] = tuple(name for name in self._reported[hostname] if name in allowed)
        self._truncated.add(hostname)
        self.dropped_queues += left_out

    def _reduce_queues(self, hostname: str, units: int) -> None:
        reported = dict.fromkeys(self._reported.get(hostname, ()))
        charged = [name for name in reported if next(iter(self._reporters[name]), None) == hostname]
        lost = charged[units:]
        self._release_names(hostname, lost)
        removed = frozenset(lost)
        kept = [name for name in reported if name not in removed]
        self._remove_queues(hostname, self._members[hostname], kept, len(lost))

    def _release_names(self, hostname: str, names: Iterable[str]) -> None:
        for name in dict.fromkeys(names):
            reporters = self._reporters.get(name, {})
            if hostname not in reporters:
                continue
            was_charged = next(iter(reporters)) == hostname
            del reporters[hostname]
            if was_charged:
                self._queues.set_usage(hostname, self._queues.used(hostname) - 1)
                self._charge_next(name, reporters)

    def _charge_next(self, name: str, reporters: dict[str, None]) -> None:
        successor = next(iter(reporters), None)
        if successor is None:
            del self._reporters[name]
        else:
            self._queues.set_usage(successor, self._queues.used(successor) + 1)

    def _reduce_bytes(self, hostname: str, units: int) -> None:
        self._bytes.set_usage(hostname, self._shrink(hostname, units))

    def _shrink(self, hostname: str, size: int) -> int:
        """Reduce this worker's reports to about `size` bytes. Return their size afterwards."""
        member = self._members[hostname]
        each = size // max(1, len(member.reports))
        member.reduce_reports(lambda gossip: shrink_to(gossip, each))
        kept = member.queue_names
        lost = dict.fromkeys(self._reported.get(hostname, ())).keys() - set(kept)
        if lost:
            self._release_names(hostname, lost)
            self._reported[hostname] = kept
            self._truncated.add(hostname)
            self.dropped_queues += len(lost)
        return sum(map(memory_size, member.reports))


def _require_bytes(option: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < _MIN_REPORT_BYTES:
        raise InvalidOption(f"{option}: expected a whole number of bytes, at least {_MIN_REPORT_BYTES}, got {value!r}")
