"""The loop of a listener's thread: connect, receive, throttle, hand over each message, and connect again after errors.

Owned by a Listener, which makes a new one at each start. Everything but close_in_child() runs on the listener's thread.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from celery_gossip.cluster.cluster import Cluster
from celery_gossip.cluster.isolation import IsolationDetector
from celery_gossip.errors import RejectedGossip
from celery_gossip.listener.echo import ECHO_EXPIRES, EchoSender
from celery_gossip.listener.supervised_thread import ThreadControl
from celery_gossip.listener.throttle import Throttle
from celery_gossip.log import LimitedLogger, describe_error
from celery_gossip.transport.backoff import backoff
from celery_gossip.transport.broker import Broker
from celery_gossip.transport.broker_errors import is_amqp_refusal
from celery_gossip.transport.publisher import Publisher
from celery_gossip.transport.subscription import StaleSubscription, Subscription
from celery_gossip.wire.signing import Delivery

__all__ = ["HalfOpenConnection", "MessageConsumer", "PeriodicTask", "ReceiveLoop"]

RECEIVE_TIMEOUT = 0.2  #: seconds of one wait for messages; close() takes about as long on a quiet exchange


class HalfOpenConnection(ConnectionError):
    """No message arrives on a connection that seems to work: it may be half open."""


class MessageConsumer(Protocol):
    """Consumer of the messages (`celery_gossip.listener.message_handler.MessageHandler`)."""

    def handle(self, received: Delivery | RejectedGossip, now: float) -> None:
        """Process one delivery or rejection."""

    def note_throttled(self, count: int, hostname: str) -> None:
        """Count messages that the throttle dropped, most of them from this hostname."""


class PeriodicTask(Protocol):
    """Work that is due at certain times (`celery_gossip.listener.periodic_checks.PeriodicChecks`)."""

    def run(self, now: float, *, is_isolation_changed: bool) -> None:
        """Do what is due. Called in each iteration, before the messages of that iteration are handled."""


class ReceiveLoop:
    """Receives what is published on the gossip exchange, and reconnects until the thread is asked to end."""

    def __init__(self, broker: Broker, cluster: Cluster, clock: Callable[[], float], control: ThreadControl) -> None:
        self.isolation = IsolationDetector(clock())
        self.echo = EchoSender(Publisher(broker, expires=ECHO_EXPIRES), self.isolation, clock)
        self.subscription = Subscription(broker)
        self.error: Exception | None = None  #: reason why the broker cannot be reached; None while connected
        self._cluster = cluster
        self._clock = clock
        self._control = control
        self._throttle = Throttle(cluster.has_worker, self.echo.name, cluster.highest_seq, cluster)
        self._throttled = 0  #: messages dropped that the consumer knows of
        self._failures = 0
        self._log = LimitedLogger()

    def run(self, consumer: MessageConsumer, checks: PeriodicTask) -> None:
        """Connect and receive until the thread is asked to end or the connection fails; then wait for the next try."""
        try:
            self._receive_messages(consumer, checks)
        except StaleSubscription:
            self.subscription.discard()
        except HalfOpenConnection as exc:
            self.subscription.fail_over()
            # Without the permission to publish, an exchange without workers looks the same: connect again at once.
            if self.isolation.can_publish or self.isolation.has_received_messages:
                self._wait_for_retry(exc, checks)
        except Exception as exc:
            self.subscription.fail_over()
            self._wait_for_retry(exc, checks)
        else:
            self.subscription.close()

    def handle_crash(self, exc: BaseException, checks: PeriodicTask) -> None:
        """Drop the connections after an exception of run()."""
        self.error = exc if isinstance(exc, Exception) else RuntimeError(describe_error(exc))
        self.isolation.connection_lost()
        self._log.error("crash", "celery-gossip: the listener failed with %r; it reconnects", exc, exc_info=exc)
        self.echo.fail_over()
        self.subscription.fail_over()
        try:
            self._run_checks(checks)
        except Exception:  # the checks may be what has failed
            self._cluster.set_isolated(self._clock())

    def finish(self, *, is_closed: bool) -> None:
        """Mark the view as isolated and close the connections, at the end of the thread. Never raises."""
        for step in (self.isolation.connection_lost, self._isolate, self.echo.close):
            with suppress(Exception):
                step()
        if not is_closed:
            self.subscription.fail_over()

    def close_in_child(self) -> None:
        """Close a forked child's copies of the sockets. Never raises."""
        self.isolation.connection_lost()
        self.echo.close_in_child()
        self.subscription.close_in_child()

    def _receive_messages(self, consumer: MessageConsumer, checks: PeriodicTask) -> None:
        control = self._control
        with control.fork_lock:
            self._connect()
        while not control.closing.is_set():
            with control.fork_lock:
                self.echo.send_if_due()
            received = self.subscription.receive(RECEIVE_TIMEOUT)
            with control.fork_lock:
                # The checks run first, because the process may have been stopped while it waited for messages.
                now = self._run_checks(checks)
                for message in self._throttle.admit(received, now):
                    self._failures = 0
                    self._handle(message, consumer)
                self._note_throttled(consumer, now)
            self._require_working_connection()

    def _connect(self) -> None:
        self.subscription.open()
        now = self._clock()
        self.isolation.connection_opened(now)
        self._cluster.statistics.start(now)
        self._throttle.begin_window(now)
        if self.error is not None:
            self.error = None
            self._log.info("reached", "celery-gossip: listening on %s again", self.subscription.uri)

    def _handle(self, message: Delivery | RejectedGossip, consumer: MessageConsumer) -> None:
        now = self._clock()
        if self.isolation.is_stale(now):
            raise StaleSubscription
        self.isolation.message_received(now)
        consumer.handle(message, now)

    def _require_working_connection(self) -> None:
        """Raise if the messages of this iteration are stale, or the connection seems to be half open."""
        now = self._clock()
        if self.isolation.is_stale(now):
            raise StaleSubscription
        if self.isolation.is_half_open(now, self._longest_interval()):
            raise self.echo.error or HalfOpenConnection("no message arrives")

    def _longest_interval(self) -> float:
        """Return the longest interval of the workers in seconds; it matters only without permission to publish."""
        if self.isolation.can_publish:
            return 0.0
        return max((one.gossip.interval for one in self._cluster.workers() if not one.is_gone), default=0.0)

    def _run_checks(self, checks: PeriodicTask) -> float:
        """Update the isolation and run the checks; return the time for which they ran."""
        now = self._clock()
        self._cluster.record_listener_heartbeat(now)
        self.isolation.loop_iteration(now, expected=RECEIVE_TIMEOUT)
        is_isolated = self.isolation.is_isolated(now)
        is_changed = self._cluster.set_isolated(now) if is_isolated else self._cluster.clear_isolated(now)
        checks.run(now, is_isolation_changed=is_changed)
        return now

    def _note_throttled(self, consumer: MessageConsumer, now: float) -> None:
        dropped = self._throttle.throttled - self._throttled
        if dropped:
            self._throttled += dropped
            self.isolation.messages_dropped(now)
            consumer.note_throttled(dropped, self._throttle.most_throttled)

    def _wait_for_retry(self, exc: Exception, checks: PeriodicTask) -> None:
        """Wait until the next attempt to connect is due; the checks go on."""
        self.isolation.connection_lost()
        self.echo.fail_over()
        self.error = exc
        self._failures += 1
        text = "celery-gossip: cannot listen on %s: %s; retrying until it succeeds"
        self._log.warning("unreachable", text, self.subscription.uri, describe_error(exc))
        retry_at = self._clock() + backoff(self._failures, random.random(), is_amqp_refusal(exc))
        control = self._control
        while not control.closing.is_set() and (pause := retry_at - self._clock()) > 0:
            with control.fork_lock:
                self._run_checks(checks)
            control.closing.wait(min(pause, RECEIVE_TIMEOUT))

    def _isolate(self) -> None:
        self._cluster.set_isolated(self._clock())
