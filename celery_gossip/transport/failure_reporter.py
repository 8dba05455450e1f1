"""FailureReporter: counts internal errors of a process that reports, logs them and sends `gossip_exception`.

Used on its main thread alone: the event loop of a worker, the thread of beat.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery_gossip import signals
from celery_gossip.log import LimitedLogger, describe_error
from celery_gossip.transport.body_delivery import SenderEvent
from celery_gossip.transport.publisher import Publisher

__all__ = ["FailureReporter"]


class FailureReporter:
    """Reports errors, so that none is raised in a hook. Its log lines are limited in rate."""

    def __init__(self, app: Any, log: LimitedLogger, process: str = "worker") -> None:
        """`process` is what goes on in spite of an error, as log lines say."""
        self._app = app
        self._process = process
        self._log = log
        self.publisher: Publisher | None = None  #: names the broker; None before it is built
        self.count = 0

    def call_each(self, phase: str, *parts: Callable[[], object]) -> None:
        """Call each of these functions even if others fail. SystemExit, such as WorkerShutdown, is not caught."""
        for part in parts:
            try:
                part()
            except Exception as exc:
                self.report(phase, exc)

    def report(self, phase: str, exc: Exception, began: float | None = None) -> None:
        """Report an error of this phase; `began`: monotonic seconds when the failed step began."""
        self.count += 1
        duration = 0.0 if began is None else time.monotonic() - began
        with suppress(Exception):  # repr() of an exception may raise
            self._write(phase, exc)
        signals.emit(signals.gossip_exception, self._app, duration=duration, phase=phase, exception=exc)

    def report_event(self, event: SenderEvent) -> None:
        """Report an event of the sender thread."""
        uri = "" if self.publisher is None else self.publisher.uri
        if event.exception is not None:
            self.report(event.phase, event.exception, began=time.monotonic() - event.duration)
        elif event.kind == "blocked":
            self._log.warning("blocked", "celery-gossip: %s has blocked publishers; holding back", uri)
        else:
            self._log.warning("recovered", "celery-gossip: delivering to %s again", uri)

    def _write(self, phase: str, exc: Exception) -> None:
        actions = {  # the publisher may be connected to the next failover URL by now, so all are named
            "publish": f"deliver to {self.publisher and self.publisher.all_uris}",
            "health": "write the health file",
            "thread": "start a thread",
        }
        action = actions.get(phase)
        if action is not None:
            text = "celery-gossip: cannot %s: %s; the %s goes on, trying again"
            self._log.warning(phase, text, action, describe_error(exc), self._process)
        else:
            text = "celery-gossip: %s failed: %r; the %s goes on"
            self._log.error(phase, text, phase, exc, self._process, exc_info=exc)
