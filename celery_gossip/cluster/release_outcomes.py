"""ReleaseOutcomes: how the tasks of a queue ended under each release, to compare two that run side by side. Pure.

Owned by TaskStatistics. add() is called under the Cluster's lock. Only the last minutes are kept.

Releases are compared within the same minute and the same task name, and these strata are summed up (as by Mantel and
Haenszel, 1959). Otherwise an outage before a deployment, or a worker that receives other tasks, would
look like a release that fails.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, floor, log

__all__ = ["WINDOW", "ReleaseOutcome", "ReleaseOutcomes", "compare_releases"]

WINDOW = 660.0  #: seconds that are compared: the current minute and the ten before, as in the other rules about rates
_MINUTE = 60.0
_MAX_ENTRIES = 5_000  #: of queue, task and release in one minute; further ones are left out
_MAX_RELEASES = 10  #: releases of a queue that are compared, those with most tasks

Key = tuple[str, str, str]  #: queue, task name, release
Counts = tuple[int, int]  #: tasks that ended (succeeded or failed), and those that failed


@dataclass(frozen=True)
class ReleaseOutcome:
    """Tasks of one queue under one release, and under all others in the same minutes and of the same names."""

    release: str
    ended: int  #: that succeeded or failed
    failed: int
    other_ended: int
    other_failed: int
    #: Upper bound of the probability that as many of its tasks fail by chance if the release makes no difference.
    chance: float = 1.0
    minutes: int = 0  #: in which more of its tasks failed than of others; failures may come in bursts
    task: str = ""  #: name with most of its failures

    @property
    def rate(self) -> float:
        """Failed tasks as a fraction of those that ended."""
        return self.failed / self.ended if self.ended else 0.0

    @property
    def other_rate(self) -> float:
        return self.other_failed / self.other_ended if self.other_ended else 0.0


class ReleaseOutcomes:
    """Counts of the last minutes by queue, task and release."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[float, dict[Key, Counts]]] = deque()

    def add(self, key: Key, ended: int, failed: int, now: float) -> None:
        """Count tasks that ended under a known release, and those of them that failed."""
        entries = self._entries_at(now)
        known = entries.get(key)
        if known is not None:
            entries[key] = (known[0] + ended, known[1] + failed)
        elif len(entries) < _MAX_ENTRIES:
            entries[key] = (ended, failed)

    def copy(self, now: float) -> list[Mapping[Key, Counts]]:
        """Return the minutes of the window as copies; to be called under the lock. Empty with less than two releases.

        Takes a millisecond for 5,000 entries.
        """
        recent = [entries for start, entries in self._minutes if start > now - WINDOW]
        releases = {release for entries in recent for _, _, release in entries}
        return [entries.copy() for entries in recent] if len(releases) > 1 else []

    def _entries_at(self, now: float) -> dict[Key, Counts]:
        minutes = self._minutes
        if not minutes or now >= minutes[-1][0] + _MINUTE:
            minutes.append((floor(now / _MINUTE) * _MINUTE, {}))
            while minutes[0][0] <= now - WINDOW - _MINUTE:
                minutes.popleft()
        return minutes[-1][1]


def compare_releases(minutes: Iterable[Mapping[Key, Counts]]) -> dict[str, tuple[ReleaseOutcome, ...]]:
    """Return `{queue: releases}`, the one that fails most clearly first; of queues with failures and several releases.

    Takes some milliseconds for each 1,000 entries of these queues.
    """
    minutes = list(minutes)
    failing = {queue for entries in minutes for (queue, _, _), (_, failed) in entries.items() if failed}
    strata: dict[str, list[_Stratum]] = defaultdict(list)
    for minute, entries in enumerate(minutes):
        by_task: dict[tuple[str, str], dict[str, Counts]] = defaultdict(dict)
        for (queue, task, release), counts in entries.items():
            if queue in failing:
                by_task[queue, task][release] = counts
        for (queue, task), by_release in by_task.items():
            if len(by_release) > 1:  # otherwise there is nothing to compare in this minute
                strata[queue].append(_Stratum(minute, task, by_release))
    return {queue: tuple(sorted(_compare(found), key=lambda one: one.chance)) for queue, found in strata.items()}


@dataclass(frozen=True)
class _Stratum:
    """Tasks of one name in one minute, `{release: counts}`."""

    minute: int
    task: str
    by_release: Mapping[str, Counts]

    def excess(self, release: str) -> float:
        """Return how many more tasks failed under this release than if the release made no difference."""
        own, failed = self.by_release[release]
        return failed - own * self.failed / self.ended

    @property
    def ended(self) -> int:
        return sum([ended for ended, _ in self.by_release.values()])

    @property
    def failed(self) -> int:
        return sum([failed for _, failed in self.by_release.values()])


def _compare(strata: Sequence[_Stratum]) -> Iterator[ReleaseOutcome]:
    totals: Counter[str] = Counter()
    for stratum in strata:
        totals.update({release: ended for release, (ended, _) in stratum.by_release.items()})
    for release, _ in totals.most_common(_MAX_RELEASES):
        yield _outcome_of(release, [one for one in strata if release in one.by_release])


def _outcome_of(release: str, strata: Sequence[_Stratum]) -> ReleaseOutcome:
    """Return the comparison of this release with all others, over strata that contain it."""
    own = [stratum.by_release[release] for stratum in strata]
    ended, failed = sum(one[0] for one in own), sum(one[1] for one in own)
    excess: Counter[int] = Counter()
    failed_by_task: Counter[str] = Counter()
    for stratum in strata:
        excess[stratum.minute] += stratum.excess(release)  # type: ignore[assignment]
        failed_by_task[stratum.task] += stratum.by_release[release][1]
    ((task, most_failed),) = failed_by_task.most_common(1)
    return ReleaseOutcome(
        release=release,
        ended=ended,
        failed=failed,
        other_ended=sum(stratum.ended for stratum in strata) - ended,
        other_failed=sum(stratum.failed for stratum in strata) - failed,
        chance=_chance(ended, failed, failed - sum(excess.values())),
        minutes=sum(more > 0 for more in excess.values()),
        task=task if most_failed else "",
    )


def _chance(ended: int, failed: int, expected: float) -> float:
    """Return an upper bound of the probability of so many failures, by the inequality of Chernoff and Hoeffding (1963).

    It also holds for small numbers, for strata with different rates, and for draws without replacement.
    """
    if failed <= expected or not expected > 0:
        return 1.0
    rate, usual = failed / ended, expected / ended
    divergence = rate * log(rate / usual)
    if rate < 1.0:
        divergence += (1 - rate) * log((1 - rate) / (1 - usual))
    return exp(-ended * divergence)
