"""BeatProcess: the parts that report one beat, and how they are connected. Built and started on beat's main thread."""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from celery_gossip.beat import _compat as compat
from celery_gossip.beat.delivery import Delivery
from celery_gossip.beat.embedding import Worker
from celery_gossip.beat.liveness import BeatLiveness, open_health_file
from celery_gossip.beat.observer import Observer
from celery_gossip.beat.reporter import BeatIdentity, Reporter
from celery_gossip.beat.schedule_reader import ScheduleReader
from celery_gossip.log import LimitedLogger
from celery_gossip.options import GossipOptions, resolve
from celery_gossip.transport.body_delivery import SenderEvent
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.failure_reporter import FailureReporter
from celery_gossip.transport.publisher import Publisher
from celery_gossip.transport.report_sender import MAX_EVENTS, ReportSender
from celery_gossip.wire.messages import Beat

__all__ = ["BeatProcess"]

_FINAL_TIMEOUT = 1.0  #: seconds that the end of beat may wait for the broker of the gossip


class _Sender(ReportSender[Beat]):
    _thread_name = "celery-gossip-beat"


class BeatProcess:
    """Reports one beat, from start() to stop()."""

    def __init__(  # noqa: PLR0913 - one argument for each part
        self,
        app: Any,
        options: GossipOptions,
        observer: Observer,
        reporter: Reporter,
        publisher: Publisher,
        *,
        liveness: BeatLiveness | None = None,
    ) -> None:
        events: deque[SenderEvent] = deque(maxlen=MAX_EVENTS)
        self._options = options
        self._observer = observer
        self._reporter = reporter
        self._publisher = publisher
        self._liveness = liveness
        self._log = LimitedLogger()
        self._failures = FailureReporter(app, self._log, "beat")
        self._is_stopped = False
        self.sender = _Sender(Delivery(publisher, events.append), events, reporter.compose, options.interval)
        self._failures.publisher = publisher

    @classmethod
    def create(
        cls, app: Any, scheduler: Any, hostname: str, worker: Worker, configured: Iterable[tuple[str, Any]]
    ) -> "BeatProcess | None":
        """Return a BeatProcess of this scheduler; None if the options switch it off.

        Raises GossipError for invalid options and an unsuitable broker.
        """
        options = resolve(app)
        if not (options.enabled and options.beat):
            return None
        observer = Observer(scheduler)
        reader = ScheduleReader(scheduler, observer, configured)
        identity = BeatIdentity.create(app, hostname, options.interval, scheduler, worker)
        reporter = Reporter(identity, scheduler, observer, reader)
        publisher = Publisher(open_broker(app, options))
        file = open_health_file(options.beat_health_file, identity.hostname)
        is_standby = partial(_is_standby, scheduler)
        liveness = None if file is None else BeatLiveness(file, observer, is_standby, options.interval)
        return cls(app, options, observer, reporter, publisher, liveness=liveness)

    def start(self) -> None:
        """Observe the scheduler and start the thread. Never raises."""
        self._observer.on_tick = self._report_events
        self._observer.on_close = self.stop
        self._failures.call_each("start", self._observer.attach, self._send_first, self._log_start)
        if self._liveness is not None:
            self._failures.call_each("health", self._liveness.start)

    def stop(self) -> None:
        """Send the final report, unless beat has crashed, and end the thread; returns within a second. Never raises."""
        if self._is_stopped:  # also if a signal handler has interrupted the first call
            return
        self._is_stopped = True
        if self._liveness is not None:
            with suppress(Exception):
                self._liveness.stop()
        final = None
        with suppress(Exception):
            if not self._observer.has_crashed:
                final = self._reporter.compose_final()
        with suppress(Exception):
            if not self.sender.stop(final, _FINAL_TIMEOUT):
                text = "celery-gossip: the broker %s did not accept the final report in time"
                self._log.warning("final", text, self._publisher.uri)

    def _send_first(self) -> None:
        self.sender.start()
        self.sender.submit(self._reporter.compose())

    def _log_start(self) -> None:
        text = "celery-gossip: reporting beat to exchange %r of %s every %g s"
        self._log.info("start", text, self._options.exchange, self._publisher.uri, self._options.interval)

    def _report_events(self) -> None:
        """Log what happened on the thread, and start it again if it could not be started. On beat's thread."""
        if not self._is_stopped and not self.sender.is_alive:
            self._failures.call_each("thread", self.sender.start)
        for event in self.sender.pop_events():
            self._failures.report_event(event)
        if self._observer.failures:
            self._failures.report("observe", self._observer.failures.pop())
        if self._liveness is not None and self._liveness.failures:
            self._failures.report("health", self._liveness.failures.pop())


def _is_standby(scheduler: Any) -> bool:
    return compat.holds_lock(scheduler) is False
