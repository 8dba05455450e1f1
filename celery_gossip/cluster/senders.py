"""SenderTracker: derives increments from the cumulative counts of the processes that send tasks. Pure.

Used by the BalanceTracker under the Cluster's lock. Everything is bounded; what is left out makes the sums too low,
never too high, because a task that was counted twice would look as if it had vanished.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from celery_gossip.wire.messages import Echo, SentReport

__all__ = ["MAX_SENDERS", "SenderTracker", "SentIncrease"]

MAX_SENDERS = 5000  #: processes; beyond, the one that has not reported for the longest time is forgotten
_MAX_SERIES = 50_000  #: counts of all processes
_MAX_SERIES_OF_ONE = 300  #: counts of one process, which has 250 at most
_MAX_FORGOTTEN = 10_000  #: processes that have ended or were forgotten, and whose late reports are ignored

_Key = tuple[str, str, bool]  #: queue, task, is_route


class SentIncrease(NamedTuple):
    """Tasks that one process has sent since its previous report."""

    queue: str
    task: str
    is_route: bool
    sent: int
    recent: int  #: part of `sent` that was sent within the `period`
    period: float  #: seconds before the arrival


class _Sender:
    __slots__ = ("counts", "is_old", "number")

    def __init__(self, *, is_old: bool) -> None:
        self.number = 0  #: of its latest report
        self.is_old = is_old  #: its counts were partly added already, before it was forgotten
        self.counts: dict[_Key, int] = {}


class SenderTracker:
    """Latest counts of every process."""

    def __init__(self) -> None:
        self.dropped = 0  #: number of times that a count was left out because of a limit
        self._senders: OrderedDict[str, _Sender] = OrderedDict()  # the most recent reports last
        self._forgotten: OrderedDict[str, int] = OrderedDict()  # with the number of the latest report
        self._series = 0

    def __len__(self) -> int:
        return len(self._senders)

    def increases(self, echo: Echo, report: SentReport, now: float, listening_since: float) -> Iterator[SentIncrease]:
        """Yield the tasks that were sent since the previous report of this process.

        A count that is older than `listening_since` is a starting point, except for its recent part.
        """
        sender = self._find(echo.echo, echo.number)
        if sender is None:
            return
        listened = now - listening_since
        for one in report.counts:
            key = (report.names[one.queue], report.names[one.task], one.is_route)
            known = sender.counts.get(key)
            if known is None:
                if self._series >= _MAX_SERIES or len(sender.counts) >= _MAX_SERIES_OF_ONE:
                    self.dropped += 1
                    continue
                self._series += 1
                known = 0
                if sender.is_old:
                    known = one.count
                elif one.age > listened:
                    known = one.count - one.recent if report.period <= listened else one.count
            sender.counts[key] = max(known, one.count)
            if one.count > known:
                increase = one.count - known
                yield SentIncrease(*key, increase, min(increase, one.recent), report.period)
        if report.is_last:
            self._forget(echo.echo)

    def _find(self, name: str, number: int) -> _Sender | None:
        """Return the state of this process; None for a report that is not newer than its latest one."""
        sender = self._senders.get(name)
        if sender is None:
            latest = self._forgotten.get(name)
            if latest is not None and number <= latest:
                return None
            sender = self._senders[name] = _Sender(is_old=latest is not None)
            while len(self._senders) > MAX_SENDERS:
                self._forget(next(iter(self._senders)))
        elif number <= sender.number:
            return None
        sender.number = number
        self._senders.move_to_end(name)
        return sender

    def _forget(self, name: str) -> None:
        sender = self._senders.pop(name)
        self._series -= len(sender.counts)
        self._forgotten.pop(name, None)
        self._forgotten[name] = sender.number
        while len(self._forgotten) > _MAX_FORGOTTEN:
            self._forgotten.popitem(last=False)
