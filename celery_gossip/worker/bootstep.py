"""GossipStep: the bootstep that reports the state of a worker's queues.

Celery calls the hooks on the worker's main thread; the timer calls the ticks there too (on pools without an event loop,
on a timer thread or greenlet). No exception leaves a hook or a tick: it could stop the worker.
"""

import time
from contextlib import suppress
from typing import Any

from celery import bootsteps

from celery_gossip import signals
from celery_gossip.beat import embedding
from celery_gossip.errors import InvalidOption, UnsupportedTransport, UnusableURL
from celery_gossip.log import LimitedLogger
from celery_gossip.options import as_dict, resolve
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.failure_reporter import FailureReporter
from celery_gossip.wire.messages import Gossip
from celery_gossip.worker import _compat as compat
from celery_gossip.worker import inspect_command as inspect_command  # noqa: PLC0414 - registers `celery inspect gossip`
from celery_gossip.worker.components import WorkerComponents, build_components
from celery_gossip.worker.count_sent import count_sent_tasks
from celery_gossip.worker.instrumentation import UNCOUNTED
from celery_gossip.worker.reporter import PreparedReport
from celery_gossip.worker.sent_at import stamp_tasks

__all__ = ["GossipStep"]

DEAD_POOL = (  #: log line
    "celery-gossip: the pool has started no task for a minute, although tasks are reserved for it: the health file, if "
    "there is one, is not updated until it does"
)
_FINAL_TIMEOUT = 1.0  #: seconds that a shutdown may wait for the broker of the gossip


class GossipStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Consumer bootstep that reports the state of the worker's queues once per interval. See `install`."""

    label = "QueueGossip"
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(
        self,
        c: Any,
        gossip_interval: float | None = None,
        gossip_health_file: str | None = None,
        without_queue_gossip: bool = False,
        **kwargs: Any,
    ) -> None:
        """Called once per worker with the options of its command line. An invalid option refuses the start."""
        super().__init__(c, **kwargs)
        c.queue_gossip = None
        self.app = c.app
        self.enabled = False
        self._log = LimitedLogger()
        self._failures = FailureReporter(c.app, self._log)
        self._components: WorkerComponents
        self._has_started = False
        try:
            self.options = resolve(c.app, interval=gossip_interval, health_file=gossip_health_file)
            self._build_if_enabled(c, is_switched_off=without_queue_gossip)
        except InvalidOption as exc:
            raise compat.start_refusal(str(exc)) from exc
        except (UnsupportedTransport, UnusableURL) as exc:
            self._log.warning("off", "celery-gossip: %s", exc)
        except Exception as exc:
            self._failures.report("init", exc)

    def _build_if_enabled(self, c: Any, *, is_switched_off: bool) -> None:
        if is_switched_off:
            embedding.switch_off()
        missing = compat.missing()
        if missing:
            self._log.warning("off", "celery-gossip: off, the worker runs without it: this Celery has no %s", missing)
        elif self.options.enabled and not is_switched_off:
            self._build(c)
            identity = self._components.identity
            embedding.note_worker(identity.hostname, identity.instance_id)
        elif self.options.health_file is not None:
            self._log.warning("off", "celery-gossip: queue gossip is off, and no health file is written without it")

    def _build(self, c: Any) -> None:
        broker = open_broker(c.app, self.options)
        self._components = build_components(
            c, self.options, broker, self._tick, lambda exc: self._failures.report("timer", exc)
        )
        self._failures.publisher = self._components.publisher
        count_sent_tasks(c.app)
        stamp_tasks()  # the tasks that this worker sends, such as retries; the processes of its pool are forked later
        self.enabled = True
        c.queue_gossip = self
        signals.emit(signals.gossip_init, self.app, options=self.options)

    @property
    def latest(self) -> Gossip | None:
        """The worker's own latest gossip; None before the first. Any thread."""
        return self._components.sender.latest

    def start(self, c: Any) -> None:
        """Report at once, then every interval: the consumer has started, for the first time or after a reconnect."""
        if not self._has_started:
            self._has_started = True
            text = "celery-gossip: reporting to exchange %r of %s every %g s"
            uri = self._components.publisher.uri
            self._log.info("start", text, self.options.exchange, uri, self.options.interval)
        parts = self._components
        self._failures.call_each(
            "start",
            parts.software.describe,
            parts.profile.describe,
            parts.reporter.on_consumer_start,
            parts.sender.retry_now,
        )
        parts.ticks.start()

    def close(self, c: Any) -> None:
        """Report `draining`: the worker begins to shut down. Ticks end here; the sender thread goes on reporting."""
        parts = self._components
        self._failures.call_each(
            "close", parts.shutdown_watch.close, parts.liveness.stop, parts.ticks.stop, self._submit_draining
        )

    def stop(self, c: Any) -> None:
        """Stop the ticks until start(): before each reconnect, and at shutdown."""
        self._failures.call_each("stop", self._components.ticks.stop, self._components.reporter.remember_tags)

    def terminate(self, c: Any) -> None:
        """Do the same at a cold shutdown."""
        self.stop(c)

    def shutdown(self, c: Any) -> None:
        """Report `offline` and end the sender thread: the last hook of a shutdown."""
        parts = self._components
        self._failures.call_each(
            "shutdown",
            parts.liveness.stop,
            parts.ticks.stop,
            parts.instrumentation.close,
            self._send_offline,
            self._report_sender_events,
        )

    def info(self, c: Any) -> dict[str, Any]:
        """Return what `celery inspect stats` shows of the step."""
        try:
            identity = {"boot": self._components.identity.instance_id, "errors": self._failures.count}
            return {"queue_gossip": {**as_dict(self.options), **identity}}
        except Exception:
            return {}

    def _tick(self, due: float) -> None:
        parts = self._components
        # At each tick: a process that cannot start a thread now may be able to later.
        self._failures.call_each("thread", parts.sender.start)
        # Before the report, which wakes the sender: so the sender's state is that after the last delivery.
        self._failures.call_each("health", parts.liveness.update)
        try:
            self._report(lag=time.monotonic() - due)
        except Exception as exc:
            self._failures.report("round", exc, began=due)

    def _report(self, lag: float) -> None:
        began = time.monotonic()
        signals.emit(signals.gossip_start, self.app, system_time=time.time())
        self._report_sender_events()
        self._check_counting()
        if self._components.reporter.is_pool_dead:
            self._log.warning("pool", DEAD_POOL)
        try:
            queue_count = self._submit(self._components.reporter.probe_from_loop(lag))
        except Exception as exc:
            self._components.sender.submit(None)
            self._failures.report("probe", exc, began)
            return
        signals.emit(signals.gossip_stop, self.app, duration=time.monotonic() - began, gossip_count=queue_count)

    def _check_counting(self) -> None:
        """Report an error of the instrumentation, or that tasks run that it does not count."""
        error = self._components.instrumentation.pop_error()
        if error is not None:
            self._failures.report("count", error)
        with suppress(Exception):  # MissingName on a Celery without the number of accepted tasks
            if self._components.instrumentation.detects_uncounted(compat.accepted_count()):
                self._log.warning("uncounted", UNCOUNTED)

    def _submit(self, report: PreparedReport | None) -> int:
        """Submit this report to the sender; return its number of queues."""
        if report is None:
            return 0
        self._components.sender.submit(report.gossip)
        for failure in report.failures:
            self._failures.report("check", failure)
        return len(report.gossip.checks) if report.gossip else 0

    def _submit_draining(self) -> None:
        self._submit(self._components.reporter.probe_draining())

    def _send_offline(self) -> None:
        parts = self._components
        report = None
        try:
            parts.probe.filter_active(parts.shutdown_watch.interrupted)
            report = parts.reporter.probe_offline()
        finally:
            if not parts.sender.stop(report.gossip if report else None, timeout=_FINAL_TIMEOUT):
                text = "celery-gossip: the broker %s did not accept the final report in time"
                self._log.warning("final", text, parts.publisher.uri)

    def _report_sender_events(self) -> None:
        for event in self._components.sender.pop_events():
            self._failures.report_event(event)
