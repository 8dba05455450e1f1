"""The thread of a listener with everything that works on it, and the thread that reads queue lengths.

Base class of the Listener, which adds the public functions. Properties may be read on any thread.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.diagnosis.diagnosis import Diagnosis, Finding
from celery_gossip.diagnosis.rule_settings import RuleSettings
from celery_gossip.listener.configured_schedule import count_schedule_entries
from celery_gossip.listener.events import EventDispatcher
from celery_gossip.listener.message_handler import MessageHandler
from celery_gossip.listener.periodic_checks import PeriodicChecks
from celery_gossip.listener.queue_length_thread import QueueLengthThread
from celery_gossip.listener.readiness import add_failure, failure_reason
from celery_gossip.listener.receive_loop import ReceiveLoop
from celery_gossip.listener.rejections import Rejections
from celery_gossip.listener.supervised_thread import SupervisedThread
from celery_gossip.listener.waiting import ChangeNotifier
from celery_gossip.options import GossipOptions
from celery_gossip.transport.broker import open_broker

__all__ = ["ReceivingThread"]


class ReceivingThread(SupervisedThread):
    """Connects a ReceiveLoop to the Cluster, the checks and the events; reports the state of the connection."""

    _thread_name = "celery-gossip-listener"
    _rules = RuleSettings()

    def __init__(
        self,
        app: Any,
        options: GossipOptions,
        cluster: Cluster,
        queues: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.app = app
        self.options = options
        self._cluster = cluster
        self._clock = clock
        self._broker = open_broker(app, options)
        self._changes = ChangeNotifier()
        self._events = EventDispatcher(app, self._changes)
        self._rejections = Rejections(options.exchange)
        self._queue_lengths = QueueLengthThread(
            app, cluster.queue_shares, self._set_queue_lengths, self._changes.notify, queues
        )
        self._prepare()

    @property
    def uri(self) -> str:
        """Address of the connected broker without its password; all failover URLs while there is none."""
        return self._loop.subscription.uri

    @property
    def error(self) -> Exception | None:
        """Reason why the broker cannot be reached; None while connected."""
        return self._loop.error

    @property
    def rejected(self) -> Counter[str]:
        """Number of rejected messages by reason."""
        return self._rejections.counts

    @property
    def connected_at(self) -> float | None:
        """Monotonic seconds since when the listener receives; None while it is not connected."""
        self._restart_in_child()
        return self._loop.isolation.connected_at

    @property
    def has_received_messages(self) -> bool:
        """True if this connection has delivered any message; the listener's own ping is the first, within a second."""
        return self._loop.isolation.has_received_messages

    @property
    def has_queue_lengths(self) -> bool:
        """True once the queue lengths were read, or could not be read."""
        return self._queue_lengths.has_read

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Present problems, critical ones first; the failure of this listener is before all others."""
        self._restart_in_child()
        since = self._cluster.isolated_since
        return add_failure(self._checks.diagnosis.findings, self.failure, self._clock() if since is None else since)

    @property
    def failure(self) -> str:
        """Reason why the listener's thread does not work although it was not closed; empty while it works."""
        return failure_reason(self, self._cluster, self._clock())

    @property
    def is_diagnosing(self) -> bool:
        """True while a problem has not lasted long enough for a finding, or queue lengths were not read yet."""
        return self._checks.is_undecided

    def close(self) -> None:
        """End the threads and delete the queue; return when that is done, or after 5 s if the broker hangs."""
        super().close()
        self._events.end_streams()
        self._changes.notify()

    def _prepare(self) -> None:
        self._cluster.reset()
        self._rejections.clear()
        self._loop = loop = ReceiveLoop(self._broker, self._cluster, self._clock, self._control)
        self._handler = MessageHandler(self._cluster, loop.echo, self._rejections, self._events)
        self._checks = PeriodicChecks(loop, self._cluster, self._queue_lengths, self._rejections, self._events)
        self._checks.settings = self._rules
        self._checks.app_entries = count_schedule_entries(self.app)

    def _run_once(self) -> None:
        self._loop.run(self._handler, self._checks)

    def _handle_crash(self, exc: BaseException) -> None:
        self._loop.handle_crash(exc, self._checks)

    def _on_thread_end(self) -> None:
        self._loop.finish(is_closed=self.ended_by is None)
        self._events.end_streams(self._end_error())
        self._changes.notify()

    def _reset_in_child(self) -> None:
        self._changes.reset_in_child()
        self._events.reset_in_child()
        self._cluster.reset()
        self._cluster.set_isolated(self._clock())  # for code that kept the cluster, until the listener is used
        self._checks.diagnosis = Diagnosis()
        self._loop.close_in_child()
        self._queue_lengths.close_in_child()

    def _start_other_threads(self) -> None:
        self._queue_lengths.start()

    def _stop_other_threads(self) -> None:
        self._queue_lengths.stop()

    def _join_other_threads(self, timeout: float) -> None:
        self._queue_lengths.join(timeout)

    def _set_queue_lengths(self, lengths: dict[str, int | None], missing: frozenset[str]) -> None:
        self._cluster.set_queue_lengths(lengths, self._clock(), missing=missing)
