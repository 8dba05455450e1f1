"""Reads when the next message of a queue was sent, from the message itself, on the broker of the tasks.

Only on request, because it costs the broker more than a length does. A Lua script on Redis reads the message that is
delivered next, and returns nothing but the number in one of its headers. RabbitMQ cannot show a message without
delivering it. Used on the thread that asks; a reader is opened for one request and closed after it.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

from celery_gossip.transport._compat_queues import eval_for_queue
from celery_gossip.transport.broker import open_task_broker
from celery_gossip.transport.connection import BrokerClient
from celery_gossip.transport.queue_length_error import describe_read_error
from celery_gossip.wire.stamp import LATEST, SENT_AT, SENT_RETRIES

__all__ = ["MAX_QUEUES", "MAX_SECONDS", "ExactAge", "read_exact_ages"]

MAX_QUEUES = 100  #: queues of one request
MAX_SECONDS = 2.0  #: after which no further queue is read
_MAX_MESSAGE = 2**20  #: bytes; Redis does nothing else while it parses a message
#: Decodes the message, because its body and arguments may contain the name of the header, too.
_SCRIPT = """
local raw = redis.call('LINDEX', KEYS[1], -1)
if not raw then return 'empty' end
if #raw > tonumber(ARGV[1]) then return 'long' end
local is_json, message = pcall(cjson.decode, raw)
if not is_json or type(message) ~= 'table' or type(message.headers) ~= 'table' then return 'unreadable' end
local function number(value) if type(value) == 'number' then return value end return 0 end
local headers = message.headers
local sent = number(headers[ARGV[2]])
if sent <= 0 or number(headers.retries) ~= number(headers[ARGV[3]]) then return 'unstamped' end
return string.format('%.3f', sent)
"""
_REASONS = {
    "long": f"the message is longer than {_MAX_MESSAGE:,} bytes",
    "unreadable": "the message is not one of Celery",
    "unstamped": f"the message has no header {SENT_AT}: call install() in the process that sends it",
}
_NOT_REDIS = {"amqp": "RabbitMQ shows no message without delivering it"}
_NO_TIME = f"not read within {MAX_SECONDS:.0f} s"


@dataclass(frozen=True)
class ExactAge:
    """Age of the message of a queue that is delivered next."""

    age: float | None  #: seconds since it was sent, by the clocks of its sender and of this host; 0.0 if none waits
    reason: str = ""  #: why it is not known


def read_exact_ages(
    app: Any, queues: Iterable[str], clock: Callable[[], float] = time.monotonic
) -> dict[str, ExactAge]:
    """Return the age of the next message of each queue, of MAX_QUEUES at most. Never raises.

    Opens a connection to the broker of the tasks, and closes it. Blocks for MAX_SECONDS and one time-out of the broker.
    """
    names = list(islice(dict.fromkeys(queues), MAX_QUEUES))
    try:
        with closing(_Reader(app)) as reader:
            return reader.read(names, clock)
    except Exception as exc:
        return dict.fromkeys(names, ExactAge(None, describe_read_error(exc)))


class _Reader(BrokerClient):
    """One connection, for one request."""

    def __init__(self, app: Any) -> None:
        super().__init__(open_task_broker(app).managed_connection())

    def read(self, queues: list[str], clock: Callable[[], float]) -> dict[str, ExactAge]:
        kind = self._connection.driver_type
        if kind != "redis":
            return dict.fromkeys(queues, ExactAge(None, _NOT_REDIS.get(kind, f"the transport {kind} cannot read it")))
        give_up_at = clock() + MAX_SECONDS
        channel = self._connection.open()
        ages: dict[str, ExactAge] = {}
        for queue in queues:
            ages[queue] = self._read(channel, queue) if clock() < give_up_at else ExactAge(None, _NO_TIME)
        return ages

    def _read(self, channel: Any, queue: str) -> ExactAge:
        try:
            answers = eval_for_queue(channel, queue, _SCRIPT, _MAX_MESSAGE, SENT_AT, SENT_RETRIES)
            return _oldest_of([_text(answer) for answer in answers], time.time())
        except Exception as exc:
            if self._connection.is_connection_error(exc):
                raise
            return ExactAge(None, describe_read_error(exc))

    def _clear(self) -> None:
        pass


def _oldest_of(answers: list[str], now: float) -> ExactAge:
    """Return the age of the oldest of the next messages of each priority."""
    found = [answer for answer in answers if answer != "empty"]
    unknown = next((_REASONS[answer] for answer in found if answer in _REASONS), "")
    if unknown:
        return ExactAge(None, unknown)
    sent = [float(answer) for answer in found]
    if any(not 0 < at < LATEST for at in sent):
        return ExactAge(None, _REASONS["unstamped"])
    return ExactAge(max(0.0, round(now - min(sent), 1)) if sent else 0.0)


def _text(answer: Any) -> str:
    return answer.decode() if isinstance(answer, bytes) else str(answer)
