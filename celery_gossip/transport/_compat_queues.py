"""Access to undocumented names of Kombu and py-amqp: the number of messages that wait in a queue.

Each access has a fallback, see `_internals.INTERNALS`. Called by the QueueLengthReader on its thread.
"""

from typing import Any

import amqp
from kombu.transport import virtual

from celery_gossip.transport._internals import MissingName, lookup

__all__ = [
    "can_count",
    "count_messages",
    "eval_for_queue",
    "require_response",
    "restore_channel",
    "unreadable_name_reason",
]

#: Modules of transports that report 0 for queues that another connection consumes, or create the queue when asked.
_CANNOT_COUNT = (
    "kombu.transport.azurestoragequeues",
    "kombu.transport.confluentkafka",
    "kombu.transport.gcpubsub",
)
_REDIS_CHANNEL = "kombu.transport.redis"
_MAX_NAME = 255  #: bytes of a queue's name in AMQP


def can_count(channel: Any) -> bool:
    """Return True if this channel counts messages correctly, and without creating the queue.

    Some virtual transports of Kombu return 0 for every queue; others create the queue when they are asked about it.
    """
    base = getattr(virtual, "AbstractChannel", None)
    kind = type(channel)
    if base is None or not issubclass(kind, base):
        return True  # the broker itself counts
    if any(parent.__module__ in _CANNOT_COUNT for parent in kind.__mro__):
        return False
    try:
        if _is_redis(kind):
            return lookup(kind, "_size") is not lookup(base, "_size")
        checks_existence = lookup(kind, "_has_queue") is not lookup(base, "_has_queue")
        creates = lookup(kind, "_new_queue") is not lookup(base, "_new_queue")
        counts = lookup(kind, "_size") is not lookup(base, "_size")
    except MissingName:
        return False
    return counts and (checks_existence or not creates)


def count_messages(channel: Any, queue: str) -> int | None:
    """Return the number of messages that wait in this queue; None if a virtual transport does not have the queue.

    Raises whatever the transport raises; on AMQP a missing queue is an error with the reply code 404.
    """
    if not _is_virtual(channel):
        return _declared_count(channel, queue)
    # A passive declare would be wrong here: Kombu sends EXISTS to Redis without the prefix `global_keyprefix`, so that
    # no queue is found; and it calls _new_queue(), which writes on some transports.
    if not _is_redis(type(channel)) and not lookup(channel, "_has_queue")(queue):
        return None
    return int(lookup(channel, "_size")(queue))


def eval_for_queue(channel: Any, queue: str, script: str, *arguments: Any) -> list[Any]:
    """Return the result of a Lua script for each key of this queue on Redis: one for each priority, the first first.

    Raises whatever the transport raises, and MissingName if Kombu does not have what this needs.
    """
    prefix, key_of = lookup(channel, "global_keyprefix"), lookup(channel, "_q_for_pri")
    keys = dict.fromkeys(key_of(queue, priority) for priority in lookup(channel, "priority_steps"))
    # Kombu does not add the prefix to the keys of EVAL. One call for each key, because a cluster may refuse several.
    return [lookup(channel, "client").eval(script, 1, f"{prefix or ''}{key}", *arguments) for key in keys]


def unreadable_name_reason(channel: Any, queue: str) -> str:
    """Return the reason why the broker of this channel cannot have a queue of this name; empty if it can."""
    if _is_virtual(channel):
        return ""
    try:
        size = len(queue.encode())
    except UnicodeEncodeError:
        return "the name is not valid Unicode"
    if size > _MAX_NAME:
        return f"the name of a queue in AMQP has at most {_MAX_NAME} bytes"
    if "\r" in queue or "\n" in queue:  # RabbitMQ removes them, and answers for another queue
        return "the name of a queue in AMQP has no line breaks"
    return ""


def restore_channel(channel: Any) -> None:
    """Open a py-amqp channel again that the broker closed with a text that is not UTF-8.

    RabbitMQ truncates the text of an error after 255 bytes, possibly inside a character of the queue's name. py-amqp
    fails to decode it, so it neither confirms the close nor opens the channel again. Raises ConnectionError if that is
    impossible.
    """
    try:
        lookup(channel, "send_method")(lookup(amqp.spec.Channel, "CloseOk"))
        lookup(channel, "_do_revive")()
    except (MissingName, AttributeError, TypeError) as exc:
        raise ConnectionError("the channel cannot be opened again") from exc


def require_response(channel: Any) -> None:
    """Send a command to this broker that it answers whatever queues it has. Raises what the transport raises."""
    if not _is_virtual(channel):
        channel.basic_qos(0, 0, False)
    elif _is_redis(type(channel)):
        lookup(channel, "client").ping()


def _is_virtual(channel: Any) -> bool:
    base = getattr(virtual, "AbstractChannel", None)
    return base is not None and issubclass(type(channel), base)


def _is_redis(kind: type) -> bool:
    """Return True if this is Kombu's channel class of Redis or Sentinel, where an empty queue has no key."""
    return any(parent.__module__ == _REDIS_CHANNEL for parent in kind.__mro__)


def _declared_count(channel: Any, queue: str) -> int:
    reason = unreadable_name_reason(channel, queue)
    if reason:
        raise ValueError(reason)
    declared = channel.queue_declare(queue=queue, passive=True)
    if declared.queue != queue:
        raise ConnectionError("the broker answered for another queue")
    return int(declared.message_count)
