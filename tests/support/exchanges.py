"""Queues on exchanges of every kind, for the project that imports this under GOSSIP_TEST_IMPORT."""

import os

from kombu import Exchange, Queue, binding


def queues(prefix: str) -> list[Queue]:
    """Two on a topic exchange with overlapping patterns, one on a direct and one on a fanout exchange."""
    topic = Exchange(f"{prefix}_topic", type="topic")
    return [
        Queue(f"{prefix}_orders", topic, routing_key="order.*"),
        Queue(f"{prefix}_mail", topic, bindings=[binding(topic, "mail.#"), binding(topic, "#.mail")]),
        Queue(f"{prefix}_letters", Exchange(f"{prefix}_direct", type="direct"), routing_key="by-post"),
        Queue(f"{prefix}_news", Exchange(f"{prefix}_fanout", type="fanout"), routing_key="all"),
    ]


if os.environ.get("GOSSIP_TEST_IMPORT") == __name__:
    from tests.support.project import PREFIX, app

    app.conf.task_queues = queues(PREFIX)
