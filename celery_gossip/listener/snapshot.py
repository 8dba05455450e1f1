"""One view of all workers and queues, for programs that do not keep a listener.

Called by Python code and by `celery gossip status`, on any thread; blocks while it listens.
"""

import time
from collections.abc import Sequence
from typing import Any

from celery_gossip.cluster.view import View
from celery_gossip.errors import BrokerUnreachable, NotRunning
from celery_gossip.listener.listener import Listener
from celery_gossip.listener.readiness import max_report_delay
from celery_gossip.options import GossipOptions

__all__ = ["describe_unreachable", "snapshot", "wait_for_reports"]

_CONNECT_TIMEOUT = 3.0  #: seconds after which a broker that does not answer counts as unreachable
_FINDINGS_TIMEOUT = 15.0  #: seconds of listening, after every worker had time to report, until findings are certain
_VIEW_TIMEOUT = 2.5  #: the same until the queue lengths are read, which happens every 2 s
_POLL_INTERVAL = 0.05  #: seconds


def snapshot(
    app: Any, wait: float | None = None, *, options: GossipOptions | None = None, queues: Sequence[str] = ()
) -> View:
    """Listen until every worker had time to report, about 2 s, and return the workers and queues of that moment.

    `wait` is the number of seconds to listen instead; workers whose interval is above 1 s need about 1.7 intervals.
    `options` and `queues` are those of Listener. If `isolated_since` of the result is not None, the connection failed
    after it was made, and workers may be missing.

    Raises BrokerUnreachable if the broker cannot be reached within 3 s (or `wait`, if that is longer), or if it
    delivers no message, not even those of this listener; InvalidOption, UnsupportedTransport and UnusableURL as
    Listener does. Blocks: in a coroutine use `await asyncio.to_thread(celery_gossip.snapshot, app)`.
    """
    with Listener(app, options, queues=queues) as listener:
        wait_for_reports(listener, wait, for_findings=False)
        if listener.failure:
            raise NotRunning(f"the listener has failed: {listener.failure}")
        view, has_received = listener.view(), listener.has_received_messages
        if listener.connected_at is None and not view.workers:
            raise BrokerUnreachable(describe_unreachable(listener))
        if not has_received and not view.workers:
            raise BrokerUnreachable(f"the broker {listener.uri} delivers no messages")
    return view


def describe_unreachable(listener: Listener) -> str:
    """Return in one line that the broker cannot be reached, and why, for a listener that is not connected."""
    return f"cannot reach the broker {listener.uri}: {listener.error or 'no answer yet'}"


def wait_for_reports(listener: Listener, wait: float | None = None, *, for_findings: bool = True) -> None:
    """Block until the listener has listened for `wait` seconds, or until every worker had time to report.

    In the latter case block further until the findings are certain, for 15 s at most; with `for_findings=False` only
    until the queue lengths are read, for 2.5 s at most. Returns at once if the listener has failed, and after 3 s (or
    `wait`, if that is longer) if the broker cannot be reached.
    """
    began_at = time.monotonic()
    while not _has_waited(listener, wait, began_at, for_findings=for_findings):
        time.sleep(_POLL_INTERVAL)


def _has_waited(listener: Listener, wait: float | None, began_at: float, *, for_findings: bool) -> bool:
    now, connected_at = time.monotonic(), listener.connected_at
    if listener.failure:
        return True
    if connected_at is None:
        return now - began_at > max(_CONNECT_TIMEOUT, wait or 0.0)
    listened = now - connected_at
    if wait is not None:
        return listened > wait
    left = listened - max_report_delay(listener.cluster, listener.options.interval)
    if for_findings:
        return left > _FINDINGS_TIMEOUT or (left > 0 and not listener.is_diagnosing)
    return left > _VIEW_TIMEOUT or (left > 0 and listener.has_received_messages and listener.has_queue_lengths)
