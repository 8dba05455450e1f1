"""Telemetry: the blinker signals of celery-gossip, and emit(), which protects the sender from failing receivers.

The sender of every signal is the Celery app. Worker signals are sent on the worker's event loop, listener signals on
the listener's thread; a receiver that blocks delays that thread.

| signal | when | data |
|---|---|---|
| `gossip_init` | the bootstep is built | `options` (GossipOptions) |
| `gossip_start` | a report begins | `system_time` (Unix seconds) |
| `gossip_stop` | a report has ended | `duration` (seconds), `gossip_count` (queues reported) |
| `gossip_exception` | a report, a check or a delivery failed | `duration` (seconds), `phase`, `exception` |
| `gossip_received` | a listener received a gossip | `gossip` (Gossip) |
| `gossip_rejected` | a listener rejected a message | `reason` (see `messages.REASONS`) |
| `worker_online`, `worker_stalled`, `worker_draining`, `worker_offline`, `worker_suspect`, `worker_lost`, \
  `worker_conflict` | a worker entered this state | `worker` (WorkerView) |
| `beat_online`, `beat_stalled`, `beat_offline`, `beat_suspect`, `beat_lost`, `beat_conflict` | a beat process entered \
  this state | `beat` (BeatView) |
| `control_asked` | a user of a dashboard sends a command to workers | `act`, `user`, `hostnames`, `queue`, \
  `task_ids`, `activity_id` |
| `control_settled` | the outcome of that command is known | `activity` (Activity, whose `id` is `activity_id`) |
| `finding_raised`, `finding_cleared` | a problem was detected, or no longer exists | `finding` (Finding) |

Ported from the telemetry events of
Oban's Gossip plugin (`[:oban, :plugin, :start | :stop | :exception]`, `gossip_count`).
"""

import threading
from collections.abc import Callable
from typing import Any

from blinker import NamedSignal, Namespace

from celery_gossip.errors import is_greenlet_exit
from celery_gossip.log import LimitedLogger

__all__ = [
    "beat_conflict",
    "beat_lost",
    "beat_offline",
    "beat_online",
    "beat_stalled",
    "beat_suspect",
    "control_asked",
    "control_settled",
    "emit",
    "finding_cleared",
    "finding_raised",
    "gossip_exception",
    "gossip_init",
    "gossip_received",
    "gossip_rejected",
    "gossip_start",
    "gossip_stop",
    "worker_conflict",
    "worker_draining",
    "worker_lost",
    "worker_offline",
    "worker_online",
    "worker_stalled",
    "worker_suspect",
]

_namespace = Namespace()
_log = LimitedLogger()

gossip_init = _namespace.signal("gossip_init")
gossip_start = _namespace.signal("gossip_start")
gossip_stop = _namespace.signal("gossip_stop")
gossip_exception = _namespace.signal("gossip_exception")
gossip_received = _namespace.signal("gossip_received")
gossip_rejected = _namespace.signal("gossip_rejected")
control_asked = _namespace.signal("control_asked")
control_settled = _namespace.signal("control_settled")
finding_raised = _namespace.signal("finding_raised")
finding_cleared = _namespace.signal("finding_cleared")
worker_online = _namespace.signal("worker_online")
worker_stalled = _namespace.signal("worker_stalled")
worker_draining = _namespace.signal("worker_draining")
worker_offline = _namespace.signal("worker_offline")
worker_suspect = _namespace.signal("worker_suspect")
worker_lost = _namespace.signal("worker_lost")
worker_conflict = _namespace.signal("worker_conflict")
beat_online = _namespace.signal("beat_online")
beat_stalled = _namespace.signal("beat_stalled")
beat_suspect = _namespace.signal("beat_suspect")
beat_offline = _namespace.signal("beat_offline")
beat_lost = _namespace.signal("beat_lost")
beat_conflict = _namespace.signal("beat_conflict")


def emit(signal: NamedSignal, sender: Any, **data: Any) -> None:
    """Call every receiver of `signal` in turn, on this thread; an exception is logged, and the others still run."""
    if not signal.receivers:
        return
    for receiver in tuple(signal.receivers_for(sender)):
        call_receiver(signal.name, receiver, sender, **data)


def call_receiver(name: str, receiver: Callable[..., object], *arguments: Any, **data: Any) -> None:
    """Call a receiver of the signal or event `name`; log what it raises.

    SystemExit, KeyboardInterrupt and the like are logged too on any thread but the main one, because they would end a
    listener. On the main thread they propagate, because a handler of an operating system's signal (Ctrl-C, a worker's
    shutdown) may have raised them while a receiver ran. The exception that ends a greenlet propagates on every thread.
    """
    try:
        receiver(*arguments, **data)
    except BaseException as exc:
        if not isinstance(exc, Exception) and (_is_on_main_thread() or is_greenlet_exit(exc)):
            raise
        _log.error(name, "celery-gossip: a receiver of %s raised %r", name, exc, exc_info=exc)


def _is_on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
