"""The rules of diagnosis that look at how a queue's tasks have fared over time. Pure. See rule.py for the others.

A fleet that works at its limit is no finding: its waits are long because every slot is taken.
"""

from collections.abc import Iterator

from celery_gossip.evidence import WARNING, Evidence, Suspicion
from celery_gossip.throughput import Trend

__all__ = ["failures_rise", "wait_grows"]

_LEAST_RECENT, _LEAST_BEFORE = 20, 50  #: tasks that succeeded or failed, before a rate means anything
_LEAST_RATE = 0.1  #: of failures in the last minute, and above what it was before
_TIMES_RATE = 3.0  #: what it was before
_RATE_HOLDS = 10.0  #: seconds
_LEAST_WAITS = 5  #: tasks started in the latest seconds
_LEAST_WAIT = 5.0  #: seconds
_TIMES_WAIT = 2.0  #: what it was before
_WAIT_HOLDS = 20.0  #: seconds, longer than the latest ones: those that waited for a full fleet have left them by then


def failures_rise(evidence: Evidence) -> Iterator[Suspicion]:
    for queue, trend in evidence.trends.items():
        recent, before = trend.recent, trend.before
        if recent.succeeded + recent.failed < _LEAST_RECENT or before.succeeded + before.failed < _LEAST_BEFORE:
            continue
        rate, usual = recent.failure_rate or 0.0, before.failure_rate or 0.0
        if rate < max(_TIMES_RATE * usual, usual + _LEAST_RATE):
            continue
        kind, count = max(recent.failures.items(), key=lambda one: one[1], default=("", 0))
        text = (
            f"{rate:.0%} of the tasks of queue {queue!r} failed in the last minute ({recent.failed} of "
            f"{recent.succeeded + recent.failed}, {count} of them with {kind}), and {usual:.0%} before. Look at what "
            "was deployed or went down since, and at the workers' logs."
        )
        yield Suspicion("failures_rise", WARNING, queue, text, hold=_RATE_HOLDS)


def wait_grows(evidence: Evidence) -> Iterator[Suspicion]:
    for queue in evidence.view.queues:
        trend = evidence.trends.get(queue.queue)
        if trend is None or not _waits_longer(trend):
            continue
        consumers = evidence.consumers.get(queue.queue, [])
        # Of a worker whose event loop has just missed a tick, too: that must not begin the matter anew.
        free = sum(max(0, one.gossip.concurrency - one.gossip.active) for one in consumers if one.is_open)
        if not free:
            continue
        text = (
            f"Tasks of queue {queue.queue!r} have waited {trend.latest.wait.p50:.0f} s of late although "
            f"{free} slots are free, and {trend.before.wait.p50 or 0.0:.0f} s before. Look for a rate "
            "limit, for reserved tasks behind a long one (worker_prefetch_multiplier), or for clocks that disagree."
        )
        yield Suspicion("wait_grows", WARNING, queue.queue, text, hold=_WAIT_HOLDS)


def _waits_longer(trend: Trend) -> bool:
    wait = trend.latest.wait
    if wait.count < _LEAST_WAITS or wait.p50 is None:
        return False
    return wait.p50 >= max(_LEAST_WAIT, _TIMES_WAIT * (trend.before.wait.p50 or 0.0))
