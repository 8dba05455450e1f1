"""QueueBalance: what became of the tasks that were sent to one queue, at one moment. Pure; made by the BalanceTracker.

Read on any thread, by the diagnosis and the front ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["QueueBalance", "TaskBalance"]


@dataclass(frozen=True)
class TaskBalance:
    """Tasks of one name from one queue, since the listener started."""

    sent: int = 0
    received: int = 0


@dataclass(frozen=True, kw_only=True)
class QueueBalance:
    """Tasks that were sent to one queue, and what became of them.

    `sent`, `received` and `ended` are sums since the listener started. `missing` belongs to the last `window` seconds.
    """

    queue: str  #: with `is_route` the exchange and the routing key, `exchange/key`; empty if the queue is not known
    is_route: bool = False  #: the settings of the sender bind no queue to this routing key
    sent: int
    received: int  #: with `is_route` tasks of these names from any queue
    ended: int  #: with any outcome
    waiting: int | None  #: on the broker; None if unknown
    reserved: int  #: now, as the following two
    scheduled: int
    active: int
    missing: int | None  #: tasks that neither wait nor were received, at least; None if unknown
    window: float = 0.0
    window_sent: int = 0  #: tasks that were certainly sent in the window
    reason: str = ""  #: why `missing` is None
    growing_at: float | None = None  #: listener's monotonic time when more tasks were found missing
    is_missing_queue: bool = False  #: the broker has no queue of this name
    tasks: Mapping[str, TaskBalance] = field(default_factory=dict)  #: by task name
