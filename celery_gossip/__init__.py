"""Queue gossip for Celery: the public names, imported at their first use.

Importing this package imports neither Celery nor Kombu, so it costs nothing in a process that does not use it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery_gossip import signals as signals
    from celery_gossip.cluster.beat_view import BeatState as BeatState
    from celery_gossip.cluster.beat_view import BeatView as BeatView
    from celery_gossip.cluster.beat_view import EntryView as EntryView
    from celery_gossip.cluster.beat_view import Send as Send
    from celery_gossip.cluster.cluster import Cluster as Cluster
    from celery_gossip.cluster.failures import Failure as Failure
    from celery_gossip.cluster.failures import FailureGroup as FailureGroup
    from celery_gossip.cluster.failures import FailureView as FailureView
    from celery_gossip.cluster.queue_balance import QueueBalance as QueueBalance
    from celery_gossip.cluster.queue_balance import TaskBalance as TaskBalance
    from celery_gossip.cluster.recording import Recording as Recording
    from celery_gossip.cluster.recording import Sample as Sample
    from celery_gossip.cluster.scaling import QueueDemand as QueueDemand
    from celery_gossip.cluster.statistics import GroupBy as GroupBy
    from celery_gossip.cluster.task_view import TaskView as TaskView
    from celery_gossip.cluster.task_view import WaitingView as WaitingView
    from celery_gossip.cluster.throughput import Throughput as Throughput
    from celery_gossip.cluster.view import Paused as Paused
    from celery_gossip.cluster.view import QueueView as QueueView
    from celery_gossip.cluster.view import View as View
    from celery_gossip.cluster.view import WorkerState as WorkerState
    from celery_gossip.cluster.view import WorkerView as WorkerView
    from celery_gossip.diagnosis.diagnosis import Finding as Finding
    from celery_gossip.diagnosis.kinds import FindingKind as FindingKind
    from celery_gossip.diagnosis.kinds import Severity as Severity
    from celery_gossip.diagnosis.rule_settings import RuleSettings as RuleSettings
    from celery_gossip.errors import BrokerUnreachable as BrokerUnreachable
    from celery_gossip.errors import GossipError as GossipError
    from celery_gossip.errors import InvalidOption as InvalidOption
    from celery_gossip.errors import NotRunning as NotRunning
    from celery_gossip.errors import OversizedGossip as OversizedGossip
    from celery_gossip.errors import RejectedGossip as RejectedGossip
    from celery_gossip.errors import UnknownEvent as UnknownEvent
    from celery_gossip.errors import UnsupportedTransport as UnsupportedTransport
    from celery_gossip.errors import UnusableURL as UnusableURL
    from celery_gossip.errors import WaitTimeout as WaitTimeout
    from celery_gossip.listener.events import BeatEvent as BeatEvent
    from celery_gossip.listener.events import DroppedEvents as DroppedEvents
    from celery_gossip.listener.events import Event as Event
    from celery_gossip.listener.events import FindingEvent as FindingEvent
    from celery_gossip.listener.events import GossipEvent as GossipEvent
    from celery_gossip.listener.events import RejectionEvent as RejectionEvent
    from celery_gossip.listener.events import WorkerEvent as WorkerEvent
    from celery_gossip.listener.listener import Listener as Listener
    from celery_gossip.listener.rules_file import read_rules as read_rules
    from celery_gossip.listener.snapshot import snapshot as snapshot
    from celery_gossip.options import GossipOptions as GossipOptions
    from celery_gossip.transport.oldest_message import ExactAge as ExactAge
    from celery_gossip.wire.messages import Beat as Beat
    from celery_gossip.wire.messages import BeatEntry as BeatEntry
    from celery_gossip.wire.messages import Gossip as Gossip
    from celery_gossip.wire.messages import GossipState as GossipState
    from celery_gossip.wire.messages import PoolProcesses as PoolProcesses
    from celery_gossip.wire.messages import QueueCheck as QueueCheck
    from celery_gossip.wire.messages import Resources as Resources
    from celery_gossip.worker.bootstep import GossipStep as GossipStep
    from celery_gossip.worker.install import install as install

__version__ = "0.1.0"

_MODULE_OF = {
    "Beat": "wire.messages",
    "BeatEntry": "wire.messages",
    "BeatEvent": "listener.events",
    "BeatState": "cluster.beat_view",
    "BeatView": "cluster.beat_view",
    "BrokerUnreachable": "errors",
    "Cluster": "cluster.cluster",
    "DroppedEvents": "listener.events",
    "EntryView": "cluster.beat_view",
    "Event": "listener.events",
    "ExactAge": "transport.oldest_message",
    "Failure": "cluster.failures",
    "FailureGroup": "cluster.failures",
    "FailureView": "cluster.failures",
    "Finding": "diagnosis.diagnosis",
    "FindingEvent": "listener.events",
    "FindingKind": "diagnosis.kinds",
    "Gossip": "wire.messages",
    "GossipError": "errors",
    "GossipEvent": "listener.events",
    "GossipOptions": "options",
    "GossipState": "wire.messages",
    "GossipStep": "worker.bootstep",
    "GroupBy": "cluster.statistics",
    "InvalidOption": "errors",
    "Listener": "listener.listener",
    "NotRunning": "errors",
    "OversizedGossip": "errors",
    "Paused": "cluster.view",
    "PoolProcesses": "wire.messages",
    "QueueBalance": "cluster.queue_balance",
    "QueueCheck": "wire.messages",
    "QueueDemand": "cluster.scaling",
    "QueueView": "cluster.view",
    "Recording": "cluster.recording",
    "RejectedGossip": "errors",
    "RejectionEvent": "listener.events",
    "Resources": "wire.messages",
    "RuleSettings": "diagnosis.rule_settings",
    "Sample": "cluster.recording",
    "Send": "cluster.beat_view",
    "Severity": "diagnosis.kinds",
    "TaskBalance": "cluster.queue_balance",
    "TaskView": "cluster.task_view",
    "Throughput": "cluster.throughput",
    "UnknownEvent": "errors",
    "UnsupportedTransport": "errors",
    "UnusableURL": "errors",
    "View": "cluster.view",
    "WaitTimeout": "errors",
    "WaitingView": "cluster.task_view",
    "WorkerEvent": "listener.events",
    "WorkerState": "cluster.view",
    "WorkerView": "cluster.view",
    "install": "worker.install",
    "read_rules": "listener.rules_file",
    "snapshot": "listener.snapshot",
}

__all__ = [
    "Beat",
    "BeatEntry",
    "BeatEvent",
    "BeatState",
    "BeatView",
    "BrokerUnreachable",
    "Cluster",
    "DroppedEvents",
    "EntryView",
    "Event",
    "ExactAge",
    "Failure",
    "FailureGroup",
    "FailureView",
    "Finding",
    "FindingEvent",
    "FindingKind",
    "Gossip",
    "GossipError",
    "GossipEvent",
    "GossipOptions",
    "GossipState",
    "GossipStep",
    "GroupBy",
    "InvalidOption",
    "Listener",
    "NotRunning",
    "OversizedGossip",
    "Paused",
    "PoolProcesses",
    "QueueBalance",
    "QueueCheck",
    "QueueDemand",
    "QueueView",
    "Recording",
    "RejectedGossip",
    "RejectionEvent",
    "Resources",
    "RuleSettings",
    "Sample",
    "Send",
    "Severity",
    "TaskBalance",
    "TaskView",
    "Throughput",
    "UnknownEvent",
    "UnsupportedTransport",
    "UnusableURL",
    "View",
    "WaitTimeout",
    "WaitingView",
    "WorkerEvent",
    "WorkerState",
    "WorkerView",
    "install",
    "read_rules",
    "signals",
    "snapshot",
]


def __getattr__(name: str) -> Any:
    if name == "signals":
        return import_module(f"{__name__}.signals")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f"{__name__}.{_MODULE_OF[name]}")
    except (ImportError, AttributeError) as exc:
        if name not in ("GossipStep", "install"):
            raise
        from celery_gossip.worker.unsupported import stand_in

        return stand_in(name, exc)
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
