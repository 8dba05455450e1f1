"""Two Broadcast queues and a plain one of a fanout exchange; imported by the project under GOSSIP_TEST_IMPORT."""

from kombu import Exchange, Queue
from kombu.common import Broadcast

from tests.support.project import PREFIX, app

QUEUES = (f"{PREFIX}_news", f"{PREFIX}_alarm", f"{PREFIX}_fixed")

app.conf.task_queues = [
    *app.conf.task_queues,
    Broadcast(QUEUES[0]),
    Broadcast(QUEUES[1], queue=f"{PREFIX}_mine", unique=True),
    Queue(QUEUES[2], Exchange(f"{PREFIX}_fixed", type="fanout")),
]
