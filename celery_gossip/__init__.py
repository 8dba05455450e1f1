"""Queue gossip for Celery: the public names, resolved when they are first used.

Importing this package imports neither Celery nor Kombu, so it costs nothing where it is merely installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery_gossip.cluster import Cluster as Cluster
    from celery_gossip.diagnosis import Finding as Finding
    from celery_gossip.errors import GossipError as GossipError
    from celery_gossip.errors import InvalidOption as InvalidOption
    from celery_gossip.errors import OversizedGossip as OversizedGossip
    from celery_gossip.errors import RejectedGossip as RejectedGossip
    from celery_gossip.errors import UnsupportedTransport as UnsupportedTransport
    from celery_gossip.errors import UnusableURL as UnusableURL
    from celery_gossip.listener import Listener as Listener
    from celery_gossip.messages import Gossip as Gossip
    from celery_gossip.messages import QueueCheck as QueueCheck
    from celery_gossip.options import GossipOptions as GossipOptions
    from celery_gossip.step import GossipStep as GossipStep
    from celery_gossip.step import install as install
    from celery_gossip.throughput import Throughput as Throughput
    from celery_gossip.view import QueueView as QueueView
    from celery_gossip.view import View as View
    from celery_gossip.view import WorkerView as WorkerView

__version__ = "0.1.0"

_ROOM_OF = {
    "Cluster": "cluster",
    "Finding": "diagnosis",
    "Gossip": "messages",
    "GossipError": "errors",
    "GossipOptions": "options",
    "GossipStep": "step",
    "InvalidOption": "errors",
    "Listener": "listener",
    "OversizedGossip": "errors",
    "QueueCheck": "messages",
    "QueueView": "view",
    "RejectedGossip": "errors",
    "Throughput": "throughput",
    "UnsupportedTransport": "errors",
    "UnusableURL": "errors",
    "View": "view",
    "WorkerView": "view",
    "install": "step",
}

__all__ = [
    "Cluster",
    "Finding",
    "Gossip",
    "GossipError",
    "GossipOptions",
    "GossipStep",
    "InvalidOption",
    "Listener",
    "OversizedGossip",
    "QueueCheck",
    "QueueView",
    "RejectedGossip",
    "Throughput",
    "UnsupportedTransport",
    "UnusableURL",
    "View",
    "WorkerView",
    "install",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
