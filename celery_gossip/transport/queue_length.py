"""Counts the messages that wait in queues, on a connection to the broker that workers read their tasks from.

Owned by the QueueLengthThread and used on its thread. A queue that cannot be read does not delay the other queues.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from celery_gossip.cluster.queue_share import CONFIGURED, QueueShare
from celery_gossip.transport._compat_queues import (
    can_count,
    count_messages,
    require_response,
    restore_channel,
    unreadable_name_reason,
)
from celery_gossip.transport.broker import open_task_broker
from celery_gossip.transport.connection import BrokerClient
from celery_gossip.transport.queue_length_error import (
    MISSING,
    SINGLE_QUEUE_CODES,
    describe_read_error,
    is_single_queue_error,
    reply_code,
)
from celery_gossip.transport.read_schedule import AMQP_LIMITS, OTHER_LIMITS, ReadSchedule

__all__ = ["MAX_REASONS", "READ_INTERVAL", "QueueLengthReader"]

READ_INTERVAL = 2.0  #: seconds between two reads of one queue, at least
MAX_REASONS = 20  #: queues whose reason for not being read is kept
_MISSING_INTERVAL = 60.0  #: seconds between two reads of a missing queue: RabbitMQ writes each of them to its log
_ERROR_INTERVAL = 10.0  #: seconds between two reads of a queue that cannot be read, or is missing but has a consumer
_MAX_READ_TIME = 0.5  #: seconds after which read() returns the counts so far: a slow broker must not make them late
_MAX_BREAKS = 100  #: queues during whose reads the connection was lost


class QueueLengthReader(BrokerClient):
    """Reads queue lengths; the first read after an error of the connection connects again."""

    def __init__(self, app: Any, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(open_task_broker(app).managed_connection())
        self._clock = clock
        self._channel: Any = None
        limits = AMQP_LIMITS if self._connection.driver_type == "amqp" else OTHER_LIMITS
        self._schedule = ReadSchedule(limits, self._is_readable_name)
        self._shares: tuple[QueueShare, ...] = ()
        self._unreadable_names: dict[str, str] = {}  #: `{queue: reason}` of new names that this broker cannot hold
        self._breaks: dict[str, int] = {}  #: how often the connection was lost while this queue was read
        self._failure: Exception | None = None  #: raised by the next read(), because the last one had some counts
        self.refused: dict[str, str] = {}  #: `{queue: reason}` of the queues whose latest read failed
        self.missing: set[str] = set()  #: queues that did not exist at their latest read

    def read(self, queues: Iterable[str], shares: Iterable[QueueShare] = ()) -> dict[str, int | None]:
        """Return `{queue: messages waiting}` of the queues that are due; None if it is missing or cannot be read.

        `queues` are configured names, `shares` the names that workers report. On Redis all priority steps are counted.
        Raises whatever the transport raises, unless the error concerns a single queue; then call fail_over().
        """
        if self._channel is None:
            self._channel = self._connection.open()
        if not can_count(self._channel):
            return {}
        if self._failure is not None:
            raise self._failure
        now = self._clock()
        configured = tuple(queue for queue in queues if queue)  # "" would be the queue that this channel declared last
        self._shares = (QueueShare(CONFIGURED, configured, is_trusted=True), *shares)
        due = self._schedule.choose(self._shares, now)
        self._remove_unnamed()
        return {**self._reject_names(), **self._counts(due, now)}

    def retry_missing(self, queue: str) -> None:
        """Read this missing queue earlier than once a minute, because a worker reports that it consumes it."""
        self._schedule.retry_early(queue, _ERROR_INTERVAL)

    def _clear(self) -> None:
        self._channel = self._failure = None

    def _is_readable_name(self, queue: str) -> bool:
        reason = unreadable_name_reason(self._channel, queue)
        if reason:
            self._unreadable_names[queue] = reason
        return not reason

    def _reject_names(self) -> dict[str, int | None]:
        names, self._unreadable_names = self._unreadable_names, {}
        for queue, reason in names.items():
            self._keep_reason(queue, reason)
        return dict.fromkeys(names)

    def _counts(self, due: list[str], now: float) -> dict[str, int | None]:
        counts: dict[str, int | None] = {}
        errors: list[Exception] = []
        give_up_at = self._clock() + _MAX_READ_TIME
        for queue in sorted(due, key=lambda queue: self._breaks.get(queue, 0)) if self._breaks else due:
            try:
                counts[queue] = self._count(queue, now, errors)
            except Exception as exc:
                if not counts:
                    raise
                self._failure = exc
                return counts
            if self._clock() >= give_up_at:  # the other queues stay due
                break
        if errors and not any(count is not None for count in counts.values()):
            self._require_response()
        return counts

    def _require_response(self) -> None:
        """Raise the transport's error if reads fail because the broker does not respond, not because of the names."""
        try:
            with self._connection.bounded():
                require_response(self._channel)
        except Exception as exc:  # any other error is a response
            if self._connection.is_connection_error(exc):
                raise

    def _count(self, queue: str, now: float, errors: list[Exception]) -> int | None:
        """Return None if this queue cannot be read; add an error that may concern other queues too to `errors`."""
        try:
            with self._connection.bounded():
                count = self._query_count(queue)
        except Exception as exc:
            if self._connection.is_connection_error(exc):
                self._note_break(queue, now)
                raise
            self._note_error(queue, exc, now)
            if not is_single_queue_error(exc):
                errors.append(exc)
            return None  # if AMQP has closed the channel, py-amqp has opened it again
        self.refused.pop(queue, None)
        self._breaks.pop(queue, None)
        if count is None or count < 0:
            self._note_missing(queue, now)
            return None
        self.missing.discard(queue)
        self._schedule.counted(queue, now, READ_INTERVAL)
        return count

    def _query_count(self, queue: str) -> int | None:
        try:
            return count_messages(self._channel, queue)
        except UnicodeDecodeError:
            if self._connection.driver_type == "amqp":
                restore_channel(self._channel)
            raise

    def _note_break(self, queue: str, now: float) -> None:
        """Note that the connection was lost during this read: the queue is read last, and rarely after two breaks."""
        if len(self._breaks) >= _MAX_BREAKS:
            self._breaks.clear()
        self._breaks[queue] = self._breaks.get(queue, 0) + 1
        self._schedule.failed(queue, now, READ_INTERVAL if self._breaks[queue] == 1 else _ERROR_INTERVAL)

    def _note_error(self, queue: str, exc: Exception, now: float) -> None:
        code = reply_code(exc)
        if code == MISSING:
            self.refused.pop(queue, None)
            self._note_missing(queue, now)
            return
        self.missing.discard(queue)
        # RabbitMQ writes each refusal to its log.
        self._schedule.failed(queue, now, _MISSING_INTERVAL if code in SINGLE_QUEUE_CODES else _ERROR_INTERVAL)
        self._keep_reason(queue, describe_read_error(exc))

    def _note_missing(self, queue: str, now: float) -> None:
        self._schedule.failed(queue, now, _MISSING_INTERVAL, is_missing=True)
        self.missing.add(queue)

    def _keep_reason(self, queue: str, reason: str) -> None:
        """Keep the reason; if the limit is reached, a trusted name replaces one that is not."""
        if queue not in self.refused and len(self.refused) >= MAX_REASONS:
            replaced = next((other for other in self.refused if not self._is_trusted(other)), None)
            if replaced is None or not self._is_trusted(queue):
                return
            del self.refused[replaced]
        self.refused[queue] = reason

    def _is_trusted(self, queue: str) -> bool:
        return any(share.is_trusted and queue in share.queues for share in self._shares)

    def _remove_unnamed(self) -> None:
        if self.refused or self.missing:
            named = self._schedule.named
            self.missing &= named
            self.refused = {queue: reason for queue, reason in self.refused.items() if queue in named}
