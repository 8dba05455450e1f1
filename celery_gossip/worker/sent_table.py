"""SentTable: how many tasks this process has sent, by queue and task name, and what the next report contains. Pure.

Used by the SentReporter on its thread; time is passed in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from celery_gossip.wire.messages import MAX_SENT_COUNTS, OTHER, SentCount, SentReport, clamp_count, clamp_seconds
from celery_gossip.wire.messages import sanitize_name as sanitized

__all__ = ["MAX_SERIES", "REPEATS", "SentTable"]

MAX_SERIES = 200  #: pairs of queue and task name that a process counts separately
REPEATS = 3  #: reports that contain a changed count, because a message may be lost
_MAX_OVERFLOWS = 50  #: queues beyond, whose tasks are counted under the name OTHER; all others share one count

_MAX_NAME_BYTES = 48 * 1024  #: of the names in one report, which has to fit into 64 KiB

_Key = tuple[str, str, bool]  #: queue, task, is_route


@dataclass(slots=True)
class _Series:
    created_at: float
    count: int = 0
    reported: int = 0  #: the count in the latest report that was sent
    reports_left: int = 0


class SentTable:
    """Cumulative counts of one process. A report counts as sent only after commit()."""

    def __init__(self, app: str) -> None:
        self._app = sanitized(app)
        self._series: dict[_Key, _Series] = {}
        self._overflows = 0
        self._selected: list[tuple[_Series, int]] = []

    @property
    def has_pending(self) -> bool:
        """True while a count has to be reported, or to be repeated."""
        return any(one.reports_left for one in self._series.values())

    def add(self, queue: str, task: str, count: int, now: float, *, is_route: bool = False) -> None:
        """Add tasks that were sent; `now` is not later than the first of them."""
        series = self._find((sanitized(queue), sanitized(task), is_route), now)
        series.count += count
        series.reports_left = REPEATS

    def reports(self, now: float, period: float, *, is_last: bool = False) -> Iterator[SentReport]:
        """Yield the reports that contain everything that is pending; at least one if this is the last.

        `period` is the number of seconds in which everything was sent that has never been reported.
        """
        pending = [(key, one) for key, one in self._series.items() if one.reports_left]
        self._selected = [(one, one.count) for _, one in pending]
        chunks = _chunks(pending) or ([[]] if is_last else [])
        for number, chunk in enumerate(chunks, start=1):
            yield self._report(chunk, now, period, is_last=is_last and number == len(chunks))

    def commit(self) -> None:
        """Note that all reports of the latest reports() were sent."""
        for series, count in self._selected:
            series.reported = count
            series.reports_left -= 1
        self._selected = []

    def _find(self, key: _Key, now: float) -> _Series:
        known = self._series.get(key)
        if known is not None:
            return known
        if len(self._series) - self._overflows >= MAX_SERIES:
            is_new = (key[0], OTHER, key[2]) not in self._series
            key = (OTHER, OTHER, False) if is_new and self._overflows >= _MAX_OVERFLOWS else (key[0], OTHER, key[2])
            self._overflows += key not in self._series
        return self._series.setdefault(key, _Series(now))

    def _report(self, chunk: Sequence[tuple[_Key, _Series]], now: float, period: float, *, is_last: bool) -> SentReport:
        names: dict[str, int] = {}
        counts = tuple(
            SentCount(
                names.setdefault(queue, len(names)),
                names.setdefault(task, len(names)),
                clamp_count(one.count),
                clamp_count(one.count - one.reported),
                clamp_seconds(round(now - one.created_at, 3)),
                is_route,
            )
            for (queue, task, is_route), one in chunk
        )
        return SentReport(
            app=self._app, period=clamp_seconds(round(period, 3)), names=tuple(names), counts=counts, is_last=is_last
        )


def _chunks(pending: Sequence[tuple[_Key, _Series]]) -> list[list[tuple[_Key, _Series]]]:
    """Divide the counts into reports that are not too long."""
    chunks: list[list[tuple[_Key, _Series]]] = []
    size = 0
    for key, series in pending:
        needed = 2 * len((key[0] + key[1]).encode())  # JSON escapes quotes and backslashes
        if not chunks or len(chunks[-1]) >= MAX_SENT_COUNTS or size + needed > _MAX_NAME_BYTES:
            chunks.append([])
            size = 0
        chunks[-1].append((key, series))
        size += needed
    return chunks
