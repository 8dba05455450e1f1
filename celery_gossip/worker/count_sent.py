"""Decides in each process whether the tasks that it sends are counted, and passes them to the SentReporter if so.

Called by install() and by the bootstep; the decision is made when the first task is sent, on the thread that sends it,
because the settings are complete then. A process that does not opt in keeps neither a receiver nor a thread.
"""

import atexit
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakSet, ref

from celery.signals import after_task_publish, worker_process_shutdown

from celery_gossip.errors import GossipError
from celery_gossip.fork_lock import reset_after_forks
from celery_gossip.log import describe_error, logger
from celery_gossip.options import GossipOptions, resolve
from celery_gossip.transport.broker import open_broker
from celery_gossip.transport.publisher import Publisher
from celery_gossip.worker import _compat as compat
from celery_gossip.worker.sent_reporter import SentReporter

__all__ = ["count_sent_tasks"]

_UID = "celery_gossip.worker.count_sent"
_EXPIRES = 3.0  #: seconds after which the broker drops a report that no listener has read


class _Decision:
    """Which apps of this process have been asked, and the reporter, of which there is at most one per process."""

    def __init__(self) -> None:
        self.reset_after_fork()
        self._undecided: WeakSet[Any] = WeakSet()  #: apps with install() whose settings were not read yet
        self._reporter: SentReporter | None = None
        reset_after_forks(self)

    def reset_after_fork(self) -> None:
        """Replace the lock, which another thread may have held during the fork."""
        self._lock = threading.RLock()

    def add(self, app: Any) -> None:
        with self._lock:
            if self._reporter is None:
                self._undecided.add(app)
                after_task_publish.connect(self.on_publish, dispatch_uid=_UID, weak=False)

    def on_publish(self, **fields: Any) -> None:
        """Count a task that was sent; a receiver, which removes itself if no app of the process asks for it."""
        try:
            reporter = self._reporter or self._decide()
            if reporter is not None:
                reporter.note(**fields)
        except Exception as exc:  # Celery would log a traceback for every task
            after_task_publish.disconnect(dispatch_uid=_UID)
            logger.warning("celery-gossip: sent tasks are not counted: %s", describe_error(exc))

    def _decide(self) -> SentReporter | None:
        """Read the settings of the apps, at the first task that is sent."""
        with self._lock:
            for app in [app for app in self._undecided if app.configured]:
                self._undecided.discard(app)
                if self._reporter is None and (reporter := _build(app)) is not None:
                    _stop_at_exit(reporter)
                    self._reporter = reporter
            if self._reporter is not None:
                self._undecided.clear()
            elif not self._undecided:
                after_task_publish.disconnect(dispatch_uid=_UID)
            return self._reporter


_decision = _Decision()


def count_sent_tasks(app: Any) -> None:
    """Count the tasks that this process sends if the app's setting `gossip_count_sent` asks for it. Never raises."""
    with suppress(Exception):
        _decision.add(app)


def _stop_at_exit(reporter: SentReporter) -> None:
    atexit.register(reporter.stop)
    # Pool processes end without atexit.
    worker_process_shutdown.connect(lambda **_: reporter.stop(), dispatch_uid=f"{_UID}.stop", weak=False)


def _build(app: Any) -> SentReporter | None:
    """Return a reporter if this app asks for one; None, with one log line, if that is impossible."""
    try:
        options: GossipOptions = resolve(app)
        if not (options.count_sent and options.enabled):
            return None
        broker = open_broker(app, options)
    except GossipError as exc:
        logger.warning("celery-gossip: sent tasks are not counted: %s", exc)
        return None
    is_foreign = _foreign_check(app)
    if is_foreign():
        return None
    queues = partial(_queues_of, ref(app))
    return SentReporter(str(app.main or ""), Publisher(broker, expires=_EXPIRES), queues, is_foreign)


def _queues_of(app: Any) -> list[Any]:
    return list(app().amqp.queues.values())


def _foreign_check(app: Any) -> Callable[[], bool]:
    """Return a function that is True if another app of this process sends to another broker.

    Celery's signal does not say which app has sent a task, so that such tasks would be counted for the wrong broker.
    """
    url = app.conf.broker_write_url

    def is_foreign() -> bool:
        others = [other for other in compat.active_apps() if other.configured]
        return any(other.conf.broker_write_url != url for other in others)

    return is_foreign
