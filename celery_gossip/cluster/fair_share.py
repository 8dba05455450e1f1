"""FairShare: divides a bounded resource among workers, so that none can displace the others. Pure.

Owned by the ViewLimits, used under the Cluster's lock. While enough is free, a worker gets what it requests. When
nothing is left, each keeps its fair share, and usage above it is reduced, the largest first. Verified workers have
priority: unverified ones share what verified ones do not use.
"""

from collections.abc import Callable

__all__ = ["FairShare"]


class FairShare:
    """Units in use by each worker, `capacity` in all."""

    def __init__(self, capacity: int, is_verified: Callable[[str], bool]) -> None:
        """`is_verified(hostname)` returns True if this worker signs its messages; called once for each hostname."""
        self.capacity = capacity
        self.total = 0
        self._is_verified = is_verified
        self._used: dict[str, int] = {}
        self._verified: set[str] = set()
        self._verified_total = 0

    def used(self, hostname: str) -> int:
        """Return the units that this worker uses."""
        return self._used.get(hostname, 0)

    def try_set_usage(self, hostname: str, units: int) -> bool:
        """Set this worker's usage if the total stays within the capacity. Return False if not."""
        if self.total - self._used.get(hostname, 0) + units > self.capacity:
            return False
        self.set_usage(hostname, units)
        return True

    def set_usage(self, hostname: str, units: int) -> None:
        """Set the number of units that this worker uses, whatever the capacity."""
        increase = units - self._register(hostname)
        self.total += increase
        if hostname in self._verified:
            self._verified_total += increase
        self._used[hostname] = units

    def release(self, hostname: str) -> None:
        """Free all units of this worker, and forget it."""
        if hostname in self._used:
            self.set_usage(hostname, 0)
            del self._used[hostname]
            self._verified.discard(hostname)

    def allocate(self, hostname: str, wanted: int, reduce: Callable[[str, int], None]) -> int:
        """Return how many units, of `wanted`, this worker may use; reduce others that use more than their share.

        `reduce(hostname, units)` must reduce the usage of that worker to at most `units`, and call set_usage().
        """
        self._register(hostname)
        requested, asked = wanted, {hostname}
        while self.total - self._used[hostname] + wanted > self.capacity:
            victim, limit = self._find_victim(hostname, wanted, asked)
            if victim is not None:
                asked.add(victim)
                reduce(victim, limit)
                continue
            share, available = self._share(hostname), self._available_to(hostname)
            if wanted <= share:
                return min(wanted, available)
            wanted = max(share, available)
        return min(requested, self._available_to(hostname))

    def _available_to(self, hostname: str) -> int:
        return max(0, self.capacity - self.total + self._used[hostname])

    def _register(self, hostname: str) -> int:
        used = self._used.get(hostname)
        if used is None:
            used = self._used[hostname] = 0
            if self._is_verified(hostname):
                self._verified.add(hostname)
        return used

    def _share(self, hostname: str) -> int:
        """Return the units that this worker may keep, whatever the others request."""
        if hostname in self._verified:
            return _round_down(self.capacity // len(self._verified))
        return self._unverified_share(self._verified_total)

    def _unverified_share(self, verified_total: int) -> int:
        return _round_down(max(0, self.capacity - verified_total) // max(1, len(self._used) - len(self._verified)))

    def _find_victim(self, hostname: str, wanted: int, asked: set[str]) -> tuple[str | None, int]:
        """Return the worker to reduce in favour of this one, and its new limit; None if no worker has to be reduced."""
        if hostname in self._verified:
            verified_total = self._verified_total - self._used[hostname] + wanted
            limit = self._unverified_share(verified_total)
            victim = self._largest(self._used.keys() - self._verified - asked, limit)
            if victim is not None:
                return victim, limit
        share = self._share(hostname)
        if wanted > share:
            return None, share
        same_class = self._verified if hostname in self._verified else self._used.keys() - self._verified
        return self._largest(same_class - asked, share), share

    def _largest(self, hostnames: set[str], share: int) -> str | None:
        """Return the worker that uses most, if that is more than `share`."""
        largest = max(hostnames, key=lambda name: (self._used[name], name), default=None)
        return largest if largest is not None and self._used[largest] > share else None


def _round_down(share: int) -> int:
    """Round down to a power of two, so that a new worker does not cause a small reduction of every other one."""
    return 1 << (share.bit_length() - 1) if share else 0
