"""Errors of queue length reads: does an error concern a single queue, and how is it described? Pure.

Called by the QueueLengthReader on its thread.
"""

import struct

from celery_gossip.log import describe_error
from celery_gossip.options import redact_passwords
from celery_gossip.transport.broker_errors import is_permission_denied

__all__ = ["MISSING", "SINGLE_QUEUE_CODES", "describe_read_error", "is_single_queue_error", "reply_code"]

MISSING = "404"  #: reply code of AMQP
SINGLE_QUEUE_CODES = ("403", "405")  #: reply codes: no permission to read, another connection's exclusive queue
_CODES = {"NOT_FOUND": MISSING, "ACCESS_REFUSED": "403", "RESOURCE_LOCKED": "405"}  #: first word of the text → code
_WRONG_TYPE = "WRONGTYPE"  #: reply of Redis: the key is not a list
_MAX_LENGTH = 200  #: characters of a description


def reply_code(exc: Exception) -> str:
    """Return the reply code of AMQP; an empty string if there is none."""
    if isinstance(exc, UnicodeDecodeError):  # RabbitMQ truncated the text inside a character of the queue's name
        return _CODES.get(_truncated_text(exc).partition(" ")[0], "")
    return str(getattr(exc, "reply_code", ""))


def is_single_queue_error(exc: Exception) -> bool:
    """Return True if the error concerns one queue only: it is missing, may not be read, or cannot have this name."""
    if reply_code(exc) in (MISSING, *SINGLE_QUEUE_CODES) or is_permission_denied(exc):
        return True
    return isinstance(exc, (ValueError, struct.error)) or _WRONG_TYPE in str(exc)


def describe_read_error(exc: BaseException) -> str:
    """Return this error in one short line without a password."""
    text = _truncated_text(exc) if isinstance(exc, UnicodeDecodeError) else describe_error(exc)
    # redact_passwords() removes everything before an "@", even in a text without a URL.
    return " ".join((redact_passwords(text) if "://" in text else text).split())[:_MAX_LENGTH]


def _truncated_text(exc: UnicodeDecodeError) -> str:
    return bytes(exc.object).decode("utf-8", "replace")
