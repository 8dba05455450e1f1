"""Telemetry: the blinker signals of queue gossip, and emit(), which keeps a failing receiver from hurting anyone.

The sender of every signal is the Celery app. Worker-side signals are sent on the worker's event loop, listener-side
ones on the listener's thread; a receiver that is slow there is slow there.

| signal | when | data |
|---|---|---|
| `gossip_init` | the bootstep is built | `options` (GossipOptions) |
| `gossip_start` | a round begins | `system_time` (Unix seconds) |
| `gossip_stop` | a round has ended | `duration` (seconds), `gossip_count` (queues broadcast) |
| `gossip_exception` | a round, a check or a delivery failed | `duration` (seconds), `phase`, `exception` |
| `gossip_received` | a listener took a gossip | `gossip` (Gossip) |
| `gossip_rejected` | a listener refused a message | `reason` (see `messages.REASONS`) |
| `worker_online`, `worker_stalled`, `worker_draining`, `worker_offline`, `worker_suspect`, `worker_lost`, \
  `worker_conflict` | a worker entered this state | `worker` (WorkerView) |
| `control_asked` | a viewer of the dashboard asks workers for something | `act`, `user`, `hostnames`, `queue` |
| `finding_raised`, `finding_cleared` | something is wrong, or is no longer | `finding` (Finding) |

Ported from the telemetry events of
Oban's Gossip plugin (`[:oban, :plugin, :start | :stop | :exception]`, `gossip_count`).
"""

from typing import Any

from blinker import NamedSignal, Namespace

from celery_gossip.log import LimitedLogger

__all__ = [
    "control_asked",
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
finding_raised = _namespace.signal("finding_raised")
finding_cleared = _namespace.signal("finding_cleared")
worker_online = _namespace.signal("worker_online")
worker_stalled = _namespace.signal("worker_stalled")
worker_draining = _namespace.signal("worker_draining")
worker_offline = _namespace.signal("worker_offline")
worker_suspect = _namespace.signal("worker_suspect")
worker_lost = _namespace.signal("worker_lost")
worker_conflict = _namespace.signal("worker_conflict")


def emit(signal: NamedSignal, sender: Any, **data: Any) -> None:
    """Call every receiver of `signal` in turn, on this thread; one that raises is logged and the others still run."""
    if not signal.receivers:
        return
    for receiver in tuple(signal.receivers_for(sender)):
        try:
            receiver(sender, **data)
        except Exception as exc:
            _log.error(signal.name, "celery-gossip: a receiver of %s raised %r", signal.name, exc, exc_info=exc)
