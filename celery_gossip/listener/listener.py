"""The public functions of a listener: its view, waiting, callbacks and event streams.

Used by Python code, the commands and the dashboards. Workers never listen.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, overload

from celery_gossip.cluster.beat_view import BeatView
from celery_gossip.cluster.cluster import LOST_AFTER, SUSPECT_AFTER, Cluster
from celery_gossip.cluster.failures import FailureView
from celery_gossip.cluster.limits import MAX_REPORT_BYTES
from celery_gossip.cluster.queue_balance import QueueBalance
from celery_gossip.cluster.scaling import QueueDemand, demand_of
from celery_gossip.cluster.silence_timeouts import SilenceTimeouts
from celery_gossip.cluster.statistics import GroupBy
from celery_gossip.cluster.throughput import Throughput
from celery_gossip.cluster.view import View, WorkerState, WorkerView
from celery_gossip.diagnosis.diagnosis import Finding
from celery_gossip.diagnosis.rule_settings import RuleSettings
from celery_gossip.errors import InvalidOption, WaitTimeout
from celery_gossip.listener.event_stream import EventStream
from celery_gossip.listener.events import (
    BeatEventName,
    Event,
    EventCallback,
    EventName,
    FindingEventName,
    GossipEventName,
    RejectionEventName,
    WorkerEventName,
)
from celery_gossip.listener.readiness import is_settled, max_report_delay
from celery_gossip.listener.receiving_thread import ReceivingThread
from celery_gossip.listener.waiting import WaitConditions
from celery_gossip.options import GossipOptions, resolve
from celery_gossip.transport.oldest_message import ExactAge, read_exact_ages
from celery_gossip.wire.messages import Gossip

__all__ = ["Listener"]

_QUEUE_LENGTH_TIMEOUT = 2.0  #: seconds that wait() waits for queue lengths
_MAX_BUFFERED = 1_000_000  #: events of a stream

_Self = TypeVar("_Self", bound="Listener")


class Listener(ReceivingThread):
    """Receives the gossip of every worker of an app: `cluster` holds its content, `findings` what is wrong.

    A context manager, also an asynchronous one: entering starts the threads, leaving ends them and leaves nothing on
    the broker. Everything public may be used on any thread at any time. Signals and callbacks run on one thread. In a
    forked child the listener starts again, with an empty view, when it is first used there (see SupervisedThread). If
    its thread has ended or is stuck, the view is isolated and a finding says why.

    `options` default to those of the app (see GossipOptions). `suspect_after` and `lost_after` are the numbers of a
    worker's own intervals without a report after which it is suspect and lost; no less than half a second.

    `queues` are names of queues whose backlog is read although neither a worker nor the app's settings contain them.

    `max_report_bytes` is the approximate memory for the latest reports of all workers, at least 1 MiB. Beyond it, task
    ids and then queues are left out, those of unverified workers first.

    `rules` are the settings of findings, see read_rules(); by default those of RuleSettings().

    Raises InvalidOption, UnsupportedTransport and UnusableURL at once. A broker that cannot be reached is tried again
    until close(), see `error`.
    """

    def __init__(  # noqa: PLR0913 - keywords of the public API
        self,
        app: Any,
        options: GossipOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        suspect_after: float = SUSPECT_AFTER,
        lost_after: float = LOST_AFTER,
        queues: Sequence[str] = (),
        max_report_bytes: int = MAX_REPORT_BYTES,
        rules: RuleSettings | None = None,
    ) -> None:
        timeouts = SilenceTimeouts(suspect=suspect_after, lost=lost_after)
        cluster = Cluster(clock, timeouts, max_report_bytes=max_report_bytes)
        self._rules = rules or RuleSettings()
        super().__init__(app, options or resolve(app), cluster, queues, clock)

    async def __aenter__(self: _Self) -> _Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    @property
    def cluster(self) -> Cluster:
        """The state of all workers: views, throughput, history."""
        self._restart_in_child()
        return self._cluster

    def view(self) -> View:
        """Return workers and queues of one moment. See Cluster.view."""
        return self.cluster.view()

    def throughput(self, by: GroupBy = "queue", window: float = 60.0) -> dict[str, Throughput]:
        """Return the outcomes of the latest tasks of each queue, task or worker. See Cluster.throughput."""
        return self.cluster.throughput(by, window)

    def workers_needed(
        self, queue: str, target_seconds: float = 60.0, *, slots_per_worker: float | None = None
    ) -> int | None:
        """Return how many workers finish the tasks of this queue within the target; None if that is not known.

        See QueueDemand.workers_needed() for the formula. `slots_per_worker`: None for that of the queue's workers.
        Raises InvalidOption for an invalid target.
        """
        return self.demand(queue, slots_per_worker=slots_per_worker).workers_needed(target_seconds)

    def demand(self, queue: str, *, slots_per_worker: float | None = None) -> QueueDemand:
        """Return the work of this queue, and what is known of its workers."""
        cluster = self.cluster
        backlog = 0 if self._queue_lengths.is_missing(queue) else cluster.backlogs().get(queue)
        runtime = cluster.statistics.mean_runtime(queue)
        return demand_of(cluster.view(), queue, backlog, runtime, slots_per_worker)

    def knows_queue(self, queue: str) -> bool:
        """Return True if a worker has reported this queue, or this listener or the app's settings name it."""
        return self._queue_lengths.is_configured(queue) or self.cluster.knows_queue(queue)

    def exact_ages(self, queues: Iterable[str]) -> dict[str, ExactAge]:
        """Return the age of the message of each queue that is delivered next, as its header says; of 100 at most.

        Only on Redis; elsewhere the result has a reason. Opens a connection of its own; blocks, for 3 s at most if the
        broker hangs. Never raises.
        """
        return read_exact_ages(self.app, queues)

    def balance(self) -> tuple[QueueBalance, ...]:
        """Return what became of the tasks sent to each queue, as far as processes count them. See Cluster.balance."""
        return self.cluster.balance()

    def failures(self) -> FailureView:
        """Return the last failures that workers have reported, newest first. See Cluster.failures."""
        return self.cluster.failures()

    def wait(
        self,
        workers: int | None = None,
        timeout: float | None = None,
        *,
        queues: Iterable[str] = (),
        hostnames: Iterable[str] = (),
    ) -> View:
        """Block until the workers report and the backlogs of their queues are read; return the view of that moment.

        `workers` is a number of workers, `hostnames` are names of workers, `queues` are names of queues that workers
        report to consume (a paused consumer counts). Of several conditions all must be met; without any, one worker
        must report. Workers that are offline or lost do not count. Backlogs that cannot be read delay the return by 2 s
        at most.

        Raises WaitTimeout, a TimeoutError, with what is missing, after `timeout` seconds (None: never); NotRunning if
        the listener is not started, is closed, or ends; InvalidOption for a value that cannot be a condition.
        """
        conditions = WaitConditions.of(workers, queues, hostnames)
        give_up_at = None if timeout is None else time.monotonic() + timeout
        if not self._wait_until(lambda: not conditions.unmet(self.cluster), give_up_at):
            where = f"{self.uri} cannot be reached: {self.error}" if self.error else f"listening on {self.uri}"
            raise WaitTimeout(f"{conditions.unmet(self.cluster)} within {timeout} s; {where}")
        reads, longest = self._queue_lengths.reads, time.monotonic() + _QUEUE_LENGTH_TIMEOUT
        # Two reads, because the first one may have begun before the workers were known.
        self._wait_until(lambda: self._queue_lengths.reads > reads + 1, min(longest, give_up_at or longest))
        return self.view()

    def wait_for_diagnosis(self, timeout: float = 20.0) -> bool:
        """Block until all workers had time to report and `findings` are certain; return False after `timeout` seconds.

        Takes about 2 s if there is no problem, and longer while a problem has not lasted long enough for a finding.
        Raises NotRunning if the listener is not started, is closed, or ends.
        """
        return self._wait_until(self._is_settled, time.monotonic() + timeout, max_wait=0.1)

    @overload
    def on(self, name: WorkerEventName | WorkerState, function: Callable[[WorkerView], object]) -> EventCallback: ...
    @overload
    def on(self, name: BeatEventName, function: Callable[[BeatView], object]) -> EventCallback: ...
    @overload
    def on(self, name: FindingEventName, function: Callable[[Finding], object]) -> EventCallback: ...
    @overload
    def on(self, name: GossipEventName, function: Callable[[Gossip], object]) -> EventCallback: ...
    @overload
    def on(self, name: RejectionEventName, function: Callable[[str], object]) -> EventCallback: ...
    def on(self, name: str, function: Callable[[Any], object]) -> EventCallback:
        """Call this function for each event of this name, until disconnect() of the result; return an EventCallback.

        Names are those of the signals that a listener sends (`worker_lost`, `finding_raised`, `gossip_received`, …) and
        of the worker states (`lost` for `worker_lost`). The argument is the worker, the finding, the gossip, or the
        reason of a rejection. Unlike a blinker signal, the listener keeps a strong reference to the function, and calls
        it for its own events only, also after it was closed and started again.

        The function runs on the listener's thread, and delays it. Its exceptions are logged. Raises UnknownEvent, a
        ValueError, for an unknown name.
        """
        return self._events.add_callback(name, function)

    def events(self, *names: EventName, max_buffered: int = 1000) -> EventStream[Event]:
        """Return an asynchronous iterator over the events of these names, or over all states and findings.

        Names are those of on(). `max_buffered` events wait for a slow consumer; beyond, the oldest are dropped, and a
        DroppedEvents with their number takes their place. The iteration ends when the listener is closed. Events are
        buffered from this call on. One task iterates over one stream; aclose() ends it early.

        Raises NotRunning if the listener does not run, also from the iteration if its thread ends by itself;
        UnknownEvent, a ValueError, for an unknown name; InvalidOption for a size below 1.
        """
        if isinstance(max_buffered, bool) or not 1 <= max_buffered <= _MAX_BUFFERED:
            raise InvalidOption(f"max_buffered: expected a whole number from 1 to {_MAX_BUFFERED}, got {max_buffered}")
        self._require_running()
        return self._events.open_stream(names, max_buffered)

    def _wait_until(self, is_met: Callable[[], bool], give_up_at: float | None, **options: float) -> bool:
        """Block until `is_met()`; return False at monotonic `give_up_at` (None: never). Raises NotRunning."""

        def is_met_while_running() -> bool:
            self._require_running()
            return is_met()

        return self._changes.wait_until(is_met_while_running, give_up_at, **options)

    def _is_settled(self) -> bool:
        delay = max_report_delay(self.cluster, self.options.interval)
        return is_settled(self.connected_at, delay, self._clock(), is_diagnosing=self.is_diagnosing)
