"""SoftwareTable: one object for all workers that run the same software with the same settings. Pure.

Used under the Cluster's lock. A worker reports its software once a minute, and its settings every two minutes. Each
decoded report has its own copy, and 10,000 workers usually have one release.
"""

import msgspec

from celery_gossip.wire.messages import Gossip, Profile, Setting, Software

__all__ = ["SoftwareTable"]

_MAX_SHARED = 500  #: different objects that are shared; the table is cleared beyond that


class SoftwareTable:
    """Shares equal Software objects, and equal settings."""

    def __init__(self) -> None:
        self._shared: dict[Software, Software] = {}
        self._settings: dict[tuple[Setting, ...], tuple[Setting, ...]] = {}

    def share(self, gossip: Gossip) -> Gossip:
        """Return the report with the shared copy of its software. Takes some microseconds if it has one."""
        if gossip.software is None:
            return gossip
        shared = self._shared.get(gossip.software)
        if shared is None:
            if len(self._shared) >= _MAX_SHARED:
                self._shared.clear()
            self._shared[gossip.software] = gossip.software
            return gossip
        return msgspec.structs.replace(gossip, software=shared)

    def share_settings(self, profile: Profile) -> tuple[Setting, ...]:
        """Return the shared copy of the settings."""
        if len(self._settings) >= _MAX_SHARED:
            self._settings.clear()
        return self._settings.setdefault(profile.settings, profile.settings)
