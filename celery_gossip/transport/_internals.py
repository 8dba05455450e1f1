"""The list of undocumented names of Kombu, redis-py and py-amqp on which the transport depends. Pure.

docs/reference/compatibility.md contains the same list; tests/unit/transport/test_compat.py checks each name against the
installed libraries. Only the modules `_compat` and `_compat_queues` read these names.
"""

import inspect
from dataclasses import dataclass
from typing import Any

__all__ = ["INTERNALS", "Internal", "MissingName", "lookup"]


@dataclass(frozen=True)
class Internal:
    """One undocumented name: the class or module that has it, its purpose here, and what happens without it."""

    owner: str  #: with its module
    name: str
    purpose: str
    without: str


class MissingName(NotImplementedError):
    """A client library does not have a name that is used here, or no longer accepts the same arguments."""


def lookup(owner: Any, name: str) -> Any:
    """Return this attribute. Raises MissingName if there is none, or if reading it fails with a TypeError."""
    try:
        return getattr(owner, name)
    except (AttributeError, TypeError) as exc:
        kind = owner if inspect.isclass(owner) or inspect.ismodule(owner) else type(owner)
        module = kind.__module__ if inspect.isclass(kind) else ""
        raise MissingName(f"{module}.{kind.__name__} has no {name}") from exc


_KOMBU_READS = "Kombu reads, one message at a time"
_OPEN_IN_CHILD = "a forked child keeps its copy of the socket open until it exits"
_NOT_COUNTED = "backlogs on virtual transports are unknown"
_NO_EXACT_AGE = "the exact age of the next message is unknown"
_PUBLISH_FAILS = "a publish during an alarm fails after 0.4 s"
_REBUILT = "the connection is rebuilt"

INTERNALS = (
    Internal("kombu.connection.Connection", "alt", "list the failover URLs", "errors name the first URL only"),
    Internal(
        "kombu.connection.Connection", "collect", "close AMQP sockets without waiting", "sockets are closed singly"
    ),
    Internal(
        "kombu.connection.Connection", "supports_exchange_type", "refuse a transport without fanout", "no transport is"
    ),
    Internal(
        "kombu.connection.Connection",
        "transport_cls",
        "recognize Sentinels",
        "errors name one Sentinel in place of all of them",
    ),
    Internal("kombu.transport.virtual.Channel", "Message", "decode without raising", "Kombu's own class decodes"),
    Internal("kombu.transport.pyamqp.Channel", "Message", "decode without raising", _KOMBU_READS),
    Internal("kombu.transport.virtual.Transport", "channels", "close sockets in a forked child", _OPEN_IN_CHILD),
    Internal("kombu.transport.redis.Transport", "cycle", "subscribe before the first read", _KOMBU_READS),
    Internal("kombu.transport.redis.MultiChannelPoller", "on_poll_start", "send the subscription", _KOMBU_READS),
    Internal("kombu.transport.redis.MultiChannelPoller", "poller", "close its descriptor", "garbage collection does"),
    Internal("kombu.transport.redis.Channel", "subclient", "find the subscribed pub/sub client", _KOMBU_READS),
    Internal("kombu.transport.redis.Channel", "client", "close an idle connection", "one more connection stays open"),
    Internal("kombu.transport.redis.Channel", "_q_for_pri", "find the keys of a queue", _NO_EXACT_AGE),
    Internal("kombu.transport.redis.Channel", "priority_steps", "find the keys of a queue", _NO_EXACT_AGE),
    Internal("kombu.transport.redis.Channel", "global_keyprefix", "find the keys of a queue", _NO_EXACT_AGE),
    Internal("kombu.transport.virtual.AbstractChannel", "_size", "count messages", _NOT_COUNTED),
    Internal("kombu.transport.virtual.AbstractChannel", "_has_queue", "check that a queue exists", _NOT_COUNTED),
    Internal(
        "kombu.transport.virtual.AbstractChannel", "_new_queue", "recognize reads that create a queue", _NOT_COUNTED
    ),
    Internal("redis.client.PubSub", "connection", "find the subscribed connection", _KOMBU_READS),
    Internal("redis.connection.Connection", "_sock", "read the socket in bulk, close it in a child", _KOMBU_READS),
    Internal("redis.connection.Connection", "_parser", "find parse_error", _KOMBU_READS),
    Internal("redis._parsers.base.BaseParser", "parse_error", "convert error replies to exceptions", _KOMBU_READS),
    Internal(
        "redis.connection.ConnectionPool", "_available_connections", "close sockets in a forked child", _OPEN_IN_CHILD
    ),
    Internal(
        "redis.connection.ConnectionPool", "_in_use_connections", "close sockets in a forked child", _OPEN_IN_CHILD
    ),
    Internal("amqp.connection.Connection", "connected", "detect a lost connection", "waits for answers are unbounded"),
    Internal("amqp.connection.Connection", "transport", "find the socket", _KOMBU_READS),
    Internal("amqp.connection.Connection", "on_inbound_frame", "pass on frames that are no delivery", _KOMBU_READS),
    Internal("amqp.connection.Connection", "on_blocked", "detect an alarm of RabbitMQ", _PUBLISH_FAILS),
    Internal("amqp.connection.Connection", "on_unblocked", "detect the end of an alarm", _PUBLISH_FAILS),
    Internal("amqp.transport.TCPTransport", "sock", "read the socket in bulk, close it in a child", _KOMBU_READS),
    Internal("amqp.transport.TCPTransport", "_read_buffer", "take over what py-amqp has read", _KOMBU_READS),
    Internal("amqp.transport.TCPTransport", "having_timeout", "bound the wait for an answer", "settimeout() does"),
    Internal("amqp.basic_message.Message", "inbound_header", "decode the properties of a delivery", _KOMBU_READS),
    Internal("amqp.channel.Channel", "send_method", "confirm a close that py-amqp could not decode", _REBUILT),
    Internal("amqp.channel.Channel", "_do_revive", "open that channel again", _REBUILT),
    Internal("amqp.spec.Channel", "CloseOk", "confirm a close that py-amqp could not decode", _REBUILT),
    Internal(
        "amqp.exceptions", "FrameSyntaxError", "tell a broken message from a lost connection", "it is a lost connection"
    ),
    Internal(
        "amqp.exceptions", "error_for_code", "name the reason of a Channel.Close", "ConnectionError with its text"
    ),
)
