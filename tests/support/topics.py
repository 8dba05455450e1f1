"""Makes the project's queues those of a topic exchange whose patterns overlap, bound as Kombu before 5.7 binds them.

Imported by the project's workers (GOSSIP_TEST_IMPORT).
"""

from kombu import Exchange, Queue
from kombu.transport.virtual.exchange import TopicExchange

from tests.support.project import PREFIX, app

TopicExchange.wildcards = {"*": r".*?[^\.]", "#": r".*?"}
_exchange = Exchange(f"{PREFIX}_topic", type="topic", durable=False, auto_delete=True)
app.conf.task_queues = [
    Queue(f"{PREFIX}_a", _exchange, routing_key="a.*.c"),
    Queue(f"{PREFIX}_b", _exchange, routing_key="a.b.#"),
]
