"""SeriesSchedule: selects the series that the next gossip reports. Owned by the Meter, called under its lock.

A listener that missed messages needs only the latest state of each series, because all counts are cumulative. Every
gossip contains, in this order, within the size budget:

1. one series round-robin, with all its buckets: for listeners that started later;
2. the series that changed, with the buckets that changed: each in three gossips after its change;
3. series that have changed before, with all their buckets, those not reported for longest first: for listeners that
   missed those three. Each is repeated in every third gossip at first, and less and less often until 60 gossips after
   its last change, eleven times in total. A listener that missed n gossips is therefore correct again after three
   gossips or n / 4, whichever is more.

A series that changes all the time causes no repetitions, and an idle worker returns to one series per gossip.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from celery_gossip.worker.series import Series
from celery_gossip.worker.timing import REPEATS

__all__ = ["SeriesSchedule"]

_REPEATED_FOR = 60  #: gossips after its last change during which a series is repeated
_REPEAT_DIVISOR = 4  #: the next repetition is due after a quarter of the gossips since the last change
_BUDGET = 24 * 1024  #: bytes of a gossip that series may take, approximately


@dataclass(frozen=True, slots=True)
class _Repetition:
    """When a series that no longer changes was reported, in numbers of gossips."""

    since: int  #: the last of the three gossips after its change
    latest: int

    def is_due(self, number: int) -> bool:
        return number - self.latest >= max(REPEATS, (number - self.since) // _REPEAT_DIVISOR)


class SeriesSchedule:
    """Selects series and keeps track of what was sent. A selection counts as sent only after commit()."""

    def __init__(self) -> None:
        self.changed: dict[Series, int] = {}  #: gossips that still have to report a series; the longest waiting first
        self._repeated: dict[Series, _Repetition] = {}  # the least recently reported first
        self._sent = 0
        self._rotation: Iterator[Series] = iter(())
        self._full: Series | None = None  # the one of the round-robin, until it was sent
        self._selected: dict[Series, int] = {}  # from select() to commit(); taken out of `changed`

    @property
    def has_unreported(self) -> bool:
        """True while a change was reported less than twice. The final gossip is repeated until it is False."""
        return any(left > REPEATS - 2 for left in self.changed.values())

    def select(self, all_series: Iterable[Series]) -> dict[Series, bool]:
        """Return `{series: all buckets?}` for the next gossip, the most important first."""
        self._requeue_unsent()
        selected = self._fit_budget(all_series)
        self._selected = {series: self.changed.pop(series, 0) for series in selected}
        return selected

    def commit(self, sent: int) -> None:
        """Note that a gossip was sent with the first `sent` of the selected series."""
        self._sent += 1
        for at, (series, left) in enumerate(self._selected.items()):
            is_sent = at < sent
            if is_sent:
                series.commit()
                self._plan_repetition(series, left - 1)
            self._requeue(series, left - is_sent)
        self._selected = {}
        self._full = None

    def _requeue_unsent(self) -> None:
        """Queue the last selection again, if commit() was not called because it could not be sent."""
        for series, left in self._selected.items():
            self._requeue(series, left)
        self._selected = {}

    def _requeue(self, series: Series, left: int) -> None:
        # At the end of the queue. A series that changed since it was selected is there already, with a higher number.
        if left > 0:
            self.changed.setdefault(series, left)

    def _plan_repetition(self, series: Series, left: int) -> None:
        """Plan repetitions of a series that was sent, and that `left` more gossips report because it changed."""
        known = self._repeated.pop(series, None)
        if left == 0:  # the last of the three
            self._repeated[series] = _Repetition(self._sent, self._sent)
        elif left < 0 and known is not None and self._sent - known.since < _REPEATED_FOR:
            self._repeated[series] = _Repetition(known.since, self._sent)

    def _fit_budget(self, all_series: Iterable[Series]) -> dict[Series, bool]:
        """Select within the budget, but at least one changed series beside that of the round-robin."""
        full = self._full = self._full or self._next_in_rotation(all_series)
        if full is None:
            return {}
        selected = {full: full.byte_limit(is_full=True) <= _BUDGET}
        bytes_left = _BUDGET - full.byte_limit(is_full=selected[full])
        for series in self.changed:
            if series is full:
                continue
            bytes_left -= series.byte_limit(is_full=False)
            if bytes_left < 0 and len(selected) > 1:
                return selected
            selected[series] = False
        for series in self._due_repetitions():
            bytes_left -= 0 if series in selected else series.byte_limit(is_full=True)
            if bytes_left < 0:
                break
            selected.setdefault(series, True)
        return selected

    def _due_repetitions(self) -> list[Series]:
        """Return the series to repeat now: at most a third of them, so that gossips are of similar size."""
        due = (one for one, it in self._repeated.items() if it.is_due(self._sent + 1) and one not in self.changed)
        return list(islice(due, -(-len(self._repeated) // REPEATS)))

    def _next_in_rotation(self, all_series: Iterable[Series]) -> Series | None:
        found = next(self._rotation, None)
        if found is None:
            self._rotation = iter(tuple(all_series))
            found = next(self._rotation, None)
        return found
