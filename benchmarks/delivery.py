"""A task message for Celery's Request class, without a broker. Used by benchmarks.instrumentation and .probing."""

import time
from types import SimpleNamespace
from typing import Any

__all__ = ["delivery_from", "message_of"]


def message_of(task: Any, task_id: str, delivery_info: dict[str, Any]) -> SimpleNamespace:
    """Return the message of a call of this task without arguments."""
    headers = {"id": task_id, "task": task.name, "lang": "py", "argsrepr": "()", "kwargsrepr": "{}"}
    embedded = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return SimpleNamespace(
        headers={**headers, "gossip_sent_at": time.time()},
        body=b"[[], {}, {}]",
        payload=[[], {}, embedded],
        content_type="application/json",
        content_encoding="utf-8",
        delivery_info=delivery_info,
        properties={"reply_to": None, "correlation_id": task_id},
        delivery_tag=1,
    )


def delivery_from(transport: str, consumer: Any, queue: str) -> dict[str, Any]:
    """Return the delivery info of `redis` (exchange, routing key) or `rabbitmq` (a consumer tag too)."""
    delivery = {"exchange": "", "routing_key": queue}
    return {**delivery, "consumer_tag": consumer.task_consumer.tag_of(queue)} if transport == "rabbitmq" else delivery
