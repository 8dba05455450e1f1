"""The thread that reads how many messages wait in each queue on the broker of the tasks.

A thread of its own, because each call to a broker that hangs blocks for about a second. Names follow Kombu.
"""

import random
import threading
from collections.abc import Callable, Iterable
from typing import Any

from celery_gossip.cluster.queue_share import SENDERS, QueueShare
from celery_gossip.cluster.view import View
from celery_gossip.errors import is_greenlet_exit
from celery_gossip.fork_lock import ForkLock
from celery_gossip.listener.configured_queues import configured_queue_names
from celery_gossip.listener.names import validate_names
from celery_gossip.log import LimitedLogger
from celery_gossip.transport.backoff import backoff
from celery_gossip.transport.queue_length import MAX_REASONS, READ_INTERVAL, QueueLengthReader
from celery_gossip.transport.queue_length_error import describe_read_error

__all__ = ["QueueLengthThread"]

_POLL_INTERVAL = 0.25  #: seconds between two checks for queues that are due


class QueueLengthThread:
    """Reads queue lengths until stop(). Owned by a Listener, and started and stopped with it."""

    def __init__(
        self,
        app: Any,
        shares: Callable[[], Iterable[QueueShare]],
        on_lengths: Callable[[dict[str, int | None], frozenset[str]], None],
        on_read: Callable[[], None],
        queues: Iterable[str] = (),
    ) -> None:
        """`shares` returns the queues that workers report; `queues` and those of the app's settings are read too.

        `on_lengths` is called with `{queue: messages or None}` and the queues that do not exist, `on_read` after each
        read, also after one that failed.
        Raises InvalidOption for invalid `queues`.
        """
        self._app = app
        self._shares = shares
        self._on_lengths = on_lengths
        self._on_read = on_read
        self._queues = validate_names("queues", queues)
        self._closing = threading.Event()
        self._fork_lock = ForkLock()
        self._thread: threading.Thread | None = None
        self._reader: QueueLengthReader | None = None
        self._configured: tuple[str, ...] = ()
        self._consumed: frozenset[str] = frozenset()
        self._refused: dict[str, str] = {}  # replaced as a whole, because other threads read it
        self._missing: frozenset[str] = frozenset()
        self.reads = 0  #: number of reads since the thread was started, failed ones included
        self._log = LimitedLogger()

    @property
    def has_read(self) -> bool:
        """True once the thread has read the queue lengths, or has failed to."""
        return self.reads > 0

    def is_configured(self, queue: str) -> bool:
        """Return True if this listener or the app's settings name the queue. Any thread."""
        return queue in self._queues or queue in self._configured

    def is_missing(self, queue: str) -> bool:
        """Return True if the broker had no queue of this name at its latest read, so that nothing waits in it."""
        return queue in self._missing

    def start(self) -> None:
        """Start the thread; after stop() and join(), start another one."""
        self._closing = threading.Event()
        self.reads = 0
        self._fork_lock.acquire_at_forks()
        self._thread = threading.Thread(
            target=self._run, args=(self._closing,), name="celery-gossip-backlog", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; do not wait."""
        self._closing.set()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, `timeout` seconds at most."""
        thread = self._thread
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(max(0.0, timeout))

    def close_in_child(self) -> None:
        """Forget the thread in a forked child, and close the child's copy of the connection. Never raises."""
        self._thread = None
        self._fork_lock = ForkLock()
        if self._reader is not None:
            self._reader.close_in_child()
        self._reader = None

    def unreadable(self, view: View) -> dict[str, str]:
        """Return `{queue: reason}` of the lengths that cannot be read; the key "" stands for all queues. Any thread.

        A missing queue is included only if an online worker of this view consumes it: otherwise nothing waits in it.
        """
        # Without paused queues: RabbitMQ deletes an auto-delete queue when its last consumer is cancelled.
        consumed = (queue for queue in view.queues if queue.states.get("online") and queue.paused != "yes")
        self._consumed = frozenset(queue.queue for queue in consumed)
        refused, missing = self._refused, self._missing & self._consumed
        configured = frozenset(self._configured)
        first = sorted(missing, key=lambda queue: (queue not in configured, queue))[:MAX_REASONS]
        return {**refused, **dict.fromkeys(first, "the broker has no queue of this name")}

    def _run(self, closing: threading.Event) -> None:
        """Read until stop(), whatever is raised: if the thread ended, the backlogs would stay unknown."""
        failures = 0
        while not closing.wait(_POLL_INTERVAL if not failures else READ_INTERVAL + backoff(failures, random.random())):
            try:
                with self._fork_lock:
                    self._read(self._open_reader())
                failures = 0
            except BaseException as exc:
                if is_greenlet_exit(exc):
                    raise
                failures += 1
                if self._reader is not None:
                    self._reader.fail_over()
                self._note_failure(exc)
            self.reads += 1
            self._on_read()
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _open_reader(self) -> QueueLengthReader:
        if self._reader is None:
            names = (*self._queues, *configured_queue_names(self._app, self._log))
            self._configured = tuple(dict.fromkeys(names))
            self._reader = QueueLengthReader(self._app)
        return self._reader

    def _read(self, reader: QueueLengthReader) -> None:
        shares = list(self._shares())
        sent_to = {queue for share in shares if share.owner == SENDERS for queue in share.queues}
        for queue in self._missing & (self._consumed | sent_to):
            reader.retry_missing(queue)
        lengths = reader.read(self._configured, shares)
        self._missing = frozenset(reader.missing)
        self._on_lengths(lengths, self._missing)
        if reader.refused != self._refused:
            self._refused = dict(reader.refused)
            for queue, reason in self._refused.items():
                self._log.warning("queue", "celery-gossip: the backlog of %r cannot be read: %s", queue, reason)

    def _note_failure(self, exc: BaseException) -> None:
        self._refused, self._missing = {"": describe_read_error(exc)}, frozenset()
        text = "celery-gossip: the backlogs of the queues cannot be read: %s"
        self._log.warning("backlog", text, self._refused[""])
