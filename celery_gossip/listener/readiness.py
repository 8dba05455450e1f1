"""Decides if a listener works, and if it has listened for long enough. Pure.

Called by the Listener on any thread, because a thread that has ended cannot report its own end.
"""

from typing import Protocol

from celery_gossip.cluster.cluster import HEARTBEAT_TIMEOUT, Cluster
from celery_gossip.diagnosis.diagnosis import CRITICAL, Finding
from celery_gossip.log import describe_error

__all__ = ["FAILED", "ThreadStatus", "add_failure", "failure_reason", "is_settled", "max_report_delay"]

FAILED = "This listener has failed"  #: beginning of the finding's text
_MAX_REPORT_INTERVALS = 1.7  #: a stalled worker reports every 1.5 intervals at first, and every interval varies by 10 %
_MARGIN = 0.3  #: seconds


class ThreadStatus(Protocol):
    """Facts about the listener's thread (`celery_gossip.listener.supervised_thread.SupervisedThread`)."""

    ended_by: BaseException | None

    @property
    def is_alive(self) -> bool: ...
    @property
    def is_closed(self) -> bool: ...


def failure_reason(thread: ThreadStatus, cluster: Cluster, now: float) -> str:
    """Return the reason why a listener's thread does not work although it was not closed; empty while it works.

    A listener that was never started, and one that was closed, has not failed.
    """
    if thread.is_closed:
        return ""
    if thread.ended_by is not None and not thread.is_alive:
        return f"its thread has ended ({describe_error(thread.ended_by)})"
    heartbeat_at = cluster.listener_heartbeat_at
    if not thread.is_alive:
        return "" if heartbeat_at is None else "its thread has ended"
    if heartbeat_at is not None and now - heartbeat_at > HEARTBEAT_TIMEOUT:
        return f"its thread has been stuck for {now - heartbeat_at:.0f} s, in a signal receiver or a call to the broker"
    return ""


def add_failure(findings: tuple[Finding, ...], reason: str, since: float) -> tuple[Finding, ...]:
    """Return the findings with the failure of the listener in front, in place of `isolated`, if there is a reason."""
    if not reason:
        return findings
    text = (
        f"{FAILED}: {reason}. The view is frozen as it was then, and no worker is reported as lost. "
        "See its log, and restart this process."
    )
    others = tuple(finding for finding in findings if finding.kind != "isolated")
    return (Finding("isolated", CRITICAL, "listener", since, text), *others)


def max_report_delay(cluster: Cluster, default_interval: float) -> float:
    """Return the seconds within which every worker of the view reports at least once, stalled ones included."""
    intervals = [worker.gossip.interval for worker in cluster.workers() if not worker.is_gone]
    return _MAX_REPORT_INTERVALS * max(intervals, default=default_interval) + _MARGIN


def is_settled(connected_at: float | None, delay: float, now: float, *, is_diagnosing: bool) -> bool:
    """Return True if a listener has been connected for `delay` seconds, and no finding is undecided."""
    return connected_at is not None and now - connected_at > delay and not is_diagnosing
