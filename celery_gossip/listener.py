"""Listener: a subscription that feeds a Cluster, in a thread of its own, reconnecting for ever.

Used by whoever is interested in the workers: Python code, the commands, later the dashboards. Workers never listen.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from celery_gossip import signals
from celery_gossip.backoff import backoff
from celery_gossip.cluster import Cluster, Transition
from celery_gossip.errors import RejectedGossip
from celery_gossip.exchange import Subscription, is_refusal, open_broker
from celery_gossip.log import LimitedLogger, described, logger
from celery_gossip.messages import decode
from celery_gossip.options import GossipOptions, resolve

__all__ = ["Listener"]

_DRAIN_TIMEOUT = 0.2  #: seconds; how long close() waits for a quiet listener, about
_EXPIRE_EVERY = 0.25  #: seconds between two looks for who is silent
_CLOSE_TIMEOUT = 5.0  #: seconds for the last answers of a broker that hangs
_SUSPICIOUS_SILENCE = 10.0  #: seconds without any message, at least; see Listener._is_suspiciously_silent
_SUSPICIOUS_INTERVALS = 3.5  #: of the slowest worker heard

_WORKER_SIGNALS = {
    "online": signals.worker_online,
    "stalled": signals.worker_stalled,
    "draining": signals.worker_draining,
    "offline": signals.worker_offline,
    "lost": signals.worker_lost,
}


class Listener:
    """Hears every worker of an app; `cluster` holds what they said.

    A context manager: entering starts the thread, leaving ends it and leaves nothing behind. Signals are sent on that
    thread. `cluster` may be read from any thread at any time. Not to be shared with a forked child.

    `options` default to those of the app (see GossipOptions). Raises InvalidOption and UnsupportedTransport at once;
    a broker that cannot be reached is tried again for ever, see `error`.
    """

    def __init__(
        self, app: Any, options: GossipOptions | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.app = app
        self.options = options or resolve(app)
        self.cluster = Cluster(clock)
        self.rejected: Counter[str] = Counter()  #: messages refused, by reason
        self.error: Exception | None = None  #: why the broker cannot be reached just now
        self._broker = open_broker(app, self.options)
        self._clock = clock
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._connected_at: float | None = None
        self._heard_at = 0.0
        self._failures = 0
        self._log = LimitedLogger()

    @property
    def connected_at(self) -> float | None:
        """Monotonic seconds since when it hears; None while it is not connected."""
        return self._connected_at

    @property
    def uri(self) -> str:
        """The broker's address without its password."""
        return self._broker.uri

    def __enter__(self) -> "Listener":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> "Listener":
        """Start the thread; once. Does not wait for the broker."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="celery-gossip-listener", daemon=True)
            self._thread.start()
        return self

    def wait(self, workers: int = 1, timeout: float | None = None) -> None:
        """Block until at least this many workers are neither offline nor lost.

        Raises TimeoutError, which says what was heard and what the broker said, after `timeout` seconds (None: never).
        """
        with self._changed:
            if self._changed.wait_for(lambda: self._live_workers() >= workers, timeout):
                return
        why = f"; {self.uri} cannot be reached: {self.error}" if self.error else f" on {self.uri}"
        raise TimeoutError(f"heard {self._live_workers()} of {workers} workers in {timeout} s{why}")

    def close(self) -> None:
        """End the thread and delete its queue; returns when that is done, or after 5 s with a broker that hangs."""
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_TIMEOUT)

    def _live_workers(self) -> int:
        return sum(not worker.is_gone for worker in self.cluster.workers())

    def _run(self) -> None:
        subscription = Subscription(self._broker)
        while not self._closing.is_set():
            try:
                self._listen(subscription)
            except Exception as exc:
                subscription.drop()
                self._fail(exc)
            else:
                subscription.close()
            self._connected_at = None

    def _listen(self, subscription: Subscription) -> None:
        subscription.open()
        self._connected_at = self._heard_at = self._clock()
        if self.error is not None:
            self.error = None
            logger.info("celery-gossip: listening on %s again", self.uri)
        expire_at = self._connected_at
        while not self._closing.is_set() and not self._is_suspiciously_silent():
            for received in subscription.receive(_DRAIN_TIMEOUT):
                self._failures = 0
                self._take(received)
            now = self._clock()
            if now >= expire_at:
                expire_at = now + _EXPIRE_EVERY
                self._announce(self.cluster.expire(now))

    def _is_suspiciously_silent(self) -> bool:
        """Whether the connection may be half open: a subscriber of Redis is never told. A new one costs little."""
        silence = self._clock() - self._heard_at
        if silence < _SUSPICIOUS_SILENCE:
            return False
        live = [worker.gossip.interval for worker in self.cluster.workers() if not worker.is_gone]
        return silence > _SUSPICIOUS_INTERVALS * max(live, default=0.0)

    def _take(self, received: bytes | RejectedGossip) -> None:
        self._heard_at = self._clock()
        try:
            if isinstance(received, RejectedGossip):
                raise received
            gossip = decode(received)
        except RejectedGossip as exc:
            self.rejected[exc.reason] += 1
            self._log.warning(exc.reason, "celery-gossip: refused a message on %s: %s", self.options.exchange, exc)
            signals.emit(signals.gossip_rejected, self.app, reason=exc.reason)
            return
        transitions = self.cluster.apply(gossip, self._heard_at)
        signals.emit(signals.gossip_received, self.app, gossip=gossip)
        self._announce(transitions)

    def _announce(self, transitions: list[Transition]) -> None:
        for transition in transitions:
            signals.emit(_WORKER_SIGNALS[transition.state], self.app, worker=transition.worker)
        if transitions:
            with self._changed:
                self._changed.notify_all()

    def _fail(self, exc: Exception) -> None:
        self.error = exc
        self._failures += 1
        text = "celery-gossip: cannot listen on %s: %s; trying again for ever"
        self._log.warning("unreachable", text, self.uri, described(exc))
        self._closing.wait(backoff(self._failures, random.random(), is_refusal(exc)))
