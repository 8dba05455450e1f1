"""The time of sending, stamped on every task message, so that the worker can tell how long a task has waited.

Celery has no such header. The receiver runs on whatever thread sends a task, in every process that calls install().
"""

import time
from contextlib import suppress
from typing import Any

from celery.signals import before_task_publish

__all__ = ["due_at", "sent_at", "stamp_tasks"]

_HEADER = "gossip_sent_at"  #: Unix seconds of the sender's clock
_LATEST = 1e11  #: Unix seconds, far beyond any clock: a client can write anything into a header


def stamp_tasks() -> None:
    """Stamp the tasks that this process sends; once is enough."""
    before_task_publish.connect(_stamp, dispatch_uid="celery_gossip.stamp")


def sent_at(headers: Any) -> float | None:
    """When this message was sent, Unix seconds; None where nobody has stamped it, or with something else."""
    try:
        stamped = headers.get(_HEADER)
    except AttributeError:
        return None
    is_number = isinstance(stamped, (int, float)) and not isinstance(stamped, bool)
    return float(stamped) if is_number and 0 < stamped < _LATEST else None


def due_at(request: Any) -> float | None:
    """When a request that a worker has received was sent, or its ETA if that is later."""
    sent = sent_at(request.message.headers)
    if sent is None or request.eta is None:
        return sent
    return max(sent, float(request.eta.timestamp()))


def _stamp(headers: Any = None, **_: Any) -> None:
    with suppress(Exception):  # Celery would write a traceback for every task
        if isinstance(headers, dict):
            headers[_HEADER] = time.time()
