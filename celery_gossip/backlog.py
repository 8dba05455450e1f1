"""The backlog: how many messages wait on the app's broker, queue by queue, read by passive declares.

A BacklogReader lives on one thread of the listener's own, because a broker that hangs holds each call for about a
second. Names follow Kombu.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from kombu.transport.virtual import AbstractChannel

from celery_gossip.backoff import backoff
from celery_gossip.broker import Link, open_task_broker
from celery_gossip.log import LimitedLogger, described

__all__ = ["READ_EVERY", "BacklogReader", "BacklogWatch"]

_LOOK_EVERY = 0.25  #: seconds between two looks for queues that are due
READ_EVERY = 2.0  #: seconds between two readings of one queue, at least
_MISSING_FOR = 60.0  #: seconds for which a queue that is not there is not asked for: RabbitMQ logs each such question
_MOST_QUEUES = 500  #: read in one round
_CANNOT_TELL = ("403", "404", "405")  #: reply codes: no right to ask, no such queue, somebody's exclusive one


class BacklogReader:
    """Reads backlogs on a connection of its own, which is rebuilt after any error."""

    def __init__(self, app: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._link = Link(open_task_broker(app).connection())
        self._clock = clock
        self._channel: Any = None
        self._due_at: dict[str, float] = {}

    def read(self, queues: Iterable[str]) -> dict[str, int | None]:
        """`{queue: messages waiting}` of those that are due; None for a queue that the broker does not know.

        Redis counts every priority step. Raises whatever the transport raises; then call drop().
        """
        if self._channel is None:
            self._channel = self._link.open()
        if not self._can_count:
            return {}
        now = self._clock()
        due = [queue for queue in queues if self._due_at.get(queue, now) <= now][:_MOST_QUEUES]
        self._due_at = {queue: at for queue, at in self._due_at.items() if at > now}
        return {queue: self._count(queue, now) for queue in due}

    def ask_again(self, queue: str) -> None:
        """It may be there by now: somebody serves it."""
        self._due_at.pop(queue, None)

    def close(self) -> None:
        """Say goodbye to the broker, bounded in time. Never raises."""
        self._channel = None
        self._link.close()

    def drop(self) -> None:
        """Throw the connection away; the next read builds a new one. Never raises."""
        self._channel = None
        self._link.drop()

    def _count(self, queue: str, now: float) -> int | None:
        self._due_at[queue] = now + READ_EVERY
        try:
            with self._link.bounded():
                count = int(self._channel.queue_declare(queue=queue, passive=True).message_count)
        except Exception as exc:
            if str(getattr(exc, "reply_code", "")) not in _CANNOT_TELL:
                raise
        else:
            return count if count >= 0 else None
        if self._link.driver_type == "redis":  # there an empty queue does not exist
            return 0
        self._due_at[queue] = now + _MISSING_FOR
        return None  # AMQP has closed the channel, and py-amqp has opened it again

    @property
    def _can_count(self) -> bool:
        """Some of Kombu's transports answer 0 to every question; others make the queue that they are asked about."""
        kind = type(self._channel)
        if not issubclass(kind, AbstractChannel):
            return True
        can_see = kind._has_queue is not AbstractChannel._has_queue or kind._new_queue is AbstractChannel._new_queue
        return can_see and kind._size is not AbstractChannel._size


class BacklogWatch:
    """The thread that reads backlogs: `names()` says of which queues, `note(backlogs)` takes what was read."""

    def __init__(
        self, app: Any, names: Callable[[], Iterable[str]], note: Callable[[dict[str, int | None]], None]
    ) -> None:
        self._app = app
        self._names = names
        self._note = note
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="celery-gossip-backlog", daemon=True)
        self._served: frozenset[str] = frozenset()
        self.has_looked = False  #: whether it has read the backlogs once, or failed to
        self._log = LimitedLogger()

    def start(self) -> None:
        """Start the thread; once."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the thread to end; does not wait."""
        self._closing.set()

    def join(self, timeout: float) -> None:
        """Wait for its end, `timeout` seconds at most."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, timeout))

    def _run(self) -> None:
        try:
            declared = tuple(self._app.amqp.queues)
            reader = BacklogReader(self._app)
        except Exception as exc:
            self._cannot(exc)
            self.has_looked = True
            return
        failures = 0
        while not self._closing.wait(_LOOK_EVERY if not failures else READ_EVERY + backoff(failures, random.random())):
            try:
                self._look(reader, declared)
                failures = 0
            except Exception as exc:
                reader.drop()
                failures += 1
                self._cannot(exc)
            self.has_looked = True
        reader.close()

    def _look(self, reader: BacklogReader, declared: tuple[str, ...]) -> None:
        names = tuple(self._names())
        for queue in frozenset(names) - self._served:
            reader.ask_again(queue)
        self._served = frozenset(names)
        self._note(reader.read(dict.fromkeys((*declared, *names))))

    def _cannot(self, exc: Exception) -> None:
        self._log.warning("backlog", "celery-gossip: the backlog of the queues cannot be read: %s", described(exc))
