"""Reporter: composes gossip from a worker's identity and the readings of its probe. Owned by the step.

Called on the event loop at each tick, and on the sender thread when ticks stop. A lock that is only tried keeps the two
apart, so neither waits for the other while the worker runs.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

import msgspec

from celery_gossip.wire.messages import VERSION, Gossip, clamp_seconds, sanitize_name
from celery_gossip.worker.pool_watch import PoolWatch
from celery_gossip.worker.probe import Probe, Reading
from celery_gossip.worker.stack_sampler import StackSampler

__all__ = ["PreparedReport", "Reporter", "WorkerIdentity"]

_SHUTDOWN_WAIT = 0.2  #: seconds that a report of the shutdown waits for a probe in progress on the sender thread


@dataclass(frozen=True)
class WorkerIdentity:
    """Fields that are the same in every gossip of one start of a worker."""

    app: str
    hostname: str
    interval: float
    instance_id: str  #: `boot` on the wire

    @classmethod
    def create(cls, app: Any, hostname: str, interval: float) -> "WorkerIdentity":
        """Return a new identity, whose instance id is 16 random hex digits."""
        return cls(
            app=sanitize_name(app.main or ""),
            hostname=sanitize_name(hostname),
            interval=interval,
            instance_id=os.urandom(8).hex(),
        )


@dataclass(frozen=True)
class PreparedReport:
    """Gossip that is ready for the sender (None if there is nothing to report), and errors of unreadable values."""

    gossip: Gossip | None
    failures: tuple[Exception, ...]


class Reporter:
    """Composes gossip from readings. Knows when the event loop last ticked, and whether the worker shuts down."""

    def __init__(
        self,
        identity: WorkerIdentity,
        probe: Probe,
        clock: Callable[[], float] = time.monotonic,
        stacks: StackSampler | None = None,
    ) -> None:
        self._identity = identity
        self._probe = probe
        self._stacks = stacks or StackSampler(is_enabled=False)
        self._pool_watch = PoolWatch(clock)
        self._clock = clock
        self._lock = Lock()
        self._ticked_at = clock()
        self._lag = 0.0
        self._shutdown_started_at: float | None = None

    @property
    def is_draining(self) -> bool:
        """True from start_draining() on."""
        return self._shutdown_started_at is not None

    @property
    def is_pool_dead(self) -> bool:
        """True if the pool has started no task for a minute although tasks are reserved for it."""
        return self._pool_watch.is_dead

    def probe_from_loop(self, lag: float) -> PreparedReport | None:
        """Probe at a tick of the event loop that is `lag` seconds late. None while the sender thread probes."""
        self._ticked_at = self._clock()
        self._stacks.note_loop_thread()
        self._lag = clamp_seconds(lag)
        return self._probe_and_compose(state=self._state())

    def probe_from_thread(self) -> Gossip | None:
        """Probe on the sender thread, because ticks stopped; the gossip says for how long the loop is stalled."""
        state = self._state()
        stalled_for = 0.0 if self.is_draining else self._clock() - self._ticked_at
        report = self._probe_and_compose(state=state, stalled_for=stalled_for)
        if report is None or report.gossip is None:
            return None
        stack = self._stacks.read(stalled_for)
        return msgspec.structs.replace(report.gossip, stack=stack) if stack else report.gossip

    def probe_draining(self) -> PreparedReport | None:
        """Probe when the worker begins to shut down. From now on its queues do not change."""
        self.start_draining()
        return self._probe_and_compose(state="draining", wait=_SHUTDOWN_WAIT)

    def probe_offline(self) -> PreparedReport | None:
        """Probe for the final gossip."""
        self.start_draining()
        return self._probe_and_compose(state="offline", wait=_SHUTDOWN_WAIT)

    def start_draining(self) -> None:
        """Report `draining` from the next gossip on. Acquires no lock: it is also called inside a signal handler."""
        if self._shutdown_started_at is None:
            self._shutdown_started_at = clamp_seconds(time.time())

    def on_consumer_start(self) -> None:
        """Note that the worker has (re)connected and consumes its queues again."""
        with self._lock:
            self._probe.on_consumer_start()
        self._stacks.note_loop_thread()
        self._ticked_at = self._clock()

    def remember_tags(self) -> None:
        """Call Probe.remember_tags(), before the worker cancels its queues."""
        with self._lock:
            self._probe.remember_tags()

    def _state(self) -> str:
        # The hook `close` comes late: a solo worker calls it after its task, one without a hub 2 s after the signal.
        if self._probe.is_shutting_down:
            self.start_draining()
        return "draining" if self.is_draining else "online"

    def _probe_and_compose(self, state: str, stalled_for: float = 0.0, wait: float = 0.0) -> PreparedReport | None:
        if not self._lock.acquire(timeout=wait):
            return None
        try:
            reading = self._probe.read(shutdown_started_at=self._shutdown_started_at)
        finally:
            self._lock.release()
        self._pool_watch.update(reading)
        gossip = self._compose(reading, state, stalled_for) if reading.checks else None
        return PreparedReport(gossip=gossip, failures=reading.failures)

    def _compose(self, reading: Reading, state: str, stalled_for: float) -> Gossip:
        return Gossip(
            v=VERSION,
            app=self._identity.app,
            hostname=self._identity.hostname,
            boot=self._identity.instance_id,
            seq=0,  # set by the sender, as is `sent_at`: only the sender knows what is sent and when
            interval=self._identity.interval,
            sent_at=0.0,
            state=state,  # type: ignore[arg-type]
            stalled_for=clamp_seconds(stalled_for),
            loop_lag=self._lag,
            pool=reading.pool,
            concurrency=reading.concurrency,
            prefetch_count=reading.prefetch_count,
            active=reading.active,
            reserved=reading.reserved,
            scheduled=reading.scheduled,
            limited=reading.limited,
            batched=reading.batched,
            processed=reading.processed,
            unattributed=reading.unattributed,
            checks=reading.checks,
            names=reading.names,
            reserved_tasks=reading.reserved_tasks,
            scheduled_tasks=reading.scheduled_tasks,
            waiting=reading.waiting,
        )
