"""The periodic work of a listener: states and findings."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

from celery_gossip.cluster.cluster import LOST_AFTER, Cluster
from celery_gossip.cluster.isolation import IsolationDetector
from celery_gossip.listener.periodic_checks import PeriodicChecks
from tests.unit.build import FakeClock, a_gossip


class RecordingEvents:
    """Notes the events in their order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def emit(self, name: str, subject: Any) -> None:
        self.names.append(f"{name}:{subject.kind}")

    def emit_transitions(self, transitions: Any) -> None:
        self.names += [f"worker_{transition.state}" for transition in transitions]


def periodic_checks(cluster: Cluster, events: RecordingEvents, clock: FakeClock) -> PeriodicChecks:
    isolation = IsolationDetector(clock.now)
    isolation.connection_opened(clock.now)
    subscription = SimpleNamespace(uri="memory://")
    loop: Any = SimpleNamespace(
        isolation=isolation, error=None, echo=SimpleNamespace(error=None), subscription=subscription
    )
    queue_lengths: Any = SimpleNamespace(has_read=True, unreadable=lambda view: {})
    rejections: Any = SimpleNamespace(exchange="x", counts=Counter(), recent=lambda now: {})
    anything: Any = events
    return PeriodicChecks(loop, cluster, queue_lengths, rejections, anything)


def test_a_worker_that_is_lost_and_the_finding_about_it_appear_in_the_same_check() -> None:
    clock, events = FakeClock(), RecordingEvents()
    cluster = Cluster(clock)
    checks = periodic_checks(cluster, events, clock)
    cluster.apply_gossip(a_gossip(), clock.now)
    reviewed = False
    while not reviewed:  # a review ends just before the worker is lost
        clock.advance(0.25)
        reviewed = clock.now - 1000.0 > LOST_AFTER - 0.6
        checks.run(clock.now, is_isolation_changed=reviewed)
    while "worker_lost" not in events.names:
        assert "finding_raised:worker_lost" not in events.names
        clock.advance(0.25)
        checks.run(clock.now, is_isolation_changed=False)
    assert events.names[-2:] == ["worker_lost", "finding_raised:worker_lost"]
