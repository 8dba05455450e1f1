"""Supplement: parts of a report that are not read on the event loop: software, profile, held messages, and failures.

Owned by the components; used on the sender thread.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from celery_gossip.wire.messages import Gossip
from celery_gossip.worker.failure_log import FailureLog
from celery_gossip.worker.held_messages import HeldMessages
from celery_gossip.worker.profile import ProfileReport
from celery_gossip.worker.software import SoftwareReport

__all__ = ["Supplement"]


class Supplement:
    """Adds these parts to the reports of one worker."""

    def __init__(
        self,
        software: SoftwareReport,
        held: HeldMessages,
        failures: FailureLog | None = None,
        profile: ProfileReport | None = None,
    ) -> None:
        self._software = software
        self._profile = profile
        self._held = held
        self._failures = FailureLog() if failures is None else failures

    @property
    def has_unreported(self) -> bool:
        """True while a failure was in fewer than two reports. The final report is repeated until it is False."""
        return self._failures.has_unreported

    def complete(self, gossip: Gossip, on_error: Callable[[Exception], None]) -> Gossip:
        """Return the report with the parts that are due. One that cannot be read is left out, and its error passed on.

        commit() is to be called when the report was sent.
        """
        parts: dict[str, Any] = {}
        due: dict[str, Callable[[], Any]] = {"software": self._software.due, "held": self._held.read}
        if self._profile is not None:
            due["profile"] = self._profile.due
        for name, read in due.items():
            try:
                part = read()
            except Exception as exc:
                on_error(exc)
                continue
            if part:
                parts[name] = part
        gossip = msgspec.structs.replace(gossip, **parts) if parts else gossip
        try:
            return self._failures.add_to(gossip)
        except Exception as exc:
            on_error(exc)
            return gossip

    def commit(self, gossip: Gossip) -> None:
        """Note that this report was sent."""
        if gossip.software is not None:
            self._software.commit()
        if gossip.profile is not None and self._profile is not None:
            self._profile.commit()
        self._failures.commit(gossip.failures)
