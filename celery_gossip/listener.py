"""Listener: a subscription that feeds a Cluster, in a thread of its own, reconnecting for ever.

Used by whoever is interested in the workers: Python code, the commands, the dashboards. Workers never listen.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from celery_gossip import signals
from celery_gossip.backlog import BacklogWatch
from celery_gossip.backoff import backoff
from celery_gossip.cluster import LOST_AFTER, SUSPECT_AFTER, Cluster, Transition
from celery_gossip.diagnosis import Diagnosis, Finding
from celery_gossip.errors import RejectedGossip
from celery_gossip.evidence import Evidence
from celery_gossip.exchange import Delivery, Overslept, Publisher, Subscription, is_refusal, open_broker
from celery_gossip.gate import Gate
from celery_gossip.hearing import Hearing
from celery_gossip.log import LimitedLogger, described
from celery_gossip.member import Patience
from celery_gossip.messages import Echo, decode, plain
from celery_gossip.options import GossipOptions, resolve
from celery_gossip.sounder import ECHO_EXPIRES, EchoSounder
from celery_gossip.throughput import Throughput, Trend
from celery_gossip.view import STATES, View

__all__ = ["Listener"]

_DRAIN_TIMEOUT = 0.2  #: seconds; how long close() waits for a quiet listener, about
_EXPIRE_EVERY = 0.25  #: seconds between two looks for who is silent
_REVIEW_EVERY = 1.0  #: seconds between two diagnoses
_TRENDS_EVERY = 5.0  #: seconds between two looks at how tasks have fared
_REFUSAL_HOLDS = 60.0  #: seconds for which a message that was refused is told of
_CLOSE_TIMEOUT = 5.0  #: seconds for the last answers of a broker that hangs

_WORKER_SIGNALS = {state: getattr(signals, f"worker_{state}") for state in STATES}


class Deaf(ConnectionError):
    """Nothing is heard on a connection that looks healthy: it may be half open."""


class Listener:
    """Hears every worker of an app; `cluster` holds what they said, `findings` what is wrong with it.

    A context manager: entering starts its threads, leaving ends them and leaves nothing behind. Signals are sent on one
    thread. Everything public may be read from any thread at any time. Not to be shared with a forked child.

    `options` default to those of the app (see GossipOptions). `suspect_after` and `lost_after` are the silence, in
    units of each worker's own interval, after which it is suspect and lost; no less than half a second.

    Raises InvalidOption and UnsupportedTransport at once; a broker that cannot be reached is tried again for ever, see
    `error`.
    """

    def __init__(
        self,
        app: Any,
        options: GossipOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        suspect_after: float = SUSPECT_AFTER,
        lost_after: float = LOST_AFTER,
    ) -> None:
        self.app = app
        self.options = options or resolve(app)
        self.cluster = Cluster(clock, Patience(suspect=suspect_after, lost=lost_after))
        self.rejected: Counter[str] = Counter()  #: messages refused, by reason
        self.error: Exception | None = None  #: why the broker cannot be reached just now
        self._broker = open_broker(app, self.options)
        self._clock = clock
        self._begin_to_hear()
        self._backlogs = BacklogWatch(app, self.cluster.queue_names, self._note_backlogs)
        self._diagnosis = Diagnosis()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._expire_at = self._review_at = self._trends_at = 0.0
        self._trends: dict[str, Trend] = {}
        self._knows_backlogs = False
        self._refusals: dict[str, tuple[str, float]] = {}
        self._failures = 0
        self._log = LimitedLogger()

    @property
    def connected_at(self) -> float | None:
        """Monotonic seconds since when it hears; None while it is not connected."""
        return self._hearing.connected_at

    @property
    def uri(self) -> str:
        """The broker's address without its password."""
        return self._broker.uri

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong just now, the critical first."""
        return self._diagnosis.findings

    @property
    def is_diagnosing(self) -> bool:
        """Whether something looks wrong that has not lasted long enough to be a finding, or cannot be told yet."""
        return self._diagnosis.is_pending or not self._knows_backlogs

    def view(self) -> View:
        """Workers and queues of one moment. See Cluster.view."""
        return self.cluster.view()

    def throughput(self, by: str = "queue", window: float = 60.0) -> dict[str, Throughput]:
        """What became of the tasks of each queue, task or worker of late. See Cluster.throughput."""
        return self.cluster.throughput(by, window)

    def __enter__(self) -> "Listener":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> "Listener":
        """Start the threads; once. Does not wait for the broker."""
        if self._thread is None:
            self._begin_to_hear()
            self._thread = threading.Thread(target=self._run, name="celery-gossip-listener", daemon=True)
            self._thread.start()
            self._backlogs.start()
        return self

    def wait(self, workers: int = 1, timeout: float | None = None) -> None:
        """Block until at least this many workers are neither offline nor lost.

        Raises TimeoutError, which says what was heard and what the broker said, after `timeout` seconds (None: never).
        """
        with self._changed:
            if self._changed.wait_for(lambda: self.cluster.count_live() >= workers, timeout):
                return
        why = f"; {self.uri} cannot be reached: {self.error}" if self.error else f" on {self.uri}"
        raise TimeoutError(f"heard {self.cluster.count_live()} of {workers} workers in {timeout} s{why}")

    def close(self) -> None:
        """End the threads and delete the queue; returns when that is done, or after 5 s with a broker that hangs."""
        self._closing.set()
        give_up_at = time.monotonic() + _CLOSE_TIMEOUT
        self._backlogs.stop()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_TIMEOUT)
        self._backlogs.join(give_up_at - time.monotonic())

    def _begin_to_hear(self) -> None:
        self._hearing = Hearing(self._clock())
        self._echo = EchoSounder(Publisher(self._broker, expires=ECHO_EXPIRES), self._hearing, self._clock)
        self._gate = Gate(self.cluster.knows, self._echo.name)

    def _run(self) -> None:
        subscription = Subscription(self._broker)
        while not self._closing.is_set():
            try:
                self._listen(subscription)
            except Overslept:
                subscription.reset()
            except Deaf as exc:
                subscription.drop()
                # Without an echo: a connection that never brought anything, like the one before, was not the trouble.
                if self._hearing.has_echo or self._hearing.is_of_use:
                    self._fail(exc)
            except Exception as exc:
                subscription.drop()
                self._fail(exc)
            else:
                subscription.close()
        self._hearing.cut_off()
        self._echo.close()

    def _listen(self, subscription: Subscription) -> None:
        subscription.open()
        now = self._clock()
        self._hearing.connect(now)
        self.cluster.begin(now)
        self._gate.begin(now)
        if self.error is not None:
            self.error = None
            self._log.info("reached", "celery-gossip: listening on %s again", self.uri)
        while not self._closing.is_set():
            self._echo.say_if_due()
            received = subscription.receive(_DRAIN_TIMEOUT)
            self._attend(now := self._clock())  # before anything is taken: it may have waited through a long sleep
            for message in self._gate.sift(received, now):
                self._failures = 0
                self._take(message)
            self._note_throttled(now)
            now = self._clock()
            if self._hearing.has_overslept(now):
                raise Overslept
            if self._hearing.is_deaf(now, self._slowest()):
                raise self._echo.error or Deaf("nothing is heard")

    def _slowest(self) -> float:
        """The longest interval of the workers heard; asked only where there is no echo."""
        if self._hearing.has_echo:
            return 0.0
        return max((one.gossip.interval for one in self.cluster.workers() if not one.is_gone), default=0.0)

    def _attend(self, now: float) -> None:
        """What has to be done by the clock: is it isolated, who is silent, what is wrong."""
        self._hearing.look(now, expected=_DRAIN_TIMEOUT)
        if self.cluster.isolate(now) if self._hearing.is_isolated(now) else self.cluster.heal(now):
            self._review_at = now
        if now >= self._expire_at:
            self._expire_at = now + _EXPIRE_EVERY
            self._announce(self.cluster.expire(now, self._hearing.lag(now)))
        has_new_evidence = self._backlogs.has_looked and not self._knows_backlogs
        if now >= self._review_at or has_new_evidence:
            self._review_at = now + _REVIEW_EVERY
            try:
                self._review(now)
                self._knows_backlogs = self._knows_backlogs or has_new_evidence
            except Exception as exc:  # a rule that stumbles over something must not deafen the listener
                self._log.error("review", "celery-gossip: the diagnosis failed: %r", exc, exc_info=exc)

    def _take(self, received: Delivery | RejectedGossip) -> None:
        now = self._clock()
        if self._hearing.has_overslept(now):
            raise Overslept
        self._hearing.hear_message(now)
        try:
            if isinstance(received, RejectedGossip):
                raise received
            message = decode(received.body)
            if isinstance(message, Echo):
                if received.is_verified is not False:
                    self._echo.take(message, now)
                return
            transitions = self.cluster.apply(message, now, is_verified=received.is_verified)
        except RejectedGossip as exc:
            self._refuse(exc, now)
            return
        signals.emit(signals.gossip_received, self.app, gossip=message)
        self._announce(transitions)

    def _refuse(self, exc: RejectedGossip, now: float) -> None:
        self.rejected[exc.reason] += 1
        self._refusals[exc.reason] = (str(exc), now)
        self._log.warning(exc.reason, "celery-gossip: refused a message on %s: %s", self.options.exchange, exc)
        signals.emit(signals.gossip_rejected, self.app, reason=exc.reason)

    def _note_throttled(self, now: float) -> None:
        more = self._gate.throttled - self.rejected["throttled"]
        if more:
            self._hearing.doubt(now)
            self.rejected["throttled"] += more
            text = "celery-gossip: more is said on %s than can be of use, most of it by %s: the newest has to do"
            self._log.warning("throttled", text, self.options.exchange, plain(self._gate.loudest))

    def _announce(self, transitions: list[Transition]) -> None:
        for transition in transitions:
            signals.emit(_WORKER_SIGNALS[transition.state], self.app, worker=transition.worker)
        if transitions:
            with self._changed:
                self._changed.notify_all()

    def _review(self, now: float) -> None:
        raised, cleared = self._diagnosis.review(self._evidence(now), now)
        for finding in raised:
            signals.emit(signals.finding_raised, self.app, finding=finding)
        for finding in cleared:
            signals.emit(signals.finding_cleared, self.app, finding=finding)

    def _evidence(self, now: float) -> Evidence:
        connected_at = self._hearing.connected_at
        error = self.error or self._echo.error
        refusals = {reason: text for reason, (text, at) in self._refusals.items() if now - at < _REFUSAL_HOLDS}
        if now >= self._trends_at:
            self._trends_at, self._trends = now + _TRENDS_EVERY, self.cluster.trends()
        return Evidence(
            view=self.view(),
            listening_for=0.0 if connected_at is None else now - connected_at,
            where=f"exchange {self.options.exchange!r} of {self.uri}",
            trouble="" if error is None else described(error),
            refusals=refusals,
            rejected=dict(self.rejected),
            trends=self._trends,
        )

    def _note_backlogs(self, backlogs: dict[str, int | None]) -> None:
        self.cluster.note_backlogs(backlogs, self._clock())

    def _fail(self, exc: Exception) -> None:
        self._hearing.cut_off()
        self._echo.drop()
        self.error = exc
        self._failures += 1
        text = "celery-gossip: cannot listen on %s: %s; trying again for ever"
        self._log.warning("unreachable", text, self.uri, described(exc))
        try_again_at = self._clock() + backoff(self._failures, random.random(), is_refusal(exc))
        while not self._closing.is_set() and (pause := try_again_at - self._clock()) > 0:
            self._attend(self._clock())
            self._closing.wait(min(pause, _DRAIN_TIMEOUT))
