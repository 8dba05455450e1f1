"""GossipStep, the bootstep that makes a worker gossip, and install(), which adds it to an app.

Celery calls the hooks on the worker's main thread; the timer calls the ticks there too (on pools without an event loop
from a timer thread or greenlet). No exception leaves a hook or a tick: one that did could stop the worker.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click
from celery import bootsteps
from celery.bin.base import CeleryOption
from celery.exceptions import CeleryCommandException

from celery_gossip import control as control  # noqa: PLC0414 - registers `celery inspect gossip`
from celery_gossip import signals
from celery_gossip.errors import InvalidOption, UnsupportedTransport, UnusableURL
from celery_gossip.exchange import Broker, Publisher, open_broker
from celery_gossip.log import LimitedLogger, described, logger
from celery_gossip.messages import Gossip
from celery_gossip.metrics import Meter
from celery_gossip.options import as_dict, checked, keep_keywords, keywords_of, resolve
from celery_gossip.probe import Probe
from celery_gossip.pulse import Pulse, open_health_file
from celery_gossip.reporter import Identity, Report, Reporter
from celery_gossip.sender import Sender
from celery_gossip.stamp import stamp_tasks
from celery_gossip.tap import Tap

__all__ = ["GossipStep", "install"]

_JITTER = 0.1  #: of the interval, both ways: a thousand workers started at once do not speak in one breath
_LAST_WORD_TIMEOUT = 1.0  #: seconds that a shutdown may wait for the broker of the gossip


class GossipStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """A consumer bootstep: broadcasts the state of the worker's queues once per interval. See `install`."""

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
        """Called once per worker with the options of its command line. Refuses to start on a bad option."""
        super().__init__(c, **kwargs)
        c.queue_gossip = None
        self.app = c.app
        self.enabled = False
        self._log = LimitedLogger()
        self._errors = 0
        self._generation = 0
        self._tref: Any = None
        self._has_lost_timer = False
        self._broker_uri = ""
        try:
            self.options = resolve(c.app, interval=gossip_interval, health_file=gossip_health_file)
            if self.options.enabled and not without_queue_gossip:
                self._build(c, open_broker(c.app, self.options))
            elif self.options.health_file is not None:
                self._log.warning("off", "celery-gossip: queue gossip is off, and no health file is written without it")
        except InvalidOption as exc:
            raise CeleryCommandException(str(exc), exit_code=1) from exc
        except (UnsupportedTransport, UnusableURL) as exc:
            self._log.warning("off", "celery-gossip: %s", exc)
        except Exception as exc:
            self._failed("init", exc, began=None)

    def _build(self, c: Any, broker: Broker) -> None:
        self._timer = c.timer
        self._broker_uri = broker.uri
        self._identity = Identity.of(c.app, c.hostname, self.options.interval)
        probe = Probe(c, self.options.active_limit)
        health_file = open_health_file(self.options.health_file, c.hostname)
        meter = Meter()
        self._reporter = Reporter(self._identity, probe)
        publisher = Publisher(broker, wants_answer=health_file is not None)
        self._sender = Sender(publisher, self._speak_up, self.options.interval, meter=meter)
        self._pulse = Pulse(health_file, probe, lambda: broker.serves_tasks and self._sender.is_in_doubt)
        self._tap = Tap(meter, probe.queue_of)
        self._tap.open(c.pool)
        self.enabled = True
        c.queue_gossip = self
        signals.emit(signals.gossip_init, self.app, options=self.options)

    @property
    def latest(self) -> Gossip | None:
        """The worker's own latest gossip; None before the first. Any thread."""
        return self._sender.latest

    def start(self, c: Any) -> None:
        """The consumer starts, for the first time or after a reconnect: speak at once, then every interval."""
        self._each("start", self._reporter.restart, self._sender.poke)
        self._generation += 1
        self._tick(self._generation, time.monotonic())

    def close(self, c: Any) -> None:
        """The worker begins to shut down: the loop will not tick again, the sender says `draining` by itself."""
        self._each("close", self._pulse.end, self._disarm, lambda: self._hand_over(self._reporter.drain()))

    def stop(self, c: Any) -> None:
        """Before each reconnect, and at shutdown: no more ticks until start()."""
        self._each("stop", self._disarm, self._reporter.remember_tags)

    def terminate(self, c: Any) -> None:
        """A cold shutdown stops the same way."""
        self.stop(c)

    def shutdown(self, c: Any) -> None:
        """The last of all: say `offline`, and end the thread."""
        self._each("shutdown", self._pulse.end, self._disarm, self._tap.close, self._say_goodbye, self._relay)

    def _each(self, phase: str, *parts: Callable[[], object]) -> None:
        """Do each part, whatever becomes of the others; WorkerShutdown and its like pass."""
        for part in parts:
            try:
                part()
            except Exception as exc:
                self._failed(phase, exc, began=None)

    def _say_goodbye(self) -> None:
        report = None
        try:
            report = self._reporter.last_word()
        finally:
            if not self._sender.finish(report.gossip if report else None, timeout=_LAST_WORD_TIMEOUT):
                text = "celery-gossip: the broker %s did not take the last word in time"
                self._log.warning("goodbye", text, self._broker_uri)

    def info(self, c: Any) -> dict[str, Any]:
        """What `celery inspect stats` shows of the step."""
        try:
            return {"queue_gossip": {**as_dict(self.options), "boot": self._identity.boot, "errors": self._errors}}
        except Exception:
            return {}

    def _tick(self, generation: int, due: float) -> None:
        if generation != self._generation:  # armed before a reconnect: Celery may have kept it
            return
        # In each round: a process that can have no more threads now may have one later.
        self._each("thread", self._sender.start)
        # Before the round, which wakes the sender: what it then says of the broker is of the last delivery.
        self._each("health", self._pulse.beat)
        try:
            self._round(lag=time.monotonic() - due)
        except Exception as exc:
            self._failed("round", exc, began=due)
        finally:
            self._arm(generation)

    def _arm(self, generation: int) -> None:
        if generation != self._generation:
            return
        try:
            self._call_later(generation)
        except Exception as exc:
            self._has_lost_timer = True
            self._failed("timer", exc, began=None)

    def _call_later(self, generation: int) -> None:
        delay = self.options.interval * random.uniform(1 - _JITTER, 1 + _JITTER)
        self._tref = self._timer.call_after(delay, self._tick, (generation, time.monotonic() + delay))
        self._has_lost_timer = False

    def _speak_up(self) -> Gossip | None:
        """On the sender's thread, for want of rounds: none would ever come again if the timer took none."""
        if self._has_lost_timer:
            with suppress(Exception):  # next time, then
                self._call_later(self._generation)
        return self._reporter.speak_up()

    def _disarm(self) -> None:
        self._generation += 1
        self._has_lost_timer = False
        tref, self._tref = self._tref, None
        if tref is None:
            return
        # On gevent and eventlet the timer's handle is a greenlet: cancelling it leaves its entry armed.
        with suppress(Exception):  # the generation has passed: a tick that cannot be cancelled ends by itself
            getattr(tref, "entry", tref).cancel()
            self._timer.cancel(tref)

    def _round(self, lag: float) -> None:
        began = time.monotonic()
        signals.emit(signals.gossip_start, self.app, system_time=time.time())
        self._relay()
        uncounted = self._tap.take_error()
        if uncounted is not None:
            self._failed("count", uncounted, began=None)
        try:
            gossip_count = self._hand_over(self._reporter.tick(lag))
        except Exception as exc:
            self._sender.submit(None)
            self._failed("probe", exc, began)
            return
        signals.emit(signals.gossip_stop, self.app, duration=time.monotonic() - began, gossip_count=gossip_count)

    def _hand_over(self, report: Report | None) -> int:
        if report is None:
            return 0
        self._sender.submit(report.gossip)
        for failure in report.failures:
            self._failed("check", failure, began=None)
        return len(report.gossip.checks) if report.gossip else 0

    def _relay(self) -> None:
        for notice in self._sender.notices():
            if notice.exception is not None:
                self._failed(notice.phase, notice.exception, began=time.monotonic() - notice.duration)
            elif notice.kind == "blocked":
                self._log.warning("blocked", "celery-gossip: %s has blocked publishers; holding back", self._broker_uri)
            else:
                self._log.warning("recovered", "celery-gossip: delivering to %s again", self._broker_uri)

    def _failed(self, phase: str, exc: Exception, began: float | None) -> None:
        self._errors += 1
        duration = 0.0 if began is None else time.monotonic() - began
        with suppress(Exception):  # an exception may be one that cannot be shown
            self._say(phase, exc)
        signals.emit(signals.gossip_exception, self.app, duration=duration, phase=phase, exception=exc)

    def _say(self, phase: str, exc: Exception) -> None:
        works = {
            "publish": f"deliver to {self._broker_uri}",
            "health": "write the health file",
            "thread": "start a thread",
        }
        work = works.get(phase)
        if work is not None:
            text = "celery-gossip: cannot %s: %s; the worker goes on, trying again"
            self._log.warning(phase, text, work, described(exc))
        else:
            self._log.error(phase, "celery-gossip: %s failed: %r; the worker goes on", phase, exc, exc_info=exc)


def install(app: Any, **options: Any) -> None:
    """Make the workers of this Celery app gossip: adds the bootstep and the worker's flags. Idempotent.

    Tasks that this process sends are stamped with the time, in a header `gossip_sent_at`, so that workers know how long
    they have waited: call it where tasks are sent, too.

    `options` are the fields of GossipOptions: interval, exchange, broker_url, active_limit, health_file, enabled. They
    go before settings and behind worker flags. Called again, it changes nothing.

    Raises InvalidOption for an unknown option or a bad value, except inside the `celery` program: there the worker
    refuses to start with that one line, where an exception would become a traceback about loading the app.
    """
    app = getattr(app, "_get_current_object", lambda: app)()  # a Proxy, as celery.current_app is
    if not _is_celery_program():
        checked(options)
    if not keep_keywords(app, options):
        if options and options != keywords_of(app):
            logger.warning("celery-gossip: install() was called before; these options are left out: %s", list(options))
        return
    app.steps["consumer"].add(GossipStep)
    stamp_tasks()
    for option in _worker_flags():
        app.user_options["worker"].add(option)


def _worker_flags() -> list[click.Option]:
    return [
        CeleryOption(
            ["--gossip-interval"],
            type=float,
            metavar="SECONDS",
            help="Seconds between two broadcasts of queue gossip.",
            help_group="Queue Gossip",
        ),
        CeleryOption(
            ["--gossip-health-file"],
            metavar="PATH",
            help="Keep this file fresh while the worker can consume; %n, %h and %d as in --pidfile.",
            help_group="Queue Gossip",
        ),
        CeleryOption(
            ["--without-queue-gossip"],
            is_flag=True,
            default=False,
            help="Do not broadcast the state of this worker's queues.",
            help_group="Queue Gossip",
        ),
    ]


def _is_celery_program() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and context.find_root().command.name == "celery"
