"""What the view promises of any gossips in any order: bounds that hold, plain text, figures that are numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from unittest.mock import patch

from celery_gossip.cluster import counters, membership
from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import STATES
from celery_gossip.diagnosis.diagnosis import KINDS, Diagnosis
from celery_gossip.diagnosis.inputs import RuleInput
from celery_gossip.errors import RejectedGossip
from celery_gossip.wire.messages import Gossip, as_dict
from celery_gossip.wire.messages import decode as decoded
from tests.fuzz.reading import require_plain
from tests.unit.build import FakeClock

#: Seconds that pass before a line, by its first digit.
_DELAYS = (0.0, 0.3, 1.0, 1.0, 1.0, 4.0, 12.0, 70.0, 700.0, 4000.0)
_MOST_LINES = 60
_MOST_WORKERS, _MOST_SERIES, _MOST_FLEET_SERIES, _MOST_BUCKETS = 4, 6, 5, 40


def conversation(lines: bytes) -> str:
    """Whatever gossips come in whatever order: the view stays within its bounds, tells only plain text, never raises.

    One message a line, after a digit; bounds are small, so that they are reached.
    """
    clock = FakeClock()
    view, diagnosis = Cluster(clock), Diagnosis()
    counted, states = 0, set[str]()
    with _small_bounds():
        view.statistics.start(clock.now)
        for line in lines.split(b"\n")[:_MOST_LINES]:
            digit = line[0] % 10 if line else 0
            clock.advance(_DELAYS[digit])
            states |= _turn(view, clock.now, digit, line[1:])
            counted, before = _ended(view), counted
            assert counted >= before, "a total fell"
        _require_bounded(view)
        for _ in range(2):
            _require_told(view, diagnosis, clock.now)
            clock.advance(30.0)
    return " ".join(sorted(states | {finding.kind for finding in diagnosis.findings}))


def _turn(view: Cluster, now: float, digit: int, body: bytes) -> set[str]:
    """One line is heard; the states that were entered."""
    transitions = view.expire_silent_workers(now, lag=0.5 * (digit % 3))
    if body in (b"isolate", b"heal"):
        (view.set_isolated if body == b"isolate" else view.clear_isolated)(now)
    try:
        message = decoded(body)
        if isinstance(message, Gossip):
            transitions += view.apply_gossip(message, now)
            view.set_queue_lengths({check.queue: digit or None for check in message.checks}, now)
    except RejectedGossip:
        pass
    for transition in transitions:
        assert transition.state in STATES and transition.worker.state == transition.state
    return {transition.state for transition in transitions}


@contextmanager
def _small_bounds() -> Iterator[None]:
    with (
        patch.object(membership, "MAX_WORKERS", _MOST_WORKERS),
        patch.multiple(
            counters, MAX_SERIES=_MOST_SERIES, _MAX_FLEET_SERIES=_MOST_FLEET_SERIES, MAX_BUCKETS=_MOST_BUCKETS
        ),
    ):
        yield


def _ended(view: Cluster) -> int:
    return sum(total.ended for total in view.statistics.fleet_totals().values())


def _require_bounded(view: Cluster) -> None:
    assert len(view.workers()) <= _MOST_WORKERS
    assert view.count_live_workers() == sum(not worker.is_gone for worker in view.workers())
    assert len(view.totals()) <= _MOST_SERIES and len(view.statistics.fleet_totals()) <= _MOST_FLEET_SERIES
    hostnames = {worker.gossip.hostname for worker in view.workers()}
    assert {hostname for hostname, _, _ in view.totals()} <= hostnames
    assert view.statistics._counters._buckets <= _MOST_BUCKETS


def _require_told(view: Cluster, diagnosis: Diagnosis, now: float) -> None:
    told = view.view()
    for worker in told.workers:
        assert worker.state in STATES and worker.age >= 0 and worker.free_slots >= 0
        require_plain([as_dict(gossip) for gossip in (*worker.gossips, worker.replaced or worker.gossip)])
    for queue in told.queues:
        require_plain([queue.queue, queue.paused, list(queue.states), list(queue.active_ids), queue.load])
    for by in ("queue", "task", "worker"):
        _require_history(view, by)
    windows = view.statistics.windows_by_queue()
    for name, one in windows.items():
        for pace in (one.last_15_seconds, one.last_minute, one.previous_ten_minutes):
            _require_figures(name, pace)
    diagnosis.evaluate(RuleInput(told, listening_for=60.0, source="exchange 'x'", throughput=windows), now)
    for finding in diagnosis.findings:
        assert finding.kind in KINDS
        require_plain([finding.subject, finding.text])


def _require_history(view: Cluster, by: str) -> None:
    for window in (1.0, 60.0, 700.0, 10_800.0):
        for name, pace in view.throughput(by, window).items():
            _require_figures(name, pace)
    for name in islice(view.throughput(by, 10_800.0), 3):
        for step in view.series(by, name, 10_800.0):
            _require_figures(name, step)


def _require_figures(name: str, pace: Throughput) -> None:
    require_plain([name, list(pace.failures)])
    assert 0 <= pace.failed <= pace.ended and pace.seconds >= 0
    for times in (pace.runtime, pace.wait):
        require_plain([times.p50, times.p99, times.max, times.mean, times.total, pace.per_second(times.count)])
