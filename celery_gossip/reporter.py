"""Reporter: a worker's identity and its probe, put together as gossip. Owned by the step.

Called on the event loop at each tick, and on the sender's thread when no tick comes: a try-lock keeps them apart, so
that neither waits for the other while the worker runs.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from celery_gossip.messages import VERSION, Gossip, plain
from celery_gossip.probe import Probe, Reading

__all__ = ["Identity", "Report", "Reporter"]

_WAIT_AT_SHUTDOWN = 0.2  #: seconds for which the last words wait for a probe on the sender's thread


@dataclass(frozen=True)
class Identity:
    """Who speaks: the same in every gossip of one worker start."""

    app: str
    hostname: str
    interval: float
    boot: str

    @classmethod
    def of(cls, app: Any, hostname: str, interval: float) -> "Identity":
        """A new identity, with a boot of 16 random hex digits."""
        return cls(app=plain(app.main or ""), hostname=plain(hostname), interval=interval, boot=os.urandom(8).hex())


@dataclass(frozen=True)
class Report:
    """One round's gossip (None where there is nothing to say) and the failures of checks that were dropped."""

    gossip: Gossip | None
    failures: tuple[Exception, ...]


class Reporter:
    """Composes gossip from readings; knows when the event loop last ticked and whether the worker is leaving."""

    def __init__(self, identity: Identity, probe: Probe, clock: Callable[[], float] = time.monotonic) -> None:
        self._identity = identity
        self._probe = probe
        self._clock = clock
        self._lock = Lock()
        self._ticked_at = clock()
        self._lag = 0.0
        self._shutdown_started_at: float | None = None

    @property
    def is_draining(self) -> bool:
        return self._shutdown_started_at is not None

    def tick(self, lag: float) -> Report | None:
        """A round on the event loop, `lag` seconds after its time. None while the sender's thread is probing."""
        self._ticked_at = self._clock()
        self._lag = max(0.0, lag)
        return self._take(state=self._state())

    def speak_up(self) -> Gossip | None:
        """A round on the sender's thread, because none came from the event loop: says for how long it is stalled."""
        state = self._state()
        stalled_for = 0.0 if self.is_draining else self._clock() - self._ticked_at
        report = self._take(state=state, stalled_for=stalled_for)
        return report.gossip if report else None

    def drain(self) -> Report | None:
        """The worker has begun to shut down; from now on its queues are frozen and it says `draining`."""
        self._leave()
        return self._take(state="draining", wait=_WAIT_AT_SHUTDOWN)

    def last_word(self) -> Report | None:
        """The gossip that says `offline`."""
        self._leave()
        return self._take(state="offline", wait=_WAIT_AT_SHUTDOWN)

    def restart(self) -> None:
        """The worker has (re)connected and consumes its queues anew."""
        with self._lock:
            self._probe.restart()
        self._ticked_at = self._clock()

    def remember_tags(self) -> None:
        """Called before the worker cancels its queues. See Probe.remember_tags."""
        with self._lock:
            self._probe.remember_tags()

    def _state(self) -> str:
        """Draining from the signal on: a solo worker begins to leave after its task, one without a hub 2 s later."""
        if self._probe.is_leaving:
            self._leave()
        return "draining" if self.is_draining else "online"

    def _leave(self) -> None:
        if self._shutdown_started_at is None:
            self._shutdown_started_at = time.time()

    def _take(self, state: str, stalled_for: float = 0.0, wait: float = 0.0) -> Report | None:
        if not self._lock.acquire(timeout=wait):
            return None
        try:
            reading = self._probe.read(shutdown_started_at=self._shutdown_started_at)
        finally:
            self._lock.release()
        gossip = self._compose(reading, state, stalled_for) if reading.checks else None
        return Report(gossip=gossip, failures=reading.failures)

    def _compose(self, reading: Reading, state: str, stalled_for: float) -> Gossip:
        return Gossip(
            v=VERSION,
            app=self._identity.app,
            hostname=self._identity.hostname,
            boot=self._identity.boot,
            seq=0,  # numbered and dated by the sender, the only one who sends
            interval=self._identity.interval,
            sent_at=0.0,
            state=state,  # type: ignore[arg-type]
            stalled_for=max(0.0, stalled_for),
            loop_lag=self._lag,
            pool=reading.pool,
            concurrency=reading.concurrency,
            prefetch_count=reading.prefetch_count,
            active=reading.active,
            reserved=reading.reserved,
            scheduled=reading.scheduled,
            limited=reading.limited,
            processed=reading.processed,
            unattributed=reading.unattributed,
            checks=reading.checks,
        )
