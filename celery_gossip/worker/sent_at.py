"""The send time of a task in a header, so that the worker can measure how long the task has waited.

Celery has no such header. The receiver runs on any thread that sends a task, in each process that calls install() and
in each worker with the bootstep.

A retry copies the headers of the original message, including this one. If the retry is sent by a process that does not
set the header, the copy would count the first run as waiting. Therefore the header of a retry comes with the number of
the retry, and is ignored if that number differs from the message's own.
"""

import time
from contextlib import suppress
from typing import Any

from celery.signals import before_task_publish

from celery_gossip.wire.stamp import LATEST, SENT_AT, SENT_RETRIES

__all__ = ["sent_at", "stamp_tasks"]


def stamp_tasks() -> None:
    """Set the header on all tasks that this process sends. Calling it again has no effect."""
    before_task_publish.connect(_stamp, dispatch_uid="celery_gossip.worker.sent_at")


def sent_at(headers: Any) -> float | None:
    """Return when this message was sent, Unix seconds; None if the header is missing, invalid or of another message."""
    try:
        value = headers.get(SENT_AT)
        if value is None or (headers.get("retries") or 0) != (headers.get(SENT_RETRIES) or 0):
            return None
    except AttributeError:
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < LATEST else None


def _stamp(headers: Any = None, **_: Any) -> None:
    with suppress(Exception):  # Celery would log a traceback for every task
        if isinstance(headers, dict):
            headers[SENT_AT] = time.time()
            retries = headers.get("retries")
            if retries:
                headers[SENT_RETRIES] = retries
            else:
                headers.pop(SENT_RETRIES, None)
