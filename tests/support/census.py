"""What of ours is in a worker, counted from within: GOSSIP_TEST_IMPORT=tests.support.census, `control gossip_census`.

Answered on the worker's event loop, or on the thread that serves remote control where there is none.
"""

import threading
from typing import Any

from celery.worker.control import control_command


@control_command()
def gossip_census(state: Any) -> dict[str, int]:
    """How many timers of the step are armed, and how many sender threads live."""
    names = [thread.name for thread in threading.enumerate()]
    return {
        "timers": sum(map(is_armed_tick, entries(state.consumer.timer))),
        "threads": names.count("celery-gossip-sender"),
    }


def entries(timer: Any) -> list[Any]:
    """Of a hub's timer or of timer2's thread, which keep a heap; of gevent's and eventlet's, a set of greenlets."""
    queue = list(getattr(timer, "schedule", timer)._queue)
    return [getattr(scheduled, "entry", None) for scheduled in queue]


def is_armed_tick(entry: Any) -> bool:
    return getattr(entry, "fun", None) is not None and entry.fun.__name__ == "_tick" and not entry.canceled
