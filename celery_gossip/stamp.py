"""The time of sending, stamped on every task message, so that the worker can tell how long a task has waited.

Celery has no such header. The receiver runs on whatever thread sends a task, in every process that calls install().
"""

import math
import time
from typing import Any

from celery.signals import before_task_publish

__all__ = ["sent_at", "stamp_tasks"]

_HEADER = "gossip_sent_at"  #: Unix seconds of the sender's clock


def stamp_tasks() -> None:
    """Stamp the tasks that this process sends; once is enough."""
    before_task_publish.connect(_stamp, dispatch_uid="celery_gossip.stamp")


def sent_at(headers: Any) -> float | None:
    """When this message was sent, Unix seconds; None where nobody has stamped it, or with something else."""
    try:
        stamped = headers.get(_HEADER)
    except AttributeError:
        return None
    if isinstance(stamped, (int, float)) and not isinstance(stamped, bool) and math.isfinite(stamped):
        return float(stamped)
    return None


def _stamp(headers: Any = None, **_: Any) -> None:
    if isinstance(headers, dict):
        headers[_HEADER] = time.time()
