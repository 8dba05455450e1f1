"""Undocumented parts of a worker's queues and of Kombu's routing. Any thread."""

import re
from collections.abc import Callable
from typing import Any

from celery_gossip.worker._compat.state import copied

__all__ = ["prefetch_count", "queues_to_consume", "tags_by_queue", "topic_rule_of"]


def tags_by_queue(task_consumer: Any) -> list[tuple[str, str]]:
    """Return `(queue name, consumer tag)` of each consumed queue; empty if they are not known."""
    return copied((getattr(task_consumer, "_active_tags", None) or {}).items())


def queues_to_consume(consumer: Any) -> list[Any]:
    """Return the kombu Queues that this worker consumes, or will consume after a reconnect."""
    task_consumer = consumer.task_consumer
    if task_consumer is not None:
        return copied(task_consumer.queues)
    return copied(consumer.app.amqp.queues.consume_from.values())


def prefetch_count(consumer: Any) -> int | None:
    """Return how many unacknowledged messages the broker may deliver, 0 for unlimited; None if it is not known."""
    value = getattr(consumer.qos, "value", None)
    return max(value, 0) if isinstance(value, int) else None


def topic_rule_of(queue: Any) -> Callable[[str, str], Any] | None:
    """Return Kombu's `matches(binding key, routing key)` for topic exchanges of virtual transports; None on others.

    Kombu routes by this rule in the sender, and the broker stores the rule with each binding and keeps the bindings of
    an earlier Kombu. Therefore a key also matches if it matched before Kombu 5.7.
    """
    channel_type: Any = type(getattr(queue, "_channel", None))
    try:  # from the class: a closed channel has no `exchange_types` of its own
        exchange = channel_type.exchange_types["topic"](None)
        to_pattern, match = exchange.key_to_pattern, exchange._match
        if not match(to_pattern("a.*"), "a.b") or match(to_pattern("a.*"), "b.b"):
            return None
    except Exception:  # not a virtual transport, or a Kombu that works in another way
        return None
    return lambda key, routing_key: match(to_pattern(key), routing_key) or _matched_before_57(key, routing_key)


def _matched_before_57(key: str, routing_key: str) -> bool:
    """Apply the rule of Kombu before 5.7: `*` is any text that does not end with a dot, `#` is any text."""
    words = {"*": r".*[^.]", "#": ".*"}
    return (
        re.fullmatch(r"\.".join(words.get(word) or re.escape(word) for word in key.split(".")), routing_key) is not None
    )
