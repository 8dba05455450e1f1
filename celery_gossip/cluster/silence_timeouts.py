"""SilenceTimeouts: time without a report after which a worker is suspect, and lost. Pure; time is passed in.

Held by the Cluster, used by its Members under the Cluster's lock.
"""

from dataclasses import dataclass

from celery_gossip.errors import InvalidOption

__all__ = ["LOST_AFTER", "SUSPECT_AFTER", "SilenceTimeouts"]

SUSPECT_AFTER = 3.5  #: default time without a report until a worker is suspect, in units of its own interval
LOST_AFTER = 10.0  #: default time until it is lost, in the same units
_MAX_INTERVALS = 1e6
_MIN_TIMEOUT = 0.5  #: seconds; no timeout is shorter
_GRACE = 3.0  #: intervals without any timeout after the listener was isolated
_MIN_GRACE = 3.0  #: seconds, at least: a sender may wait that long before it retries the broker


@dataclass(frozen=True)
class SilenceTimeouts:
    """Timeouts that apply at this moment, in units of each worker's own interval.

    `lag` widens every timeout by what the listener may have missed (Lifeguard: Local Health Aware Suspicion; Dadgar,
    Phillips, Currey 2017).
    """

    suspect: float = SUSPECT_AFTER
    lost: float = LOST_AFTER
    lag: float = 0.0  #: seconds that the listener itself may be behind
    isolation_ended_at: float | None = None  #: monotonic time at which the listener was last isolated
    is_frozen: bool = False  #: the listener is isolated, so missing reports prove nothing

    def __post_init__(self) -> None:
        _require_intervals("suspect_after", self.suspect, above=0.0)
        _require_intervals("lost_after", self.lost, above=self.suspect)

    def is_suspect(self, interval: float, last_seen: float, now: float) -> bool:
        return self._seconds_without_report(interval, last_seen, now) > self.suspect_timeout(interval)

    def is_lost(self, interval: float, last_seen: float, now: float) -> bool:
        timeout = max(_MIN_TIMEOUT, self.lost * interval) + self.lag
        return self._seconds_without_report(interval, last_seen, now) > timeout

    def suspect_timeout(self, interval: float) -> float:
        """Return the seconds without a report after which a worker with this interval is suspect."""
        return max(_MIN_TIMEOUT, self.suspect * interval) + self.lag

    def _seconds_without_report(self, interval: float, last_seen: float, now: float) -> float:
        if self.isolation_ended_at is None:
            return now - last_seen
        return now - max(last_seen, self.isolation_ended_at + max(_MIN_GRACE, _GRACE * interval))


def _require_intervals(option: str, value: object, above: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not above < value <= _MAX_INTERVALS:  # type: ignore[operator]
        raise InvalidOption(
            f"{option}: expected a number of intervals above {above:g} and at most {_MAX_INTERVALS:g}, got {value!r}"
        )
