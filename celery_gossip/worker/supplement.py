"""Supplement: parts of a report that are not read on the event loop: what the worker runs, and what it holds for long.

Owned by the components; used on the sender thread.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from celery_gossip.wire.messages import Gossip
from celery_gossip.worker.held_messages import HeldMessages
from celery_gossip.worker.software import SoftwareReport

__all__ = ["Supplement"]


class Supplement:
    """Adds these parts to the reports of one worker."""

    def __init__(self, software: SoftwareReport, held: HeldMessages) -> None:
        self._software = software
        self._held = held

    def complete(self, gossip: Gossip, on_error: Callable[[Exception], None]) -> Gossip:
        """Return the report with the parts that are due. One that cannot be read is left out, and its error passed on.

        commit() is to be called when the report was sent.
        """
        parts: dict[str, Any] = {}
        for name, read in (("software", self._software.due), ("held", self._held.read)):
            try:
                part = read()
            except Exception as exc:
                on_error(exc)
                continue
            if part:
                parts[name] = part
        return msgspec.structs.replace(gossip, **parts) if parts else gossip

    def commit(self, gossip: Gossip) -> None:
        """Note that this report was sent."""
        if gossip.software is not None:
            self._software.commit()
